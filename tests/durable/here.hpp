#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace testing {

/// Completion token of the tests: `initiate(..., here)` returns at once, `.get()` waits on the
/// calling thread, where the outcome stays. (A std::future may release the exception on another
/// thread, by counts inside libstdc++ that ThreadSanitizer cannot see.)
struct here_t {};
inline constexpr here_t here;

template <typename T>
class outcome {
public:
    outcome()
        : state_(std::make_unique<state>()) {}
    outcome(outcome&&) noexcept = default;
    outcome& operator=(outcome&&) = delete;
    ~outcome() {
        if (state_)
            state_->context.run();
    }

    T get() {
        state_->context.run();
        if (state_->error)
            std::rethrow_exception(std::exchange(state_->error, nullptr));
        if constexpr (!std::is_void_v<T>)
            return std::move(*state_->value);
    }

    auto handler() {
        if constexpr (std::is_void_v<T>)
            return boost::asio::bind_executor(
                state_->context,
                [s = state_.get()](std::exception_ptr e) { s->error = std::move(e); }
            );
        else
            return boost::asio::bind_executor(
                state_->context,
                [s = state_.get()](std::exception_ptr e, T v) {
                    s->error = std::move(e);
                    s->value.emplace(std::move(v));
                }
            );
    }

private:
    struct state {
        boost::asio::io_context context;
        std::exception_ptr error;
        std::conditional_t<std::is_void_v<T>, std::monostate, std::optional<T>> value;
    };
    std::unique_ptr<state> state_;
};

template <typename T>
struct here_result {
    template <typename Initiation, typename... Arguments>
    static outcome<T> initiate(Initiation&& initiation, here_t, Arguments&&... arguments) {
        outcome<T> result;
        std::forward<Initiation>(initiation)(
            result.handler(), std::forward<Arguments>(arguments)...
        );
        return result;
    }
};

} // namespace testing

template <>
class boost::asio::async_result<testing::here_t, void(std::exception_ptr)>
    : public testing::here_result<void> {};
template <typename T>
class boost::asio::async_result<testing::here_t, void(std::exception_ptr, T)>
    : public testing::here_result<T> {};
