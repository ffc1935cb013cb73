#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace corogate {

/// Who has work in a pool and what runs there, as of one point in strand order. Copies, bounded in
/// number by who asks.
struct pool_activity {
    /// A tenant with tasks that wait or run.
    struct tenant {
        std::string name; ///< empty for work without a tenant
        std::size_t waiting = 0;
        std::size_t running = 0; ///< suspended ones and children too
    };
    /// A task that has started and not ended.
    struct task {
        std::uint64_t job = 0; ///< number of its job; 0 for a job of one without options
        std::string tenant;
        std::string name;
        /// Exact where the task was timed (all are, unless there are very many); else since it was
        /// first seen by the watchdog or by a look like this, which is less.
        std::chrono::nanoseconds age{0};
        bool stuck = false; ///< for longer than `pool_options::stuck_after`
        bool lent = false;  ///< waits for work on this pool and has lent its permit meanwhile
    };

    /// How long the task has waited that waits longest, of those that were timed. Absent where none
    /// waits, or where none that was timed is near the front.
    std::optional<std::chrono::nanoseconds> oldest_waiting;
    std::vector<tenant> tenants; ///< most tasks first
    std::size_t tenants_in_all = 0;
    std::vector<task> running; ///< oldest first
};

} // namespace corogate
