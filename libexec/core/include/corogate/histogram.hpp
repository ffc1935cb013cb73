#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace corogate {

namespace detail {

/// Log-linear buckets (as in Gil Tene's HdrHistogram): values up to 15 have one each, every octave
/// above is cut into 16.
struct histogram_buckets {
    static constexpr unsigned cut = 4; // log2 of the parts of an octave
    static constexpr std::uint64_t parts = 1U << cut;
    static constexpr unsigned octaves = 42; // up to 2^42 - 1 ns
    static constexpr std::uint64_t greatest = (std::uint64_t{1} << octaves) - 1;
    static constexpr std::size_t count = (octaves - cut + 1) * parts;

    static constexpr std::size_t index(std::uint64_t ns) noexcept {
        if (ns < parts)
            return static_cast<std::size_t>(ns);
        const auto octave = static_cast<unsigned>(std::bit_width(ns)) - 1;
        return static_cast<std::size_t>((octave - cut) * parts + (ns >> (octave - cut)));
    }
    static constexpr std::uint64_t lower(std::size_t index) noexcept {
        if (index < parts)
            return index;
        const auto shift = static_cast<unsigned>(index / parts) - 1;
        return (parts + index % parts) << shift;
    }
    /// The greatest value in the bucket.
    static constexpr std::uint64_t upper(std::size_t index) noexcept {
        return index + 1 < count ? lower(index + 1) - 1 : greatest;
    }
};

} // namespace detail

/// What a histogram held at one time: a value, to be asked, merged and written out.
///
/// Answers are exact but for the width of a bucket, a sixteenth of the value: a quantile is never
/// less than the true one of what was recorded, and more by less than 1/16.
class histogram_snapshot {
public:
    using nanoseconds = std::chrono::nanoseconds;

    /// Values recorded, by weight.
    std::uint64_t count() const noexcept { return count_; }
    /// Of the values as recorded, not of their buckets; clamped ones as clamped. Wraps at 2^64 ns
    /// (584 years).
    nanoseconds sum() const noexcept { return nanoseconds(static_cast<std::int64_t>(sum_)); }
    /// Exact; 0 where nothing was recorded.
    nanoseconds max() const noexcept { return nanoseconds(static_cast<std::int64_t>(max_)); }
    /// 0 where nothing was recorded.
    nanoseconds mean() const noexcept {
        return nanoseconds(static_cast<std::int64_t>(count_ == 0 ? 0 : sum_ / count_));
    }

    /// The value that a part q of all does not exceed (nearest rank), 0 <= q <= 1; q = 0 is the
    /// least value. 0 where nothing was recorded.
    nanoseconds quantile(double q) const noexcept;

    /// How many values lie in buckets up to and with the one of `bound`: the cumulative count
    /// that a Prometheus bucket `le` wants, for any bounds.
    std::uint64_t count_up_to(nanoseconds bound) const noexcept;

    /// What was recorded after an earlier snapshot of the same histogram. Its greatest value is
    /// known to the width of a bucket only.
    histogram_snapshot since(const histogram_snapshot& earlier) const noexcept;

    /// Adds what another snapshot holds, as if both had been recorded in one histogram.
    void merge(const histogram_snapshot& other) noexcept;

    /// Calls `f(lower, upper, count)` for each bucket that is not empty, from below: values of
    /// `lower` to `upper`, both included.
    template <typename F>
    void for_each_bucket(F f) const {
        using buckets = detail::histogram_buckets;
        for (std::size_t i = 0; i < buckets::count; ++i)
            if (in_[i] != 0)
                f(as_time(buckets::lower(i)), as_time(buckets::upper(i)), in_[i]);
    }

private:
    friend class histogram;

    static nanoseconds as_time(std::uint64_t ns) noexcept {
        return nanoseconds(static_cast<std::int64_t>(ns));
    }

    std::array<std::uint64_t, detail::histogram_buckets::count> in_{};
    std::uint64_t count_ = 0;
    std::uint64_t sum_ = 0;
    std::uint64_t max_ = 0;
};

/// Durations, counted in buckets that grow with the value: from 1 ns to 73 minutes (2^42 - 1 ns;
/// longer ones count as that, negative ones as 0) with a relative error below 1/16, in 5 KB that
/// never grow.
///
/// Thread safety: any number of threads may record and look at once; nothing waits, nothing is
/// ordered. A snapshot taken while others record holds each finished recording or not, and its
/// count is that of its buckets; sum and max may be ahead or behind by recordings under way.
class histogram {
public:
    histogram() = default;
    histogram(const histogram&) = delete;
    histogram& operator=(const histogram&) = delete;

    /// `weight`: how many such values it stands for, where only a sample is timed.
    void record(std::chrono::nanoseconds value, std::uint32_t weight = 1) noexcept;

    histogram_snapshot snapshot() const noexcept;
    /// The same, into one that is there already: 5 KB need not go over the stack.
    void snapshot(histogram_snapshot& into) const noexcept;

private:
    std::array<std::atomic<std::uint64_t>, detail::histogram_buckets::count> in_{};
    std::atomic<std::uint64_t> sum_{0};
    std::atomic<std::uint64_t> max_{0};
};

// ------------------------------------------------------------------------------------------------

inline void histogram::record(std::chrono::nanoseconds value, std::uint32_t weight) noexcept {
    if (weight == 0)
        return;
    using buckets = detail::histogram_buckets;
    const auto ns = static_cast<std::uint64_t>(
        std::clamp<std::int64_t>(value.count(), 0, static_cast<std::int64_t>(buckets::greatest))
    );
    in_[buckets::index(ns)].fetch_add(weight, std::memory_order_relaxed);
    sum_.fetch_add(ns * weight, std::memory_order_relaxed);
    auto seen = max_.load(std::memory_order_relaxed);
    while (ns > seen && !max_.compare_exchange_weak(seen, ns, std::memory_order_relaxed)) {
    }
}

inline histogram_snapshot histogram::snapshot() const noexcept {
    histogram_snapshot s;
    snapshot(s);
    return s;
}

inline void histogram::snapshot(histogram_snapshot& into) const noexcept {
    into.count_ = 0;
    for (std::size_t i = 0; i < in_.size(); ++i) {
        into.in_[i] = in_[i].load(std::memory_order_relaxed);
        into.count_ += into.in_[i];
    }
    into.sum_ = sum_.load(std::memory_order_relaxed);
    into.max_ = max_.load(std::memory_order_relaxed);
}

inline std::chrono::nanoseconds histogram_snapshot::quantile(double q) const noexcept {
    if (count_ == 0)
        return nanoseconds(0);
    const double rank = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count_));
    const auto wanted = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(rank), 1, count_);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < in_.size(); ++i) {
        seen += in_[i];
        if (seen >= wanted)
            return as_time(std::min(detail::histogram_buckets::upper(i), max_));
    }
    return max();
}

inline std::uint64_t histogram_snapshot::count_up_to(nanoseconds bound) const noexcept {
    using buckets = detail::histogram_buckets;
    if (bound.count() < 0)
        return 0;
    const auto ns = std::min(static_cast<std::uint64_t>(bound.count()), buckets::greatest);
    std::uint64_t below = 0;
    for (std::size_t i = 0; i <= buckets::index(ns); ++i)
        below += in_[i];
    return below;
}

inline histogram_snapshot histogram_snapshot::since(const histogram_snapshot& earlier
) const noexcept {
    histogram_snapshot s;
    for (std::size_t i = 0; i < in_.size(); ++i) {
        s.in_[i] = in_[i] - earlier.in_[i];
        s.count_ += s.in_[i];
        if (s.in_[i] != 0)
            s.max_ = std::min(detail::histogram_buckets::upper(i), max_);
    }
    s.sum_ = sum_ - earlier.sum_;
    return s;
}

inline void histogram_snapshot::merge(const histogram_snapshot& other) noexcept {
    for (std::size_t i = 0; i < in_.size(); ++i)
        in_[i] += other.in_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    max_ = std::max(max_, other.max_);
}

} // namespace corogate
