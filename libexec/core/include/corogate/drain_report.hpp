#pragma once

#include <chrono>
#include <cstddef>

namespace corogate {

/// What `task_pool::async_drain` did. Counted in tasks.
struct drain_report {
    std::size_t finished = 0;      ///< ended while the drain lasted, well or badly
    std::size_t abandoned = 0;     ///< were waiting at the deadline; told so with `errc::abandoned`
    std::size_t still_running = 0; ///< had started and had not ended at the deadline
    std::size_t unused = 0;        ///< places of jobs whose tasks had not come at the deadline
    std::chrono::nanoseconds took{0};

    /// Whether everything admitted had ended.
    bool complete() const noexcept { return abandoned == 0 && still_running == 0 && unused == 0; }
};

} // namespace corogate
