// What must hold in every run, whatever is sent and whoever decides: permits are conserved, every
// attempt has exactly one answer, nothing is left at the end, and no tenant is starved by ours.
// The simulation counts for itself, from what there is and not from what is kept.

#include <capacity.hpp>
#include <discipline.hpp>
#include <experiments.hpp>
#include <limiters.hpp>
#include <measures.hpp>
#include <simulation.hpp>

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <string>

using namespace corogate::sim;

namespace {

/// Loads are parts of this: about what the base machine can do.
constexpr double about = 3900;

record short_run(
    const profile& what, const std::string& discipline, const std::string& limiter,
    std::uint64_t seed
) {
    settings how;
    how.discipline = discipline;
    how.limiter = limiter;
    how.seed = seed;
    how.check_every = 512;
    if (what.nested.depth > 0)
        how.limit = what.machine.workers;
    return run(shortened(what), about, how);
}

void check_books(const record& r) {
    for (const auto& v : r.violations)
        BOOST_ERROR(v);
    BOOST_TEST(r.answers.size() >= r.requests.size());
    BOOST_TEST(!r.requests.empty());
}

} // namespace

BOOST_AUTO_TEST_SUITE(invariants_tests)

BOOST_AUTO_TEST_CASE(the_books_balance_in_every_experiment_with_fifty_seeds) {
    std::uint64_t seed = 0;
    for (const auto& e : experiments())
        for (const auto& v : e.variants)
            // Fifty seeds over all variants of an experiment, at least one each.
            for (std::size_t i = 0; i * e.variants.size() < 50; ++i) {
                BOOST_TEST_CONTEXT(e.name << ", " << v.name << ", seed " << seed) {
                    const record r = short_run(v.what, "corogate", default_limiter, ++seed);
                    check_books(r);
                }
            }
}

BOOST_AUTO_TEST_CASE(the_books_balance_with_every_limiter_and_discipline) {
    for (const auto& e : experiments()) {
        const auto& v = e.variants.back();
        for (const auto& limiter : limiter_names())
            BOOST_TEST_CONTEXT(e.name << ", " << limiter)
        check_books(short_run(v.what, "corogate", limiter, 7));
        for (const auto& discipline : discipline_names())
            BOOST_TEST_CONTEXT(e.name << ", " << discipline)
        check_books(short_run(v.what, discipline, "fixed", 7));
    }
}

BOOST_AUTO_TEST_CASE(no_tenant_is_starved) {
    profile flood;
    flood.sources.front().tenants = 50;
    for (const double load : {2.0, 20.0}) {
        flood.sources.front().load = load;
        flood.warm_up = 1s;
        flood.measured = 5s;
        settings how;
        for (how.seed = 1; how.seed <= 5; ++how.seed)
            BOOST_TEST_CONTEXT("load " << load << ", seed " << how.seed)
        BOOST_TEST(starved(run(flood, about, how), 10) == 0U);
    }
}

BOOST_AUTO_TEST_CASE(a_seed_gives_the_same_answers_again_and_another_seed_others) {
    for (const auto& e : experiments()) {
        const auto& v = e.variants.back();
        BOOST_TEST_CONTEXT(e.name) {
            const auto first = short_run(v.what, "corogate", default_limiter, 3);
            const auto again = short_run(v.what, "corogate", default_limiter, 3);
            const auto other = short_run(v.what, "corogate", default_limiter, 4);
            BOOST_TEST(first.digest == again.digest);
            BOOST_TEST(first.events == again.events);
            BOOST_TEST(first.digest != other.digest);
        }
    }
}

BOOST_AUTO_TEST_CASE(what_is_spent_on_broken_jobs_is_waste) {
    profile p;
    p.sources.front().load = 5;
    p.warm_up = 0s;
    p.measured = 2s;
    settings how;
    how.discipline = "per-task";
    const record r = run(p, about, how);
    BOOST_TEST(r.violations.empty());
    const figures f = figures_of(r);
    BOOST_TEST(f.given_up > 0U);
    BOOST_TEST(f.sent == f.in_time + f.late + f.refused + f.given_up);
    BOOST_TEST(waste(r) > 0.5);
}

BOOST_AUTO_TEST_SUITE_END()
