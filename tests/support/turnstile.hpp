#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace test {

/// Where tasks of a test stand until the test lets them go on: no sleeps, no guesses.
class turnstile {
public:
    /// For a task: suspends until `open`.
    boost::asio::awaitable<void> pass() {
        co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>&, void()>(
            [this](auto handler) { arrive(std::move(handler)); }, boost::asio::use_awaitable
        );
    }

    /// For the test's thread: blocks until n tasks stand here, or have stood.
    void await_arrivals(std::size_t n) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return arrived_ >= n; });
    }

    std::size_t arrived() {
        const std::lock_guard lock(mutex_);
        return arrived_;
    }

    /// Lets everybody through who stands here and who will come.
    void open() {
        std::vector<std::function<void()>> waiting;
        {
            const std::lock_guard lock(mutex_);
            open_ = true;
            waiting.swap(waiting_);
        }
        for (auto& go : waiting)
            go();
    }

private:
    template <typename Handler>
    void arrive(Handler handler) {
        auto shared = std::make_shared<Handler>(std::move(handler));
        auto go = [shared] {
            auto executor = boost::asio::get_associated_executor(*shared);
            boost::asio::post(executor, [shared] { std::move (*shared)(); });
        };
        const std::lock_guard lock(mutex_);
        ++arrived_;
        changed_.notify_all();
        if (open_)
            go();
        else
            waiting_.push_back(std::move(go));
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t arrived_ = 0;
    bool open_ = false;
    std::vector<std::function<void()>> waiting_;
};

} // namespace test
