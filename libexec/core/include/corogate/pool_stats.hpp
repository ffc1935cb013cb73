#pragma once

#include <cstddef>
#include <cstdint>

namespace corogate {

/// The books of a pool, as of one point in strand order. Counted in tasks since construction.
///
/// These hold in every snapshot:
///
///     submitted = refused + accepted
///     accepted  = waiting + running + completed + failed
///               + cancelled + expired + displaced + abandoned + spilled
///     permits_used = running - lent
///     permits_used <= limit, except for a while after the limit was lowered
///
/// A task that is on its way from its submitter into the queue counts as waiting.
struct pool_stats {
    std::uint64_t submitted = 0;
    std::uint64_t refused = 0;   ///< answered "no": nothing ran
    std::uint64_t accepted = 0;  ///< promised to run
    std::uint64_t completed = 0; ///< ended without an exception
    std::uint64_t failed = 0;    ///< ended with an exception
    std::uint64_t cancelled = 0; ///< by the submitter, before the start
    std::uint64_t expired = 0;   ///< deadline passed, or out of reach, before the start
    std::uint64_t displaced = 0; ///< given up for another tenant, before the start
    std::uint64_t spilled = 0;   ///< stored to run later, elsewhere
    std::uint64_t abandoned = 0; ///< given up by a drain or a stop, before the start or the end

    std::size_t waiting = 0;            ///< in the queue
    std::size_t running = 0;            ///< started and not ended, suspended ones too
    std::size_t running_peak = 0;       ///< most tasks that ever ran at once
    std::size_t reserved = 0;           ///< places of jobs whose tasks have not come yet
    std::size_t waiting_submitters = 0; ///< suspended by overflow policy `wait`
    std::size_t permits_used = 0;       ///< running and not lent
    std::size_t lent = 0;               ///< running, but waiting for other work on this pool
    std::size_t runners = 0;            ///< coroutines that exist, idle ones too
    std::size_t tenants = 0;            ///< told apart at present

    std::uint64_t jobs_admitted = 0; ///< by `try_admit` and its relatives
    std::uint64_t jobs_refused = 0;
    std::uint64_t would_refuse = 0; ///< tasks let in by `pool_options::dry_run` only

    bool paused = false;
    std::size_t limit = 0;
    std::size_t limit_proposed = 0; ///< by the limiter; the same where it decides
    bool limit_held = false;        ///< by `task_pool::resize`, against the limiter
    std::size_t queue_tasks = 0;
    double tasks_per_second = 0; ///< ended while others waited, lately; 0 where not known yet
};

} // namespace corogate
