#include "raw_client.hpp"

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <condition_variable>
#include <corogate/http/problem.hpp>
#include <corogate/http/server.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace http = corogate::http;
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

/// What the hook was told, as text: the views in an exchange do not last.
struct told {
    std::string line; // method route status name
    std::string trace;
    std::string parent;
    std::string remote;
    std::uint64_t in = 0;
    std::uint64_t out = 0;
    std::chrono::nanoseconds took{};
};

class listener {
public:
    http::server_options::answer_hook hook() {
        return [this](const http::exchange& one) {
            told got;
            got.line = std::string(one.method) + " " + std::string(one.route) + " " +
                       std::to_string(one.status) + " " + one.who.name;
            got.trace = one.trace.trace_id();
            got.parent = one.trace.parent_id();
            got.remote = one.remote.to_string();
            got.in = one.octets_in;
            got.out = one.octets_out;
            got.took = one.took;
            const std::lock_guard lock(mutex_);
            all_.push_back(std::move(got));
            more_.notify_all();
        };
    }

    /// The next one nobody has taken.
    told next() {
        std::unique_lock lock(mutex_);
        if (!more_.wait_for(lock, 20s, [this] { return taken_ < all_.size(); }))
            throw std::runtime_error("the hook was told of nothing");
        return all_[taken_++];
    }

    /// How many there are that nobody has taken.
    std::size_t left() {
        const std::lock_guard lock(mutex_);
        return all_.size() - taken_;
    }

private:
    std::mutex mutex_;
    std::condition_variable more_;
    std::vector<told> all_;
    std::size_t taken_ = 0;
};

class told_server {
public:
    told_server() {
        auto list = std::make_shared<http::access>();
        list->add("reader read - reader-secret-token\nwriter submit - writer-secret-token");
        http::server_options options;
        options.on_answer(heard.hook()).access(list);
        server_.emplace(options);
        http::router routes;
        const http::handler text = [](http::request& from) -> asio::awaitable<http::response> {
            co_return http::response::text(200, "for " + std::string(from.param("id")));
        };
        const http::handler no = [](http::request&) -> asio::awaitable<http::response> {
            co_return http::problem(409, "not-now", "Not now.");
        };
        const auto open = http::route_options().needs(http::role::none);
        routes.add("GET", "/v1/forms/{id}", text)
            .add("POST", "/v1/forms/{id}", text, http::route_options().body_limit(100))
            .add("GET", "/open", no, open);
        server_->start(std::move(routes));
    }

    std::uint16_t port() const { return server_->port(); }
    listener heard;

private:
    std::optional<http::server> server_;
};

constexpr const char* reader = "Authorization: Bearer reader-secret-token\r\n";
constexpr const char* writer = "Authorization: Bearer writer-secret-token\r\n";

std::string head(const std::string& line, const std::string& fields = {}) {
    return line + " HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n";
}

std::string trace_in(const raw_client::reply& from) {
    const auto body = boost::json::parse(from.body);
    return std::string(std::string_view(body.at("trace_id").as_string()));
}

} // namespace

BOOST_AUTO_TEST_SUITE(exchange)

BOOST_AUTO_TEST_CASE(each_answer_is_told_once_with_its_route_and_its_token) {
    told_server server;
    raw_client client(server.port());
    const std::string get = head("GET /v1/forms/secret-17?subject=S-1", reader);
    const auto got = client.ask(get);
    const told one = server.heard.next();
    BOOST_TEST(one.line == "GET /v1/forms/{id} 200 reader");
    BOOST_TEST(one.remote == "127.0.0.1");
    BOOST_TEST(one.in == get.size());
    BOOST_TEST(one.out == got.head.size() + 2 + got.body.size());
    BOOST_TEST((one.took > 0ns));
    BOOST_TEST((one.took < 20s));
    BOOST_TEST(one.trace.size() == 32U);
    BOOST_TEST(one.parent.empty());

    // Two at once are two, and a body counts.
    const std::string post =
        head("POST /v1/forms/1", std::string(writer) + "Content-Length: 3\r\n") + "abc";
    client.send(post + get);
    client.read();
    client.read();
    const told first = server.heard.next();
    BOOST_TEST(first.line == "POST /v1/forms/{id} 200 writer");
    BOOST_TEST(first.in == post.size());
    const told second = server.heard.next();
    BOOST_TEST(second.line == "GET /v1/forms/{id} 200 reader");
    BOOST_TEST(second.trace != first.trace);

    client.send(head("HEAD /v1/forms/1", reader));
    client.read(true);
    BOOST_TEST(server.heard.next().line == "HEAD /v1/forms/{id} 200 reader");
    BOOST_TEST(server.heard.left() == 0U);
}

BOOST_AUTO_TEST_CASE(what_is_refused_is_told_too) {
    told_server server;
    const auto ask = [&server](const std::string& octets) {
        raw_client client(server.port());
        const auto got = client.ask(octets);
        const told one = server.heard.next();
        BOOST_TEST(trace_in(got) == one.trace);
        BOOST_TEST(one.in > 0U);
        BOOST_TEST(one.out == got.head.size() + 2 + got.body.size());
        return one.line;
    };
    BOOST_TEST(ask(head("GET /nowhere")) == "GET  404 ");
    BOOST_TEST(ask(head("PUT /open")) == "PUT  405 ");
    BOOST_TEST(ask(head("GET /v1/forms/1")) == "GET /v1/forms/{id} 401 ");
    BOOST_TEST(ask(head("POST /v1/forms/1", reader)) == "POST /v1/forms/{id} 403 reader");
    BOOST_TEST(
        ask(head("POST /v1/forms/1", std::string(writer) + "Content-Length: 101\r\n")) ==
        "POST /v1/forms/{id} 413 writer"
    );
    BOOST_TEST(ask(head("GET /open")) == "GET /open 409 ");
    BOOST_TEST(ask("GET /open HTTP/1.1\nHost: localhost\n\n") == "  400 ");
    BOOST_TEST(ask("GET /open HTTP/1.1\r\n\r\n") == "GET  400 ");
    BOOST_TEST(ask("GET /open HTTP/3.0\r\n\r\n") == "  505 ");
    BOOST_TEST(server.heard.left() == 0U);
}

BOOST_AUTO_TEST_CASE(a_client_that_leaves_is_499_and_one_that_never_asked_is_nothing) {
    told_server server;
    {
        raw_client silent(server.port());
        raw_client half(server.port());
        half.send("GET /open HTTP/1.1\r\nHo");
        half.finish();
        BOOST_TEST(half.closed());
        silent.finish();
        BOOST_TEST(silent.closed());
    }
    raw_client client(server.port());
    client.send(head("POST /v1/forms/1", std::string(writer) + "Content-Length: 50\r\n") + "abc");
    client.finish();
    BOOST_TEST(client.closed());
    BOOST_TEST(server.heard.next().line == "POST /v1/forms/{id} 499 writer");
    BOOST_TEST(server.heard.left() == 0U);
}

BOOST_AUTO_TEST_CASE(a_trace_goes_through) {
    told_server server;
    raw_client client(server.port());
    const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    const std::string field = "traceparent: 00-" + trace + "-00f067aa0ba902b7-01\r\n";
    const auto got = client.ask(head("GET /open", field));
    BOOST_TEST(got.status == 409);
    BOOST_TEST(trace_in(got) == trace);
    BOOST_TEST(boost::json::parse(got.body).at("reason") == "not-now");
    const told one = server.heard.next();
    BOOST_TEST(one.trace == trace);
    BOOST_TEST(one.parent == "00f067aa0ba902b7");

    // Another request of the same connection has nothing to do with it.
    client.send(head("HEAD /open"));
    const auto other = client.read(true);
    BOOST_TEST(other.header("Content-Length") == got.header("Content-Length"));
    BOOST_TEST(server.heard.next().trace != trace);
}

BOOST_AUTO_TEST_SUITE_END()
