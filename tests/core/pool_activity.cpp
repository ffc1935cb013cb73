#include <corogate/pool_activity.hpp>

#include "completions.hpp"

#include <atomic>
#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/lane.hpp>
#include <corogate/task_pool.hpp>
#include <corogate/testing/for_each_seed.hpp>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using corogate::job_options;
using corogate::pool_activity;
using corogate::pool_options;
using corogate::task_pool;
using corogate::testing::environment;
using corogate::testing::for_each_seed;
using test::settle;

BOOST_AUTO_TEST_SUITE(pool_activity_tests)

static auto nap(environment& env, environment::duration time) {
    return [&env, time]() -> asio::awaitable<void> {
        co_await env.async_wait(time, asio::use_awaitable);
    };
}

static void submit(task_pool& pool, std::size_t n, auto task, const job_options& who) {
    auto job = pool.try_admit(n, who);
    BOOST_REQUIRE(job);
    for (std::size_t i = 0; i < n; ++i)
        job->submit(task);
}

/// Time enough for everything, and the books of an idle pool.
static void finish(environment& env, task_pool& pool) {
    env.advance(1min);
    settle(env, pool);
}

BOOST_AUTO_TEST_CASE(tenants_come_by_what_they_have_and_tasks_by_age) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(100)};
        BOOST_TEST(pool.activity().tenants.empty());
        BOOST_TEST(!pool.activity().oldest_waiting);
        submit(pool, 5, nap(env, 1s), job_options().tenant("a").name("form VS"));
        submit(pool, 9, nap(env, 1s), job_options().tenant("b").name("form LB"));
        BOOST_REQUIRE(pool.try_submit(nap(env, 1s)));
        env.run();
        const auto seen = pool.activity();
        BOOST_REQUIRE_EQUAL(seen.tenants.size(), 3u);
        BOOST_TEST(seen.tenants_in_all == 3u);
        BOOST_TEST(seen.tenants[0].name == "b");
        BOOST_TEST(seen.tenants[1].name == "a");
        BOOST_TEST(seen.tenants[2].name == "");
        const std::size_t in_all[] = {9, 5, 1};
        std::size_t running = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            BOOST_TEST(seen.tenants[i].waiting + seen.tenants[i].running == in_all[i]);
            running += seen.tenants[i].running;
        }
        BOOST_TEST(running == 2u);
        BOOST_REQUIRE_EQUAL(seen.running.size(), 2u);
        std::map<std::string, std::size_t> by_tenant;
        for (const auto& task : seen.running) {
            ++by_tenant[task.tenant];
            BOOST_TEST(
                task.name == (task.tenant.empty()  ? ""
                              : task.tenant == "a" ? "form VS"
                                                   : "form LB")
            );
            BOOST_TEST((task.job != 0) == !task.tenant.empty());
        }
        for (const auto& tenant : seen.tenants)
            BOOST_TEST(tenant.running == by_tenant[tenant.name]);

        const auto one = pool.activity(1);
        BOOST_TEST(one.tenants.size() == 1u);
        BOOST_TEST(one.tenants_in_all == 3u);
        BOOST_TEST(one.running.size() == 1u);
        finish(env, pool);
        BOOST_TEST(pool.activity().running.empty());
        BOOST_TEST(pool.activity().tenants.empty());
    });
}

BOOST_AUTO_TEST_CASE(ages_are_those_of_the_oldest_by_the_pools_clock) {
    for_each_seed(50, [](environment& env) {
        auto all = std::make_shared<corogate::observer>(); // so that every task is timed
        task_pool pool{
            env, pool_options{}.limit(1).queue_tasks(100).stuck_after(60ms).observe(all)
        };
        submit(pool, 1, nap(env, 100ms), job_options().tenant("a").name("first"));
        env.advance(10ms);
        submit(pool, 2, nap(env, 100ms), job_options().tenant("a"));
        env.advance(5ms);
        submit(pool, 1, nap(env, 100ms), job_options().tenant("b"));
        env.advance(30ms);
        auto seen = pool.activity();
        BOOST_REQUIRE_EQUAL(seen.running.size(), 1u);
        BOOST_TEST(seen.running[0].name == "first");
        BOOST_TEST((seen.running[0].age == 45ms));
        BOOST_TEST(!seen.running[0].stuck);
        BOOST_REQUIRE(seen.oldest_waiting);
        BOOST_TEST((*seen.oldest_waiting == 35ms));
        env.advance(15ms);
        seen = pool.activity();
        BOOST_TEST((seen.running[0].age == 60ms));
        BOOST_TEST(seen.running[0].stuck);
        finish(env, pool);
        BOOST_TEST(!pool.activity().oldest_waiting);
    });
}

BOOST_AUTO_TEST_CASE(a_task_that_is_not_timed_has_run_since_it_was_first_seen) {
    for_each_seed(20, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(10).timings(false)};
        for (int i = 0; i < 2; ++i)
            BOOST_REQUIRE(pool.try_submit(nap(env, 100ms)));
        env.advance(10ms);
        BOOST_TEST((pool.activity().running.at(0).age == 0ms));
        env.advance(7ms);
        const auto seen = pool.activity();
        BOOST_TEST((seen.running.at(0).age == 7ms));
        BOOST_TEST(seen.running.at(0).job == 0u);
        BOOST_TEST(!seen.oldest_waiting);
        BOOST_TEST(seen.tenants.at(0).waiting == 1u);
        finish(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(a_task_that_waits_for_its_child_has_lent_its_permit) {
    for_each_seed(50, [](environment& env) {
        auto all = std::make_shared<corogate::observer>();
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(10).observe(all)};
        auto parent = [&]() -> asio::awaitable<void> {
            co_await env.async_wait(5ms, asio::use_awaitable);
            auto child = nap(env, 50ms);
            co_await pool.async_submit(corogate::take(child), asio::use_awaitable);
        };
        submit(pool, 1, parent, job_options().tenant("a").name("parent"));
        env.advance(10ms);
        const auto seen = pool.activity();
        BOOST_REQUIRE_EQUAL(seen.running.size(), 2u);
        BOOST_TEST((seen.running[0].age == 10ms));
        BOOST_TEST(seen.running[0].lent);
        BOOST_TEST(!seen.running[1].lent);
        BOOST_TEST(seen.running[0].job == seen.running[1].job);
        BOOST_TEST(seen.tenants.at(0).running == 2u);
        finish(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(a_tenant_in_a_lane_and_outside_is_one) {
    for_each_seed(20, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(20)};
        corogate::lane narrow{pool, corogate::lane_options{}.limit(1)};
        auto inside = narrow.try_admit(4, job_options().tenant("a"));
        BOOST_REQUIRE(inside);
        for (int i = 0; i < 4; ++i)
            inside->submit(nap(env, 1s));
        submit(pool, 4, nap(env, 1s), job_options().tenant("a"));
        env.run();
        const auto seen = pool.activity();
        BOOST_TEST(seen.tenants_in_all == 1u);
        BOOST_TEST(seen.tenants.at(0).running == 2u);
        BOOST_TEST(seen.tenants.at(0).waiting == 6u);
        finish(env, pool);
    });
}

/// In which order one permit serves two tenants, looked at or not.
static std::vector<std::string> order_of_service(environment& env, bool looked_at) {
    std::vector<std::string> order;
    task_pool pool{env, pool_options{}.limit(1).queue_tasks(200)};
    pool.pause();
    for (const char* who : {"a", "b"})
        for (int i = 0; i < 3; ++i)
            submit(
                pool, 25,
                [&, mark = who + std::to_string(i)]() -> asio::awaitable<void> {
                    order.push_back(mark);
                    co_await env.async_wait(1ms, asio::use_awaitable);
                },
                job_options().tenant(who)
            );
    env.run();
    pool.resume();
    for (int i = 0; i < 200; ++i) {
        if (looked_at)
            pool.activity();
        env.advance(1ms);
    }
    finish(env, pool);
    return order;
}

BOOST_AUTO_TEST_CASE(looking_does_not_change_the_order) {
    for_each_seed(20, [](environment& env) {
        const auto alone = order_of_service(env, false);
        const auto looked_at = order_of_service(env, true);
        BOOST_TEST(alone.size() == 150u);
        BOOST_TEST(alone == looked_at, boost::test_tools::per_element());
    });
}

BOOST_AUTO_TEST_CASE(one_may_look_while_threads_work) {
    task_pool pool{pool_options{}.threads(2).limit(8).queue_tasks(512)};
    std::atomic<bool> done{false};
    std::atomic<int> ran{0};
    std::thread submitter([&] {
        for (int i = 0; !done; ++i) {
            const auto name = std::string(1, static_cast<char>('a' + i % 4));
            if (auto job = pool.try_admit(3, job_options().tenant(name).name(name)))
                for (int k = 0; k < 3; ++k)
                    job->submit([&ran] { ++ran; });
        }
    });
    std::size_t rows = 0;
    while (rows < 200 || ran < 20'000) {
        const auto seen = pool.activity();
        std::size_t running = 0;
        for (const auto& tenant : seen.tenants) {
            running += tenant.running;
            BOOST_REQUIRE(!tenant.name.empty());
        }
        BOOST_REQUIRE(running <= 8u);
        BOOST_REQUIRE(seen.tenants_in_all <= 4u);
        for (const auto& task : seen.running) {
            BOOST_REQUIRE(task.tenant == task.name);
            BOOST_REQUIRE(task.age >= 0ns);
        }
        rows += seen.tenants.size();
    }
    done = true;
    submitter.join();
    pool.async_drain(10s, asio::use_future).get();
    BOOST_TEST(pool.activity().tenants.empty());
}

BOOST_AUTO_TEST_SUITE_END()
