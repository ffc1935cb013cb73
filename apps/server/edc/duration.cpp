#include "edc/duration.hpp"

#include <cstddef>

namespace edc {

bool is_duration(std::string_view text, bool negative) noexcept {
    if (negative && text.starts_with('-'))
        text.remove_prefix(1);
    if (!text.starts_with('P'))
        return false;
    text.remove_prefix(1);

    std::string_view units = "YMD"; // what may still come, in order
    bool any = false;
    bool in_time = false;
    while (!text.empty()) {
        if (text.front() == 'T') {
            if (in_time || text.size() == 1)
                return false;
            in_time = true;
            units = "HMS";
            text.remove_prefix(1);
            continue;
        }
        const auto digits = [&text] {
            std::size_t count = 0;
            while (count < text.size() && text[count] >= '0' && text[count] <= '9')
                ++count;
            text.remove_prefix(count);
            return count > 0;
        };
        if (!digits())
            return false;
        bool fraction = false;
        if (!text.empty() && (text.front() == '.' || text.front() == ',')) {
            text.remove_prefix(1);
            fraction = true;
            if (!digits())
                return false;
        }
        if (text.empty())
            return false;
        const char unit = text.front();
        text.remove_prefix(1);
        if (unit == 'W')
            return !any && !in_time && text.empty();
        const auto at = units.find(unit);
        if (at == std::string_view::npos)
            return false;
        units.remove_prefix(at + 1);
        any = true;
        if (fraction && !text.empty())
            return false;
    }
    return any;
}

} // namespace edc
