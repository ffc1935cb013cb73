#include "capacity.hpp"

#include "measures.hpp"
#include "simulation.hpp"

#include <map>
#include <sstream>
#include <string>

namespace corogate::sim {
namespace {

std::string key_of(const profile& p, std::size_t limit, std::uint64_t seed) {
    std::ostringstream key;
    const source& s = p.sources.front();
    key << p.machine.workers << ' ' << p.machine.contention << ' ' << p.machine.downstream << ' '
        << static_cast<int>(p.task.how) << ' ' << p.task.cpu.count() << ' ' << p.task.io.count()
        << ' ' << p.nested.depth << ' ' << p.nested.children << ' ' << s.deadline.count() << ' '
        << limit << ' ' << seed;
    for (const auto n : s.tasks)
        key << ' ' << n;
    return key.str();
}

capacity measure(const profile& what, std::size_t limit, std::uint64_t seed) {
    profile alone = what;
    alone.changes.clear();
    alone.sources.resize(1);
    source& all = alone.sources.front();
    all.load = 1;
    all.rate = {{}};
    all.cost = 1;
    all.after = patience::gives_up;
    alone.warm_up = 4s;
    alone.measured = 60s;
    settings how;
    how.discipline = "unbounded-fifo";
    how.limit = limit;
    how.seed = seed;

    // More than any machine does: CPU time alone says so.
    const double cpu = std::chrono::duration<double>(what.task.cpu).count();
    const double bound = what.machine.workers / cpu;
    capacity c;
    {
        profile backlog = alone;
        backlog.sources.front().deadline = 1h;
        const record r = run(backlog, 2 * bound, how);
        c.saturated = figures_of(r).tasks_per_second;
    }
    double can = 0.5 * c.saturated;
    double cannot = 1.1 * c.saturated;
    while (cannot - can > 0.002 * c.saturated) {
        const double load = (can + cannot) / 2;
        const figures f = figures_of(run(alone, load, how));
        const bool sustained = f.p99 < all.deadline &&
                               static_cast<double>(f.late) <= 0.01 * static_cast<double>(f.sent);
        (sustained ? can : cannot) = load;
        if (sustained)
            c.sustained = f.tasks_per_second;
    }
    return c;
}

} // namespace

const capacity& capacity_of(const profile& what, std::size_t limit, std::uint64_t seed) {
    static std::map<std::string, capacity> known;
    const std::string key = key_of(what, limit, seed);
    const auto there = known.find(key);
    if (there != known.end())
        return there->second;
    return known.emplace(key, measure(what, limit, seed)).first->second;
}

} // namespace corogate::sim
