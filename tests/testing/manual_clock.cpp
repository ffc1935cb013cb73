#include <corogate/testing/manual_clock.hpp>

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <vector>

using corogate::testing::manual_clock;
using namespace std::chrono_literals;
using boost::test_tools::per_element;

BOOST_AUTO_TEST_SUITE(manual_clock_tests)

BOOST_AUTO_TEST_CASE(time_moves_only_when_told) {
    manual_clock clock;
    const auto start = clock.now();
    BOOST_TEST((clock.now() == start));
    clock.advance(3ms);
    BOOST_TEST((clock.now() == start + 3ms));
    clock.advance_to(start + 10ms);
    BOOST_TEST((clock.now() == start + 10ms));
    BOOST_CHECK_THROW(clock.advance_to(start), std::invalid_argument);
    BOOST_CHECK_THROW(clock.advance(-1ns), std::invalid_argument);
    BOOST_TEST((clock.now() == start + 10ms));
}

BOOST_AUTO_TEST_CASE(two_clocks_start_at_the_same_moment_and_not_at_zero) {
    BOOST_TEST((manual_clock().now() == manual_clock().now()));
    BOOST_TEST((manual_clock().now() - 1h > manual_clock::time_point{}));
}

BOOST_AUTO_TEST_CASE(timers_ring_by_moment_then_by_order_of_setting) {
    manual_clock clock;
    const auto start = clock.now();
    std::string rung;
    manual_clock::timer a(clock, [&] { rung += 'a'; });
    manual_clock::timer b(clock, [&] { rung += 'b'; });
    manual_clock::timer c(clock, [&] { rung += 'c'; });
    manual_clock::timer d(clock, [&] { rung += 'd'; });
    a.set(start + 2ms);
    b.set(start + 1ms);
    c.set(start + 2ms);
    d.set(start + 3ms);
    a.set(start + 2ms); // again: now behind c
    BOOST_TEST(clock.timers_waiting() == 4u);
    BOOST_TEST((clock.next_deadline() == start + 1ms));
    clock.advance(2ms);
    BOOST_TEST(rung == "bca");
    BOOST_TEST((clock.next_deadline() == start + 3ms));
    clock.advance(1h);
    BOOST_TEST(rung == "bcad");
    BOOST_TEST(!clock.next_deadline());
}

BOOST_AUTO_TEST_CASE(each_rings_at_its_own_moment) {
    manual_clock clock;
    const auto start = clock.now();
    std::vector<long> at;
    const auto note = [&] { at.push_back((clock.now() - start) / 1ms); };
    manual_clock::timer a(clock, note), b(clock, note);
    a.set(start + 5ms);
    b.set(start + 7ms);
    clock.advance(100ms);
    BOOST_TEST(at == (std::vector{5L, 7L}), per_element());
    BOOST_TEST((clock.now() == start + 100ms));
}

BOOST_AUTO_TEST_CASE(what_a_callback_sets_within_the_stretch_rings_too) {
    manual_clock clock;
    int rung = 0;
    manual_clock::timer every(clock, [&] {
        if (++rung < 100)
            every.set(clock.now() + 10ms);
    });
    every.set(clock.now() + 10ms);
    clock.advance(55ms);
    BOOST_TEST(rung == 5);
    BOOST_TEST(every.waiting());
}

BOOST_AUTO_TEST_CASE(a_passed_moment_is_due_at_once_and_never_rings_inside_set) {
    manual_clock clock;
    int rung = 0;
    manual_clock::timer late(clock, [&] { ++rung; });
    late.set(clock.now() - 1h);
    BOOST_TEST(rung == 0);
    const auto before = clock.now();
    BOOST_TEST(clock.ring_due());
    BOOST_TEST(rung == 1);
    BOOST_TEST((clock.now() == before));
    BOOST_TEST(!clock.ring_due());
    late.set(before + 1ns);
    BOOST_TEST(!clock.ring_due());
}

BOOST_AUTO_TEST_CASE(a_passed_moment_does_not_turn_time_back) {
    manual_clock clock;
    const auto start = clock.now();
    manual_clock::timer late(clock, [&] { BOOST_TEST((clock.now() == start)); });
    late.set(start - 1h);
    clock.advance(1ms);
    BOOST_TEST(!late.waiting());
    BOOST_TEST((clock.now() == start + 1ms));
}

BOOST_AUTO_TEST_CASE(cancelled_destroyed_and_endless_timers_do_not_ring) {
    manual_clock clock;
    int rung = 0;
    manual_clock::timer cancelled(clock, [&] { ++rung; });
    cancelled.set(clock.now() + 1ms);
    BOOST_TEST(cancelled.cancel());
    BOOST_TEST(!cancelled.cancel());
    auto destroyed = std::make_unique<manual_clock::timer>(clock, [&] { ++rung; });
    destroyed->set(clock.now() + 1ms);
    destroyed.reset();
    manual_clock::timer endless(clock, [&] { ++rung; });
    endless.set(clock.now() + 1ms);
    endless.set(manual_clock::time_point::max());
    BOOST_TEST(!endless.waiting());
    BOOST_TEST(clock.timers_waiting() == 0u);
    clock.advance(1h);
    BOOST_TEST(rung == 0);
}

BOOST_AUTO_TEST_CASE(a_callback_may_destroy_its_timer_and_its_neighbour) {
    manual_clock clock;
    int rung = 0;
    std::unique_ptr<manual_clock::timer> a, b;
    auto captured = std::make_shared<int>(0);
    a = std::make_unique<manual_clock::timer>(clock, [&, captured] {
        a.reset();
        b.reset();
        rung += 1 + *captured; // the closure is still there
    });
    b = std::make_unique<manual_clock::timer>(clock, [&] { rung += 100; });
    a->set(clock.now() + 1ms);
    b->set(clock.now() + 1ms);
    clock.advance(2ms);
    BOOST_TEST(rung == 1);
    BOOST_TEST(captured.use_count() == 1);
}

BOOST_AUTO_TEST_SUITE_END()
