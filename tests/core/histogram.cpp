#include <corogate/histogram.hpp>

#include "seed.hpp"
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <random>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using corogate::histogram;
using corogate::histogram_snapshot;
using buckets = corogate::detail::histogram_buckets;
using std::chrono::nanoseconds;

BOOST_AUTO_TEST_SUITE(histogram_tests)

BOOST_AUTO_TEST_CASE(buckets_cover_the_range_without_gap_or_overlap_and_are_a_sixteenth_wide) {
    BOOST_TEST(buckets::lower(0) == 0u);
    for (std::size_t i = 0; i < buckets::count; ++i) {
        const auto low = buckets::lower(i);
        const auto high = buckets::upper(i);
        BOOST_REQUIRE(buckets::index(low) == i);
        BOOST_REQUIRE(buckets::index(high) == i);
        BOOST_REQUIRE((high - low) * 16 <= low);
        if (i + 1 < buckets::count)
            BOOST_REQUIRE(buckets::lower(i + 1) == high + 1);
    }
    BOOST_TEST(buckets::upper(buckets::count - 1) == buckets::greatest);
}

BOOST_AUTO_TEST_CASE(quantiles_of_random_data_are_not_below_the_true_ones_and_less_than_a_16th_above
) {
    std::mt19937_64 random(test_seed());
    for (int run = 0; run < 20; ++run) {
        std::lognormal_distribution<double> spread(
            std::uniform_real_distribution<>(3, 20)(random), 2
        );
        histogram h;
        std::vector<std::int64_t> exact;
        const int n = std::uniform_int_distribution<>(1, 20'000)(random);
        std::int64_t sum = 0;
        for (int i = 0; i < n; ++i) {
            const auto ns = static_cast<std::int64_t>(std::min(spread(random), 1e12));
            exact.push_back(ns);
            sum += ns;
            h.record(nanoseconds(ns));
        }
        std::sort(exact.begin(), exact.end());
        const auto s = h.snapshot();
        BOOST_TEST(s.count() == exact.size());
        BOOST_TEST(s.sum().count() == sum);
        BOOST_TEST(s.mean().count() == sum / n);
        BOOST_TEST(s.max().count() == exact.back());
        for (const double q : {0.0, 0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0}) {
            const auto rank = std::max<std::size_t>(1, static_cast<std::size_t>(std::ceil(q * n)));
            const auto truth = exact[rank - 1];
            const auto found = s.quantile(q).count();
            BOOST_TEST(found >= truth);
            BOOST_TEST((found - truth) * 16 <= truth);
        }
        BOOST_TEST(s.quantile(1).count() == exact.back());
    }
}

BOOST_AUTO_TEST_CASE(nothing_recorded_is_zero_everywhere) {
    const auto s = histogram().snapshot();
    BOOST_TEST(s.count() == 0u);
    BOOST_TEST((s.quantile(0.5) == 0ns && s.max() == 0ns && s.mean() == 0ns && s.sum() == 0ns));
    s.for_each_bucket([](auto, auto, auto) { BOOST_ERROR("a bucket of nothing"); });
}

BOOST_AUTO_TEST_CASE(values_out_of_range_are_clamped) {
    histogram h;
    h.record(-5s);
    h.record(nanoseconds::max());
    h.record(5h);
    const auto s = h.snapshot();
    BOOST_TEST(s.count() == 3u);
    BOOST_TEST((s.quantile(0) == 0ns));
    BOOST_TEST((s.max() == nanoseconds(buckets::greatest)));
    BOOST_TEST((s.quantile(1) == s.max()));
    BOOST_TEST((nanoseconds(buckets::greatest) > 73min));
}

BOOST_AUTO_TEST_CASE(a_weight_counts_as_often_and_none_is_nothing) {
    histogram one, many;
    one.record(100us, 8);
    one.record(1ms, 0);
    for (int i = 0; i < 8; ++i)
        many.record(100us);
    BOOST_TEST(one.snapshot().count() == 8u);
    BOOST_TEST((one.snapshot().sum() == many.snapshot().sum()));
    BOOST_TEST((one.snapshot().max() == 100us));
}

BOOST_AUTO_TEST_CASE(merged_is_as_if_recorded_in_one) {
    histogram a, b, both;
    for (int i = 1; i < 1000; ++i) {
        (i % 3 ? a : b).record(nanoseconds(i * i));
        both.record(nanoseconds(i * i));
    }
    auto merged = a.snapshot();
    merged.merge(b.snapshot());
    const auto whole = both.snapshot();
    BOOST_TEST(merged.count() == whole.count());
    BOOST_TEST((merged.sum() == whole.sum() && merged.max() == whole.max()));
    for (const double q : {0.0, 0.3, 0.5, 0.99, 1.0})
        BOOST_TEST((merged.quantile(q) == whole.quantile(q)));
}

BOOST_AUTO_TEST_CASE(since_is_what_came_after) {
    histogram h, later;
    for (int i = 1; i < 1000; ++i)
        h.record(nanoseconds(i * 1000));
    const auto before = h.snapshot();
    BOOST_TEST(h.snapshot().since(before).count() == 0u);
    BOOST_TEST((h.snapshot().since(before).max() == 0ns));
    for (int i = 1; i < 300; ++i) {
        h.record(nanoseconds(i * i), 3);
        later.record(nanoseconds(i * i), 3);
    }
    histogram_snapshot now = before; // what stood in it is gone
    h.snapshot(now);
    const auto here = now.since(before);
    const auto truth = later.snapshot();
    BOOST_TEST(here.count() == truth.count());
    BOOST_TEST((here.sum() == truth.sum() && here.mean() == truth.mean()));
    for (const double q : {0.0, 0.3, 0.5, 0.9})
        BOOST_TEST((here.quantile(q) == truth.quantile(q)));
    BOOST_TEST((here.max() >= truth.max()));
    BOOST_TEST(((here.max() - truth.max()) * 16 <= truth.max()));
}

BOOST_AUTO_TEST_CASE(buckets_are_told_from_below_and_cumulative_counts_fit_them) {
    histogram h;
    for (int i = 0; i < 5000; ++i)
        h.record(nanoseconds(i * 37));
    const auto s = h.snapshot();
    std::uint64_t total = 0;
    nanoseconds last(-1);
    s.for_each_bucket([&](nanoseconds low, nanoseconds high, std::uint64_t n) {
        BOOST_TEST((low > last && high >= low && n > 0));
        total += n;
        BOOST_TEST(s.count_up_to(high) == total);
        BOOST_TEST(s.count_up_to(low) == total);
        last = high;
    });
    BOOST_TEST(total == s.count());
    BOOST_TEST(s.count_up_to(-1ns) == 0u);
    BOOST_TEST(s.count_up_to(nanoseconds::max()) == s.count());
}

BOOST_AUTO_TEST_CASE(M2_threads_that_record_at_once_lose_nothing_and_looks_never_run_backwards) {
    constexpr int threads = 4, each = 50'000;
    histogram h;
    std::vector<std::thread> recording;
    for (int t = 0; t < threads; ++t)
        recording.emplace_back([&h, t] {
            for (int i = 0; i < each; ++i)
                h.record(nanoseconds(i * (t + 1)), 2);
        });
    std::uint64_t before = 0;
    bool backwards = false;
    for (int look = 0; look < 200; ++look) {
        const auto now = h.snapshot().count();
        backwards |= now < before;
        before = now;
    }
    for (auto& t : recording)
        t.join();
    BOOST_TEST(!backwards);
    const auto s = h.snapshot();
    BOOST_TEST(s.count() == 2u * threads * each);
    BOOST_TEST(s.max().count() == (each - 1) * threads);
    std::int64_t sum = 0;
    for (std::int64_t t = 1; t <= threads; ++t)
        sum += 2 * t * (std::int64_t{each} * (each - 1) / 2);
    BOOST_TEST(s.sum().count() == sum);
}

BOOST_AUTO_TEST_SUITE_END()
