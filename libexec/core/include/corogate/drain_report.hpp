#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace corogate {

/// What a drain left of one job; of all tasks without a job record together, as job 0.
struct abandoned_job {
    std::uint64_t job = 0;
    std::string tenant;
    std::string name;
    std::size_t waiting = 0; ///< tasks that were told `errc::abandoned`
    std::size_t running = 0; ///< tasks that had not ended
};

/// What `task_pool::async_drain` did. Counted in tasks.
struct drain_report {
    std::size_t finished = 0;      ///< ended while the drain lasted, well or badly
    std::size_t abandoned = 0;     ///< were waiting at the deadline; told so with `errc::abandoned`
    std::size_t still_running = 0; ///< had started and had not ended at the deadline
    std::size_t unused = 0;        ///< places of jobs whose tasks had not come at the deadline
    std::chrono::nanoseconds took{0};
    /// Which jobs `abandoned` and `still_running` are of; at most 1000 are named.
    std::vector<abandoned_job> jobs;

    /// Whether everything admitted had ended.
    bool complete() const noexcept { return abandoned == 0 && still_running == 0 && unused == 0; }
};

} // namespace corogate
