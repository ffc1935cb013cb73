#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace corogate::sim {

/// Virtual time, as the policy takes it: the simulation starts at `instant{} + an hour`, since to
/// some policy the clock's zero means "never".
using instant = std::chrono::steady_clock::time_point;
using duration = std::chrono::nanoseconds;

inline constexpr instant beginning = instant{} + std::chrono::hours(1);

/// What happens when. Events at the same time come in the order in which they were planned, so that
/// a run depends on nothing but its seed. A binary heap: O(log n), no allocation once it has grown.
template <typename Event>
class calendar {
public:
    /// Not before `now()`.
    void plan(instant at, const Event& what) {
        heap_.push_back({at, next_order_++, what});
        std::push_heap(heap_.begin(), heap_.end(), later());
    }

    bool empty() const noexcept { return heap_.empty(); }
    /// Of the event that `next` gave last.
    instant now() const noexcept { return now_; }
    std::uint64_t happened() const noexcept { return happened_; }

    /// Moves time on to the next event and takes it out; there is one.
    Event next() {
        std::pop_heap(heap_.begin(), heap_.end(), later());
        const planned first = heap_.back();
        heap_.pop_back();
        now_ = first.at;
        ++happened_;
        return first.what;
    }

private:
    struct planned {
        instant at;
        std::uint64_t order;
        Event what;
    };
    struct later {
        bool operator()(const planned& a, const planned& b) const noexcept {
            return a.at != b.at ? a.at > b.at : a.order > b.order;
        }
    };

    std::vector<planned> heap_;
    instant now_ = beginning;
    std::uint64_t next_order_ = 0;
    std::uint64_t happened_ = 0;
};

} // namespace corogate::sim
