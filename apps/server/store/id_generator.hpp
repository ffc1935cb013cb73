#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

namespace server {

/// Makes ids of 128 random bits: `f-` or `j-` and 32 hexadecimal digits. Ids of several servers or
/// of an old file never meet, and nobody guesses one.
///
/// Thread safety: shared objects are safe.
class id_generator {
public:
    /// Bits come from the system's random device.
    id_generator();
    /// Bits come from `source`, 64 at a call; one call at a time. For tests.
    explicit id_generator(std::function<std::uint64_t()> source);

    std::string form_id() { return next("f-"); }
    std::string job_id() { return next("j-"); }

private:
    std::string next(const char* prefix);

    std::mutex mutex_;
    std::function<std::uint64_t()> source_;
};

} // namespace server
