#include <corogate/detail/adaptive_stride.hpp>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdint>

using corogate::detail::adaptive_stride;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(adaptive_stride_tests)

namespace {

struct outcome {
    std::uint64_t samples = 0;
    std::uint64_t weight = 0;
};

/// n tasks at a steady distance in time.
outcome
run(adaptive_stride& stride, adaptive_stride::time_point& now, int n,
    std::chrono::nanoseconds apart) {
    outcome out;
    for (int i = 0; i < n; ++i, now += apart)
        if (stride.next()) {
            ++out.samples;
            out.weight += stride.take(now);
        }
    return out;
}

} // namespace

BOOST_AUTO_TEST_CASE(every_task_is_timed_while_there_are_few) {
    adaptive_stride stride;
    adaptive_stride::time_point now{1h};
    const auto out = run(stride, now, 1000, 1ms);
    BOOST_TEST(out.samples == 1000u);
    BOOST_TEST(out.weight == 1000u);
}

BOOST_AUTO_TEST_CASE(a_flood_is_sampled_and_the_sample_stands_for_all) {
    for (const auto apart : {100ns, 250ns, 1000ns, 10000ns}) {
        adaptive_stride stride(7);
        adaptive_stride::time_point now{1h};
        const int n = 1'000'000;
        const auto out = run(stride, now, n, apart);
        const auto seconds = static_cast<double>(n) * std::chrono::duration<double>(apart).count();
        BOOST_TEST(static_cast<double>(out.samples) / seconds < 50'000);
        BOOST_TEST(static_cast<double>(out.weight) > 0.9 * n);
        BOOST_TEST(static_cast<double>(out.weight) < 1.1 * n);
    }
}

BOOST_AUTO_TEST_CASE(the_stride_follows_a_change_of_pace) {
    adaptive_stride stride;
    adaptive_stride::time_point now{1h};
    run(stride, now, 100'000, 100ns);
    run(stride, now, 5'000, 1ms); // at most 256 of these are skipped before the first is timed
    const auto out = run(stride, now, 1000, 1ms);
    BOOST_TEST(out.samples == 1000u);
}

BOOST_AUTO_TEST_CASE(a_periodic_sequence_is_sampled_evenly) {
    adaptive_stride stride(3);
    adaptive_stride::time_point now{1h};
    std::uint64_t first_of_job = 0;
    std::uint64_t all = 0;
    for (int i = 0; i < 1'000'000; ++i, now += 100ns)
        if (stride.next()) {
            const auto weight = stride.take(now);
            all += weight;
            if (i % 24 == 0)
                first_of_job += weight;
        }
    const double part = static_cast<double>(first_of_job) / static_cast<double>(all);
    BOOST_TEST(part > 0.5 / 24);
    BOOST_TEST(part < 1.5 / 24);
}

BOOST_AUTO_TEST_SUITE_END()
