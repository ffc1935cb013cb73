#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string_view>

namespace corogate {

/// How urgent a job is. Where several classes wait, each gets a share of the permits by its weight
/// (`default_class_weights`); the share of a class with nothing to do is lent to the others, so
/// that a class alone has the whole pool. No class is ever starved, and none is absolute.
enum class priority_class : std::uint8_t {
    critical,    ///< health of the service itself: few, short
    interactive, ///< somebody looks at a screen and waits
    normal,      ///< the default
    background,  ///< nobody waits; at most half of the queue (not under policy `wait`)
};

inline constexpr std::size_t priority_class_count = 4;

inline constexpr std::array<priority_class, priority_class_count> all_priority_classes{
    priority_class::critical, priority_class::interactive, priority_class::normal,
    priority_class::background
};

/// Each class weighs twice the one below it: with all four waiting, background still gets one task
/// in fifteen, and nobody waits behind more than one task a class at a time.
inline constexpr std::array<std::uint32_t, priority_class_count> default_class_weights{8, 4, 2, 1};

/// The value as it appears in documents, metrics and options: `interactive`.
constexpr std::string_view class_name(priority_class value) noexcept {
    switch (value) {
    case priority_class::critical:
        return "critical";
    case priority_class::interactive:
        return "interactive";
    case priority_class::normal:
        return "normal";
    case priority_class::background:
        return "background";
    }
    return "unknown";
}

/// The class of that name; nothing for any other text. Case matters.
constexpr std::optional<priority_class> parse_priority_class(std::string_view name) noexcept {
    for (const auto value : all_priority_classes)
        if (class_name(value) == name)
            return value;
    return std::nullopt;
}

inline std::ostream& operator<<(std::ostream& out, priority_class value) {
    return out << class_name(value);
}

} // namespace corogate
