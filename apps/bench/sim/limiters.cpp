#include "limiters.hpp"

#include <corogate/limiters/adaptive.hpp>
#include <stdexcept>

namespace corogate::sim {

const std::vector<std::string>& limiter_names() {
    static const std::vector<std::string> names{"fixed", "adaptive"};
    return names;
}

any_limiter make_limiter(std::string_view name, std::size_t workers) {
    if (name == "fixed")
        return {};
    if (name == "adaptive")
        return limiters::adaptive(workers);
    throw std::invalid_argument("there is no limiter " + std::string(name));
}

} // namespace corogate::sim
