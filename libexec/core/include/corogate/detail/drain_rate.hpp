#pragma once

#include <chrono>
#include <cstdint>

namespace corogate::detail {

/// The pace at which tasks end **while others wait**: what the pool can do, not what it is asked
/// for. A time without a queue says nothing and ends the window; what was learnt stays.
///
/// A window is at least 100 ms and 16 tasks; each counts for a part, so that after a change of
/// pace nine tenths of it are known after half a second.
class drain_rate {
public:
    using clock = std::chrono::steady_clock;

    static constexpr clock::duration window = std::chrono::milliseconds(100);
    static constexpr std::uint64_t least = 16;

    /// Whether `observe` would do something; cheap, so that the count need not be taken for naught.
    bool due(clock::time_point now) const noexcept {
        return since_ == clock::time_point{} || now - since_ >= window;
    }

    /// Work waits now, and did ever since `pause`. `ended` only grows.
    void observe(clock::time_point now, std::uint64_t ended) noexcept {
        if (since_ != clock::time_point{}) {
            if (now - since_ < window || ended - ended_then_ < least)
                return;
            const double pace = static_cast<double>(ended - ended_then_) /
                                std::chrono::duration<double>(now - since_).count();
            per_second_ = per_second_ == 0 ? pace : per_second_ + part * (pace - per_second_);
        }
        since_ = now;
        ended_then_ = ended;
    }

    /// Nothing waits: the window under way does not count.
    void pause() noexcept { since_ = {}; }

    /// Tasks a second; 0 while unknown.
    double per_second() const noexcept { return per_second_; }

private:
    static constexpr double part = 0.4;

    clock::time_point since_{};
    std::uint64_t ended_then_ = 0;
    double per_second_ = 0;
};

} // namespace corogate::detail
