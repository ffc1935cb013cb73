#pragma once

#include <cstdint>

namespace corogate::detail {

/// Limit, permits in use and flags of a semaphore, packed into one atomic word so that they cannot
/// tear: 30 bits in use, 30 bits limit, flags above.
struct permit_word {
    static constexpr int bits = 30;
    static constexpr std::uint32_t max_permits = (std::uint32_t(1) << bits) - 1;

    /// Somebody waits, or waits for permits to come back: every release goes through the strand,
    /// and nobody acquires past it.
    static constexpr std::uint64_t slow = std::uint64_t(1) << 60;
    /// Nothing new is admitted.
    static constexpr std::uint64_t draining = std::uint64_t(1) << 61;
    /// No permit is given out any more: the number in use only falls.
    static constexpr std::uint64_t closed = std::uint64_t(1) << 62;
    static constexpr std::uint64_t refusing = slow | draining | closed;

    static constexpr std::uint64_t make(std::uint32_t limit) noexcept {
        return std::uint64_t(limit) << bits;
    }
    static constexpr std::uint32_t in_use(std::uint64_t word) noexcept {
        return static_cast<std::uint32_t>(word) & max_permits;
    }
    static constexpr std::uint32_t limit(std::uint64_t word) noexcept {
        return static_cast<std::uint32_t>(word >> bits) & max_permits;
    }
    static constexpr std::uint64_t with_limit(std::uint64_t word, std::uint32_t limit) noexcept {
        return (word & ~(std::uint64_t(max_permits) << bits)) | make(limit);
    }
    /// What was in the word when n came back: whether they were the last ones there will ever be.
    static constexpr bool last(std::uint64_t before, std::uint32_t n) noexcept {
        return (before & closed) && in_use(before) == n;
    }

    /// More may be in use than the limit says, after it was lowered.
    static constexpr bool fits(std::uint64_t word, std::uint32_t n) noexcept {
        return std::uint64_t(in_use(word)) + n <= limit(word);
    }
};

} // namespace corogate::detail
