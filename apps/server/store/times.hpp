#pragma once

#include "store/records.hpp"

#include <chrono>
#include <cstdint>

namespace server::sql {

/// Times in the file: microseconds since 1970.
inline std::int64_t to_micros(timestamp time) {
    return std::chrono::floor<std::chrono::microseconds>(time).time_since_epoch().count();
}

inline timestamp from_micros(std::int64_t micros) {
    return timestamp(
        std::chrono::duration_cast<timestamp::duration>(std::chrono::microseconds(micros))
    );
}

} // namespace server::sql
