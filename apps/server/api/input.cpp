#include "api/input.hpp"

#include "edc/json_text.hpp"

#include <boost/json.hpp>

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
