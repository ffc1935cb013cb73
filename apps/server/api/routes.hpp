#pragma once

#include "api/pool.hpp"
#include "service.hpp"

#include <corogate/http/router.hpp>
#include <corogate/http/server.hpp>
#include <functional>

namespace server {

/// Each adds its routes; the service and what the other arguments refer to outlive the router.
void add_task_routes(corogate::http::router& to, service& with);         // POST /tasks
void add_form_routes(corogate::http::router& to, service& with);         // /v1/forms
void add_analysis_routes(corogate::http::router& to, service& with);     // /v1/analyses, /v1/jobs
void add_health_routes(corogate::http::router& to, const service& with); // /livez, /readyz
void add_pool_routes(corogate::http::router& to, pool_view& of);         // /v1/pool
void add_event_routes(
    corogate::http::router& to, pool_view& of
); // /v1/events, /v1/jobs/{id}/events

/// GET /metrics; `counts` gives what the HTTP server counted.
void add_metrics_route(
    corogate::http::router& to, const service& with,
    std::function<corogate::http::server_stats()> counts
);

} // namespace server
