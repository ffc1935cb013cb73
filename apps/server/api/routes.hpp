#pragma once

#include "api/pool.hpp"
#include "service.hpp"

#include <corogate/http/router.hpp>
#include <corogate/http/server.hpp>
#include <functional>

namespace server {

/// Each adds its routes; the service and what the other arguments refer to outlive the router.
void add_task_routes(corogate::http::router& to, service& with);     // POST /tasks
void add_form_routes(corogate::http::router& to, service& with);     // /v1/forms, /v1/findings
void add_analysis_routes(corogate::http::router& to, service& with); // POST /v1/analyses
void add_job_routes(corogate::http::router& to, service& with);      // /v1/jobs
void add_study_routes(corogate::http::router& to, service& with);    // /v1/studies and their rules
void add_health_routes(corogate::http::router& to, const service& with); // /livez, /readyz
void add_pool_routes(corogate::http::router& to, pool_view& of);         // /v1/pool
/// /v1/events, /v1/jobs/{id}/events; takes `service::on_job`.
void add_event_routes(corogate::http::router& to, pool_view& of);

/// GET /metrics; `counts` gives what the HTTP server counted, `dropped` the lines that the log
/// lost, where there is a log.
void add_metrics_route(
    corogate::http::router& to, const service& with,
    std::function<corogate::http::server_stats()> counts,
    std::function<std::uint64_t()> dropped = {}
);

} // namespace server
