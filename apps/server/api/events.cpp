// Server-sent events: of the whole pool, and of one job.
#include "api/input.hpp"
#include "api/job_json.hpp"
#include "api/pool.hpp"
#include "api/routes.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <corogate/http/event_stream.hpp>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
namespace http = corogate::http;
namespace json = boost::json;

namespace server {

namespace {

/// For who has just come, or has missed something: the past ten minutes, and the present.
asio::awaitable<std::vector<http::event>> open_pool(const pool_view& view) {
    std::vector<http::event> all;
    all.emplace_back("history", json::serialize(view.history()));
    all.emplace_back("state", json::serialize(view.describe()));
    co_return all;
}

asio::awaitable<std::vector<http::event>> open_job(service& with, std::string id) {
    std::vector<http::event> all;
    if (const auto job = co_await with.store().async_find_job(id, asio::use_awaitable))
        all.push_back(job_event(*job));
    co_return all;
}

asio::awaitable<http::response> follow_job(service& with, http::request& from) {
    std::string id(from.param("id"));
    const auto job = co_await with.store().async_find_job(id, asio::use_awaitable);
    if (!job)
        co_return unknown("id", "there is no such job").to_response();
    http::opening fresh = [&with, id] { return open_job(with, id); };
    // Nothing comes after a final state: then it is told again, whatever the client has seen.
    co_return with.events().answer(from, id, std::move(fresh), !is_final(job->state));
}

} // namespace

void add_event_routes(http::router& to, pool_view& of) {
    auto pool = [&of](http::request& from) -> asio::awaitable<http::response> {
        http::opening fresh = [&of] { return open_pool(of); };
        co_return of.of().events().answer(from, {}, std::move(fresh));
    };
    auto job = [&of](http::request& from) { return follow_job(of.of(), from); };
    to.add("GET", "/v1/events", pool);
    to.add("GET", "/v1/jobs/{id}/events", job);
    service& with = of.of();
    with.on_job([&with](const job_record& changed) { with.events().publish(job_event(changed)); });
}

} // namespace server
