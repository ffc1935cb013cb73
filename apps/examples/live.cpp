// Change a pool while it works: limit, queue, pause; drain it and open it again.

#include <boost/asio.hpp>
#include <corogate/task_pool.hpp>
#include <iostream>

namespace asio = boost::asio;
using namespace std::chrono_literals;

int main() {
    corogate::task_pool pool{corogate::pool_options{}.threads(2).limit(8)};
    // [live]
    pool.resize(16);                              // more at once, from now on
    pool.async_resize(2, asio::use_future).get(); // returns when no more than 2 run
    pool.resize_queue(100);
    pool.pause(); // nothing starts; admission goes on
    auto later = pool.async_submit([] { return 1; }, asio::use_future);
    pool.resume();
    const int ran = later.get();

    pool.async_drain(10s, asio::use_future).get();
    const bool closed = !pool.try_submit([] {});
    pool.reopen(); // same threads
    const bool open = pool.try_submit([] {}).has_value();
    // [live]
    // [blocking]
    auto line = pool.async_blocking([] { return 7; }, asio::use_future); // may block its thread
    // [blocking]
    std::cout << ran << closed << open << line.get() << '\n';
    return ran == 1 && closed && open ? 0 : 1;
}
