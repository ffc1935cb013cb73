#pragma once

#include <corogate/detail/adaptive_stride.hpp>
#include <corogate/histogram.hpp>
#include <cstdint>

namespace corogate::detail {

/// The histograms of a pool and which tasks go into them.
struct pool_timings_state {
    histogram queue_wait;
    histogram scheduling_delay;
    histogram service_time;
    histogram good_service_time; // of tasks that did not fail, where a limiter learns from them

    /// Who decides for the calling thread, whichever pool it submits to.
    static adaptive_stride& sampler() noexcept {
        static thread_local adaptive_stride own(
            static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(&own) >> 4)
        );
        return own;
    }
};

} // namespace corogate::detail
