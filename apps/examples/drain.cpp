// Stop without losing anything, and say what was lost where time ran out.

#include <atomic>
#include <boost/asio.hpp>
#include <corogate/task_pool.hpp>
#include <iostream>

namespace asio = boost::asio;
using namespace std::chrono_literals;

int main() {
    std::atomic<int> ran{0};
    corogate::task_pool pool{corogate::pool_options{}.threads(2).limit(2)};
    for (int i = 0; i < 100; ++i)
        if (!pool.try_submit([&ran] { ++ran; }))
            return 1;

    // [drain]
    const corogate::drain_report left = pool.async_drain(30s, asio::use_future).get();
    if (left.complete())
        std::cout << "drained\n";
    else
        std::cout << left.abandoned << " tasks were given up, " << left.still_running
                  << " still run\n";
    // [drain]

    return left.complete() && ran == 100 ? 0 : 1;
}
