#pragma once

#include <chrono>
#include <corogate/priority_class.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace corogate::sim {

using namespace std::chrono_literals;

/// What a run is about, as data: a machine, what happens to it, and who sends what.

/// How the work of tasks is spread. The factor that both CPU and I/O time of a task are multiplied
/// with; its mean is 1 but where said.
enum class spread : std::uint8_t {
    exponential, ///< CPU and I/O each for itself
    fixed,
    bimodal,   ///< 1, but for 5 in 100: 11 (mean 1.5)
    lognormal, ///< sigma 2, cut off at 60
    rare_long, ///< exponential, but for one in 1000 that takes 2 s in all
};

/// CPU/2, I/O, CPU/2, under one permit from start to end.
struct task_cost {
    spread how = spread::exponential;
    std::chrono::nanoseconds cpu = 2ms;
    std::chrono::nanoseconds io = 6ms;
};

/// Children that a task waits for between its two halves of CPU, instead of I/O.
struct nesting {
    std::uint32_t depth = 0;
    std::uint32_t children = 0;
};

struct machine_profile {
    std::uint32_t workers = 8;
    /// CPU work takes up to this much longer where many tasks are under way at once: nothing up to
    /// 5 a worker, all of it from 20 a worker on, in between linearly.
    double contention = 0.5;
    /// What the I/O goes to serves this many at once, the others wait there in order; 0: any
    /// number.
    std::uint32_t downstream = 0;
};

struct change {
    std::chrono::nanoseconds at{};
    enum class of : std::uint8_t { workers, cpu_cost, io_cost, downstream } what = of::cpu_cost;
    double value = 1;
};

/// What clients do that are refused or get no answer in time.
enum class patience : std::uint8_t {
    gives_up,    ///< nothing
    retries,     ///< three times, 50 to 150 ms after a refusal, at once after a timeout
    heeds_hints, ///< three times, but after a refusal not before the time it was told
};

/// Of a rate that holds from a time on.
struct rate_step {
    std::chrono::nanoseconds from{};
    double factor = 1;
};

/// Who sends jobs: independently of each other and of what comes back (Poisson, open loop).
struct source {
    std::string name = "all";
    /// Jobs a second, all tenants together, in parts of the capacity measured beforehand.
    double load = 1;
    std::vector<rate_step> rate{{}};
    /// Each job is of one of these, all equally often.
    std::uint32_t first_tenant = 0;
    std::uint32_t tenants = 200;
    std::uint32_t weight = 1;
    /// Each job has one of these numbers of tasks, all equally often.
    std::vector<std::uint32_t> tasks{24};
    double cost = 1; ///< of its tasks, factor
    priority_class priority = priority_class::normal;
    std::chrono::nanoseconds deadline = 1s;
    patience after = patience::gives_up;
};

struct profile {
    std::string name;
    machine_profile machine;
    task_cost task;
    nesting nested;
    std::vector<change> changes;
    std::vector<source> sources{{}};
    std::chrono::nanoseconds warm_up = 4s;
    /// From the end of the warm-up on; then nobody sends, and the run ends with its last event.
    std::chrono::nanoseconds measured = 20s;
};

} // namespace corogate::sim
