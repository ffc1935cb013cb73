#include "api/routes.hpp"

#include <boost/asio/awaitable.hpp>
#include <corogate/http/problem.hpp>
#include <corogate/prometheus.hpp>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

namespace asio = boost::asio;
namespace http = corogate::http;

namespace server {

namespace {

constexpr std::pair<job_kind, std::string_view> kinds[] = {
    {job_kind::tasks, "tasks"}, {job_kind::form, "form"}, {job_kind::analysis, "analysis"}
};
constexpr corogate::errc refusals[] = {
    corogate::errc::queue_full,
    corogate::errc::job_too_large,
    corogate::errc::draining,
    corogate::errc::stopped,
    corogate::errc::fair_share_exceeded,
    corogate::errc::deadline_infeasible,
    corogate::errc::memory_pressure,
    corogate::errc::expired
};

std::string
metrics(const service& of, const http::server_stats& wire, std::optional<std::uint64_t> dropped) {
    std::ostringstream text;
    corogate::prometheus_writer out(text);
    const corogate::labelled_pool_stats pool{of.pool().stats(), {}};
    const corogate::labelled_pool_timings timings{of.pool().timings(), {}};
    corogate::write_prometheus(out, std::span(&pool, 1));
    corogate::write_prometheus(out, std::span(&timings, 1));

    out.gauge("corogate_ready", "Whether new work is accepted.");
    out.sample(of.ready());
    out.counter("corogate_jobs_total", "Jobs by kind and by the answer to them.");
    for (const auto& [kind, name] : kinds) {
        out.sample(
            of.jobs_accepted(kind), {{"kind", name}, {"outcome", "accepted"}, {"reason", ""}}
        );
        for (const auto why : refusals)
            out.sample(
                of.jobs_refused(kind, why),
                {{"kind", name}, {"outcome", "refused"}, {"reason", corogate::reason_name(why)}}
            );
    }

    out.counter("corogate_http_requests_total", "Requests of the main port.");
    out.sample(wire.requests);
    out.counter("corogate_http_responses_total", "Answers by class of status.");
    for (std::size_t digit = 1; digit < wire.answers.size(); ++digit)
        out.sample(wire.answers[digit], {{"code", std::to_string(digit) + "xx"}});
    out.gauge("corogate_http_connections", "Open connections.");
    out.sample(wire.connections_open);
    out.counter("corogate_http_accept_errors_total", "Failed attempts to accept.");
    out.sample(wire.accept_errors);
    if (dropped) {
        out.counter("corogate_log_lines_dropped_total", "Lines the log had no time to write.");
        out.sample(*dropped);
    }
    out.finish();
    return std::move(text).str();
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
    const auto for_all = http::route_options().needs(http::role::none);
    to.add("GET", "/livez", live, for_all);
    to.add("GET", "/readyz", ready, for_all);
    to.add("GET", "/startupz", live, for_all); // nothing listens before the start is over
}

void add_metrics_route(
    http::router& to, const service& with, std::function<http::server_stats()> counts,
    std::function<std::uint64_t()> dropped
) {
    auto get = [&with, counts = std::move(counts),
                dropped = std::move(dropped)](http::request&) -> asio::awaitable<http::response> {
        const auto lines = dropped ? std::optional(dropped()) : std::nullopt;
        co_return http::response::text(
            200, metrics(with, counts(), lines), "text/plain; version=0.0.4; charset=utf-8"
        );
    };
    to.add("GET", "/metrics", get, http::route_options().needs(http::role::none));
}

} // namespace server
