#include "api/input.hpp"

#include "edc/json_text.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

namespace json = boost::json;

namespace server {

using corogate::http::problem;

namespace {
constexpr std::size_t most_octets = 200;
}

problem wrong_field(std::string_view field, std::string_view detail) {
    problem no(422, "invalid-field", detail);
    no.field(field).executed(false);
    return no;
}

problem unknown(std::string_view field, std::string_view detail) {
    problem no(404, "not-found", detail);
    no.field(field).executed(false);
    return no;
}

input<std::string> required_query(const corogate::http::request& from, std::string_view name) {
    const auto value = from.query(name);
    if (!value || value->empty() || value->size() > most_octets) {
        problem no(
            400, "invalid-query",
            value ? "the value has 1 to 200 octets" : "a required part of the query is missing"
        );
        no.field(name).executed(false);
        return no.to_response();
    }
    return std::string(*value);
}

namespace {

/// A whole number in front of a unit, in nanoseconds.
std::optional<std::int64_t> read_time(std::string_view text, std::int64_t unit) {
    std::int64_t number = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (ec != std::errc() || end != text.data() + text.size() || number < 0 || text.size() > 8)
        return std::nullopt;
    return number * unit; // eight digits of hours fit
}

/// gRPC over HTTP/2: at most eight digits and one of H, M, S, m, u, n.
std::optional<std::int64_t> read_grpc_timeout(std::string_view text) {
    if (text.empty())
        return std::nullopt;
    constexpr std::int64_t second = 1'000'000'000;
    constexpr std::pair<char, std::int64_t> units[] = {{'H', 3600 * second}, {'M', 60 * second},
                                                       {'S', second},        {'m', second / 1000},
                                                       {'u', 1000},          {'n', 1}};
    for (const auto& [letter, unit] : units)
        if (text.back() == letter)
            return read_time(text.substr(0, text.size() - 1), unit);
    return std::nullopt;
}

} // namespace

std::chrono::nanoseconds
time_given(const corogate::http::request& from, std::chrono::nanoseconds otherwise) {
    using namespace std::chrono_literals;
    std::optional<std::int64_t> said;
    if (const auto text = from.header("grpc-timeout"))
        said = read_grpc_timeout(*text);
    for (const auto* name : {"x-envoy-expected-rq-timeout-ms", "X-Request-Timeout-Ms"})
        if (const auto text = from.header(name); text && !said)
            said = read_time(*text, 1'000'000);
    if (!said)
        return otherwise;
    return std::clamp<std::chrono::nanoseconds>(std::chrono::nanoseconds(*said), 50ms, 30s);
}

input<json::object> json_body(const corogate::http::request& from) {
    constexpr std::size_t most_levels = 32;
    auto body = edc::parse_json(from.body(), "the body", most_levels);
    if (!body || !body->is_object()) {
        problem no(
            400, "invalid-json",
            body ? std::string("the body is no JSON object") : body.error().message()
        );
        no.executed(false);
        return no.to_response();
    }
    return std::move(body->get_object());
}

input<std::string> required_text(const json::object& from, std::string_view name) {
    const json::value* value = from.if_contains(name);
    if (!value)
        return wrong_field(name, "the member is missing").to_response();
    if (!value->is_string() || value->get_string().empty() ||
        value->get_string().size() > most_octets)
        return wrong_field(name, "the member is a text of 1 to 200 octets").to_response();
    return std::string(std::string_view(value->get_string()));
}

} // namespace server
