#pragma once

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <cstdlib>
#include <random>

/// The seed of a random test: `COROGATE_SEED` where it is set, else a new one. Printed, also with
/// the first failure (`BOOST_TEST_CONTEXT` is the caller's).
inline std::uint64_t test_seed() {
    const char* given = std::getenv("COROGATE_SEED");
    const std::uint64_t seed = given ? std::strtoull(given, nullptr, 10) : std::random_device()();
    BOOST_TEST_MESSAGE("COROGATE_SEED=" << seed);
    return seed;
}
