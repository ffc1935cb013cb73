#include "edc/json_text.hpp"

#include "edc/text.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

namespace edc {
namespace {

namespace json = boost::json;

enum class trouble { none, repeated_key, number_range };

/// Builds a value like Boost.JSON's own parser, and keeps the keys of the open objects.
struct handler {
    static constexpr std::size_t max_object_size = 1'000'000;
    static constexpr std::size_t max_array_size = 10'000'000;
    static constexpr std::size_t max_key_size = 10'000;
    static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max() / 2;

    json::value_stack stack;
    std::vector<std::set<std::string, std::less<>>> open;
    std::string key;
    trouble what = trouble::none;

    bool fail(trouble reason, json::error_code& ec) {
        what = reason;
        ec = json::error::syntax;
        return false;
    }

    bool on_document_begin(json::error_code&) { return true; }
    bool on_document_end(json::error_code&) { return true; }
    bool on_object_begin(json::error_code&) {
        open.emplace_back();
        return true;
    }
    bool on_object_end(std::size_t n, json::error_code&) {
        open.pop_back();
        stack.push_object(n);
        return true;
    }
    bool on_array_begin(json::error_code&) { return true; }
    bool on_array_end(std::size_t n, json::error_code&) {
        stack.push_array(n);
        return true;
    }
    bool on_key_part(json::string_view s, std::size_t, json::error_code&) {
        key.append(s.data(), s.size());
        stack.push_chars(s);
        return true;
    }
    bool on_key(json::string_view s, std::size_t, json::error_code& ec) {
        key.append(s.data(), s.size());
        const bool is_new = open.back().insert(key).second;
        key.clear();
        if (!is_new)
            return fail(trouble::repeated_key, ec);
        stack.push_key(s);
        return true;
    }
    bool on_string_part(json::string_view s, std::size_t, json::error_code&) {
        stack.push_chars(s);
        return true;
    }
    bool on_string(json::string_view s, std::size_t, json::error_code&) {
        stack.push_string(s);
        return true;
    }
    bool on_number_part(json::string_view, json::error_code&) { return true; }
    bool on_int64(std::int64_t i, json::string_view, json::error_code&) {
        stack.push_int64(i);
        return true;
    }
    bool on_uint64(std::uint64_t u, json::string_view, json::error_code&) {
        stack.push_uint64(u);
        return true;
    }
    bool on_double(double d, json::string_view, json::error_code& ec) {
        if (!std::isfinite(d))
            return fail(trouble::number_range, ec);
        stack.push_double(d);
        return true;
    }
    bool on_bool(bool b, json::error_code&) {
        stack.push_bool(b);
        return true;
    }
    bool on_null(json::error_code&) {
        stack.push_null();
        return true;
    }
    bool on_comment_part(json::string_view, json::error_code&) { return true; }
    bool on_comment(json::string_view, json::error_code&) { return true; }
};

} // namespace

result<json::value>
parse_json(std::string_view text, std::string_view name, std::size_t max_depth) {
    if (text.substr(0, 3) == "\xEF\xBB\xBF")
        text.remove_prefix(3);
    json::parse_options options;
    options.max_depth = max_depth;
    json::basic_parser<handler> parser{options};
    parser.handler().stack.reset();
    json::error_code ec;
    const auto used = parser.write_some(false, text.data(), text.size(), ec);
    std::size_t stopped = used;
    if (!ec) {
        // What follows the value may only be blank.
        const auto rest = text.find_first_not_of(" \t\r\n", used);
        if (rest == std::string_view::npos)
            return parser.handler().stack.release();
        ec = json::error::extra_data;
        stopped = rest;
    }
    const auto before = text.substr(0, std::min(stopped, text.size()));
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    std::string_view why = "this is not JSON";
    if (parser.handler().what == trouble::repeated_key)
        why = "a key occurs twice in one object";
    else if (parser.handler().what == trouble::number_range)
        why = "a number is too large";
    else if (ec == json::error::too_deep)
        why = "the JSON is nested too deeply";
    else if (ec == json::error::incomplete || trimmed(text).empty())
        why = "the JSON ends too early";
    else if (ec == json::error::extra_data)
        why = "there is text after the JSON value";
    return error{fmt::format("{}, line {}: {}", name, line, why)};
}

} // namespace edc
