#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <corogate/testing/environment.hpp>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace corogate::testing {

/// `asio::steady_timer` on the time of an environment: the same members where code under test is
/// written against either.
///
/// Several waits may be pending at once. Moving the expiry, `cancel` and the destructor complete
/// them with `operation_aborted`; a wait whose moment has come is no longer pending. Not
/// thread-safe.
class timer {
public:
    using clock_type = environment::clock;
    using duration = environment::duration;
    using time_point = environment::time_point;

    /// Expired at once until it is told otherwise.
    explicit timer(environment& of)
        : environment_(of)
        , expiry_(of.now()) {}
    timer(environment& of, duration after)
        : environment_(of)
        , expiry_(of.now() + after) {}
    timer(const timer&) = delete;
    timer& operator=(const timer&) = delete;
    ~timer() { cancel(); }

    time_point expiry() const noexcept { return expiry_; }
    /// Both return the number of waits they cancelled.
    std::size_t expires_after(duration after) { return expires_at(environment_.now() + after); }
    std::size_t expires_at(time_point when) {
        expiry_ = when;
        return cancel();
    }
    std::size_t cancel();

    /// Signature void(error_code); completes by post.
    template <typename Token>
    auto async_wait(Token&& token);

private:
    environment& environment_;
    time_point expiry_;
    std::vector<std::weak_ptr<detail::wait_handle>> waits_;
};

// ---------------------------------------------------------------------------------------------

inline std::size_t timer::cancel() {
    std::size_t cancelled = 0;
    for (const auto& wait : std::exchange(waits_, {}))
        if (const auto still = wait.lock(); still && still->operation) {
            still->operation->complete(boost::asio::error::operation_aborted);
            ++cancelled;
        }
    return cancelled;
}

template <typename Token>
auto timer::async_wait(Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
        [this](auto handler) {
            std::erase_if(waits_, [](const auto& wait) { return wait.expired(); });
            environment_.start_wait(std::move(handler), expiry_, &waits_.emplace_back());
        },
        token
    );
}

} // namespace corogate::testing
