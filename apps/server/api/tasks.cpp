#include "api/routes.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <charconv>
#include <corogate/http/problem.hpp>
#include <fmt/format.h>
#include <optional>

namespace asio = boost::asio;
namespace http = corogate::http;

namespace server {

namespace {

/// The query's `count`; 1 where it is absent, nothing where it is no integer from 1 to a million.
std::optional<std::size_t> read_count(const http::request& from) {
    const auto text = from.query("count");
    if (!text)
        return 1;
    std::size_t count = 0;
    const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), count);
    if (ec != std::errc() || end != text->data() + text->size() || count < 1 || count > 1'000'000)
        return std::nullopt;
    return count;
}

asio::awaitable<void>
simulated_task(std::chrono::milliseconds cpu, std::chrono::milliseconds duration) {
    const auto until = std::chrono::steady_clock::now() + cpu;
    while (std::chrono::steady_clock::now() < until) {
    }
    asio::steady_timer timer(co_await asio::this_coro::executor, duration);
    co_await timer.async_wait(asio::use_awaitable);
}

} // namespace

void add_task_routes(http::router& to, service& with) {
    auto admit = [&with](const http::request& from
                 ) -> boost::system::result<corogate::job, http::response> {
        const auto count = read_count(from);
        if (!count) {
            http::problem no(400, "invalid-query", "count is an integer from 1 to 1000000");
            no.field("count").executed(false);
            return no.to_response();
        }
        return with.admit(job_kind::tasks, *count);
    };
    auto answer = [&with](http::request&, corogate::job job) -> asio::awaitable<http::response> {
        const std::size_t count = job.remaining();
        const auto& settings = with.settings();
        for (std::size_t i = 0; i < count; ++i)
            job.submit([cpu = settings.task_cpu, duration = settings.task_duration] {
                return simulated_task(cpu, duration);
            });
        boost::json::object body;
        body["message"] = fmt::format("{} tasks submitted successfully", count);
        co_return http::response::json(200, body);
    };
    to.add("POST", "/tasks", admit, answer);
}

} // namespace server
