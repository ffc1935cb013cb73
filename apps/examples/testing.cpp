// Test your own tasks: hours in no time, every schedule by its number.

#include <algorithm>
#include <boost/asio.hpp>
#include <corogate/semaphore.hpp>
#include <corogate/task_pool.hpp>
#include <corogate/testing/for_each_seed.hpp>
#include <corogate/testing/timer.hpp>
#include <iostream>
#include <stdexcept>

namespace asio = boost::asio;
using namespace std::chrono_literals;

// [task]
// Sends, and after a failure tries again, 1 s later, then 2, 4, ... In the program `Timer` is
// asio::steady_timer.
template <typename Timer, typename Send>
asio::awaitable<int> send_with_retries(Timer& timer, Send send) {
    for (auto pause = 1s;; pause *= 2) {
        if (const int receipt = send())
            co_return receipt;
        timer.expires_after(pause);
        co_await timer.async_wait(asio::use_awaitable);
    }
}
// [task]

void retries_take_longer_and_longer() {
    // [time]
    corogate::testing::environment env;
    corogate::testing::timer timer{env};
    const auto start = env.now();

    int failures = 5;
    const auto send = [&] { return failures-- > 0 ? 0 : 42; };
    const int receipt = env.run(send_with_retries(timer, send));

    if (receipt != 42 || env.now() - start != 31s) // 1 + 2 + 4 + 8 + 16, to the nanosecond
        throw std::runtime_error("not as often, or not when, it should have sent");
    // [time]
}

void no_save_is_lost_in_any_order() {
    // [seeds]
    corogate::testing::for_each_seed(200, [](corogate::testing::environment& env) {
        corogate::task_pool pool{env, corogate::pool_options{}.limit(3)};
        int running = 0, most = 0, saved = 0;
        const auto save = [&]() -> asio::awaitable<void> {
            most = std::max(most, ++running);
            co_await env.async_wait(20ms, asio::use_awaitable); // the database
            --running;
            ++saved;
        };
        for (int i = 0; i < 10; ++i)
            if (!pool.try_submit(save))
                return false;
        env.run_until([&] { return saved == 10; });
        return most == 3;
    });
    // [seeds]
}

void a_deadlock_is_a_message() {
    // [deadlock]
    corogate::testing::environment env;
    corogate::semaphore gate{env.get_executor(), 1};
    const auto twice = [&]() -> asio::awaitable<void> {
        const auto first = co_await gate.async_acquire(asio::use_awaitable);
        const auto second = co_await gate.async_acquire(asio::use_awaitable); // for ever
    };
    try {
        env.run(twice);
    } catch (const std::logic_error& e) {
        std::cout << e.what() << '\n';
        return;
    }
    // [deadlock]
    throw std::runtime_error("it ended");
}

int main() {
    retries_take_longer_and_longer();
    no_save_is_lost_in_any_order();
    a_deadlock_is_a_message();
}
