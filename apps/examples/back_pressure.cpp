// Feed a small pool from a long list: the feeder is suspended while the pool is full.

#include <atomic>
#include <boost/asio.hpp>
#include <corogate/task_pool.hpp>
#include <iostream>

namespace asio = boost::asio;

int main() {
    std::atomic<int> ran{0};
    asio::io_context io;
    corogate::task_pool pool{corogate::pool_options{}.threads(2).limit(4).queue_tasks(16).overflow(
        corogate::overflow_policy::wait
    )};

    // [feed]
    auto feed = [&]() -> asio::awaitable<void> {
        for (int record = 0; record < 10000; ++record) {
            auto place = co_await pool.async_admit(1, asio::use_awaitable); // waits where full
            auto task = [&ran]() -> asio::awaitable<void> {
                ++ran;
                co_return;
            };
            place->submit(task);
        }
    };
    // [feed]
    auto fed = asio::co_spawn(io, feed, asio::use_future);
    io.run();
    fed.get();
    const auto report = pool.async_drain(std::chrono::minutes(1), asio::use_future).get();
    std::cout << ran << " tasks ran\n";
    return report.complete() && ran == 10000 ? 0 : 1;
}
