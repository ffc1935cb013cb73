#include "limiters.hpp"

#include <chrono>
#include <corogate/limiters/adaptive.hpp>
#include <corogate/limiters/aimd.hpp>
#include <corogate/limiters/gradient.hpp>
#include <corogate/limiters/vegas.hpp>
#include <stdexcept>

namespace corogate::sim {

const std::vector<std::string>& limiter_names() {
    static const std::vector<std::string> names{"fixed", "adaptive", "adaptive-1ms",
                                                "aimd",  "gradient", "vegas"};
    return names;
}

any_limiter make_limiter(std::string_view name, std::size_t workers) {
    if (name == "fixed")
        return {};
    if (name == "adaptive")
        return limiters::adaptive(workers);
    if (name == "adaptive-1ms")
        return limiters::adaptive(workers).delay(std::chrono::milliseconds(1));
    if (name == "aimd")
        return limiters::aimd();
    if (name == "gradient")
        return limiters::gradient();
    if (name == "vegas")
        return limiters::vegas();
    throw std::invalid_argument("there is no limiter " + std::string(name));
}

} // namespace corogate::sim
