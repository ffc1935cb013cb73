#pragma once

#include <algorithm>
#include <corogate/memory_guard.hpp>
#include <corogate/priority_class.hpp>
#include <cstdint>

namespace corogate::detail {

/// Which work is refused under memory pressure: of class background a part that grows from none at
/// `soft` to all at `hard`, from there on everything. A mark once passed holds until pressure is
/// below 0.95 of it, so that the answer does not flap. Pure policy.
class shedding {
public:
    explicit shedding(const memory_guard& guard) noexcept
        : soft_(guard.soft())
        , hard_(guard.hard()) {}

    /// The latest pressure, 0 to 1.
    void pressure(double now) noexcept {
        constexpr double back = 0.95;
        all_ = now >= hard_ || (all_ && now >= back * hard_);
        some_ = now >= soft_ || (some_ && now >= back * soft_);
        const double part = (now - soft_) / (hard_ - soft_);
        background_ = all_ ? 1 : some_ ? std::clamp(part, least_part, 1.0) : 0;
    }

    /// The part of background work that is refused; 1 where everything else is as well.
    double background() const noexcept { return background_; }
    bool everything() const noexcept { return all_; }

    /// `random`: any 32 bits.
    static bool
    refuses(bool everything, double background, priority_class c, std::uint32_t random) noexcept {
        if (everything)
            return true;
        constexpr double span = 4294967296.0;
        return c == priority_class::background && static_cast<double>(random) / span < background;
    }

private:
    static constexpr double least_part = 0.01;

    double soft_;
    double hard_;
    double background_ = 0;
    bool some_ = false;
    bool all_ = false;
};

} // namespace corogate::detail
