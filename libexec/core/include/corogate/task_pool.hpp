#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/detached.hpp>
#include <boost/system/result.hpp>
#include <chrono>
#include <corogate/detail/cancellation.hpp>
#include <corogate/detail/pool_core.hpp>
#include <corogate/detail/submission.hpp>
#include <corogate/detail/typed_task.hpp>
#include <corogate/drain_report.hpp>
#include <corogate/errc.hpp>
#include <corogate/job.hpp>
#include <corogate/pool_options.hpp>
#include <corogate/pool_stats.hpp>
#include <corogate/refusal.hpp>
#include <corogate/take.hpp>
#include <cstddef>
#include <memory>
#include <utility>

namespace corogate {

/// Runs coroutine tasks on a thread pool, never more than `limit` at once, the others in a bounded
/// queue; answers "no" at once where both are full.
///
/// A task is a callable that returns `asio::awaitable<T>`, a plain callable, or a ready
/// `asio::awaitable<T>` (which costs more: its frame is made on the submitter's thread). It holds
/// one permit from start to end, also while it is suspended. Tasks start in the order in which they
/// were admitted; a callable is moved into the pool and destroyed before its completion is called.
///
/// Inside a task `asio::this_coro::executor` is a strand of the pool, so that what one task starts
/// in parallel with itself is serialised. A plain callable, and what a coroutine does between two
/// suspensions, occupies a thread.
///
/// Failure: an exception reaches the submitter; that of a detached task reaches
/// `pool_options::on_error`. It never ends the process and never costs a permit.
///
/// Cancellation: `async_submit`, `async_admit` and `job::async_run` honour the associated
/// cancellation slot. A task that waits is removed in constant time and completes with
/// `errc::cancelled`; a running one sees the cancellation in its coroutine's state.
///
/// Completion handlers run by post on their associated executor, by default the pool's own, after
/// the finished task's permit and place have been handed on; never on the caller's stack.
///
/// Thread safety: shared objects are safe. The destructor must not run on a thread of the pool.
///
/// Destructor: stops the pool. What waits completes with `errc::stopped`, what runs is cancelled
/// (terminal) and awaited: a task that neither ends nor answers cancellation keeps the destructor
/// waiting. Two things it may drop: completions whose executor wraps the pool's own (a strand over
/// it), and what a completion handler posts or submits meanwhile. To lose nothing, await
/// `async_drain` first.
///
/// A task leaves nothing running on its own executor when it ends: a handler that is busy there
/// delays the runner's next task. The result type moves without throwing, and `T()` does not throw.
class task_pool {
public:
    using executor_type = detail::pool_core::pool_executor;

    explicit task_pool(pool_options options = {})
        : core_(std::make_shared<detail::pool_core>(options)) {}
    task_pool(const task_pool&) = delete;
    task_pool& operator=(const task_pool&) = delete;
    ~task_pool() { core_->stop_and_join(); }

    executor_type get_executor() const noexcept { return core_->executor(); }

    /// Runs one task. Signature `void(std::exception_ptr, T)`, or `void(std::exception_ptr)` for a
    /// task that returns nothing.
    ///
    /// Where the pool is full it completes with `errc::queue_full`, or waits for a place, as
    /// `pool_options::overflow` says; while it drains or is stopped, with that. The error is a
    /// `boost::system::system_error` in the exception_ptr. With `asio::detached` a refusal goes to
    /// the error handler.
    template <typename F, typename Token>
    auto async_submit(F&& task, Token&& token);

    /// Runs one task, detached, or says why not. Never blocks, never throws for a refusal; the
    /// callable is moved from only on acceptance.
    template <typename F>
    boost::system::result<void, refusal> try_submit(F&& task);

    /// Reserves places for n tasks, all or none: it fits iff n <= free permits + free queue places.
    /// Takes well under a microsecond, also while every thread of the pool is busy.
    boost::system::result<job, refusal> try_admit(std::size_t n);

    /// The same, with the overflow policy: where that is `wait`, completes when the places are
    /// free. Signature `void(boost::system::result<job, refusal>)`. Waiting callers are served
    /// first come, first served, and once one is counted in `stats().waiting_submitters` no
    /// newcomer overtakes it.
    template <typename Token>
    auto async_admit(std::size_t n, Token&& token);

    /// Stops admitting and completes when everything admitted has ended, or after `timeout`: what
    /// still waits then completes with `errc::abandoned`, what runs goes on, and the report says
    /// how much of each. Signature `void(boost::system::error_code, drain_report)`.
    ///
    /// The pool stays closed afterwards. Submissions during a drain are refused with
    /// `errc::draining`, also those made by tasks; places of jobs admitted before may still be
    /// used. Several drains may be under way; the earliest deadline holds for all. Awaited inside
    /// a task of this pool it answers `errc::would_deadlock` and has no effect.
    template <typename Token>
    auto async_drain(std::chrono::nanoseconds timeout, Token&& token);

    /// The books, as of one point in strand order. May wait some microseconds; never on user code.
    pool_stats stats() const { return core_->stats(); }

private:
    std::shared_ptr<detail::pool_core> core_;
};

// ------------------------------------------------------------------------------------------------

template <typename F, typename Token>
auto task_pool::async_submit(F&& task, Token&& token) {
    using callable = detail::callable_t<F>;
    using signature = detail::task_signature_t<detail::task_result_t<callable>>;
    using result = decltype(boost::asio::async_initiate<Token, signature>(
        std::declval<detail::initiate_submit>(), token, std::declval<F>()
    ));
    COROGATE_REQUIRE_NAMED_CLOSURE(F, result);
    return boost::asio::async_initiate<Token, signature>(
        detail::initiate_submit(core_), token, std::forward<F>(task)
    );
}

template <typename F>
boost::system::result<void, refusal> task_pool::try_submit(F&& task) {
    if (const auto no = core_->reserve(1)) {
        core_->count_refused(1);
        return core_->make_refusal(*no);
    }
    detail::place_guard place(*core_);
    using node = detail::typed_task<detail::callable_t<F>, detail::detached_sink>;
    auto* made = new node(std::forward<F>(task), detail::detached_sink());
    place.used();
    core_->submit(made);
    return {};
}

inline boost::system::result<job, refusal> task_pool::try_admit(std::size_t n) {
    if (const auto no = core_->reserve(n)) {
        core_->count_refused(n);
        return core_->make_refusal(*no);
    }
    return job(core_, n);
}

template <typename Token>
auto task_pool::async_admit(std::size_t n, Token&& token) {
    using answer = boost::system::result<job, refusal>;
    auto grant = [](std::shared_ptr<detail::pool_core> core, std::size_t places) {
        return answer(job(std::move(core), places));
    };
    return boost::asio::async_initiate<Token, void(answer)>(
        detail::initiate_admit<answer, decltype(grant)>(core_, grant), token, n
    );
}

template <typename Token>
auto task_pool::async_drain(std::chrono::nanoseconds timeout, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, drain_report)>(
        detail::initiate_drain(core_), token, timeout
    );
}

} // namespace corogate
