#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace corogate::http {

/// What somebody may do; each holds what comes before it.
enum class role : std::uint8_t {
    none,   // what is open to everybody: health
    read,   // look
    submit, // bring work, and cancel it
    admin,  // change how the service runs
};

/// `none`, `read`, `submit`, `admin`.
std::string_view to_string(role of) noexcept;
std::optional<role> role_named(std::string_view word) noexcept;

/// Who sends a request.
class identity {
public:
    identity() {} // user-declared on purpose: not an aggregate

    std::string name;        ///< of the token, for logs; empty without one
    std::string tenant;      ///< whose share its work counts for; empty: the token says nothing
    role level = role::none; ///< what it may do
    bool by_token = false;   ///< known by a token, not by where it connects from
};

} // namespace corogate::http
