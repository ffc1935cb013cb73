#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace edc {

/// One component of a point in time, in the order in which precision counts them.
enum class date_component { year, month, day, hour, minute, second, fraction };

/// An ISO 8601 text as study data write it: possibly truncated, unknown components as one hyphen
/// (`2003---15`), intervals (`a/b`, of which the first point counts), offsets (converted to UTC).
///
/// `parse` answers nothing for a text that is not valid. Without gaps or interval the calendar is
/// checked; with them every component need only be within its own range.
class partial_date {
public:
    static std::optional<partial_date> parse(std::string_view text);

    /// How many components are known before the first unknown or missing one: 0 to 7.
    std::size_t precision() const noexcept { return precision_; }

    bool knows(date_component which) const noexcept;

    /// Below, equal to or above zero as the first `components` of `a` are before, the same as or
    /// after those of `b`; both must be that precise.
    static int
    compare(const partial_date& a, const partial_date& b, std::size_t components) noexcept;

    /// The same for one component, known on both sides.
    static int
    compare_component(const partial_date& a, const partial_date& b, date_component which) noexcept;

private:
    std::array<int, 6> parts_{}; // year .. second; -1 is unknown or missing
    std::string fraction_;       // digits without trailing zeros
    bool has_fraction_ = false;
    std::size_t precision_ = 0;
};

/// The lexical test behind `is_complete_date`: `YYYY-MM-DD` or `YYYYMMDD`, a day of the calendar,
/// optionally with `T` or a blank and a time. Accepts forms `partial_date` does not, and no others
/// of its incomplete ones.
bool is_complete_date(std::string_view text);

} // namespace edc
