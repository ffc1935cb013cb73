#include "experiments.hpp"

#include "machine.hpp"
#include "measures.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <sstream>
#include <stdexcept>

namespace corogate::sim {
namespace {

double ms(duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

std::string times(double load) {
    std::ostringstream text;
    text << load << " x";
    return text.str();
}

template <typename F>
double mean(const std::vector<record>& runs, F of) {
    double sum = 0;
    for (const record& r : runs)
        sum += of(r);
    return sum / static_cast<double>(runs.size());
}

double mean_of(const std::vector<double>& x) {
    double sum = 0;
    for (const double v : x)
        sum += v;
    return x.empty() ? 0 : sum / static_cast<double>(x.size());
}

// ---- measures beside those that every row has ----

/// Of one source by its number.
measure of_source(std::uint8_t source, const std::string& name) {
    return [=](const trial& t, row& into) {
        std::uint64_t sent = 0;
        std::uint64_t in_time = 0;
        double p50 = 0;
        double p99 = 0;
        for (const record& r : t.runs) {
            const figures f = figures_of(r, source);
            sent += f.sent;
            in_time += f.in_time;
            p50 += ms(f.p50);
            p99 += ms(f.p99);
        }
        const auto n = static_cast<double>(t.runs.size());
        const double all = std::max<double>(static_cast<double>(sent), 1);
        into.metrics.push_back({name + " sent", static_cast<double>(sent)});
        into.metrics.push_back({name + " in time", static_cast<double>(in_time) / all});
        into.metrics.push_back({name + " p50", p50 / n});
        into.metrics.push_back({name + " p99", p99 / n});
    };
}

measure all_of(std::vector<measure> each) {
    return [each](const trial& t, row& into) {
        for (const auto& m : each)
            m(t, into);
    };
}

/// The same machine after a change.
profile changed(const profile& what, const std::vector<change>& by) {
    profile p = what;
    for (const change& c : by)
        switch (c.what) {
        case change::of::workers:
            p.machine.workers = static_cast<std::uint32_t>(c.value);
            break;
        case change::of::cpu_cost:
            p.task.cpu = scaled(what.task.cpu, c.value);
            break;
        case change::of::io_cost:
            p.task.io = scaled(what.task.io, c.value);
            break;
        case change::of::downstream:
            p.machine.downstream = static_cast<std::uint32_t>(c.value);
            break;
        }
    return p;
}

/// The mean of all seeds' useful rates, in windows of a second that start every 50 ms.
std::vector<double> mean_rates(const trial& t, instant from, instant until) {
    std::vector<double> sum;
    for (const record& r : t.runs) {
        const auto rates = useful_rates(r, from, until, 1s, 50ms);
        sum.resize(rates.size());
        for (std::size_t i = 0; i < rates.size(); ++i)
            sum[i] += rates[i] / static_cast<double>(t.runs.size());
    }
    return sum;
}

/// How long after `from` until no window is under `mark` any more, before `until`; in ms.
double settles(const trial& t, instant from, instant until, double mark) {
    const auto rates = mean_rates(t, from, until);
    std::size_t last_under = 0;
    for (std::size_t i = 0; i < rates.size(); ++i)
        if (rates[i] < mark)
            last_under = i + 1;
    return last_under == rates.size() ? -1 : static_cast<double>(last_under) * 50;
}

/// After each change: goodput, as a part of what the changed machine can do, and how long until it
/// stays at 0.95 of that. -1: not before the next change.
void after_changes(const trial& t, row& into) {
    std::vector<change> so_far;
    const auto& changes = t.what.changes;
    for (std::size_t i = 0; i < changes.size(); ++i) {
        so_far.push_back(changes[i]);
        const instant from = beginning + changes[i].at;
        const instant until =
            i + 1 < changes.size() ? beginning + changes[i + 1].at : t.runs.front().until;
        const double can = capacity_of(changed(t.what, so_far), t.how.limit, 1).sustained;
        const std::string n = std::to_string(i + 1);
        into.metrics.push_back(
            {"change " + n + " goodput", mean_of(mean_rates(t, from + 1s, until)) / can}
        );
        into.metrics.push_back({"change " + n + " back ms", settles(t, from, until, 0.95 * can)});
        std::vector<double> limits;
        for (const record& r : t.runs) {
            std::size_t last = 0;
            for (const auto& l : r.limits)
                if (l.at < until)
                    last = l.limit;
            limits.push_back(static_cast<double>(last));
        }
        into.metrics.push_back({"change " + n + " limit", mean_of(limits)});
    }
}

/// After a load step: until the goodput stays at 0.95 of what is sent, or can be done.
measure after_load_step(duration at, double load) {
    return [=](const trial& t, row& into) {
        const instant from = beginning + at;
        into.metrics.push_back(
            {"back ms",
             settles(t, from, t.runs.front().until, 0.95 * std::min(load, 1.0) * t.can.sustained)}
        );
    };
}

/// After a pulse, over all seeds: the longest recovery, and how often there was none; of all
/// attempts, and of what clients notice.
measure after_pulse(duration end) {
    return [=](const trial& t, row& into) {
        const double mean_tasks = t.what.sources.front().tasks.front();
        const auto over_all = [&](const std::string& name, auto recovers) {
            double longest = 0;
            double sum = 0;
            double never = 0;
            for (const record& r : t.runs) {
                const std::optional<duration> after =
                    recovers(r, beginning + end, 0.95, t.can.sustained / mean_tasks);
                if (!after) {
                    ++never;
                    continue;
                }
                longest = std::max(longest, ms(*after));
                sum += ms(*after);
            }
            const double recovered = static_cast<double>(t.runs.size()) - never;
            into.metrics.push_back({name + " mean ms", recovered > 0 ? sum / recovered : -1});
            into.metrics.push_back({name + " longest ms", recovered > 0 ? longest : -1});
            into.metrics.push_back({name + " never", never / static_cast<double>(t.runs.size())});
        };
        over_all("recovery", recovery);
        over_all("requests", recovery_of_requests);
    };
}

/// Jain's index over windows that long, and the greatest error of a tenant's share over the run.
measure fairness(std::vector<std::uint32_t> weights, duration window) {
    return [=](const trial& t, row& into) {
        double least = 1;
        double sum = 0;
        double n = 0;
        double fewest = 1e9;
        double error = 0;
        const auto weighed = [&](const record& r, instant from, instant until) {
            auto x = by_tenant(r, weights.size(), from, until);
            for (std::size_t i = 0; i < x.size(); ++i) {
                fewest = std::min(fewest, x[i]);
                x[i] /= weights[i];
            }
            return x;
        };
        for (const record& r : t.runs) {
            for (instant from = r.from; from + window <= r.until; from += window) {
                const double j = jain(weighed(r, from, from + window));
                least = std::min(least, j);
                sum += j;
                ++n;
            }
            const double fewest_in_window = fewest;
            const auto x = weighed(r, r.from, r.until);
            fewest = fewest_in_window;
            const double fair = mean_of(x);
            for (const double v : x)
                error = std::max(error, fair > 0 ? std::abs(v / fair - 1) : 1);
        }
        into.metrics.push_back({"jain least", least});
        into.metrics.push_back({"jain mean", sum / std::max(n, 1.0)});
        into.metrics.push_back({"fewest jobs in a window", fewest});
        into.metrics.push_back({"weights error", error});
    };
}

/// In time, by the number of tasks.
void by_size(const trial& t, row& into) {
    for (const auto tasks : t.what.sources.front().tasks) {
        std::uint64_t sent = 0;
        std::uint64_t in_time = 0;
        for (const record& r : t.runs)
            for (const answer& a : r.answers)
                if (a.tasks == tasks && a.sent >= r.from && a.sent < r.until) {
                    ++sent;
                    in_time += a.how == errc{} ? 1U : 0U;
                }
        into.metrics.push_back(
            {"jobs of " + std::to_string(tasks) + " in time",
             static_cast<double>(in_time) / std::max<double>(static_cast<double>(sent), 1)}
        );
    }
}

// ---- the profiles ----

profile base(const std::string& name, double load) {
    profile p;
    p.name = name;
    p.sources.front().load = load;
    return p;
}

experiment ramp() {
    experiment x{"ramp", "X1: from half to twenty times what can be done", {}};
    for (const double load : {0.5, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0})
        x.variants.push_back({times(load), base("ramp", load), {}});
    return x;
}

experiment spike() {
    experiment x{"spike", "X2: load steps, and a pulse", {}};
    const auto with = [&](const std::string& name, std::vector<rate_step> rate, measure also) {
        profile p = base("spike", 1);
        p.sources.front().rate = std::move(rate);
        x.variants.push_back({name, p, std::move(also)});
    };
    with("0.5 to 1.4 x", {{0s, 0.5}, {10s, 1.4}}, after_load_step(10s, 1.4));
    with("0.8 x, 4 x for 4 s", {{0s, 0.8}, {10s, 4}, {14s, 0.8}}, after_pulse(14s));
    with("0.5 to 10 x", {{0s, 0.5}, {10s, 10}}, after_load_step(10s, 10));
    return x;
}

experiment capacity_steps() {
    experiment x{"capacity", "X3: half the workers, twice the CPU cost, and back, at 2 x", {}};
    const auto with = [&](const std::string& name, change::of what, double to, double back) {
        profile p = base("capacity", 2);
        p.changes = {{10s, what, to}, {17s, what, back}};
        x.variants.push_back({name, p, after_changes});
    };
    with("workers 8, 4, 8", change::of::workers, 4, 8);
    with("CPU cost x 1, 2, 1", change::of::cpu_cost, 2, 1);
    return x;
}

experiment downstream_steps() {
    experiment x{"downstream", "X4: a downstream with a limit of its own, at 2 x", {}};
    const auto with = [&](const std::string& name, change::of what, double to, double back) {
        profile p = base("downstream", 2);
        p.machine.downstream = 64;
        p.changes = {{10s, what, to}, {17s, what, back}};
        x.variants.push_back({name, p, after_changes});
    };
    with("64, 12, 64", change::of::downstream, 12, 64);
    with("64, 3, 64", change::of::downstream, 3, 64);
    with("latency x 1, 4, 1", change::of::io_cost, 4, 1);
    return x;
}

experiment neighbour() {
    experiment x{"neighbour", "X5: 200 tenants at 0.6 x in all, and one more", {}};
    const auto with = [&](const std::string& name, double load, double cost, duration measured) {
        profile p = base("neighbour", 0.6);
        p.sources.front().name = "victims";
        p.measured = measured;
        source noisy;
        noisy.name = "noisy";
        noisy.first_tenant = 200;
        noisy.tenants = 1;
        noisy.load = load;
        noisy.cost = cost;
        p.sources.push_back(noisy);
        x.variants.push_back({name, p, all_of({of_source(0, "victims"), of_source(1, "noisy")})});
    };
    with("alone", 0, 1, 60s);
    with("one at 2 x", 2, 1, 60s);
    with("one at 10 x", 10, 1, 60s);
    with("one at 50 x", 50, 1, 60s);
    with("one with tasks 10 x dearer, 0.2 x jobs", 0.2, 10, 60s);
    return x;
}

experiment fair() {
    experiment x{"fair", "eight tenants, each with more than its share, 4 x in all", {}};
    const auto with = [&](const std::string& name, const std::vector<std::uint32_t>& weights,
                          const std::vector<double>& loads) {
        profile p = base("fair", 1);
        p.sources.clear();
        for (std::uint32_t i = 0; i < weights.size(); ++i) {
            source s;
            s.name = "tenant " + std::to_string(i);
            s.first_tenant = i;
            s.tenants = 1;
            s.weight = weights[i];
            s.load = loads[i];
            p.sources.push_back(s);
        }
        p.measured = 60s;
        x.variants.push_back({name, p, fairness(weights, 2s)});
    };
    with("equal", std::vector<std::uint32_t>(8, 1), std::vector<double>(8, 0.5));
    with(
        "equal, demands 1 to 8", std::vector<std::uint32_t>(8, 1),
        {0.3, 0.4, 0.6, 0.8, 1.0, 1.4, 1.8, 2.4}
    );
    with("weights 1, 1, 1, 1, 2, 2, 4, 4", {1, 1, 1, 1, 2, 2, 4, 4}, std::vector<double>(8, 1.0));
    return x;
}

experiment composite() {
    experiment x{"composite", "X6: jobs of 1, 24 and 100 tasks", {}};
    for (const double load : {0.8, 2.0, 10.0}) {
        profile p = base("composite", load);
        p.sources.front().tasks = {1, 24, 100};
        x.variants.push_back({times(load), p, by_size});
    }
    return x;
}

experiment mixes() {
    experiment x{"mixes", "X7: how the work is spread", {}};
    const auto with = [&](const std::string& name, spread how, duration deadline) {
        for (const double load : {0.5, 0.8, 2.0, 10.0}) {
            profile p = base("mixes", load);
            p.task.how = how;
            p.sources.front().deadline = deadline;
            x.variants.push_back({name + ", " + times(load), p, {}});
        }
    };
    with("exponential", spread::exponential, 1s);
    with("fixed", spread::fixed, 1s);
    with("5 % 11 x heavier", spread::bimodal, 1s);
    with("lognormal", spread::lognormal, 1s);
    with("one in 1000 of 2 s", spread::rare_long, 8s);
    return x;
}

profile pulse(patience after) {
    profile p = base("metastability", 1);
    p.sources.front().rate = {{0s, 0.8}, {6s, 4}, {10s, 0.8}};
    p.sources.front().after = after;
    p.warm_up = 2s;
    p.measured = 14s;
    return p;
}

experiment metastability() {
    return {
        "metastability",
        "X8: 0.8 x, 4 x for 4 s; clients that time out or are refused come three times again",
        {{"retry at once", pulse(patience::retries), after_pulse(10s)},
         {"heed the hint", pulse(patience::heeds_hints), after_pulse(10s)}}
    };
}

experiment classes() {
    experiment x{"classes", "X9: a study is checked again during interactive saves at 0.6 x", {}};
    const auto with = [&](const std::string& name, double load) {
        profile p = base("classes", 0.6);
        p.sources.front().name = "saves";
        p.sources.front().priority = priority_class::interactive;
        p.measured = 60s;
        source study;
        study.name = "study";
        study.first_tenant = 200;
        study.tenants = 1;
        study.load = load;
        study.tasks = {100};
        study.priority = priority_class::background;
        study.deadline = 60s;
        p.sources.push_back(study);
        x.variants.push_back({name, p, all_of({of_source(0, "saves"), of_source(1, "study")})});
    };
    with("saves alone", 0);
    with("re-check at 1 x", 1);
    with("re-check at 5 x", 5);
    return x;
}

experiment cold_start() {
    profile p = base("cold", 2);
    p.warm_up = 0s;
    p.measured = 6s;
    return {"cold", "X10: started into 2 x", {{"2 x", p, after_load_step(0s, 2)}}};
}

experiment nested() {
    experiment x{
        "nested", "X14: tasks that wait for two others each, two deep, limit = workers", {}
    };
    for (const double load : {0.8, 2.0, 10.0}) {
        profile p = base("nested", load);
        p.nested = {2, 2};
        p.sources.front().tasks = {4};
        x.variants.push_back({times(load), p, {}});
    }
    return x;
}

} // namespace

double row::at(std::string_view name) const {
    for (const metric& m : metrics)
        if (m.name == name)
            return m.value;
    throw std::out_of_range("there is no metric " + std::string(name));
}

const std::vector<experiment>& experiments() {
    static const std::vector<experiment> all{
        ramp(),      spike(), capacity_steps(), downstream_steps(), neighbour(),  fair(),
        composite(), mixes(), metastability(),  classes(),          cold_start(), nested()
    };
    return all;
}

row run(
    const experiment& of, const variant& which, const contender& who, std::uint64_t first,
    std::uint64_t seeds
) {
    settings how = who.how;
    if (which.what.nested.depth > 0)
        how.limit = which.what.machine.workers;
    row out{of.name, which.name, who.name, capacity_of(which.what, how.limit, 1), {}, {}};
    std::vector<record> runs;
    for (std::uint64_t i = 0; i < seeds; ++i) {
        how.seed = first + i;
        runs.push_back(run(which.what, out.measured.sustained, how));
        for (const auto& v : runs.back().violations)
            out.violations.push_back("seed " + std::to_string(how.seed) + ": " + v);
    }

    figures sum;
    double p50 = 0;
    double p99 = 0;
    double p999 = 0;
    for (const record& r : runs) {
        const figures f = figures_of(r);
        sum.sent += f.sent;
        sum.in_time += f.in_time;
        sum.late += f.late;
        sum.refused += f.refused;
        sum.given_up += f.given_up;
        for (std::size_t i = 0; i < sum.reasons.size(); ++i)
            sum.reasons[i] += f.reasons[i];
        sum.tasks_per_second += f.tasks_per_second / static_cast<double>(runs.size());
        p50 += ms(f.p50) / static_cast<double>(runs.size());
        p99 += ms(f.p99) / static_cast<double>(runs.size());
        p999 += ms(f.p999) / static_cast<double>(runs.size());
        sum.longest = std::max(sum.longest, f.longest);
    }
    const double sent = std::max<double>(static_cast<double>(sum.sent), 1);
    out.metrics = {
        {"goodput", sum.tasks_per_second / out.measured.sustained},
        {"sent", static_cast<double>(sum.sent)},
        {"in time", sum.share_in_time()},
        {"late", static_cast<double>(sum.late) / sent},
        {"refused", sum.share_refused()},
        {"p50", p50},
        {"p99", p99},
        {"p99.9", p999},
        {"longest", ms(sum.longest)},
        {"waste", mean(runs, [](const record& r) { return waste(r); })},
        {"limit",
         mean(runs, [](const record& r) { return static_cast<double>(r.limits.back().limit); })},
        {"starved", mean(runs, [](const record& r) { return static_cast<double>(starved(r, 20)); })}
    };
    for (std::size_t i = 1; i < sum.reasons.size(); ++i)
        if (sum.reasons[i] > 0)
            out.metrics.push_back(
                {reason_name(static_cast<errc>(i)), static_cast<double>(sum.reasons[i]) / sent}
            );
    if (which.also)
        which.also({which.what, how, out.measured, runs}, out);
    return out;
}

profile shortened(const profile& what) {
    constexpr int by = 8;
    profile p = what;
    p.warm_up /= by;
    p.measured = std::min<duration>(what.measured / by, 2500ms);
    for (change& c : p.changes)
        c.at /= by;
    for (source& s : p.sources)
        for (rate_step& r : s.rate)
            r.from /= by;
    return p;
}

} // namespace corogate::sim
