#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <corogate/limiter.hpp>
#include <cstddef>
#include <stdexcept>
#include <thread>

namespace corogate::limiters {

/// Finds the limit by two signals and a check, for tasks that compute, wait, or both.
///
/// 1. **Scheduling delay** says that threads are short: what is ready to run waits for one. Above
///    `delay` (2 ms) the limit falls by up to three tenths a window.
/// 2. **Service time** against the best of the last half minute says that something behind the
///    tasks is short (a database with a queue of its own). Above `tolerance` (twice) it falls
///    towards where the ratio would be met.
/// 3. Else, where at least nine tenths of the permits were in use, it rises by half its square
///    root. **Throughput** checks that this is worth it: when three raises in a row have brought
///    less than a quarter of their share, it yields 3 % instead.
///
/// Both signals are medians, so that a few tasks eleven times as long as the others are not
/// mistaken for a queue. It never cuts the limit in order to measure. A brake outside the windows
/// answers threads that are stuck for 50 ms.
///
/// Where it fails: a minority of tasks with a slow service of their own behind them does not move
/// the median (give them a lane); under permanent saturation the best service time drifts up to
/// what is seen, and then delay and throughput alone hold the limit. Service times of up to
/// `tolerance` x the best are accepted by design.
///
/// Sources: the delay signal from tRPC-Cpp's overload controller, the gradient from Netflix'
/// Gradient2 without its probes, the throughput check after Protego (Cho et al., NSDI 2023).
class adaptive {
public:
    using duration = std::chrono::nanoseconds;
    using time_point = std::chrono::steady_clock::time_point;

    adaptive()
        : adaptive(std::max<std::size_t>(1, std::thread::hardware_concurrency())) {}
    /// `workers`: threads of the pool; the limit starts at twice that and never falls below it.
    explicit adaptive(std::size_t workers)
        : least_(std::max<std::size_t>(workers, 1))
        , limit_(2.0 * static_cast<double>(least_)) {}

    /// Throws std::invalid_argument where `least` is 0 or more than `most`.
    adaptive& bounds(std::size_t least, std::size_t most) {
        if (least < 1 || least > most)
            throw std::invalid_argument("a limit's bounds are at least 1 and in order");
        least_ = least;
        most_ = most;
        set(limit_);
        return *this;
    }
    /// Where it starts. Default: twice the workers.
    adaptive& initial(std::size_t limit) {
        set(static_cast<double>(limit));
        return *this;
    }
    /// How long something ready to run may wait for a thread, in the median. Default: 2 ms.
    adaptive& delay(duration most) {
        if (most <= duration::zero())
            throw std::invalid_argument("a delay is more than nothing");
        delay_ = most;
        return *this;
    }
    /// How far service times may grow over the best of the last half minute. Default: 2.
    adaptive& tolerance(double ratio) {
        if (!(ratio > 1))
            throw std::invalid_argument("a tolerance is more than 1");
        tolerance_ = ratio;
        return *this;
    }

    std::size_t limit() const noexcept { return static_cast<std::size_t>(limit_ + 0.5); }
    window_rule windows() const noexcept { return {}; }

    void update(const limiter_window& seen, time_point now) noexcept {
        const double before = limit_;
        const double service = seconds(seen.service_time);
        const double best = best_service(service, now);
        const double pace = static_cast<double>(seen.completed) / seconds(seen.length);
        const double late = seconds(seen.scheduling_delay) / seconds(delay_) - 1;
        if (late > 0) {
            set(before * std::max(0.7, 1 - 0.1 * late));
            raises_ = 0;
        } else if (best > 0 && service > tolerance_ * best) {
            set(before * (0.7 + 0.3 * std::max(0.5, tolerance_ * best / service)));
            raises_ = 0;
        } else if (static_cast<double>(seen.max_in_flight) >= 0.9 * std::floor(before)) {
            rise(pace);
        } else {
            raises_ = 0;
        }
    }

    void brake(duration waited, time_point now) noexcept {
        if (waited <= std::chrono::milliseconds(50) ||
            (braked_ != time_point{} && now - braked_ < std::chrono::milliseconds(100)))
            return;
        braked_ = now;
        raises_ = 0;
        set(limit_ * 0.8);
    }

private:
    static double seconds(duration d) noexcept { return std::chrono::duration<double>(d).count(); }

    void set(double limit) noexcept {
        limit_ = std::clamp(limit, static_cast<double>(least_), static_cast<double>(most_));
    }

    /// Raises come in threes: did they bring throughput?
    void rise(double pace) noexcept {
        if (raises_ == 0) {
            limit_before_ = limit_;
            pace_before_ = pace;
        } else if (raises_ >= 3) {
            const double share = limit_ / limit_before_ - 1;
            const double gain = pace_before_ > 0 ? pace / pace_before_ - 1 : 1;
            raises_ = 0;
            if (gain < 0.25 * share) {
                set(limit_ * 0.97);
                return;
            }
            limit_before_ = limit_;
            pace_before_ = pace;
        }
        ++raises_;
        set(limit_ + std::max(1.0, 0.5 * std::sqrt(limit_)));
    }

    /// The least median of the last half minute, in six buckets of five seconds.
    double best_service(double service, time_point now) noexcept {
        constexpr auto width = std::chrono::seconds(5);
        if (bucket_began_ == time_point{})
            bucket_began_ = now;
        for (int i = 0; i < 6 && now - bucket_began_ >= width; ++i) {
            bucket_began_ += width;
            bucket_ = (bucket_ + 1) % best_.size();
            best_[bucket_] = 0;
        }
        if (now - bucket_began_ >= width)
            bucket_began_ = now; // nothing for longer than it remembers
        if (service > 0 && (best_[bucket_] == 0 || service < best_[bucket_]))
            best_[bucket_] = service;
        double least = 0;
        for (const double one : best_)
            if (one > 0 && (least == 0 || one < least))
                least = one;
        return least;
    }

    std::size_t least_;
    std::size_t most_ = 4096;
    double limit_;
    duration delay_ = std::chrono::milliseconds(2);
    double tolerance_ = 2;
    std::array<double, 6> best_{};
    std::size_t bucket_ = 0;
    time_point bucket_began_{};
    time_point braked_{};
    int raises_ = 0;
    double limit_before_ = 0;
    double pace_before_ = 0;
};

} // namespace corogate::limiters
