#include "pool_experiments.hpp"

#include "pool_run.hpp"

#include <thread>

namespace overload {

namespace {

double seconds(nanoseconds t) { return std::chrono::duration<double>(t).count(); }

double capacity_of(const settings& s, const shape& work) {
    return saturated_tasks(work, s.smoke ? nanoseconds(200ms) : nanoseconds(3s)) /
           static_cast<double>(work.tasks);
}

std::vector<std::uint32_t> sizes_of(const shape& work) {
    return {static_cast<std::uint32_t>(work.tasks)};
}

const std::vector<std::string> all_contestants{"corogate", "plain_pool", "threads", "per_task"};
const std::vector<std::string> alternatives{"plain_pool", "threads", "per_task"};

/// One row: a steady load of so many tenants for a while, after a second to get going.
figures steady_row(
    report& to, const settings& s, const shape& work, const std::string& who, double load,
    double capacity, nanoseconds time
) {
    pool_run run(who, work, clients(), s.seed);
    const nanoseconds from = s.warm();
    stream all;
    all.per_second = load * capacity;
    all.until = from + time;
    all.tenants = s.tenants;
    all.tasks = sizes_of(work);
    run.go(schedule({all}, s.seed), from, from + time);
    run.check(to);
    const figures f = run.of();
    to.row("", who, load, capacity, f, run.shares());
    return f;
}

// ---- ramp: from half of what can be done to twenty times as much ----

void ramp(const settings& s) {
    report to(s, s.work);
    const double c = capacity_of(s, s.work);
    to.capacity("capacity", c);
    const auto time = s.time(5, 30);
    const std::vector<double> loads = s.smoke ? std::vector<double>{0.5, 10}
                                              : std::vector<double>{0.5, 0.8, 1, 1.2, 2, 5, 10, 20};
    double unloaded_p99 = 0;
    for (const double load : loads) {
        const figures f = steady_row(to, s, s.work, "corogate", load, c, time);
        const double refused = static_cast<double>(f.all_refused()) /
                               static_cast<double>(std::max<std::size_t>(1, f.offered));
        if (load == 0.5) {
            unloaded_p99 = f.p99;
            to.mark("refused at 0.5 x", refused, refused == 0, "0");
        } else if (load == 0.8) {
            to.mark("refused at 0.8 x", refused, refused < 0.01, "< 0.01");
        } else if (load == 2 || load == 10 || load == 20) {
            const double least = load == 2 ? 0.95 : load == 10 ? 0.90 : 0.85;
            const double came = f.goodput() / c;
            char wanted[32];
            std::snprintf(wanted, sizeof wanted, ">= %.2f", least);
            to.mark(
                "useful goodput at " + std::to_string(static_cast<int>(load)) + " x", came,
                came >= least, wanted
            );
            if (load == 10 && unloaded_p99 > 0)
                to.mark("p99 at 10 x over p99 at 0.5 x", f.p99 / unloaded_p99, true, "reported");
        }
    }
    for (const auto& who : alternatives)
        for (const double load : {2.0, 10.0})
            if (!s.smoke || load < 10)
                steady_row(to, s, s.work, who, load, c, time);
    to.capacity("capacity_after", capacity_of(s, s.work));
    to.write();
}

// ---- capacity, once more, by bisection ----

/// The highest rate at which, with this contestant, everything ended in time and nothing was
/// refused.
double bisected(const settings& s, const std::string& who, double most, report& to) {
    double low = 0.4 * most;
    double high = 1.1 * most;
    const auto time = s.time(5, 20);
    for (int step = 0; step < (s.smoke ? 1 : 6); ++step) {
        const double rate = (low + high) / 2;
        pool_run run(who, s.work, clients(), s.seed + static_cast<std::uint64_t>(step));
        stream all;
        all.per_second = rate;
        all.until = s.warm() + time;
        all.tenants = s.tenants;
        all.tasks = sizes_of(s.work);
        run.go(
            schedule({all}, s.seed + static_cast<std::uint64_t>(step)), s.warm(), s.warm() + time
        );
        run.check(to);
        const figures f = run.of();
        to.row("bisection", who, rate / most, most, f, run.shares());
        (f.in_time == f.offered ? low : high) = rate;
    }
    return low;
}

void capacity(const settings& s) {
    report to(s, s.work);
    const double c = capacity_of(s, s.work);
    to.capacity("capacity", c);
    to.capacity("bisected_corogate", bisected(s, "corogate", c, to));
    to.capacity("bisected_threads", bisected(s, "threads", c, to));
    to.write();
}

// ---- noisy neighbour ----

/// Victims are tenants 1 and up, the flood is tenant 0.
void noisy_neighbour(const settings& s) {
    report to(s, s.work);
    const double c = capacity_of(s, s.work);
    to.capacity("capacity", c);
    constexpr std::size_t many = 10000; // saves behind a 99.9 %
    const auto enough = nanoseconds(static_cast<std::int64_t>(1.02e9 * many / (0.6 * c)));
    const auto time = s.at_length ? std::max(enough, s.time(15)) : s.time(15);
    const auto one = [&](const std::string& who, double noise, std::uint32_t victims,
                         nanoseconds length, double alone) {
        pool_run run(who, s.work, clients(), s.seed);
        const nanoseconds until = s.warm() + length;
        stream quiet{0.6 * c, {}, until, 1, victims, sizes_of(s.work)};
        stream loud{noise * c, {}, until, 0, 1, sizes_of(s.work)};
        run.go(schedule({quiet, loud}, s.seed), s.warm(), until);
        run.check(to);
        const figures f = run.of([](const record& r) { return r.tenant > 0; });
        const figures loudly = run.of([](const record& r) { return r.tenant == 0; });
        json::object more;
        more["victims"] = victims;
        more["noise"] = to_json(loudly);
        more["inflation"] = alone > 0 ? rounded(f.p99 / alone) : 1;
        char what[48];
        std::snprintf(what, sizeof what, "%u victims, noise %g", victims, noise);
        to.row(what, who, 0.6, c, f, run.shares(), std::move(more));
        if (who == "corogate" && noise > 0) {
            to.mark(
                std::string(what) + ": victims in time, of " + std::to_string(f.offered),
                f.success(), f.success() >= 0.995, ">= 0.995"
            );
            to.mark(
                std::string(what) + ": p99 over alone", f.p99 / alone, f.p99 <= 1.5 * alone,
                "<= 1.5"
            );
        }
        return f.p99;
    };
    const std::vector<std::uint32_t> crowds = s.smoke || s.at_length
                                                  ? std::vector<std::uint32_t>{50}
                                                  : std::vector<std::uint32_t>{8, 200};
    for (const std::uint32_t victims : crowds) {
        const double alone = one("corogate", 0, victims, time, 0);
        one("corogate", 10, victims, time, alone);
        one("corogate", 50, victims, time, alone);
    }
    for (const auto& who : alternatives)
        one(who, 10, crowds.back(), std::min<nanoseconds>(time, 5s), 0);
    to.write();
}

// ---- fairness ----

/// Of each tenant: saves that ended in time, in consecutive windows.
std::vector<std::vector<double>> by_window(
    const pool_run& run, std::size_t tenants, nanoseconds from, nanoseconds window, std::size_t n
) {
    std::vector<std::vector<double>> all(n, std::vector<double>(tenants));
    for (const record& r : run.records()) {
        if (!r.in_time() || r.ended < from || r.tenant >= tenants)
            continue;
        const auto w = static_cast<std::size_t>((r.ended - from) / window);
        if (w < n)
            ++all[w][r.tenant];
    }
    return all;
}

void fairness(const settings& s) {
    report to(s, s.work);
    const double c = capacity_of(s, s.work);
    to.capacity("capacity", c);
    // At least 20 saves of each of 8 tenants: 160, and a fifth more for safety.
    const auto window =
        s.smoke ? nanoseconds(500ms) : nanoseconds(static_cast<std::int64_t>(1e9 * 192 / c));
    const std::size_t windows = s.smoke ? 1 : s.at_length ? 20 : 6;
    const nanoseconds from = s.warm();
    const nanoseconds until = from + static_cast<std::int64_t>(windows) * window;

    const auto equal = [&](const std::string& who, double first_offers, const char* what,
                           bool marked) {
        pool_run run(who, s.work, clients(), s.seed);
        std::vector<stream> all{
            {3.5 * c, {}, until, 1, 7, sizes_of(s.work)},
            {first_offers * c, {}, until, 0, 1, sizes_of(s.work)}
        };
        run.go(schedule(all, s.seed), from, until);
        run.check(to);
        std::vector<double> indices;
        double least = 1e9;
        for (const auto& of : by_window(run, 8, from, window, windows)) {
            indices.push_back(jain(of));
            least = std::min(least, *std::min_element(of.begin(), of.end()));
        }
        json::object more;
        more["jain"] = json::value_from(indices);
        more["least_saves_of_a_tenant"] = least;
        more["window_s"] = seconds(window);
        const double worst = *std::min_element(indices.begin(), indices.end());
        const double median = quantile(indices, 0.5);
        to.row(what, who, 3.5 + first_offers, c, run.of(), run.shares(), std::move(more));
        std::printf(
            "  Jain over %zu windows of %.2f s: median %.4f, worst %.4f; least saves of a tenant "
            "%g\n",
            windows, seconds(window), median, worst, least
        );
        if (marked)
            to.mark(
                std::string("Jain, ") + what + ", worst window", worst, worst >= 0.97, ">= 0.97"
            );
    };
    equal("corogate", 0.5, "8 equal tenants", true);
    equal("corogate", 5, "one of 8 asks 10 x", true);
    for (const auto& who : alternatives)
        equal(who, 5, "one of 8 asks 10 x", false);

    // Weights 1, 2 and 4; each asks for more than the whole.
    pool_run run("corogate", s.work, clients(), s.seed);
    run.loop().weights({1, 2, 4});
    run.go(schedule({{6 * c, {}, until, 0, 3, sizes_of(s.work)}}, s.seed), from, until);
    run.check(to);
    double of[3] = {};
    for (const auto& counts : by_window(run, 3, from, window, windows))
        for (int i = 0; i < 3; ++i)
            of[i] += counts[static_cast<std::size_t>(i)];
    const double all = of[0] + of[1] + of[2];
    double error = 0;
    json::array shares;
    for (int i = 0; i < 3; ++i) {
        const double wanted = (1 << i) / 7.0;
        error = std::max(error, std::abs(of[i] / all / wanted - 1));
        shares.push_back(of[i] / all);
    }
    json::object more;
    more["shares"] = std::move(shares);
    to.row("weights 1, 2, 4", "corogate", 6, c, run.of(), run.shares(), std::move(more));
    to.mark("weights 1, 2, 4: largest error of a share", error, error <= 0.05, "<= 0.05");
    to.write();
}

// ---- steps ----

/// One phase of a step experiment: what can be done in it.
struct phase {
    const char* name;
    nanoseconds from{};
    nanoseconds until{};
    double optimum = 0;
};

/// The time from the beginning of the phase to the first second in which at least 0.95 of the
/// optimum ended in time; negative where there is none.
double settled(const std::vector<double>& bins, nanoseconds bin, const phase& p) {
    const auto a_second = static_cast<std::size_t>(nanoseconds(1s) / bin);
    const auto first = static_cast<std::size_t>(p.from / bin);
    const auto last = static_cast<std::size_t>(p.until / bin);
    for (std::size_t at = first; at + a_second <= last; ++at) {
        double sum = 0;
        for (std::size_t i = at; i < at + a_second; ++i)
            sum += bins[i];
        if (sum >= 0.95 * p.optimum)
            return static_cast<double>(at - first) * seconds(bin);
    }
    return -1;
}

void step_rows(
    report& to, pool_run& run, const std::string& what, const std::vector<phase>& phases,
    double load, double capacity
) {
    constexpr nanoseconds bin = 50ms;
    const auto bins = ended_in_time(run.records(), phases.back().until, bin);
    json::array line, marks;
    for (const double n : bins)
        line.push_back(n / seconds(bin));
    json::array described;
    for (const phase& p : phases) {
        const nanoseconds from = std::min(p.from + 2s, (p.from + p.until) / 2);
        double sum = 0;
        for (auto i = static_cast<std::size_t>(from / bin);
             i < static_cast<std::size_t>(p.until / bin); ++i)
            sum += bins[i];
        const double steady = sum / seconds(p.until - from);
        const double after = settled(bins, bin, p);
        described.push_back(json::object{
            {"name", p.name},
            {"from_s", seconds(p.from)},
            {"until_s", seconds(p.until)},
            {"optimum_per_s", rounded(p.optimum)},
            {"steady_per_s", rounded(steady)},
            {"steady_of_optimum", rounded(steady / p.optimum)},
            {"settled_s", after},
        });
        if (run.name() == "corogate" && p.from > nanoseconds()) {
            char came[96];
            std::snprintf(
                came, sizeof came, "%s, %s: seconds to 0.95 of %.1f/s (later %.3f of it)",
                what.c_str(), p.name, p.optimum, steady / p.optimum
            );
            to.mark(came, after, after >= 0 && after <= 2, "<= 2");
        } else {
            std::printf(
                "  %s, %s, %s: %.3f of %.1f/s; settled after %.2f s\n", run.name().c_str(),
                what.c_str(), p.name, steady / p.optimum, p.optimum, after
            );
        }
    }
    json::object more;
    more["bin_s"] = seconds(bin);
    more["in_time_per_s"] = std::move(line);
    more["phases"] = std::move(described);
    to.row(what, run.name(), load, capacity, run.of(), run.shares(), std::move(more));
}

nanoseconds times(nanoseconds t, std::int64_t n) { return t * n; }

/// Tasks that suddenly cost twice as much, and a neighbour that takes half of the cores.
void capacity_step(const settings& s) {
    report to(s, s.work);
    const double c = capacity_of(s, s.work);
    to.capacity("capacity", c);
    const nanoseconds length = s.smoke ? nanoseconds(1s) : s.time(6);
    constexpr double load = 2;
    const auto arrivals =
        schedule({{load * c, {}, times(length, 3), 0, s.tenants, sizes_of(s.work)}}, s.seed);
    for (const char* who : {"corogate", "plain_pool"}) {
        pool_run run(who, s.work, clients(), s.seed);
        run.go(
            arrivals, s.warm(), times(length, 3),
            {{length, [&] { run.on().at.cost(2); }},
             {times(length, 2), [&] { run.on().at.cost(1); }}}
        );
        run.check(to);
        step_rows(
            to, run, "task cost x 2",
            {{"before", {}, length, c},
             {"during", length, times(length, 2), c / 2},
             {"after", times(length, 2), times(length, 3), c}},
            load, c
        );
    }
    // As many threads of somebody else's as cores: the kernel shares evenly between threads.
    std::atomic<bool> hogging{false}, over{false};
    std::vector<std::thread> hogs;
    for (std::size_t i = 0; i < cores(); ++i)
        hogs.emplace_back([&] {
            while (!over.load()) {
                if (hogging.load())
                    burn(1ms);
                else
                    std::this_thread::sleep_for(5ms);
            }
        });
    hogging = true;
    const double halved = capacity_of(s, s.work);
    hogging = false;
    to.capacity("capacity_beside_hogs", halved);
    try {
        pool_run run("corogate", s.work, clients(), s.seed);
        run.go(
            arrivals, s.warm(), times(length, 3),
            {{length, [&] { hogging = true; }}, {times(length, 2), [&] { hogging = false; }}}
        );
        run.check(to);
        step_rows(
            to, run, "hogs take cores",
            {{"before", {}, length, c},
             {"during", length, times(length, 2), halved},
             {"after", times(length, 2), times(length, 3), c}},
            load, c
        );
    } catch (...) {
        over = true;
        for (auto& hog : hogs)
            hog.join();
        throw;
    }
    over = true;
    for (auto& hog : hogs)
        hog.join();
    to.write();
}

/// What the tasks wait for serves 64 at a time, then 12, then 64.
void downstream_step(const settings& s) {
    shape work = s.work;
    work.name = "downstream";
    work.cpu = 1ms;
    work.wait = 12ms; // 12 permits: half of what two cores can compute
    report to(s, work);
    const auto time = s.smoke ? nanoseconds(200ms) : nanoseconds(3s);
    const auto wide = [](workshop& at) { at.downstream(64); };
    const auto narrow = [](workshop& at) { at.downstream(12); };
    const double c = saturated_tasks(work, time, wide) / static_cast<double>(work.tasks);
    const double less = saturated_tasks(work, time, narrow) / static_cast<double>(work.tasks);
    to.capacity("capacity", c);
    to.capacity("capacity_narrow", less);
    const nanoseconds length = s.smoke ? nanoseconds(1s) : s.time(6);
    constexpr double load = 2;
    const auto arrivals =
        schedule({{load * c, {}, times(length, 3), 0, s.tenants, sizes_of(work)}}, s.seed);
    for (const char* who : {"corogate", "plain_pool"}) {
        pool_run run(who, work, clients(), s.seed);
        wide(run.on().at);
        run.go(
            arrivals, s.warm(), times(length, 3),
            {{length, [&] { narrow(run.on().at); }}, {times(length, 2), [&] { wide(run.on().at); }}}
        );
        run.check(to);
        step_rows(
            to, run, "downstream 64-12-64",
            {{"before", {}, length, c},
             {"during", length, times(length, 2), less},
             {"after", times(length, 2), times(length, 3), c}},
            load, c
        );
    }
    to.write();
}

// ---- pulse with retrying clients ----

/// Seconds from the end of the pulse to the first second of whose saves at least 0.95 were done
/// within the deadline from their first try; negative where there is none.
double
recovered(const pool_run& run, nanoseconds pulse_end, nanoseconds until, nanoseconds deadline) {
    for (nanoseconds at = pulse_end; at + 1s <= until; at += 50ms) {
        double offered = 0, well = 0;
        for (const record& r : run.records())
            if (r.intended >= at && r.intended < at + 1s) {
                ++offered;
                well += r.in_time() && r.ended - r.intended <= deadline;
            }
        if (offered > 0 && well >= 0.95 * offered)
            return seconds(at - pulse_end);
    }
    return -1;
}

void pulse(const settings& s) {
    report to(s, s.work);
    const double c = capacity_of(s, s.work);
    to.capacity("capacity", c);
    const nanoseconds begin = s.smoke ? nanoseconds(200ms) : nanoseconds(3s);
    const nanoseconds end = begin + (s.smoke ? nanoseconds(300ms) : nanoseconds(4s));
    const nanoseconds until = end + (s.smoke ? nanoseconds(1500ms) : s.time(10));
    clients policy;
    policy.retries = 3;
    const auto one = [&](const std::string& who, std::uint64_t seed) {
        pool_run run(who, s.work, policy, seed);
        run.go(
            schedule(
                {{0.8 * c, {}, until, 0, s.tenants, sizes_of(s.work)},
                 {3.2 * c, begin, end, 0, s.tenants, sizes_of(s.work)}},
                seed
            ),
            nanoseconds(), until
        );
        run.check(to);
        constexpr nanoseconds bin = 100ms;
        const auto bins = ended_in_time(run.records(), until, bin);
        json::array line;
        for (const double n : bins)
            line.push_back(n / seconds(bin));
        const double after = recovered(run, end, until, policy.deadline);
        json::object more;
        more["bin_s"] = seconds(bin);
        more["in_time_per_s"] = std::move(line);
        more["pulse_from_s"] = seconds(begin);
        more["pulse_until_s"] = seconds(end);
        more["recovered_s"] = after;
        more["seed"] = seed;
        to.row("0.8, 4 for 4 s", who, 0.8, c, run.of(), run.shares(), std::move(more));
        std::printf("  %s: recovered %.2f s after the pulse\n", who.c_str(), after);
        return after;
    };
    std::vector<double> all;
    for (std::uint64_t i = 0; i < (s.smoke ? 1u : s.at_length ? 10u : 2u); ++i)
        all.push_back(one("corogate", s.seed + i));
    const double worst = *std::min_element(all.begin(), all.end()) < 0
                             ? -1
                             : *std::max_element(all.begin(), all.end());
    to.mark(
        "recovery after the pulse, worst of " + std::to_string(all.size()) + " runs, s", worst,
        worst >= 0 && worst <= 1, "<= 1 (never: -1)"
    );
    if (!s.smoke)
        for (const char* who : {"plain_pool", "threads"})
            one(who, s.seed);
    to.write();
}

// ---- composite and mixed work ----

void composite(const settings& s) {
    shape work = s.work;
    const std::vector<std::uint32_t> sizes{1, 24, 100};
    constexpr double mean = (1 + 24 + 100) / 3.0;
    report to(s, work);
    const double tasks = capacity_of(s, work) * static_cast<double>(work.tasks);
    const double c = tasks / mean;
    to.capacity("capacity", c);
    const auto time = s.time(8, 60);
    for (const double load : {2.0, 10.0})
        for (const auto& who : all_contestants) {
            pool_run run(who, work, clients(), s.seed);
            const nanoseconds until = s.warm() + time;
            run.go(schedule({{load * c, {}, until, 0, s.tenants, sizes}}, s.seed), s.warm(), until);
            run.check(to);
            double useful = 0;
            json::object more, of_size;
            for (const std::uint32_t size : sizes) {
                const figures f = run.of([size](const record& r) { return r.tasks == size; });
                useful += static_cast<double>(f.in_time) * size;
                of_size[std::to_string(size)] = to_json(f);
                std::printf(
                    "  %s, jobs of %3u: %.2f %% in time, p99 %.1f ms\n", who.c_str(), size,
                    100 * f.success(), f.p99
                );
            }
            const double share = useful / seconds(time) / tasks;
            more["useful_tasks_of_capacity"] = rounded(share);
            more["by_size"] = std::move(of_size);
            to.row("jobs of 1, 24, 100", who, load, c, run.of(), run.shares(), std::move(more));
            std::printf("  useful tasks of what can be done: %.3f\n", share);
        }
    to.write();
}

void heavy_mix(const settings& s) {
    shape work = s.work;
    work.heavy_share = 0.05;
    work.heavy_factor = 11;
    report to(s, work);
    const double c = capacity_of(s, work);
    to.capacity("capacity", c);
    const auto time = s.time(8, 60);
    for (const auto& who : all_contestants) {
        pool_run run(who, work, clients(), s.seed);
        const nanoseconds until = s.warm() + time;
        run.go(
            schedule({{2 * c, {}, until, 0, s.tenants, sizes_of(work)}}, s.seed), s.warm(), until
        );
        run.check(to);
        const figures f = run.of();
        to.row("5 % of tasks 11 x", who, 2, c, f, run.shares());
        if (who == "corogate")
            to.mark("heavy mix at 2 x", f.goodput() / c, f.goodput() / c >= 0.9, ">= 0.90");
    }
    to.write();
}

// ---- what a refusal costs in the library ----

/// Probes of both doors beside ten times too much load. Wall time of a call contains what the
/// machine does to the thread meanwhile; processor time does not.
void refusal_cost(const settings& s) {
    report to(s, s.work);
    const double c = capacity_of(s, s.work);
    to.capacity("capacity", c);
    const auto time = s.time(10, 60);
    pool_run run("corogate", s.work, clients(), s.seed);
    const nanoseconds until = s.warm() + time;
    std::vector<double> wall, cpu, clock_wall;
    std::size_t let_in = 0;
    corogate::task_pool& pool = *run.on().who->pool();
    corogate::job_options who;
    who.tenant("site-0").deadline(1s);
    std::vector<happening> probes;
    for (nanoseconds at = s.warm(); at < until; at += 2ms)
        probes.push_back({at, [&] {
                              const auto c0 = clock::now();
                              const auto c1 = clock::now();
                              const nanoseconds cpu_before = thread_cpu();
                              const auto before = clock::now();
                              const auto job = pool.try_admit(s.work.tasks, who);
                              const auto after = clock::now();
                              const nanoseconds cpu_after = thread_cpu();
                              if (job) {
                                  ++let_in; // and given back at once
                                  return;
                              }
                              clock_wall.push_back(static_cast<double>((c1 - c0).count()));
                              wall.push_back(static_cast<double>((after - before).count()));
                              cpu.push_back(static_cast<double>((cpu_after - cpu_before).count()));
                          }});
    run.go(
        schedule({{10 * c, {}, until, 0, s.tenants, sizes_of(s.work)}}, s.seed), s.warm(), until,
        probes
    );
    const figures f = run.of();
    const double wall_p99 = quantile(wall, 0.99), cpu_p99 = quantile(cpu, 0.99);
    json::object more;
    more["try_admit_refusals"] = wall.size();
    more["try_admit_let_in"] = let_in;
    more["try_admit_p50_ns"] = quantile(wall, 0.5);
    more["try_admit_p99_ns"] = wall_p99;
    more["try_admit_p999_ns"] = quantile(wall, 0.999);
    more["try_admit_cpu_p50_ns"] = quantile(cpu, 0.5);
    more["try_admit_cpu_p99_ns"] = cpu_p99;
    more["clock_p50_ns"] = quantile(clock_wall, 0.5);
    std::printf(
        "  try_admit: %zu refused, %zu let in; wall p50 %.0f ns, p99 %.0f ns; CPU p99 %.0f ns "
        "(two system calls of the clock included); an empty measurement %.0f ns\n",
        wall.size(), let_in, quantile(wall, 0.5), wall_p99, cpu_p99, quantile(clock_wall, 0.5)
    );
    to.row("try_admit beside", "corogate", 10, c, f, run.shares(), std::move(more));
    to.mark("refusal of try_admit at 10 x, p99, us", wall_p99 / 1000, wall_p99 <= 5000, "<= 5");
    to.mark(
        "refusal of async_admit at 10 x, to its handler on the caller's loop, p99, us",
        f.refused_p99, true, "reported"
    );
    to.write();
}

struct experiment {
    const char* name;
    const char* what;
    void (*run)(const settings&);
};

const experiment all_experiments[] = {
    {"ramp", "0.5 to 20 times capacity, and the alternatives at 2 and 10", ramp},
    {"capacity", "capacity by bisection, beside the saturated rate", capacity},
    {"noisy-neighbour", "tenants with 0.6 of capacity, and one that floods", noisy_neighbour},
    {"fairness", "shares of equal and of weighted tenants that all ask for too much", fairness},
    {"capacity-step", "tasks cost twice as much for a while; others take cores for a while",
     capacity_step},
    {"downstream-step", "what tasks wait for narrows from 64 to 12 for a while", downstream_step},
    {"pulse", "4 times capacity for 4 s, with clients that try again three times", pulse},
    {"composite", "jobs of 1, 24 and 100 tasks", composite},
    {"heavy-mix", "5 % of the tasks compute 11 times as long", heavy_mix},
    {"refusal", "what a refusal costs in the library at 10 times capacity", refusal_cost},
};

} // namespace

void run_pool_experiment(const settings& s) {
    for (const experiment& one : all_experiments)
        if (s.experiment == one.name || s.experiment == "all") {
            settings of = s;
            of.experiment = one.name;
            if (s.experiment == "all" && !s.json.empty())
                of.json = s.json + "/" + one.name + ".json";
            one.run(of);
            if (s.experiment != "all")
                return;
        }
    if (s.experiment != "all")
        throw std::invalid_argument("there is no experiment " + s.experiment);
}

std::string pool_experiments() {
    std::string text;
    for (const experiment& one : all_experiments) {
        std::string line = std::string("  ") + one.name;
        line.resize(std::max<std::size_t>(line.size() + 1, 20), ' ');
        text += line + one.what + "\n";
    }
    return text;
}

} // namespace overload
