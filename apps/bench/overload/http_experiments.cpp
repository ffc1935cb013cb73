#include "http_experiments.hpp"

#include "http_client.hpp"

namespace overload {

namespace {

constexpr std::size_t most_connections = 8000;

/// Saves a second where there are always more: eight are kept under way.
double saturated_saves(const servers& at, const shape& of, nanoseconds time) {
    asio::io_context loop(1);
    http_connections through(loop, at.target, 16);
    over_http who(through);
    std::deque<std::atomic<std::uint32_t>> spent(8);
    std::uint64_t ended = 0, before = 0, after = 0;
    bool over = false;
    std::deque<asio::steady_timer> pauses;
    for (std::size_t i = 0; i < spent.size(); ++i)
        pauses.emplace_back(loop);
    std::function<void(std::size_t)> start = [&](std::size_t i) {
        order o;
        o.of = &of;
        o.tasks = of.tasks;
        o.tenant = "site-0";
        o.left = 5s;
        o.spent = &spent[i];
        who.save(o, [&, i](const answer& said) {
            ended += said.how == outcome::done;
            if (over)
                return;
            pauses[i].expires_after(said.how == outcome::done ? 0ms : 20ms);
            pauses[i].async_wait([&, i](boost::system::error_code) { start(i); });
        });
    };
    for (std::size_t i = 0; i < spent.size(); ++i)
        start(i);
    asio::steady_timer timer(loop, std::min<nanoseconds>(time / 4, 1s));
    clock::time_point from, until;
    timer.async_wait([&](boost::system::error_code) {
        before = ended;
        from = clock::now();
        timer.expires_after(time);
        timer.async_wait([&](boost::system::error_code) {
            after = ended;
            until = clock::now();
            over = true;
        });
    });
    loop.run();
    return static_cast<double>(after - before) /
           std::chrono::duration<double>(until - from).count();
}

/// A request that is sent at its intended times beside the saves; how long answers took, in us.
struct probe {
    std::string host;
    std::string path;
    std::vector<double> took;
    std::size_t asked = 0;
};

/// One run: the generator is this process, the service is the other.
class http_run {
public:
    http_run(const servers& at, const shape& of, clients policy, std::uint64_t seed)
        : through_(loop_, at.target, most_connections)
        , who_(through_)
        , sender_(loop_, who_, of, policy, seed)
        , books_({}, at.process.empty() ? "0" : at.process) {
        through_.open(at.connections);
    }

    void
    go(const std::vector<arrival>& arrivals, nanoseconds from, nanoseconds until,
       std::vector<happening> happenings = {}) {
        from_ = from;
        until_ = until;
        happenings.push_back({from, [this] { books_.begin(); }});
        happenings.push_back({until, [this] { books_.end(); }});
        sender_.run(arrivals, std::move(happenings));
    }

    /// Asks `of` so often, each time at its intended time, from a connection of its own.
    void add_probe(
        std::vector<happening>& to, probe& of, nanoseconds from, nanoseconds until,
        nanoseconds every
    ) {
        auto& through = probes_.emplace_back(loop_, of.host, 64);
        for (nanoseconds at = from; at < until; at += every) {
            ++of.asked;
            to.push_back({at, [&of, &through] {
                              const auto sent = clock::now();
                              through.ask(
                                  "GET " + of.path + " HTTP/1.1\r\nHost: " + of.host + "\r\n\r\n",
                                  [&of, sent](const reply& got) {
                                      if (got.status == 200)
                                          of.took.push_back(
                                              static_cast<double>((clock::now() - sent).count()) /
                                              1e3
                                          );
                                  }
                              );
                          }});
        }
    }

    figures of(const which& counts = {}) const {
        return figures_of(sender_.records(), from_, until_, counts);
    }
    cpu_shares shares() const { return books_.shares(of().refusals_cpu); }
    const std::deque<record>& records() const noexcept { return sender_.records(); }
    json::object connections() const {
        return {
            {"connections", through_.opened()},
            {"connections_busy_at_most", through_.most_busy()},
            {"sent_again_on_a_new_connection", through_.sent_again()},
            {"refusals_without_retry_after", who_.without_hint()},
        };
    }

    void check(report& to) const {
        to.require(sender_.tries() == sender_.answers(), "a save was not answered");
        to.require(sender_.answered_twice() == 0, "a save was answered twice");
        for (const record& r : records())
            to.require(
                r.how != outcome::pending && r.how != outcome::failed, "a save has no proper end"
            );
        to.require(who_.without_hint() == 0, "a refusal came without Retry-After");
    }

private:
    asio::io_context loop_{1};
    http_connections through_;
    std::deque<http_connections> probes_;
    over_http who_;
    open_loop sender_;
    cpu_books books_;
    nanoseconds from_{};
    nanoseconds until_{};
};

double capacity_of(const settings& s, const servers& at) {
    return saturated_saves(at, s.work, s.smoke ? nanoseconds(500ms) : nanoseconds(5s));
}

void ramp(const settings& s, const servers& at) {
    report to(s, s.work);
    const double c = capacity_of(s, at);
    to.capacity("capacity", c);
    const auto time = s.time(5, 30);
    const std::vector<double> loads = s.smoke ? std::vector<double>{0.5, 10}
                                              : std::vector<double>{0.5, 0.8, 1, 1.2, 2, 5, 10, 20};
    for (const double load : loads) {
        http_run run(at, s.work, clients(), s.seed);
        const nanoseconds until = s.warm() + time;
        run.go(schedule({{load * c, {}, until, 0, s.tenants, {24}}}, s.seed), s.warm(), until);
        run.check(to);
        const figures f = run.of();
        to.row("http", "server", load, c, f, run.shares(), run.connections());
        const double refused = static_cast<double>(f.all_refused()) /
                               static_cast<double>(std::max<std::size_t>(1, f.offered));
        if (load == 0.5)
            to.mark("refused at 0.5 x", refused, refused == 0, "0");
        else if (load == 0.8)
            to.mark("refused at 0.8 x", refused, refused < 0.01, "< 0.01");
        else if (load == 2 || load == 10 || load == 20) {
            const double least = load == 2 ? 0.95 : load == 10 ? 0.90 : 0.85;
            char wanted[32];
            std::snprintf(wanted, sizeof wanted, ">= %.2f", least);
            to.mark(
                "useful goodput over HTTP at " + std::to_string(static_cast<int>(load)) + " x",
                f.goodput() / c, f.goodput() / c >= least, wanted
            );
        }
    }
    to.capacity("capacity_after", capacity_of(s, at));
    to.write();
}

/// Refusals at ten times capacity, beside `/livez` of the same server and of a bare Beast server.
void refusal(const settings& s, const servers& at) {
    report to(s, s.work);
    const double c = capacity_of(s, at);
    to.capacity("capacity", c);
    const auto time = s.time(15, 60);
    http_run run(at, s.work, clients(), s.seed);
    const nanoseconds until = s.warm() + time;
    std::vector<happening> happenings;
    probe own{at.target, "/livez", {}, 0};
    probe bare{at.bare, "/livez", {}, 0};
    run.add_probe(happenings, own, s.warm(), until, 5ms);
    if (!at.bare.empty())
        run.add_probe(happenings, bare, s.warm() + 2500us, until, 5ms);
    run.go(
        schedule({{10 * c, {}, until, 0, s.tenants, {24}}}, s.seed), s.warm(), until,
        std::move(happenings)
    );
    run.check(to);
    const figures f = run.of();
    json::object more = run.connections();
    for (auto* of : {&own, &bare}) {
        if (of->asked == 0)
            continue;
        const std::string name = of == &own ? "livez" : "bare_beast";
        to.require(of->took.size() == of->asked, "a probe was not answered");
        more[name + "_probes"] = of->asked;
        more[name + "_p50_us"] = quantile(of->took, 0.5);
        more[name + "_p99_us"] = quantile(of->took, 0.99);
        more[name + "_p999_us"] = quantile(of->took, 0.999);
        std::printf(
            "  %-10s p50 %.0f us, p99 %.0f us, p99.9 %.0f us (%zu)\n", name.c_str(),
            quantile(of->took, 0.5), quantile(of->took, 0.99), quantile(of->took, 0.999), of->asked
        );
    }
    std::printf("  refusals   p50 %.0f us, p99 %.0f us\n", f.refused_p50, f.refused_p99);
    to.row("http", "server", 10, c, f, run.shares(), std::move(more));
    if (bare.asked > 0) {
        const double ratio = f.refused_p99 / quantile(bare.took, 0.99);
        to.mark(
            "refusal over HTTP at 10 x: p99 over /livez of bare Beast", ratio, ratio <= 3, "<= 3"
        );
    }
    to.write();
}

void noisy_neighbour(const settings& s, const servers& at) {
    report to(s, s.work);
    const double c = capacity_of(s, at);
    to.capacity("capacity", c);
    const auto enough = nanoseconds(static_cast<std::int64_t>(1.02e9 * 10000 / (0.6 * c)));
    const auto time = s.at_length ? enough : s.time(15);
    double alone = 0;
    for (const double noise : {0.0, 10.0, 50.0}) {
        http_run run(at, s.work, clients(), s.seed);
        const nanoseconds until = s.warm() + time;
        run.go(
            schedule(
                {{0.6 * c, {}, until, 1, 50, {24}}, {noise * c, {}, until, 0, 1, {24}}}, s.seed
            ),
            s.warm(), until
        );
        run.check(to);
        const figures f = run.of([](const record& r) { return r.tenant > 0; });
        json::object more = run.connections();
        more["noise"] = to_json(run.of([](const record& r) { return r.tenant == 0; }));
        more["inflation"] = alone > 0 ? rounded(f.p99 / alone) : 1;
        char what[48];
        std::snprintf(what, sizeof what, "50 victims, noise %g", noise);
        to.row(what, "server", 0.6, c, f, run.shares(), std::move(more));
        if (noise == 0) {
            alone = f.p99;
            continue;
        }
        to.mark(
            std::string(what) + ": victims in time, of " + std::to_string(f.offered), f.success(),
            f.success() >= 0.995, ">= 0.995"
        );
        to.mark(
            std::string(what) + ": p99 over alone", f.p99 / alone, f.p99 <= 1.5 * alone, "<= 1.5"
        );
    }
    to.write();
}

struct experiment {
    const char* name;
    const char* what;
    void (*run)(const settings&, const servers&);
};

const experiment all_experiments[] = {
    {"ramp", "0.5 to 20 times capacity", ramp},
    {"refusal", "refusals at 10 times capacity beside /livez of a bare Beast server", refusal},
    {"noisy-neighbour", "sites with 0.6 of capacity, and one that floods", noisy_neighbour},
};

} // namespace

void run_http_experiment(const settings& s, const servers& at) {
    for (const experiment& one : all_experiments)
        if (s.experiment == one.name) {
            settings of = s;
            of.experiment = std::string("http-") + one.name;
            one.run(of, at);
            return;
        }
    throw std::invalid_argument("there is no experiment " + s.experiment);
}

std::string http_experiments() {
    std::string text;
    for (const experiment& one : all_experiments) {
        std::string line = std::string("  ") + one.name;
        line.resize(std::max<std::size_t>(line.size() + 1, 20), ' ');
        text += line + one.what + "\n";
    }
    return text;
}

} // namespace overload
