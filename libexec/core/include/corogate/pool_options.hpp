#pragma once

#include <algorithm>
#include <chrono>
#include <corogate/job_options.hpp>
#include <corogate/limiter.hpp>
#include <corogate/memory_guard.hpp>
#include <corogate/observer.hpp>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

namespace corogate {

/// What "full" does to `async_submit` and `async_admit`. The synchronous doors
/// always refuse.
enum class overflow_policy : std::uint8_t {
    reject, ///< complete at once with `errc::queue_full`
    wait,   ///< suspend the caller until a place is free, first come first served
    /// Give up, with `errc::displaced`, the job that would be served last of the tenant that holds
    /// most, if that is not the newcomer's own tenant. Only jobs of which nothing has started and
    /// whose submitter still waits for the result: an answer is a promise. Else refuse.
    displace,
    /// Run a plain callable on the caller's thread, outside the limit; refuse a coroutine.
    caller_runs,
    /// Offer the job to `pool_options::on_spill`; refuse where that declines. For `async_submit`
    /// and `async_admit`.
    spill,
};

/// Stores a job that found the pool full, to run it later: true for "stored". Called on a thread of
/// the pool with what the submitter said of the job. What it throws counts as "declined".
using spill_handler = std::function<bool(const job_options&)>;

/// Called with the exception of a detached task, and with the refusal of a detached submission,
/// on a thread of the pool. What it throws is ignored.
using error_handler = std::function<void(std::exception_ptr)>;

/// How a task_pool is built. Setters can be chained; each checks its argument and throws
/// `std::invalid_argument` with a sentence.
class pool_options {
public:
    pool_options() noexcept {}

    /// For tasks that compute: as many permits as threads, as many threads as cores.
    static pool_options cpu_bound() {
        pool_options o;
        return o.limit(o.threads());
    }
    /// For tasks that mostly wait (databases, other services): 256 permits a thread, and a queue of
    /// four times as many.
    static pool_options io_bound() {
        pool_options o;
        return o.limit(256 * o.threads()).queue_tasks(4 * 256 * o.threads());
    }

    /// Threads of the pool. Default: one a core.
    pool_options& threads(std::size_t n) {
        require(n >= 1 && n <= 1024, "a pool has between 1 and 1024 threads");
        threads_ = n;
        return *this;
    }
    /// Permits: how many tasks run at once, suspended ones included. Default: 64, for tasks that
    /// wait as well as compute; for tasks that only compute, the number of threads.
    pool_options& limit(std::size_t n) {
        require(n >= 1 && n <= most, "the limit is at least 1 and at most 1073741823");
        limit_ = n;
        return *this;
    }
    /// Moves the limit while the pool works, from its own start on; `limit` holds until it is first
    /// looked at. Default: none, the limit is fixed. `task_pool::resize` takes the limit out of its
    /// hands, `task_pool::adapt` gives it back. Needs `timings`.
    pool_options& limiter(any_limiter model) {
        limiter_ = std::move(model);
        return *this;
    }
    /// Places in the queue, in tasks. 0 is allowed: what finds no free permit is refused.
    /// Default: 4096.
    pool_options& queue_tasks(std::size_t n) {
        require(n <= most, "the queue holds at most 1073741823 tasks");
        queue_tasks_ = n;
        return *this;
    }
    /// The longest that work should wait in the queue: what would wait longer behind what is there
    /// counts as "full". For a burst, the first second in which work waits, it is three times as
    /// long: natural bursts are not overload. Jobs with a deadline never wait for more than a
    /// quarter of it. Estimated
    /// from the pace at which tasks have ended while others waited; the queue is bounded in places
    /// only until that is known. Default: no bound but that of the jobs' deadlines.
    ///
    /// `async_admit` and `async_submit` judge by tenant: who floods the queue waits behind himself,
    /// others do not. The synchronous doors judge by the whole queue. Work of a lane is bounded in
    /// places only.
    pool_options& queue_time(std::chrono::nanoseconds time) {
        require(time > std::chrono::nanoseconds::zero(), "a bound on waiting is more than nothing");
        queue_time_ = time;
        return *this;
    }
    /// Refuses while memory is short. Default: off.
    pool_options& guard_memory(memory_guard guard = {}) {
        memory_ = std::move(guard);
        return *this;
    }
    /// While work has waited for 100 ms without a pause, start the newest job of a tenant first:
    /// under overload some are then early instead of all late. Not for jobs that are `ordered`.
    /// Default: no, since a queue bounded in time lets nothing in that is late.
    pool_options& newest_first(bool on) noexcept {
        newest_first_ = on;
        return *this;
    }
    /// Decides about waiting times, memory and limit, counts (`pool_stats::would_refuse`) and says
    /// (`pool_stats::limit_proposed`), but refuses only for want of places and leaves the limit
    /// alone. To see what a bound would do before it does it. Default: no.
    pool_options& dry_run(bool on) noexcept {
        dry_run_ = on;
        return *this;
    }
    /// Default: `reject`.
    pool_options& overflow(overflow_policy policy) noexcept {
        overflow_ = policy;
        return *this;
    }
    /// Default: each kind of exception is written to the standard error once.
    pool_options& on_error(error_handler handler) {
        on_error_ = std::move(handler);
        return *this;
    }

    /// How many submitters may wait under overflow policy `wait`; the next one is refused.
    /// Default: 65536.
    pool_options& waiting_submitters(std::size_t n) noexcept {
        waiting_submitters_ = n;
        return *this;
    }
    /// How many tasks one waiting task may have under way on its own pool. Default: 4096.
    pool_options& children(std::size_t n) {
        require(n >= 1 && n <= most, "a task may have between 1 and 1073741823 children");
        children_ = n;
        return *this;
    }
    /// How many tenants are told apart; those beyond it share one place. Default: 10000.
    pool_options& tenants(std::size_t n) {
        require(n >= 1 && n <= 1000000, "a pool tells between 1 and 1000000 tenants apart");
        tenants_ = n;
        return *this;
    }
    /// For overflow policy `spill`.
    pool_options& on_spill(spill_handler handler) {
        on_spill_ = std::move(handler);
        return *this;
    }
    /// Looks on; see `observer`.
    pool_options& observe(std::shared_ptr<observer> by) noexcept {
        observer_ = std::move(by);
        return *this;
    }
    /// After how long without a task a runner's coroutine is destroyed; zero: never. Default: 10 s.
    pool_options& idle_after(std::chrono::nanoseconds time) {
        require(time >= std::chrono::nanoseconds::zero(), "a time is not negative");
        idle_after_ = time;
        return *this;
    }
    /// After how long a task that runs is reported as stuck, once, to the observer or, without one,
    /// on the standard error; zero: never. Default: 60 s. Noticed up to a quarter later.
    pool_options& stuck_after(std::chrono::nanoseconds time) {
        require(time >= std::chrono::nanoseconds::zero(), "a time is not negative");
        stuck_after_ = time;
        return *this;
    }
    /// Whether waiting and service times go into `task_pool::timings()`. A sample of the tasks is
    /// measured when there are many. Default: yes.
    pool_options& timings(bool on) noexcept {
        timings_ = on;
        return *this;
    }
    /// Threads for `async_blocking`, started when the first call comes; its queue has
    /// `queue_tasks` places. Default: 16.
    pool_options& blocking_threads(std::size_t n) {
        require(n >= 1 && n <= 1024, "there are between 1 and 1024 blocking threads");
        blocking_threads_ = n;
        return *this;
    }

    std::size_t threads() const noexcept { return threads_; }
    std::size_t limit() const noexcept { return limit_; }
    std::size_t queue_tasks() const noexcept { return queue_tasks_; }
    overflow_policy overflow() const noexcept { return overflow_; }
    const error_handler& on_error() const noexcept { return on_error_; }
    std::size_t waiting_submitters() const noexcept { return waiting_submitters_; }
    std::size_t children() const noexcept { return children_; }
    std::size_t tenants() const noexcept { return tenants_; }
    const spill_handler& on_spill() const noexcept { return on_spill_; }
    const std::shared_ptr<observer>& observe() const noexcept { return observer_; }
    std::chrono::nanoseconds idle_after() const noexcept { return idle_after_; }
    std::chrono::nanoseconds stuck_after() const noexcept { return stuck_after_; }
    bool timings() const noexcept { return timings_; }
    std::size_t blocking_threads() const noexcept { return blocking_threads_; }
    std::optional<std::chrono::nanoseconds> queue_time() const noexcept { return queue_time_; }
    const any_limiter& limiter() const noexcept { return limiter_; }
    const std::optional<memory_guard>& memory() const noexcept { return memory_; }
    bool newest_first() const noexcept { return newest_first_; }
    bool dry_run() const noexcept { return dry_run_; }

private:
    // Limit and queue together fit a signed 32-bit count.
    static constexpr std::size_t most = (std::size_t{1} << 30) - 1;

    static void require(bool holds, const char* sentence) {
        if (!holds)
            throw std::invalid_argument(sentence);
    }

    std::size_t threads_ = std::max<std::size_t>(1, std::thread::hardware_concurrency());
    std::size_t limit_ = 64;
    std::size_t queue_tasks_ = 4096;
    overflow_policy overflow_ = overflow_policy::reject;
    error_handler on_error_;
    std::size_t waiting_submitters_ = 65536;
    std::size_t children_ = 4096;
    std::size_t tenants_ = 10000;
    spill_handler on_spill_;
    std::shared_ptr<observer> observer_;
    std::chrono::nanoseconds idle_after_ = std::chrono::seconds(10);
    std::chrono::nanoseconds stuck_after_ = std::chrono::seconds(60);
    std::size_t blocking_threads_ = 16;
    any_limiter limiter_;
    std::optional<memory_guard> memory_;
    std::optional<std::chrono::nanoseconds> queue_time_;
    bool timings_ = true;
    bool newest_first_ = false;
    bool dry_run_ = false;
};

} // namespace corogate
