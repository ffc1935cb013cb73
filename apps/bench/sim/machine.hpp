#pragma once

#include "engine.hpp"
#include "profile.hpp"

#include <algorithm>
#include <boost/random/exponential_distribution.hpp>
#include <boost/random/lognormal_distribution.hpp>
#include <boost/random/mersenne_twister.hpp>
#include <boost/random/uniform_int_distribution.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace corogate::sim {

/// Boost's engines and distributions give the same numbers with every standard library.
using engine = boost::random::mt19937_64;

/// Never less than a nanosecond: what happens has a duration.
inline duration scaled(duration d, double factor) {
    return std::max(duration(1), duration(std::llround(static_cast<double>(d.count()) * factor)));
}

inline duration exponential(engine& random, duration mean) {
    return scaled(mean, boost::random::exponential_distribution<double>(1)(random));
}

/// What one task will need.
struct demand {
    duration cpu{};
    duration io{};
};

inline demand draw(engine& random, const task_cost& cost, double factor) {
    const auto one_in = [&](int n) {
        return boost::random::uniform_int_distribution<int>(1, n)(random) == 1;
    };
    const auto times = [&](double f) {
        return demand{scaled(cost.cpu, f * factor), scaled(cost.io, f * factor)};
    };
    switch (cost.how) {
    case spread::fixed:
        return times(1);
    case spread::bimodal:
        return times(one_in(20) ? 11 : 1);
    case spread::lognormal: {
        // Mean 1: exp(mu + sigma^2/2).
        const double f = boost::random::lognormal_distribution<double>(-2, 2)(random);
        return times(std::min(f, 60.0));
    }
    case spread::rare_long:
        if (one_in(1000))
            return {scaled(500ms, factor), scaled(1500ms, factor)};
        break;
    case spread::exponential:
        break;
    }
    return {
        exponential(random, scaled(cost.cpu, factor)), exponential(random, scaled(cost.io, factor))
    };
}

/// So many at once; the others wait in order. Workers and the downstream are such.
class servers {
public:
    explicit servers(std::size_t n = 0)
        : n_(n) {}

    /// Whether it is served at once; else it waits.
    bool take(std::uint32_t who, instant now) {
        if (busy_ < n_) {
            ++busy_;
            return true;
        }
        queue_.push_back({who, now});
        return false;
    }
    void leave() noexcept { --busy_; }
    void resize(std::size_t n) noexcept { n_ = n; }

    struct turn {
        std::uint32_t who = 0;
        instant since{};
    };
    /// Calls `serve(turn)` for each that waits and can be served now.
    template <typename F>
    void serve(F f) {
        while (busy_ < n_ && !queue_.empty()) {
            ++busy_;
            const turn next = queue_.front();
            queue_.pop_front();
            f(next);
        }
    }
    /// How long the first has waited.
    duration oldest(instant now) const noexcept {
        return queue_.empty() ? duration::zero() : now - queue_.front().since;
    }
    bool idle() const noexcept { return busy_ == 0 && queue_.empty(); }

private:
    std::size_t n_;
    std::size_t busy_ = 0;
    std::deque<turn> queue_;
};

/// How much longer CPU work takes with that many tasks under way.
inline double
slowed_by(const machine_profile& machine, std::size_t under_way, std::size_t workers) {
    const double each =
        static_cast<double>(under_way) / static_cast<double>(std::max<std::size_t>(workers, 1));
    return 1 + machine.contention * std::clamp((each - 5) / 15, 0.0, 1.0);
}

} // namespace corogate::sim
