// A task_pool on an environment: what the two promise together.
#include <corogate/task_pool.hpp>
#include <corogate/testing/for_each_seed.hpp>
#include <corogate/testing/timer.hpp>

#include <algorithm>
#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <memory>
#include <set>
#include <string>

namespace asio = boost::asio;
using corogate::pool_options;
using corogate::task_pool;
using corogate::testing::environment;
using corogate::testing::for_each_seed;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(pool_tests)

/// Tasks that sleep, and what was seen of them.
struct sleepers {
    environment& env;
    int running = 0, most = 0, ended = 0;

    asio::awaitable<void> one(environment::duration d) {
        most = std::max(most, ++running);
        co_await env.async_wait(d, asio::use_awaitable);
        --running;
        ++ended;
    }
};

BOOST_AUTO_TEST_CASE(the_limit_holds_in_every_order_and_time_is_exact) {
    for_each_seed(200, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(10)};
        sleepers seen{env};
        const auto start = env.now();
        for (int i = 0; i < 7; ++i)
            BOOST_REQUIRE(pool.try_submit([&] { return seen.one(10ms); }));
        env.run_until([&] { return seen.ended == 7; });
        BOOST_REQUIRE_EQUAL(seen.most, 2);
        BOOST_REQUIRE((env.now() - start == 40ms));
        env.run();
        const auto books = pool.stats();
        BOOST_REQUIRE_EQUAL(books.completed, 7u);
        BOOST_REQUIRE_EQUAL(books.running + books.waiting, 0u);
    });
}

BOOST_AUTO_TEST_CASE(nested_work_ends_at_limit_1_in_every_order) {
    for_each_seed(200, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(4)};
        const auto depth = [&](auto self, int n) -> asio::awaitable<int> {
            co_await env.async_wait(1ms, asio::use_awaitable);
            if (n == 0)
                co_return 0;
            auto child = [self, n] { return self(self, n - 1); };
            co_return 1 + co_await pool.async_submit(corogate::take(child), asio::use_awaitable);
        };
        const auto test = [&]() -> asio::awaitable<int> {
            auto first = [&] { return depth(depth, 5); };
            co_return co_await pool.async_submit(corogate::take(first), asio::use_awaitable);
        };
        BOOST_REQUIRE_EQUAL(env.run(test), 5);
    });
}

BOOST_AUTO_TEST_CASE(the_destructor_cancels_what_sleeps_and_time_stands) {
    for_each_seed(50, [](environment& env) {
        const auto start = env.now();
        sleepers seen{env};
        int completed = 0;
        {
            task_pool pool{env, pool_options{}.limit(2).queue_tasks(10)};
            for (int i = 0; i < 5; ++i)
                pool.async_submit(
                    [&] { return seen.one(1h); },
                    [&](std::exception_ptr e) { completed += e != nullptr; }
                );
            env.run();
            BOOST_REQUIRE_EQUAL(seen.running, 2);
        }
        env.run(); // a completion may still be among the ready work
        BOOST_REQUIRE_EQUAL(completed, 5);
        BOOST_REQUIRE_EQUAL(seen.ended, 0);
        BOOST_REQUIRE((env.now() == start));
        BOOST_REQUIRE_EQUAL(env.timers_waiting(), 0u);
    });
}

BOOST_AUTO_TEST_CASE(a_drain_gives_up_at_its_deadline) {
    for_each_seed(50, [](environment& env) {
        auto quiet = pool_options{}.on_error([](std::exception_ptr) {}); // three are given up
        task_pool pool{env, quiet.limit(1).queue_tasks(10)};
        sleepers seen{env};
        for (int i = 0; i < 3; ++i)
            BOOST_REQUIRE(pool.try_submit([&] { return seen.one(3s); }));
        const auto start = env.now();
        const auto drain = [&]() -> asio::awaitable<corogate::drain_report> {
            co_return co_await pool.async_drain(5s, asio::use_awaitable);
        };
        const auto left = env.run(drain);
        BOOST_REQUIRE((env.now() - start == 5s));
        BOOST_REQUIRE_EQUAL(left.abandoned, 1u);
        BOOST_REQUIRE_EQUAL(left.still_running, 1u);
    });
}

std::string trace_of(std::uint64_t seed) {
    environment env(seed);
    task_pool pool{env, pool_options{}.limit(3).queue_tasks(50)};
    std::string trace;
    int ended = 0;
    for (char name = 'a'; name < 'k'; ++name) {
        auto task = [&, name]() -> asio::awaitable<void> {
            co_await env.async_wait((name % 3) * 1ms, asio::use_awaitable);
            trace += name;
            co_await asio::post(asio::use_awaitable);
            ++ended;
        };
        BOOST_REQUIRE(pool.try_submit(std::move(task)));
    }
    env.run_until([&] { return ended == 10; });
    return trace;
}

BOOST_AUTO_TEST_CASE(a_seed_is_one_run) {
    std::set<std::string> seen;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const auto once = trace_of(seed);
        BOOST_TEST(once == trace_of(seed));
        seen.insert(once);
    }
    BOOST_TEST(seen.size() > 5u);
}

BOOST_AUTO_TEST_SUITE_END()
