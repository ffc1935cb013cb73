#include <corogate/memory_guard.hpp>

#include "completions.hpp"

#include <boost/test/unit_test.hpp>
#include <corogate/detail/shedding.hpp>
#include <corogate/task_pool.hpp>
#include <corogate/testing/environment.hpp>
#include <cstdlib>
#include <stdexcept>

using namespace std::chrono_literals;
using corogate::errc;
using corogate::job_options;
using corogate::memory_guard;
using corogate::priority_class;
using corogate::detail::shedding;

BOOST_AUTO_TEST_SUITE(memory_guard_tests)

BOOST_AUTO_TEST_CASE(thresholds_are_checked) {
    BOOST_CHECK_THROW(memory_guard().thresholds(0.9, 0.8), std::invalid_argument);
    BOOST_CHECK_THROW(memory_guard().thresholds(0, 0.8), std::invalid_argument);
    BOOST_CHECK_THROW(memory_guard().thresholds(0.5, 1.1), std::invalid_argument);
    BOOST_TEST(memory_guard().thresholds(0.5, 1).hard() == 1.0);
}

// ---- which work ----

BOOST_AUTO_TEST_CASE(background_first_then_everything) {
    const auto share = [](double pressure, priority_class c) {
        shedding s{memory_guard()};
        s.pressure(pressure);
        int refused = 0;
        for (std::uint32_t i = 0; i < 1000; ++i)
            refused += shedding::refuses(s.everything(), s.background(), c, i * 4294967);
        return refused;
    };
    BOOST_TEST(share(0.84, priority_class::background) == 0);
    BOOST_TEST(std::abs(share(0.90, priority_class::background) - 500) <= 5);
    BOOST_TEST(share(0.949, priority_class::background) > 980);
    BOOST_TEST(share(0.949, priority_class::normal) == 0);
    for (const auto c : corogate::all_priority_classes)
        BOOST_TEST(share(0.95, c) == 1000);
}

BOOST_AUTO_TEST_CASE(a_mark_once_passed_holds_until_pressure_is_a_twentieth_below_it) {
    shedding s{memory_guard()};
    s.pressure(0.96);
    BOOST_TEST(s.everything());
    s.pressure(0.94);
    BOOST_TEST(s.everything());
    s.pressure(0.90);
    BOOST_TEST(!s.everything());
    BOOST_TEST(s.background() > 0.4);
    s.pressure(0.82);
    BOOST_TEST(s.background() > 0.0);
    s.pressure(0.80);
    BOOST_TEST(s.background() == 0.0);
    s.pressure(0.84);
    BOOST_TEST(s.background() == 0.0);
}

// ---- in a pool ----

BOOST_AUTO_TEST_CASE(a_pool_refuses_what_memory_is_too_short_for) {
    corogate::testing::environment env;
    double pressure = 0;
    const auto options = corogate::pool_options{}.guard_memory(memory_guard().source([&pressure] {
        return pressure;
    }));
    corogate::task_pool pool{env, options};
    const auto background = job_options().priority(priority_class::background);
    env.advance(1s);
    BOOST_TEST(pool.try_submit([] {}, background).has_value());
    pressure = 0.9499;
    BOOST_TEST(pool.try_submit([] {}, background).has_value()); // not looked at yet
    env.advance(250ms);
    int refused = 0;
    for (int i = 0; i < 100; ++i)
        refused += !pool.try_submit([] {}, background);
    BOOST_TEST(refused >= 90);
    BOOST_TEST(pool.try_submit([] {}).has_value());
    pressure = 1;
    env.advance(250ms);
    const auto no = pool.try_admit(24);
    BOOST_REQUIRE(!no);
    BOOST_TEST(no.error().reason() == errc::memory_pressure);
    BOOST_TEST(no.error().retryable());
    BOOST_TEST(no.error().retry_after() > 0ms);
    test::completion_of end;
    pool.async_submit([] {}, end.note());
    env.run();
    BOOST_TEST((end.code() == errc::memory_pressure));
    pressure = 0.5;
    env.advance(250ms);
    BOOST_TEST(pool.try_admit(24).has_value());
    test::settle(env, pool);
}

BOOST_AUTO_TEST_CASE(a_source_that_throws_harms_nobody) {
    corogate::testing::environment env;
    int asked = 0;
    corogate::task_pool pool{
        env, corogate::pool_options{}.guard_memory(memory_guard().source([&asked]() -> double {
            if (++asked % 2 == 0)
                throw std::runtime_error("no figure today");
            return 1;
        }))
    };
    env.advance(1ms);
    BOOST_TEST(!pool.try_admit(1));
    env.advance(250ms); // no pressure is known
    BOOST_TEST(pool.try_admit(1).has_value());
    env.advance(250ms); // and it is asked again
    BOOST_TEST(!pool.try_admit(1));
    BOOST_TEST(asked == 3);
    test::settle(env, pool);
}

BOOST_AUTO_TEST_SUITE_END()
