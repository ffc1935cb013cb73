#include "analysis/site_kri.hpp"
#include "api/idempotency.hpp"
#include "api/input.hpp"
#include "api/job_json.hpp"
#include "api/routes.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <corogate/http/access.hpp>
#include <corogate/http/problem.hpp>
#include <memory>
#include <optional>
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
    if (!with.studies()->find(*study))
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
    std::optional<key_record> key;
    if (const auto left = from.left<key_record>()) {
        key = *left;
        const bool used_before = !key->digest.empty();
        if (used_before)
            co_return co_await answer_again(with, *key, digest_of(from));
        key->digest = digest_of(from);
    }
    auto job = read_analysis(with, from);
    if (!job)
        co_return job.error();
    std::string answer = json::serialize(describe(*job));
    if (key) {
        key->job = job->id;
        key->status = 202;
        key->answer = answer;
    }
    // 202 is a promise: it is given when the job is on disk.
    auto used = co_await with.store().async_create_job_once(*job, key, asio::use_awaitable);
    if (used)
        co_return co_await answer_again(with, std::move(*used), key->digest);
    with.tell(*job);
    with.start(*job, std::move(place));
    co_return accepted(job->id, std::move(answer), false);
}

} // namespace

void add_analysis_routes(http::router& to, service& with) {
    auto admit = [&with](const http::request& from) -> asio::awaitable<service::admission> {
        const std::string tenant = http::tenant_of(from, "");
        auto key = read_key(from, "POST /v1/analyses", tenant);
        if (!key)
            co_return key.error();
        if (*key) {
            auto used = co_await with.store().async_find_key(
                (*key)->scope, (*key)->key, (*key)->used_at, asio::use_awaitable
            );
            const bool used_before = used.has_value();
            from.leave(std::make_shared<const key_record>(used ? *used : **key));
            if (used_before)
                co_return corogate::job();
        }
        corogate::job_options who;
        who.tenant(tenant).priority(corogate::priority_class::background).name("analysis");
        co_return co_await with.async_admit(job_kind::analysis, 1, std::move(who));
    };
    auto accept = [&with](http::request& from, corogate::job place) {
        return accept_analysis(with, from, std::move(place));
    };
    constexpr std::size_t body = 64 * 1024;
    to.add("POST", "/v1/analyses", admit, accept, http::route_options().body_limit(body));
}

} // namespace server
