#pragma once

#include <chrono>
#include <functional>
#include <stdexcept>
#include <utility>

namespace corogate {

/// When a pool refuses for want of memory: background work first, then everything.
///
/// Pressure is between 0 (nothing used) and 1 (nothing left): the higher one of what the process's
/// control groups (cgroup v2) may use, page cache that can be dropped not counted, and of what the
/// machine has available; looked at every 250 ms while the pool is used. Between `soft` and `hard`
/// background jobs are refused with growing probability, from `hard` on every job, with
/// `errc::memory_pressure`, until pressure has fallen a twentieth below the mark. What was admitted
/// goes on. Where neither source can be read (not on Linux) nothing is refused.
class memory_guard {
public:
    memory_guard() noexcept {}

    /// Default: 0.85 and 0.95. Throws std::invalid_argument unless 0 < soft < hard <= 1.
    memory_guard& thresholds(double soft, double hard) {
        if (!(0 < soft && soft < hard && hard <= 1))
            throw std::invalid_argument("memory thresholds are in order and between 0 and 1");
        soft_ = soft;
        hard_ = hard;
        return *this;
    }
    /// Another source of pressure, called on the pool's control thread: it does not block. What it
    /// throws, and NaN, count as no pressure.
    memory_guard& source(std::function<double()> pressure) {
        source_ = std::move(pressure);
        return *this;
    }

    double soft() const noexcept { return soft_; }
    double hard() const noexcept { return hard_; }
    const std::function<double()>& source() const noexcept { return source_; }

private:
    double soft_ = 0.85;
    double hard_ = 0.95;
    std::function<double()> source_;
};

} // namespace corogate
