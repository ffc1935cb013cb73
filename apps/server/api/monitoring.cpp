#include "api/routes.hpp"

#include <boost/asio/awaitable.hpp>
#include <corogate/http/problem.hpp>
#include <fmt/format.h>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

namespace asio = boost::asio;
namespace http = corogate::http;

namespace server {

namespace {

/// Writes the Prometheus text format.
class exposition {
public:
    void family(std::string_view name, std::string_view type, std::string_view help) {
        fmt::format_to(
            std::back_inserter(text_), "# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type
        );
        name_ = name;
    }
    template <typename Number>
    void sample(Number value, std::string_view labels = {}) {
        if (labels.empty())
            fmt::format_to(std::back_inserter(text_), "{} {}\n", name_, value);
        else
            fmt::format_to(std::back_inserter(text_), "{}{{{}}} {}\n", name_, labels, value);
    }
    std::string take() { return std::move(text_); }

private:
    std::string text_;
    std::string name_;
};

constexpr std::pair<job_kind, std::string_view> kinds[] = {
    {job_kind::tasks, "tasks"}, {job_kind::form, "form"}, {job_kind::analysis, "analysis"}
};
constexpr corogate::errc refusals[] = {
    corogate::errc::queue_full, corogate::errc::job_too_large, corogate::errc::draining,
    corogate::errc::stopped
};

std::string metrics(const service& of, const http::server_stats& wire) {
    exposition out;
    const auto s = of.pool().stats();

    out.family("corogate_running_tasks", "gauge", "Tasks that have started and not ended.");
    out.sample(s.running);
    out.family("corogate_running_tasks_peak", "gauge", "Most tasks that ever ran at once.");
    out.sample(s.running_peak);
    out.family("corogate_waiting_tasks", "gauge", "Admitted tasks that wait for a permit.");
    out.sample(s.waiting);
    out.family(
        "corogate_reserved_places", "gauge", "Places of jobs whose tasks have not come yet."
    );
    out.sample(s.reserved);
    out.family("corogate_limit_tasks", "gauge", "Permits: tasks that may run at once.");
    out.sample(s.limit);
    out.family("corogate_queue_limit_tasks", "gauge", "Places in the queue.");
    out.sample(s.queue_tasks);
    out.family("corogate_ready", "gauge", "Whether new work is accepted.");
    out.sample(of.ready() ? 1 : 0);

    out.family("corogate_tasks_submitted_total", "counter", "Tasks offered: refused or accepted.");
    out.sample(s.submitted);
    out.family("corogate_tasks_accepted_total", "counter", "Tasks promised to run.");
    out.sample(s.accepted);
    out.family("corogate_tasks_total", "counter", "Tasks by how they ended.");
    out.sample(s.completed, "outcome=\"completed\"");
    out.sample(s.failed, "outcome=\"failed\"");
    out.sample(s.cancelled, "outcome=\"cancelled\"");
    out.sample(s.abandoned, "outcome=\"abandoned\"");
    out.sample(s.refused, "outcome=\"refused\"");

    out.family("corogate_jobs_total", "counter", "Jobs by kind and by the answer to them.");
    for (const auto& [kind, name] : kinds) {
        out.sample(
            of.jobs_accepted(kind),
            fmt::format("kind=\"{}\",outcome=\"accepted\",reason=\"\"", name)
        );
        for (const auto why : refusals)
            out.sample(
                of.jobs_refused(kind, why), fmt::format(
                                                "kind=\"{}\",outcome=\"refused\",reason=\"{}\"",
                                                name, corogate::reason_name(why)
                                            )
            );
    }

    out.family("corogate_http_requests_total", "counter", "Requests of the main port.");
    out.sample(wire.requests);
    out.family("corogate_http_responses_total", "counter", "Answers by class of status.");
    for (std::size_t digit = 1; digit < wire.answers.size(); ++digit)
        out.sample(wire.answers[digit], fmt::format("code=\"{}xx\"", digit));
    out.family("corogate_http_connections", "gauge", "Open connections.");
    out.sample(wire.connections_open);
    out.family("corogate_http_accept_errors_total", "counter", "Failed attempts to accept.");
    out.sample(wire.accept_errors);
    return out.take();
}

} // namespace

void add_health_routes(http::router& to, const service& with) {
    auto live = [](http::request&) -> asio::awaitable<http::response> {
        co_return http::response::text(200, "ok\n");
    };
    auto ready = [&with](http::request&) -> asio::awaitable<http::response> {
        auto answer =
            http::response::text(with.ready() ? 200 : 503, std::string(with.state()) + "\n");
        if (!with.ready())
            answer.set("Retry-After", "1");
        co_return answer.set("Cache-Control", "no-store");
    };
    to.add("GET", "/livez", live);
    to.add("GET", "/readyz", ready);
}

void add_metrics_route(
    http::router& to, const service& with, std::function<http::server_stats()> counts
) {
    auto get = [&with,
                counts = std::move(counts)](http::request&) -> asio::awaitable<http::response> {
        co_return http::response::text(
            200, metrics(with, counts()), "text/plain; version=0.0.4; charset=utf-8"
        );
    };
    to.add("GET", "/metrics", get);
}

} // namespace server
