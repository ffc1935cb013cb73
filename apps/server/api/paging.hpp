#pragma once

#include "api/input.hpp"

#include <boost/json/array.hpp>
#include <corogate/http/request.hpp>
#include <corogate/http/response.hpp>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace server {

/// Which page of a list a request asks for: `limit` (1 to 1000, default 100) and `after`.
class page_request {
public:
    page_request() = default;

    std::size_t limit = 100;
    // Where the page begins: before this record, newest first.
    std::int64_t before = std::numeric_limits<std::int64_t>::max();
    std::int64_t before_inner = std::numeric_limits<std::int64_t>::max();
};

/// Reads `limit` and `after`; a query with another key than these and `filters` is a 400, so that a
/// mistyped filter does not answer everything. `list` is the letter of the list's cursors.
input<page_request> read_page_request(
    const corogate::http::request& from, char list, std::initializer_list<std::string_view> filters
);

/// A text of the query that narrows a list, 1 to 200 octets, else 400. Nothing where it is absent.
input<std::optional<std::string>>
read_filter(const corogate::http::request& from, std::string_view name);

/// 400 for a value of the query that is none of those known.
corogate::http::response wrong_query(std::string_view name, std::string_view detail);

/// What clients give back as `after`: opaque to them. `j1f` or `n1f.3`.
std::string write_cursor(char list, std::int64_t last, std::optional<std::int64_t> inner = {});

/// `{"<name>": [...], "next": cursor | null}`.
corogate::http::response
list_answer(std::string_view name, boost::json::array items, std::optional<std::string> next);

} // namespace server
