// The end of a pool and what comes after: stops, drains, reopening, who outlives whom.
#include <corogate/lane.hpp>
#include <corogate/task_pool.hpp>

#include "completions.hpp"

#include <atomic>
#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/testing/for_each_seed.hpp>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::error_code;
using corogate::errc;
using corogate::job_options;
using corogate::pool_options;
using corogate::task_pool;
using corogate::testing::environment;
using corogate::testing::for_each_seed;
using test::completion_of;
using test::settle;

BOOST_AUTO_TEST_SUITE(lifecycle_tests)

static auto nap(environment& env, environment::duration time = 1ms) {
    return [&env, time]() -> asio::awaitable<void> {
        co_await env.async_wait(time, asio::use_awaitable);
    };
}

BOOST_AUTO_TEST_CASE(S4_five_stops_at_once_all_return_and_none_before_the_last_task) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(10).on_error([](auto) {})};
        int inside = 0;
        auto stubborn = [&]() -> asio::awaitable<void> { // ends when it likes
            co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
            ++inside;
            co_await env.async_wait(5ms, asio::use_awaitable);
            --inside;
        };
        for (int i = 0; i < 5; ++i)
            pool.async_submit(stubborn, asio::detached);
        env.run();
        BOOST_REQUIRE_EQUAL(inside, 2);
        int returned = 0;
        for (int i = 0; i < 5; ++i)
            pool.async_stop([&](error_code ec) {
                BOOST_REQUIRE(!ec);
                BOOST_REQUIRE_EQUAL(inside, 0);
                ++returned;
            });
        env.run();
        BOOST_REQUIRE_EQUAL(returned, 0);
        env.run_until([&] { return returned == 5; });
        const auto s = pool.stats();
        test::check_books(s);
        BOOST_REQUIRE_EQUAL(s.completed, 2u);
        BOOST_REQUIRE_EQUAL(s.abandoned, 3u);
    });
}

BOOST_AUTO_TEST_CASE(S4_five_drains_at_once_all_return_and_none_early) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(10)};
        for (int i = 0; i < 6; ++i)
            BOOST_REQUIRE(pool.try_submit(nap(env)));
        int returned = 0;
        for (int i = 0; i < 5; ++i)
            pool.async_drain(1h, [&](error_code, const auto& report) {
                BOOST_REQUIRE(report.complete());
                BOOST_REQUIRE_EQUAL(pool.stats().completed, 6u);
                ++returned;
            });
        env.run_until([&] { return returned == 5; });
    });
}

BOOST_AUTO_TEST_CASE(S6_a_stop_while_paused_a_second_one_and_one_of_an_empty_pool) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(10)};
        std::list<completion_of> all;
        pool.pause();
        for (int i = 0; i < 5; ++i)
            pool.async_submit(nap(env), all.emplace_back().note());
        env.run();
        pool.stop();
        pool.stop();
        env.run();
        for (const auto& c : all) {
            BOOST_REQUIRE_EQUAL(c.times(), 1);
            BOOST_REQUIRE(c.code() == errc::stopped);
        }
        BOOST_REQUIRE(!pool.stats().paused);
        BOOST_REQUIRE(pool.try_submit(nap(env)).error().reason() == errc::stopped);
        task_pool empty{env, pool_options{}};
        bool stopped = false;
        empty.async_stop([&](error_code ec) { stopped = !ec; });
        env.run();
        BOOST_REQUIRE(stopped);
        BOOST_REQUIRE(!empty.reopen()); // a stop is for good
    });
}

BOOST_AUTO_TEST_CASE(S8_a_reopened_pool_computes_the_same_sum) {
    for_each_seed(20, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(4).queue_tasks(1000)};
        for (int round = 0; round < 3; ++round) {
            int sum = 0;
            for (int i = 0; i < 1000; ++i)
                BOOST_REQUIRE(pool.try_submit([&sum, i] { sum += i; }));
            bool drained = false;
            pool.async_drain(1h, [&](error_code, const auto& r) { drained = r.complete(); });
            BOOST_REQUIRE(pool.try_submit([] {}).error().reason() == errc::draining);
            env.run_until([&] { return drained; });
            BOOST_REQUIRE_EQUAL(sum, 499500);
            BOOST_REQUIRE(pool.reopen());
        }
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(a_pool_that_drains_does_not_reopen) {
    environment env;
    task_pool pool{env, pool_options{}.limit(1)};
    BOOST_REQUIRE(pool.try_submit(nap(env)));
    env.run();
    bool drained = false;
    pool.async_drain(1h, [&](auto...) { drained = true; });
    env.run();
    BOOST_TEST(!pool.reopen());
    env.run_until([&] { return drained; });
    BOOST_TEST(pool.reopen());
}

BOOST_AUTO_TEST_CASE(S6_the_destructor_ends_parents_that_have_lent_their_permits) {
    for_each_seed(100, [](environment& env) {
        completion_of end;
        {
            task_pool pool{env, pool_options{}.limit(1).queue_tasks(0)};
            std::function<asio::awaitable<void>(int)> deep = [&](int n) -> asio::awaitable<void> {
                if (n == 0)
                    co_await env.async_wait(1h, asio::use_awaitable);
                auto child = [&deep, n] { return deep(n - 1); };
                co_await pool.async_submit(corogate::take(child), asio::use_awaitable);
            };
            pool.async_submit([&] { return deep(5); }, end.note());
            for (std::uint64_t i = 0; i < env.seed(); ++i)
                env.run_one(); // somewhere on the way down
        }
        BOOST_REQUIRE_EQUAL(end.times(), 1);
        BOOST_REQUIRE(end.error());
    });
}

BOOST_AUTO_TEST_CASE(S7_a_job_outlives_its_pool) {
    environment env;
    std::optional<corogate::job> job;
    {
        task_pool pool{env, pool_options{}.limit(2)};
        job = pool.try_admit(3).value();
    }
    BOOST_CHECK_EXCEPTION(job->submit([] {}), boost::system::system_error, [](const auto& e) {
        return e.code() == errc::stopped;
    });
    job->cancel();
}

BOOST_AUTO_TEST_CASE(N1_U1_nesting_across_lanes_at_limit_1_does_not_deadlock) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(4)};
        corogate::lane one{pool, corogate::lane_options{}.limit(1).queue_tasks(1)};
        corogate::lane two{pool, corogate::lane_options{}.limit(1).queue_tasks(1)};
        int inside = 0;
        std::function<asio::awaitable<int>(int)> deep = [&](int n) -> asio::awaitable<int> {
            BOOST_REQUIRE_EQUAL(++inside, 1);
            co_await env.async_wait(1ms, asio::use_awaitable);
            --inside; // while it waits it does not count
            if (n == 0)
                co_return 0;
            auto child = [&deep, n] { return deep(n - 1); };
            auto& lane = n % 2 ? one : two;
            const int below =
                co_await lane.async_submit(corogate::take(child), asio::use_awaitable);
            co_return below + 1;
        };
        int depth = -1;
        two.async_submit([&] { return deep(20); }, [&](std::exception_ptr, int n) { depth = n; });
        env.run_until([&] { return depth >= 0; });
        BOOST_REQUIRE_EQUAL(depth, 20);
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(a_blocking_call_is_refused_where_its_pool_has_drained) {
    for_each_seed(10, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2)};
        completion_of before, after, again;
        int inside = 0;
        auto task = [&]() -> asio::awaitable<void> {
            co_await env.async_wait(1ms, asio::use_awaitable);
            auto call = [] { return 7; };
            inside = co_await pool.async_blocking(corogate::take(call), asio::use_awaitable);
        };
        pool.async_blocking([] {}, before.note());
        pool.async_submit(task, asio::detached);
        bool drained = false;
        pool.async_drain(1h, [&](error_code, const auto& r) { drained = r.complete(); });
        pool.async_blocking([] {}, after.note());
        env.run_until([&] { return drained; });
        env.run();
        BOOST_REQUIRE(before.done() && !before.error());
        BOOST_REQUIRE(after.code() == errc::draining);
        BOOST_REQUIRE_EQUAL(inside, 7); // a task that was admitted may wait for one
        BOOST_REQUIRE(pool.reopen());
        pool.async_blocking([] {}, again.note());
        env.run();
        BOOST_REQUIRE(again.done() && !again.error());
    });
}

BOOST_AUTO_TEST_CASE(S2_every_submission_against_a_stop_runs_or_is_told) {
    std::atomic<int> told{0}, ran{0};
    constexpr int threads = 4, each = 2500;
    {
        task_pool pool(pool_options{}.threads(2).limit(4).queue_tasks(100));
        std::vector<std::thread> submitters;
        for (int t = 0; t < threads; ++t)
            submitters.emplace_back([&] {
                for (int i = 0; i < each; ++i)
                    pool.async_submit([&] { ++ran; }, [&](std::exception_ptr) { ++told; });
            });
        while (ran == 0)
            std::this_thread::yield();
        pool.stop();
        for (auto& t : submitters)
            t.join();
    }
    BOOST_TEST(told == threads * each);
}

BOOST_AUTO_TEST_SUITE_END()
