#include "text.hpp"

#include <algorithm>
#include <corogate/http/problem.hpp>

namespace corogate::http {

problem::problem(unsigned status, std::string_view reason, std::string_view detail)
    : status_(status)
    , reason_(reason)
    , detail_(detail) {}

problem& problem::type(std::string_view uri) {
    type_ = uri;
    return *this;
}

problem& problem::title(std::string_view words) {
    title_ = words;
    return *this;
}

problem& problem::field(std::string_view where) {
    field_ = where;
    return *this;
}

problem& problem::id(std::string_view of) {
    id_ = of;
    return *this;
}

problem& problem::executed(bool yes) {
    executed_ = yes ? "true" : "false";
    return *this;
}

problem& problem::executed_unknown() {
    executed_ = "\"unknown\"";
    return *this;
}

problem& problem::retryable(bool yes) {
    retryable_ = yes;
    return *this;
}

problem& problem::retry_after(std::chrono::milliseconds wait) {
    retry_after_ = wait;
    return *this;
}

problem& problem::close() {
    close_ = true;
    return *this;
}

response problem::to_response() const {
    using std::chrono::milliseconds;
    std::string body;
    body.reserve(320);
    const auto text = [&body](std::string_view name, std::string_view value) {
        body += body.empty() ? '{' : ',';
        detail::append_json_string(body, name);
        body += ':';
        detail::append_json_string(body, value);
    };
    const auto raw = [&body](std::string_view name, std::string_view value) {
        body += ',';
        detail::append_json_string(body, name);
        body += ':';
        body += value;
    };

    text("type", type_.empty() ? "urn:corogate:problem:" + reason_ : type_);
    text("title", title_.empty() ? status_phrase(status_) : std::string_view(title_));
    raw("status", std::to_string(status_));
    text("detail", detail_);
    text("reason", reason_);
    if (!field_.empty())
        text("field", field_);
    if (!id_.empty())
        text("id", id_);
    if (!executed_.empty())
        raw("executed", executed_);
    if (retryable_)
        raw("retryable", *retryable_ ? "true" : "false");

    std::optional<milliseconds> wait = retry_after_;
    if (!wait && (status_ == 429 || status_ == 503))
        wait = std::chrono::seconds(1);
    if (wait)
        raw("retry_after_ms", std::to_string(std::max<milliseconds::rep>(wait->count(), 0)));
    body += '}';

    response answer(status_);
    answer.body(std::move(body), "application/problem+json");
    answer.set("Cache-Control", "no-store");
    if (wait) {
        const auto whole = std::chrono::ceil<std::chrono::seconds>(*wait).count();
        answer.set("Retry-After", std::to_string(std::max<decltype(whole)>(whole, 1)));
    }
    if (close_)
        answer.close();
    return answer;
}

response from_refusal(const refusal& no) {
    std::string_view detail;
    switch (no.reason()) {
    case errc::queue_full:
        detail = "The queue is full. Nothing was started; try again later.";
        break;
    case errc::fair_share_exceeded:
        detail = "The queue is full of earlier work of yours. Nothing was started; wait for it, or "
                 "try again later.";
        break;
    case errc::displaced:
        detail = "Earlier work of yours filled the queue, and this made room for others. Nothing "
                 "was started; try again later.";
        break;
    case errc::deadline_infeasible:
        detail = "The work cannot be done in the time given. Nothing was started.";
        break;
    case errc::memory_pressure:
        detail = "The service is short of memory. Nothing was started; try again later.";
        break;
    case errc::job_too_large:
        detail = "The job has more tasks than this service can ever hold. Nothing was started.";
        break;
    case errc::draining:
        detail = "The service is shutting down and takes no new work. Nothing was started.";
        break;
    case errc::stopped:
        detail = "The service has stopped taking work. Nothing was started.";
        break;
    default:
        detail = "The work was refused. Nothing was started.";
        break;
    }
    // 429 says "you", 503 says "me".
    const bool yours = no.reason() == errc::fair_share_exceeded || no.reason() == errc::displaced;
    problem answer(yours ? 429 : 503, reason_name(no.reason()), detail);
    answer.executed(false).retryable(no.retryable());
    answer.retry_after(
        no.retry_after().count() > 0 ? no.retry_after() : std::chrono::milliseconds(1000)
    );
    if (no.reason() == errc::draining || no.reason() == errc::stopped)
        answer.close();
    return answer;
}

} // namespace corogate::http
