#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

namespace corogate::testing {

/// Time that moves only when told.
///
/// Starts a day after the clock's epoch, the same in every run, so that looking a little back does
/// not reach before it. Timers ring in the order of their moments, those of one moment in the order
/// in which they were set; while one rings, `now()` is its moment (or later, where it was set in
/// the past). Not thread-safe. Outlives its timers.
class manual_clock {
public:
    using clock = std::chrono::steady_clock;
    using duration = clock::duration;
    using time_point = clock::time_point;

    /// Calls back at one moment. Destroying it cancels it, also from within its own callback.
    class timer {
    public:
        timer(manual_clock& of, std::function<void()> ring);
        timer(const timer&) = delete;
        timer& operator=(const timer&) = delete;
        ~timer() { cancel(); }

        /// Rings once, when time reaches `when`; replaces an earlier moment. Never rings inside
        /// `set`: where `when` has passed, it is due at once. `time_point::max()` never comes.
        void set(time_point when);
        /// Whether a moment was taken back.
        bool cancel() noexcept;
        bool waiting() const noexcept { return place_.has_value(); }

    private:
        friend class manual_clock;
        manual_clock& clock_;
        std::shared_ptr<const std::function<void()>> ring_;
        std::optional<std::pair<time_point, std::uint64_t>> place_;
    };

    manual_clock() = default;
    manual_clock(const manual_clock&) = delete;
    manual_clock& operator=(const manual_clock&) = delete;

    time_point now() const noexcept { return now_; }

    /// Moves time on, ringing what comes due on the way, each at its moment; what a callback sets
    /// within the stretch rings too. Throws std::invalid_argument if it would go back.
    void advance(duration by) { advance_to(now_ + by); }
    void advance_to(time_point to);

    /// Rings the first timer whose moment has come, without moving time. False: none has.
    bool ring_due();

    /// Moment of the first timer, which may have passed.
    std::optional<time_point> next_deadline() const noexcept;
    std::size_t timers_waiting() const noexcept { return timers_.size(); }

private:
    time_point now_ = time_point{} + std::chrono::hours(24);
    std::uint64_t order_ = 0;
    std::map<std::pair<time_point, std::uint64_t>, timer*> timers_;
};

// ---------------------------------------------------------------------------------------------

inline manual_clock::timer::timer(manual_clock& of, std::function<void()> ring)
    : clock_(of)
    , ring_(std::make_shared<const std::function<void()>>(std::move(ring))) {}

inline void manual_clock::timer::set(time_point when) {
    cancel();
    if (when == time_point::max())
        return;
    const std::pair place(when, clock_.order_++);
    clock_.timers_.emplace(place, this);
    place_ = place;
}

inline bool manual_clock::timer::cancel() noexcept {
    if (!place_)
        return false;
    clock_.timers_.erase(*place_);
    place_.reset();
    return true;
}

inline std::optional<manual_clock::time_point> manual_clock::next_deadline() const noexcept {
    if (timers_.empty())
        return std::nullopt;
    return timers_.begin()->first.first;
}

inline bool manual_clock::ring_due() {
    if (timers_.empty() || timers_.begin()->first.first > now_)
        return false;
    timer& first = *timers_.begin()->second;
    first.cancel();
    const auto ring = first.ring_; // the callback may destroy its timer
    (*ring)();
    return true;
}

inline void manual_clock::advance_to(time_point to) {
    if (to < now_)
        throw std::invalid_argument("corogate::testing::manual_clock: time does not go back");
    for (;;) {
        while (ring_due()) {
        }
        const auto next = next_deadline();
        if (!next || *next > to)
            break;
        // A callback may itself have moved time, even past `to`.
        now_ = std::max(now_, *next);
    }
    now_ = std::max(now_, to);
}

} // namespace corogate::testing
