#pragma once

#include "http/raw_client.hpp"
#include "process.hpp"

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace app {

using reply = raw_client::reply;

/// A connection, and the next one where the server ended it after an answer: it serves so many
/// requests on each.
class kept_wire {
public:
    explicit kept_wire(std::uint16_t port)
        : port_(port)
        , wire_(std::in_place, port) {}

    reply ask(const std::string& octets) {
        if (ended_)
            wire_.emplace(port_);
        reply got = wire_->ask(octets);
        ended_ = got.header("Connection") == "close";
        return got;
    }

    raw_client& wire() { return *wire_; }

private:
    std::uint16_t port_;
    std::optional<raw_client> wire_;
    bool ended_ = false;
};

/// One connection, kept alive, and the requests these tests make on it.
class client {
public:
    explicit client(std::uint16_t port)
        : port_(port)
        , wire_(port) {}

    reply get(std::string_view target) { return wire_.ask(head("GET", target) + "\r\n"); }

    /// `fields` are further header lines, each with its line end.
    reply post(std::string_view target, std::string_view body = {}, std::string_view fields = {}) {
        return wire_.ask(post_head(target, body.size(), fields) + std::string(body));
    }

    reply patch(std::string_view target, std::string_view body) {
        return wire_.ask(
            head("PATCH", target) + "Content-Type: application/json\r\nContent-Length: " +
            std::to_string(body.size()) + "\r\n\r\n" + std::string(body)
        );
    }

    std::string
    post_head(std::string_view target, std::size_t size, std::string_view fields = {}) const {
        return head("POST", target) +
               "Content-Type: application/json\r\nContent-Length: " + std::to_string(size) +
               "\r\n" + std::string(fields) + "\r\n";
    }

    raw_client& wire() { return wire_.wire(); }

private:
    std::string head(std::string_view method, std::string_view target) const {
        return std::string(method) + " " + std::string(target) +
               " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port_) + "\r\n";
    }

    std::uint16_t port_;
    kept_wire wire_;
};

inline reply get(std::uint16_t port, std::string_view target) { return client(port).get(target); }

inline reply post(
    std::uint16_t port, std::string_view target, std::string_view body = {},
    std::string_view fields = {}
) {
    return client(port).post(target, body, fields);
}

/// The body of an answer, which must be a JSON object.
inline boost::json::object object_of(const reply& from) {
    boost::json::error_code ec;
    auto value = boost::json::parse(from.body, ec);
    if (ec || !value.is_object())
        throw std::runtime_error("no JSON object: " + from.head + "\n" + from.body);
    return std::move(value.get_object());
}

inline std::string text_of(const boost::json::object& from, std::string_view name) {
    const auto* value = from.if_contains(name);
    return value && value->is_string() ? std::string(std::string_view(value->get_string()))
                                       : "(no " + std::string(name) + ")";
}

/// The one value of a metric; `series` is its name with its labels, if any.
inline std::uint64_t metric(std::string_view exposition, std::string_view series) {
    const std::string key = "\n" + std::string(series) + " ";
    const auto at = exposition.find(key);
    if (at == std::string_view::npos)
        throw std::runtime_error("no metric " + std::string(series));
    return std::strtoull(exposition.data() + at + key.size(), nullptr, 10);
}

/// Asks until the answer satisfies `enough`; fails when that takes too long.
template <typename Enough>
reply ask_until(std::uint16_t port, std::string_view target, Enough enough) {
    const auto most = std::chrono::steady_clock::now() + longest_wait;
    client one(port);
    for (;;) {
        reply got = one.get(target);
        if (enough(got))
            return got;
        if (std::chrono::steady_clock::now() > most)
            throw std::runtime_error("waited in vain on " + std::string(target) + ": " + got.body);
    }
}

/// Checks that an answer is a problem of this status and reason that says nothing was executed,
/// and returns it.
inline boost::json::object
problem_of(const reply& from, int status, std::string_view reason, std::string_view field = {}) {
    BOOST_TEST(from.status == status, from.body);
    BOOST_TEST(from.header("Content-Type") == "application/problem+json");
    auto no = object_of(from);
    BOOST_TEST(text_of(no, "reason") == reason, from.body);
    BOOST_TEST(no.at("status") == boost::json::value(status));
    if (!field.empty())
        BOOST_TEST(text_of(no, "field") == field, from.body);
    if (const auto* executed = no.if_contains("executed"))
        BOOST_TEST(*executed == boost::json::value(false));
    if (status == 503)
        BOOST_TEST(!from.header("Retry-After").empty());
    return no;
}

} // namespace app
