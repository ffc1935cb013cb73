#include <corogate/detail/gate.hpp>

#include <boost/test/unit_test.hpp>
#include <random>

using corogate::errc;
using corogate::detail::gate;

BOOST_AUTO_TEST_SUITE(gate_tests)

BOOST_AUTO_TEST_CASE(Q1_capacity_n_takes_n_and_refuses_the_next) {
    gate g(105);
    BOOST_TEST(!g.reserve(105).has_value());
    BOOST_TEST((g.reserve(1) == errc::queue_full));
    BOOST_TEST(g.taken() == 105u);
    g.release(1);
    BOOST_TEST(!g.reserve(1).has_value());
}

BOOST_AUTO_TEST_CASE(more_than_everything_is_told_apart_from_full) {
    gate g(10);
    BOOST_TEST((g.reserve(11) == errc::job_too_large));
    BOOST_TEST(!g.reserve(1).has_value());
    BOOST_TEST((g.reserve(10) == errc::queue_full));
}

BOOST_AUTO_TEST_CASE(an_absurd_number_is_too_large_and_not_negative) {
    gate g(10);
    BOOST_TEST((g.reserve(std::size_t(-1)) == errc::job_too_large));
    BOOST_TEST((g.reserve(std::size_t(1) << 63) == errc::job_too_large));
    BOOST_TEST(g.taken() == 0u);
}

BOOST_AUTO_TEST_CASE(a_newcomer_does_not_overtake_a_waiter) {
    gate g(2);
    g.set(gate::waiters);
    BOOST_TEST((g.reserve(1) == errc::queue_full));
    BOOST_TEST(!g.reserve(0).has_value()); // takes nothing from anybody
    BOOST_TEST(g.reserve_for_waiter(1));
    g.clear(gate::waiters);
    BOOST_TEST(!g.reserve(1).has_value());
}

BOOST_AUTO_TEST_CASE(a_closed_gate_says_why) {
    gate g(2);
    g.set(gate::draining);
    BOOST_TEST((g.reserve(1) == errc::draining));
    g.set(gate::stopped);
    BOOST_TEST((g.reserve(1) == errc::stopped));
    BOOST_TEST((g.release(0) & gate::stopped) != 0u);
}

BOOST_AUTO_TEST_CASE(random_operations_agree_with_a_counter) {
    const auto seed = std::random_device{}();
    BOOST_TEST_MESSAGE("seed " << seed);
    BOOST_TEST_CONTEXT("seed " << seed) {
        std::mt19937 random(seed);
        gate g(50);
        std::size_t taken = 0;
        for (int step = 0; step < 100000; ++step) {
            const std::size_t n = random() % 8;
            if (random() % 2) {
                const bool fits = taken + n <= 50;
                if (g.reserve(n).has_value() == fits)
                    BOOST_FAIL("step " << step << ": reserve(" << n << ") with " << taken);
                taken += fits ? n : 0;
            } else {
                const auto back = std::min(n, taken);
                g.release(back);
                taken -= back;
            }
            if (g.taken() != taken)
                BOOST_FAIL("step " << step << ": " << g.taken() << " taken, not " << taken);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
