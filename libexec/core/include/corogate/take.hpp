#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <memory>
#include <type_traits>
#include <utility>

namespace corogate {

/// A pointer to a callable that is moved from when the operation starts. See `take`.
template <typename F>
class taken {
public:
    explicit taken(F& callable) noexcept
        : callable_(std::addressof(callable)) {}

    /// The callable, moved out.
    F get() && { return std::move(*callable_); }

private:
    F* callable_;
};

/// Hands a named callable to an operation inside a `co_await` expression.
///
///     auto check = [form] { return run_checks(form); };
///     report r = co_await pool.async_submit(corogate::take(check), asio::use_awaitable);
///
/// g++ up to 12 destroys a capturing temporary lambda inside a `co_await` expression twice (the
/// heap is corrupted at run time, at every optimisation level). `take` passes a pointer instead,
/// which has nothing to destroy; the callable is moved from when the operation is initiated, so it
/// must live until then: to the end of the `co_await`.
template <typename F>
    requires(!std::is_const_v<F>)
taken<F> take(F& callable) noexcept {
    return taken<F>(callable);
}

namespace detail {

template <typename F>
struct untaken {
    using type = std::decay_t<F>;
    template <typename G>
    static type get(G&& callable) {
        return std::forward<G>(callable);
    }
};

template <typename F>
struct untaken<taken<F>> {
    using type = F;
    static type get(taken<F> callable) { return std::move(callable).get(); }
};

/// The callable's own type, whether given by value or through `take`.
template <typename F>
using callable_t = typename untaken<std::remove_cvref_t<F>>::type;

template <typename T>
struct is_awaitable : std::false_type {};
template <typename T, typename Executor>
struct is_awaitable<boost::asio::awaitable<T, Executor>> : std::true_type {};

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ <= 12
inline constexpr bool destroys_closures_twice = true;
#else
inline constexpr bool destroys_closures_twice = false;
#endif

/// Whether `operation(F&&, token)` with this result would run into the defect of g++ 12.
template <typename F, typename Result>
inline constexpr bool closure_hazard =
    destroys_closures_twice && !std::is_lvalue_reference_v<F> &&
    !std::is_trivially_destructible_v<std::remove_cvref_t<F>> &&
    !is_awaitable<std::remove_cvref_t<F>>::value &&
    (is_awaitable<Result>::value || boost::asio::is_deferred<Result>::value);

#define COROGATE_REQUIRE_NAMED_CLOSURE(F, Result)                                                  \
    static_assert(                                                                                 \
        (!::corogate::detail::closure_hazard<F, Result>),                                          \
        "g++ 12 destroys a capturing temporary inside co_await twice: name the callable and pass " \
        "corogate::take(name)"                                                                     \
    )

} // namespace detail
} // namespace corogate
