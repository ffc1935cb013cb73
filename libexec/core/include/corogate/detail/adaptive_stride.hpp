#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace corogate::detail {

/// Which tasks are timed. Three clock reads a task cost 70 to 80 ns, as much as the task's way
/// itself: at a high pace a sample is timed, and each of it stands for `weight()` tasks.
///
/// Every task up to 20 000 a second; above that about 20 000 of them a second; never fewer
/// than one in 256. The distance to the next one is random, from 1 to 2 x stride - 1 and thus
/// stride on average, so that no task of a periodic sequence (the first of each job) is timed more
/// often than the others. Not thread-safe: one object for each thread that decides.
class adaptive_stride {
public:
    static constexpr double samples_per_second = 20'000;
    static constexpr std::uint32_t greatest = 256;

    explicit adaptive_stride(std::uint32_t seed = 1) noexcept
        : random_(seed * 2 + 1) {}

    /// One in how many is timed at a pace of so many tasks a second. 1 where none is known.
    static std::uint32_t at(double tasks_per_second) noexcept {
        if (!(tasks_per_second > samples_per_second))
            return 1;
        return static_cast<std::uint32_t>(
            std::min<double>(greatest, std::ceil(tasks_per_second / samples_per_second))
        );
    }

    /// Takes effect with the next task.
    void pace(double tasks_per_second) noexcept {
        const auto stride = at(tasks_per_second);
        if (stride == stride_)
            return;
        stride_ = stride;
        left_ = 0;
    }

    /// Whether to time this task; asked once a task.
    bool next() noexcept {
        if (left_ > 0) {
            --left_;
            return false;
        }
        if (stride_ > 1)
            left_ = draw() % (2 * stride_ - 1);
        return true;
    }

    /// How many tasks one that is timed now stands for.
    std::uint32_t weight() const noexcept { return stride_; }

private:
    /// Marsaglia's xorshift, 32 bits.
    std::uint32_t draw() noexcept {
        random_ ^= random_ << 13;
        random_ ^= random_ >> 17;
        random_ ^= random_ << 5;
        return random_;
    }

    std::uint32_t stride_ = 1;
    std::uint32_t left_ = 0;
    std::uint32_t random_;
};

} // namespace corogate::detail
