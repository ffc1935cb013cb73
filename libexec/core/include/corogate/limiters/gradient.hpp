#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <corogate/limiter.hpp>
#include <cstddef>
#include <stdexcept>

namespace corogate::limiters {

/// The service time now against its long average: while it is less than `tolerance` (1.5) times as
/// long, the limit moves a fifth of the way towards `queue` (4) permits more; beyond, towards the
/// part that the ratio says, at least half. It stays while less than half of the permits are in
/// use.
///
/// The long average is exponential over 600 windows, of its first ten windows the plain mean; where
/// it is more than twice the present time it loses 5 % a window, so that it comes back from an
/// overload. Windows last a second, with ten tasks at least.
///
/// Source: Gradient2Limit of Netflix' concurrency-limits, behind its WindowedLimit, with their
/// defaults: 20, between 20 and 200.
///
/// Fails where overload lasts: the average follows it, and the limit climbs to its upper bound
/// (Netflix/concurrency-limits pull request 134). It takes mixed work for a queue, as a mean
/// follows the few long tasks, and needs 25 s to double.
class gradient {
public:
    gradient() noexcept {}

    /// Throws std::invalid_argument where `least` is 0 or more than `most`.
    gradient& bounds(std::size_t least, std::size_t most) {
        if (least < 1 || least > most)
            throw std::invalid_argument("a limit's bounds are at least 1 and in order");
        least_ = least;
        most_ = most;
        set(limit_);
        return *this;
    }
    gradient& initial(std::size_t limit) noexcept {
        set(static_cast<double>(limit));
        return *this;
    }
    /// How many times the long average the service time may be.
    gradient& tolerance(double ratio) {
        if (!(ratio >= 1))
            throw std::invalid_argument("a tolerance is at least 1");
        tolerance_ = ratio;
        return *this;
    }
    /// Permits it aims at beyond what is in use.
    gradient& queue(std::size_t permits) noexcept {
        queue_ = static_cast<double>(permits);
        return *this;
    }
    /// The part of the way it goes in a window.
    gradient& smoothing(double part) {
        if (!(part > 0 && part <= 1))
            throw std::invalid_argument("a part is more than 0 and at most 1");
        smoothing_ = part;
        return *this;
    }

    std::size_t limit() const noexcept { return static_cast<std::size_t>(limit_); }
    window_rule windows() const noexcept {
        return {std::chrono::seconds(1), std::chrono::seconds(1), 10, 10};
    }

    void update(const limiter_window& seen, std::chrono::steady_clock::time_point) noexcept {
        const auto now = static_cast<double>(seen.mean_service_time.count());
        if (now <= 0)
            return;
        const double before = learn(now);
        if (before / now > 2)
            average_ *= 0.95;
        if (static_cast<double>(seen.max_in_flight) < limit_ / 2)
            return;
        const double part = std::clamp(tolerance_ * before / now, 0.5, 1.0);
        set(limit_ * (1 - smoothing_) + (limit_ * part + queue_) * smoothing_);
    }

private:
    static constexpr int first = 10;
    static constexpr int windows_remembered = 600;

    void set(double limit) noexcept {
        limit_ = std::clamp(limit, static_cast<double>(least_), static_cast<double>(most_));
    }

    double learn(double time) noexcept {
        constexpr double part = 2.0 / (windows_remembered + 1);
        if (learnt_ < first) {
            ++learnt_;
            sum_ += time;
            average_ = sum_ / learnt_;
        } else {
            average_ = average_ * (1 - part) + time * part;
        }
        return average_;
    }

    std::size_t least_ = 20;
    std::size_t most_ = 200;
    double limit_ = 20;
    double tolerance_ = 1.5;
    double queue_ = 4;
    double smoothing_ = 0.2;
    double average_ = 0; // ns
    double sum_ = 0;
    int learnt_ = 0;
};

} // namespace corogate::limiters
