#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <corogate/errc.hpp>
#include <exception>

namespace test {

/// For a task: suspends until it is cancelled, and throws then.
inline boost::asio::awaitable<void> forever() {
    boost::asio::steady_timer never(
        co_await boost::asio::this_coro::executor, boost::asio::steady_timer::time_point::max()
    );
    co_await never.async_wait(boost::asio::use_awaitable);
}

/// Whether a system_error carries this.
inline auto is(corogate::errc value) {
    return [value](const boost::system::system_error& e) { return e.code() == value; };
}

inline bool holds(const std::exception_ptr& error, corogate::errc value) {
    try {
        std::rethrow_exception(error);
    } catch (const boost::system::system_error& e) {
        return e.code() == value;
    } catch (...) {
        return false;
    }
}

/// How many are inside at once, and were at most.
class gauge {
public:
    void enter() noexcept {
        const int now = ++inside_;
        for (int seen = peak_; seen < now && !peak_.compare_exchange_weak(seen, now);) {
        }
        ++total_;
    }
    void leave() noexcept { --inside_; }
    int peak() const noexcept { return peak_; }
    int total() const noexcept { return total_; }
    int inside() const noexcept { return inside_; }

private:
    std::atomic<int> inside_{0}, peak_{0}, total_{0};
};

} // namespace test
