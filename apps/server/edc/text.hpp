#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

/// Texts and numbers as the checks see them: UTF-8, lengths in code points, decimal numbers,
/// independent of the process's locale. All functions are pure and safe from any thread.
namespace edc {

/// True if `text` is well-formed UTF-8 (no surrogates, no overlong forms).
bool is_utf8(std::string_view text) noexcept;

/// Length in code points; `text` must be UTF-8.
std::size_t length_of(std::string_view text) noexcept;

/// The first / last `count` code points.
std::string_view first_characters(std::string_view text, std::size_t count) noexcept;
std::string_view last_characters(std::string_view text, std::size_t count) noexcept;

/// Lower case, one code point at a time (also beyond ASCII).
std::string lower(std::string_view text);

/// Upper case of ASCII letters only: for names of tables and standards.
std::string upper_ascii(std::string_view text);

/// Without blanks at either end.
std::string_view trimmed(std::string_view text) noexcept;

/// The number a text spells in decimal, blanks around it allowed: `12`, `-1.50`, `.5`, `1e3`.
/// Nothing for hexadecimal, `nan`, `inf`, digit grouping, or what does not fit a double.
std::optional<double> parse_number(std::string_view text) noexcept;

/// A number as text: whole numbers without a decimal point, others in the shortest form that reads
/// back as the same number.
std::string number_text(double value);

/// The form in which `type_insensitive` compares: a text that spells a number is written without
/// sign of plus, leading and trailing zeros (`"200.00"` -> `200`, `1.50` -> `1.5`), whatever its
/// length; other text is trimmed. `round` first rounds numbers to whole ones, ties to even.
std::string comparable_text(std::string_view text, bool round);

} // namespace edc
