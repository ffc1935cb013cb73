#include <corogate/limiters/adaptive.hpp>
#include <corogate/limiters/aimd.hpp>
#include <corogate/limiters/fixed.hpp>
#include <corogate/limiters/gradient.hpp>
#include <corogate/limiters/vegas.hpp>

#include "golden/limiters.hpp"
#include "seed.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <random>
#include <span>
#include <stdexcept>

using namespace std::chrono_literals;
using corogate::limiter_window;
namespace limiters = corogate::limiters;
using std::chrono::nanoseconds;
using time_point = std::chrono::steady_clock::time_point;

static_assert(corogate::limiter<limiters::fixed> && !corogate::braking_limiter<limiters::fixed>);
static_assert(corogate::limiter<limiters::aimd> && !corogate::braking_limiter<limiters::aimd>);
static_assert(corogate::limiter<limiters::gradient> && !corogate::braking_limiter<limiters::gradient>);
static_assert(corogate::limiter<limiters::vegas> && !corogate::braking_limiter<limiters::vegas>);
static_assert(corogate::braking_limiter<limiters::adaptive>);

BOOST_AUTO_TEST_SUITE(limiters_tests)

namespace {

/// Shows the windows on record, and compares what follows with what must.
template <typename L>
void follows(L model, std::span<const golden::row> rows) {
    int at = 0;
    for (const auto& row : rows) {
        limiter_window w;
        w.length = nanoseconds(row.length);
        w.completed = row.completed;
        w.timed_out = row.timed_out;
        w.max_in_flight = row.max_in_flight;
        w.mean_in_flight = row.mean_in_flight;
        w.scheduling_delay = nanoseconds(row.scheduling_delay);
        w.service_time = nanoseconds(row.service_time);
        w.mean_service_time = nanoseconds(row.mean_service_time);
        w.least_service_time = nanoseconds(row.least_service_time);
        model.update(w, time_point(nanoseconds(row.now)));
        // Where the exact limit is on the edge between two, the last bit may decide otherwise.
        const double twice = 2 * row.exact;
        const bool on_edge = std::abs(twice - std::round(twice)) < 1e-6;
        const auto off = std::max(model.limit(), row.limit) - std::min(model.limit(), row.limit);
        BOOST_TEST_CONTEXT("window " << at << ", exact " << row.exact)
        BOOST_REQUIRE_LE(off, on_edge ? 1u : 0u);
        ++at;
    }
    BOOST_TEST(at >= 50);
}

/// What a saturated pool of `workers` threads does at a limit, by Little's law, with noise: tasks
/// of `service`, of which `cpu` on a thread; behind them something that serves `places` at once.
struct model_pool {
    double workers = 8;
    double cpu = 0.002;
    double service = 0.008;
    double places = 1e6;
    double heavy = 1;  // mean over median
    double demand = 0; // tasks a second; 0: more than enough
    std::mt19937_64 random;
    time_point now{1h};
    double last_in_flight = 0;

    explicit model_pool(std::uint64_t seed)
        : random(seed) {}

    double capacity() const { return std::min(workers / cpu, places / (service - cpu)); }

    limiter_window window(std::size_t limit) {
        const auto permits = static_cast<double>(limit);
        const double able = std::min(permits / service, capacity());
        const bool saturated = demand == 0 || demand >= able;
        const double pace = saturated ? able : demand;
        const double length = std::max(0.1, 64 / pace);
        const double in_flight =
            std::max(saturated ? permits : pace * service, last_in_flight - pace * length);
        last_in_flight = in_flight;
        const double time = in_flight / pace;
        const auto noisy = [this](double value, double sigma) {
            return value * std::max(0.1, 1 + std::normal_distribution<double>(0, sigma)(random));
        };
        const double sigma = 1 / std::sqrt(pace * length);
        limiter_window w;
        w.length = nanoseconds(static_cast<std::int64_t>(length * 1e9));
        w.completed = static_cast<std::uint64_t>(noisy(pace * length, sigma / 2));
        w.max_in_flight = static_cast<std::size_t>(in_flight);
        w.mean_in_flight = in_flight;
        const double wait = capacity() == workers / cpu ? std::max(0.0, time - service) / 2 : 0;
        const auto ns = [](double s) { return nanoseconds(static_cast<std::int64_t>(s * 1e9)); };
        w.scheduling_delay = ns(noisy(wait, sigma));
        w.service_time = ns(noisy(time / heavy, sigma));
        w.mean_service_time = ns(noisy(time, heavy * sigma));
        w.least_service_time = ns(0.5 * time / heavy);
        now += w.length;
        return w;
    }

    /// Part of the capacity that is used over some time.
    template <typename L>
    double use(L& model, nanoseconds time) {
        const auto until = now + time;
        double done = 0;
        const auto began = now;
        while (now < until) {
            const auto w = window(model.limit());
            done +=
                std::min(
                    static_cast<double>(model.limit()) / service, demand > 0 ? demand : capacity()
                ) *
                std::chrono::duration<double>(w.length).count();
            model.update(w, now);
        }
        return std::min(
            1.0, done / std::chrono::duration<double>(now - began).count() /
                     (demand > 0 ? demand : capacity())
        );
    }
};

} // namespace

BOOST_AUTO_TEST_CASE(aimd_follows_the_formula) { follows(limiters::aimd(), golden::aimd); }
BOOST_AUTO_TEST_CASE(gradient_follows_the_formula) {
    follows(limiters::gradient(), golden::gradient);
}
BOOST_AUTO_TEST_CASE(vegas_follows_the_formula) { follows(limiters::vegas(), golden::vegas); }
BOOST_AUTO_TEST_CASE(adaptive_follows_its_rules) {
    follows(limiters::adaptive(8), golden::adaptive);
}

BOOST_AUTO_TEST_CASE(options_are_checked) {
    using std::invalid_argument;
    BOOST_CHECK_THROW(limiters::fixed(0), invalid_argument);
    BOOST_CHECK_THROW(limiters::aimd().bounds(0, 5), invalid_argument);
    BOOST_CHECK_THROW(limiters::aimd().bounds(6, 5), invalid_argument);
    BOOST_CHECK_THROW(limiters::aimd().back_off(1), invalid_argument);
    BOOST_CHECK_THROW(limiters::aimd().back_off(std::nan("")), invalid_argument);
    BOOST_CHECK_THROW(limiters::aimd().timeout(0s), invalid_argument);
    BOOST_CHECK_THROW(limiters::gradient().bounds(0, 5), invalid_argument);
    BOOST_CHECK_THROW(limiters::gradient().tolerance(0.9), invalid_argument);
    BOOST_CHECK_THROW(limiters::gradient().smoothing(0), invalid_argument);
    BOOST_CHECK_THROW(limiters::vegas().most(0), invalid_argument);
    BOOST_CHECK_THROW(limiters::vegas().renew(0), invalid_argument);
    BOOST_CHECK_THROW(limiters::vegas().smoothing(1.1), invalid_argument);
    BOOST_CHECK_THROW(limiters::adaptive().bounds(9, 8), invalid_argument);
    BOOST_CHECK_THROW(limiters::adaptive().delay(0s), invalid_argument);
    BOOST_CHECK_THROW(limiters::adaptive().tolerance(1), invalid_argument);
}

BOOST_AUTO_TEST_CASE(the_start_is_within_the_bounds) {
    BOOST_TEST(limiters::fixed(7).limit() == 7u);
    BOOST_TEST(limiters::aimd().limit() == 20u);
    BOOST_TEST(limiters::aimd().initial(5).limit() == 20u);
    BOOST_TEST(limiters::aimd().bounds(1, 10).limit() == 10u);
    BOOST_TEST(limiters::gradient().bounds(4, 8).limit() == 8u);
    BOOST_TEST(limiters::gradient().initial(500).limit() == 200u);
    BOOST_TEST(limiters::vegas().initial(0).limit() == 1u);
    BOOST_TEST(limiters::vegas().initial(5000).limit() == 1000u);
    BOOST_TEST(limiters::adaptive(4).limit() == 8u);
    BOOST_TEST(limiters::adaptive(4).initial(1).limit() == 4u);
    BOOST_TEST(limiters::adaptive(4).bounds(1, 5).limit() == 5u);
}

BOOST_AUTO_TEST_CASE(windows_in_which_nothing_was_seen_move_nothing) {
    limiter_window w; // nor has it a length
    limiters::aimd aimd;
    limiters::gradient gradient;
    limiters::vegas vegas;
    limiters::adaptive adaptive(4);
    for (int i = 0; i < 100; ++i) {
        const time_point now(1h + i * 100ms);
        aimd.update(w, now);
        gradient.update(w, now);
        vegas.update(w, now);
        adaptive.update(w, now);
        w.length = 100ms;
        w.completed = 64; // and no time of any, as where none was sampled
    }
    BOOST_TEST(aimd.limit() == 20u);
    BOOST_TEST(gradient.limit() == 20u);
    BOOST_TEST(vegas.limit() == 20u);
    BOOST_TEST(adaptive.limit() == 8u);
}

/// Runs a trial with each of 20 seeds, always the same ones: these are statements about a random
/// process, which hold for nearly all of its runs.
template <typename Trial>
void for_seeds(Trial trial) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed)
        BOOST_TEST_CONTEXT("seed " << seed) {
            model_pool pool(seed);
            trial(pool);
        }
}

BOOST_AUTO_TEST_CASE(adaptive_finds_the_limit_from_below_and_from_above) {
    for (const std::size_t from : {8u, 16u, 40u, 200u, 1000u, 4096u})
        for_seeds([from](model_pool& pool) {
            auto model = limiters::adaptive(8).initial(from);
            pool.use(model, 4s);
            BOOST_TEST(pool.use(model, 20s) > 0.98); // 32 is enough by the formula
            BOOST_TEST(model.limit() <= 75u);
        });
}

BOOST_AUTO_TEST_CASE(adaptive_comes_back_after_a_step_behind_the_tasks) {
    for (const double places : {12.0, 3.0}) {
        double in_time = 0;
        for_seeds([&](model_pool& pool) {
            limiters::adaptive model(8);
            pool.use(model, 10s);
            pool.places = places;
            pool.use(model, 1s);
            BOOST_TEST(pool.use(model, 20s) > 0.95);
            BOOST_TEST(static_cast<double>(model.limit()) <= std::max(32.0, 3.2 * places));
            pool.places = 64;
            pool.use(model, 1s);
            in_time += pool.use(model, 1s) / 20;
            BOOST_TEST(pool.use(model, 20s) > 0.97);
        });
        BOOST_TEST(in_time > 0.95);
    }
}

BOOST_AUTO_TEST_CASE(adaptive_does_not_drift_under_permanent_saturation) {
    for_seeds([](model_pool& pool) {
        pool.places = 12; // 16 permits are enough
        limiters::adaptive model(8);
        for (int minute = 0; minute < 10; ++minute) {
            BOOST_TEST(pool.use(model, 1min) > 0.95);
            BOOST_TEST(model.limit() <= 40u);
        }
    });
}

BOOST_AUTO_TEST_CASE(adaptive_tells_a_slower_service_from_a_queue) {
    for_seeds([](model_pool& pool) {
        limiters::adaptive model(8);
        pool.use(model, 10s);
        pool.service = 0.032; // four times as long: 128 permits are enough
        pool.use(model, 3s);
        BOOST_TEST(pool.use(model, 10s) > 0.95);
        BOOST_TEST(model.limit() >= 120u);
        pool.service = 0.008;
        pool.use(model, 2s);
        BOOST_TEST(pool.use(model, 10s) > 0.97);
    });
}

BOOST_AUTO_TEST_CASE(adaptive_leaves_the_floor_where_the_service_has_become_slower) {
    for_seeds([](model_pool& pool) {
        pool.places = 3;
        limiters::adaptive model(8);
        pool.use(model, 10s);
        BOOST_TEST(model.limit() <= 32u);
        pool.places = 1e6;
        pool.service = 0.050;
        pool.use(model, 12s);
        BOOST_TEST(pool.use(model, 10s) > 0.95);
    });
}

BOOST_AUTO_TEST_CASE(adaptive_is_not_misled_by_a_few_tasks_eleven_times_as_long) {
    for_seeds([](model_pool& pool) {
        pool.heavy = 1.5; // 95 parts of 1 and 5 of 11
        limiters::adaptive model(8);
        pool.use(model, 3s);
        BOOST_TEST(pool.use(model, 30s) > 0.97);
        BOOST_TEST(model.limit() >= 30u);
    });
}

BOOST_AUTO_TEST_CASE(adaptive_does_not_shrink_while_there_is_little_to_do) {
    for_seeds([](model_pool& pool) {
        limiters::adaptive model(8);
        pool.use(model, 10s);
        const auto before = model.limit();
        pool.demand = 2000; // half of what it can
        for (int i = 0; i < 600; ++i) {
            pool.use(model, 100ms);
            BOOST_REQUIRE(model.limit() >= before);
        }
        pool.demand = 3200;
        BOOST_TEST(pool.use(model, 60s) > 0.99);
    });
}

BOOST_AUTO_TEST_CASE(adaptive_is_not_raised_by_failures_and_halves_where_most_run_out_of_time) {
    limiters::adaptive model(4);
    model.initial(64);
    limiter_window w;
    w.length = 1s;
    w.completed = 8; // of many that failed
    w.service_time = w.mean_service_time = 5ms;
    time_point now{1h};
    for (int i = 0; i < 30; ++i) {
        w.max_in_flight = model.limit();
        w.mean_in_flight = static_cast<double>(model.limit());
        model.update(w, now += w.length);
        BOOST_REQUIRE(model.limit() <= 87u); // three steps, which bring nothing
    }
    const auto before = model.limit();
    BOOST_TEST(before < 64u);
    w.timed_out = 9;
    w.mean_in_flight = static_cast<double>(before);
    model.update(w, now += w.length);
    BOOST_TEST(model.limit() <= before * 2 / 3);
    for (int i = 0; i < 20; ++i) {
        w.mean_in_flight = static_cast<double>(model.limit());
        model.update(w, now += w.length);
    }
    BOOST_TEST(model.limit() == 4u);
}

BOOST_AUTO_TEST_CASE(adaptive_brakes_for_threads_that_are_not_to_be_had_three_times_a_window) {
    auto model = limiters::adaptive(4).initial(1000);
    time_point now{1h};
    model.brake(50ms, now);
    BOOST_TEST(model.limit() == 1000u);
    model.brake(51ms, now);
    BOOST_TEST(model.limit() == 800u);
    model.brake(61ms, now += 10ms);
    BOOST_TEST(model.limit() == 800u);
    model.brake(151ms, now += 90ms);
    BOOST_TEST(model.limit() == 640u);
    model.brake(251ms, now += 100ms);
    BOOST_TEST(model.limit() == 512u);
    model.brake(351ms, now += 100ms);
    BOOST_TEST(model.limit() == 512u);
    limiter_window w;
    w.length = 500ms;
    w.completed = 100;
    w.service_time = w.mean_service_time = 400ms;
    w.max_in_flight = 300;
    w.mean_in_flight = 300;
    model.update(w, now += 100ms);
    BOOST_TEST(model.limit() == 512u);
    model.brake(390ms, now += 10ms); // tasks that long are used to wait
    BOOST_TEST(model.limit() == 512u);
    model.brake(450ms, now += 100ms);
    BOOST_TEST(model.limit() == 410u);
}

BOOST_AUTO_TEST_CASE(adaptive_goes_no_further_where_its_limit_is_not_in_force) {
    auto model = limiters::adaptive(4).initial(100);
    limiter_window w;
    w.length = 100ms;
    w.completed = 400;
    w.service_time = w.mean_service_time = 100ms;
    w.scheduling_delay = 80ms; // far too long, whatever it says
    w.max_in_flight = 400;
    w.mean_in_flight = 400;
    time_point now{1h};
    for (int i = 0; i < 50; ++i)
        model.update(w, now += w.length);
    BOOST_TEST(model.limit() == 100u);
}

BOOST_AUTO_TEST_CASE(random_windows_never_leave_the_bounds) {
    std::mt19937_64 random(test_seed());
    limiters::aimd aimd;
    limiters::gradient gradient;
    limiters::vegas vegas;
    auto adaptive = limiters::adaptive(3).bounds(2, 300);
    time_point now{1h};
    const auto any_time = [&] {
        const double t = std::exp(std::uniform_real_distribution<double>(0, 25)(random));
        return random() % 8 == 0 ? 0ns : nanoseconds(static_cast<std::int64_t>(t));
    };
    for (int i = 0; i < 200'000; ++i) {
        limiter_window w;
        w.length = any_time();
        w.completed = random() % 4 == 0 ? 0 : random() % 100'000;
        w.timed_out = random() % 4 == 0 ? random() % 100'000 : 0;
        w.max_in_flight = random() % 400;
        w.mean_in_flight = static_cast<double>(random() % 400);
        w.scheduling_delay = random() % 2 ? any_time() : 0ns;
        w.service_time = any_time();
        w.mean_service_time = any_time();
        w.least_service_time = any_time();
        now += w.length;
        aimd.update(w, now);
        gradient.update(w, now);
        vegas.update(w, now);
        adaptive.update(w, now);
        if (random() % 16 == 0)
            adaptive.brake(any_time(), now);
        BOOST_REQUIRE((aimd.limit() >= 20 && aimd.limit() <= 200));
        BOOST_REQUIRE((gradient.limit() >= 20 && gradient.limit() <= 200));
        BOOST_REQUIRE((vegas.limit() >= 1 && vegas.limit() <= 1000));
        BOOST_REQUIRE((adaptive.limit() >= 2 && adaptive.limit() <= 300));
    }
}

BOOST_AUTO_TEST_SUITE_END()
