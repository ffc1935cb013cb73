#include "accept.hpp"

#include "text.hpp"

#include <algorithm>

namespace corogate::http::detail {
namespace {

std::string_view trim(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

/// Cuts the part up to the mark off the text.
std::string_view next_part(std::string_view& text, char mark) noexcept {
    const std::size_t end = std::min(text.find(mark), text.size());
    const std::string_view part = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    return part;
}

/// `q=0`, `q=0.0`, ...
bool is_zero_weight(std::string_view parameter) noexcept {
    const std::size_t equals = parameter.find('=');
    if (equals == std::string_view::npos || !equals_ignoring_case(parameter.substr(0, equals), "q"))
        return false;
    const std::string_view weight = parameter.substr(equals + 1);
    return weight.starts_with('0') && weight.find_first_not_of("0.") == std::string_view::npos;
}

} // namespace

bool accepts(std::string_view field, std::string_view type) noexcept {
    const std::string_view family = type.substr(0, type.find('/') + 1);
    int best = 0; // 1: */*, 2: the family, 3: the type itself
    bool accepted = false;
    bool any = false;
    while (!field.empty()) {
        std::string_view element = next_part(field, ',');
        if (element.empty())
            continue;
        const std::string_view range = next_part(element, ';');
        const std::size_t slash = range.find('/');
        if (slash == std::string_view::npos || !is_token(range.substr(0, slash)) ||
            !is_token(range.substr(slash + 1)))
            return true;
        any = true;
        int fits = 0;
        if (range == "*/*")
            fits = 1;
        else if (range.ends_with("/*") && equals_ignoring_case(range.substr(0, slash + 1), family))
            fits = 2;
        else if (equals_ignoring_case(range, type))
            fits = 3;
        bool refused = false;
        while (!element.empty())
            refused = is_zero_weight(next_part(element, ';')) || refused;
        if (fits > best)
            best = fits, accepted = !refused;
        else if (fits != 0 && fits == best)
            accepted = accepted || !refused;
    }
    return accepted || !any;
}

} // namespace corogate::http::detail
