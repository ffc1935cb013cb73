// A limit that finds itself.

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <corogate/limiters/adaptive.hpp>
#include <corogate/task_pool.hpp>
#include <future>
#include <iostream>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

asio::awaitable<void> check() {
    asio::steady_timer database(co_await asio::this_coro::executor, 1ms);
    co_await database.async_wait(asio::use_awaitable);
}

int main() {
    // [limiter]
    corogate::pool_options options;
    options.limiter(corogate::limiters::adaptive(options.threads()).initial(8));
    corogate::task_pool pool{options.limit(8)};
    // [limiter]
    std::vector<std::future<void>> all;
    for (int i = 0; i < 4000; ++i)
        all.push_back(pool.async_submit(check, asio::use_future));
    for (auto& one : all)
        one.get();
    const auto s = pool.stats();
    std::cout << s.completed << " tasks; the limit, 8 at first, is now " << s.limit << '\n';
    return s.completed == 4000 && s.limit >= options.threads() ? 0 : 1;
}
