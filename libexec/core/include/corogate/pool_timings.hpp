#pragma once

#include <corogate/histogram.hpp>

namespace corogate {

/// How long the tasks of a pool waited and ran, as distributions. Of many tasks a sample is
/// measured, each of which counts for all it stands for.
struct pool_timings {
    histogram_snapshot queue_wait;       ///< from admission to start
    histogram_snapshot scheduling_delay; ///< of a runner that is ready, until it gets a thread
    histogram_snapshot service_time;     ///< from start to end, suspensions included
};

} // namespace corogate
