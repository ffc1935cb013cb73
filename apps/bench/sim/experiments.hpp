#pragma once

#include "capacity.hpp"
#include "profile.hpp"
#include "simulation.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace corogate::sim {

/// What is compared: a discipline with a limiter.
struct contender {
    std::string name;
    settings how;
};

/// One number of one row. Times in ms, shares and ratios as parts of 1.
struct metric {
    std::string name;
    double value = 0;
};

/// What came of one profile with one contender, over all seeds.
struct row {
    std::string experiment;
    std::string variant;
    std::string contender;
    capacity measured;
    std::vector<metric> metrics;
    std::vector<std::string> violations;
    double at(std::string_view name) const;
};

/// The runs that a row is made of: one a seed, in order.
struct trial {
    const profile& what;
    const settings& how;
    const capacity& can;
    const std::vector<record>& runs;
};

/// Measures taken beside those that every row has.
using measure = std::function<void(const trial&, row&)>;

struct variant {
    std::string name;
    profile what;
    measure also;
};

/// A question, its profiles, and what is measured.
struct experiment {
    std::string name;
    std::string about;
    std::vector<variant> variants;
};

/// X1 to X10 and X14 of the reference, and fairness. In order.
const std::vector<experiment>& experiments();

/// Runs one variant with one contender for seeds `first` to `first + seeds - 1`.
row run(
    const experiment& of, const variant& which, const contender& who, std::uint64_t first,
    std::uint64_t seeds
);

/// The same profile, much shorter: for tests of invariants.
profile shortened(const profile& what);

} // namespace corogate::sim
