#include "text.hpp"

#include <algorithm>
#include <corogate/http/trace_context.hpp>
#include <cstdint>
#include <random>

namespace corogate::http {
namespace {

constexpr std::string_view form = "00-00000000000000000000000000000000-0000000000000000-00";
constexpr std::size_t trace_at = 3;
constexpr std::size_t span_at = 36;
constexpr std::size_t flags_at = 53;

bool is_lower_hex(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return detail::is_digit(c) || (c >= 'a' && c <= 'f');
    });
}

bool is_zero(std::string_view text) noexcept {
    return text.find_first_not_of('0') == std::string_view::npos;
}

/// SplitMix64 (Steele, Lea, Flood 2014), seeded by the system once a thread: unique, not secret.
std::uint64_t next_random() {
    thread_local std::uint64_t state = [] {
        std::random_device seed;
        return std::uint64_t{seed()} << 32 | seed();
    }();
    std::uint64_t z = state += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

} // namespace

void trace_context::draw(std::size_t at, std::size_t digits) {
    constexpr std::string_view hex = "0123456789abcdef";
    do
        for (std::size_t i = 0; i < digits; i += 16) {
            std::uint64_t bits = next_random();
            for (std::size_t j = 0; j < 16; ++j, bits >>= 4)
                text_[at + i + j] = hex[bits & 15];
        }
    while (is_zero({text_.data() + at, digits}));
}

trace_context trace_context::fresh() {
    trace_context made;
    std::copy(form.begin(), form.end(), made.text_.begin());
    made.draw(trace_at, 32);
    made.draw(span_at, 16);
    return made;
}

std::optional<trace_context> trace_context::received(std::string_view from) {
    if (from.size() < form.size())
        return std::nullopt;
    const std::string_view version = from.substr(0, 2);
    const std::string_view trace = from.substr(trace_at, 32);
    const std::string_view parent = from.substr(span_at, 16);
    const std::string_view flags = from.substr(flags_at, 2);
    const bool dashes = from[2] == '-' && from[span_at - 1] == '-' && from[flags_at - 1] == '-';
    const bool ends = from.size() == form.size() || (version != "00" && from[form.size()] == '-');
    if (!dashes || !ends || !is_lower_hex(version) || version == "ff" || !is_lower_hex(trace) ||
        is_zero(trace) || !is_lower_hex(parent) || is_zero(parent) || !is_lower_hex(flags))
        return std::nullopt;
    trace_context made;
    std::copy(form.begin(), form.end(), made.text_.begin());
    std::copy(trace.begin(), trace.end(), made.text_.begin() + trace_at);
    std::copy(parent.begin(), parent.end(), made.parent_.begin());
    made.has_parent_ = true;
    // Of the flags the lowest bit alone has a meaning in version 00, which is what goes on.
    made.sampled_ = flags[1] != '0' && (flags[1] <= '9' ? flags[1] - '0' : flags[1] - 'a' + 10) % 2;
    made.text_[flags_at + 1] = made.sampled_ ? '1' : '0';
    made.draw(span_at, 16);
    return made;
}

} // namespace corogate::http
