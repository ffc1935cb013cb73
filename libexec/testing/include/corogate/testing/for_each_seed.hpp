#pragma once

#include <charconv>
#include <concepts>
#include <corogate/testing/environment.hpp>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <type_traits>

namespace corogate::testing {

/// Runs `test` with a fresh environment for each of the seeds 0 to n - 1: n schedules of the same
/// test, the first one first come first served. A test fails by an exception, or by returning
/// false; then the seed goes to standard error and the exception on to the caller
/// (std::runtime_error for a false). Checks that only note a failure do not stop it; those belong
/// in its answer, or beside `environment::seed()`.
///
/// With COROGATE_SEED=7 in the process environment only seed 7 runs, whatever n is.
template <std::invocable<environment&> Test>
void for_each_seed(std::uint64_t n, Test test);

// ---------------------------------------------------------------------------------------------

namespace detail {

inline std::optional<std::uint64_t> seed_wanted() {
    const char* const text = std::getenv("COROGATE_SEED");
    if (!text || !*text)
        return std::nullopt;
    const std::string_view all(text);
    std::uint64_t seed = 0;
    const auto [end, error] = std::from_chars(all.data(), all.data() + all.size(), seed);
    if (error != std::errc() || end != all.data() + all.size())
        throw std::invalid_argument("COROGATE_SEED is not a number");
    return seed;
}

} // namespace detail

template <std::invocable<environment&> Test>
void for_each_seed(std::uint64_t n, Test test) {
    const auto once = [&](std::uint64_t seed) {
        try {
            environment env(seed);
            if constexpr (std::is_void_v<std::invoke_result_t<Test&, environment&>>)
                test(env);
            else if (!test(env))
                throw std::runtime_error("corogate::testing: the test answered false");
        } catch (...) {
            std::cerr << "failed with seed " << seed << "; COROGATE_SEED=" << seed
                      << " runs it alone\n";
            throw;
        }
    };
    if (const auto only = detail::seed_wanted())
        return once(*only);
    for (std::uint64_t seed = 0; seed < n; ++seed)
        once(seed);
}

} // namespace corogate::testing
