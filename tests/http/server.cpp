#include "raw_client.hpp"

#include <atomic>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <corogate/http/problem.hpp>
#include <corogate/http/server.hpp>
#include <corogate/task_pool.hpp>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <thread>

namespace http = corogate::http;
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr const char* plain_get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A gate that a handler waits at until the test opens it; it tells the test that it has arrived.
/// The timer belongs to the handler, because it must not outlive the server.
class gate {
public:
    asio::awaitable<void> pass() {
        const auto timer = std::make_shared<asio::steady_timer>(
            co_await asio::this_coro::executor, asio::steady_timer::time_point::max()
        );
        boost::system::error_code ignored;
        arrived_.set_value(timer);
        co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }

    void wait_for_arrival() { timer_ = arrived_.get_future().get(); }

    void open() {
        if (auto timer = timer_.lock()) {
            const auto executor = timer->get_executor();
            asio::post(executor, [timer = std::move(timer)] { timer->cancel(); });
        }
    }

private:
    using weak_timer = std::weak_ptr<asio::steady_timer>;
    std::promise<weak_timer> arrived_;
    weak_timer timer_;
};

asio::awaitable<http::response> hello(http::request&) {
    co_return http::response::text(200, "hello");
}

asio::awaitable<http::response> echo(http::request& request) {
    co_return http::response::text(200, request.body());
}

/// Errors that the server told its hook.
class error_log {
public:
    http::server_options::error_hook hook() {
        return [this](std::string_view sentence) {
            const std::lock_guard lock(mutex_);
            all_.append(sentence).append("\n");
        };
    }
    std::string all() {
        const std::lock_guard lock(mutex_);
        return all_;
    }

private:
    std::mutex mutex_;
    std::string all_;
};

std::size_t close_within(http::server& server, std::chrono::nanoseconds deadline) {
    return server.async_close(deadline, asio::use_future).get();
}

} // namespace

BOOST_AUTO_TEST_SUITE(server)

BOOST_AUTO_TEST_CASE(answers_and_keeps_the_connection) {
    http::server server{http::server_options()};
    BOOST_TEST(server.address().to_string() == "127.0.0.1");
    http::router routes;
    routes.add("GET", "/", hello);
    server.start(std::move(routes));

    raw_client client(server.port());
    for (int i = 0; i < 3; ++i) {
        const auto got = client.ask(plain_get);
        BOOST_TEST(got.status == 200);
        BOOST_TEST(got.body == "hello");
        BOOST_TEST(got.header("Content-Length") == "5");
        BOOST_TEST(got.header("Content-Type") == "text/plain; charset=utf-8");
        BOOST_TEST(got.header("Server") == "corogate");
        BOOST_TEST(got.header("X-Content-Type-Options") == "nosniff");
        BOOST_TEST(got.header("Connection") == "");
        const std::string date = got.header("Date"); // Sun, 06 Nov 1994 08:49:37 GMT
        BOOST_TEST(date.size() == 29U);
        BOOST_TEST(date.substr(25) == " GMT");
    }
    const auto stats = server.stats();
    BOOST_TEST(stats.connections_total == 1U);
    BOOST_TEST(stats.connections_open == 1U);
    BOOST_TEST(stats.requests == 3U);
    BOOST_TEST(stats.answers[2] == 3U);
}

BOOST_AUTO_TEST_CASE(methods) {
    http::server server{http::server_options()};
    http::router routes;
    routes.add("GET", "/", hello).add("POST", "/only-post", hello);
    server.start(std::move(routes));
    raw_client client(server.port());

    client.send("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const auto head = client.read(true);
    BOOST_TEST(head.status == 200);
    BOOST_TEST(head.header("Content-Length") == "5");

    const auto options = client.ask("OPTIONS / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    BOOST_TEST(options.status == 204);
    BOOST_TEST(options.header("Allow") == "GET, HEAD, OPTIONS");
    BOOST_TEST(options.header("Content-Length") == "");
    const auto all = client.ask("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n");
    BOOST_TEST(all.status == 204);
    BOOST_TEST(all.header("Allow") == "GET, HEAD, OPTIONS, POST");

    const auto wrong = client.ask("GET /only-post HTTP/1.1\r\nHost: localhost\r\n\r\n");
    BOOST_TEST(wrong.status == 405);
    BOOST_TEST(wrong.header("Allow") == "OPTIONS, POST");
    BOOST_TEST(wrong.header("Content-Type") == "application/problem+json");

    const auto nowhere = client.ask("GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n");
    BOOST_TEST(nowhere.status == 404);
    BOOST_TEST(nowhere.body.find("\"reason\":\"not-found\"") != std::string::npos);
    BOOST_TEST(client.ask(plain_get).body == "hello");
}

BOOST_AUTO_TEST_CASE(pipelined_requests_are_answered_in_order) {
    http::server server{http::server_options()};
    gate first;
    http::router routes;
    const http::handler slow = [&first](http::request&) -> asio::awaitable<http::response> {
        co_await first.pass();
        co_return http::response::text(200, "slow");
    };
    routes.add("GET", "/slow", slow).add("GET", "/", hello);
    server.start(std::move(routes));

    raw_client client(server.port());
    client.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n" + std::string(plain_get));
    client.send(plain_get);
    first.wait_for_arrival();
    first.open();
    BOOST_TEST(client.read().body == "slow");
    BOOST_TEST(client.read().body == "hello");
    BOOST_TEST(client.read().body == "hello");
}

BOOST_AUTO_TEST_CASE(bodies_small_and_large) {
    http::server server{http::server_options()};
    http::router routes;
    routes.add("POST", "/", echo, http::route_options().body_limit(4 << 20));
    server.start(std::move(routes));
    raw_client client(server.port());
    const std::string head = "POST / HTTP/1.1\r\nHost: localhost\r\n";
    for (std::size_t size : {0U, 1U, 4096U, 16384U, 70000U, 1U << 20}) {
        std::string body(size, 'x');
        for (std::size_t i = 0; i < size; i += 7)
            body[i] = static_cast<char>('a' + i % 26);
        // The whole answer may not fit the socket buffers: send and read at the same time.
        std::thread sender([&] {
            client.send(head + "Content-Length: " + std::to_string(size) + "\r\n\r\n" + body);
        });
        const auto got = client.read();
        sender.join();
        BOOST_TEST(got.status == 200);
        BOOST_TEST((got.body == body), "a body of " << size << " octets came back changed");
    }
    // In chunks of 1000.
    const std::string piece(1000, 'y');
    std::string chunks;
    std::string whole;
    for (int i = 0; i < 100; ++i) {
        chunks += "3e8\r\n" + piece + "\r\n";
        whole += piece;
    }
    const auto got = client.ask(head + "Transfer-Encoding: chunked\r\n\r\n" + chunks + "0\r\n\r\n");
    BOOST_TEST(got.status == 200);
    BOOST_TEST((got.body == whole));
}

BOOST_AUTO_TEST_CASE(media_type_is_checked_before_the_body) {
    http::server server{http::server_options()};
    http::router routes;
    routes.add(
        "POST", "/", echo, http::route_options().body_limit(100).content_type("application/json")
    );
    server.start(std::move(routes));
    raw_client client(server.port());
    const std::string head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n";
    BOOST_TEST(client.ask(head + "Content-Type: text/plain\r\n\r\n{}").status == 415);
    BOOST_TEST(client.ask(head + "\r\n{}").status == 415);
    BOOST_TEST(
        client.ask(head + "Content-Type: Application/JSON ; charset=utf-8\r\n\r\n{}").body == "{}"
    );
}

BOOST_AUTO_TEST_CASE(what_a_client_accepts_is_checked_where_the_route_says_what_it_gives) {
    http::server server{http::server_options()};
    http::router routes;
    routes.add("GET", "/", hello, http::route_options().gives("application/json"))
        .add("GET", "/any", hello);
    server.start(std::move(routes));
    raw_client client(server.port());
    const auto ask = [&client](const std::string& path, const std::string& accept) {
        return client
            .ask("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nAccept: " + accept + "\r\n\r\n")
            .status;
    };
    BOOST_TEST(client.ask(plain_get).status == 200); // no wish at all
    for (const char* fits :
         {"application/json", "APPLICATION/json;charset=utf-8", "application/*", "*/*", "",
          "text/html, application/json;q=0.1", "text/html,*/*;q=0.8", "application/json; q=0.001",
          "*/*;q=0, application/*", "application/*;q=0, application/json", "not a media type"})
        BOOST_TEST_CONTEXT(fits) { BOOST_TEST(ask("/", fits) == 200); }
    for (const char* unfit :
         {"text/html", "text/*", "application/xml", "application/json;q=0", "*/*;q=0.000",
          "application/json;q=0, */*", "application/*;q=0, */*", "applicationx/*",
          "text/html, , text/plain"})
        BOOST_TEST_CONTEXT(unfit) { BOOST_TEST(ask("/", unfit) == 406); }
    BOOST_TEST(ask("/any", "text/html;q=0") == 200);
}

BOOST_AUTO_TEST_CASE(foreign_pages_are_kept_out) {
    http::server server{http::server_options().allow_host("edc.example.org")};
    std::atomic<int> calls{0};
    http::router routes;
    const http::handler count = [&calls](http::request&) -> asio::awaitable<http::response> {
        ++calls;
        co_return http::response(204);
    };
    routes.add("POST", "/", count);
    server.start(std::move(routes));
    raw_client client(server.port());
    const auto post = [&client](const std::string& fields) {
        return client.ask("POST / HTTP/1.1\r\n" + fields + "\r\n").status;
    };
    BOOST_TEST(post("Host: 127.0.0.1:8080\r\n") == 204);
    BOOST_TEST(post("Host: edc.example.org\r\nOrigin: https://edc.example.org\r\n") == 204);
    BOOST_TEST(post("Host: evil.example\r\n") == 403);
    BOOST_TEST(post("Host: localhost\r\nOrigin: http://evil.example\r\n") == 403);
    BOOST_TEST(post("Host: localhost\r\nSec-Fetch-Site: cross-site\r\n") == 403);
    BOOST_TEST(calls == 2);
}

BOOST_AUTO_TEST_CASE(a_handler_that_throws_tells_no_details) {
    error_log errors;
    http::server server{http::server_options().on_error(errors.hook())};
    http::router routes;
    const http::handler bad = [](http::request& request) -> asio::awaitable<http::response> {
        if (request.path() == "/odd")
            throw 17; // NOLINT
        throw std::runtime_error("the secret");
        co_return http::response();
    };
    routes.add("GET", "/bad", bad).add("GET", "/odd", bad).add("GET", "/", hello);
    server.start(std::move(routes));
    raw_client client(server.port());
    const auto got = client.ask("GET /bad HTTP/1.1\r\nHost: localhost\r\n\r\n");
    BOOST_TEST(got.status == 500);
    BOOST_TEST(got.body.find("secret") == std::string::npos);
    BOOST_TEST(got.header("Content-Type") == "application/problem+json");
    BOOST_TEST(client.ask("GET /odd HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 500);
    BOOST_TEST(client.ask(plain_get).body == "hello");
    BOOST_TEST(errors.all() == "a handler failed: the secret\na handler failed\n");
}

BOOST_AUTO_TEST_CASE(a_handler_may_end_on_another_thread) {
    error_log errors;
    http::server server{http::server_options().on_error(errors.hook())};
    asio::thread_pool elsewhere(1);
    const auto where = [&elsewhere] {
        return elsewhere.get_executor().running_in_this_thread() ? "elsewhere" : "home";
    };
    http::router routes;
    const http::handler leave = [&](http::request&) -> asio::awaitable<http::response> {
        const auto executor = elsewhere.get_executor();
        co_await asio::post(asio::bind_executor(executor, asio::use_awaitable));
        co_return http::response::text(200, where());
    };
    const http::handler stay = [&](http::request&) -> asio::awaitable<http::response> {
        co_return http::response::text(200, where());
    };
    routes.add("GET", "/", leave, http::route_options().resumes_elsewhere())
        .add("GET", "/stay", stay)
        .add("GET", "/stray", leave);
    server.start(std::move(routes));
    raw_client client(server.port());
    for (int i = 0; i < 20; ++i) {
        // In one piece: nothing but the connection itself brings the second one home.
        client.send(std::string(plain_get) + "GET /stay HTTP/1.1\r\nHost: localhost\r\n\r\n");
        BOOST_TEST(client.read().body == "elsewhere");
        BOOST_TEST(client.read().body == "home");
    }
    BOOST_TEST(errors.all() == "");
    // Misuse has a message, once.
    for (int i = 0; i < 2; ++i)
        BOOST_TEST(
            client.ask("GET /stray HTTP/1.1\r\nHost: localhost\r\n\r\n").body == "elsewhere"
        );
    BOOST_TEST(errors.all().starts_with("a handler has ended on another thread"));
    BOOST_TEST(errors.all().find('\n') + 1 == errors.all().size());
}

// ------------------------------------------------------------------------------------------------

namespace {

/// A pool of one permit and no queue, and a route that runs one task of it.
struct admitting {
    std::atomic<int> asked{0};
    std::atomic<int> handled{0};
    gate busy;
    http::server server{http::server_options()}; // before the pool: see the class comment
    corogate::task_pool pool{corogate::pool_options().threads(1).limit(1).queue_tasks(0)};

    admitting() {
        const http::admit_hook admit = [this](const http::request& request
                                       ) -> boost::system::result<corogate::job, http::response> {
            ++asked;
            if (!request.body().empty())
                return http::response(500);
            auto job = pool.try_admit(1);
            if (!job)
                return http::from_refusal(job.error());
            return std::move(*job);
        };
        const http::admitted_handler run =
            [this](http::request& request, corogate::job job) -> asio::awaitable<http::response> {
            ++handled;
            const std::string body = request.take_body();
            auto check = [&body] { return body + "!"; };
            std::vector<decltype(check)> checks(1, check);
            const auto results = co_await job.async_run(checks, asio::use_awaitable);
            co_return http::response::text(200, results.at(0));
        };
        const http::handler occupy = [this](http::request&) -> asio::awaitable<http::response> {
            const auto job = pool.try_admit(1); // held, so that the pool is full
            co_await busy.pass();
            co_return http::response(job ? 200 : 500);
        };
        http::router routes;
        routes.add("POST", "/", admit, run, http::route_options().body_limit(1 << 20))
            .add("GET", "/occupy", occupy)
            .add("GET", "/", hello);
        server.start(std::move(routes));
    }

    ~admitting() { server.stop(); }

    /// Fills the pool; the client must live as long as it shall stay full.
    void fill(raw_client& by) {
        by.send("GET /occupy HTTP/1.1\r\nHost: localhost\r\n\r\n");
        busy.wait_for_arrival();
    }
};

constexpr const char* post_head = "POST / HTTP/1.1\r\nHost: localhost\r\n";

} // namespace

BOOST_AUTO_TEST_CASE(an_admitted_request_runs_its_job) {
    admitting on;
    raw_client client(on.server.port());
    for (int i = 0; i < 20; ++i)
        BOOST_TEST(
            client.ask(std::string(post_head) + "Content-Length: 3\r\n\r\nabc").body == "abc!"
        );
    BOOST_TEST(on.handled == 20);
    BOOST_TEST(on.pool.stats().completed == 20U);
}

BOOST_AUTO_TEST_CASE(a_refusal_comes_before_the_body_is_read) {
    admitting on;
    raw_client occupant(on.server.port());
    on.fill(occupant);

    raw_client client(on.server.port());
    client.send(std::string(post_head) + "Content-Length: 1000\r\n\r\n");
    const auto got = client.read(); // not one octet of the body has been sent
    BOOST_TEST(got.status == 503);
    const auto later = got.header("Retry-After"); // half a second to one and a half, in whole ones
    BOOST_TEST((later == "1" || later == "2"));
    BOOST_TEST(got.header("Cache-Control") == "no-store");
    BOOST_TEST(got.body.find("\"reason\":\"queue-full\"") != std::string::npos);
    BOOST_TEST(got.body.find("\"executed\":false") != std::string::npos);
    BOOST_TEST(got.header("Connection") == "");
    // The small body is dropped, the connection lives on; what looks like a request in it is not.
    std::string body(plain_get);
    body.resize(1000, 'x');
    client.send(body);
    BOOST_TEST(client.ask(plain_get).body == "hello");

    // A body that is too large to drop, or in chunks, or held back, costs the connection.
    for (const char* fields :
         {"Content-Length: 1000000\r\n", "Transfer-Encoding: chunked\r\n",
          "Content-Length: 10\r\nExpect: 100-continue\r\n"}) {
        raw_client other(on.server.port());
        const auto no = other.ask(std::string(post_head) + fields + "\r\n");
        BOOST_TEST(no.status == 503);
        BOOST_TEST(no.header("Connection") == "close");
        other.finish();
        BOOST_TEST(other.closed());
    }
    BOOST_TEST(on.handled == 0);
    BOOST_TEST(on.asked == 4);

    on.busy.open();
    BOOST_TEST(occupant.read().status == 200);
    BOOST_TEST(client.ask(std::string(post_head) + "Content-Length: 1\r\n\r\nz").body == "z!");
}

BOOST_AUTO_TEST_CASE(the_answer_survives_a_large_body_that_is_still_coming) {
    admitting on;
    raw_client occupant(on.server.port());
    on.fill(occupant);
    for (int i = 0; i < 10; ++i) {
        raw_client client(on.server.port());
        client.send(
            std::string(post_head) + "Content-Length: 262145\r\n\r\n" + std::string(200000, 'x')
        );
        BOOST_TEST(client.read().status == 503);
        client.finish();
        BOOST_TEST(client.closed());
    }
    on.busy.open();
    BOOST_TEST(occupant.read().status == 200);
}

BOOST_AUTO_TEST_CASE(continue_is_sent_after_admission) {
    admitting on;
    raw_client client(on.server.port());
    client.send(std::string(post_head) + "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    const auto go_on = client.read();
    BOOST_TEST(go_on.status == 100);
    BOOST_TEST(on.asked == 1);
    BOOST_TEST(on.handled == 0);
    BOOST_TEST(client.ask("body").body == "body!");
    BOOST_TEST(on.handled == 1);
    // Whoever does not wait needs no 100.
    const auto got = client.ask(
        std::string(post_head) + "Content-Length: 4\r\nExpect: 100-continue\r\n\r\nmore"
    );
    BOOST_TEST(got.status == 200);
    BOOST_TEST(got.body == "more!");
}

BOOST_AUTO_TEST_CASE(too_large_is_refused_before_admission) {
    admitting on;
    raw_client client(on.server.port());
    const auto got = client.ask(std::string(post_head) + "Content-Length: 1048577\r\n\r\n");
    BOOST_TEST(got.status == 413);
    BOOST_TEST(got.header("Connection") == "close");
    BOOST_TEST(on.asked == 0);
    client.finish();
    BOOST_TEST(client.closed());
}

BOOST_AUTO_TEST_CASE(a_client_that_leaves_in_the_body_returns_its_places) {
    admitting on;
    {
        raw_client client(on.server.port());
        client.send(std::string(post_head) + "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n");
        BOOST_TEST(client.read().status == 100); // admitted: the pool is full
        raw_client other(on.server.port());
        BOOST_TEST(other.ask(std::string(post_head) + "Content-Length: 1\r\n\r\na").status == 503);
        client.finish();
        BOOST_TEST(client.closed());
    }
    raw_client client(on.server.port());
    BOOST_TEST(client.ask(std::string(post_head) + "Content-Length: 1\r\n\r\nb").body == "b!");
    BOOST_TEST(on.handled == 1);
}

BOOST_AUTO_TEST_CASE(a_bad_body_returns_its_places_before_it_is_answered) {
    admitting on;
    raw_client client(on.server.port());
    const auto bad = client.ask(std::string(post_head) + "Transfer-Encoding: chunked\r\n\r\nx\r\n");
    BOOST_TEST(bad.status == 400);
    // The connection of that client still lingers.
    raw_client other(on.server.port());
    BOOST_TEST(other.ask(std::string(post_head) + "Content-Length: 1\r\n\r\na").status == 200);
    client.finish();
    BOOST_TEST(client.closed());
    BOOST_TEST(on.handled == 1);
}

BOOST_AUTO_TEST_CASE(a_hook_that_throws_is_a_500) {
    error_log errors;
    http::server server{http::server_options().on_error(errors.hook())};
    const http::admit_hook admit =
        [](const http::request&) -> boost::system::result<corogate::job, http::response> {
        throw std::runtime_error("no table");
    };
    const http::admitted_handler run = [](http::request&,
                                          corogate::job) -> asio::awaitable<http::response> {
        co_return http::response(204);
    };
    http::router routes;
    routes.add("POST", "/", admit, run);
    server.start(std::move(routes));
    raw_client client(server.port());
    BOOST_TEST(client.ask(std::string(post_head) + "\r\n").status == 500);
    BOOST_TEST(errors.all() == "an admission hook failed: no table\n");
}

// ------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(slow_senders_are_told_and_cut) {
    http::server server{http::server_options().header_time(30ms).body_time(30ms)};
    http::router routes;
    routes.add("POST", "/", echo, http::route_options().body_limit(100)).add("GET", "/", hello);
    server.start(std::move(routes));

    raw_client head(server.port());
    const auto late = head.ask("GET / HTTP/1.1\r\nHost: loc");
    BOOST_TEST(late.status == 408);
    BOOST_TEST(late.header("Connection") == "close");
    head.finish();
    BOOST_TEST(head.closed());

    raw_client body(server.port());
    BOOST_TEST(body.ask(std::string(post_head) + "Content-Length: 3\r\n\r\na").status == 408);
    body.finish();
    BOOST_TEST(body.closed());

    raw_client silent(server.port());
    BOOST_TEST(silent.closed()); // nothing came, nothing is said
}

BOOST_AUTO_TEST_CASE(idle_connections_end) {
    http::server server{http::server_options().idle_time(30ms)};
    http::router routes;
    routes.add("GET", "/", hello);
    server.start(std::move(routes));
    raw_client client(server.port());
    BOOST_TEST(client.ask(plain_get).status == 200);
    BOOST_TEST(client.closed());
}

BOOST_AUTO_TEST_CASE(a_reader_that_stalls_is_cut) {
    http::server server{http::server_options().write_time(30ms)};
    http::router routes;
    const http::handler large = [](http::request&) -> asio::awaitable<http::response> {
        co_return http::response::text(200, std::string(64U << 20, 'x'));
    };
    routes.add("GET", "/", large);
    server.start(std::move(routes));
    raw_client client(server.port());
    client.send(plain_get);
    // Reads nothing; the server gives up and forgets the connection.
    while (server.stats().requests == 0 || server.stats().connections_open != 0)
        std::this_thread::yield();
    BOOST_CHECK_THROW(client.read(), std::runtime_error); // half a body
}

BOOST_AUTO_TEST_CASE(connections_beyond_the_limit_wait) {
    http::server server{http::server_options().connections(1)};
    http::router routes;
    routes.add("GET", "/", hello);
    server.start(std::move(routes));
    auto first = std::make_unique<raw_client>(server.port());
    BOOST_TEST(first->ask(plain_get).status == 200);
    raw_client second(server.port());
    second.send(plain_get);
    BOOST_TEST(server.stats().connections_total == 1U);
    first.reset();
    BOOST_TEST(second.read().body == "hello");
}

BOOST_AUTO_TEST_CASE(connections_of_one_address_are_bounded) {
    http::server server{http::server_options().connections_per_address(2)};
    http::router routes;
    routes.add("GET", "/", hello);
    server.start(std::move(routes));
    raw_client first(server.port());
    BOOST_TEST(first.ask(plain_get).status == 200);
    auto second = std::make_unique<raw_client>(server.port());
    BOOST_TEST(second->ask(plain_get).status == 200);
    raw_client third(server.port());
    BOOST_TEST(third.closed());
    BOOST_TEST(server.stats().connections_refused == 1U);
    second.reset();
    while (server.stats().connections_open != 1)
        std::this_thread::yield();
    raw_client fourth(server.port());
    BOOST_TEST(fourth.ask(plain_get).status == 200);
    BOOST_TEST(server.stats().connections_total == 3U);
}

BOOST_AUTO_TEST_CASE(a_connection_ends_after_its_share_of_requests) {
    http::server server{http::server_options().requests_per_connection(3)};
    http::router routes;
    routes.add("GET", "/", hello);
    server.start(std::move(routes));
    raw_client client(server.port());
    client.send(std::string(plain_get) + plain_get + plain_get + plain_get);
    BOOST_TEST(client.read().header("Connection") == "");
    BOOST_TEST(client.read().header("Connection") == "");
    BOOST_TEST(client.read().header("Connection") == "close");
    client.finish();
    BOOST_TEST(client.closed()); // the fourth is not answered
    BOOST_TEST(server.stats().requests == 3U);
}

BOOST_AUTO_TEST_CASE(a_connection_ends_at_an_age) {
    http::server server{http::server_options().connection_age(20ms)};
    http::router routes;
    routes.add("GET", "/", hello);
    server.start(std::move(routes));
    raw_client client(server.port());
    const auto begin = std::chrono::steady_clock::now();
    while (client.ask(plain_get).header("Connection") != "close")
        BOOST_TEST_REQUIRE((std::chrono::steady_clock::now() - begin < 10s));
    client.finish();
    BOOST_TEST(client.closed());
}

BOOST_AUTO_TEST_CASE(idle_connections_end_sooner_where_it_is_crowded) {
    http::server server{
        http::server_options().connections(5).crowded_idle_time(20ms).requests_per_connection(
            1'000'000
        )
    };
    http::router routes;
    routes.add("GET", "/", hello);
    server.start(std::move(routes));
    std::vector<raw_client> clients;
    for (int i = 0; i < 4; ++i) // 80 %: not yet above
        BOOST_TEST(clients.emplace_back(server.port()).ask(plain_get).status == 200);
    const auto begin = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - begin < 60ms)
        BOOST_TEST_REQUIRE(clients[0].ask(plain_get).status == 200);
    BOOST_TEST(server.stats().connections_open == 4U);
    raw_client fifth(server.port());
    BOOST_TEST(fifth.ask(plain_get).status == 200);
    BOOST_TEST(clients[1].closed()); // long before the 60 s of an idle connection
}

BOOST_AUTO_TEST_CASE(a_body_that_trickles_is_cut_though_its_time_has_not_passed) {
    http::server server{http::server_options().body_rate(10'000, 50ms)}; // 500 octets each
    http::router routes;
    routes.add("POST", "/", echo, http::route_options().body_limit(1 << 20));
    server.start(std::move(routes));
    raw_client slow(server.port());
    const auto begin = std::chrono::steady_clock::now();
    slow.send(std::string(post_head) + "Content-Length: 100000\r\n\r\n" + std::string(499, 'x'));
    BOOST_TEST(slow.read().status == 408);
    BOOST_TEST((std::chrono::steady_clock::now() - begin >= 50ms));

    // Twenty times that rate lives through several stretches of time.
    raw_client steady(server.port());
    const std::string piece(1000, 'x');
    steady.send(std::string(post_head) + "Content-Length: 200000\r\n\r\n");
    for (int i = 0; i < 199; ++i) {
        steady.send(piece);
        std::this_thread::sleep_for(1ms);
    }
    BOOST_TEST(steady.ask(piece).status == 200);
}

BOOST_AUTO_TEST_CASE(requests_sent_ahead_wait_in_the_kernel) {
    gate busy;
    http::server server{http::server_options()};
    http::router routes;
    const http::handler slow = [&busy](http::request&) -> asio::awaitable<http::response> {
        co_await busy.pass();
        co_return http::response::text(200, "slow");
    };
    routes.add("GET", "/slow", slow).add("GET", "/", hello);
    server.start(std::move(routes));
    raw_client client(server.port());
    client.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    busy.wait_for_arrival();
    // More than the kernel holds for both ends: the server reads none of it.
    std::string many;
    for (int i = 0; i < 25'000; ++i)
        many += plain_get;
    std::size_t sent = 0;
    for (std::size_t now = 1; now != 0 && sent < 64U << 20; sent += now)
        now = client.send_some(std::string_view(many).substr(sent % many.size()));
    BOOST_TEST(sent < 64U << 20);
    BOOST_TEST(server.stats().requests == 1U);
    busy.open();
    BOOST_TEST(client.read().body == "slow");
    for (int i = 0; i < 100; ++i)
        BOOST_TEST_REQUIRE(client.read().body == "hello");
}

BOOST_AUTO_TEST_CASE(the_soft_limit_of_descriptors_is_raised) {
    rlimit before{};
    BOOST_TEST_REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit low = before;
    low.rlim_cur = 200;
    rlimit seen{};
    BOOST_TEST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
    {
        const http::server server{
            http::server_options().connections(150).raise_descriptor_limit(false)
        };
    }
    ::getrlimit(RLIMIT_NOFILE, &seen);
    BOOST_TEST(seen.rlim_cur == 200U);
    {
        const http::server server{http::server_options().connections(150)};
    }
    ::getrlimit(RLIMIT_NOFILE, &seen);
    BOOST_TEST(seen.rlim_cur == std::min<rlim_t>(150 + 64, before.rlim_max));
    {
        const http::server server{http::server_options().connections(100)};
    }
    ::getrlimit(RLIMIT_NOFILE, &seen);
    BOOST_TEST(seen.rlim_cur == std::min<rlim_t>(150 + 64, before.rlim_max)); // never lowered
    BOOST_TEST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
}

BOOST_AUTO_TEST_CASE(accepting_survives_a_lack_of_descriptors) {
    error_log errors;
    http::server server{http::server_options().on_error(errors.hook())};
    http::router routes;
    routes.add("GET", "/", hello);
    server.start(std::move(routes));
    raw_client before(server.port());
    BOOST_TEST(before.ask(plain_get).status == 200);

    raw_client client; // has its descriptor before there are none
    rlimit limit{};
    BOOST_TEST_REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    const rlimit none{3, limit.rlim_max}; // all are taken already
    BOOST_TEST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    client.connect(server.port());
    client.send(plain_get);
    while (server.stats().accept_errors == 0)
        std::this_thread::yield();
    const bool alive = before.ask(plain_get).status == 200;
    BOOST_TEST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
    BOOST_TEST(alive);
    BOOST_TEST(client.read().body == "hello");
    BOOST_TEST(errors.all().starts_with("accepting a connection failed: "));
}

// ------------------------------------------------------------------------------------------------

namespace {

/// Looks at its connections every 5 ms.
http::server_options quick() { return http::server_options().body_time(20ms); }

constexpr const char* get_stream = "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A server whose `/stream` is produced by what the test says.
struct streaming {
    error_log errors;
    http::server server;

    explicit streaming(http::stream_body produce, http::server_options options = quick())
        : server(options.on_error(errors.hook())) {
        const http::handler start = [produce](http::request&) -> asio::awaitable<http::response> {
            co_return http::response().stream(produce, "text/event-stream");
        };
        http::router routes;
        routes.add("GET", "/stream", start).add("GET", "/", hello);
        server.start(std::move(routes));
    }

    void wait_for_the_end() {
        while (server.stats().streams_open != 0)
            std::this_thread::yield();
    }
};

/// Awaits what never comes; the cancellation ends it.
asio::awaitable<void> wait_for_ever() {
    asio::steady_timer timer(
        co_await asio::this_coro::executor, asio::steady_timer::time_point::max()
    );
    co_await timer.async_wait(asio::use_awaitable);
}

} // namespace

BOOST_AUTO_TEST_CASE(a_streamed_answer_comes_in_chunks) {
    gate half;
    std::atomic<int> taken{0}; // checks are for one thread
    const http::stream_body produce = [&](http::body_writer& to) -> asio::awaitable<void> {
        taken += co_await to.write("one");
        taken += co_await to.write("");
        co_await half.pass();
        taken += to.open();
        taken += co_await to.write(std::string(100000, 'x'));
    };
    streaming on(produce);
    raw_client client(on.server.port());
    client.send(get_stream);
    const auto head = client.read(true);
    BOOST_TEST(head.status == 200);
    BOOST_TEST(head.header("Content-Type") == "text/event-stream");
    BOOST_TEST(head.header("Transfer-Encoding") == "chunked");
    BOOST_TEST(head.header("Content-Length") == "");
    BOOST_TEST(client.read_chunk() == "one");
    half.wait_for_arrival();
    BOOST_TEST(on.server.stats().streams_open == 1U);
    client.send(plain_get); // pipelined: it has to wait, and is not lost
    half.open();
    BOOST_TEST((client.read_chunk() == std::string(100000, 'x')));
    BOOST_TEST(client.read_chunk() == "");
    BOOST_TEST(client.read().body == "hello");
    BOOST_TEST(taken == 4);
    BOOST_TEST(on.server.stats().streams_open == 0U);
    BOOST_TEST(on.server.stats().answers[2] == 2U);

    client.send("HEAD /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
    BOOST_TEST(client.read(true).header("Transfer-Encoding") == "chunked");
    BOOST_TEST(client.ask(plain_get).body == "hello");
    BOOST_TEST(on.errors.all() == "");
}

BOOST_AUTO_TEST_CASE(a_stream_to_http_1_0_ends_with_the_connection) {
    const http::stream_body produce = [](http::body_writer& to) -> asio::awaitable<void> {
        co_await to.write("one");
        co_await to.write("two");
    };
    streaming on(produce);
    raw_client client(on.server.port());
    client.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const auto head = client.read(true);
    BOOST_TEST(head.header("Transfer-Encoding") == "");
    BOOST_TEST(head.header("Connection") == "close");
    BOOST_TEST(client.read_all() == "onetwo");
}

BOOST_AUTO_TEST_CASE(a_stream_ends_when_its_client_goes) {
    std::promise<bool> open_at_the_end;
    const http::stream_body produce = [&](http::body_writer& to) -> asio::awaitable<void> {
        co_await to.write("one");
        try {
            co_await wait_for_ever();
        } catch (const boost::system::system_error&) {
            open_at_the_end.set_value(to.open());
            throw;
        }
    };
    for (const bool by_reset : {false, true}) {
        open_at_the_end = {};
        streaming on(produce);
        raw_client client(on.server.port());
        client.send(get_stream);
        client.read(true);
        BOOST_TEST(client.read_chunk() == "one");
        client.send(plain_get); // what has been sent ahead does not hide the end
        if (by_reset)
            client.reset();
        else
            client.leave();
        BOOST_TEST(!open_at_the_end.get_future().get());
        while (on.server.stats().connections_open != 0)
            std::this_thread::yield();
        BOOST_TEST(on.server.stats().streams_open == 0U);
        BOOST_TEST(on.server.stats().clients_gone == 1U);
        BOOST_TEST(on.errors.all() == "");
    }
}

BOOST_AUTO_TEST_CASE(a_stream_is_told_to_end_when_the_server_closes) {
    std::atomic<bool> open_before{false};
    std::atomic<int> open_after{0};
    const http::stream_body produce = [&](http::body_writer& to) -> asio::awaitable<void> {
        open_before = co_await to.write("one");
        try {
            co_await wait_for_ever();
        } catch (const boost::system::system_error&) {
        }
        open_after += to.open();
        open_after += co_await to.write("last word");
    };
    streaming on(produce);
    raw_client client(on.server.port());
    client.send(get_stream);
    client.read(true);
    BOOST_TEST(client.read_chunk() == "one");
    auto closing = on.server.async_close(1h, asio::use_future);
    BOOST_TEST(client.read_chunk() == "last word");
    BOOST_TEST(client.read_chunk() == "");
    client.finish();
    BOOST_TEST(client.closed());
    BOOST_TEST(closing.get() == 0U);
    BOOST_TEST(open_before);
    BOOST_TEST(open_after == 0);
    BOOST_TEST(on.errors.all() == "");
}

BOOST_AUTO_TEST_CASE(a_stream_that_nobody_reads_is_cut) {
    const http::stream_body produce = [](http::body_writer& to) -> asio::awaitable<void> {
        while (co_await to.write(std::string(1 << 20, 'x')))
            ;
    };
    streaming on(produce, http::server_options().write_time(20ms));
    raw_client client(on.server.port());
    client.send(get_stream);
    BOOST_TEST(client.read(true).status == 200);
    while (on.server.stats().connections_open != 0)
        std::this_thread::yield();
    BOOST_CHECK_THROW(client.read_all(), std::runtime_error); // a reset: the body is not whole
}

BOOST_AUTO_TEST_CASE(a_stream_that_fails_ends_in_the_middle) {
    const http::stream_body produce = [](http::body_writer& to) -> asio::awaitable<void> {
        co_await to.write("one");
        throw std::runtime_error("no more");
    };
    streaming on(produce);
    raw_client client(on.server.port());
    client.send(get_stream);
    client.read(true);
    BOOST_TEST(client.read_chunk() == "one");
    BOOST_CHECK_THROW(client.read_chunk(), std::runtime_error);
    BOOST_TEST(on.errors.all() == "a stream failed: no more\n");
}

BOOST_AUTO_TEST_CASE(a_stream_may_come_from_another_thread) {
    asio::thread_pool elsewhere(1);
    const http::stream_body produce = [&elsewhere](http::body_writer& to) -> asio::awaitable<void> {
        for (int i = 0; i < 10; ++i) {
            const auto executor = elsewhere.get_executor();
            co_await asio::post(asio::bind_executor(executor, asio::use_awaitable));
            co_await to.write("x");
        }
    };
    const http::handler start = [produce](http::request&) -> asio::awaitable<http::response> {
        co_return http::response().stream(produce, "text/plain");
    };
    http::server server{http::server_options()};
    http::router routes;
    routes.add("GET", "/stream", start, http::route_options().resumes_elsewhere());
    server.start(std::move(routes));
    raw_client client(server.port());
    client.send(get_stream);
    client.read(true);
    for (int i = 0; i < 10; ++i)
        BOOST_TEST(client.read_chunk() == "x");
    BOOST_TEST(client.read_chunk() == "");
}

// ------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_client_that_goes_cancels_its_handler) {
    std::promise<bool> cancelled;
    const http::handler wait = [&](http::request&) -> asio::awaitable<http::response> {
        try {
            co_await wait_for_ever();
        } catch (const boost::system::system_error& error) {
            cancelled.set_value(error.code() == asio::error::operation_aborted);
            throw;
        }
        co_return http::response(204);
    };
    for (const bool by_reset : {false, true}) {
        cancelled = {};
        error_log errors;
        http::server server{quick().on_error(errors.hook())};
        http::router routes;
        routes.add("GET", "/", wait);
        server.start(std::move(routes));
        raw_client client(server.port());
        client.send(plain_get);
        while (server.stats().requests == 0)
            std::this_thread::yield();
        client.send(plain_get);
        if (by_reset)
            client.reset();
        else
            client.leave();
        BOOST_TEST(cancelled.get_future().get());
        while (server.stats().connections_open != 0)
            std::this_thread::yield();
        BOOST_TEST(server.stats().clients_gone == 1U);
        BOOST_TEST(server.stats().requests == 1U);
        for (const std::uint64_t count : server.stats().answers)
            BOOST_TEST(count == 0U); // nothing was sent
        BOOST_TEST(errors.all() == "");
    }
}

BOOST_AUTO_TEST_CASE(a_client_that_goes_cancels_its_job_and_its_place_in_the_queue) {
    http::server server{quick()};
    corogate::task_pool pool{corogate::pool_options().threads(1).limit(1).queue_tasks(1).overflow(
        corogate::overflow_policy::wait
    )};
    std::atomic<int> waiting{0};
    const http::async_admit_hook admit = [&](const http::request&)
        -> asio::awaitable<boost::system::result<corogate::job, http::response>> {
        ++waiting;
        auto job = co_await pool.async_admit(1, corogate::job_options(), asio::use_awaitable);
        if (!job)
            co_return http::from_refusal(job.error());
        co_return std::move(*job);
    };
    const http::admitted_handler run = [&](http::request&,
                                           corogate::job job) -> asio::awaitable<http::response> {
        auto task = [] { return wait_for_ever(); };
        std::vector<decltype(task)> tasks(1, task);
        co_await job.async_run(tasks, asio::use_awaitable);
        co_return http::response(204);
    };
    http::router routes;
    routes.add("POST", "/", admit, run);
    server.start(std::move(routes));
    std::vector<raw_client> clients;
    for (std::uint64_t i = 1; i <= 3; ++i) { // one runs, one is queued, one waits for admission
        clients.emplace_back(server.port()).send(std::string(post_head) + "\r\n");
        while (waiting.load() < static_cast<int>(i) ||
               pool.stats().accepted < std::min(i, std::uint64_t{2}))
            std::this_thread::yield();
    }
    clients.pop_back();
    while (server.stats().clients_gone < 1)
        std::this_thread::yield();
    BOOST_TEST(pool.stats().accepted == 2U);
    clients.clear();
    while (server.stats().clients_gone < 3)
        std::this_thread::yield();
    const auto after = pool.stats();
    BOOST_TEST(after.accepted == 2U);
    BOOST_TEST(after.waiting == 0U);
    BOOST_TEST(after.running == 0U);
    BOOST_TEST(after.completed == 0U);
    server.stop();
}

BOOST_AUTO_TEST_CASE(a_half_closed_client_is_served_where_the_options_say_so) {
    for (const bool served : {false, true}) {
        gate busy;
        http::server server{quick().serve_half_closed(served)};
        const http::handler slow = [&busy](http::request&) -> asio::awaitable<http::response> {
            co_await busy.pass();
            co_return http::response::text(200, "done");
        };
        http::router routes;
        routes.add("GET", "/", slow).add("GET", "/quick", hello);
        server.start(std::move(routes));
        raw_client client(server.port());
        client.send(plain_get);
        client.finish();
        busy.wait_for_arrival();
        if (served) {
            raw_client other(server.port());
            for (int i = 0; i < 10; ++i) // some time for the server to look
                BOOST_TEST(
                    other.ask("GET /quick HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200
                );
            busy.open();
            BOOST_TEST(client.read().body == "done");
        } else {
            BOOST_TEST(client.closed()); // without an answer
            BOOST_TEST(server.stats().clients_gone == 1U);
        }
    }
}

// ------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_port_in_use_is_one_clear_sentence) {
    const http::server first{http::server_options()};
    const std::string port = std::to_string(first.port());
    try {
        const http::server second{http::server_options().port(first.port())};
        BOOST_ERROR("two servers on one port");
    } catch (const http::listen_error& error) {
        BOOST_TEST(error.what() == "port " + port + " on 127.0.0.1 is already in use");
        BOOST_TEST(error.code() == boost::system::errc::address_in_use);
    }
    const auto sentence = [](const char* address) -> std::string {
        try {
            const http::server none{http::server_options().address(address)};
        } catch (const boost::system::system_error& error) {
            return error.what();
        }
        return "";
    };
    BOOST_TEST(sentence("nowhere") == "'nowhere' is not an IP address");
    BOOST_TEST(sentence("192.0.2.1") == "192.0.2.1 is not an address of this machine");
    BOOST_TEST(sentence("localhost") == "");
}

BOOST_AUTO_TEST_CASE(closes_gracefully) {
    gate busy;
    http::server server{http::server_options().threads(2)};
    http::router routes;
    const http::handler slow = [&busy](http::request&) -> asio::awaitable<http::response> {
        co_await busy.pass();
        co_return http::response::text(200, "done");
    };
    routes.add("GET", "/slow", slow).add("GET", "/", hello);
    server.start(std::move(routes));

    raw_client idle(server.port());
    BOOST_TEST(idle.ask(plain_get).status == 200);
    raw_client in_flight(server.port());
    in_flight.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    busy.wait_for_arrival();

    auto closing = server.async_close(1h, asio::use_future);
    BOOST_TEST(idle.closed()); // so the closing has begun, and waits
    BOOST_CHECK_THROW(raw_client(server.port()), std::runtime_error); // nobody listens any more
    BOOST_CHECK((closing.wait_for(0s) == std::future_status::timeout));
    busy.open();
    const auto got = in_flight.read();
    BOOST_TEST(got.body == "done");
    BOOST_TEST(got.header("Connection") == "close");
    in_flight.finish();
    BOOST_TEST(in_flight.closed());
    BOOST_TEST(closing.get() == 0U);
    BOOST_TEST(server.stats().connections_open == 0U);
    // Again, and after the end.
    BOOST_TEST(close_within(server, 1h) == 0U);
    server.stop();
    BOOST_TEST(close_within(server, 1h) == 0U);
}

BOOST_AUTO_TEST_CASE(what_has_arrived_is_answered_before_closing) {
    http::server server{http::server_options()};
    std::promise<void> arrived;
    std::promise<void> open;
    http::router routes;
    // Blocks the only thread of the server, which a handler must never do.
    const http::handler block = [&](http::request&) -> asio::awaitable<http::response> {
        arrived.set_value();
        open.get_future().wait();
        co_return http::response::text(200, "done");
    };
    routes.add("GET", "/block", block).add("GET", "/", hello);
    server.start(std::move(routes));
    raw_client idle(server.port());
    BOOST_TEST(idle.ask(plain_get).status == 200);
    raw_client blocked(server.port());
    blocked.send("GET /block HTTP/1.1\r\nHost: localhost\r\n\r\n");
    arrived.get_future().wait();

    idle.send(plain_get);
    raw_client in_backlog(server.port());
    in_backlog.send(plain_get);
    raw_client silent(server.port()); // in the backlog too; sends only after the close has begun
    auto closing = server.async_close(1h, asio::use_future);
    open.set_value();
    for (raw_client* one : {&blocked, &idle, &in_backlog}) {
        BOOST_TEST(one->read().status == 200);
        one->finish();
        BOOST_TEST(one->closed());
    }
    const auto last = silent.ask(plain_get);
    BOOST_TEST(last.status == 200);
    BOOST_TEST(last.header("Connection") == "close");
    silent.finish();
    BOOST_TEST(closing.get() == 0U);
}

BOOST_AUTO_TEST_CASE(what_does_not_end_by_the_deadline_is_cut_and_counted) {
    gate never;
    http::server server{http::server_options()};
    http::router routes;
    const http::handler stuck = [&never](http::request&) -> asio::awaitable<http::response> {
        co_await never.pass();
        co_return http::response(204);
    };
    routes.add("GET", "/", stuck);
    server.start(std::move(routes));
    raw_client client(server.port());
    client.send(plain_get);
    never.wait_for_arrival();
    auto patient = server.async_close(1h, asio::use_future);
    BOOST_TEST(close_within(server, 1ms) == 1U); // the earliest deadline holds for both
    BOOST_TEST(patient.get() == 1U);
    BOOST_TEST(client.closed());
    BOOST_TEST(close_within(server, 1h) == 1U); // nothing more can be done about it
}

BOOST_AUTO_TEST_CASE(stop_answers_those_who_wait_for_the_close) {
    gate never;
    http::server server{http::server_options()};
    http::router routes;
    const http::handler stuck = [&never](http::request&) -> asio::awaitable<http::response> {
        co_await never.pass();
        co_return http::response(204);
    };
    routes.add("GET", "/", stuck);
    server.start(std::move(routes));
    raw_client client(server.port());
    client.send(plain_get);
    never.wait_for_arrival();
    asio::thread_pool own(1);
    auto closing = server.async_close(1h, asio::bind_executor(own, asio::use_future));
    server.stop();
    closing.get();
}

BOOST_AUTO_TEST_CASE(a_server_that_never_started_ends) {
    http::server server{http::server_options()};
    BOOST_TEST(close_within(server, 1h) == 0U);
}

BOOST_AUTO_TEST_CASE(new_work_is_refused_while_the_pool_drains) {
    admitting on;
    raw_client occupant(on.server.port());
    on.fill(occupant);
    auto drained = on.pool.async_drain(1h, asio::use_future);
    // The drain has begun when a reservation says so.
    while (on.pool.try_admit(1).error().reason() != corogate::errc::draining)
        std::this_thread::yield();
    raw_client client(on.server.port()); // the listener is open
    const auto got = client.ask(std::string(post_head) + "Content-Length: 1\r\n\r\na");
    BOOST_TEST(got.status == 503);
    BOOST_TEST(got.body.find("\"reason\":\"draining\"") != std::string::npos);
    BOOST_TEST(got.header("Connection") == "close");
    on.busy.open();
    BOOST_TEST(occupant.read().status == 200);
    drained.get();
    client.finish();
    occupant.finish();
    BOOST_TEST(close_within(on.server, 1h) == 0U);
}

BOOST_AUTO_TEST_CASE(many_clients_on_two_threads) {
    http::server server{http::server_options().threads(2)};
    http::router routes;
    routes.add("POST", "/", echo, http::route_options().body_limit(100));
    server.start(std::move(routes));
    std::atomic<int> wrong{0};
    std::vector<std::thread> clients;
    for (int c = 0; c < 4; ++c)
        clients.emplace_back([&, c] {
            for (int i = 0; i < 20; ++i) {
                raw_client client(server.port());
                for (int n = 0; n < 10; ++n) {
                    const std::string body = std::to_string(c * 1000000 + i * 1000 + n);
                    const auto got = client.ask(
                        std::string(post_head) + "Content-Length: " + std::to_string(body.size()) +
                        "\r\n\r\n" + body
                    );
                    if (got.status != 200 || got.body != body)
                        ++wrong;
                }
            }
        });
    for (auto& one : clients)
        one.join();
    BOOST_TEST(wrong == 0);
    BOOST_TEST(server.stats().requests == 800U);
    BOOST_TEST(close_within(server, 1h) == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
