// What "full" means: refuse, wait, displace, run on the caller's thread, spill.
#include <corogate/task_pool.hpp>

#include "completions.hpp"

#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/testing/for_each_seed.hpp>
#include <list>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using corogate::errc;
using corogate::job_options;
using corogate::overflow_policy;
using corogate::pool_options;
using corogate::task_pool;
using corogate::testing::environment;
using corogate::testing::for_each_seed;
using test::completion_of;
using test::settle;

BOOST_AUTO_TEST_SUITE(overflow_tests)

static auto nap(environment& env, environment::duration time = 1ms) {
    return [&env, time]() -> asio::awaitable<void> {
        co_await env.async_wait(time, asio::use_awaitable);
    };
}

BOOST_AUTO_TEST_CASE(Q1_a_queue_of_n_takes_n_and_refuses_the_next) {
    for (const std::size_t n : {0u, 1u, 7u}) {
        environment env;
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(n)};
        for (std::size_t i = 0; i < 2 + n; ++i)
            BOOST_TEST(pool.try_submit(nap(env)).has_value());
        const auto no = pool.try_submit(nap(env));
        BOOST_REQUIRE(!no);
        BOOST_TEST(no.error().reason() == errc::queue_full);
        env.advance(1h);
        BOOST_TEST(settle(env, pool).completed == 2 + n);
    }
}

BOOST_AUTO_TEST_CASE(Q2_accepted_again_right_after_one_has_ended) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(0)};
        for (int i = 0; i < 20; ++i) {
            bool ended = false;
            pool.async_submit(nap(env), [&](auto) { ended = true; });
            BOOST_REQUIRE(!pool.try_submit(nap(env)));
            env.run_until([&] { return ended; });
            // Its permit and place had been handed on before its completion was called.
        }
        BOOST_REQUIRE_EQUAL(settle(env, pool).completed, 20u);
    });
}

BOOST_AUTO_TEST_CASE(Q3_a_bounded_number_of_submitters_waits_and_the_next_is_refused) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{
            env, pool_options{}
                     .limit(1)
                     .queue_tasks(1)
                     .overflow(overflow_policy::wait)
                     .waiting_submitters(3)
        };
        std::list<completion_of> all;
        for (int i = 0; i < 7; ++i)
            pool.async_submit(nap(env), all.emplace_back().note());
        env.run();
        BOOST_REQUIRE_EQUAL(pool.stats().waiting_submitters, 3u);
        std::size_t refused = 0;
        for (const auto& c : all)
            refused += c.code() == errc::queue_full;
        BOOST_REQUIRE_EQUAL(refused, 2u);
        env.advance(1h);
        BOOST_REQUIRE_EQUAL(settle(env, pool).completed, 5u);
        // The bound counts those who wait, not those who ever did.
        std::list<completion_of> more;
        for (int i = 0; i < 5; ++i)
            pool.async_submit(nap(env), more.emplace_back().note());
        env.advance(1h);
        BOOST_REQUIRE_EQUAL(settle(env, pool).completed, 10u);
    });
}

BOOST_AUTO_TEST_CASE(Q4_of_2k_submissions_on_k_places_exactly_k_are_accepted) {
    for_each_seed(20, [](environment& env) {
        const std::size_t places = 1 + env.seed() % 50;
        const std::size_t limit = 1 + places / 2;
        task_pool pool{
            env, pool_options{}.limit(limit).queue_tasks(places - std::min(places, limit))
        };
        BOOST_REQUIRE_GE(places, limit);
        std::size_t accepted = 0;
        for (std::size_t i = 0; i < 2 * places; ++i)
            accepted += pool.try_submit(nap(env)).has_value();
        BOOST_REQUIRE_EQUAL(accepted, places);
        env.advance(1h);
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(Q5_tasks_of_one_tenant_and_class_start_in_order) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(500)};
        std::vector<int> order;
        job_options who;
        who.tenant("one");
        for (int i = 0; i < 200; ++i)
            BOOST_REQUIRE(pool.try_submit([&order, i] { order.push_back(i); }, who));
        env.run();
        BOOST_REQUIRE_EQUAL(order.size(), 200u);
        BOOST_REQUIRE(std::is_sorted(order.begin(), order.end()));
    });
}

BOOST_AUTO_TEST_CASE(a_small_tenant_does_not_wait_behind_a_large_one) {
    for_each_seed(20, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(5000)};
        std::size_t large = 0;
        std::size_t large_when_small_ran = 0;
        for (int i = 0; i < 2000; ++i)
            BOOST_REQUIRE(pool.try_submit([&] { ++large; }, job_options{}.tenant("large")));
        pool.pause();
        BOOST_REQUIRE(
            pool.try_submit([&] { large_when_small_ran = large; }, job_options{}.tenant("small"))
        );
        pool.resume();
        env.run();
        BOOST_REQUIRE_EQUAL(large, 2000u);
        BOOST_REQUIRE_LT(large_when_small_ran, 200u); // a turn and the look-ahead
    });
}

BOOST_AUTO_TEST_CASE(Q6_a_task_that_has_ended_or_was_refused_keeps_nothing_alive) {
    environment env;
    task_pool pool{env, pool_options{}.limit(1).queue_tasks(1)};
    std::vector<std::weak_ptr<int>> watched;
    for (int i = 0; i < 3; ++i) {
        auto held = std::make_shared<int>(i);
        watched.push_back(held);
        (void)pool.try_submit([held = std::move(held)] {});
    }
    env.run();
    for (const auto& w : watched)
        BOOST_TEST(w.expired());
}

BOOST_AUTO_TEST_CASE(Q7_what_is_abandoned_is_reported_all_of_it) {
    environment env;
    task_pool pool{env, pool_options{}.limit(2).queue_tasks(100).on_error([](auto) {})};
    job_options who;
    who.tenant("site").name("save 17");
    auto job = pool.try_admit(64, who);
    BOOST_REQUIRE(job);
    for (int i = 0; i < 64; ++i)
        job->submit(nap(env, 1h));
    corogate::drain_report report;
    bool told = false;
    pool.async_drain(1s, [&](auto, corogate::drain_report r) {
        report = std::move(r);
        told = true;
    });
    env.run_until([&] { return told; });
    BOOST_TEST(report.abandoned == 62u);
    BOOST_TEST(report.still_running == 2u);
    BOOST_REQUIRE(report.jobs.size() == 1u);
    BOOST_TEST(report.jobs[0].job == job->id());
    BOOST_TEST(report.jobs[0].tenant == "site");
    BOOST_TEST(report.jobs[0].name == "save 17");
    BOOST_TEST(report.jobs[0].waiting == 62u);
    BOOST_TEST(report.jobs[0].running == 2u);
    const auto s = pool.stats();
    BOOST_TEST(s.abandoned == 62u);
    test::check_books(s);
}

// ---- displace ----

BOOST_AUTO_TEST_CASE(displace_takes_from_who_holds_most_what_would_be_served_last) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{
            env, pool_options{}.limit(1).queue_tasks(6).overflow(overflow_policy::displace)
        };
        std::list<completion_of> fat;
        for (int i = 0; i < 7; ++i)
            pool.async_submit(nap(env), job_options{}.tenant("fat"), fat.emplace_back().note());
        completion_of small;
        pool.async_submit(nap(env), job_options{}.tenant("small"), small.note());
        env.advance(1h);
        BOOST_REQUIRE(!small.error());
        BOOST_REQUIRE(fat.back().code() == errc::displaced);
        BOOST_REQUIRE(!fat.front().error());
        const auto s = settle(env, pool);
        BOOST_REQUIRE_EQUAL(s.displaced, 1u);
        BOOST_REQUIRE_EQUAL(s.completed, 7u);
    });
}

BOOST_AUTO_TEST_CASE(displace_refuses_the_tenant_that_holds_most_itself) {
    environment env;
    task_pool pool{env, pool_options{}.limit(1).queue_tasks(3).overflow(overflow_policy::displace)};
    std::list<completion_of> all;
    for (int i = 0; i < 5; ++i)
        pool.async_submit(nap(env), job_options{}.tenant("fat"), all.emplace_back().note());
    env.advance(1h);
    BOOST_TEST(all.back().code() == errc::queue_full);
    const auto s = settle(env, pool);
    BOOST_TEST(s.displaced == 0u);
    BOOST_TEST(s.completed == 4u);
}

BOOST_AUTO_TEST_CASE(displace_never_takes_what_nobody_waits_for) {
    environment env;
    task_pool pool{env, pool_options{}.limit(1).queue_tasks(3).overflow(overflow_policy::displace)};
    for (int i = 0; i < 4; ++i)
        BOOST_REQUIRE(pool.try_submit(nap(env), job_options{}.tenant("fat")));
    completion_of small;
    pool.async_submit(nap(env), job_options{}.tenant("small"), small.note());
    env.advance(1h);
    BOOST_TEST(small.code() == errc::queue_full); // a detached task is a promise
    BOOST_TEST(settle(env, pool).completed == 4u);
}

BOOST_AUTO_TEST_CASE(displace_makes_room_for_a_whole_job_or_gives_up_nothing) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{
            env, pool_options{}.limit(1).queue_tasks(9).overflow(overflow_policy::displace)
        };
        std::list<completion_of> fat;
        for (int i = 0; i < 10; ++i)
            pool.async_submit(nap(env), job_options{}.tenant("fat"), fat.emplace_back().note());
        env.run();
        int answers = 0;
        bool got = false;
        pool.async_admit(4, job_options{}.tenant("small"), [&](auto job) {
            ++answers;
            got = job.has_value();
            if (job)
                for (int i = 0; i < 4; ++i)
                    job->submit(nap(env));
        });
        env.advance(1h);
        BOOST_REQUIRE_EQUAL(answers, 1);
        BOOST_REQUIRE(got);
        const auto s = settle(env, pool);
        BOOST_REQUIRE_EQUAL(s.displaced, 4u);
        BOOST_REQUIRE_EQUAL(s.completed, 10u);
    });
}

// ---- caller runs ----

BOOST_AUTO_TEST_CASE(caller_runs_a_plain_callable_here_and_refuses_a_coroutine) {
    environment env;
    task_pool pool{
        env, pool_options{}.limit(1).queue_tasks(0).overflow(overflow_policy::caller_runs)
    };
    pool.async_submit(nap(env), asio::detached);
    bool ran = false;
    int got = 0;
    pool.async_submit(
        [&] {
            ran = true;
            return 5;
        },
        [&](std::exception_ptr, int n) { got = n; }
    );
    BOOST_TEST(ran);      // on this thread, at once
    BOOST_TEST(got == 0); // but its completion by post
    completion_of broken;
    pool.async_submit([] { throw std::runtime_error("broken"); }, broken.note());
    completion_of coroutine;
    pool.async_submit(nap(env), coroutine.note());
    env.advance(1h);
    BOOST_TEST(got == 5);
    BOOST_TEST(broken.done());
    BOOST_TEST(coroutine.code() == errc::queue_full);
    const auto s = settle(env, pool);
    BOOST_TEST(s.completed == 2u);
    BOOST_TEST(s.failed == 1u);
    BOOST_TEST(s.refused == 1u);
}

// ---- spill ----

BOOST_AUTO_TEST_CASE(spill_offers_the_job_and_refuses_where_that_declines) {
    environment env;
    std::vector<std::string> stored;
    auto store = [&](const job_options& who) {
        if (who.name() == "throws")
            throw std::runtime_error("disk full");
        if (who.name() == "declined")
            return false;
        stored.push_back(who.tenant() + "/" + who.name());
        return true;
    };
    task_pool pool{
        env, pool_options{}.limit(1).queue_tasks(0).overflow(overflow_policy::spill).on_spill(store)
    };
    pool.async_submit(nap(env), asio::detached);
    completion_of kept, declined, threw;
    const auto who = [](const char* name) { return job_options{}.tenant("site").name(name); };
    pool.async_submit(nap(env), who("kept"), kept.note());
    pool.async_submit(nap(env), who("declined"), declined.note());
    pool.async_submit(nap(env), who("throws"), threw.note());
    errc admitted{};
    pool.async_admit(1, who("job"), [&](auto job) { admitted = job.error().reason(); });
    env.advance(1h);
    BOOST_TEST(kept.code() == errc::spilled);
    BOOST_TEST(declined.code() == errc::queue_full);
    BOOST_TEST(threw.code() == errc::queue_full);
    BOOST_TEST(admitted == errc::spilled);
    BOOST_TEST(stored == (std::vector<std::string>{"site/kept", "site/job"}));
    const auto s = settle(env, pool);
    BOOST_TEST(s.spilled == 2u);
    BOOST_TEST(s.refused == 2u);
    BOOST_TEST(s.completed == 1u);
}

BOOST_AUTO_TEST_CASE(a_batch_is_taken_whole_or_not_at_all) {
    environment env;
    task_pool pool{env, pool_options{}.limit(2).queue_tasks(3)};
    int ran = 0;
    std::vector<std::function<void()>> batch(6, [&] { ++ran; });
    const auto no = pool.try_submit_all(batch);
    BOOST_REQUIRE(!no);
    BOOST_TEST(no.error().reason() == errc::job_too_large);
    BOOST_TEST(bool(batch.back())); // not moved from
    batch.resize(5);
    BOOST_TEST(pool.try_submit_all(batch).has_value());
    env.run();
    BOOST_TEST(ran == 5);
    settle(env, pool);
}

BOOST_AUTO_TEST_SUITE_END()
