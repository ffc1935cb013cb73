#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <corogate/detail/group_crew.hpp>
#include <corogate/job_options.hpp>
#include <corogate/task_pool.hpp>
#include <corogate/this_task.hpp>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace corogate {

/// How a task_group is built. Setters can be chained; each checks its argument and throws
/// `std::invalid_argument` with a sentence.
class task_group_options {
public:
    task_group_options() noexcept {}

    /// How many of the group's tasks are under way on the pool at once; the others wait in the
    /// group. Default: no limit of the group's own.
    task_group_options& limit(std::size_t n) {
        if (n < 1)
            throw std::invalid_argument("a group's limit is at least 1");
        limit_ = n;
        return *this;
    }
    /// A task that fails harms no sibling; see `task_group::errors`. Default: the first error
    /// cancels the others.
    task_group_options& collect_all(bool on = true) noexcept {
        collect_all_ = on;
        return *this;
    }
    /// Whose the group's tasks are, and their deadline, which counts from the group's construction.
    /// Default: in a task, that of the task's job; else nobody's.
    task_group_options& who(job_options whose) {
        who_ = std::move(whose);
        return *this;
    }

    std::size_t limit() const noexcept { return limit_; }
    bool collect_all() const noexcept { return collect_all_; }
    const std::optional<job_options>& who() const noexcept { return who_; }

private:
    std::size_t limit_ = static_cast<std::size_t>(-1);
    bool collect_all_ = false;
    std::optional<job_options> who_;
};

/// Tasks that are started one by one and awaited together.
///
///     corogate::task_context here = co_await corogate::this_task();
///     corogate::task_group group(here);
///     for (const form& f : forms)
///         group.spawn([&f] { return check(f); });
///     co_await group.async_join(asio::use_awaitable);
///
/// Failure: the first error of a task cancels its siblings: those that wait are taken back, those
/// that run are asked (terminal). The join completes with that first error after all have ended.
/// With `collect_all` nothing is cancelled: the join completes with the first error all the same,
/// and `errors` has all of them, in the order in which they happened.
///
/// Two kinds of group. One made of a **pool**: each `spawn` goes through admission with the pool's
/// overflow policy, never blocking the caller; a refusal is an error of the group, as if the task
/// had thrown it (`caller_runs` and `spill` refuse). One made of a **task** (`task_context`): its
/// tasks are children of that task. They belong to its job, are not refused for want of room, are
/// served before everything else and are `pool_options::children` at most at once, the others
/// waiting in the group; the group is used while that task runs. A task that waits in the group, by
/// either's limit, takes the place of one that has ended, and is not refused. What a task returns
/// is dropped: see async_transform and async_gather.
///
/// Join: awaited by a task of the pool, of either kind of group, it lends that task's permit, so
/// that no limit and no depth deadlocks; tasks that wait at the pool's door are let in then.
/// Cancelling the join cancels the group and completes when its tasks have ended. Several joins may
/// wait.
///
/// Rounds: a completed join ends a round. Another join answers the same again; the next `spawn` (or
/// `cancel`) begins a new one, with no errors. Where a round is cancelled or has failed, a task
/// that is spawned before the join does not run and counts as cancelled.
///
/// Destructor: never blocks. It cancels what has not been joined and leaves it behind; the pool
/// still counts those tasks and a drain waits for them. Errors nobody has joined, but for
/// cancellations, go to `pool_options::on_error`.
///
/// Thread safety: shared objects are safe, but that a spawn from outside the group's tasks while a
/// join is pending may come before or after it. A group may outlive its pool: `spawn` is an error
/// of the group then.
class task_group {
public:
    using executor_type = detail::pool_executor;

    explicit task_group(task_pool& pool, const task_group_options& options = {})
        : crew_(std::make_shared<detail::group_crew>(pool.core_, rule_of(options), options.limit())
          ) {
        if (options.who())
            crew_->belong(detail::make_record(*pool.core_, {options.who(), nullptr}, 0, false));
    }
    /// For children of the task that runs here. Throws `errc::no_task` where it has ended.
    explicit task_group(const task_context& here, const task_group_options& options = {})
        : crew_(std::make_shared<detail::group_crew>(
              here.core().shared_from_this(), rule_of(options), options.limit()
          )) {
        crew_->nest(
            options.who() ? detail::make_record(
                                here.core(), {options.who(), nullptr}, 0, false, here.job_.get()
                            )
                          : here.job_
        );
    }
    task_group(const task_group&) = delete;
    task_group& operator=(const task_group&) = delete;
    ~task_group() { crew_->abandon(); }

    /// Starts a task, or lets it wait in the group. Throws only what moving the callable throws;
    /// nothing has happened then. A lambda with captures may be given as it is: this is no
    /// operation that is awaited.
    template <typename F>
    void spawn(F&& task) {
        crew_->spawn(std::forward<F>(task));
    }

    /// Completes when every task has ended. Signature `void(std::exception_ptr)`.
    template <typename Token>
    auto async_join(Token&& token) {
        return boost::asio::async_initiate<Token, void(std::exception_ptr)>(
            detail::initiate_join(crew_), token
        );
    }

    /// Ends the round: tasks that wait are taken back, those that run are asked (terminal). The
    /// join has `errc::cancelled` where a task was taken back and nothing failed before.
    void cancel() { crew_->end_round(boost::asio::cancellation_type::terminal); }

    /// The errors of the round, in the order in which they happened; only the first without
    /// `collect_all`.
    std::vector<std::exception_ptr> errors() const { return crew_->errors(); }

    /// Tasks that have not ended, those that wait in the group included.
    std::size_t size() const { return crew_->size(); }

private:
    static detail::crew::rule rule_of(const task_group_options& options) noexcept {
        return options.collect_all() ? detail::crew::rule::collect
                                     : detail::crew::rule::cancel_rest;
    }

    std::shared_ptr<detail::group_crew> crew_;
};

/// Runs `body(group)`, a coroutine, and joins the group in any case: what the tasks refer to in the
/// awaiting coroutine is there until they have ended.
///
///     auto body = [&](corogate::task_group& group) -> asio::awaitable<void> {
///         for (const form& f : forms)
///             group.spawn([&f] { return check(f); });
///         co_await audit(forms); // may throw
///     };
///     co_await corogate::with_group(here, corogate::take(body));
///
/// `where`: a task_pool or a task_context. Where the body throws, or the awaiting coroutine is
/// cancelled, the group is cancelled first. The result is the body's exception, or else that of the
/// join.
template <typename Where, typename Body>
auto with_group(Where& where, Body&& body, const task_group_options& options = {});

// ------------------------------------------------------------------------------------------------

namespace detail {

template <typename Body>
boost::asio::awaitable<void> run_with_group(std::unique_ptr<task_group> group, Body body) {
    std::exception_ptr failed;
    try {
        co_await body(*group);
    } catch (...) {
        failed = std::current_exception();
    }
    // A cancelled coroutine waits for its tasks too.
    const bool throws = co_await boost::asio::this_coro::throw_if_cancelled();
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto state = co_await boost::asio::this_coro::cancellation_state;
    if (failed || state.cancelled() != boost::asio::cancellation_type::none)
        group->cancel();
    const auto [error] =
        co_await group->async_join(boost::asio::as_tuple(boost::asio::use_awaitable));
    co_await boost::asio::this_coro::throw_if_cancelled(throws);
    if (failed)
        std::rethrow_exception(failed);
    if (error)
        std::rethrow_exception(error);
}

} // namespace detail

template <typename Where, typename Body>
auto with_group(Where& where, Body&& body, const task_group_options& options) {
    using body_type = detail::callable_t<Body>;
    using result = boost::asio::awaitable<void>;
    COROGATE_REQUIRE_NAMED_CLOSURE(Body, result);
    return detail::run_with_group<body_type>(
        std::make_unique<task_group>(where, options),
        detail::untaken<std::remove_cvref_t<Body>>::get(std::forward<Body>(body))
    );
}

} // namespace corogate
