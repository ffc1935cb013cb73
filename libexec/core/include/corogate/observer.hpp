#pragma once

#include <chrono>
#include <corogate/errc.hpp>
#include <corogate/job_options.hpp>
#include <corogate/priority_class.hpp>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

namespace corogate {

/// Which task an observation is about. The views hold while the call lasts.
struct task_info {
    std::uint64_t job = 0; ///< number of its job; 0 for a job of one without options
    std::string_view tenant;
    std::string_view name;
    priority_class priority = priority_class::normal;
};

/// A task that has been running for longer than `pool_options::stuck_after` allows. A copy.
struct stuck_task {
    std::uint64_t job = 0;
    std::string tenant;
    std::string name;
    std::chrono::nanoseconds running{0}; ///< at least this long
    /// Whether it waits for work on this pool and has lent its permit meanwhile. Where it does not,
    /// and the pool stands still, it waits for something that corogate cannot see.
    bool lent = false;
};

/// Looks on. The members are called on threads of the pool, never under a lock or on the control
/// strand, from several threads at once; what they throw is ignored. While one is installed every
/// task's times are taken (70 to 80 ns each).
class observer {
public:
    observer() = default;
    observer(const observer&) = delete;
    observer& operator=(const observer&) = delete;
    virtual ~observer() = default;

    /// A task starts; how long it has waited since it was admitted.
    virtual void started(const task_info&, std::chrono::nanoseconds /*waited*/) {}
    /// A task has run to its end, with this exception or null; how long it ran.
    virtual void
    ended(const task_info&, std::chrono::nanoseconds /*ran*/, const std::exception_ptr&) {}
    /// An admitted task did not run to its end: cancelled, expired, displaced, abandoned, stopped.
    virtual void dropped(const task_info&, errc /*why*/) {}
    /// n tasks were refused: nothing ran.
    virtual void refused(const job_options&, std::size_t /*n*/, errc /*why*/) {}
    /// Once for each task that is stuck.
    virtual void stuck(const stuck_task&) {}
};

} // namespace corogate
