#pragma once

#include <algorithm>
#include <chrono>
#include <corogate/limiter.hpp>
#include <cstddef>

namespace corogate::limiters {

/// A limit that stays as it is: where the right one is known, or for comparison.
class fixed {
public:
    explicit fixed(std::size_t limit) noexcept
        : limit_(std::max<std::size_t>(limit, 1)) {}

    std::size_t limit() const noexcept { return limit_; }
    window_rule windows() const noexcept { return {}; }
    void update(const limiter_window&, std::chrono::steady_clock::time_point) noexcept {}

private:
    std::size_t limit_;
};

} // namespace corogate::limiters
