#include "api/routes.hpp"
#include "edc/catalogue.hpp"
#include "log.hpp"
#include "openapi/routes.hpp"
#include "options.hpp"
#include "service.hpp"
#include "store/data_dir.hpp"
#include "web/routes.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <corogate/durable/store_error.hpp>
#include <corogate/http/access.hpp>
#include <corogate/http/server.hpp>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fmt/format.h>
#include <functional>
#include <iostream>
#include <memory>
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

/// Who may do what: the tokens of the file, else of the environment.
std::shared_ptr<http::access> access_of(const server::options& from) {
    auto made = std::make_shared<http::access>();
    if (from.tokens)
        made->add_file(*from.tokens);
    else
        made->add_environment("COROGATE_TOKENS");
    // Not admin: that takes a token, or this machine.
    if (from.insecure)
        made->others(http::role::submit);
    return made;
}

bool is_probe(std::string_view route) {
    return route == "/livez" || route == "/readyz" || route == "/startupz" || route == "/metrics";
}

std::string url_of(const server::options& from, const http::server& of) {
    const auto address = of.address();
    const std::string host =
        address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
    return fmt::format("{}://{}:{}", from.tls_certificate ? "https" : "http", host, of.port());
}

http::server_options listen_on(
    const server::options& from, std::uint16_t port, const std::shared_ptr<http::access>& access,
    server::log& log
) {
    http::server_options to;
    to.address(from.address).port(port).threads(from.io_threads).access(access);
    if (from.tls_certificate)
        to.tls(http::tls_options(*from.tls_certificate, *from.tls_key));
    if (log.writes(server::log_level::info))
        to.on_answer([&log](const http::exchange& one) { log.request(one, is_probe(one.route)); });
    for (const auto& host : from.allowed_hosts)
        to.allow_host(host);
    to.on_error([](std::string_view what) { server::tell(server::log_level::error, what); });
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

/// `tell` goes to this log while this object lives.
class current_log {
public:
    explicit current_log(server::log& one) { server::use_log(&one); }
    ~current_log() { server::use_log(nullptr); }
    current_log(const current_log&) = delete;
    current_log& operator=(const current_log&) = delete;
};

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

    const auto access = access_of(options);
    const auto exposed = server::exposure_of(options, access->tokens() > 0);
    if (!exposed.allowed)
        return fail(exposed.sentence);

    // Signals first: from here on a SIGTERM is a drain, however early it comes.
    asio::io_context signals_context;
    asio::signal_set signals(signals_context, SIGTERM, SIGINT);

    // Everything below may use it to its end.
    server::log log(options.log_least, options.log_as, options.log_file);
    const current_log current(log);
    if (!exposed.sentence.empty())
        std::osyncstream(std::cerr)
            << "corogate-server: warning: " << exposed.sentence << std::endl;

    // The HTTP servers outlive the service: handlers that wait for it are theirs.
    http::server front(listen_on(options, options.port, access, log));
    std::optional<http::server> monitor;
    if (options.monitor_port)
        monitor.emplace(listen_on(options, *options.monitor_port, access, log).connections(64));
    server::service service(options, std::move(*studies), data);
    const auto counts = [&front] { return front.stats(); };
    server::pool_view view(service, counts);

    http::router routes;
    server::add_task_routes(routes, service);
    server::add_form_routes(routes, service);
    server::add_analysis_routes(routes, service);
    server::add_job_routes(routes, service);
    server::add_study_routes(routes, service);
    server::add_health_routes(routes, service);
    server::web::add_web_routes(routes);
    server::add_openapi_routes(routes);
    server::add_pool_routes(routes, view);
    server::add_event_routes(routes, view);
    const auto dropped = [&log] { return log.dropped(); };
    if (monitor) {
        http::router monitoring;
        server::add_health_routes(monitoring, service);
        server::add_metrics_route(monitoring, service, counts, dropped);
        monitor->start(std::move(monitoring));
    } else {
        server::add_metrics_route(routes, service, counts, dropped);
    }
    service.recover(); // before anybody can come: what throws here unwinds under nobody
    front.start(std::move(routes));

    std::string ids;
    for (const auto& id : service.studies()->ids())
        ids += (ids.empty() ? "" : ", ") + id;
    std::cout << fmt::format(
                     "corogate-server {} listens on {} (studies: {}; data: {})", COROGATE_VERSION,
                     url_of(options, front), ids, service.store().file().string()
                 )
              << std::endl;
    if (monitor)
        std::cout << fmt::format(
                         "corogate-server: metrics on {}/metrics", url_of(options, *monitor)
                     )
                  << std::endl;

    // A terminal that goes away ends a plain server as it always did.
    asio::signal_set renewals(signals_context);
    std::function<void(boost::system::error_code, int)> renew =
        [&](boost::system::error_code stopped, int) {
            if (stopped)
                return;
            try {
                front.reload_tls();
                if (monitor)
                    monitor->reload_tls();
                server::tell(server::log_level::info, "the certificate was read again");
            } catch (const http::tls_error& e) {
                server::tell(
                    server::log_level::error,
                    std::string(e.what()) + "; the certificate from before stays"
                );
            }
            renewals.async_wait(renew);
        };
    if (options.tls_certificate) {
        renewals.add(SIGHUP);
        renewals.async_wait(renew);
    }

    int status = 0;
    signals.async_wait([&](boost::system::error_code, int) {
        // The second one ends the process as it would have without us.
        signals.async_wait([](boost::system::error_code, int again) { std::_Exit(128 + again); });
        auto drained = [&](boost::system::error_code, corogate::drain_report left) {
            status = report(left, service);
            // Answers under way are sent; then nothing of ours is left.
            auto closed = [&](std::size_t cut) {
                if (cut)
                    server::tell(
                        server::log_level::warning, fmt::format("{} connections were cut", cut)
                    );
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
    if (const auto lost = log.dropped())
        server::tell(
            server::log_level::warning, fmt::format("{} lines of the log were dropped", lost)
        );
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
