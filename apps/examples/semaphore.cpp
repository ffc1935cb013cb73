// Limit anything with the semaphore alone: here, connections to a database.

#include <algorithm>
#include <atomic>
#include <boost/asio.hpp>
#include <chrono>
#include <corogate/semaphore.hpp>
#include <cstddef>
#include <iostream>

namespace asio = boost::asio;
using namespace std::chrono_literals;

/// Memory in mebibytes: some want more of it than others, nobody waits for ever.
bool weights_deadlines_and_the_end() {
    asio::thread_pool threads(2);
    // [weights]
    corogate::semaphore mebibytes{threads, 256};
    auto import = [&](std::size_t size) -> asio::awaitable<bool> {
        auto answer =
            co_await mebibytes.async_acquire_for(2s, size, asio::as_tuple(asio::use_awaitable));
        auto& [error, memory] = answer;
        if (error)
            co_return false; // timed_out, draining, or more than there will ever be
        corogate::permit index = memory.split(size / 4);
        memory.release(); // what follows needs only a part
        co_await asio::post(asio::use_awaitable);
        co_return true;
    };
    auto large = asio::co_spawn(threads, import(200), asio::use_future);
    auto small = asio::co_spawn(threads, import(100), asio::use_future);
    auto huge = asio::co_spawn(threads, import(1000), asio::use_future);
    // [weights]
    if (!large.get() || !small.get() || huge.get())
        return false;

    // [resize]
    mebibytes.resize(512);                              // those who fit now go on
    mebibytes.async_resize(64, asio::use_future).get(); // usage is at the new limit
    mebibytes.async_drain(asio::use_future).get();      // nobody waits, everything is back
    const bool refused = !mebibytes.try_acquire();      // until
    mebibytes.reopen();
    // [resize]
    return refused && mebibytes.try_acquire(64).weight() == 64;
}

int main() {
    asio::thread_pool threads(4);
    std::atomic<int> open{0};
    std::atomic<int> most{0};

    // [semaphore]
    corogate::semaphore connections{threads, 8};
    auto query = [&]() -> asio::awaitable<void> {
        corogate::permit one = co_await connections.async_acquire(asio::use_awaitable);
        const int now = ++open;
        most = std::max(most.load(), now);
        co_await asio::post(asio::use_awaitable); // the query
        --open;
    }; // the permit goes back here
    for (int i = 0; i < 100; ++i)
        asio::co_spawn(threads, query, asio::detached);
    threads.join();
    // [semaphore]

    std::cout << "never more than 8 open\n";
    if (most > 8 || connections.available() != 8)
        return 1;

    return weights_deadlines_and_the_end() ? 0 : 1;
}
