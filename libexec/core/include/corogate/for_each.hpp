#pragma once

#include <boost/asio/async_result.hpp>
#include <corogate/detail/crew_sources.hpp>
#include <corogate/task_pool.hpp>
#include <cstddef>
#include <exception>
#include <ranges>
#include <utility>

namespace corogate {

/// Runs `f(element)` for every element of a range as a task of its own, at most `concurrency` of
/// them under way at once, and completes when all have ended. Signature `void(std::exception_ptr)`.
///
///     auto save = [&](const form& f) -> asio::awaitable<void> { co_await store(f); };
///     co_await corogate::async_for_each(pool, forms, 8, save, asio::use_awaitable);
///
/// Tasks are made and started in the order of the range, each when it is its turn: a long range
/// costs memory for `concurrency` tasks only. `f` returns `asio::awaitable<T>`, or is plain; what
/// it returns is dropped. An lvalue `f` is copied, `take(name)` and an rvalue are moved in; the one
/// object is called from several threads at once.
///
/// The range is a forward range. An lvalue is referred to, and outlives the operation; an rvalue
/// and `take(name)` are moved in. `f` gets a reference to the element where the range has one to
/// give, and else a value that lives as long as its task.
///
/// Failure: after the first exception no further task starts, and those in the queue are taken
/// back; those that run finish (ask them too: task_group). Then it is the operation's.
///
/// Admission: places for as many tasks as may be under way are admitted at once or refused at once,
/// by the overflow policy (`caller_runs` and `spill` refuse); from then on each task takes the
/// place of one that has ended, so that the operation is never refused half way. Awaited by a task
/// of the pool, it lends that task's permit, its tasks belong to that task's job, are not refused
/// for want of room and are `pool_options::children` at most at once.
///
/// Cancellation: no further task starts, those in the queue are taken back, those that run are
/// asked through a slot of their own, each on its own strand; the operation completes when they
/// have ended, with `errc::cancelled` where something was not started.
///
/// An empty range completes at once, by post. A concurrency of 0 throws `std::invalid_argument`.
/// The handler's executor, allocator and slot are honoured as by `task_pool::async_submit`.
template <std::ranges::forward_range Range, typename F, typename Token>
auto async_for_each(task_pool& pool, Range&& range, std::size_t concurrency, F&& f, Token&& token);

/// The same for a range that is moved in from a name: `take(forms)`.
template <typename Range, typename F, typename Token>
auto async_for_each(
    task_pool& pool, taken<Range> range, std::size_t concurrency, F&& f, Token&& token
);

// ------------------------------------------------------------------------------------------------

namespace detail {

template <typename Range, typename F, typename Token>
auto for_each_through(
    const std::shared_ptr<pool_core>& core, Range&& range, std::size_t concurrency, F&& f,
    Token&& token
) {
    using source = item_source<held_range_t<Range>, callable_t<F>>;
    return asio::async_initiate<Token, void(std::exception_ptr)>(
        initiate_crew<source, keep_nothing>(core, crew::rule::skip_rest, concurrency), token,
        lend_range<Range>(range), std::forward<F>(f)
    );
}

/// Views carry closures; containers do not.
template <typename Range>
inline constexpr bool may_hold_closure =
    std::ranges::range<Range> && std::ranges::view<std::remove_cvref_t<Range>>;

} // namespace detail

template <std::ranges::forward_range Range, typename F, typename Token>
auto async_for_each(task_pool& pool, Range&& range, std::size_t concurrency, F&& f, Token&& token) {
    using result = decltype(detail::for_each_through<Range, F, Token>(
        detail::pool_access::core(pool), std::forward<Range>(range), 1, std::forward<F>(f),
        std::forward<Token>(token)
    ));
    COROGATE_REQUIRE_NAMED_CLOSURE(F, result);
    if constexpr (detail::may_hold_closure<Range>)
        COROGATE_REQUIRE_NAMED_CLOSURE(Range, result);
    return detail::for_each_through<Range, F, Token>(
        detail::pool_access::core(pool), std::forward<Range>(range),
        detail::checked_concurrency(concurrency), std::forward<F>(f), std::forward<Token>(token)
    );
}

template <typename Range, typename F, typename Token>
auto async_for_each(
    task_pool& pool, taken<Range> range, std::size_t concurrency, F&& f, Token&& token
) {
    using result = decltype(detail::for_each_through<taken<Range>, F, Token>(
        detail::pool_access::core(pool), std::move(range), 1, std::forward<F>(f),
        std::forward<Token>(token)
    ));
    COROGATE_REQUIRE_NAMED_CLOSURE(F, result);
    return detail::for_each_through<taken<Range>, F, Token>(
        detail::pool_access::core(pool), std::move(range), detail::checked_concurrency(concurrency),
        std::forward<F>(f), std::forward<Token>(token)
    );
}

} // namespace corogate
