#pragma once

#include <array>
#include <string>
#include <string_view>

namespace corogate::http::detail {

constexpr char to_lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

constexpr bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size())
        return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (to_lower(a[i]) != to_lower(b[i]))
            return false;
    return true;
}

inline std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        c = to_lower(c);
    return out;
}

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

constexpr bool is_alpha(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

inline constexpr std::array<bool, 256> token_chars = [] {
    std::array<bool, 256> table{};
    for (std::size_t c = 0; c < 128; ++c)
        table[c] = is_alpha(static_cast<char>(c)) || is_digit(static_cast<char>(c));
    for (char c : std::string_view("!#$%&'*+-.^_`|~"))
        table[static_cast<unsigned char>(c)] = true;
    return table;
}();

/// An octet of a token (RFC 9110): methods and field names.
constexpr bool is_token_char(char c) noexcept { return token_chars[static_cast<unsigned char>(c)]; }

constexpr bool is_token(std::string_view text) noexcept {
    for (char c : text)
        if (!is_token_char(c))
            return false;
    return !text.empty();
}

/// An octet of a field value: visible, space, tab, or above ASCII.
constexpr bool is_value_char(char c) noexcept {
    const auto octet = static_cast<unsigned char>(c);
    return (octet >= 0x20 && octet != 0x7f) || octet == '\t';
}

/// Valid UTF-8 (no overlong forms, no surrogates) without control characters.
bool is_plain_text(std::string_view text) noexcept;

/// Appends a JSON string with its quotes. Text that is not UTF-8 loses its octets above ASCII.
void append_json_string(std::string& out, std::string_view text);

} // namespace corogate::http::detail
