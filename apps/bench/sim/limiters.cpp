#include "limiters.hpp"

namespace corogate::sim {

const std::vector<std::string>& limiter_names() {
    static const std::vector<std::string> names{"fixed"};
    return names;
}

} // namespace corogate::sim
