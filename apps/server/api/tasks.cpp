#include "api/input.hpp"
#include "api/routes.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <charconv>
#include <chrono>
#include <corogate/http/access.hpp>
#include <corogate/http/problem.hpp>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <vector>

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
    if (duration == duration.zero())
        co_return;
    asio::steady_timer timer(co_await asio::this_coro::executor, duration);
    co_await timer.async_wait(asio::use_awaitable);
}

/// Answers when the tasks have ended, or says why they did not run.
asio::awaitable<http::response>
run_and_wait(service& with, corogate::job job, std::chrono::nanoseconds time) {
    using corogate::errc;
    const auto& settings = with.settings();
    auto one = [cpu = settings.task_cpu, duration = settings.task_duration] {
        return simulated_task(cpu, duration);
    };
    std::vector tasks(job.remaining(), one);
    try {
        co_await job.async_run(tasks, asio::use_awaitable);
    } catch (const boost::system::system_error& e) {
        if (e.code() == errc::displaced)
            co_return http::from_refusal(corogate::refusal(errc::displaced, {}));
        if (e.code() != errc::expired && e.code() != asio::error::operation_aborted)
            throw;
        http::problem late(
            504, "deadline-exceeded",
            fmt::format(
                "The tasks did not end within {} ms.",
                std::chrono::duration_cast<std::chrono::milliseconds>(time).count()
            )
        );
        co_return late.to_response();
    }
    boost::json::object body;
    body["message"] = fmt::format("{} tasks completed", tasks.size());
    co_return http::response::json(200, body);
}

} // namespace

void add_task_routes(http::router& to, service& with) {
    const auto waits = [](const http::request& from) { return from.query("wait") == "1"; };
    auto admit = [&with, waits](const http::request& from) -> asio::awaitable<service::admission> {
        const auto count = read_count(from);
        if (!count) {
            http::problem no(400, "invalid-query", "count is an integer from 1 to 1000000");
            no.field("count").executed(false);
            co_return no.to_response();
        }
        corogate::job_options who;
        who.name("tasks");
        who.tenant(http::tenant_of(from, from.query("site").value_or("").substr(0, 200)));
        if (waits(from))
            who.deadline(time_given(from, with.settings().save_time));
        co_return co_await with.async_admit(job_kind::tasks, *count, std::move(who));
    };
    auto answer =
        [&with, waits](http::request& from, corogate::job job) -> asio::awaitable<http::response> {
        if (waits(from))
            co_return co_await run_and_wait(
                with, std::move(job), time_given(from, with.settings().save_time)
            );
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
