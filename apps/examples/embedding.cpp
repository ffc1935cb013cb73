// An HTTP front end before your own coroutine: who asks for too much hears no after the header,
// before the body is read.
//
//   example-embedding          asks itself twice, and ends
//   example-embedding PORT     serves until Ctrl-C

#include <boost/asio.hpp>
#include <charconv>
#include <corogate/http/problem.hpp>
#include <corogate/http/server.hpp>
#include <corogate/task_pool.hpp>
#include <cstdlib>
#include <iostream>

namespace asio = boost::asio;
namespace http = corogate::http;
using boost::system::system_error;
using namespace std::chrono_literals;

// What your service does: any coroutine.
asio::awaitable<std::size_t> set_page(std::string text) { co_return text.size(); }

bool try_it(std::uint16_t port);

int main(int argc, char** argv) {
    // [server]
    http::server_options where; // 127.0.0.1
    where.port(argc > 1 ? static_cast<std::uint16_t>(std::atoi(argv[1])) : 0);
    http::server front(where); // before the pool: its handlers wait for the pool
    corogate::task_pool pool{corogate::pool_options{}.threads(2).limit(8).queue_tasks(64)};
    // [server]

    // [admit]
    using admission = boost::system::result<corogate::job, http::response>;
    auto admit = [&pool](const http::request& from) -> asio::awaitable<admission> {
        const auto pages = from.query("pages").value_or("1");
        std::size_t n = 0; // what it costs: a task a page
        std::from_chars(pages.data(), pages.data() + pages.size(), n);
        if (n == 0)
            co_return http::problem(400, "invalid-query", "pages is a number from 1 on")
                .to_response();
        corogate::job_options who;
        who.tenant(http::tenant_of(from, from.query("site").value_or("")));
        who.priority(corogate::priority_class::interactive).deadline(2s).name("report");
        auto job = co_await pool.async_admit(n, who, asio::use_awaitable);
        if (!job)
            co_return http::from_refusal(job.error()); // 429 or 503, Retry-After, the reason
        co_return std::move(*job);
    };
    // [admit]

    // [handle]
    auto handle = [](http::request& from, corogate::job job) -> asio::awaitable<http::response> {
        auto page = [text = from.take_body()] { return set_page(text); };
        std::vector tasks(job.remaining(), page);
        try {
            const auto sizes = co_await job.async_run(tasks, asio::use_awaitable);
            co_return http::response::text(200, std::to_string(sizes.size()) + " pages\n");
        } catch (const system_error& e) {
            if (e.code() != corogate::errc::expired && e.code() != asio::error::operation_aborted)
                throw; // a 500 that says nothing, and a line for the error hook
            co_return http::problem(504, "deadline-exceeded", "The pages were not set in time.");
        }
    };
    http::router routes;
    routes.add("POST", "/reports", admit, handle, http::route_options().body_limit(64 * 1024));
    front.start(std::move(routes));
    // [handle]

    bool good = true;
    if (argc > 1) {
        asio::io_context signals;
        asio::signal_set stop(signals, SIGINT, SIGTERM);
        stop.async_wait([](boost::system::error_code, int) {});
        signals.run();
    } else {
        good = try_it(front.port());
    }

    // [stop]
    const auto left =
        pool.async_drain(10s, asio::use_future).get(); // who comes now is told so: 503
    front.async_close(5s, asio::use_future).get();     // answers under way go out
    front.stop();
    // [stop]
    return good && left.complete() ? 0 : 1;
}

// The status line of an answer to a POST.
std::string ask(std::uint16_t port, const std::string& target) {
    asio::ip::tcp::iostream wire("127.0.0.1", std::to_string(port));
    wire << "POST " << target << " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\ntext"
         << std::flush;
    std::string line;
    std::getline(wire, line);
    std::cout << target << ": " << line << '\n';
    return line;
}

bool try_it(std::uint16_t port) {
    const bool yes = ask(port, "/reports?pages=3").starts_with("HTTP/1.1 200");
    const bool no =
        ask(port, "/reports?pages=1000").starts_with("HTTP/1.1 503"); // of 8 + 64 places
    return yes && no;
}
