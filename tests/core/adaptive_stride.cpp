#include <corogate/detail/adaptive_stride.hpp>

#include <array>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>

using corogate::detail::adaptive_stride;

BOOST_AUTO_TEST_SUITE(adaptive_stride_tests)

BOOST_AUTO_TEST_CASE(every_task_at_a_low_or_unknown_pace) {
    BOOST_TEST(adaptive_stride::at(0) == 1u);
    BOOST_TEST(adaptive_stride::at(-1) == 1u);
    BOOST_TEST(adaptive_stride::at(std::nan("")) == 1u);
    BOOST_TEST(adaptive_stride::at(20'000) == 1u);
    adaptive_stride stride;
    for (int i = 0; i < 100; ++i)
        BOOST_TEST(stride.next());
    BOOST_TEST(stride.weight() == 1u);
}

BOOST_AUTO_TEST_CASE(never_more_than_twenty_thousand_samples_a_second_and_no_fewer_than_needed) {
    for (double pace = 20'001; pace < 5'000'000; pace *= 1.01) {
        const auto stride = adaptive_stride::at(pace);
        BOOST_TEST(pace / stride <= 20'000);
        BOOST_TEST(pace / (stride - 1) > 20'000);
    }
}

BOOST_AUTO_TEST_CASE(one_in_256_at_least) {
    BOOST_TEST(adaptive_stride::at(1e9) == 256u);
    BOOST_TEST(adaptive_stride::at(std::numeric_limits<double>::infinity()) == 256u);
}

BOOST_AUTO_TEST_CASE(samples_stand_for_as_many_tasks_as_there_were_wherever_they_are_in_a_job) {
    adaptive_stride stride(7);
    stride.pace(160'000);
    BOOST_TEST(stride.weight() == 8u);
    constexpr int jobs = 100'000;
    std::array<int, 24> timed{};
    int samples = 0;
    for (int job = 0; job < jobs; ++job)
        for (auto& place : timed)
            if (stride.next()) {
                ++place;
                ++samples;
            }
    // The distances are uniform on 1..15: the mean of 300 000 of them is 8 within 0.04 (5 sigma).
    BOOST_TEST(24.0 * jobs / samples == 8.0, boost::test_tools::tolerance(0.005));
    for (const int place : timed) // each about 12 500; a fixed stride gives 0 or 100 000
        BOOST_TEST((place > 11'500 && place < 13'500));
}

BOOST_AUTO_TEST_CASE(a_new_pace_takes_effect_with_the_next_task) {
    adaptive_stride stride;
    stride.pace(1e9);
    stride.next();
    stride.pace(1000);
    BOOST_TEST(stride.next());
    BOOST_TEST(stride.next());
    stride.pace(40'000);
    BOOST_TEST(stride.weight() == 2u);
    BOOST_TEST(stride.next());
}

BOOST_AUTO_TEST_SUITE_END()
