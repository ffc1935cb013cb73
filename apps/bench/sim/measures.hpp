#pragma once

#include "simulation.hpp"

#include <array>
#include <corogate/errc.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace corogate::sim {

/// What is said about the jobs of a run, or of one source. Useful work is counted when it is
/// complete; everything else by the jobs sent while it was measured.
struct figures {
    double tasks_per_second = 0; ///< of jobs complete in time: useful
    double jobs_per_second = 0;
    std::uint64_t sent = 0;
    std::uint64_t in_time = 0;
    std::uint64_t late = 0;     ///< let in, and not complete at the deadline
    std::uint64_t refused = 0;  ///< at the door
    std::uint64_t given_up = 0; ///< displaced, or broken by the loss of a task
    std::array<std::uint64_t, detail::errc_count + 1> reasons{};
    /// Of what was let in and neither displaced nor broken; a late one counts as long as its
    /// deadline.
    duration p50{}, p99{}, p999{}, longest{};

    double share_in_time() const { return share(in_time); }
    double share_refused() const { return share(refused + given_up); }

private:
    double share(std::uint64_t n) const {
        return sent == 0 ? 0 : static_cast<double>(n) / static_cast<double>(sent);
    }
};

figures figures_of(const record& r, std::optional<std::uint8_t> source = {});

/// CPU time spent on jobs that were not complete in time, of all.
double waste(const record& r);

/// The value that a part q does not exceed (nearest rank); reorders.
duration quantile(std::vector<duration>& values, double q);

/// Jain's index; 1: all equal.
double jain(const std::vector<double>& x);

/// Jobs complete in time, by tenant, from `from` to `until`; divided by their weights.
std::vector<double> by_tenant(const record& r, std::size_t tenants, instant from, instant until);

/// Useful tasks of windows that start every `step` from `from` on.
std::vector<double>
useful_rates(const record& r, instant from, instant until, duration window, duration step);

/// After `since`: how long until, of what is sent within a second from then on, as much is complete
/// in time as can be: `mark` of all, or of `most` a second where more is sent. Nothing: never, in
/// what was measured. Of attempts, or of requests by their first attempt (complete by one attempt
/// or another: what clients notice).
std::optional<duration> recovery(const record& r, instant since, double mark, double most);
std::optional<duration>
recovery_of_requests(const record& r, instant since, double mark, double most);

/// Tenants that sent at least `least` jobs while it was measured and had none complete.
std::size_t starved(const record& r, std::size_t least);

} // namespace corogate::sim
