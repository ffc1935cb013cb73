// Experiments with admission, fairness and limits in virtual time: the library's own policy
// objects, driven by events instead of threads. The same figures on any machine.
//
//   corogate-bench-sim <experiment|all> [--seeds K] [--seed N] [--discipline NAME ...]
//                      [--limiter NAME ...] [--json FILE]
//
// Without --discipline and --limiter everything is compared: ours with its default limiter, ours
// with every other one, and the alternatives with the fixed limit. docs/overload-simulation.md says
// what is modelled.

#include "experiments.hpp"
#include "limiters.hpp"
#include "report.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace corogate::sim;

contender with(const std::string& discipline, const std::string& limiter, const settings& base) {
    contender c{discipline, base};
    const bool ours = discipline.rfind("corogate", 0) == 0;
    if (ours && limiter != default_limiter)
        c.name += ", " + limiter;
    c.how.discipline = discipline;
    c.how.limiter = limiter;
    return c;
}

/// The first is ours as it comes.
std::vector<contender> everybody(const settings& base) {
    std::vector<contender> all{with("corogate", default_limiter, base)};
    for (const auto& limiter : limiter_names())
        if (limiter != default_limiter)
            all.push_back(with("corogate", limiter, base));
    for (const auto& discipline : discipline_names())
        if (discipline == "corogate-newest-first")
            all.push_back(with(discipline, default_limiter, base));
        else if (discipline != "corogate")
            all.push_back(with(discipline, "fixed", base));
    return all;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{"Overload experiments in virtual time", "corogate-bench-sim"};
    std::string wanted = "all";
    std::uint64_t seed = 1;
    std::uint64_t seeds = 10;
    std::vector<std::string> disciplines;
    std::vector<std::string> limiters;
    std::string json;
    settings base;
    double queue_time = std::chrono::duration<double, std::milli>(base.policy.queue_time).count();
    double apart = std::chrono::duration<double, std::milli>(base.apart).count();

    std::vector<std::string> names{"all"};
    for (const auto& e : experiments())
        names.push_back(e.name);
    app.add_option("experiment", wanted, "What to run")->check(CLI::IsMember(names));
    app.add_option("--seed", seed, "The first seed")->capture_default_str();
    app.add_option("--seeds", seeds, "How many runs a row, with consecutive seeds")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    app.add_option("--discipline", disciplines, "Only these")
        ->check(CLI::IsMember(discipline_names()));
    app.add_option("--limiter", limiters, "Only these, for ours")
        ->check(CLI::IsMember(limiter_names()));
    app.add_option("--limit", base.limit, "The fixed limit")
        ->check(CLI::Range(1, 100'000))
        ->capture_default_str();
    app.add_option("--queue-time", queue_time, "Ours, in ms")
        ->check(CLI::Range(1.0, 1e6))
        ->capture_default_str();
    app.add_option("--apart", apart, "How far apart tasks offered one by one come, in ms")
        ->check(CLI::Range(0.0, 1e3))
        ->capture_default_str();
    app.add_option("--json", json, "Writes everything there as well");
    CLI11_PARSE(app, argc, argv);

    try {
        const auto in_ns = [](double ms) { return duration(static_cast<std::int64_t>(ms * 1e6)); };
        base.policy.queue_time = in_ns(queue_time);
        base.apart = in_ns(apart);
        std::vector<contender> contenders;
        if (disciplines.empty() && limiters.empty()) {
            contenders = everybody(base);
        } else {
            if (disciplines.empty())
                disciplines = {"corogate"};
            if (limiters.empty())
                limiters = {default_limiter};
            for (const auto& d : disciplines)
                for (const auto& l : limiters)
                    contenders.push_back(with(d, l, base));
        }

        std::vector<row> rows;
        bool violated = false;
        for (const auto& e : experiments()) {
            if (wanted != "all" && wanted != e.name)
                continue;
            std::cout << "# " << e.name << ": " << e.about << '\n';
            for (const auto& v : e.variants)
                for (const auto& c : contenders) {
                    rows.push_back(run(e, v, c, seed, seeds));
                    print(std::cout, rows.back());
                    std::cout.flush();
                    violated = violated || !rows.back().violations.empty();
                }
        }
        const auto marks = judge(rows, contenders.front().name);
        std::cout << "# marks, " << contenders.front().name << '\n';
        print(std::cout, marks);
        if (!json.empty()) {
            std::string command = "corogate-bench-sim";
            for (int i = 1; i < argc; ++i)
                command += std::string(" ") + argv[i];
            std::ofstream out(json);
            write_json(out, rows, marks, command);
            if (!out.flush())
                throw std::runtime_error(json + ": cannot be written");
        }
        return violated ? 1 : 0;
    } catch (const std::exception& e) {
        std::cerr << "corogate-bench-sim: " << e.what() << '\n';
        return 1;
    }
}
