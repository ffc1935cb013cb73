// Deadlines of waiters, on a clock that the test moves, and once on Asio's.

#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <corogate/semaphore.hpp>
#include <corogate/testing/environment.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

namespace asio = boost::asio;
using boost::system::error_code;
using corogate::errc;
using corogate::permit;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(semaphore_time_tests)

struct timed {
    corogate::testing::environment environment;
    corogate::semaphore s{environment, 4};
    std::string log;

    /// Writes `name` and + for a permit, t for timed out, - for another error.
    auto writes(char name, permit* to = nullptr) {
        return [this, name, to](error_code ec, permit p) {
            log += name;
            log += !ec ? '+' : ec == errc::timed_out ? 't' : '-';
            if (to)
                *to = std::move(p);
        };
    }
};

BOOST_FIXTURE_TEST_CASE(a_waiter_gives_up_at_its_deadline_not_before, timed) {
    auto held = s.try_acquire(4);
    s.async_acquire_for(10ms, writes('a'));
    environment.advance(9ms);
    BOOST_TEST(log.empty());
    BOOST_TEST(s.waiting() == 1u);
    environment.advance(1ms);
    BOOST_TEST(log == "at");
    BOOST_TEST(s.waiting() == 0u);
    held.release();
    BOOST_TEST(s.available() == 4u);
}

BOOST_FIXTURE_TEST_CASE(what_is_free_is_granted_although_the_time_is_over, timed) {
    s.async_acquire_for(0ms, writes('a'));
    s.async_acquire_until(environment.now() - 1h, 2, writes('b'));
    environment.run();
    BOOST_TEST(log == "a+b+");
    BOOST_TEST(environment.timers_waiting() == 0u); // no alarm for those who do not wait
}

BOOST_FIXTURE_TEST_CASE(who_waits_with_no_time_left_is_told_at_the_next_look_at_the_clock, timed) {
    auto held = s.try_acquire(4);
    s.async_acquire_for(-1h, writes('a'));
    environment.advance(0ms);
    BOOST_TEST(log == "at");
}

BOOST_FIXTURE_TEST_CASE(a_grant_before_the_deadline_is_a_grant_and_the_alarm_finds_nobody, timed) {
    auto held = s.try_acquire(4);
    s.async_acquire_for(10ms, writes('a'));
    held.release();
    environment.advance(10ms);
    BOOST_TEST(log == "a+");
    BOOST_TEST(environment.timers_waiting() == 0u);
    BOOST_TEST(s.available() == 4u);
}

BOOST_FIXTURE_TEST_CASE(deadlines_come_in_their_own_order_ties_by_arrival, timed) {
    auto held = s.try_acquire(4);
    s.async_acquire_for(30ms, writes('a'));
    s.async_acquire_for(10ms, writes('b'));
    s.async_acquire(writes('c'));
    s.async_acquire_for(20ms, 3, writes('d'));
    s.async_acquire_for(20ms, writes('e'));
    s.async_acquire_until(environment.now() + 20ms, writes('f'));
    BOOST_TEST(environment.timers_waiting() == 1u); // one alarm for all
    environment.advance(15ms);
    BOOST_TEST(log == "bt");
    environment.advance(5ms);
    BOOST_TEST(log == "btdtetft");
    environment.advance(10ms);
    BOOST_TEST(log == "btdtetftat");
    held.release();
    environment.run();
    BOOST_TEST(log == "btdtetftatc+");
}

BOOST_FIXTURE_TEST_CASE(an_earlier_deadline_moves_the_alarm_forward, timed) {
    auto held = s.try_acquire(4);
    s.async_acquire_for(1h, writes('a'));
    s.async_acquire_for(1s, writes('b'));
    environment.advance(1s);
    BOOST_TEST(log == "bt");
    environment.advance(1h - 1s);
    BOOST_TEST(log == "btat");
}

BOOST_FIXTURE_TEST_CASE(K1_a_large_waiter_at_the_head_that_times_out_lets_the_next_run, timed) {
    auto held = s.try_acquire(3);
    permit small;
    s.async_acquire_for(10ms, 4, writes('a'));
    s.async_acquire(1, writes('b', &small));
    environment.run();
    BOOST_TEST(log.empty());
    environment.advance(10ms);
    BOOST_TEST(log == "atb+");
    BOOST_TEST(small.weight() == 1u);
}

BOOST_FIXTURE_TEST_CASE(C2_a_timed_waiter_may_be_cancelled_too, timed) {
    auto held = s.try_acquire(4);
    asio::cancellation_signal signal;
    auto handler = writes('a');
    s.async_acquire_for(10ms, asio::bind_cancellation_slot(signal.slot(), handler));
    s.async_acquire_for(20ms, writes('b'));
    signal.emit(asio::cancellation_type::terminal);
    environment.run();
    BOOST_TEST(log == "a-");
    environment.advance(20ms);
    BOOST_TEST(log == "a-bt");
    signal.emit(asio::cancellation_type::terminal); // long gone
    environment.run();
    BOOST_TEST(log == "a-bt");
}

BOOST_FIXTURE_TEST_CASE(a_patience_without_end_is_none, timed) {
    auto held = s.try_acquire(4);
    s.async_acquire_for(corogate::semaphore::clock::duration::max(), writes('a'));
    s.async_acquire_until(corogate::semaphore::clock::time_point::max(), writes('b'));
    BOOST_TEST(environment.timers_waiting() == 0u);
    environment.advance(24h);
    BOOST_TEST(log.empty());
    held.release();
    environment.run();
    BOOST_TEST(log == "a+b+");
}

BOOST_AUTO_TEST_CASE(K6_a_destroyed_semaphore_leaves_no_alarm) {
    corogate::testing::environment environment;
    error_code seen;
    permit left;
    {
        corogate::semaphore s(environment, 1);
        left = s.try_acquire();
        s.async_acquire_for(1s, [&](error_code ec, const permit&) { seen = ec; });
    }
    environment.run();
    BOOST_TEST(seen == errc::stopped);
    environment.advance(1s); // nobody is there; the permit still holds the state
    left.release();
    BOOST_TEST(environment.timers_waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(on_an_executor_asio_keeps_the_time) {
    asio::io_context context;
    corogate::semaphore s(context, 1);
    auto held = s.try_acquire();
    std::optional<error_code> a;
    std::optional<error_code> b;
    const auto began = corogate::semaphore::clock::now();
    s.async_acquire_for(5ms, [&](error_code ec, const permit&) { a = ec; });
    s.async_acquire_for(1h, [&](error_code ec, const permit&) { b = ec; });
    while (!a)
        context.run_one();
    BOOST_TEST(a.value() == errc::timed_out);
    BOOST_TEST((corogate::semaphore::clock::now() - began >= 5ms));
    held.release();
    context.run(); // does not wait an hour: with the last timed waiter the timer is called off
    BOOST_TEST(!b.value());
}

BOOST_AUTO_TEST_SUITE_END()
