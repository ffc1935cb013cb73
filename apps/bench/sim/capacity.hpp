#pragma once

#include "profile.hpp"

#include <cstddef>
#include <cstdint>

namespace corogate::sim {

/// What a machine can do with such work: a queue without bounds before a fixed limit, nothing
/// refused, one source. In tasks a second.
struct capacity {
    /// What comes out, complete and in time, at the highest load found by bisection at which 99 in
    /// 100 jobs are in time. (The load itself is random: what was asked for is not what was sent.)
    double sustained = 0;
    /// The pace where there is always work: no policy can do more.
    double saturated = 0;
};

/// Measured once in a process for each profile, limit and seed. Takes the machine, the task cost,
/// nesting, and of the first source sizes and deadline.
const capacity& capacity_of(const profile& what, std::size_t limit, std::uint64_t seed);

} // namespace corogate::sim
