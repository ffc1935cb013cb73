#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace corogate::detail {

/// When somebody who was refused should come again: longer while refusals go on, shorter when they
/// stop. Pure policy: time, work ahead and randomness are arguments. One object a (class, tenant),
/// or one a class where the tenant is not known.
///
/// Additive decrease, multiplicative increase, in windows as long as the hint itself (as in
/// Kubernetes' API priority and fairness): three refusals a second or more double it, to 32 s at
/// most; fewer take a second off, and so does every second of silence, to 1 s at least. It is never
/// longer than the work ahead takes, nor shorter than 1 s in the mean; 50 % of jitter either way
/// spread those who were refused together.
class retry_hint {
public:
    using clock = std::chrono::steady_clock;

    static constexpr std::uint32_t longest = 32; // seconds
    static constexpr std::uint32_t many = 3;     // refusals a second

    /// So many were refused since it was last told.
    void count(clock::time_point now, std::uint64_t refused) noexcept {
        settle(static_cast<std::uint32_t>(
            std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count()
        ));
        refusals_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(refusals_ + refused, most));
    }

    /// What somebody is told who is refused now.
    std::chrono::milliseconds
    refused(clock::time_point now, std::size_t ahead, double pace, std::uint32_t random) noexcept {
        count(now, 1);
        return after(seconds_, ahead, pace, random);
    }

    /// In general: `ahead` tasks wait and run, `pace` of them end a second (0: not known).
    /// `random`: any 32 bits.
    static std::chrono::milliseconds after(
        std::uint32_t seconds_said, std::size_t ahead, double pace, std::uint32_t random
    ) noexcept {
        double seconds = seconds_said;
        if (pace > 0)
            seconds = std::clamp(std::ceil(static_cast<double>(ahead) / pace), 1.0, seconds);
        constexpr double span = 4294967296.0;
        const double jitter = 0.5 + static_cast<double>(random) / span; // 0.5 to 1.5
        return std::chrono::milliseconds(static_cast<std::int64_t>(1000 * seconds * jitter));
    }

    std::uint32_t seconds() const noexcept { return seconds_; }

private:
    /// Closes the window that has passed.
    void settle(std::uint32_t second) noexcept {
        if (began_ == 0 || second < began_) {
            began_ = std::max(second, 1U);
            return;
        }
        if (second - began_ < seconds_)
            return;
        std::uint32_t silent = second - began_ - seconds_; // since it ended
        if (refusals_ == 0)
            silent += seconds_;
        if (refusals_ >= many * seconds_)
            seconds_ = std::min(2 * seconds_, longest);
        else if (seconds_ > 1)
            --seconds_;
        seconds_ -= std::min(silent, seconds_ - 1);
        began_ = second;
        refusals_ = 0;
    }

    static constexpr std::uint64_t most = 1U << 30;

    std::uint32_t began_ = 0; // second of the clock; 0: never
    std::uint32_t refusals_ = 0;
    std::uint32_t seconds_ = 1;
};

static_assert(sizeof(retry_hint) <= 12);

} // namespace corogate::detail
