#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <corogate/detail/xorshift.hpp>
#include <corogate/limiter.hpp>
#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace corogate::limiters {

/// Estimates the queue from the service time now and the best so far, L * (1 - best / now) rounded
/// up, and keeps it between 3 and 6 times log10 L (of which the whole part counts, at least 1):
/// below 1 x the limit rises by 6 x log10 L, below 3 x by log10 L, above 6 x it falls by log10 L,
/// as after a task that ran into its deadline. It stays while less than half of the permits are in
/// use.
///
/// The best time is forgotten, and set to the present one, after 15 L to 30 L windows (at random,
/// by `seed`). The time of a window is its mean; windows last 100 ms, with ten tasks at least.
///
/// Source: VegasLimit of Netflix' concurrency-limits, after TCP Vegas (Brakmo and Peterson, 1995),
/// with their defaults: 20, at most 1000.
///
/// Fails where service times vary by themselves: the best of many means is their luck, everything
/// else is taken for a queue, and the limit sticks far below what is right. Set anew under load,
/// the best includes the queue of that moment; there is no slow start (issue 35 of the same).
class vegas {
public:
    explicit vegas(std::uint32_t seed = 1) noexcept
        : random_(seed * 2 + 1) {
        draw();
    }

    /// Throws std::invalid_argument for 0. The least is 1.
    vegas& most(std::size_t limit) {
        if (limit < 1)
            throw std::invalid_argument("a limit is at least 1");
        most_ = limit;
        set(limit_);
        return *this;
    }
    vegas& initial(std::size_t limit) noexcept {
        set(static_cast<double>(limit));
        return *this;
    }
    /// The best time is set anew after half of this to this, times the limit, windows.
    vegas& renew(std::size_t times) {
        if (times < 1)
            throw std::invalid_argument("the best time is kept for one window at least");
        renew_ = static_cast<double>(times);
        return *this;
    }
    /// The part of the way it goes in a window.
    vegas& smoothing(double part) {
        if (!(part > 0 && part <= 1))
            throw std::invalid_argument("a part is more than 0 and at most 1");
        smoothing_ = part;
        return *this;
    }

    std::size_t limit() const noexcept { return static_cast<std::size_t>(limit_); }
    window_rule windows() const noexcept {
        return {std::chrono::milliseconds(100), std::chrono::seconds(1), 10, 10};
    }

    void update(const limiter_window& seen, std::chrono::steady_clock::time_point) noexcept {
        const auto now = static_cast<double>(seen.mean_service_time.count());
        if (now <= 0)
            return;
        ++windows_;
        if (windows_ >= part_ * renew_ * limit_) {
            draw();
            windows_ = 0;
            best_ = now;
            return;
        }
        if (best_ == 0 || now < best_) {
            best_ = now;
            return;
        }
        const double unit = whole_log10(limit());
        const double queue = std::ceil(limit_ * (1 - best_ / now));
        double to = limit_;
        if (seen.timed_out > 0)
            to -= unit;
        else if (static_cast<double>(seen.max_in_flight) * 2 < limit_)
            return;
        else if (queue <= unit)
            to += 6 * unit;
        else if (queue < 3 * unit)
            to += unit;
        else if (queue > 6 * unit)
            to -= unit;
        else
            return;
        to = std::clamp(to, 1.0, static_cast<double>(most_));
        set((1 - smoothing_) * limit_ + smoothing_ * to);
    }

private:
    static double whole_log10(std::size_t n) noexcept {
        int digits = 0;
        for (; n >= 10; n /= 10)
            ++digits;
        return std::max(1, digits);
    }

    void set(double limit) noexcept { limit_ = std::clamp(limit, 1.0, static_cast<double>(most_)); }

    void draw() noexcept { part_ = 0.5 + 0.5 * (random_() / 4294967296.0); }

    std::size_t most_ = 1000;
    double limit_ = 20;
    double smoothing_ = 1;
    double renew_ = 30;
    double best_ = 0;    // ns
    double windows_ = 0; // since it was set anew
    double part_ = 1;    // of renew_, until it is
    detail::xorshift random_;
};

} // namespace corogate::limiters
