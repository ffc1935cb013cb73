#include "analysis/site_kri.hpp"
#include "api/input.hpp"
#include "api/job_json.hpp"
#include "api/routes.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <corogate/http/problem.hpp>
#include <fmt/format.h>
#include <utility>

namespace asio = boost::asio;
namespace http = corogate::http;
namespace json = boost::json;

namespace server {

namespace {

/// The job record of a request, or what is wrong with the request.
input<job_record> read_analysis(service& with, const http::request& from) {
    auto body = json_body(from);
    if (!body)
        return body.error();
    job_record job;
    auto study = required_text(*body, "study");
    if (!study)
        return study.error();
    auto kind = required_text(*body, "kind");
    if (!kind)
        return kind.error();
    if (!with.studies().find(*study))
        return unknown("study", "this server has no such study").to_response();
    if (*kind != "site-kri")
        return wrong_field("kind", "the kind of an analysis is \"site-kri\"").to_response();
    if (const auto options = read_site_kri(*body); !options)
        return wrong_field(options.error().field(), options.error().message()).to_response();
    job.id = with.ids().job_id();
    job.kind = std::move(*kind);
    job.study = std::move(*study);
    job.request = json::serialize(*body);
    job.created_at = std::chrono::system_clock::now();
    return job;
}

asio::awaitable<http::response>
accept_analysis(service& with, http::request& from, corogate::job place) {
    auto job = read_analysis(with, from);
    if (!job)
        co_return job.error();
    // 202 is a promise: it is given when the job is on disk.
    co_await with.store().async_create_job(*job, asio::use_awaitable);
    with.events().publish(job_event(*job));
    place.submit([&with, id = job->id] { return run_job(with, id); });
    auto answer = http::response::json(202, describe(*job));
    answer.set("Location", fmt::format("/v1/jobs/{}", job->id));
    answer.set("Retry-After", "1");
    co_return answer;
}

asio::awaitable<http::response> get_job(service& with, http::request& from) {
    std::string id(from.param("id"));
    const auto job = co_await with.store().async_find_job(id, asio::use_awaitable);
    if (!job)
        co_return unknown("id", "there is no such job").to_response();
    auto answer = http::response::json(200, describe(*job));
    answer.set("Cache-Control", "no-store");
    co_return answer;
}

} // namespace

void add_analysis_routes(http::router& to, service& with) {
    auto admit = [&with](const http::request&) {
        corogate::job_options who;
        who.priority(corogate::priority_class::background).name("analysis");
        return with.async_admit(job_kind::analysis, 1, std::move(who));
    };
    auto accept = [&with](http::request& from, corogate::job place) {
        return accept_analysis(with, from, std::move(place));
    };
    auto get = [&with](http::request& from) { return get_job(with, from); };
    constexpr std::size_t body = 64 * 1024;
    to.add("POST", "/v1/analyses", admit, accept, http::route_options().body_limit(body));
    to.add("GET", "/v1/jobs/{id}", get);
}

} // namespace server
