#pragma once

#include <string_view>

namespace corogate::http::detail {

/// Whether an `Accept` field lets a media type through (RFC 9110, 12.5.1): the most specific range
/// that fits decides, by whether its weight is 0. A field that cannot be read, or is empty, lets
/// everything through: a wrong wish is no reason to refuse. Parameters other than `q` are ignored.
bool accepts(std::string_view field, std::string_view type) noexcept;

} // namespace corogate::http::detail
