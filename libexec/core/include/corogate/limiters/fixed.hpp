#pragma once

#include <chrono>
#include <corogate/limiter.hpp>
#include <cstddef>
#include <stdexcept>

namespace corogate::limiters {

/// A limit that stays: what every pool has without a limiter, as a limiter, to compare others with.
///
/// Fails where what is right changes: a service that becomes slower is flooded, one that becomes
/// faster is left idle. Right for one machine only, and only until its tasks change.
class fixed {
public:
    /// Throws `std::invalid_argument` for 0.
    explicit fixed(std::size_t limit)
        : limit_(limit) {
        if (limit == 0)
            throw std::invalid_argument("a limit is at least 1");
    }

    std::size_t limit() const noexcept { return limit_; }
    void update(const limiter_window&, std::chrono::steady_clock::time_point) noexcept {}
    window_rule windows() const noexcept { return {}; }

private:
    std::size_t limit_;
};

} // namespace corogate::limiters
