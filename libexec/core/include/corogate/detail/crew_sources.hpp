#pragma once

#include <corogate/detail/crew_operation.hpp>
#include <corogate/take.hpp>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>

namespace corogate::detail {

template <typename T>
struct is_taken : std::false_type {};
template <typename F>
struct is_taken<taken<F>> : std::true_type {};

// ---- ranges ----

/// A range that was moved in.
template <typename Range>
struct held_range {
    using type = Range;
    template <typename R>
    explicit held_range(R&& from)
        : range(hold(std::forward<R>(from))) {}
    Range& get() noexcept { return range; }
    Range range;
};
/// A range that outlives its use.
template <typename Range>
struct held_range<std::reference_wrapper<Range>> {
    using type = Range;
    explicit held_range(std::reference_wrapper<Range> from) noexcept
        : range(from) {}
    Range& get() noexcept { return range; }
    std::reference_wrapper<Range> range;
};

/// How a range comes to an operation: an lvalue by reference.
template <typename Range>
decltype(auto) lend_range(std::remove_reference_t<Range>& range) noexcept {
    if constexpr (std::is_lvalue_reference_v<Range> && !is_taken<std::remove_cvref_t<Range>>::value)
        return std::ref(range);
    else
        return std::forward<Range>(range);
}

template <typename Range>
using held_range_t = held_range<callable_t<
    std::decay_t<decltype(lend_range<Range>(std::declval<std::remove_reference_t<Range>&>()))>>>;

/// An element of a range: a reference where the range has one to give, else a value of its own.
template <typename Reference>
struct held_item {
    std::remove_cvref_t<Reference> value;
    std::remove_cvref_t<Reference>&& get() noexcept { return std::move(value); }
    template <typename Iterator>
    static held_item of(const Iterator& at) {
        return {*at};
    }
};
template <typename T>
struct held_item<T&> {
    T* value;
    T& get() noexcept { return *value; }
    template <typename Iterator>
    static held_item of(const Iterator& at) {
        return {std::addressof(*at)};
    }
};

/// The task of one element.
template <typename F, typename Reference>
struct item_call {
    F* f;
    held_item<Reference> item;
    auto operator()() { return std::invoke(*f, item.get()); }
};

/// A task for each element of a range, made when it is its turn.
template <typename Held, typename F>
class item_source {
public:
    using range = typename Held::type;
    using task = item_call<F, std::ranges::range_reference_t<range>>;

    template <typename R, typename G>
    item_source(R&& from, G&& f)
        : held_(std::forward<R>(from))
        , f_(hold(std::forward<G>(f)))
        , at_(std::ranges::begin(held_.get()))
        , size_(static_cast<std::size_t>(std::ranges::distance(held_.get()))) {}
    item_source(const item_source&) = delete;
    item_source& operator=(const item_source&) = delete;

    std::size_t size() const noexcept { return size_; }

    template <typename Make>
    void next(Make make) {
        make(task{std::addressof(f_), task_item::of(at_)}, index_);
        ++at_;
        ++index_;
    }

private:
    using task_item = held_item<std::ranges::range_reference_t<range>>;

    Held held_;
    F f_;
    std::ranges::iterator_t<range> at_;
    std::size_t size_;
    std::size_t index_ = 0;
};

// ---- tasks ----

/// The tasks of a range.
template <typename Range>
class task_range_source {
public:
    template <typename R>
    explicit task_range_source(R&& tasks)
        : tasks_(hold(std::forward<R>(tasks)))
        , at_(std::ranges::begin(tasks_))
        , size_(static_cast<std::size_t>(std::ranges::distance(tasks_))) {}
    task_range_source(const task_range_source&) = delete;
    task_range_source& operator=(const task_range_source&) = delete;

    std::size_t size() const noexcept { return size_; }

    template <typename Make>
    void next(Make make) {
        make(std::move(*at_), index_);
        ++at_;
        ++index_;
    }

private:
    Range tasks_;
    std::ranges::iterator_t<Range> at_;
    std::size_t size_;
    std::size_t index_ = 0;
};

/// The tasks of a tuple, of any types.
template <typename... F>
class task_tuple_source {
public:
    template <typename Tuple>
    explicit task_tuple_source(Tuple&& tasks)
        : task_tuple_source(hold(std::forward<Tuple>(tasks)), std::index_sequence_for<F...>()) {}
    task_tuple_source(const task_tuple_source&) = delete;
    task_tuple_source& operator=(const task_tuple_source&) = delete;

    static constexpr std::size_t size() noexcept { return sizeof...(F); }

    template <typename Make>
    void next(Make make) {
        next_of(make, std::index_sequence_for<F...>());
        ++index_;
    }

private:
    template <typename Tuple, std::size_t... I>
    task_tuple_source(Tuple&& tasks, std::index_sequence<I...>)
        : tasks_(hold(std::get<I>(std::move(tasks)))...) {}

    template <typename Make, std::size_t... I>
    void next_of(Make& make, std::index_sequence<I...>) {
        [[maybe_unused]] const auto one = [&](auto index) {
            if (index == index_)
                make(std::move(std::get<index()>(tasks_)), index);
        };
        (one(std::integral_constant<std::size_t, I>()), ...);
    }

    std::tuple<F...> tasks_;
    std::size_t index_ = 0;
};

template <typename Tuple>
struct tuple_source;
template <typename... F>
struct tuple_source<std::tuple<F...>> {
    using type = task_tuple_source<callable_t<F>...>;
    template <template <typename...> typename Of>
    using results = Of<task_result_t<callable_t<F>>...>;
};

template <typename T>
struct is_tuple : std::false_type {};
template <typename... T>
struct is_tuple<std::tuple<T...>> : std::true_type {};

/// Results that say nothing.
struct keep_nothing {
    template <typename Handler>
    using answer = crew_answer<Handler, pool_executor>;
    void prepare(std::size_t) noexcept {}
    template <typename Answer>
    void tell(Answer& to, pool_core& core, bool lent, std::exception_ptr error) noexcept {
        to.tell(core, lent, std::move(error));
    }
};

/// A concurrency that operations accept.
inline std::size_t checked_concurrency(std::size_t n) {
    if (n < 1)
        throw std::invalid_argument("at least one task of an operation is under way at once");
    return n;
}

} // namespace corogate::detail
