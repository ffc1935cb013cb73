#include <corogate/detail/drain_rate.hpp>

#include <boost/test/unit_test.hpp>

using namespace std::chrono_literals;
using corogate::detail::drain_rate;

BOOST_AUTO_TEST_SUITE(drain_rate_tests)

BOOST_AUTO_TEST_CASE(unknown_until_a_window_has_passed_then_the_pace_smoothed_by_half) {
    drain_rate rate;
    drain_rate::clock::time_point now{1h};
    BOOST_TEST(rate.due(now));
    rate.observe(now, 0);
    BOOST_TEST(rate.per_second() == 0.0);
    BOOST_TEST(!rate.due(now + 999ms));
    rate.observe(now += 2s, 200);
    BOOST_TEST(rate.per_second() == 100.0);
    rate.observe(now += 1s, 400);
    BOOST_TEST(rate.per_second() == 150.0);
}

BOOST_AUTO_TEST_SUITE_END()
