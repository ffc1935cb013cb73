#pragma once

#include <boost/system/error_code.hpp>
#include <boost/throw_exception.hpp>
#include <chrono>
#include <corogate/errc.hpp>

namespace corogate {

/// The answer "no", as a value: why, whether trying again makes sense, and when.
///
/// A refusal is certain that nothing ran: no task was started, queued or moved from.
class refusal {
public:
    /// No refusal: what `result::error()` of an acceptance gives.
    refusal() noexcept = default;
    refusal(errc why, std::chrono::milliseconds retry_after) noexcept
        : reason_(why)
        , retry_after_(retry_after) {}

    errc reason() const noexcept { return reason_; }
    boost::system::error_code code() const noexcept { return reason_; }

    /// Whether the same request can succeed later, on this pool.
    bool retryable() const noexcept {
        switch (reason_) {
        case errc::queue_full:
        case errc::fair_share_exceeded:
        case errc::deadline_infeasible:
        case errc::memory_pressure:
        case errc::displaced:
        case errc::draining:
            return true;
        default:
            return false;
        }
    }

    /// When to come again: 1 to 32 s in the mean, longer while refusals go on (of the tenant, at
    /// the doors that know it), never longer than the work ahead takes; with 50 % of jitter, so
    /// that those who were refused together do not come again together. 0 where a retry is
    /// pointless.
    std::chrono::milliseconds retry_after() const noexcept { return retry_after_; }

private:
    errc reason_{};
    std::chrono::milliseconds retry_after_{0};
};

/// How `boost::system::result<T, refusal>::value()` reports a refusal nobody looked at.
[[noreturn]] inline void
throw_exception_from_error(const refusal& no, const boost::source_location& where) {
    boost::throw_exception(boost::system::system_error(no.code()), where);
}

} // namespace corogate
