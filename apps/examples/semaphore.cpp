// Limit anything with the semaphore alone: here, connections to a database.

#include <algorithm>
#include <atomic>
#include <boost/asio.hpp>
#include <corogate/semaphore.hpp>
#include <iostream>

namespace asio = boost::asio;

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
    return most <= 8 && connections.available() == 8 ? 0 : 1;
}
