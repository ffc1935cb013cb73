#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <corogate/detail/adaptive_stride.hpp>
#include <corogate/histogram.hpp>
#include <cstdint>

namespace corogate::detail {

/// The histograms of a pool and which tasks go into them.
struct pool_timings_state {
    histogram queue_wait;
    histogram scheduling_delay;
    histogram service_time;
    std::atomic<double> tasks_per_second{0};

    /// For how many tasks the caller's next one stands in the sample; 0: it is not measured. Any
    /// thread.
    std::uint16_t take() const noexcept {
        static thread_local adaptive_stride sampler(
            static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(&sampler) >> 4)
        );
        sampler.pace(tasks_per_second.load(std::memory_order_relaxed));
        return sampler.next() ? static_cast<std::uint16_t>(sampler.weight()) : std::uint16_t{0};
    }
};

} // namespace corogate::detail
