#pragma once

#include "api/routes.hpp"
#include "durable/scratch_dir.hpp"
#include "openapi/routes.hpp"
#include "service.hpp"
#include "web/routes.hpp"

#include <corogate/http/server.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace app {

/// The server inside the test: everything of corogate-server but its `main`, on a free port.
class local_server {
public:
    explicit local_server(
        edc::catalogue studies, const std::filesystem::path& data,
        const server::options& from = server::options(),
        const corogate::http::server_options& wire = corogate::http::server_options()
    )
        : front_(wire)
        , service_(from, std::move(studies), data)
        , view_(service_, [this] { return front_.stats(); }) {
        corogate::http::router routes;
        server::add_task_routes(routes, service_);
        server::add_form_routes(routes, service_);
        server::add_analysis_routes(routes, service_);
        server::add_job_routes(routes, service_);
        server::add_study_routes(routes, service_);
        server::add_pool_routes(routes, view_);
        server::add_event_routes(routes, view_);
        server::add_health_routes(routes, service_);
        server::add_metrics_route(routes, service_, [this] { return front_.stats(); });
        server::web::add_web_routes(routes);
        server::add_openapi_routes(routes);
        for (const auto* one : routes.routes())
            routes_.emplace(one->method + " " + one->pattern, one->needs);
        front_.start(std::move(routes));
    }
    ~local_server() { front_.stop(); }

    std::uint16_t port() const { return front_.port(); }
    server::service& service() { return service_; }

    /// `GET /v1/jobs/{id}`, and who may.
    const std::map<std::string, corogate::http::role>& routes() const { return routes_; }

private:
    // In the order of main: the HTTP server outlives the service.
    corogate::http::server front_;
    server::service service_;
    server::pool_view view_;
    std::map<std::string, corogate::http::role> routes_;
};

} // namespace app
