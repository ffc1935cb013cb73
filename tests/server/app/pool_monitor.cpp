#include "pool_monitor.hpp"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <corogate/histogram.hpp>

using namespace std::chrono_literals;
using server::pool_monitor;
using server::pool_sample;

BOOST_AUTO_TEST_SUITE(pool_monitor_tests)

namespace {

/// A pool whose counts the test moves, looked at when the test says so.
struct bench {
    void look(std::chrono::milliseconds after = 500ms) {
        time += after;
        pool_sample now;
        now.at = pool_sample::clock::time_point(time);
        now.date = std::chrono::system_clock::time_point(1'700'000'000s + time);
        now.books = books;
        now.queue_wait = waits.snapshot();
        now.service_time = services.snapshot();
        now.refused_for_capacity = refused_for_capacity;
        monitor.add(now);
    }
    void flow(std::uint64_t in, std::uint64_t out, std::uint64_t refused = 0) {
        books.accepted += in;
        books.completed += out;
        books.refused += refused;
        books.waiting = static_cast<std::size_t>(books.accepted - books.completed);
    }

    std::chrono::milliseconds time{0};
    corogate::pool_stats books;
    corogate::histogram waits, services;
    std::uint64_t refused_for_capacity = 0;
    pool_monitor monitor;
};

} // namespace

BOOST_AUTO_TEST_CASE(rates_are_those_of_the_last_second) {
    bench on;
    on.books.accepted = on.books.completed = 1000; // before the first look
    on.look();
    BOOST_TEST(on.monitor.per_second().in == 0.0);
    on.flow(10, 5, 1);
    on.look();
    BOOST_TEST(on.monitor.per_second().in == 20.0);
    BOOST_TEST(on.monitor.per_second().out == 10.0);
    BOOST_TEST(on.monitor.per_second().refused == 2.0);
    for (int i = 0; i < 10; ++i) {
        on.flow(50, 50);
        on.look();
    }
    BOOST_TEST(on.monitor.per_second().in == 100.0);
    BOOST_TEST(on.monitor.per_second().refused == 0.0);
    on.look();
    BOOST_TEST(on.monitor.per_second().in == 50.0);
    on.look();
    BOOST_TEST(on.monitor.per_second().in == 0.0);
    on.books.failed += 30; // ended too
    on.look(1000ms);
    BOOST_TEST(on.monitor.per_second().out == 30.0);
}

BOOST_AUTO_TEST_CASE(looks_that_come_late_count_by_their_time) {
    bench on;
    on.look();
    for (int i = 0; i < 8; ++i) {
        on.flow(51, 51);
        on.look(i % 2 == 0 ? 530ms : 490ms); // 1020 ms for 102
    }
    BOOST_TEST(on.monitor.per_second().in == 100.0, boost::test_tools::tolerance(1e-9));
    on.flow(7000, 7000);
    on.look(70s); // the machine slept
    BOOST_TEST(on.monitor.per_second().in == 100.0, boost::test_tools::tolerance(0.01));
}

BOOST_AUTO_TEST_CASE(percentiles_are_those_of_the_last_ten_seconds) {
    bench on;
    for (int i = 0; i < 100; ++i)
        on.waits.record(5s); // before the first look: long ago
    on.look();
    BOOST_TEST(!on.monitor.queue_wait().has_value());
    BOOST_TEST(!on.monitor.service_time().has_value());
    for (int i = 0; i < 98; ++i)
        on.waits.record(1ms);
    on.waits.record(80ms, 2);
    on.services.record(3ms);
    on.look();
    const auto near = [](std::chrono::nanoseconds got, std::chrono::nanoseconds wanted) {
        BOOST_TEST(got.count() >= wanted.count());
        BOOST_TEST(got.count() <= wanted.count() + wanted.count() / 16);
    };
    BOOST_REQUIRE(on.monitor.queue_wait());
    near(on.monitor.queue_wait()->p50, 1ms);
    near(on.monitor.queue_wait()->p99, 80ms);
    near(on.monitor.service_time()->p50, 3ms);
    for (int i = 0; i < 18; ++i)
        on.look();
    BOOST_TEST(on.monitor.queue_wait().has_value()); // 9 s ago
    for (int i = 0; i < 4; ++i)
        on.look();
    BOOST_TEST(!on.monitor.queue_wait().has_value());
    on.waits.record(7ms);
    on.look();
    near(on.monitor.queue_wait()->p99, 7ms);
}

BOOST_AUTO_TEST_CASE(overloaded_is_who_refused_for_capacity_within_two_seconds) {
    bench on;
    on.refused_for_capacity = 5; // nobody knows when
    on.look();
    BOOST_TEST(!on.monitor.overloaded());
    on.flow(0, 0, 10); // for other reasons
    on.look();
    BOOST_TEST(!on.monitor.overloaded());
    ++on.refused_for_capacity;
    on.look();
    BOOST_TEST(on.monitor.overloaded());
    for (int i = 0; i < 3; ++i) {
        on.look();
        BOOST_TEST(on.monitor.overloaded());
    }
    on.look();
    BOOST_TEST(!on.monitor.overloaded());
}

BOOST_AUTO_TEST_CASE(one_point_a_second_is_kept_for_ten_minutes) {
    bench on;
    on.books.limit = 7;
    on.books.queue_tasks = 50;
    on.look();
    for (int i = 0; i < 6; ++i) {
        on.flow(3, 2);
        on.look(i % 2 == 0 ? 520ms : 480ms);
    }
    const auto& kept = on.monitor.history();
    BOOST_REQUIRE_EQUAL(kept.size(), 4u);
    BOOST_TEST((kept[0].date == std::chrono::system_clock::time_point(1'700'000'000s + 500ms)));
    BOOST_TEST((kept[3].date - kept[0].date == 3s));
    BOOST_TEST(kept[1].waiting == 2u);
    BOOST_TEST(kept[3].waiting == 6u);
    BOOST_TEST(kept[3].limit == 7u);
    BOOST_TEST(kept[3].queue_limit == 50u);
    BOOST_TEST(kept[3].per_second.in == 6.0);
    BOOST_TEST(!kept[3].queue_wait.has_value());
    const auto last = on.time;
    for (int i = 0; i < 1300; ++i)
        on.look();
    BOOST_TEST(kept.size() == 600u);
    BOOST_TEST((kept.back().date - kept.front().date == 599s));
    BOOST_TEST(
        (kept.back().date - std::chrono::system_clock::time_point(1'700'000'000s + last) <= 650s)
    );
    BOOST_TEST((on.time == last + 650s));
}

BOOST_AUTO_TEST_SUITE_END()
