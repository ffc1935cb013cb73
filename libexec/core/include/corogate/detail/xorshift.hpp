#pragma once

#include <cstdint>

namespace corogate::detail {

/// Marsaglia's xorshift, 32 bits ("Xorshift RNGs", 2003): random enough to spread things apart, and
/// next to free. Never 0.
class xorshift {
public:
    /// Any seed but 0.
    explicit constexpr xorshift(std::uint32_t seed) noexcept
        : state_(seed) {}

    constexpr std::uint32_t operator()() noexcept {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 17;
        state_ ^= state_ << 5;
        return state_;
    }

private:
    std::uint32_t state_;
};

} // namespace corogate::detail
