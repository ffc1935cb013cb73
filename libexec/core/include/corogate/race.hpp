#pragma once

#include <boost/asio/async_result.hpp>
#include <corogate/detail/crew_sources.hpp>
#include <corogate/task_pool.hpp>
#include <corogate/transform.hpp>
#include <cstddef>
#include <exception>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

namespace corogate {

/// Starts every task of a range or a `std::tuple` and completes with the first that ends without an
/// exception: its index and its result. The others are cancelled, and awaited before completion.
///
///     auto [which, answer] = co_await corogate::async_race(
///         pool, std::tuple(corogate::take(primary), corogate::take(replica)), asio::use_awaitable
///     );
///
/// Signature `void(std::exception_ptr, std::size_t, T)`, or `void(std::exception_ptr, std::size_t)`
/// where the tasks return nothing. T is what the tasks return; where those of a tuple return
/// different types, a `std::variant` of them, in order, the winner's index its own, with
/// `std::monostate` for nothing.
///
/// A task that fails does not end the race; when all have failed, the first exception is the
/// result. A race of no tasks fails with `std::invalid_argument`.
///
/// The losers: those that wait are taken back; those that run are asked (terminal), each on its own
/// strand through a slot of its own, so that, unlike Asio's `||`, this is safe on several threads;
/// no option is needed for it, every task of a pool has a strand. One that ignores it is awaited
/// all the same. At a limit below their number the tasks start as permits come free, in order:
/// there, one that only waits keeps its permit from the others.
///
/// The tasks are copied, or moved in: an rvalue, `take(name)`, and elements that are `take(name)`.
/// Cancelling the operation cancels all of them; a success that comes all the same counts.
/// Admission and lending as of `async_for_each`: as many places as tasks.
template <typename Tasks, typename Token>
auto async_race(task_pool& pool, Tasks&& tasks, Token&& token);

// ------------------------------------------------------------------------------------------------

namespace detail {

template <typename T>
class keep_winner {
public:
    static constexpr bool one_for_all = true;

    using value_type = something_t<T>;
    template <typename Handler>
    using answer = std::conditional_t<
        std::is_void_v<T>, crew_answer<Handler, pool_executor, std::size_t>,
        crew_answer<Handler, pool_executor, std::size_t, value_type>>;

    void prepare(std::size_t n) const {
        if (n == 0)
            throw std::invalid_argument("a race of no tasks has no winner");
    }
    template <typename Index, typename R>
    void keep(Index index, outcome<R>&& end) noexcept {
        if (winner_)
            return;
        winner_ = index;
        if constexpr (std::is_same_v<R, T> && !std::is_void_v<R>)
            value_ = std::move(*end.value);
        else if constexpr (!std::is_void_v<R>)
            value_.template emplace<Index::value>(std::move(*end.value));
        else if constexpr (!std::is_void_v<T>)
            value_.template emplace<Index::value>();
    }
    template <typename Answer>
    void tell(Answer& to, pool_core& core, bool lent, std::exception_ptr error) noexcept {
        if (winner_)
            error = nullptr;
        if constexpr (std::is_void_v<T>)
            to.tell(core, lent, std::move(error), winner_.value_or(0));
        else
            to.tell(core, lent, std::move(error), winner_.value_or(0), std::move(value_));
    }

private:
    std::optional<std::size_t> winner_;
    value_type value_{};
};

template <typename... R>
struct race_result {
    using type = std::variant<something_t<R>...>;
};
template <typename R, typename... Same>
    requires(std::is_same_v<R, Same> && ...)
struct race_result<R, Same...> {
    using type = R;
};
template <>
struct race_result<> {
    using type = void;
};
template <typename... R>
using race_result_t = typename race_result<R...>::type;

template <typename Tasks>
struct race_of {
    using source = task_range_source<Tasks>;
    using result = task_result_t<std::ranges::range_value_t<Tasks>>;
};
template <typename... F>
struct race_of<std::tuple<F...>> {
    using source = typename tuple_source<std::tuple<F...>>::type;
    using result = typename tuple_source<std::tuple<F...>>::template results<race_result_t>;
};

template <typename T>
struct race_signature {
    static_assert(sizeof(task_signature_t<T>*) != 0); // says what a result must be able to do
    using type = void(std::exception_ptr, std::size_t, T);
};
template <>
struct race_signature<void> {
    using type = void(std::exception_ptr, std::size_t);
};

template <typename Tasks, typename Token>
auto race_through(const std::shared_ptr<pool_core>& core, Tasks&& tasks, Token&& token) {
    using of = race_of<callable_t<Tasks>>;
    return asio::async_initiate<Token, typename race_signature<typename of::result>::type>(
        initiate_crew<typename of::source, keep_winner<typename of::result>>(
            core, crew::rule::take_first, static_cast<std::size_t>(-1)
        ),
        token, std::forward<Tasks>(tasks)
    );
}

} // namespace detail

template <typename Tasks, typename Token>
auto async_race(task_pool& pool, Tasks&& tasks, Token&& token) {
    using result = decltype(detail::race_through(
        detail::pool_access::core(pool), std::forward<Tasks>(tasks), std::forward<Token>(token)
    ));
    COROGATE_REQUIRE_NAMED_CLOSURE(Tasks, result);
    return detail::race_through(
        detail::pool_access::core(pool), std::forward<Tasks>(tasks), std::forward<Token>(token)
    );
}

} // namespace corogate
