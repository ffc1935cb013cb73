#include "edc/date.hpp"

#include <algorithm>
#include <chrono>

namespace edc {
namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// Reads a text from the front; every `take_` leaves it alone when it does not fit.
struct reader {
    std::string_view rest;

    bool take(char c) {
        if (rest.empty() || rest.front() != c)
            return false;
        rest.remove_prefix(1);
        return true;
    }

    /// Exactly `count` digits; -1 if they are not there.
    int take_number(std::size_t count) {
        if (rest.size() < count)
            return -1;
        int value = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (!is_digit(rest[i]))
                return -1;
            value = value * 10 + (rest[i] - '0');
        }
        rest.remove_prefix(count);
        return value;
    }

    std::string_view take_digits() {
        std::size_t count = 0;
        while (count < rest.size() && is_digit(rest[count]))
            ++count;
        const auto out = rest.substr(0, count);
        rest.remove_prefix(count);
        return out;
    }
};

struct point {
    std::array<int, 6> parts{-1, -1, -1, -1, -1, -1};
    std::string_view fraction;
    std::optional<int> offset; // minutes east
};

bool in_range(int value, int least, int most) noexcept { return value >= least && value <= most; }

bool is_day(int year, int month, int day) {
    using namespace std::chrono;
    return in_range(year, 1, 9999) && in_range(month, 1, 12) && day >= 1 &&
           year_month_day{
               std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
               std::chrono::day{static_cast<unsigned>(day)}
           }.ok();
}

/// `Z` or `+hh:mm` or nothing at the end of a time; false if there is something else.
bool take_offset(reader& in, point& out) {
    if (in.rest.empty())
        return true;
    if (in.take('Z')) {
        out.offset = 0;
        return in.rest.empty();
    }
    const int sign = in.rest.front() == '-' ? -1 : 1;
    if (!in.take('+') && !in.take('-'))
        return false;
    const int hours = in.take_number(2);
    if (!in_range(hours, 0, 23) || !in.take(':'))
        return false;
    const int minutes = in.take_number(2);
    if (!in_range(minutes, 0, 59))
        return false;
    out.offset = sign * (hours * 60 + minutes);
    return in.rest.empty();
}

/// What follows `T`. With `gaps` a component may be one hyphen.
bool take_time(reader& in, point& out, bool gaps) {
    constexpr int most[] = {23, 59, 59};
    for (std::size_t i = 0; i < 3; ++i) {
        if (i > 0 && !in.take(':'))
            break;
        if (gaps && in.take('-'))
            continue;
        const int value = in.take_number(2);
        if (!in_range(value, 0, most[i]))
            return false;
        out.parts[3 + i] = value;
        if (i == 2 && in.take('.')) {
            out.fraction = in.take_digits();
            if (out.fraction.empty())
                return false;
        }
    }
    return take_offset(in, out);
}

/// A text without gaps: extended form, real calendar day.
std::optional<point> strict_point(std::string_view text) {
    point out;
    reader in{text};
    out.parts[0] = in.take_number(4);
    if (!in_range(out.parts[0], 1, 9999))
        return std::nullopt;
    if (in.rest.empty())
        return out;
    if (!in.take('-'))
        return std::nullopt;
    out.parts[1] = in.take_number(2);
    if (!in_range(out.parts[1], 1, 12))
        return std::nullopt;
    if (in.rest.empty())
        return out;
    if (!in.take('-'))
        return std::nullopt;
    out.parts[2] = in.take_number(2);
    if (!is_day(out.parts[0], out.parts[1], out.parts[2]))
        return std::nullopt;
    if (in.rest.empty())
        return out;
    if (!in.take('T') || !take_time(in, out, false))
        return std::nullopt;
    return out;
}

/// Month or day (`at` 1, 2) and what follows, with gaps: the separator may be one or two hyphens
/// and an unknown component is one too, so both readings are tried, the longer separator first.
bool gapped_rest(reader in, std::size_t at, point& out) {
    if (in.rest.empty())
        return true;
    if (at == 3)
        return in.take('T') && take_time(in, out, true);
    const int most = at == 1 ? 12 : 31;
    for (const std::size_t hyphens : {2U, 1U}) {
        reader next = in;
        std::size_t taken = 0;
        while (taken < hyphens && next.take('-'))
            ++taken;
        if (taken != hyphens)
            continue;
        point trial = out;
        const int value = next.take_number(2);
        if (value >= 0 ? !in_range(value, 1, most) : !next.take('-'))
            continue;
        trial.parts[at] = value;
        if (gapped_rest(next, at + 1, trial)) {
            out = trial;
            return true;
        }
    }
    return false;
}

std::optional<point> gapped_point(std::string_view text) {
    point out;
    // A time without a date: 4 to 8 hyphens in its place.
    const auto hyphens = std::min(text.find_first_not_of('-'), text.size());
    if (hyphens >= 4 && hyphens <= 8 && hyphens < text.size() && text[hyphens] == 'T') {
        reader in{text.substr(hyphens + 1)};
        if (!take_time(in, out, true))
            return std::nullopt;
        return out;
    }
    reader in{text};
    const int year = in.take_number(4);
    if (year == 0 || (year < 0 && !in.take('-')))
        return std::nullopt;
    out.parts[0] = year;
    if (!gapped_rest(in, 1, out))
        return std::nullopt;
    return out;
}

/// Moves a point to UTC; only one whose hour is known has an hour to move.
void to_utc(point& at) {
    using namespace std::chrono;
    if (!at.offset || *at.offset == 0)
        return;
    for (std::size_t i = 0; i < 4; ++i)
        if (at.parts[i] < 0)
            return;
    const auto date = year_month_day{
        year{at.parts[0]}, month{static_cast<unsigned>(at.parts[1])},
        day{static_cast<unsigned>(at.parts[2])}
    };
    const auto moved = sys_days{date} + hours{at.parts[3]} + minutes{std::max(at.parts[4], 0)} -
                       minutes{*at.offset};
    const auto days_only = floor<days>(moved);
    const year_month_day shifted{days_only};
    at.parts[0] = static_cast<int>(shifted.year());
    at.parts[1] = static_cast<int>(static_cast<unsigned>(shifted.month()));
    at.parts[2] = static_cast<int>(static_cast<unsigned>(shifted.day()));
    const auto left = duration_cast<minutes>(moved - days_only).count();
    at.parts[3] = static_cast<int>(left / 60);
    if (at.parts[4] >= 0)
        at.parts[4] = static_cast<int>(left % 60);
}

} // namespace

std::optional<partial_date> partial_date::parse(std::string_view text) {
    const bool gaps = text.find("--") != std::string_view::npos ||
                      text.find("-:") != std::string_view::npos ||
                      text.find('/') != std::string_view::npos;
    std::optional<point> first;
    if (!gaps) {
        first = strict_point(text);
    } else {
        const auto slash = text.find('/');
        first = gapped_point(text.substr(0, slash));
        if (slash != std::string_view::npos && !gapped_point(text.substr(slash + 1)))
            return std::nullopt;
    }
    if (!first)
        return std::nullopt;
    to_utc(*first);
    partial_date out;
    out.parts_ = first->parts;
    out.has_fraction_ = !first->fraction.empty();
    out.fraction_ = first->fraction.substr(0, first->fraction.find_last_not_of('0') + 1);
    while (out.precision_ < 6 && out.parts_[out.precision_] >= 0)
        ++out.precision_;
    if (out.precision_ == 6 && out.has_fraction_)
        out.precision_ = 7;
    return out;
}

bool partial_date::knows(date_component which) const noexcept {
    if (which == date_component::fraction)
        return has_fraction_;
    return parts_[static_cast<std::size_t>(which)] >= 0;
}

int partial_date::compare_component(
    const partial_date& a, const partial_date& b, date_component which
) noexcept {
    if (which == date_component::fraction)
        return a.fraction_.compare(b.fraction_);
    const auto at = static_cast<std::size_t>(which);
    return a.parts_[at] - b.parts_[at];
}

int partial_date::compare(
    const partial_date& a, const partial_date& b, std::size_t components
) noexcept {
    for (std::size_t i = 0; i < components; ++i) {
        const int order = compare_component(a, b, static_cast<date_component>(i));
        if (order != 0)
            return order;
    }
    return 0;
}

bool is_complete_date(std::string_view text) {
    reader in{text};
    const int year = in.take_number(4);
    const bool extended = in.take('-');
    const int month = in.take_number(2);
    if (extended && !in.take('-'))
        return false;
    const int day = in.take_number(2);
    if (!is_day(year, month, day))
        return false;
    if (in.rest.empty())
        return true;
    if (!in.take('T') && !in.take(' '))
        return false;
    point ignored;
    return take_time(in, ignored, false);
}

} // namespace edc
