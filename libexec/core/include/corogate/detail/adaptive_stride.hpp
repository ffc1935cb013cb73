#pragma once

#include <chrono>
#include <corogate/detail/xorshift.hpp>
#include <cstdint>

namespace corogate::detail {

/// Which tasks are timed. Three clock reads a task cost 70 to 80 ns, as much as the task's way
/// itself: at a high pace a sample is timed, and each of it stands for `weight` tasks.
///
/// Timed are between 10 000 and 40 000 tasks a second, or every task where there are fewer, but
/// never fewer than one in 256: the stride doubles while samples come faster, and halves while they
/// come slower, so that it follows a change of pace within a few samples. The distance to the next
/// one is random, from 1 to 2 x stride - 1 and thus stride on average, so that no task of a
/// periodic sequence (the first of each job) is timed more often than the others. Not thread-safe:
/// one object for each thread that decides.
class adaptive_stride {
public:
    using time_point = std::chrono::steady_clock::time_point;

    static constexpr std::uint32_t greatest = 256;
    static constexpr std::chrono::nanoseconds closest = std::chrono::microseconds(25);
    static constexpr std::chrono::nanoseconds farthest = std::chrono::microseconds(100);

    explicit adaptive_stride(std::uint32_t seed = 1) noexcept
        : random_(seed * 2 + 1) {}

    /// Whether to time this task; asked once a task.
    bool next() noexcept {
        if (left_ == 0)
            return true;
        --left_;
        return false;
    }

    /// The task `next` said yes to comes at this time. Returns for how many it stands.
    std::uint32_t take(time_point now) noexcept {
        const auto weight = stride_;
        const auto since = now - last_;
        last_ = now;
        if (since < closest && stride_ < greatest)
            stride_ *= 2;
        else if (since > farthest && stride_ > 1)
            stride_ /= 2;
        left_ = stride_ > 1 ? random_() % (2 * stride_ - 1) : 0;
        return weight;
    }

private:
    time_point last_{};
    std::uint32_t stride_ = 1;
    std::uint32_t left_ = 0;
    xorshift random_;
};

} // namespace corogate::detail
