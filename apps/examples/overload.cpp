// Too much work: what waits is bounded in time, and who floods the queue pays for it.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <corogate/task_pool.hpp>
#include <future>
#include <iostream>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

asio::awaitable<void> check() {
    asio::steady_timer database(co_await asio::this_coro::executor, 1ms);
    co_await database.async_wait(asio::use_awaitable);
}

/// A save of 24 checks: how it went.
asio::awaitable<std::string> save(corogate::task_pool& pool, std::string site) {
    corogate::job_options who;
    who.tenant(std::move(site)).deadline(1s);
    auto job = co_await pool.async_admit(24, who, asio::use_awaitable);
    if (!job)
        co_return corogate::reason_name(job.error().reason()); // and when to come again
    std::vector checks(24, &check);
    try {
        co_await job->async_run(checks, asio::use_awaitable);
    } catch (const boost::system::system_error& e) {
        co_return e.code().message(); // displaced or expired: nothing ran
    }
    co_return "saved";
}

int main() {
    // [bounds]
    corogate::task_pool pool{corogate::pool_options{}
                                 .limit(4)
                                 .queue_time(100ms) // and a quarter of each job's deadline
                                 .overflow(corogate::overflow_policy::displace)};
    // [bounds]
    std::vector<std::future<std::string>> flood;
    for (int i = 0; i < 200; ++i)
        flood.push_back(asio::co_spawn(pool.get_executor(), save(pool, "large"), asio::use_future));
    int saved = flood[0].get() == "saved"; // the flood is at work
    const std::string other =
        asio::co_spawn(pool.get_executor(), save(pool, "small"), asio::use_future).get();
    for (std::size_t i = 1; i < flood.size(); ++i)
        saved += flood[i].get() == "saved";
    std::cout << "the small site: " << other << "; of 200 of the large one " << saved
              << " saved, the others were told when to come again\n";
    return other == "saved" ? 0 : 1;
}
