#include <corogate/http/identity.hpp>

namespace corogate::http {

std::string_view to_string(role of) noexcept {
    switch (of) {
    case role::none:
        return "none";
    case role::read:
        return "read";
    case role::submit:
        return "submit";
    case role::admin:
        return "admin";
    }
    return "none";
}

std::optional<role> role_named(std::string_view word) noexcept {
    for (const role one : {role::none, role::read, role::submit, role::admin})
        if (word == to_string(one))
            return one;
    return std::nullopt;
}

} // namespace corogate::http
