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
/// release; flags are cleared on the control strand only.
class gate {
public:
    enum flag : std::uint64_t { waiters = 1, draining = 2, stopped = 4, paused = 8 };

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

    /// Takes n places whether free or not, for what belongs to a task that runs; fails only where
    /// the pool is stopped.
    bool force(std::size_t n) noexcept {
        const auto seen =
            word_.fetch_sub(shifted(static_cast<std::int64_t>(n)), std::memory_order_acq_rel);
        if (!(seen & stopped))
            return true;
        release(n);
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

    /// Places taken: tasks reserved, waiting or running. Exact on the control strand.
    std::size_t taken() const noexcept {
        const auto free = free_of(word_.load(std::memory_order_acquire));
        const auto taken = static_cast<std::int64_t>(capacity()) - free;
        return taken > 0 ? static_cast<std::size_t>(taken) : 0; // torn by a resize under way
    }

    /// Free places; negative after a shrink, or where places were forced.
    std::int64_t free() const noexcept { return free_of(word_.load(std::memory_order_acquire)); }

    std::size_t capacity() const noexcept { return capacity_.load(std::memory_order_relaxed); }

    /// Changes the number of places. After a shrink there may be fewer than are taken.
    void resize(std::uint32_t capacity) noexcept {
        const auto before = capacity_.exchange(capacity, std::memory_order_relaxed);
        word_.fetch_add(
            shifted(static_cast<std::int64_t>(capacity) - static_cast<std::int64_t>(before)),
            std::memory_order_acq_rel
        );
    }

private:
    static constexpr std::uint64_t shifted(std::int64_t n) noexcept {
        return static_cast<std::uint64_t>(n) << 32;
    }
    static constexpr std::int64_t free_of(std::uint64_t word) noexcept {
        return static_cast<std::int32_t>(word >> 32);
    }

    std::atomic<std::uint64_t> word_;
    std::atomic<std::uint32_t> capacity_;
};

} // namespace corogate::detail
