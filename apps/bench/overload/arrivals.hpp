#pragma once

// When saves come, and whose: decided before the run, by a seed.

#include "work.hpp"

#include <algorithm>
#include <boost/random/exponential_distribution.hpp>
#include <boost/random/mersenne_twister.hpp>
#include <boost/random/uniform_int_distribution.hpp>
#include <cstdint>
#include <tuple>
#include <vector>

namespace overload {

struct arrival {
    nanoseconds at{}; ///< the intended time, from the start of the run
    std::uint32_t tenant = 0;
    std::uint32_t tasks = 24;
    std::uint64_t draw = 0;
};

/// A Poisson stream of saves of tenants `first` to `first + tenants - 1`, drawn evenly.
struct stream {
    double per_second = 0;
    nanoseconds from{};
    nanoseconds until{};
    std::uint32_t first = 0;
    std::uint32_t tenants = 1;
    std::vector<std::uint32_t> tasks{24}; ///< drawn evenly
};

inline std::vector<arrival> schedule(const std::vector<stream>& streams, std::uint64_t seed) {
    std::vector<arrival> all;
    std::uint64_t number = 0;
    for (const stream& s : streams) {
        if (s.per_second <= 0)
            continue;
        boost::random::mt19937_64 engine(seed * 1000003 + number++);
        boost::random::exponential_distribution<double> gap(s.per_second);
        boost::random::uniform_int_distribution<std::uint32_t> tenant(
            s.first, s.first + s.tenants - 1
        );
        boost::random::uniform_int_distribution<std::size_t> size(0, s.tasks.size() - 1);
        double at = static_cast<double>(s.from.count()) / 1e9;
        const double until = static_cast<double>(s.until.count()) / 1e9;
        while ((at += gap(engine)) < until)
            all.push_back(
                {nanoseconds(static_cast<std::int64_t>(at * 1e9)), tenant(engine),
                 s.tasks[size(engine)], engine()}
            );
    }
    std::sort(all.begin(), all.end(), [](const arrival& a, const arrival& b) {
        return std::tie(a.at, a.tenant, a.draw) < std::tie(b.at, b.tenant, b.draw);
    });
    return all;
}

} // namespace overload
