#pragma once

#include <string>
#include <vector>

namespace corogate::sim {

/// The library's limiters, by name; `fixed` among them.
const std::vector<std::string>& limiter_names();

inline const std::string default_limiter = "fixed";

} // namespace corogate::sim
