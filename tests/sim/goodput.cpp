// Floors under what the simulator measures, so that a change of policy that costs goodput, fairness
// or recovery shows. Few seeds and short runs; docs/overload-simulation.md has the long ones.

#include <capacity.hpp>
#include <experiments.hpp>
#include <limiters.hpp>
#include <measures.hpp>
#include <simulation.hpp>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>

using namespace corogate::sim;

namespace {

/// One row of an experiment with ours: fewer seeds, and not more than so long.
row short_row(
    const std::string& experiment, const std::string& variant, std::uint64_t seeds,
    duration measured, const std::string& limiter = default_limiter,
    const std::string& discipline = "corogate"
) {
    for (const auto& e : experiments())
        for (auto v : e.variants)
            if (e.name == experiment && v.name == variant) {
                v.what.measured = std::min<duration>(v.what.measured, measured);
                contender who{discipline, {}};
                who.how.limiter = limiter;
                who.how.discipline = discipline;
                return run(e, v, who, 1, seeds);
            }
    throw std::invalid_argument("there is no " + experiment + ", " + variant);
}

} // namespace

BOOST_AUTO_TEST_SUITE(goodput_tests)

BOOST_AUTO_TEST_CASE(goodput_holds_under_any_load) {
    // The default limiter settles where work has begun to get in its own way: 0.977 at 2 x.
    for (const char* load : {"2 x", "10 x", "20 x"})
        BOOST_TEST_CONTEXT(load) {
            BOOST_TEST(short_row("ramp", load, 3, 10s).at("goodput") >= 0.96);
            BOOST_TEST(short_row("ramp", load, 3, 10s, "adaptive-1ms").at("goodput") >= 0.98);
            BOOST_TEST(short_row("ramp", load, 3, 10s, "fixed").at("goodput") >= 0.98);
        }
}

BOOST_AUTO_TEST_CASE(the_alternatives_fail_where_they_are_known_to) {
    BOOST_TEST(short_row("ramp", "2 x", 1, 10s, "fixed", "unbounded-fifo").at("goodput") < 0.1);
    BOOST_TEST(short_row("ramp", "2 x", 1, 10s, "fixed", "per-task").at("goodput") < 0.5);
    BOOST_TEST(short_row("ramp", "10 x", 1, 10s, "fixed", "lifo-codel").at("goodput") < 0.1);
    BOOST_TEST(
        short_row("neighbour", "one at 10 x", 1, 10s, "fixed", "bounded-fifo")
            .at("victims in time") < 0.2
    );
}

BOOST_AUTO_TEST_CASE(what_is_let_in_is_early) {
    const row unloaded = short_row("ramp", "0.5 x", 3, 10s);
    const row overloaded = short_row("ramp", "10 x", 3, 10s);
    BOOST_TEST(overloaded.at("p99") <= 2.5 * unloaded.at("p99"));
    BOOST_TEST(overloaded.at("longest") < 500);
    // Before any queue has stood the pace is a guess, and must be one.
    BOOST_TEST(short_row("spike", "0.5 to 10 x", 3, 10s, "fixed").at("longest") < 500);
}

BOOST_AUTO_TEST_CASE(nothing_is_refused_without_need) {
    BOOST_TEST(short_row("ramp", "0.5 x", 5, 20s).at("refused") == 0);
    BOOST_TEST(short_row("ramp", "0.8 x", 5, 20s).at("refused") < 0.001);
    BOOST_TEST(short_row("composite", "0.8 x", 5, 20s, "fixed").at("refused") < 0.01);
}

BOOST_AUTO_TEST_CASE(a_flood_is_not_noticed_by_others) {
    const row alone = short_row("neighbour", "alone", 3, 20s);
    for (const char* flood : {"one at 10 x", "one at 50 x"})
        BOOST_TEST_CONTEXT(flood) {
            const row r = short_row("neighbour", flood, 3, 20s);
            BOOST_TEST(r.at("victims in time") >= 0.999);
            BOOST_TEST(r.at("victims p99") <= 1.3 * alone.at("victims p99"));
        }
}

BOOST_AUTO_TEST_CASE(shares_are_fair) {
    BOOST_TEST(short_row("fair", "equal", 2, 20s).at("jain least") >= 0.99);
    BOOST_TEST(short_row("fair", "equal, demands 1 to 8", 2, 20s).at("jain mean") >= 0.99);
}

BOOST_AUTO_TEST_CASE(a_heavy_mix_does_not_confuse_anybody) {
    BOOST_TEST(short_row("mixes", "5 % 11 x heavier, 2 x", 3, 10s).at("goodput") >= 0.95);
}

BOOST_AUTO_TEST_CASE(it_recovers_from_a_pulse_with_clients_that_come_again) {
    const row r = short_row("metastability", "retry at once", 20, 14s);
    BOOST_TEST(r.at("recovery never") == 0);
    BOOST_TEST(r.at("recovery longest ms") <= 1500);
}

BOOST_AUTO_TEST_CASE(the_limit_follows_the_machine_within_a_second) {
    for (const char* which : {"workers 8, 4, 8", "CPU cost x 1, 2, 1"})
        BOOST_TEST_CONTEXT(which) {
            const row r = short_row("capacity", which, 10, 20s);
            for (const char* change : {"change 1 back ms", "change 2 back ms"}) {
                BOOST_TEST(r.at(change) >= 0);
                BOOST_TEST(r.at(change) <= 1000);
            }
        }
    const row r = short_row("downstream", "64, 12, 64", 10, 20s);
    BOOST_TEST(r.at("change 1 back ms") >= 0);
    BOOST_TEST(r.at("change 1 back ms") <= 1000);
    BOOST_TEST(r.at("change 2 back ms") >= 0);
    BOOST_TEST(r.at("change 2 back ms") <= 1000);
}

BOOST_AUTO_TEST_CASE(children_are_not_taken_for_the_pace_of_the_queue) {
    // Seven tasks end for each that has waited; were all counted, jobs would wait seven times as
    // long as is meant.
    BOOST_TEST(short_row("nested", "10 x", 2, 10s, "fixed").at("p50") < 250);
}

BOOST_AUTO_TEST_SUITE_END()
