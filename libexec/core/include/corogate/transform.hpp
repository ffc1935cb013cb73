#pragma once

#include <boost/asio/async_result.hpp>
#include <corogate/for_each.hpp>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace corogate {

/// As `async_for_each`, and completes with what `f` returned for each element, in the order of the
/// range. Signature `void(std::exception_ptr, std::vector<R>)`; the vector is empty where an
/// exception is the result.
///
///     auto total = [](const order& o) -> asio::awaitable<int> { co_return co_await price(o); };
///     std::vector<int> all =
///         co_await corogate::async_transform(pool, orders, 8, total, asio::use_awaitable);
///
/// R is default constructible and moves without throwing.
template <std::ranges::forward_range Range, typename F, typename Token>
auto async_transform(task_pool& pool, Range&& range, std::size_t concurrency, F&& f, Token&& token);
template <typename Range, typename F, typename Token>
auto async_transform(
    task_pool& pool, taken<Range> range, std::size_t concurrency, F&& f, Token&& token
);

/// Runs the tasks of a tuple, of any types, and completes with their results in the same order.
/// Signature `void(std::exception_ptr, std::tuple<R...>)`, `std::monostate` where a task returns
/// nothing.
///
///     auto [form, rules] = co_await corogate::async_gather(
///         pool, std::tuple(corogate::take(load_form), corogate::take(load_rules)),
///         asio::use_awaitable
///     );
///
/// The first exception is the result: tasks that wait are taken back, those that run are asked, and
/// awaited. Each runs on a strand of its own, and is asked there: unlike Asio's `&&` this is safe
/// on several threads, and runs them in parallel.
///
/// The tasks are copied, or moved in: an rvalue, `take(name)`, and elements that are `take(name)`.
/// Admission, lending, cancellation and the rest as of `async_for_each`.
template <typename Tuple, typename Token>
auto async_gather(task_pool& pool, Tuple&& tasks, Token&& token);

// ------------------------------------------------------------------------------------------------

namespace detail {

template <typename R>
class keep_in_order {
public:
    template <typename Handler>
    using answer = crew_answer<Handler, pool_executor, std::vector<R>>;

    void prepare(std::size_t n) {
        results_ = std::make_unique<R[]>(n);
        count_ = n;
    }
    void keep(std::size_t index, outcome<R>&& end) noexcept {
        results_[index] = std::move(*end.value);
    }
    template <typename Answer>
    void tell(Answer& to, pool_core& core, bool lent, std::exception_ptr error) noexcept {
        std::vector<R> all;
        if (!error) {
            try {
                all.assign(
                    std::make_move_iterator(results_.get()),
                    std::make_move_iterator(results_.get() + count_)
                );
            } catch (...) {
                error = std::current_exception();
            }
        }
        results_.reset();
        to.tell(core, lent, std::move(error), std::move(all));
    }

private:
    // An array, not a vector: neighbours in a vector<bool> share a byte, and tasks run in parallel.
    std::unique_ptr<R[]> results_;
    std::size_t count_ = 0;
};

/// What stands for "nothing" among results.
template <typename R>
using something_t = std::conditional_t<std::is_void_v<R>, std::monostate, R>;

template <typename... R>
class keep_tuple {
public:
    using result = std::tuple<something_t<R>...>;
    template <typename Handler>
    using answer = crew_answer<Handler, pool_executor, result>;

    void prepare(std::size_t) noexcept {}
    template <typename Index, typename T>
    void keep(Index, outcome<T>&& end) noexcept {
        if constexpr (!std::is_void_v<T>)
            std::get<Index::value>(results_) = std::move(*end.value);
    }
    template <typename Answer>
    void tell(Answer& to, pool_core& core, bool lent, std::exception_ptr error) noexcept {
        auto all = error ? result() : std::move(results_);
        to.tell(core, lent, std::move(error), std::move(all));
    }

private:
    result results_;
};

template <typename Range, typename F, typename Token>
auto transform_through(
    const std::shared_ptr<pool_core>& core, Range&& range, std::size_t concurrency, F&& f,
    Token&& token
) {
    using source = item_source<held_range_t<Range>, callable_t<F>>;
    using result = task_result_t<typename source::task>;
    static_assert(!std::is_void_v<result>, "transform collects results: see async_for_each");
    static_assert(sizeof(task_signature_t<result>*) != 0); // says what a result must be able to do
    return asio::async_initiate<Token, void(std::exception_ptr, std::vector<result>)>(
        initiate_crew<source, keep_in_order<result>>(core, crew::rule::skip_rest, concurrency),
        token, lend_range<Range>(range), std::forward<F>(f)
    );
}

template <typename Tuple, typename Token>
auto gather_through(const std::shared_ptr<pool_core>& core, Tuple&& tasks, Token&& token) {
    using tuple = tuple_source<callable_t<Tuple>>;
    using keeper = typename tuple::template results<keep_tuple>;
    return asio::async_initiate<Token, void(std::exception_ptr, typename keeper::result)>(
        initiate_crew<typename tuple::type, keeper>(
            core, crew::rule::cancel_rest, std::tuple_size_v<callable_t<Tuple>> + 1
        ),
        token, std::forward<Tuple>(tasks)
    );
}

} // namespace detail

template <std::ranges::forward_range Range, typename F, typename Token>
auto async_transform(
    task_pool& pool, Range&& range, std::size_t concurrency, F&& f, Token&& token
) {
    using result = decltype(detail::transform_through<Range, F, Token>(
        detail::pool_access::core(pool), std::forward<Range>(range), 1, std::forward<F>(f),
        std::forward<Token>(token)
    ));
    COROGATE_REQUIRE_NAMED_CLOSURE(F, result);
    if constexpr (detail::may_hold_closure<Range>)
        COROGATE_REQUIRE_NAMED_CLOSURE(Range, result);
    return detail::transform_through<Range, F, Token>(
        detail::pool_access::core(pool), std::forward<Range>(range),
        detail::checked_concurrency(concurrency), std::forward<F>(f), std::forward<Token>(token)
    );
}

template <typename Range, typename F, typename Token>
auto async_transform(
    task_pool& pool, taken<Range> range, std::size_t concurrency, F&& f, Token&& token
) {
    using result = decltype(detail::transform_through<taken<Range>, F, Token>(
        detail::pool_access::core(pool), std::move(range), 1, std::forward<F>(f),
        std::forward<Token>(token)
    ));
    COROGATE_REQUIRE_NAMED_CLOSURE(F, result);
    return detail::transform_through<taken<Range>, F, Token>(
        detail::pool_access::core(pool), std::move(range), detail::checked_concurrency(concurrency),
        std::forward<F>(f), std::forward<Token>(token)
    );
}

template <typename Tuple, typename Token>
auto async_gather(task_pool& pool, Tuple&& tasks, Token&& token) {
    static_assert(
        detail::is_tuple<detail::callable_t<Tuple>>::value,
        "gather takes a std::tuple of tasks; for a range of them see async_transform or a job"
    );
    using result = decltype(detail::gather_through(
        detail::pool_access::core(pool), std::forward<Tuple>(tasks), std::forward<Token>(token)
    ));
    COROGATE_REQUIRE_NAMED_CLOSURE(Tuple, result);
    return detail::gather_through(
        detail::pool_access::core(pool), std::forward<Tuple>(tasks), std::forward<Token>(token)
    );
}

} // namespace corogate
