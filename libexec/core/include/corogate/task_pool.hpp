#pragma once

#include <atomic>
#include <boost/asio/async_result.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/system/result.hpp>
#include <chrono>
#include <corogate/detail/cancellation.hpp>
#include <corogate/detail/pool_core.hpp>
#include <corogate/detail/sleeper.hpp>
#include <corogate/detail/submission.hpp>
#include <corogate/detail/typed_task.hpp>
#include <corogate/drain_report.hpp>
#include <corogate/environment.hpp>
#include <corogate/errc.hpp>
#include <corogate/job.hpp>
#include <corogate/job_options.hpp>
#include <corogate/pool_activity.hpp>
#include <corogate/pool_options.hpp>
#include <corogate/pool_stats.hpp>
#include <corogate/pool_timings.hpp>
#include <corogate/refusal.hpp>
#include <corogate/take.hpp>
#include <cstddef>
#include <memory>
#include <mutex>
#include <ranges>
#include <utility>

namespace corogate {

class lane;
namespace detail {
class pool_access;
}

/// Runs coroutine tasks on a thread pool, never more than `limit` at once, the others in a bounded
/// queue; answers "no" at once where both are full.
///
/// A task is a callable that returns `asio::awaitable<T>`, a plain callable, or a ready
/// `asio::awaitable<T>` (which costs more: its frame is made on the submitter's thread). It holds
/// one permit from start to end, also while it is suspended. A callable is moved into the pool and
/// destroyed before its completion is called.
///
/// Order: tenants and classes share as `job_options` say; the tasks of one tenant and class start
/// in the order in which they were admitted, and so do all tasks without options.
///
/// Inside a task `asio::this_coro::executor` is a strand of the pool, so that what one task starts
/// in parallel with itself is serialised. A plain callable, and what a coroutine does between two
/// suspensions, occupies a thread.
///
/// Nested work: a task whose own coroutine awaits work on the same pool (`async_submit`,
/// `job::async_run`, a task_group, `async_for_each` and its like) lends its permit meanwhile. The
/// child belongs to the parent's job unless it is given options of its own, is never refused for
/// want of room, and is served before everything else; the parent goes on when it owns a permit
/// again. So no depth of nesting deadlocks, at any limit. A wait that is not the task's own
/// coroutine's (in a coroutine it spawned, in a branch of `||`), that is bound to a cancellation
/// slot of its own, or that is not for work of this pool keeps the permit, and can use up the
/// limit: the watchdog (`pool_options::stuck_after`) names it.
///
/// Failure: an exception reaches the submitter; that of a detached task reaches
/// `pool_options::on_error`. It never ends the process and never costs a permit.
///
/// Cancellation: `async_submit`, `async_admit` and `job::async_run` honour the associated
/// cancellation slot. A task that waits is removed in constant time and completes with
/// `errc::cancelled`; a running one sees the cancellation in its coroutine's state.
///
/// Completion handlers run by post on their associated executor, by default the pool's own, after
/// the finished task's permit and place have been handed on; never on the caller's stack. The
/// associated allocator is the one of the task's record.
///
/// Thread safety: shared objects are safe. The destructor must not run on a thread of the pool.
///
/// Destructor: stops the pool. What waits completes with `errc::stopped`, what runs is cancelled
/// (terminal) and awaited: a task that neither ends nor answers cancellation keeps the destructor
/// waiting. Completions are called before it returns, those on the pool's own threads at least;
/// what they post there themselves may be dropped. To lose nothing, await `async_drain` first.
///
/// A task leaves nothing running on its own executor when it ends: a handler that is busy there
/// delays the runner's next task. The result type moves without throwing, and `T()` does not throw.
class task_pool {
public:
    using executor_type = detail::pool_executor;

    /// Runs on threads of its own.
    explicit task_pool(pool_options options = {})
        : core_(std::make_shared<detail::pool_core>(options)) {}
    /// Runs on the threads of `threads`, which outlives the pool and still runs when the pool is
    /// destroyed (joined or stopped before, it leaves the destructor waiting);
    /// `pool_options::threads` is ignored.
    explicit task_pool(boost::asio::thread_pool& threads, pool_options options = {})
        : threads_(&threads)
        , core_(std::make_shared<detail::pool_core>(options, threads)) {}
    /// Runs on an environment, which outlives the pool; for tests on virtual time and a schedule
    /// that can be repeated. The watchdog is off there.
    explicit task_pool(environment& on, pool_options options = {})
        : environment_(&on)
        , core_(std::make_shared<detail::pool_core>(options, on)) {}
    task_pool(const task_pool&) = delete;
    task_pool& operator=(const task_pool&) = delete;
    ~task_pool();

    executor_type get_executor() const noexcept { return core_->executor(); }

    // ---- work ----

    /// Runs one task. Signature `void(std::exception_ptr, T)`, or `void(std::exception_ptr)` for a
    /// task that returns nothing.
    ///
    /// Where the pool is full it completes with `errc::queue_full`, waits for a place, displaces
    /// another job, runs a plain callable on the caller's thread or spills, as
    /// `pool_options::overflow` says; while it drains or is stopped, it completes with that. The
    /// error is a `boost::system::system_error` in the exception_ptr. With `asio::detached` a
    /// refusal goes to the error handler.
    template <typename F, typename Token>
    auto async_submit(F&& task, Token&& token);
    template <typename F, typename Token>
    auto async_submit(F&& task, const job_options& who, Token&& token);

    /// Runs one task, detached, or says why not. Never blocks, never throws for a refusal; the
    /// callable is moved from only on acceptance.
    template <typename F>
    boost::system::result<void, refusal> try_submit(F&& task);
    template <typename F>
    boost::system::result<void, refusal> try_submit(F&& task, const job_options& who);

    /// Reserves places for n tasks, all or none: it fits iff n <= free permits + free queue places.
    /// A refusal takes well under a microsecond, also while every thread of the pool is busy.
    boost::system::result<job, refusal> try_admit(std::size_t n);
    boost::system::result<job, refusal> try_admit(std::size_t n, const job_options& who);

    /// The same, with the overflow policy: where that is `wait`, completes when the places are
    /// free. Signature `void(boost::system::result<job, refusal>)`. Waiting callers are served
    /// first come, first served, and once one is counted in `stats().waiting_submitters` no
    /// newcomer overtakes it. Awaited in a task of this pool it is not refused for want of room.
    template <typename Token>
    auto async_admit(std::size_t n, Token&& token);
    template <typename Token>
    auto async_admit(std::size_t n, const job_options& who, Token&& token);

    /// A batch: submits every task of a range, detached, as one job, or none and says why. The
    /// tasks are moved from only on acceptance. Should the deadline pass, or the pool stop, while
    /// they are handed over, the rest stays where it is; the error handler hears of those given.
    template <std::ranges::sized_range Tasks>
    boost::system::result<void, refusal>
    try_submit_all(Tasks& tasks, const job_options& who = job_options());

    /// Runs a callable that blocks (a driver, a file) on threads kept for that, of which there are
    /// `pool_options::blocking_threads`, so that it takes no thread from tasks; a task that awaits
    /// it keeps its permit. The calls have a queue of `queue_tasks` places and are refused like
    /// tasks. Signature `void(std::exception_ptr, T)` or `void(std::exception_ptr)`. A drain waits
    /// for them. A call that runs cannot be cancelled.
    template <typename F, typename Token>
    auto async_blocking(F&& callable, Token&& token);

    /// Completes after a time, by the pool's clock. Signature `void(boost::system::error_code)`;
    /// `asio::error::operation_aborted` when cancelled or when the pool stops. A task that awaits
    /// it keeps its permit.
    template <typename Token>
    auto async_sleep(std::chrono::nanoseconds time, Token&& token);

    // ---- live changes ----

    /// Changes the limit. Running tasks go on: after a shrink no task starts until as many have
    /// ended. Throws `std::invalid_argument` for a limit that `pool_options` would not take. In
    /// force when it returns.
    ///
    /// Against a limiter it is the switch that ends the discussion: the limit stays as it is told
    /// until `adapt`.
    void resize(std::size_t limit) { core_->resize(checked_limit(limit)); }
    /// Gives the limit back to `pool_options::limiter`, which goes on from what it has learnt.
    void adapt() { core_->adapt(); }
    /// The same, completing when no more than `limit` permits are in use. Signature
    /// `void(boost::system::error_code)`.
    template <typename Token>
    auto async_resize(std::size_t limit, Token&& token);
    /// Changes the number of places in the queue. What waits stays.
    void resize_queue(std::size_t tasks) {
        pool_options().queue_tasks(tasks);
        core_->resize_queue(tasks);
    }

    /// From its return on no task starts; what runs goes on, admission goes on. A drain or a stop
    /// ends the pause. A second pause has no effect.
    void pause() { core_->pause(); }
    void resume() { core_->resume(); }

    // ---- the end ----

    /// Stops admitting and completes when everything admitted has ended, or after `timeout`: what
    /// still waits then completes with `errc::abandoned`, what runs goes on, and the report says
    /// how much of each, and of which jobs. Signature
    /// `void(boost::system::error_code, drain_report)`.
    ///
    /// The pool stays closed afterwards, until `reopen`. Submissions during a drain are refused
    /// with `errc::draining`, also those made by tasks, but for work that a task waits for; places
    /// of jobs admitted before may still be used. Several drains may be under way; the earliest
    /// deadline holds for all. Awaited inside a task of this pool it answers `errc::would_deadlock`
    /// and has no effect.
    template <typename Token>
    auto async_drain(std::chrono::nanoseconds timeout, Token&& token);

    /// Admits again after a drain, on the same threads. False where a drain is still under way, or
    /// the pool is stopped.
    bool reopen() { return core_->reopen(); }

    /// For good: refuses from now on with `errc::stopped`, drops what waits with the same, cancels
    /// (terminal) what runs. Returns at once; may be called anywhere, also inside a task, and
    /// again.
    void stop() { core_->stop(); }
    /// The same, completing when nothing runs any more. Signature
    /// `void(boost::system::error_code)`. Inside a task of this pool it stops and answers
    /// `errc::would_deadlock`.
    template <typename Token>
    auto async_stop(Token&& token);

    // ---- observation ----

    /// The books, as of one point in strand order. May wait some microseconds; never on user code.
    pool_stats stats() const { return core_->stats(); }
    /// The books of `async_blocking`.
    pool_stats blocking_stats() const;
    /// How long tasks waited and ran since construction. Of many tasks a sample, weighted.
    pool_timings timings() const {
        const auto& state = core_->timings();
        return {
            state.queue_wait.snapshot(), state.scheduling_delay.snapshot(),
            state.service_time.snapshot()
        };
    }
    /// Who has work and what runs: of tenants those with most tasks, of tasks the oldest, at most
    /// `most` of each. For people: it takes O(tenants that wait + runners) on the control strand,
    /// some 10 microseconds where those are a hundred, about a millisecond where they are 10 000;
    /// nothing is decided meanwhile. Throws what an allocation throws.
    pool_activity activity(std::size_t most = 20) const { return core_->activity(most); }
    pool_options options() const { return core_->options(); }

private:
    friend class lane;
    friend class task_group;
    friend class detail::pool_access;

    static std::size_t checked_limit(std::size_t limit) {
        return pool_options().limit(limit).limit();
    }
    detail::pool_core& blocking();

    boost::asio::thread_pool* threads_ = nullptr;
    environment* environment_ = nullptr;
    std::shared_ptr<detail::pool_core> core_;
    mutable std::mutex blocking_mutex_;
    std::shared_ptr<detail::pool_core> blocking_;
};

// ------------------------------------------------------------------------------------------------

namespace detail {

/// The way of the library's own parts to the core of a pool.
class pool_access {
public:
    static const std::shared_ptr<pool_core>& core(const task_pool& pool) noexcept {
        return pool.core_;
    }
};

template <typename F, typename Token>
auto submit_through(
    const std::shared_ptr<pool_core>& core, F&& task, submission_path path, Token&& token
) {
    using signature = task_signature_t<task_result_t<callable_t<F>>>;
    return boost::asio::async_initiate<Token, signature>(
        initiate_submit(core), token, std::forward<F>(task), std::move(path)
    );
}

template <typename F>
boost::system::result<void, refusal>
try_submit_through(const std::shared_ptr<pool_core>& core, F&& task, const submission_path& path) {
    const auto no = reserve_places(*core, path, 1);
    if (no) {
        core->refuse(path.options(), 1, *no);
        return core->make_refusal(*no);
    }
    place_guard place(*core, 1, path.lane);
    using node = typed_task<callable_t<F>, detached_sink>;
    job_record_ptr record;
    if (path.recorded())
        record = make_record(*core, path, 0);
    owned_node made(node::make(std::forward<F>(task), detached_sink()));
    made->job = std::move(record);
    core->sample(*made);
    place.used();
    core->submit(made.release());
    return {};
}

inline std::optional<refusal>
admit_through(pool_core& core, std::size_t n, const submission_path& path, job_record_ptr& record) {
    const auto no = reserve_places(core, path, n);
    if (no) {
        core.count_job(false);
        core.refuse(path.options(), n, *no);
        return core.make_refusal(*no);
    }
    place_guard places(core, n, path.lane);
    core.count_job(true);
    record = make_record(core, path, n);
    places.used();
    return std::nullopt;
}

template <typename Answer, typename Grant, typename Token>
auto admit_async(
    const std::shared_ptr<pool_core>& core, std::size_t n, submission_path path, Grant grant,
    Token&& token
) {
    return boost::asio::async_initiate<Token, void(Answer)>(
        initiate_admit<Answer, Grant>(core, grant), token, n, std::move(path)
    );
}

} // namespace detail

template <typename F, typename Token>
auto task_pool::async_submit(F&& task, Token&& token) {
    using result = decltype(detail::submit_through(
        core_, std::declval<F>(), detail::submission_path(), std::declval<Token>()
    ));
    COROGATE_REQUIRE_NAMED_CLOSURE(F, result);
    return detail::submit_through(
        core_, std::forward<F>(task), detail::submission_path(), std::forward<Token>(token)
    );
}

template <typename F, typename Token>
auto task_pool::async_submit(F&& task, const job_options& who, Token&& token) {
    using result = decltype(detail::submit_through(
        core_, std::declval<F>(), detail::submission_path(), std::declval<Token>()
    ));
    COROGATE_REQUIRE_NAMED_CLOSURE(F, result);
    return detail::submit_through(
        core_, std::forward<F>(task), detail::submission_path{who, nullptr},
        std::forward<Token>(token)
    );
}

template <typename F>
boost::system::result<void, refusal> task_pool::try_submit(F&& task) {
    return detail::try_submit_through(core_, std::forward<F>(task), {});
}

template <typename F>
boost::system::result<void, refusal> task_pool::try_submit(F&& task, const job_options& who) {
    return detail::try_submit_through(core_, std::forward<F>(task), {who, nullptr});
}

inline boost::system::result<job, refusal> task_pool::try_admit(std::size_t n) {
    detail::job_record_ptr record;
    if (auto no = detail::admit_through(*core_, n, {}, record))
        return *no;
    return job(core_, std::move(record));
}

inline boost::system::result<job, refusal>
task_pool::try_admit(std::size_t n, const job_options& who) {
    detail::job_record_ptr record;
    if (auto no = detail::admit_through(*core_, n, {who, nullptr}, record))
        return *no;
    return job(core_, std::move(record));
}

template <typename Token>
auto task_pool::async_admit(std::size_t n, Token&& token) {
    return async_admit(n, job_options(), std::forward<Token>(token));
}

template <typename Token>
auto task_pool::async_admit(std::size_t n, const job_options& who, Token&& token) {
    using answer = boost::system::result<job, refusal>;
    auto grant = [](std::shared_ptr<detail::pool_core> core, detail::job_record_ptr record) {
        return answer(job(std::move(core), std::move(record)));
    };
    return detail::admit_async<answer>(
        core_, n, detail::submission_path{who, nullptr}, grant, std::forward<Token>(token)
    );
}

template <std::ranges::sized_range Tasks>
boost::system::result<void, refusal>
task_pool::try_submit_all(Tasks& tasks, const job_options& who) {
    auto admitted = try_admit(std::ranges::size(tasks), who);
    if (!admitted)
        return admitted.error();
    try {
        for (auto& task : tasks)
            admitted->submit(std::move(task));
    } catch (const boost::system::system_error& e) {
        if (e.code() != errc::expired && e.code() != errc::stopped)
            throw; // a task that cannot be moved
    }
    return {};
}

template <typename Token>
auto task_pool::async_drain(std::chrono::nanoseconds timeout, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, drain_report)>(
        detail::initiate_drain(core_), token, timeout
    );
}

template <typename Token>
auto task_pool::async_stop(Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
        detail::initiate_stop(core_), token
    );
}

template <typename Token>
auto task_pool::async_resize(std::size_t limit, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
        detail::initiate_resize(core_), token, checked_limit(limit)
    );
}

template <typename Token>
auto task_pool::async_sleep(std::chrono::nanoseconds time, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
        detail::initiate_sleep(core_), token, time
    );
}

template <typename F, typename Token>
auto task_pool::async_blocking(F&& callable, Token&& token) {
    static_assert(
        !detail::task_traits<detail::callable_t<F>>::coroutine,
        "async_blocking takes a plain callable: a coroutine does not block"
    );
    using result = decltype(detail::submit_through(
        core_, std::declval<F>(), detail::submission_path(), std::declval<Token>()
    ));
    COROGATE_REQUIRE_NAMED_CLOSURE(F, result);
    blocking();
    return detail::submit_through(
        blocking_, std::forward<F>(callable), detail::submission_path(), std::forward<Token>(token)
    );
}

inline detail::pool_core& task_pool::blocking() {
    const std::lock_guard lock(blocking_mutex_);
    if (!blocking_) {
        const pool_options& all = core_->options();
        pool_options own;
        own.threads(all.blocking_threads())
            .limit(all.blocking_threads())
            .queue_tasks(all.queue_tasks())
            .overflow(all.overflow())
            .on_error(all.on_error())
            .idle_after(all.idle_after())
            .stuck_after(all.stuck_after());
        auto made = environment_ ? std::make_shared<detail::pool_core>(own, *environment_)
                                 : std::make_shared<detail::pool_core>(own);
        made->belong_to(*core_);
        core_->accompany(*made);
        if (core_->stopped())
            made->stop();
        blocking_ = std::move(made);
    }
    return *blocking_;
}

inline pool_stats task_pool::blocking_stats() const {
    const std::lock_guard lock(blocking_mutex_);
    return blocking_ ? blocking_->stats() : pool_stats();
}

/// Blocking calls end first: tasks may wait for them, and their completions run on the pool. Their
/// threads go last: until the last task has ended it may ask for one more.
inline task_pool::~task_pool() {
    const auto blocking = [this] {
        const std::lock_guard lock(blocking_mutex_);
        return blocking_;
    };
    core_->stop_here();
    if (const auto made = blocking())
        made->stop_and_wait();
    core_->stop_and_join();
    if (const auto made = blocking())
        made->stop_and_join();
}

} // namespace corogate
