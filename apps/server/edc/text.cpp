#include "edc/text.hpp"

#include <algorithm>
#include <charconv>
#include <clocale>
#include <cmath>
#include <cstdint>
#include <cwctype>

namespace edc {
namespace {

constexpr std::string_view blanks = " \t\r\n\v\f";

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

bool is_continuation(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

/// One code point from the front of `text` and its length in bytes; length 0 if malformed.
struct decoded {
    char32_t value = 0;
    std::size_t bytes = 0;
};

decoded decode(std::string_view text) noexcept {
    const auto lead = static_cast<unsigned char>(text.front());
    if (lead < 0x80U)
        return {lead, 1};
    std::size_t bytes = 0;
    char32_t value = 0;
    char32_t least = 0;
    if ((lead & 0xE0U) == 0xC0U) {
        bytes = 2;
        value = lead & 0x1FU;
        least = 0x80;
    } else if ((lead & 0xF0U) == 0xE0U) {
        bytes = 3;
        value = lead & 0x0FU;
        least = 0x800;
    } else if ((lead & 0xF8U) == 0xF0U) {
        bytes = 4;
        value = lead & 0x07U;
        least = 0x10000;
    } else {
        return {};
    }
    if (text.size() < bytes)
        return {};
    for (std::size_t i = 1; i < bytes; ++i) {
        if (!is_continuation(text[i]))
            return {};
        value = (value << 6U) | (static_cast<unsigned char>(text[i]) & 0x3FU);
    }
    if (value < least || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return {};
    return {value, bytes};
}

void encode(char32_t value, std::string& out) {
    const auto put = [&out](char32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (value < 0x80) {
        put(value);
    } else if (value < 0x800) {
        put(0xC0U | (value >> 6U));
        put(0x80U | (value & 0x3FU));
    } else if (value < 0x10000) {
        put(0xE0U | (value >> 12U));
        put(0x80U | ((value >> 6U) & 0x3FU));
        put(0x80U | (value & 0x3FU));
    } else {
        put(0xF0U | (value >> 18U));
        put(0x80U | ((value >> 12U) & 0x3FU));
        put(0x80U | ((value >> 6U) & 0x3FU));
        put(0x80U | (value & 0x3FU));
    }
}

/// Letter case must not follow the process's locale, so the C library is asked with its own one.
locale_t utf8_locale() noexcept {
    static const locale_t made = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return made;
}

char32_t lower_of(char32_t c) noexcept {
    if (c < 0x80)
        return c >= U'A' && c <= U'Z' ? c + 32 : c;
    const locale_t where = utf8_locale();
    return where == nullptr ? c : static_cast<char32_t>(towlower_l(static_cast<wint_t>(c), where));
}

/// The pieces of a decimal number's text.
struct decimal {
    bool negative = false;
    std::string_view whole;
    std::string_view fraction;
    std::string_view exponent; // with its sign
};

std::optional<decimal> split_decimal(std::string_view text) noexcept {
    text = trimmed(text);
    decimal parts;
    if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
        parts.negative = text.front() == '-';
        text.remove_prefix(1);
    }
    const auto take_digits = [&text] {
        std::size_t n = 0;
        while (n < text.size() && is_digit(text[n]))
            ++n;
        const auto taken = text.substr(0, n);
        text.remove_prefix(n);
        return taken;
    };
    parts.whole = take_digits();
    if (!text.empty() && text.front() == '.') {
        text.remove_prefix(1);
        parts.fraction = take_digits();
    }
    if (parts.whole.empty() && parts.fraction.empty())
        return std::nullopt;
    if (!text.empty() && (text.front() == 'e' || text.front() == 'E')) {
        text.remove_prefix(1);
        const auto all = text;
        if (!text.empty() && (text.front() == '+' || text.front() == '-'))
            text.remove_prefix(1);
        if (take_digits().empty())
            return std::nullopt;
        parts.exponent = all.substr(0, all.size() - text.size());
    }
    if (!text.empty())
        return std::nullopt;
    return parts;
}

} // namespace

bool is_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        const auto bytes = decode(text).bytes;
        if (bytes == 0)
            return false;
        text.remove_prefix(bytes);
    }
    return true;
}

std::size_t length_of(std::string_view text) noexcept {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return !is_continuation(c);
    }));
}

std::string_view first_characters(std::string_view text, std::size_t count) noexcept {
    std::size_t end = 0;
    while (end < text.size()) {
        if (!is_continuation(text[end])) {
            if (count == 0)
                break;
            --count;
        }
        ++end;
    }
    return text.substr(0, end);
}

std::string_view last_characters(std::string_view text, std::size_t count) noexcept {
    std::size_t begin = text.size();
    while (begin > 0 && count > 0) {
        --begin;
        if (!is_continuation(text[begin]))
            --count;
    }
    return text.substr(begin);
}

std::string lower(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const auto next = decode(text);
        if (next.bytes == 0) { // not UTF-8: keep the byte
            out.push_back(text.front());
            text.remove_prefix(1);
            continue;
        }
        encode(lower_of(next.value), out);
        text.remove_prefix(next.bytes);
    }
    return out;
}

std::string upper_ascii(std::string_view text) {
    std::string out{text};
    for (char& c : out)
        if (c >= 'a' && c <= 'z')
            c = static_cast<char>(c - 32);
    return out;
}

std::string_view trimmed(std::string_view text) noexcept {
    const auto begin = text.find_first_not_of(blanks);
    if (begin == std::string_view::npos)
        return {};
    return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

std::optional<double> parse_number(std::string_view text) noexcept {
    if (!split_decimal(text))
        return std::nullopt;
    text = trimmed(text);
    if (text.front() == '+')
        text.remove_prefix(1);
    double value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (read.ec != std::errc{} || !std::isfinite(value))
        return std::nullopt;
    return value;
}

std::string number_text(double value) {
    if (value == 0)
        return "0"; // also for -0
    const double size = std::abs(value);
    const auto form =
        size >= 1e-7 && size < 1e21 ? std::chars_format::fixed : std::chars_format::scientific;
    char buffer[64];
    const auto written = std::to_chars(buffer, buffer + sizeof buffer, value, form);
    return {buffer, written.ptr};
}

std::string comparable_text(std::string_view text, bool round) {
    if (round) {
        if (const auto value = parse_number(text)) {
            const double whole = *value - std::remainder(*value, 1.0);
            return comparable_text(number_text(whole), false);
        }
    }
    const auto parts = split_decimal(text);
    if (!parts)
        return std::string{trimmed(text)};

    // Digits d1 d2 .. with the point after `point` of them; the exponent is bounded so that no text
    // can ask for a gigabyte of zeros.
    long point = static_cast<long>(parts->whole.size());
    if (!parts->exponent.empty()) {
        const auto sign = parts->exponent.front() == '+' ? 1U : 0U;
        const auto shown = parts->exponent.substr(sign);
        long exponent = 0;
        const auto read = std::from_chars(shown.data(), shown.data() + shown.size(), exponent);
        if (read.ec != std::errc{} || std::abs(exponent) > 1'000'000)
            return std::string{trimmed(text)};
        point += exponent;
    }
    std::string digits{parts->whole};
    digits += parts->fraction;
    const auto leading = std::min(digits.find_first_not_of('0'), digits.size());
    digits.erase(0, leading);
    point -= static_cast<long>(leading);
    digits.erase(digits.find_last_not_of('0') + 1); // npos + 1 == 0
    if (digits.empty())
        return "0";

    std::string out = parts->negative ? "-" : "";
    const auto count = static_cast<long>(digits.size());
    if (point > 40 || point < -40) {
        out += digits;
        out += 'e';
        out += std::to_string(point - count);
    } else if (point <= 0) {
        out += "0.";
        out.append(static_cast<std::size_t>(-point), '0');
        out += digits;
    } else if (point >= count) {
        out += digits;
        out.append(static_cast<std::size_t>(point - count), '0');
    } else {
        out += digits.substr(0, static_cast<std::size_t>(point));
        out += '.';
        out += digits.substr(static_cast<std::size_t>(point));
    }
    return out;
}

} // namespace edc
