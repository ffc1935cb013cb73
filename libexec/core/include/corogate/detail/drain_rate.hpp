#pragma once

#include <chrono>
#include <cstdint>

namespace corogate::detail {

/// The pace at which tasks end, over windows of about a second, smoothed by half.
class drain_rate {
public:
    using clock = std::chrono::steady_clock;

    /// Whether a window is over and `observe` wants the count.
    bool due(clock::time_point now) const noexcept {
        return now - since_ >= std::chrono::seconds(1);
    }

    /// `ended` only grows.
    void observe(clock::time_point now, std::uint64_t ended) noexcept {
        if (since_ != clock::time_point{}) {
            const double pace = static_cast<double>(ended - ended_then_) /
                                std::chrono::duration<double>(now - since_).count();
            per_second_ = per_second_ == 0 ? pace : (per_second_ + pace) / 2;
        }
        since_ = now;
        ended_then_ = ended;
    }

    /// Nothing to do from now on: the window under way does not count.
    void pause() noexcept { since_ = {}; }

    /// Tasks a second; 0 while unknown.
    double per_second() const noexcept { return per_second_; }

private:
    clock::time_point since_{};
    std::uint64_t ended_then_ = 0;
    double per_second_ = 0;
};

} // namespace corogate::detail
