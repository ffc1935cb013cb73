#pragma once

#include <algorithm>
#include <chrono>
#include <corogate/limiter.hpp>
#include <cstddef>
#include <stdexcept>

namespace corogate::limiters {

/// Additive increase, multiplicative decrease: one permit more after a window in which at least
/// half of the permits were in use at once, a tenth less after one in which a task ran into its
/// deadline, or the mean service time exceeded `timeout` (5 s).
///
/// Source: AIMDLimit of Netflix' concurrency-limits, which does the same after each call; after
/// Chiu and Jain, 1989. Defaults are theirs: 20, between 20 and 200.
///
/// Fails where a queue stands without a timeout: it grows until tasks are as slow as `timeout`, so
/// that the timeout is the service time that is held. After a cut it needs a window for each
/// permit, and one timeout that has nothing to do with load costs as much as overload.
class aimd {
public:
    using duration = std::chrono::nanoseconds;

    aimd() noexcept {}

    /// Throws std::invalid_argument where `least` is 0 or more than `most`.
    aimd& bounds(std::size_t least, std::size_t most) {
        if (least < 1 || least > most)
            throw std::invalid_argument("a limit's bounds are at least 1 and in order");
        least_ = least;
        most_ = most;
        return initial(limit_);
    }
    aimd& initial(std::size_t limit) noexcept {
        limit_ = std::clamp(limit, least_, most_);
        return *this;
    }
    /// What is left of the limit after a cut.
    aimd& back_off(double part) {
        if (!(part >= 0.5 && part < 1))
            throw std::invalid_argument("what a cut leaves is at least a half and less than all");
        back_off_ = part;
        return *this;
    }
    aimd& timeout(duration time) {
        if (time <= duration::zero())
            throw std::invalid_argument("a timeout is more than nothing");
        timeout_ = time;
        return *this;
    }

    std::size_t limit() const noexcept { return limit_; }
    window_rule windows() const noexcept { return {}; }

    void update(const limiter_window& seen, std::chrono::steady_clock::time_point) noexcept {
        if (seen.timed_out > 0 || seen.mean_service_time > timeout_)
            initial(static_cast<std::size_t>(static_cast<double>(limit_) * back_off_));
        else if (seen.max_in_flight * 2 >= limit_)
            initial(limit_ + 1);
    }

private:
    std::size_t least_ = 20;
    std::size_t most_ = 200;
    std::size_t limit_ = 20;
    double back_off_ = 0.9;
    duration timeout_ = std::chrono::seconds(5);
};

} // namespace corogate::limiters
