#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <corogate/limiter.hpp>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <thread>

namespace corogate::limiters {

/// Finds the limit by two signals and a check, for tasks that compute, wait, or both.
///
/// 1. **Scheduling delay** says that threads are short: what is ready to run waits for one. Above
///    `delay` (1.5 ms, or a quarter of the best service time if that is more) the limit falls by a
///    tenth of the excess, at most by three tenths a window.
/// 2. **Service time**, where threads are not short, says that something behind the tasks is (a
///    database with a queue of its own). Above `tolerance` (twice) the best of the last half minute
///    and by more than two `delay`s, the limit falls to where Little's law says that the ratio is
///    met, at most by half. If that has not shortened the service time by half its share, it is no
///    queue: the service has become slower, which is the new best, and what was taken is given
///    back.
/// 3. Else, where nine tenths of the permits were in use at once, the limit rises by half its
///    square root, at least by a twelfth. **Throughput** checks that, where they were in use all
///    the time: steps that bring half their share double, up to a third, and are what is next gone
///    back to; three that bring less than 15 % of their share, or that make service too slow, are
///    taken back and 3 % with them. Then the limit stays for a thousand tasks (half a second to two
///    seconds), or until things get better. Each further failure yields twice as much, up to a
///    quarter; a yield that costs a quarter of its share is taken back.
///
/// The best service time can only get better while all permits are in use, as what is seen then may
/// be a queue of our own making: under permanent saturation it does not drift. Where steps bring
/// work although service is slow, it is no queue; at the floor, where nothing can be cut, that is
/// the only way to tell. Signals are medians, so that a few tasks eleven times as long as the
/// others are not mistaken for a queue. Nothing is judged by tasks that began before the last move.
/// Where most tasks run into their deadline the limit falls by half. It is never cut in order to
/// measure. Between windows a **brake** answers threads that are not to be had for 50 ms (or the
/// best service time): a fifth less each 100 ms, three times at most, as it cannot tell many short
/// waits from one long task.
///
/// Where it fails: a minority of tasks with a slow service of their own behind them does not move
/// the median (give them a lane), and service times of up to `tolerance` x the best are accepted by
/// design. Started under saturation far above what is right, it takes what it sees first for the
/// best, and comes down slowly, until permits are free once.
///
/// Sources: the delay signal from tRPC-Cpp's overload controller; the ratio from Netflix'
/// Gradient2, against a least over time (as Envoy and brpc) without their probes; the throughput
/// check after Protego (Cho et al., NSDI 2023) and Uber's Cinnamon.
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

    /// Throws std::invalid_argument where `least` is 0 or more than `most`. Default: the workers
    /// and 4096.
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
    /// How long something ready to run may wait for a thread, in the median. Default: 1.5 ms.
    adaptive& delay(duration most) {
        if (most <= duration::zero())
            throw std::invalid_argument("a delay is more than nothing");
        delay_ = seconds(most);
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
    void update(const limiter_window& seen, time_point now) noexcept;
    void brake(duration waited, time_point now) noexcept;

private:
    /// What a window says, in seconds and tasks a second.
    struct reading {
        time_point began;
        time_point now;
        double pace;
        double tasks;
        double service;
    };
    /// What was seen at one limit, over all windows.
    struct sight {
        double limit = 0;
        double tasks = 0;
        double time = 0;
        double service_sum = 0;
        double pace() const noexcept { return time > 0 ? tasks / time : 0; }
        double service() const noexcept { return tasks > 0 ? service_sum / tasks : 0; }
        void add(const reading& r) noexcept {
            tasks += r.tasks;
            time += seconds(r.now - r.began);
            service_sum += r.tasks * r.service;
        }
    };
    enum class phase : std::uint8_t { open, rising, judging, holding };

    static constexpr double pays = 0.15; // of the share
    static constexpr double costs = 0.25;
    static constexpr double least_yield = 0.03;
    static constexpr double most_yield = 0.25;

    static double seconds(duration d) noexcept { return std::chrono::duration<double>(d).count(); }
    /// Shares are compared as logarithms: up and down are the same then.
    static double share(double to, double from) noexcept {
        return to > 0 && from > 0 ? std::log(to / from) : 0;
    }

    void set(double limit) noexcept {
        limit_ = std::clamp(limit, static_cast<double>(least_), static_cast<double>(most_));
    }
    void move(double limit, time_point now) noexcept {
        set(limit);
        moved_ = now;
    }
    /// Most of the window's tasks began after the last move.
    bool settled(const reading& r) const noexcept {
        return moved_ == time_point{} ||
               seconds(r.now - moved_) - seconds(r.now - r.began) / 2 >= r.service;
    }
    bool at_floor() const noexcept { return limit_ <= static_cast<double>(least_); }
    /// The last cuts tell a queue from a slow service.
    bool judgeable() const noexcept {
        return cut_from_ != 0 && judged_.limit != 0 && limit_ <= 0.7 * judged_.limit;
    }
    bool from_floor() const noexcept { return anchor_.limit <= static_cast<double>(least_); }

    double learn(const reading& r, bool saturated) noexcept;
    double best() const noexcept;
    void believe(double service) noexcept;
    void believe_gain(const reading& r, double gain) noexcept;
    bool pays_well(const reading& r) const noexcept {
        return share(r.pace, anchor_.pace()) >= 0.5 * share(limit_, anchor_.limit);
    }
    void shorten(const reading& r, double best) noexcept;
    void rise(const reading& r) noexcept;
    void begin_rise(const reading& r) noexcept;
    void step(const reading& r) noexcept;
    void judge(const reading& r) noexcept;
    void yield(const reading& r) noexcept;
    void hold(const reading& r) noexcept;
    void anchor(const sight& at) noexcept;

    std::size_t least_;
    std::size_t most_ = 4096;
    double limit_;
    double delay_ = 0.0015;
    double tolerance_ = 2;
    time_point moved_{};

    // The best service time: of the smoothed median the least in each of six times 5 s.
    std::array<double, 6> best_{};
    std::size_t newest_ = 0;
    double free_for_ = 0; // s, since the newest began
    double smoothed_ = 0;

    // Cuts for service time.
    double cut_from_ = 0;
    sight judged_; // the first to be seen of the new state alone
    sight slow_;   // since the last cut

    // Steps up.
    phase phase_ = phase::open;
    sight anchor_;       // before the steps
    sight here_;         // after them, or while holding
    sight before_yield_; // the anchor before the last yield
    int steps_ = 0;
    double stride_ = 1; // times the usual step
    double yield_ = least_yield;
    double service_held_ = 0;

    time_point braked_{};
    int brakes_ = 0; // since the last window
};

// ------------------------------------------------------------------------------------------------

inline void adaptive::update(const limiter_window& seen, time_point now) noexcept {
    brakes_ = 0;
    const double length = seconds(seen.length);
    if (!(length > 0))
        return;
    const auto tasks = static_cast<double>(seen.completed);
    const reading r{now - seen.length, now, tasks / length, tasks, seconds(seen.service_time)};
    const bool in_use = static_cast<double>(seen.max_in_flight) >= 0.9 * std::floor(limit_);
    const bool saturated = seen.mean_in_flight >= 0.9 * limit_;
    const double best = learn(r, saturated);
    if (seen.mean_in_flight > 1.1 * limit_ + 1) // the last cut, or another limit, is in force
        return;
    const double late = seconds(seen.scheduling_delay) / std::max(delay_, best / 4) - 1;
    const bool slow =
        late <= -0.5 && best > 0 && r.service > tolerance_ * best && r.service > best + 2 * delay_;
    if (late > 0) {
        phase_ = phase::open;
        cut_from_ = 0;
        move(limit_ * std::max(0.7, 1 - 0.1 * late), now);
    } else if (seen.timed_out > seen.completed) {
        phase_ = phase::open;
        if (settled(r))
            move(limit_ / 2, now);
    } else if (slow && (judgeable() || !(saturated && at_floor()))) {
        if (settled(r))
            shorten(r, best);
    } else if (in_use && saturated) {
        cut_from_ = 0;
        if (settled(r))
            rise(r);
    } else { // more was not asked for: throughput says nothing of the limit
        cut_from_ = 0;
        phase_ = phase::open;
        stride_ = 1;
        if (in_use)
            step(r);
    }
}

/// The best of the last half minute of freedom. Nor does a time without windows count: what an idle
/// night does not show it does not change.
inline double adaptive::learn(const reading& r, bool saturated) noexcept {
    if (!saturated)
        free_for_ += seconds(r.now - r.began);
    if (free_for_ >= 5) {
        free_for_ = 0;
        newest_ = (newest_ + 1) % best_.size();
        best_[newest_] = 0;
    }
    // The least of many medians of few tasks each would be their luck: about 500 tasks speak.
    if (r.service > 0) {
        const double part = smoothed_ > 0 ? std::min(1.0, r.tasks / 512) : 1;
        smoothed_ += part * (r.service - smoothed_);
        if (best_[newest_] == 0 || smoothed_ < best_[newest_])
            best_[newest_] = smoothed_;
    }
    return best();
}

inline double adaptive::best() const noexcept {
    double least = 0;
    for (const double one : best_)
        if (one > 0 && (least == 0 || one < least))
            least = one;
    return least;
}

inline void adaptive::believe(double service) noexcept {
    best_ = {};
    best_[newest_] = smoothed_ = service;
}

/// More permits have brought more work, by more than chance: what is slow is no queue.
inline void adaptive::believe_gain(const reading& r, double gain) noexcept {
    const double part = share(limit_, anchor_.limit);
    if (r.service > tolerance_ * best() && gain > 0.5 * part + 1 / std::sqrt(r.tasks))
        believe(r.service);
}

/// Service takes too long: a queue behind the tasks, or a service that has become slower?
inline void adaptive::shorten(const reading& r, double best) noexcept {
    if (phase_ == phase::rising || phase_ == phase::judging) {
        if (from_floor() || pays_well(r))
            rise(r);
        else
            yield(r);
        return;
    }
    if (cut_from_ == 0) {
        cut_from_ = limit_;
        judged_ = {};
    } else {
        slow_.add(r);
        if (slow_.tasks < 256 && slow_.time < 0.5)
            return;
        if (judged_.limit == 0) {
            judged_ = slow_;
        } else if (judgeable()) {
            if (share(judged_.service(), slow_.service()) < 0.5 * share(judged_.limit, limit_)) {
                believe(slow_.service());
                move(cut_from_, r.now);
                cut_from_ = 0;
                phase_ = phase::open;
                return;
            }
            judged_ = slow_;
        }
    }
    move(limit_ * std::max(0.5, tolerance_ * best / r.service), r.now);
    slow_ = {limit_};
    here_ = {limit_};
    before_yield_ = {};
}

/// All permits are in use all the time, and neither signal objects.
inline void adaptive::rise(const reading& r) noexcept {
    switch (phase_) {
    case phase::open:
        anchor({limit_});
        anchor_.add(r);
        begin_rise(r);
        break;
    case phase::rising: {
        const double part = share(limit_, anchor_.limit);
        const bool well = pays_well(r);
        if (!well && steps_ >= 3) {
            phase_ = phase::judging;
            here_ = {limit_};
            judge(r);
            break;
        }
        stride_ = well ? stride_ * 2 : 1;
        if (well && part >= 0.2) { // what has paid is not given back
            believe_gain(r, share(r.pace, anchor_.pace()));
            anchor({limit_});
            anchor_.add(r);
            steps_ = 0;
        }
        step(r);
        break;
    }
    case phase::judging:
        judge(r);
        break;
    case phase::holding:
        hold(r);
        break;
    }
}

inline void adaptive::anchor(const sight& at) noexcept {
    anchor_ = at;
    before_yield_ = {};
    yield_ = least_yield;
}

inline void adaptive::begin_rise(const reading& r) noexcept {
    phase_ = phase::rising;
    steps_ = 0;
    stride_ = 1;
    step(r);
}

inline void adaptive::step(const reading& r) noexcept {
    const double usual = std::max({1.0, 0.5 * std::sqrt(limit_), limit_ / 12});
    move(limit_ + std::min(stride_ * usual, std::max(limit_ / 3, usual)), r.now);
    ++steps_;
}

/// Over a thousand tasks, or a second: did the steps pay?
inline void adaptive::judge(const reading& r) noexcept {
    here_.add(r);
    if (here_.tasks < 1024 && here_.time < 1)
        return;
    const double gain = share(here_.pace(), anchor_.pace());
    if (gain < pays * share(limit_, anchor_.limit)) {
        yield(r);
        return;
    }
    believe_gain(r, gain);
    anchor(here_);
    begin_rise(r);
}

inline void adaptive::yield(const reading& r) noexcept {
    // What was seen for a moment only is half believed: half of the way back.
    const bool known = anchor_.time > 0.3;
    before_yield_ = known ? anchor_ : sight{};
    const double back = known ? anchor_.limit : std::sqrt(anchor_.limit * limit_);
    move(back * (1 - yield_), r.now);
    yield_ = std::min(most_yield, 2 * yield_);
    phase_ = phase::holding;
    here_ = {limit_};
    service_held_ = 0;
}

inline void adaptive::hold(const reading& r) noexcept {
    here_.add(r);
    if (service_held_ == 0)
        service_held_ = r.service;
    const double chance = r.tasks > 0 ? 2.5 / std::sqrt(r.tasks) : 1; // what so few may be off
    if (r.pace > (1 + chance) * anchor_.pace() || r.service < (1 - chance) * service_held_) {
        anchor_ = {limit_};
        anchor_.add(r);
        before_yield_ = {};
        begin_rise(r);
        return;
    }
    const bool over = here_.time >= 2 || (here_.time >= 0.5 && here_.tasks >= 1024);
    if (over && before_yield_.limit > 0 &&
        share(before_yield_.pace(), here_.pace()) > costs * share(before_yield_.limit, limit_)) {
        const sight back = before_yield_;
        anchor(back);
        move(back.limit, r.now);
        here_ = {limit_}; // what it was worth then may be long past
    } else if (over) {
        anchor_ = here_;
        begin_rise(r);
    }
}

/// A probe still waits for a thread.
inline void adaptive::brake(duration waited, time_point now) noexcept {
    if (seconds(waited) <= std::max(0.05, best()) || brakes_ == 3 ||
        (braked_ != time_point{} && now - braked_ < std::chrono::milliseconds(100)))
        return;
    braked_ = now;
    ++brakes_;
    phase_ = phase::open;
    move(limit_ * 0.8, now);
}

} // namespace corogate::limiters
