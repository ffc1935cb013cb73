#pragma once

#include "edc/error.hpp"

#include <boost/json/value.hpp>

#include <cstddef>
#include <string_view>

namespace edc {

/// Reads a JSON text of at most `max_depth` levels. Stricter than the standard where laxity would
/// drop input silently: a key that occurs twice in one object is an error, as is a number that no
/// double can hold. `name` stands for the file in messages, which name the line.
result<boost::json::value>
parse_json(std::string_view text, std::string_view name, std::size_t max_depth = 64);

} // namespace edc
