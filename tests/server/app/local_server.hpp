#pragma once

#include "api/routes.hpp"
#include "durable/scratch_dir.hpp"
#include "service.hpp"

#include <corogate/http/server.hpp>
#include <cstdint>
#include <utility>

namespace app {

/// The server inside the test: everything of corogate-server but its `main`, on a free port.
class local_server {
public:
    explicit local_server(
        edc::catalogue studies, const std::filesystem::path& data,
        const server::options& from = server::options()
    )
        : front_(corogate::http::server_options())
        , service_(from, std::move(studies), data)
        , view_(service_, [this] { return front_.stats(); }) {
        corogate::http::router routes;
        server::add_task_routes(routes, service_);
        server::add_form_routes(routes, service_);
        server::add_analysis_routes(routes, service_);
        server::add_pool_routes(routes, view_);
        server::add_health_routes(routes, service_);
        server::add_metrics_route(routes, service_, [this] { return front_.stats(); });
        front_.start(std::move(routes));
    }
    ~local_server() { front_.stop(); }

    std::uint16_t port() const { return front_.port(); }
    server::service& service() { return service_; }

private:
    // In the order of main: the HTTP server outlives the service.
    corogate::http::server front_;
    server::service service_;
    server::pool_view view_;
};

} // namespace app
