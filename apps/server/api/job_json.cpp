#include "api/job_json.hpp"

#include <boost/json.hpp>
#include <chrono>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <utility>

namespace json = boost::json;

namespace server {

json::value time_or_null(const std::optional<timestamp>& at) {
    if (!at)
        return nullptr;
    const auto whole = std::chrono::floor<std::chrono::seconds>(*at);
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(*at - whole).count();
    const auto seconds = std::chrono::system_clock::to_time_t(whole);
    return json::value(fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(seconds), ms));
}

json::object describe_briefly(const job_record& job) {
    json::object to;
    to["id"] = job.id;
    to["kind"] = job.kind;
    to["study"] = job.study;
    to["state"] = to_string(job.state);
    json::object progress;
    progress["done"] = job.progress_done;
    progress["total"] = job.progress_total;
    to["progress"] = std::move(progress);
    to["attempts"] = job.attempts;
    to["created_at"] = time_or_null(job.created_at);
    to["started_at"] = time_or_null(job.started_at);
    to["finished_at"] = time_or_null(job.finished_at);
    if (job.cancelling)
        to["cancelling"] = true;
    if (job.error)
        to["error"] = *job.error;
    return to;
}

json::object describe(const job_record& job) {
    json::object to = describe_briefly(job);
    to["result"] = job.result ? json::parse(*job.result) : json::value(nullptr);
    return to;
}

corogate::http::event job_event(const job_record& job) {
    corogate::http::event made("job", json::serialize(describe(job)));
    made.topic(job.id).last(is_final(job.state));
    return made;
}

} // namespace server
