#include <corogate/detail/retry_hint.hpp>

#include <boost/test/unit_test.hpp>
#include <ostream>

using namespace std::chrono_literals;
using corogate::detail::retry_hint;

BOOST_AUTO_TEST_SUITE(retry_hint_tests)

namespace {
constexpr std::uint32_t middle = 0x80000000; // no jitter
using time_point = retry_hint::clock::time_point;

/// So many refusals a second, for so long.
void refuse(retry_hint& hint, time_point& now, int a_second, int seconds) {
    for (int s = 0; s < seconds; ++s) {
        for (int i = 0; i < a_second; ++i)
            hint.refused(now, 1'000'000, 1, middle);
        now += 1s;
    }
}
} // namespace

BOOST_AUTO_TEST_CASE(the_first_refusal_says_a_second) {
    retry_hint hint;
    BOOST_TEST(hint.refused(time_point(1h), 1'000'000, 1, middle).count() == 1000);
}

BOOST_AUTO_TEST_CASE(it_doubles_a_window_while_many_are_refused_and_ends_at_32_seconds) {
    retry_hint hint;
    time_point now{1h};
    const std::uint32_t golden[] = {2, 4, 8, 16, 32, 32};
    for (const auto seconds : golden) {
        refuse(hint, now, 3, static_cast<int>(hint.seconds()));
        hint.refused(now, 1'000'000, 1, middle); // closes the window
        BOOST_TEST(hint.seconds() == seconds);
    }
}

BOOST_AUTO_TEST_CASE(it_falls_by_a_second_a_window_when_few_are_refused) {
    retry_hint hint;
    time_point now{1h};
    refuse(hint, now, 10, 8);
    const auto high = hint.seconds();
    BOOST_TEST(high >= 4u);
    refuse(hint, now, 1, static_cast<int>(2 * high));
    BOOST_TEST(hint.seconds() < high);
    refuse(hint, now, 1, 100);
    BOOST_TEST(hint.seconds() == 1u);
}

BOOST_AUTO_TEST_CASE(a_minute_of_silence_forgets) {
    retry_hint hint;
    time_point now{1h};
    refuse(hint, now, 10, 100);
    BOOST_TEST(hint.seconds() == 32u);
    for (int i = 0; i < 640; ++i) // asked ten times a second, as a pool with a queue does
        hint.count(now += 100ms, 0);
    BOOST_TEST(hint.seconds() == 1u);
}

BOOST_AUTO_TEST_CASE(a_long_silence_forgets) {
    retry_hint hint;
    time_point now{1h};
    refuse(hint, now, 10, 100);
    BOOST_TEST(hint.seconds() == 32u);
    now += 1h;
    BOOST_TEST(hint.refused(now, 1'000'000, 1, middle).count() == 1000);
}

BOOST_AUTO_TEST_CASE(it_is_no_longer_than_the_work_ahead_takes) {
    retry_hint hint;
    time_point now{1h};
    refuse(hint, now, 10, 100);
    BOOST_TEST(hint.refused(now, 4500, 1000, middle).count() == 5000);
    BOOST_TEST(hint.refused(now, 0, 1000, middle).count() == 1000);
    BOOST_TEST(hint.refused(now, 4500, 0, middle).count() == 32000); // no pace known
}

BOOST_AUTO_TEST_CASE(jitter_spreads_over_half_to_one_and_a_half) {
    retry_hint hint;
    const time_point now{1h};
    BOOST_TEST(hint.refused(now, 1, 1, 0).count() == 500);
    BOOST_TEST(hint.refused(now, 1, 1, 0xffffffff).count() >= 1499);
    std::uint32_t r = 1;
    double sum = 0;
    for (int i = 0; i < 10'000; ++i) {
        r = r * 1664525 + 1013904223;
        const auto ms = hint.refused(now, 1, 1, r).count();
        BOOST_REQUIRE_GE(ms, 500);
        BOOST_REQUIRE_LE(ms, 1500);
        sum += static_cast<double>(ms);
    }
    BOOST_TEST(sum / 10'000 > 990);
    BOOST_TEST(sum / 10'000 < 1010);
}

BOOST_AUTO_TEST_CASE(a_clock_that_stands_still_or_starts_at_zero_does_no_harm) {
    retry_hint hint;
    for (int i = 0; i < 100; ++i)
        BOOST_TEST(hint.refused(time_point{}, 1, 1, middle).count() == 1000);
}

BOOST_AUTO_TEST_SUITE_END()
