#pragma once

#include <algorithm>
#include <chrono>
#include <corogate/histogram.hpp>
#include <corogate/limiter.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace corogate::detail {

/// Between the books of a pool and its limiter: cuts time into windows by the limiter's rule, and
/// knows which limit is in force: the one a user holds (the kill switch), else in a dry run the one
/// the pool started with, else what the limiter proposes.
///
/// The limiter is shown its windows in all three cases, so that its proposal can be seen, and so
/// that it need not begin anew when it gets the limit back. Not thread-safe; no allocation after
/// construction; 15 KB, where there is a limiter.
class limit_control {
public:
    using time_point = std::chrono::steady_clock::time_point;
    using nanoseconds = std::chrono::nanoseconds;

    /// What a pool has counted since ever; only grows.
    struct totals {
        std::uint64_t completed = 0;
        std::uint64_t timed_out = 0;
    };

    static constexpr std::size_t greatest = (std::size_t{1} << 30) - 1;

    /// `initial` is in force where there is no limiter, and in a dry run. What the limiter proposes
    /// is clamped to `least` .. `most`; what a user holds is not.
    explicit limit_control(
        any_limiter model, std::size_t initial, std::size_t least = 1, std::size_t most = greatest
    )
        : model_(std::move(model))
        , seen_(model_ ? std::make_unique<sight>() : nullptr)
        , initial_(initial)
        , least_(least)
        , most_(most) {}

    /// Whether `look` could do something; cheap, so that the sums need not be taken for naught.
    bool due(time_point now) const noexcept {
        return seen_ && (!seen_->began || now - *seen_->began >= seen_->rule.shortest);
    }

    /// So many permits are in use now; to be said at regular times, every few milliseconds. Where
    /// it never is, the average is what Little's law makes of pace and service time.
    void in_use(std::size_t permits) noexcept {
        if (!seen_)
            return;
        seen_->in_use += static_cast<double>(permits);
        ++seen_->times;
    }

    /// To be called every few milliseconds while tasks run; a longer pause means that none ran, and
    /// begins a new window, since an idle pool says nothing about what it can do. `max_in_flight`
    /// is the most permits that were in use since the last time this returned true.
    bool look(
        time_point now, totals sums, std::size_t max_in_flight, const histogram& scheduling_delay,
        const histogram& service_time
    ) noexcept;

    /// Something ready to run has waited so long and still waits. True where that moved the limit.
    bool brake(nanoseconds waited, time_point now) noexcept {
        const auto before = limit();
        if (model_)
            model_.brake(waited, now);
        return limit() != before;
    }

    /// The one in force.
    std::size_t limit() const noexcept {
        if (held_)
            return *held_;
        return dry_run_ ? initial_ : proposed();
    }
    /// The one the limiter would have.
    std::size_t proposed() const noexcept {
        return model_ ? std::clamp<std::size_t>(model_.limit(), least_, most_) : initial_;
    }

    void hold(std::size_t limit) noexcept { held_ = std::max<std::size_t>(1, limit); }
    void let_go() noexcept { held_.reset(); }
    bool held() const noexcept { return held_.has_value(); }

    void dry_run(bool on) noexcept { dry_run_ = on; }
    bool dry_run() const noexcept { return dry_run_; }

private:
    struct sight {
        window_rule rule;
        std::optional<time_point> began;
        time_point looked{};
        totals then;
        double in_use = 0; // sum over so many times
        std::uint32_t times = 0;
        histogram_snapshot delay_then;
        histogram_snapshot service_then;
        histogram_snapshot now;
    };

    void begin(
        time_point now, totals sums, const histogram& scheduling_delay,
        const histogram& service_time
    ) noexcept;

    any_limiter model_;
    std::unique_ptr<sight> seen_;
    std::size_t initial_;
    std::size_t least_;
    std::size_t most_;
    std::optional<std::size_t> held_;
    bool dry_run_ = false;
};

// ------------------------------------------------------------------------------------------------

inline bool limit_control::look(
    time_point now, totals sums, std::size_t max_in_flight, const histogram& scheduling_delay,
    const histogram& service_time
) noexcept {
    if (!seen_)
        return false;
    auto& s = *seen_;
    const auto looked = std::exchange(s.looked, now);
    if (!s.began || now - looked > s.rule.shortest + s.rule.longest) {
        begin(now, sums, scheduling_delay, service_time);
        return true;
    }
    limiter_window w;
    w.length = now - *s.began;
    w.completed = sums.completed - s.then.completed;
    w.timed_out = sums.timed_out - s.then.timed_out;
    const auto ended = w.completed + w.timed_out;
    if (w.length < s.rule.shortest || ended < s.rule.few ||
        (ended < s.rule.enough && w.length < s.rule.longest))
        return false;

    w.max_in_flight = max_in_flight;
    scheduling_delay.snapshot(s.now);
    s.delay_then = s.now.since(s.delay_then);
    w.scheduling_delay = s.delay_then.quantile(0.5);
    s.delay_then = s.now;
    service_time.snapshot(s.now);
    s.service_then = s.now.since(s.service_then);
    w.service_time = s.service_then.quantile(0.5);
    w.mean_service_time = s.service_then.mean();
    w.least_service_time = s.service_then.quantile(0);
    s.service_then = s.now;
    using seconds = std::chrono::duration<double>;
    w.mean_in_flight = s.times > 0 ? s.in_use / s.times
                                   : static_cast<double>(w.completed) *
                                         (seconds(w.mean_service_time) / seconds(w.length));

    s.in_use = 0;
    s.times = 0;
    s.rule = model_.windows();
    s.began = now;
    s.then = sums;
    model_.update(w, now);
    return true;
}

inline void limit_control::begin(
    time_point now, totals sums, const histogram& scheduling_delay, const histogram& service_time
) noexcept {
    auto& s = *seen_;
    s.rule = model_.windows();
    s.began = now;
    s.then = sums;
    s.in_use = 0;
    s.times = 0;
    scheduling_delay.snapshot(s.delay_then);
    service_time.snapshot(s.service_then);
}

} // namespace corogate::detail
