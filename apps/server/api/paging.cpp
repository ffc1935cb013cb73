#include "api/paging.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <corogate/http/problem.hpp>
#include <fmt/format.h>
#include <utility>

namespace json = boost::json;
namespace http = corogate::http;

namespace server {

namespace {

/// A number as `write_cursor` writes it; other ways to write it are none.
std::optional<std::int64_t> read_number(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
    if (ec != std::errc() || end != text.data() + text.size() || number < 0 ||
        fmt::format("{:x}", number) != text)
        return std::nullopt;
    return number;
}

bool read_cursor(std::string_view text, char list, page_request& into) {
    if (text.empty() || text.front() != list)
        return false;
    text.remove_prefix(1);
    const auto dot = text.find('.');
    const auto last = read_number(text.substr(0, dot));
    if (!last || (dot != std::string_view::npos) != (list == 'n'))
        return false;
    into.before = *last;
    if (dot == std::string_view::npos)
        return true;
    const auto inner = read_number(text.substr(dot + 1));
    into.before_inner = inner.value_or(0);
    return inner.has_value();
}

} // namespace

http::response wrong_query(std::string_view name, std::string_view detail) {
    http::problem no(400, "invalid-query", detail);
    no.field(name).executed(false);
    return no.to_response();
}

input<page_request> read_page_request(
    const http::request& from, char list, std::initializer_list<std::string_view> filters
) {
    page_request to;
    for (const auto& [name, value] : from.query()) {
        if (name == "limit") {
            const auto* end = value.data() + value.size();
            const auto [stopped, ec] = std::from_chars(value.data(), end, to.limit);
            if (ec != std::errc() || stopped != end || to.limit < 1 || to.limit > 1000)
                return wrong_query(name, "limit is an integer from 1 to 1000");
        } else if (name == "after") {
            if (!read_cursor(value, list, to))
                return wrong_query(name, "after is a value of \"next\" that this list has given");
        } else if (std::find(filters.begin(), filters.end(), name) == filters.end()) {
            // The name is the client's: it is not repeated unless it is a word.
            const bool word =
                name.size() <= 40 && std::all_of(name.begin(), name.end(), [](char c) {
                    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
                });
            return wrong_query(word ? name : "query", "this list has no such filter");
        }
    }
    return to;
}

input<std::optional<std::string>> read_filter(const http::request& from, std::string_view name) {
    const auto value = from.query(name);
    if (!value)
        return std::optional<std::string>();
    if (value->empty() || value->size() > 200)
        return wrong_query(name, "the value has 1 to 200 octets");
    return std::optional<std::string>(std::in_place, *value);
}

std::string write_cursor(char list, std::int64_t last, std::optional<std::int64_t> inner) {
    return inner ? fmt::format("{}{:x}.{:x}", list, last, *inner)
                 : fmt::format("{}{:x}", list, last);
}

http::response
list_answer(std::string_view name, json::array items, std::optional<std::string> next) {
    json::object to;
    to[name] = std::move(items);
    to["next"] = next ? json::value(*next) : json::value(nullptr);
    auto answer = http::response::json(200, to);
    answer.set("Cache-Control", "no-store");
    return answer;
}

} // namespace server
