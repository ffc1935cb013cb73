#pragma once

#include <chrono>
#include <corogate/histogram.hpp>
#include <corogate/pool_stats.hpp>
#include <corogate/pool_timings.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace server {

/// What a pool was at one moment.
class pool_sample {
public:
    using clock = std::chrono::steady_clock;

    pool_sample() = default;

    clock::time_point at;
    std::chrono::system_clock::time_point date;
    corogate::pool_stats books;
    corogate::histogram_snapshot queue_wait;
    corogate::histogram_snapshot service_time;
    std::uint64_t refused_for_capacity = 0; ///< tasks, since the start
};

/// Median and 99th percentile.
struct percentiles {
    std::chrono::nanoseconds p50{0};
    std::chrono::nanoseconds p99{0};
};

/// What happened lately in a pool, from samples of it: differences of counts and of histograms.
///
/// Give it a sample every half second or so. Rates are over the last second (from the latest sample
/// that is a second old, or from the first); percentiles over the last ten. One point a second is
/// kept for ten minutes, for charts. Time comes with the samples; not thread-safe. Memory is
/// bounded: a dozen histograms and 600 points.
class pool_monitor {
public:
    static constexpr std::chrono::seconds rate_window{1};
    static constexpr std::chrono::seconds percentile_window{10};
    static constexpr std::chrono::seconds history_step{1};
    static constexpr std::size_t history_length = 600;
    /// For how long after a refusal for want of capacity the pool counts as overloaded.
    static constexpr std::chrono::seconds overload_lasts{2};

    /// Tasks per second.
    struct rates {
        double in = 0;  ///< accepted
        double out = 0; ///< ended, well or badly
        double refused = 0;
    };

    /// What is charted.
    struct point {
        std::chrono::system_clock::time_point date;
        std::size_t waiting = 0;
        std::size_t running = 0;
        std::size_t lent = 0;
        std::size_t limit = 0;
        std::size_t queue_limit = 0;
        rates per_second;
        std::optional<percentiles> queue_wait;
        std::optional<percentiles> service;
    };

    /// Samples in order of time.
    void add(const pool_sample& now);

    /// As of the latest sample.
    rates per_second() const noexcept { return rates_; }
    /// Nothing where no task was timed in that time.
    std::optional<percentiles> queue_wait() const noexcept { return queue_wait_; }
    std::optional<percentiles> service_time() const noexcept { return service_; }
    bool overloaded() const noexcept { return overloaded_; }

    /// Oldest first.
    const std::deque<point>& history() const noexcept { return history_; }

private:
    struct counted {
        pool_sample::clock::time_point at;
        std::uint64_t in, out, refused;
    };
    struct timed {
        pool_sample::clock::time_point at;
        corogate::histogram_snapshot queue_wait;
        corogate::histogram_snapshot service;
    };

    void count(const pool_sample& now);
    void time(const pool_sample& now);
    void keep(const pool_sample& now);

    std::deque<counted> counted_; // of the last second
    std::deque<timed> timed_;     // one a second, of the last ten
    rates rates_;
    std::optional<percentiles> queue_wait_;
    std::optional<percentiles> service_;
    std::optional<std::uint64_t> refused_for_capacity_;
    std::optional<pool_sample::clock::time_point> refused_at_;
    bool overloaded_ = false;
    std::optional<pool_sample::clock::time_point> kept_at_;
    std::deque<point> history_;
};

} // namespace server
