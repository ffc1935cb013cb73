// A task may wait for other tasks of its pool, however deep, whatever the limit.

#include <boost/asio.hpp>
#include <corogate/task_pool.hpp>
#include <corogate/this_task.hpp>
#include <iostream>

namespace asio = boost::asio;
using namespace std::chrono_literals;

int main() {
    corogate::task_pool pool{corogate::pool_options{}.threads(1).limit(1)};
    // [nested]
    auto parent = [&]() -> asio::awaitable<int> {
        auto child = []() -> asio::awaitable<int> { co_return 20; };
        // Waiting here lends this task's permit: the child runs on it, even at limit 1.
        const int got = co_await pool.async_submit(corogate::take(child), asio::use_awaitable);

        const auto here = co_await corogate::this_task();
        std::cout << "job of " << here.tenant() << ", " << here.deadline_left().value_or(0s) / 1s
                  << " s left\n";
        co_await here.sleep(1ms); // by the pool's clock; keeps the permit
        co_return got + 1;
    };
    // [nested]
    auto result = pool.async_submit(
        parent, corogate::job_options{}.tenant("site-042").deadline(60s), asio::use_future
    );
    return result.get() == 21 ? 0 : 1;
}
