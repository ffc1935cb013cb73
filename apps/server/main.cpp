#include "api/routes.hpp"
#include "edc/catalogue.hpp"
#include "options.hpp"
#include "service.hpp"
#include "store/data_dir.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <corogate/durable/store_error.hpp>
#include <corogate/http/server.hpp>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fmt/format.h>
#include <iostream>
#include <optional>
#include <string>
#include <syncstream>

namespace asio = boost::asio;
namespace http = corogate::http;
using namespace std::chrono_literals;

namespace {

int fail(const std::string& sentence) {
    std::osyncstream(std::cerr) << "corogate-server: " << sentence << std::endl;
    return 2;
}

http::server_options listen_on(const server::options& from, std::uint16_t port) {
    http::server_options to;
    to.port(port).threads(from.io_threads);
    for (const auto& host : from.allowed_hosts)
        to.allow_host(host);
    to.on_error([](std::string_view what) {
        std::osyncstream(std::cerr) << "corogate-server: " << what << '\n';
    });
    return to;
}

/// What the drain left, a line each; the exit status.
int report(const corogate::drain_report& left, server::service& service) {
    const auto books = service.pool().stats();
    std::cout
        << fmt::format(
               "corogate-server: drained {} tasks in {:.1f} s; in all {} completed, {} failed",
               left.finished, std::chrono::duration<double>(left.took).count(), books.completed,
               books.failed
           )
        << std::endl;
    if (left.complete())
        return 0;
    const auto list = [](std::size_t n, const char* what) {
        if (n)
            std::osyncstream(std::cerr)
                << "corogate-server: abandoned: " << n << ' ' << what << std::endl;
    };
    list(left.abandoned, "tasks that were waiting");
    list(left.still_running, "tasks that were running");
    list(left.unused, "places of requests that had not sent their body");
    for (const auto& line : service.left_for_next_start(100))
        std::osyncstream(std::cerr) << "corogate-server: abandoned: " << line << std::endl;
    return 3;
}

int run(const server::options& options) {
    auto data = options.data;
    if (data.empty()) {
        const auto found =
            server::default_data_dir(std::getenv("XDG_STATE_HOME"), std::getenv("HOME"));
        if (!found)
            return fail("there is no home folder to keep data in; name one with --data");
        data = *found;
    }
    auto studies = edc::load_catalogue(options.studies, options.rules);
    if (!studies)
        return fail(studies.error().message());

    // Signals first: from here on a SIGTERM is a drain, however early it comes.
    asio::io_context signals_context;
    asio::signal_set signals(signals_context, SIGTERM, SIGINT);

    // The HTTP servers outlive the service: handlers that wait for it are theirs.
    http::server front(listen_on(options, options.port));
    std::optional<http::server> monitor;
    if (options.monitor_port)
        monitor.emplace(listen_on(options, *options.monitor_port));
    server::service service(options, std::move(*studies), data);
    const auto counts = [&front] { return front.stats(); };
    server::pool_view view(service, counts);

    http::router routes;
    server::add_task_routes(routes, service);
    server::add_form_routes(routes, service);
    server::add_analysis_routes(routes, service);
    server::add_health_routes(routes, service);
    server::add_pool_routes(routes, view);
    if (monitor) {
        http::router monitoring;
        server::add_health_routes(monitoring, service);
        server::add_metrics_route(monitoring, service, counts);
        monitor->start(std::move(monitoring));
    } else {
        server::add_metrics_route(routes, service, counts);
    }
    front.start(std::move(routes));
    service.recover();

    std::string ids;
    for (const auto& id : service.studies().ids())
        ids += (ids.empty() ? "" : ", ") + id;
    std::cout << fmt::format(
                     "corogate-server {} listens on http://127.0.0.1:{} (studies: {}; data: {})",
                     COROGATE_VERSION, front.port(), ids, service.store().file().string()
                 )
              << std::endl;
    if (monitor)
        std::cout << fmt::format(
                         "corogate-server: metrics on http://127.0.0.1:{}/metrics", monitor->port()
                     )
                  << std::endl;

    int status = 0;
    signals.async_wait([&](boost::system::error_code, int) {
        // The second one ends the process as it would have without us.
        signals.async_wait([](boost::system::error_code, int again) { std::_Exit(128 + again); });
        auto drained = [&](boost::system::error_code, corogate::drain_report left) {
            status = report(left, service);
            // Answers under way are sent; then nothing of ours is left.
            auto closed = [&](std::size_t cut) {
                if (cut)
                    std::osyncstream(std::cerr)
                        << "corogate-server: " << cut << " connections were cut" << std::endl;
                signals.cancel();
                signals_context.stop();
            };
            service.events().close();
            front.async_close(5s, asio::bind_executor(signals_context, closed));
        };
        service.async_drain(options.drain_timeout, asio::bind_executor(signals_context, drained));
        // Whoever looks on may come back here, or be sent to another server.
        view.tell();
        service.events().send_away();
        // Said when it is so: whoever reads the line finds a server that takes nothing.
        std::cout << fmt::format(
                         "corogate-server: draining, for {} s at most",
                         std::chrono::duration<double>(options.drain_timeout).count()
                     )
                  << std::endl;
    });
    signals_context.run();

    front.stop();
    if (monitor)
        monitor->stop();
    return status;
}

} // namespace

int main(int argc, char** argv) {
    const auto read = server::read_options(argc, argv);
    if (const auto* end = std::get_if<server::leave>(&read)) {
        (end->status ? std::cerr : std::cout) << end->text << std::flush;
        return end->status;
    }
    try {
        return run(std::get<server::options>(read));
    } catch (const http::listen_error& e) {
        return fail(e.what());
    } catch (const corogate::durable::store_error& e) {
        return fail(e.what());
    } catch (const std::exception& e) {
        return fail(e.what());
    }
}
