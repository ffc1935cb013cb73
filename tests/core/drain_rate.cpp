#include <corogate/detail/drain_rate.hpp>

#include <boost/test/unit_test.hpp>

using namespace std::chrono_literals;
using corogate::detail::drain_rate;

BOOST_AUTO_TEST_SUITE(drain_rate_tests)

BOOST_AUTO_TEST_CASE(unknown_until_a_window_has_passed_then_smoothed) {
    drain_rate rate;
    drain_rate::clock::time_point now{1h};
    BOOST_TEST(rate.due(now));
    rate.observe(now, 0);
    BOOST_TEST(rate.per_second() == 0.0);
    BOOST_TEST(!rate.due(now + 99ms));
    rate.observe(now += 200ms, 20);
    BOOST_TEST(rate.per_second() == 100.0);
    rate.observe(now += 100ms, 40); // 200 a second
    BOOST_TEST(rate.per_second() == 140.0);
}

BOOST_AUTO_TEST_CASE(a_window_has_sixteen_tasks_however_long_that_takes) {
    drain_rate rate;
    drain_rate::clock::time_point now{1h};
    rate.observe(now, 100);
    rate.observe(now += 1s, 115);
    BOOST_TEST(rate.per_second() == 0.0);
    rate.observe(now += 1s, 120);
    BOOST_TEST(rate.per_second() == 10.0);
}

BOOST_AUTO_TEST_CASE(a_time_without_a_queue_says_nothing_of_the_pace) {
    drain_rate rate;
    drain_rate::clock::time_point now{1h};
    rate.observe(now, 0);
    rate.observe(now += 100ms, 100);
    BOOST_TEST(rate.per_second() == 1000.0);
    rate.pause();
    BOOST_TEST(rate.per_second() == 1000.0);
    rate.observe(now += 1h, 200); // begins a window
    BOOST_TEST(rate.per_second() == 1000.0);
    rate.observe(now += 100ms, 300);
    BOOST_TEST(rate.per_second() == 1000.0);
}

BOOST_AUTO_TEST_CASE(nine_tenths_of_a_change_are_known_after_half_a_second) {
    drain_rate rate;
    drain_rate::clock::time_point now{1h};
    std::uint64_t ended = 0;
    const auto run = [&](int windows, std::uint64_t each) {
        for (int i = 0; i < windows; ++i)
            rate.observe(now += 100ms, ended += each);
    };
    run(50, 400);
    run(5, 200); // half the pace
    BOOST_TEST(rate.per_second() < 2200.0);
    BOOST_TEST(rate.per_second() > 2000.0);
}

BOOST_AUTO_TEST_SUITE_END()
