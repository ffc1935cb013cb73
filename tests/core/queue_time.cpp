// A queue bounded in time: what a pool lets in once it knows its pace. In the first second in which
// work waits that is three times queue_time: here 99 ms.
#include <corogate/task_pool.hpp>

#include "completions.hpp"

#include <algorithm>
#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/testing/for_each_seed.hpp>
#include <list>
#include <optional>
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
using test::check_books;
using test::completion_of;
using test::settle;

BOOST_AUTO_TEST_SUITE(queue_time_tests)

static auto nap(environment& env, environment::duration time = 10ms) {
    return [&env, time]() -> asio::awaitable<void> {
        co_await env.async_wait(time, asio::use_awaitable);
    };
}

static job_options site(std::string name) { return job_options().tenant(std::move(name)); }

/// Limit 10, tasks of 10 ms: a thousand a second. Keeps work waiting until the pool knows.
static void learn_pace(environment& env, task_pool& pool) {
    for (int i = 0; i < 600; ++i)
        BOOST_REQUIRE(pool.try_submit(nap(env)));
    for (int i = 0; i < 65; ++i)
        env.advance(10ms);
    const auto s = pool.stats();
    BOOST_REQUIRE_EQUAL(s.waiting + s.running, 0u);
    BOOST_REQUIRE_CLOSE(s.tasks_per_second, 1000.0, 5);
}

static pool_options thousand_a_second() { return pool_options{}.limit(10).queue_tasks(10'000); }

struct admission_of {
    std::optional<boost::system::result<corogate::job, corogate::refusal>> answer;
    auto note() {
        return [this](auto r) { answer.emplace(std::move(r)); };
    }
    errc reason() const {
        BOOST_REQUIRE(answer.has_value());
        return *answer ? errc{} : answer->error().reason();
    }
};

BOOST_AUTO_TEST_CASE(until_the_pace_is_known_places_are_the_only_bound) {
    environment env;
    task_pool pool{env, thousand_a_second().queue_time(1ms)};
    for (int i = 0; i < 10'010; ++i)
        BOOST_REQUIRE(pool.try_submit(nap(env)));
    BOOST_TEST(pool.try_submit(nap(env)).error().reason() == errc::queue_full);
    pool.stop();
    env.run();
}

BOOST_AUTO_TEST_CASE(a_pool_that_was_only_lightly_loaded_knows_no_pace) {
    environment env;
    task_pool pool{env, thousand_a_second().queue_time(33ms)};
    for (int i = 0; i < 100; ++i) { // one task at a time
        BOOST_REQUIRE(pool.try_submit(nap(env)));
        env.advance(20ms);
    }
    BOOST_TEST(pool.stats().tasks_per_second == 0.0);
}

BOOST_AUTO_TEST_CASE(what_would_wait_longer_than_queue_time_is_refused_with_a_hint) {
    environment env;
    task_pool pool{env, thousand_a_second().queue_time(33ms)};
    learn_pace(env, pool);
    int in = 0;
    while (pool.try_submit(nap(env)))
        ++in;
    BOOST_TEST(in >= 100);
    BOOST_TEST(in <= 10 + 100 + 10);
    const auto no = pool.try_submit(nap(env));
    BOOST_TEST(no.error().reason() == errc::queue_full);
    BOOST_TEST(no.error().retryable());
    BOOST_TEST(no.error().retry_after() >= 50ms);
    for (int i = 0; i < 20; ++i)
        env.advance(10ms);
    BOOST_TEST(pool.try_submit(nap(env)).has_value()); // the bound is of the queue as it is
    env.advance(1s);
    check_books(settle(env, pool));
}

BOOST_AUTO_TEST_CASE(the_bound_is_queue_time_itself_once_a_queue_has_stood_for_a_second) {
    environment env;
    task_pool pool{env, thousand_a_second().queue_time(100ms)};
    learn_pace(env, pool);
    std::size_t most_late = 0;
    for (int i = 0; i < 300; ++i) {
        while (pool.try_submit(nap(env))) {
        }
        if (i > 150)
            most_late = std::max(most_late, pool.stats().waiting);
        else if (i < 50)
            BOOST_REQUIRE_LE(pool.stats().waiting, 320u);
        env.advance(10ms);
    }
    BOOST_TEST(most_late <= 120u);
    BOOST_TEST(most_late >= 80u);
    env.advance(1s);
    settle(env, pool);
}

BOOST_AUTO_TEST_CASE(a_deadline_bounds_the_wait_to_a_quarter_of_it) {
    environment env;
    task_pool pool{env, thousand_a_second()};
    learn_pace(env, pool);
    for (int i = 0; i < 210; ++i)
        BOOST_REQUIRE(pool.try_submit(nap(env)));
    BOOST_TEST(pool.try_admit(24, job_options().deadline(1s)).has_value());
    BOOST_TEST(
        pool.try_admit(24, job_options().deadline(500ms)).error().reason() == errc::queue_full
    );
    BOOST_TEST(
        pool.try_admit(24, job_options().deadline(150ms)).error().reason() ==
        errc::deadline_infeasible
    );
    BOOST_TEST(pool.try_admit(24).has_value()); // without a deadline there is no hurry
    for (int i = 0; i < 100; ++i)
        env.advance(10ms);
}

BOOST_AUTO_TEST_CASE(who_floods_waits_behind_himself_others_get_in) {
    for (const auto policy : {overflow_policy::reject, overflow_policy::displace})
        for_each_seed(20, [&](environment& env) {
            task_pool pool{env, thousand_a_second().queue_time(33ms).overflow(policy)};
            learn_pace(env, pool);
            std::list<completion_of> flood;
            for (int i = 0; i < 300; ++i)
                pool.async_submit(nap(env), site("flood"), flood.emplace_back().note());
            env.advance(0ms);
            const auto full = pool.stats();
            BOOST_REQUIRE_GE(full.waiting, 90u);
            BOOST_REQUIRE_LE(full.waiting, 121u);
            BOOST_REQUIRE_EQUAL(full.accepted + full.refused, full.submitted);
            // The synchronous door sees the queue alone.
            BOOST_REQUIRE(!pool.try_admit(24, site("victim")));
            admission_of again;
            pool.async_admit(24, site("flood"), again.note());
            admission_of victim;
            pool.async_admit(24, site("victim"), victim.note());
            env.advance(0ms);
            BOOST_REQUIRE(victim.reason() == errc{});
            BOOST_REQUIRE(again.reason() != errc{});
            completion_of end;
            std::vector tasks(24, nap(env));
            victim.answer->value().async_run(tasks, end.note());
            for (int i = 0; i < 13; ++i) // a turn of the flood, then its own
                env.advance(10ms);
            BOOST_REQUIRE_EQUAL(end.times(), 1);
            BOOST_REQUIRE(!end.error());
            const auto s = pool.stats();
            if (policy == overflow_policy::displace)
                BOOST_REQUIRE_GE(s.displaced, 24u);
            else
                BOOST_REQUIRE_EQUAL(s.displaced, 0u);
            for (int i = 0; i < 30; ++i)
                env.advance(10ms);
            check_books(settle(env, pool));
        });
}

BOOST_AUTO_TEST_CASE(a_pause_says_nothing_of_the_pace) {
    environment env;
    task_pool pool{env, thousand_a_second().queue_time(33ms)};
    learn_pace(env, pool);
    for (int i = 0; i < 80; ++i)
        BOOST_REQUIRE(pool.try_submit(nap(env)));
    env.advance(20ms);
    pool.pause();
    env.advance(10min);
    pool.resume();
    for (int i = 0; i < 20; ++i)
        env.advance(10ms);
    BOOST_TEST(pool.stats().tasks_per_second >= 900.0);
    settle(env, pool);
}

BOOST_AUTO_TEST_CASE(a_job_that_has_become_hopeless_is_given_up_whole_before_its_start) {
    environment env;
    task_pool pool{env, thousand_a_second()};
    learn_pace(env, pool);
    pool.pause();
    auto job = pool.try_admit(200, job_options().deadline(250ms));
    BOOST_REQUIRE(job.has_value());
    completion_of end;
    std::vector tasks(200, nap(env));
    job->async_run(tasks, end.note());
    env.advance(100ms); // 150 ms are left for 200 ms of work
    pool.resume();
    env.advance(0ms);
    BOOST_TEST((end.code() == errc::expired));
    const auto s = settle(env, pool);
    BOOST_TEST(s.expired == 200u);
    BOOST_TEST(s.completed == 600u);
}

BOOST_AUTO_TEST_CASE(places_of_a_job_given_up_go_to_who_waits_for_them) {
    environment env;
    task_pool pool{env, pool_options{}.limit(10).queue_tasks(590).overflow(overflow_policy::wait)};
    learn_pace(env, pool);
    pool.pause();
    auto job = pool.try_admit(600, job_options().deadline(700ms));
    BOOST_REQUIRE(job.has_value());
    completion_of end;
    std::vector tasks(600, nap(env));
    job->async_run(tasks, end.note());
    admission_of waits;
    pool.async_admit(300, waits.note());
    env.advance(600ms);
    BOOST_REQUIRE(!waits.answer.has_value());
    pool.resume();
    env.advance(0ms);
    BOOST_TEST((end.code() == errc::expired));
    BOOST_REQUIRE(waits.answer.has_value());
    BOOST_TEST(waits.answer->has_value());
}

BOOST_AUTO_TEST_CASE(background_work_leaves_half_of_the_queue_to_others) {
    for (const auto policy : {overflow_policy::reject, overflow_policy::displace}) {
        environment env;
        task_pool pool{env, pool_options{}.limit(10).queue_tasks(100).overflow(policy)};
        const auto study = job_options().priority(corogate::priority_class::background);
        int in = 0;
        while (pool.try_submit(nap(env), study))
            ++in;
        BOOST_TEST(in == 60);
        admission_of more;
        pool.async_admit(1, study, more.note());
        admission_of too_large;
        pool.async_admit(61, study, too_large.note());
        admission_of save;
        pool.async_admit(50, site("site"), save.note());
        env.advance(0ms);
        BOOST_TEST((more.reason() == errc::queue_full));
        BOOST_TEST((too_large.reason() == errc::job_too_large));
        BOOST_TEST((save.reason() == errc{}));
        save.answer.reset();
        env.advance(10ms);
        BOOST_TEST(pool.try_submit(nap(env), study).has_value());
        env.advance(1s);
        settle(env, pool);
    }
}

BOOST_AUTO_TEST_CASE(a_dry_run_counts_and_lets_in) {
    environment env;
    task_pool pool{env, thousand_a_second().queue_time(33ms).dry_run(true)};
    learn_pace(env, pool);
    const auto before = pool.stats().would_refuse;
    for (int i = 0; i < 1000; ++i)
        BOOST_REQUIRE(pool.try_submit(nap(env)));
    const auto s = pool.stats();
    BOOST_TEST(s.refused == 0u);
    BOOST_TEST(s.would_refuse - before >= 850u);
    pool.stop();
    env.run();
}

BOOST_AUTO_TEST_CASE(who_waits_at_the_door_waits_for_the_queue_to_be_short_enough) {
    environment env;
    task_pool pool{env, thousand_a_second().queue_time(33ms).overflow(overflow_policy::wait)};
    learn_pace(env, pool);
    std::list<completion_of> ends;
    for (int i = 0; i < 500; ++i)
        pool.async_submit(nap(env), ends.emplace_back().note());
    env.advance(0ms);
    BOOST_TEST(pool.stats().waiting <= 125u);
    BOOST_TEST(pool.stats().waiting_submitters >= 300u);
    for (int i = 0; i < 60; ++i) {
        env.advance(10ms);
        BOOST_REQUIRE_LE(pool.stats().waiting, 125u);
    }
    const auto s = settle(env, pool);
    BOOST_TEST(s.completed == 1100u);
    BOOST_TEST(s.refused == 0u);
}

BOOST_AUTO_TEST_CASE(newest_first_while_a_queue_stands_but_ordered_jobs_in_order) {
    environment env;
    task_pool pool{env, pool_options{}.limit(1).newest_first(true)};
    std::vector<int> order;
    std::list<corogate::job> jobs;
    const auto add = [&](int number, bool ordered) {
        auto job = pool.try_admit(1, site("a").ordered(ordered));
        BOOST_REQUIRE(job.has_value());
        jobs.push_back(std::move(*job));
        jobs.back().submit([&env, &order, number]() -> asio::awaitable<void> {
            order.push_back(number);
            co_await env.async_wait(30ms, asio::use_awaitable);
        });
    };
    for (int i = 20; i < 50; ++i)
        add(i, false);
    for (int i = 0; i < 5; ++i)
        env.advance(30ms); // a queue has stood for 100 ms by now
    add(10, true);
    add(11, true);
    add(12, false);
    for (int i = 0; i < 40; ++i)
        env.advance(30ms);
    BOOST_REQUIRE_EQUAL(order.size(), 33u);
    const auto at = [&](int n) { return std::find(order.begin(), order.end(), n) - order.begin(); };
    BOOST_TEST(at(10) < at(11));
    BOOST_TEST(at(12) < at(30));
    BOOST_TEST(at(48) < at(30));
    BOOST_TEST(at(20) == 0);
}

BOOST_AUTO_TEST_SUITE_END()
