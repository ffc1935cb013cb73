#include "api/input.hpp"
#include "api/job_json.hpp"
#include "api/paging.hpp"
#include "api/routes.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <corogate/http/access.hpp>
#include <corogate/http/problem.hpp>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace asio = boost::asio;
namespace http = corogate::http;
namespace json = boost::json;

namespace server {

namespace {

http::response no_such_job() { return unknown("id", "there is no such job").to_response(); }

http::response conflict(std::string_view reason, std::string_view detail) {
    http::problem no(409, reason, detail);
    return no.executed(false).to_response();
}

http::response fresh(http::response answer) {
    answer.set("Cache-Control", "no-store");
    return answer;
}

asio::awaitable<http::response> get_job(service& with, http::request& from) {
    std::string id(from.param("id"));
    const auto job = co_await with.store().async_find_job(id, asio::use_awaitable);
    if (!job)
        co_return no_such_job();
    co_return fresh(http::response::json(200, describe(*job)));
}

asio::awaitable<http::response> get_result(service& with, http::request& from) {
    std::string id(from.param("id"));
    const auto job = co_await with.store().async_find_job(id, asio::use_awaitable);
    if (!job)
        co_return no_such_job();
    switch (job->state) {
    case job_state::succeeded:
        co_return fresh(http::response::text(200, job->result.value_or("null"), "application/json")
        );
    case job_state::failed:
        co_return conflict("job-failed", "The job has failed; it says why under \"error\".");
    case job_state::cancelled:
        co_return conflict("job-cancelled", "The job was cancelled.");
    default:
        co_return conflict("job-not-finished", "The job has not ended yet.");
    }
}

asio::awaitable<http::response> list_jobs(service& with, http::request& from) {
    const auto page = read_page_request(from, 'j', {"state", "kind"});
    if (!page)
        co_return page.error();
    job_filter which;
    auto kind = read_filter(from, "kind");
    if (!kind)
        co_return kind.error();
    which.kind = std::move(*kind);
    if (const auto state = from.query("state")) {
        for (const auto known :
             {job_state::queued, job_state::running, job_state::succeeded, job_state::failed,
              job_state::cancelled})
            if (*state == to_string(known))
                which.state = known;
        if (!which.state)
            co_return wrong_query(
                "state", "state is \"queued\", \"running\", \"succeeded\", \"failed\" or "
                         "\"cancelled\""
            );
    }
    const auto got = co_await with.store().async_list_jobs(
        std::move(which), page->before, page->limit, asio::use_awaitable
    );
    json::array jobs;
    for (const auto& job : got.items)
        jobs.push_back(describe_briefly(job));
    std::optional<std::string> next;
    if (got.more)
        next = write_cursor('j', got.last);
    co_return list_answer("jobs", std::move(jobs), std::move(next));
}

asio::awaitable<http::response> cancel_job(service& with, http::request& from) {
    std::string id(from.param("id"));
    const auto met = co_await with.async_cancel(id);
    if (met == cancel_outcome::unknown)
        co_return no_such_job();
    if (met == cancel_outcome::finished)
        co_return conflict("job-finished", "The job has ended already.");
    const auto job = co_await with.store().async_find_job(id, asio::use_awaitable);
    if (!job)
        co_return no_such_job();
    with.tell(*job);
    co_return fresh(http::response::json(200, describe(*job)));
}

/// What the hook of a retry leaves to its handler.
class retry_target {
public:
    retry_target() = default;

    job_record job;
    std::optional<form_to_check> form;
};

asio::awaitable<service::admission> admit_retry(service& with, const http::request& from) {
    auto target = std::make_shared<retry_target>();
    std::string id(from.param("id"));
    auto job = co_await with.store().async_find_job(id, asio::use_awaitable);
    if (!job)
        co_return no_such_job();
    if (job->state != job_state::failed && job->state != job_state::cancelled)
        co_return conflict("job-not-ended", "Only a failed or cancelled job can be tried again.");
    target->job = std::move(*job);
    std::size_t places = 1;
    corogate::job_options who;
    auto kind = job_kind::analysis;
    if (target->job.kind == form_checks_kind) {
        kind = job_kind::form;
        std::string why;
        try {
            target->form = co_await with.async_form_of(target->job);
            target->form->tenant = http::tenant_of(from, target->form->site);
        } catch (const std::runtime_error& e) {
            why = e.what();
        }
        if (!target->form)
            co_return conflict("job-not-possible", why);
        places = target->form->study->rules_of(target->form->form).size();
        who.tenant(target->form->tenant).name("form " + target->form->form);
    } else {
        who.tenant(http::tenant_of(from, "")).name("analysis");
        who.priority(corogate::priority_class::background);
    }
    from.leave(target);
    co_return co_await with.async_admit(kind, places, std::move(who));
}

asio::awaitable<http::response> retry_job(service& with, http::request& from, corogate::job place) {
    const auto left = from.left<retry_target>();
    const std::string id = left->job.id;
    if (!co_await with.store().async_retry_job(id, asio::use_awaitable))
        co_return conflict("job-not-ended", "Only a failed or cancelled job can be tried again.");
    // Nothing is awaited from here to the start: the job is queued, and must not be forgotten.
    with.forget_run(id);
    job_record job = left->job;
    job.state = job_state::queued;
    job.cancelling = false;
    job.progress_done = 0;
    job.started_at.reset();
    job.finished_at.reset();
    job.result.reset();
    job.error.reset();
    with.tell(job);
    if (left->form)
        with.start_form_checks(job, *left->form, std::move(place));
    else
        with.start(job, std::move(place));
    auto answer = http::response::json(202, describe(job));
    answer.set("Location", fmt::format("/v1/jobs/{}", job.id));
    answer.set("Retry-After", "1");
    co_return answer;
}

} // namespace

void add_job_routes(http::router& to, service& with) {
    auto list = [&with](http::request& from) { return list_jobs(with, from); };
    auto get = [&with](http::request& from) { return get_job(with, from); };
    auto result = [&with](http::request& from) { return get_result(with, from); };
    auto cancel = [&with](http::request& from) { return cancel_job(with, from); };
    auto admit = [&with](const http::request& from) { return admit_retry(with, from); };
    auto retry = [&with](http::request& from, corogate::job place) {
        return retry_job(with, from, std::move(place));
    };
    to.add("GET", "/v1/jobs", list);
    to.add("GET", "/v1/jobs/{id}", get);
    to.add("DELETE", "/v1/jobs/{id}", cancel);
    to.add("GET", "/v1/jobs/{id}/result", result);
    to.add("POST", "/v1/jobs/{id}/cancel", cancel);
    to.add("POST", "/v1/jobs/{id}/retry", admit, retry);
}

} // namespace server
