#pragma once

#include "discipline.hpp"
#include "engine.hpp"
#include "profile.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace corogate::sim {

/// One attempt and its one answer, as its client sees it. The clock starts when it is sent.
struct answer {
    instant sent{};
    instant at{};
    std::uint32_t tenant = 0;
    std::uint32_t tasks = 0;
    std::uint8_t source = 0;
    std::uint8_t attempt = 1;
    /// `errc{}`: complete in time. `timed_out`: no answer by the deadline; `expired`: nor had it
    /// started. Others: refused, or given up after it had been let in.
    errc how{};
};

/// What a client wanted, with all its attempts.
struct request_end {
    instant first_sent{};
    std::uint8_t source = 0;
    bool in_time = false; ///< one of them was
};

struct limit_change {
    instant at{};
    std::size_t limit = 0;
};

/// All that is known of a run afterwards. Measures are taken from it (measures.hpp).
struct record {
    std::vector<answer> answers;
    std::vector<request_end> requests;
    std::vector<limit_change> limits;
    instant from{}; ///< of what was measured
    instant until{};
    instant end{};
    duration useful_cpu{}; ///< spent on jobs that were complete in time
    duration wasted_cpu{};
    std::uint64_t tasks = 0;  ///< that ran
    std::uint64_t events = 0; ///< all told
    std::size_t most_waiting = 0;
    /// What should never be, in sentences; at most a few.
    std::vector<std::string> violations;
    /// Of all answers in order: the same for the same profile, settings and seed.
    std::uint64_t digest = 0;
};

struct settings {
    std::string discipline = "corogate";
    /// `fixed`, or the name of a limiter.
    std::string limiter = "fixed";
    std::size_t limit = 40; ///< the fixed one
    policy_settings policy;
    /// Where tasks are offered one by one: how long after each other those of a job come.
    duration apart = std::chrono::microseconds(100);
    std::uint64_t seed = 1;
    /// Counts everything again every so many events; 0: at the end only.
    std::uint64_t check_every = 65536;
};

/// Runs a profile to its end: until everything that was sent has been answered and has ended.
/// `capacity`: tasks a second that loads are parts of. Throws std::invalid_argument for an unknown
/// name.
record run(const profile& what, double capacity, const settings& how);

} // namespace corogate::sim
