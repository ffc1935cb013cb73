#pragma once

#include <corogate/detail/gate.hpp>
#include <corogate/detail/pool_queue.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace corogate::detail {

/// A lane's share of a pool: places of its own, a queue of its own, a limit under the pool's.
struct lane_state {
    lane_state(
        std::string label, std::size_t tasks, std::size_t extra, std::size_t places,
        std::size_t tenants
    )
        : name(std::move(label))
        , limit(tasks)
        , borrow(extra)
        , doors(static_cast<std::uint32_t>(tasks + extra + places))
        , queue(tenants) {}

    const std::string name;
    const std::size_t limit;
    const std::size_t borrow; // how far above its limit it goes while nobody else waits

    gate doors; // any thread

    // Control strand only.
    pool_queue queue;
    std::size_t used = 0;

    /// Whether one more of its tasks may run.
    bool room(bool others_wait) const noexcept {
        return used < limit || (!others_wait && used < limit + borrow);
    }
};

} // namespace corogate::detail
