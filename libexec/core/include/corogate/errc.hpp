#pragma once

#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <exception>
#include <ostream>
#include <string>
#include <type_traits>

namespace corogate {

/// Why corogate did not run, or did not finish, what it was given.
///
/// Each value is an `error_code` of `corogate_category()`. The words in brackets are what the HTTP
/// front end writes as `reason`.
enum class errc {
    /// No free permit and no free place in the queue, which is bounded in tasks and in waiting time
    /// (`queue-full`). Nothing ran; a later try may succeed.
    queue_full = 1,
    /// More tasks than limit and queue hold together (`job-too-large`). Never succeeds.
    job_too_large,
    /// The pool is draining and admits nothing (`draining`).
    draining,
    /// The pool was stopped (`stopped`).
    stopped,
    /// Admitted, but given up before it started or before it ended (`abandoned`).
    abandoned,
    /// Cancelled by its submitter before it started (`cancelled`).
    cancelled,
    /// The wait could never end: a task waits for the end of all tasks (`would-deadlock`).
    would_deadlock,
    /// A job was given more tasks than it reserved (`job-exhausted`).
    job_exhausted,
    /// The job's deadline passed before the task started, or could no longer be met by a job of
    /// which nothing had started (`expired`).
    expired,
    /// Admitted, and given up before its start in favour of another tenant (`displaced`).
    displaced,
    /// The pool was full and the job was stored to run later (`spilled`).
    spilled,
    /// Asked for the task that runs here, outside a task (`no-task`).
    no_task,
    /// The time given for the wait is over (`timed-out`).
    timed_out,
    /// The queue is full, mostly of this tenant's own work (`fair-share-exceeded`). Nothing ran.
    fair_share_exceeded,
    /// The job cannot be done by its deadline behind what waits (`deadline-infeasible`). Nothing
    /// ran.
    deadline_infeasible,
    /// The process or the machine is short of memory (`memory-pressure`). Nothing ran.
    memory_pressure,
};

namespace detail {

class category final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "corogate"; }

    std::string message(int value) const override {
        switch (static_cast<errc>(value)) {
        case errc::queue_full:
            return "no free permit and no free queue place";
        case errc::job_too_large:
            return "the job has more tasks than the limit and the queue hold together";
        case errc::draining:
            return "the pool is draining and admits no work";
        case errc::stopped:
            return "the pool is stopped";
        case errc::abandoned:
            return "the task was given up before it ended";
        case errc::cancelled:
            return "the task was cancelled before it started";
        case errc::would_deadlock:
            return "a task cannot wait for the end of all tasks";
        case errc::job_exhausted:
            return "the job was given more tasks than it reserved";
        case errc::expired:
            return "the deadline passed, or could no longer be met, before the task started";
        case errc::displaced:
            return "the task was displaced from the queue before it started";
        case errc::spilled:
            return "the pool was full; the job is stored and runs later";
        case errc::no_task:
            return "no task of a corogate pool runs here";
        case errc::timed_out:
            return "the time given for the wait is over";
        case errc::fair_share_exceeded:
            return "the queue is full, mostly of this tenant's own work";
        case errc::deadline_infeasible:
            return "the job cannot be done by its deadline behind what waits";
        case errc::memory_pressure:
            return "memory is short";
        }
        return "unknown corogate error";
    }
};

} // namespace detail

inline const boost::system::error_category& corogate_category() noexcept {
    static const detail::category instance;
    return instance;
}

inline boost::system::error_code make_error_code(errc value) noexcept {
    return {static_cast<int>(value), corogate_category()};
}

/// The value as it appears in documents and metrics: `queue-full`.
constexpr const char* reason_name(errc value) noexcept {
    switch (value) {
    case errc::queue_full:
        return "queue-full";
    case errc::job_too_large:
        return "job-too-large";
    case errc::draining:
        return "draining";
    case errc::stopped:
        return "stopped";
    case errc::abandoned:
        return "abandoned";
    case errc::cancelled:
        return "cancelled";
    case errc::would_deadlock:
        return "would-deadlock";
    case errc::job_exhausted:
        return "job-exhausted";
    case errc::expired:
        return "expired";
    case errc::displaced:
        return "displaced";
    case errc::spilled:
        return "spilled";
    case errc::no_task:
        return "no-task";
    case errc::timed_out:
        return "timed-out";
    case errc::fair_share_exceeded:
        return "fair-share-exceeded";
    case errc::deadline_infeasible:
        return "deadline-infeasible";
    case errc::memory_pressure:
        return "memory-pressure";
    }
    return "unknown";
}

inline std::ostream& operator<<(std::ostream& out, errc value) { return out << reason_name(value); }

namespace detail {

inline constexpr int errc_count = 16;

/// A `system_error` for each reason, made once: a refusal under overload allocates nothing.
inline const std::exception_ptr& prebuilt_exception(errc value) {
    struct table {
        std::exception_ptr of[errc_count + 1];
        table() {
            for (int i = 1; i <= errc_count; ++i)
                of[i] = std::make_exception_ptr(
                    boost::system::system_error(make_error_code(static_cast<errc>(i)))
                );
        }
    };
    static const table prebuilt;
    return prebuilt.of[static_cast<int>(value)];
}

} // namespace detail
} // namespace corogate

template <>
struct boost::system::is_error_code_enum<corogate::errc> : std::true_type {};
