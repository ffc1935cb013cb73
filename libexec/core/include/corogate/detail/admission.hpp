#pragma once

#include <algorithm>
#include <chrono>
#include <corogate/detail/fair_queue.hpp>
#include <corogate/detail/tenant_table.hpp>
#include <corogate/errc.hpp>
#include <corogate/priority_class.hpp>
#include <cstddef>

namespace corogate::detail {

/// Who may come in: whether a job, as a whole, can be done in time behind what waits already, and
/// what it takes to make room for it. Pure policy: no state but its settings, no clock, O(1).
///
/// A queue is bounded in time, not only in places (Kubernetes' API priority and fairness waits at
/// most a quarter of the request's time as well): a job that would wait longer than
/// min(`queue_time`, a quarter of its deadline) is better told so at once. The wait is estimated
/// for its tenant: who floods the queue waits behind himself, others do not.
///
/// A queue that has stood for less than a second is a burst, not an overload, and may be three
/// times as long (still no more than a quarter of the deadline). So `queue_time` can be short
/// without refusals where there is no overload. (In the simulator at 0.8 of the capacity with 80
/// ms: of jobs of 24 tasks 0.05 % refused without this, none with it; of jobs of 1, 24 and 100
/// tasks 1.8 and 0.2 %; the p99 at ten times the capacity is the same. CoDel tells good from bad
/// queues by the same means: Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 10(5),
/// 2012.)
class admission {
public:
    using duration = std::chrono::nanoseconds;
    static constexpr duration unbounded = duration::max();
    /// How many times `queue_time` work may wait in a burst, and for how long a queue is one.
    static constexpr int burst = 3;
    static constexpr duration burst_lasts = std::chrono::seconds(1);

    /// The longest that anything should wait in the queue.
    explicit admission(duration queue_time = unbounded) noexcept
        : queue_time_(queue_time) {}

    struct newcomer {
        std::size_t tasks = 1;
        priority_class priority = priority_class::normal;
        duration deadline = unbounded; ///< time left
    };

    /// What is known of the pool.
    struct view {
        double pace = 0;               ///< tasks a second while a queue stands; 0: not known yet
        duration service{};            ///< of one task, typically; 0: not known yet
        std::int64_t free = 0;         ///< places: permits and queue together, less all taken
        duration standing = unbounded; ///< for how long work has waited without a pause
    };

    struct verdict {
        /// Why not; `errc{}`: come in, once `displace` units have been displaced.
        errc no{};
        std::size_t displace = 0;
        /// Where they cannot be displaced: `no` if so, else it may come in all the same.
        errc otherwise{};
    };

    /// For the exact door: by what waits, whose it is, and what could give way.
    verdict decide(
        const fair_queue& queue, const tenant& whose, const newcomer& who, const view& pool
    ) const noexcept {
        const std::size_t ahead = queue.ahead(whose, who.priority);
        const errc late = too_long(ahead, who, pool);
        const bool own_fault =
            2 * std::size_t{whose.of_class(who.priority).units()} >= queue.size();
        const errc full =
            own_fault && queue.active_flows() > 1 ? errc::fair_share_exceeded : errc::queue_full;
        if (late != errc{})
            return {late == errc::queue_full ? full : late};
        const auto lacking = static_cast<std::int64_t>(who.tasks) - pool.free;
        const std::size_t excess = excess_units(queue.size(), who.tasks, pool);
        if (lacking <= 0)
            return {{}, excess, {}};
        return {{}, std::max(excess, static_cast<std::size_t>(lacking)), full};
    }

    /// For the synchronous doors, which know the whole queue only: `ahead` units of whomever.
    errc too_long(std::size_t ahead, const newcomer& who, const view& pool) const noexcept {
        if (pool.pace <= 0 || ahead == 0)
            return {};
        const duration wait = time_for(ahead, pool.pace);
        if (who.deadline != unbounded) {
            const duration work = std::max(time_for(who.tasks, pool.pace), pool.service);
            if (wait > who.deadline - std::min(work, who.deadline))
                return errc::deadline_infeasible;
        }
        return wait > longest_wait(who.deadline, pool.standing) ? errc::queue_full : errc{};
    }

    /// Before the first task of a job starts: whether all of it can no longer be done in time.
    static bool hopeless(std::size_t tasks, duration left, const view& pool) noexcept {
        if (left == unbounded)
            return false;
        const duration work =
            pool.pace > 0 ? std::max(time_for(tasks, pool.pace), pool.service) : pool.service;
        return left < work;
    }

    /// What is known of the pace: as measured while a queue stood; before the first, what so many
    /// permits can do by Little's law with tasks as long as those that have ended. (Rather too
    /// much, since tasks take longer under load; without it a first burst may wait for all places.)
    static double pace_of(double measured, std::size_t limit, duration mean_service) noexcept {
        if (measured > 0 || mean_service <= duration::zero())
            return measured;
        return static_cast<double>(limit) / std::chrono::duration<double>(mean_service).count();
    }

    duration longest_wait(duration deadline, duration standing = unbounded) const noexcept {
        const duration bound = bound_of(standing);
        return deadline == unbounded ? bound : std::min(bound, deadline / 4);
    }

    duration queue_time() const noexcept { return queue_time_; }

    static duration time_for(std::size_t units, double pace) noexcept {
        constexpr double most = 1e18;
        return duration(
            static_cast<std::int64_t>(std::min(most, 1e9 * static_cast<double>(units) / pace))
        );
    }

private:
    duration bound_of(duration standing) const noexcept {
        return standing < burst_lasts && queue_time_ < unbounded / burst ? burst * queue_time_
                                                                         : queue_time_;
    }

    /// Units beyond what is served within `queue_time`.
    std::size_t
    excess_units(std::size_t waiting, std::size_t tasks, const view& pool) const noexcept {
        if (queue_time_ == unbounded || pool.pace <= 0)
            return 0;
        const double bound =
            pool.pace * std::chrono::duration<double>(bound_of(pool.standing)).count();
        const auto all = static_cast<double>(waiting + tasks);
        if (waiting == 0 || all <= bound)
            return 0;
        return std::min(waiting, static_cast<std::size_t>(all - bound));
    }

    duration queue_time_;
};

} // namespace corogate::detail
