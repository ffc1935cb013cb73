// How many run: the limit in every order, changed while it works, paused, and who goes when idle.
#include <corogate/task_pool.hpp>

#include "completions.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/testing/for_each_seed.hpp>
#include <stdexcept>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using corogate::errc;
using corogate::pool_options;
using corogate::task_pool;
using corogate::testing::environment;
using corogate::testing::for_each_seed;
using test::settle;

BOOST_AUTO_TEST_SUITE(limits_tests)

/// Tasks that sleep, and how many did at once.
struct sleepers {
    environment& env;
    int now = 0, most = 0, ended = 0;

    asio::awaitable<void> sleep(environment::duration time) {
        most = std::max(most, ++now);
        co_await env.async_wait(time, asio::use_awaitable);
        --now;
        ++ended;
    }
    auto task(environment::duration time) {
        return [this, time] { return sleep(time); };
    }
};

BOOST_AUTO_TEST_CASE(L1_never_more_than_the_limit_at_once) {
    for (const std::size_t limit : {1u, 10u, 100u}) {
        for_each_seed(10, [&](environment& env) {
            task_pool pool{env, pool_options{}.limit(limit).queue_tasks(1000)};
            sleepers seen{env};
            for (int i = 0; i < 300; ++i)
                BOOST_REQUIRE(pool.try_submit(seen.task(std::chrono::milliseconds(1 + i % 7))));
            env.run_until([&] { return seen.ended == 300; });
            BOOST_REQUIRE_EQUAL(seen.most, static_cast<int>(limit));
            BOOST_TEST(settle(env, pool).completed == 300u);
        });
    }
}

BOOST_AUTO_TEST_CASE(L1_never_more_than_the_limit_while_it_changes) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(8).queue_tasks(1000)};
        sleepers seen{env};
        for (int i = 0; i < 200; ++i)
            BOOST_REQUIRE(pool.try_submit(seen.task(1ms)));
        env.run();
        BOOST_REQUIRE_EQUAL(seen.now, 8);
        for (const std::size_t limit : {3u, 12u, 1u, 5u}) {
            int reached = -1;
            pool.async_resize(limit, [&](auto ec) {
                BOOST_TEST(!ec);
                reached = static_cast<int>(pool.stats().permits_used);
            });
            env.run_until([&] { return reached >= 0; });
            BOOST_REQUIRE_LE(reached, static_cast<int>(limit));
            seen.most = 0;
            env.advance(3ms);
            BOOST_REQUIRE_EQUAL(seen.most, static_cast<int>(limit));
        }
        env.run_until([&] { return seen.ended == 200; });
    });
}

BOOST_AUTO_TEST_CASE(L1_L2_many_submitters_on_threads) {
    std::atomic<int> now{0}, most{0}, ran{0};
    task_pool pool(pool_options{}.threads(2).limit(10).queue_tasks(20000));
    auto task = [&]() -> asio::awaitable<void> {
        const int n = ++now;
        for (int seen = most; seen < n && !most.compare_exchange_weak(seen, n);) {
        }
        co_await asio::post(asio::use_awaitable);
        --now;
        ++ran;
    };
    std::vector<std::thread> submitters;
    std::atomic<int> refused{0};
    for (int t = 0; t < 4; ++t)
        submitters.emplace_back([&] {
            for (int i = 0; i < 5000; ++i)
                refused += !pool.try_submit(task);
        });
    for (auto& t : submitters)
        t.join();
    BOOST_TEST(pool.async_drain(1h, asio::use_future).get().complete());
    BOOST_TEST(most <= 10);
    BOOST_TEST(ran + refused == 20000);
    BOOST_TEST(refused == 0);
    test::check_books(pool.stats());
}

BOOST_AUTO_TEST_CASE(L4_limits_that_make_no_sense_are_refused) {
    BOOST_CHECK_THROW(pool_options{}.limit(0), std::invalid_argument);
    BOOST_CHECK_THROW(pool_options{}.limit(std::size_t{1} << 31), std::invalid_argument);
    BOOST_CHECK_THROW(pool_options{}.threads(0), std::invalid_argument);
    environment env;
    task_pool pool{env, pool_options{}.limit(2).queue_tasks(0)};
    BOOST_CHECK_THROW(pool.resize(0), std::invalid_argument);
    BOOST_CHECK_THROW(pool.resize_queue(std::size_t{1} << 31), std::invalid_argument);
    BOOST_TEST(pool.stats().limit == 2u);
    BOOST_TEST(pool_options::cpu_bound().limit() == pool_options::cpu_bound().threads());
    BOOST_TEST(pool_options::io_bound().limit() == 256 * pool_options::io_bound().threads());
}

BOOST_AUTO_TEST_CASE(R1_W1_waiting_tasks_start_when_the_limit_grows_by_one_and_by_many) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(100)};
        sleepers seen{env};
        for (int i = 0; i < 20; ++i)
            BOOST_REQUIRE(pool.try_submit(seen.task(1h)));
        env.run();
        BOOST_REQUIRE_EQUAL(seen.now, 1);
        pool.resize(2);
        env.run();
        BOOST_REQUIRE_EQUAL(seen.now, 2);
        pool.resize(50);
        env.run();
        BOOST_REQUIRE_EQUAL(seen.now, 20);
        BOOST_TEST(pool.stats().limit == 50u);
        test::check_books(pool.stats());
    });
}

BOOST_AUTO_TEST_CASE(R1_a_shrink_takes_nothing_from_who_runs) {
    environment env;
    task_pool pool{env, pool_options{}.limit(4).queue_tasks(10)};
    sleepers seen{env};
    for (int i = 0; i < 8; ++i)
        BOOST_REQUIRE(pool.try_submit(seen.task(std::chrono::milliseconds(10 * (i + 1)))));
    env.run();
    pool.resize(1);
    bool reached = false;
    pool.async_resize(1, [&](auto) { reached = true; });
    env.advance(35ms); // three of four have ended
    BOOST_TEST(seen.ended == 3);
    BOOST_TEST(seen.now == 1);
    BOOST_TEST(reached);
    env.advance(10ms); // and only now the next one starts
    BOOST_TEST(seen.ended == 4);
    BOOST_TEST(seen.now == 1);
    env.run_until([&] { return seen.ended == 8; });
    env.run();
    BOOST_TEST(test::identities_hold(pool.stats()));
    BOOST_TEST(pool.stats().completed == 8u);
}

BOOST_AUTO_TEST_CASE(R1_the_queue_changes_and_what_waits_stays) {
    environment env;
    task_pool pool{env, pool_options{}.limit(1).queue_tasks(2)};
    sleepers seen{env};
    for (int i = 0; i < 3; ++i)
        BOOST_REQUIRE(pool.try_submit(seen.task(1ms)));
    BOOST_TEST(!pool.try_submit(seen.task(1ms)));
    pool.resize_queue(3);
    BOOST_TEST(pool.try_submit(seen.task(1ms)).has_value());
    pool.resize_queue(0);
    BOOST_TEST(!pool.try_submit(seen.task(1ms)));
    env.run_until([&] { return seen.ended == 4; });
    const auto s = settle(env, pool);
    BOOST_TEST(s.completed == 4u);
    BOOST_TEST(s.refused == 2u);
    BOOST_TEST(pool.try_submit(seen.task(1ms)).has_value());
    BOOST_TEST(!pool.try_submit(seen.task(1ms)));
}

BOOST_AUTO_TEST_CASE(W2_waiting_tasks_start_when_every_running_one_throws) {
    for_each_seed(50, [](environment& env) {
        std::size_t told = 0;
        task_pool pool{env, pool_options{}.limit(3).queue_tasks(100).on_error([&](auto) {
                           ++told;
                       })};
        int ran = 0;
        for (int i = 0; i < 30; ++i)
            BOOST_REQUIRE(pool.try_submit([&env, &ran]() -> asio::awaitable<void> {
                co_await env.async_wait(1ms, asio::use_awaitable);
                ++ran;
                throw std::runtime_error("broken");
            }));
        env.run_until([&] { return ran == 30; });
        BOOST_REQUIRE_EQUAL(settle(env, pool).failed, 30u);
        BOOST_REQUIRE_EQUAL(told, 30u);
    });
}

BOOST_AUTO_TEST_CASE(W4_W5_a_lone_submission_after_every_idle_time_runs) {
    for_each_seed(20, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(4).idle_after(10ms)};
        int ran = 0;
        for (int i = 0; i < 300; ++i) {
            BOOST_REQUIRE(pool.try_submit([&] { ++ran; }));
            if (i % 3 == 0)
                env.run_one(); // in the middle of it
            env.advance(std::chrono::milliseconds(i % 23));
            BOOST_REQUIRE_EQUAL(ran, i + 1);
        }
    });
}

BOOST_AUTO_TEST_CASE(I1_idle_runners_go_500_to_0) {
    environment env;
    task_pool pool{env, pool_options{}.limit(500).queue_tasks(0).idle_after(10s)};
    sleepers seen{env};
    for (int i = 0; i < 500; ++i)
        BOOST_REQUIRE(pool.try_submit(seen.task(1s)));
    env.advance(2s);
    BOOST_TEST(seen.ended == 500);
    BOOST_TEST(pool.stats().runners == 500u);
    env.advance(30s);
    BOOST_TEST(pool.stats().runners == 0u);
    const auto before = pool.stats();
    BOOST_TEST(before.completed == 500u); // the books outlive the runners
    BOOST_REQUIRE(pool.try_submit(seen.task(1ms)));
    env.advance(1ms);
    BOOST_TEST(pool.stats().completed == 501u);
}

BOOST_AUTO_TEST_CASE(I1_runners_stay_where_that_is_off) {
    environment env;
    task_pool pool{env, pool_options{}.limit(5).queue_tasks(0).idle_after(0s)};
    sleepers seen{env};
    for (int i = 0; i < 5; ++i)
        BOOST_REQUIRE(pool.try_submit(seen.task(1s)));
    env.advance(2h);
    BOOST_TEST(pool.stats().runners == 5u);
}

BOOST_AUTO_TEST_CASE(I2_a_paused_pool_starts_nothing_and_queues_on) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(10)};
        sleepers seen{env};
        for (int i = 0; i < 5; ++i)
            BOOST_REQUIRE(pool.try_submit(seen.task(1ms)));
        for (std::uint64_t i = 0; i < env.seed() % 17; ++i)
            env.run_one(); // in the middle of starting them
        pool.pause();
        pool.pause();
        const int started = seen.now + seen.ended;
        env.advance(1s);
        BOOST_REQUIRE_EQUAL(seen.ended, started);
        BOOST_REQUIRE(pool.try_submit(seen.task(1ms)));
        env.advance(1s);
        BOOST_REQUIRE_EQUAL(seen.ended, started);
        BOOST_REQUIRE(pool.stats().paused);
        test::check_books(pool.stats());
        pool.resume();
        env.run_until([&] { return seen.ended == 6; });
        BOOST_REQUIRE_EQUAL(settle(env, pool).completed, 6u);
    });
}

BOOST_AUTO_TEST_CASE(I2_a_drain_ends_a_pause) {
    environment env;
    task_pool pool{env, pool_options{}.limit(2).queue_tasks(10)};
    sleepers seen{env};
    pool.pause();
    for (int i = 0; i < 5; ++i)
        BOOST_REQUIRE(pool.try_submit(seen.task(1ms)));
    bool complete = false;
    pool.async_drain(1h, [&](auto, const auto& report) { complete = report.complete(); });
    env.run_until([&] { return complete; });
    BOOST_TEST(seen.ended == 5);
}

BOOST_AUTO_TEST_SUITE_END()
