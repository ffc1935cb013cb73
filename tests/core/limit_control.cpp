#include <corogate/detail/limit_control.hpp>

#include <boost/test/unit_test.hpp>
#include <optional>
#include <vector>

using corogate::any_limiter;
using corogate::histogram;
using corogate::limiter_window;
using corogate::window_rule;
using corogate::detail::limit_control;
using namespace std::chrono_literals;
using time_point = limit_control::time_point;

BOOST_AUTO_TEST_SUITE(limit_control_tests)

namespace {

/// Writes down what it is shown, and says what it is told.
struct recording {
    struct shared {
        std::vector<limiter_window> windows;
        std::vector<time_point> times;
        std::size_t says = 10;
        std::chrono::nanoseconds braked{};
        window_rule rule{};
    };
    shared* to;

    std::size_t limit() const noexcept { return to->says; }
    window_rule windows() const noexcept { return to->rule; }
    void update(const limiter_window& w, time_point now) noexcept {
        to->windows.push_back(w);
        to->times.push_back(now);
    }
    void brake(std::chrono::nanoseconds waited, time_point) noexcept {
        to->braked = waited;
        to->says -= 1;
    }
};

/// The books of a pool, by hand.
struct books {
    recording::shared seen;
    limit_control control{recording{&seen}, 5};
    limit_control::totals sums;
    histogram delay;
    histogram service;
    std::size_t peak = 0;
    time_point now{1h};

    /// A look 10 ms later, as a pool does it.
    bool tick(std::uint64_t completed, std::size_t in_use = 0) {
        now += 10ms;
        sums.completed += completed;
        control.in_use(in_use);
        peak = std::max(peak, in_use);
        if (!control.due(now) || !control.look(now, sums, peak, delay, service))
            return false;
        peak = in_use;
        return true;
    }
};

} // namespace

BOOST_AUTO_TEST_CASE(without_a_limiter_nothing_is_due_and_the_limit_is_the_initial_one) {
    limit_control control(any_limiter(), 7);
    histogram none;
    BOOST_TEST(!control.due(time_point(1h)));
    BOOST_TEST(!control.look(time_point(1h), {}, 3, none, none));
    BOOST_TEST(!control.brake(1s, time_point(1h)));
    control.in_use(3);
    BOOST_TEST(control.limit() == 7u);
    BOOST_TEST(control.proposed() == 7u);
    control.hold(3);
    BOOST_TEST(control.limit() == 3u);
    control.let_go();
    BOOST_TEST(control.limit() == 7u);
}

BOOST_AUTO_TEST_CASE(a_window_ends_as_soon_as_it_is_long_enough_and_has_enough) {
    books b;
    BOOST_TEST(b.tick(1)); // begins the first
    for (int i = 0; i < 9; ++i)
        BOOST_TEST(!b.tick(100));
    BOOST_TEST(b.tick(100));
    BOOST_TEST_REQUIRE(b.seen.windows.size() == 1u);
    BOOST_TEST((b.seen.windows[0].length == 100ms));
    BOOST_TEST(b.seen.windows[0].completed == 1000u);
    BOOST_TEST((b.seen.times[0] == b.now));
    for (int i = 0; i < 15; ++i)
        BOOST_TEST(!b.tick(4));
    BOOST_TEST(b.tick(4)); // 64 are enough
    BOOST_TEST((b.seen.windows[1].length == 160ms));
    BOOST_TEST(b.seen.windows[1].completed == 64u);
}

BOOST_AUTO_TEST_CASE(with_few_it_waits_for_the_longest_and_with_fewer_for_more) {
    books b;
    b.tick(0);
    for (int i = 0; i < 99; ++i)
        BOOST_TEST(!b.tick(i % 10 == 0 ? 1 : 0));
    BOOST_TEST(b.tick(0)); // 10 in a second
    BOOST_TEST((b.seen.windows.back().length == 1s));
    for (int i = 0; i < 300; ++i)
        BOOST_TEST(!b.tick(i % 100 == 0 ? 1 : 0));
    for (int i = 0; i < 4; ++i)
        BOOST_TEST(!b.tick(1));
    BOOST_TEST(b.tick(1)); // the eighth
    BOOST_TEST((b.seen.windows.back().length == 3050ms));
}

BOOST_AUTO_TEST_CASE(tasks_out_of_time_end_a_window_as_well) {
    books b;
    b.tick(0);
    for (int i = 0; i < 99; ++i) {
        b.sums.timed_out += i < 20;
        BOOST_TEST(!b.tick(0));
    }
    BOOST_TEST(b.tick(0));
    BOOST_TEST(b.seen.windows.back().timed_out == 20u);
    BOOST_TEST(b.seen.windows.back().completed == 0u);
}

BOOST_AUTO_TEST_CASE(an_idle_time_begins_a_new_window) {
    books b;
    b.tick(0);
    for (int i = 0; i < 5; ++i)
        b.tick(50, 8);
    b.now += 10min;
    b.delay.record(1s);
    BOOST_TEST(b.tick(50, 2)); // ends what was, and shows it to nobody
    BOOST_TEST(b.seen.windows.empty());
    for (int i = 0; i < 9; ++i)
        BOOST_TEST(!b.tick(50, 2));
    BOOST_TEST(b.tick(50, 2));
    BOOST_TEST_REQUIRE(b.seen.windows.size() == 1u);
    BOOST_TEST((b.seen.windows[0].length == 100ms));
    BOOST_TEST(b.seen.windows[0].completed == 500u);
    BOOST_TEST(b.seen.windows[0].max_in_flight == 2u);
    BOOST_TEST((b.seen.windows[0].scheduling_delay == 0ns));
}

BOOST_AUTO_TEST_CASE(a_rule_whose_shortest_is_its_longest_is_not_an_idle_time) {
    books b;
    b.seen.rule = {1s, 1s, 10, 10};
    b.tick(0);
    for (int windows = 0; windows < 3; ++windows) {
        for (int i = 0; i < 99; ++i)
            BOOST_TEST(!b.tick(1));
        BOOST_TEST(b.tick(1));
    }
    BOOST_TEST(b.seen.windows.size() == 3u);
}

BOOST_AUTO_TEST_CASE(a_window_shows_what_was_recorded_in_it_and_nothing_before) {
    books b;
    for (int i = 0; i < 1000; ++i) {
        b.service.record(10s);
        b.delay.record(5s);
    }
    b.tick(0);
    for (int i = 1; i <= 9; ++i) {
        b.service.record(i * 1ms, 16); // a sample stands for more
        b.delay.record(i * 100us);
        b.tick(16, 4);
    }
    BOOST_TEST(b.tick(16, 6));
    BOOST_TEST_REQUIRE(b.seen.windows.size() == 1u);
    const auto& w = b.seen.windows[0];
    BOOST_TEST((w.service_time >= 5ms && w.service_time <= 5313us));
    BOOST_TEST((w.mean_service_time == 5ms));
    BOOST_TEST((w.least_service_time >= 1ms && w.least_service_time <= 1063us));
    BOOST_TEST((w.scheduling_delay >= 500us && w.scheduling_delay <= 532us));
    BOOST_TEST(w.max_in_flight == 6u);
    BOOST_TEST(w.mean_in_flight == 4.2); // nine times 4, once 6
    for (int i = 0; i < 10; ++i)
        b.tick(16);
    const auto& next = b.seen.windows.at(1);
    BOOST_TEST((next.service_time == 0ns && next.scheduling_delay == 0ns));
    BOOST_TEST((next.mean_service_time == 0ns && next.least_service_time == 0ns));
    BOOST_TEST(next.max_in_flight == 6u); // those of the look that ended the last
    BOOST_TEST(next.mean_in_flight == 0.0);
}

BOOST_AUTO_TEST_CASE(who_never_says_what_is_in_use_gets_it_by_littles_law) {
    books b;
    b.control.look(b.now, b.sums, 0, b.delay, b.service);
    b.sums.completed = 400;
    for (int i = 0; i < 400; ++i)
        b.service.record(10ms);
    BOOST_TEST(b.control.look(b.now + 100ms, b.sums, 50, b.delay, b.service));
    BOOST_TEST(b.seen.windows.at(0).mean_in_flight == 40.0, boost::test_tools::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(the_limit_is_the_held_one_before_the_dry_one_before_the_proposed) {
    books b;
    auto& c = b.control;
    BOOST_TEST(c.limit() == 10u);
    c.dry_run(true);
    BOOST_TEST(c.limit() == 5u);
    BOOST_TEST(c.proposed() == 10u);
    BOOST_TEST(!c.held());
    c.hold(3);
    BOOST_TEST(c.held());
    BOOST_TEST(c.limit() == 3u);
    c.dry_run(false);
    BOOST_TEST(c.limit() == 3u);
    b.seen.says = 12;
    BOOST_TEST(c.proposed() == 12u);
    c.let_go();
    BOOST_TEST(c.limit() == 12u);
    c.hold(0); // a limit is at least 1
    BOOST_TEST(c.limit() == 1u);
    BOOST_TEST(c.held());
}

BOOST_AUTO_TEST_CASE(proposals_are_clamped_and_held_limits_are_not) {
    recording::shared seen;
    limit_control control(recording{&seen}, 5, 8, 64);
    seen.says = 3;
    BOOST_TEST(control.limit() == 8u);
    seen.says = 1000;
    BOOST_TEST(control.limit() == 64u);
    control.hold(200);
    BOOST_TEST(control.limit() == 200u);
}

BOOST_AUTO_TEST_CASE(the_limiter_goes_on_learning_while_its_limit_is_not_in_force) {
    books b;
    b.control.hold(3);
    b.tick(0);
    for (int i = 0; i < 30; ++i)
        b.tick(10);
    BOOST_TEST(b.seen.windows.size() == 3u);
}

BOOST_AUTO_TEST_CASE(a_brake_says_whether_it_moved_the_limit) {
    books b;
    BOOST_TEST(b.control.brake(60ms, b.now));
    BOOST_TEST((b.seen.braked == 60ms));
    BOOST_TEST(b.control.limit() == 9u);
    b.control.hold(3);
    BOOST_TEST(!b.control.brake(60ms, b.now));
    BOOST_TEST(b.control.proposed() == 8u);
}

BOOST_AUTO_TEST_SUITE_END()
