#pragma once

#include <algorithm>
#include <chrono>
#include <corogate/histogram.hpp>
#include <corogate/limiter.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace corogate::detail {

/// Between the books of a pool and its limiter: cuts the time into windows, shows them, and says
/// which limit is in force. Pure policy: time and counts are arguments.
///
/// The limit is the one it was told to hold (the kill switch); else in a dry run, or without a
/// limiter, the initial one; else the limiter's, within bounds.
class limit_control {
public:
    using duration = std::chrono::nanoseconds;
    using time_point = std::chrono::steady_clock::time_point;

    limit_control(
        any_limiter model, std::size_t initial, std::size_t least = 1, std::size_t most = 1 << 20
    )
        : model_(std::move(model))
        , initial_(initial)
        , least_(least)
        , most_(most)
        , before_(model_ ? std::make_unique<snapshots>() : nullptr) {}

    struct totals {
        std::uint64_t completed = 0; ///< tasks that ended well, since ever
        std::uint64_t timed_out = 0; ///< likewise, cancelled for their deadline while they ran
    };

    /// Whether `look` could end a window now.
    bool due(time_point now) const noexcept {
        return model_ && (began_ == time_point{} || now - began_ >= model_.windows().shortest);
    }

    /// Ends the window where it is long enough for the limiter, and shows it. True: it has ended,
    /// and the next `max_in_flight` counts from here.
    bool look(
        time_point now, const totals& sums, std::size_t max_in_flight,
        const histogram& scheduling_delay, const histogram& service_time
    ) noexcept {
        if (!model_)
            return false;
        if (began_ == time_point{}) {
            begin(now, sums, scheduling_delay.snapshot(), service_time.snapshot());
            return true;
        }
        const auto rule = model_.windows();
        const auto length = now - began_;
        const std::uint64_t completed = sums.completed - before_->sums.completed;
        if (length < rule.shortest ||
            (completed < rule.enough && (length < rule.longest || completed < rule.few)))
            return false;
        const auto delay = scheduling_delay.snapshot();
        const auto service = service_time.snapshot();
        const auto delay_here = delay.since(before_->delay);
        const auto service_here = service.since(before_->service);
        limiter_window window;
        window.length = length;
        window.completed = completed;
        window.timed_out = sums.timed_out - before_->sums.timed_out;
        window.max_in_flight = max_in_flight;
        window.scheduling_delay = delay_here.quantile(0.5);
        window.service_time = service_here.quantile(0.5);
        window.mean_service_time = service_here.mean();
        window.least_service_time = service_here.quantile(0);
        model_.update(window, now);
        begin(now, sums, delay, service);
        return true;
    }

    /// Something ready to run has waited for that long. True: the limiter may have moved.
    bool brake(duration waited, time_point now) noexcept {
        if (!model_)
            return false;
        model_.brake(waited, now);
        return true;
    }

    std::size_t limit() const noexcept {
        if (held_)
            return held_;
        return dry_run_ ? initial_ : proposed();
    }
    /// What the limiter says; the initial limit without one.
    std::size_t proposed() const noexcept {
        return model_ ? std::clamp(model_.limit(), least_, most_) : initial_;
    }

    void hold(std::size_t limit) noexcept { held_ = limit; }
    void let_go() noexcept { held_ = 0; }
    bool held() const noexcept { return held_ != 0; }
    void dry_run(bool on) noexcept { dry_run_ = on; }

private:
    struct snapshots {
        totals sums;
        histogram_snapshot delay;
        histogram_snapshot service;
    };

    void begin(
        time_point now, const totals& sums, const histogram_snapshot& delay,
        const histogram_snapshot& service
    ) noexcept {
        began_ = now;
        before_->sums = sums;
        before_->delay = delay;
        before_->service = service;
    }

    any_limiter model_;
    std::size_t initial_;
    std::size_t least_;
    std::size_t most_;
    std::size_t held_ = 0;
    bool dry_run_ = false;
    time_point began_{};
    std::unique_ptr<snapshots> before_;
};

} // namespace corogate::detail
