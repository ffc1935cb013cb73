#pragma once

#include <corogate/limiter.hpp>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace corogate::sim {

/// The library's limiters, by name; `fixed` among them, and `adaptive-1ms`: half the scheduling
/// delay that it accepts by default.
const std::vector<std::string>& limiter_names();

/// As it comes, for that many workers. Empty for `fixed`: the limit stays as it is. Throws
/// std::invalid_argument for an unknown name.
any_limiter make_limiter(std::string_view name, std::size_t workers);

inline const std::string default_limiter = "adaptive";

} // namespace corogate::sim
