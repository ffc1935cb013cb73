#pragma once

#include <atomic>
#include <corogate/errc.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace corogate::detail {

/// The count of free places (permits and queue places together) and what the pool's state makes of
/// it, in one atomic word, so that the two cannot tear.
///
/// Layout: the upper half is the signed number of free places (negative after a shrink), the lower
/// half are flags. Adding to the upper half never touches a flag. Any thread may reserve and
/// release; flags are set on the control strand only.
class gate {
public:
    enum flag : std::uint64_t { waiters = 1, draining = 2, stopped = 4 };

    explicit gate(std::uint32_t capacity) noexcept
        : word_(shifted(static_cast<std::int64_t>(capacity)))
        , capacity_(capacity) {}

    /// Takes n places, all or none. A newcomer never overtakes a waiting submitter.
    std::optional<errc> reserve(std::size_t n) noexcept {
        std::uint64_t seen = word_.load(std::memory_order_relaxed);
        for (;;) {
            if (seen & (draining | stopped))
                return (seen & stopped) ? errc::stopped : errc::draining;
            if (n > capacity()) // also: such an n must not reach the signed arithmetic
                return errc::job_too_large;
            if (n == 0) // nothing to wait for
                return std::nullopt;
            if ((seen & waiters) || free_of(seen) < static_cast<std::int64_t>(n))
                return errc::queue_full;
            if (word_.compare_exchange_weak(
                    seen, seen - shifted(static_cast<std::int64_t>(n)), std::memory_order_acq_rel,
                    std::memory_order_relaxed
                ))
                return std::nullopt;
        }
    }

    /// For the head of the waiting submitters: the same, without looking at flags.
    bool reserve_for_waiter(std::size_t n) noexcept {
        std::uint64_t seen = word_.load(std::memory_order_relaxed);
        while (free_of(seen) >= static_cast<std::int64_t>(n)) {
            if (word_.compare_exchange_weak(
                    seen, seen - shifted(static_cast<std::int64_t>(n)), std::memory_order_acq_rel,
                    std::memory_order_relaxed
                ))
                return true;
        }
        return false;
    }

    /// Gives n places back. Returns the flags of that moment.
    std::uint64_t release(std::size_t n) noexcept {
        return word_.fetch_add(shifted(static_cast<std::int64_t>(n)), std::memory_order_acq_rel);
    }

    void set(flag which) noexcept { word_.fetch_or(which, std::memory_order_seq_cst); }
    void clear(flag which) noexcept {
        word_.fetch_and(~static_cast<std::uint64_t>(which), std::memory_order_acq_rel);
    }
    bool has(std::uint64_t which) const noexcept {
        return (word_.load(std::memory_order_seq_cst) & which) != 0;
    }

    /// Places taken: tasks reserved, waiting or running.
    std::size_t taken() const noexcept {
        const auto free = free_of(word_.load(std::memory_order_acquire));
        return static_cast<std::size_t>(static_cast<std::int64_t>(capacity()) - free);
    }

    std::size_t capacity() const noexcept { return capacity_; }

private:
    static constexpr std::uint64_t shifted(std::int64_t n) noexcept {
        return static_cast<std::uint64_t>(n) << 32;
    }
    static constexpr std::int64_t free_of(std::uint64_t word) noexcept {
        return static_cast<std::int32_t>(word >> 32);
    }

    std::atomic<std::uint64_t> word_;
    const std::uint32_t capacity_;
};

} // namespace corogate::detail
