// Lanes: limits of their own under the pool's, borrowing, refusals that take nothing.
#include <corogate/lane.hpp>
#include <corogate/task_pool.hpp>

#include "completions.hpp"

#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/testing/for_each_seed.hpp>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using corogate::errc;
using corogate::job_options;
using corogate::lane;
using corogate::lane_options;
using corogate::overflow_policy;
using corogate::pool_options;
using corogate::task_pool;
using corogate::testing::environment;
using corogate::testing::for_each_seed;
using test::completion_of;
using test::settle;

BOOST_AUTO_TEST_SUITE(lane_tests)

// ---- lanes ----

/// Counts its tasks at work.
struct crowd {
    environment& env;
    std::size_t inside = 0, most = 0, ended = 0;
    asio::awaitable<void> run() {
        most = std::max(most, ++inside);
        co_await env.async_wait(1s, asio::use_awaitable);
        --inside;
        ++ended;
    }
    auto task() {
        return [this] { return run(); };
    }
};

BOOST_AUTO_TEST_CASE(U1_a_lane_keeps_its_limit_and_lanes_together_the_pools) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(4).queue_tasks(100)};
        lane a{pool, lane_options{}.limit(2)}, b{pool, lane_options{}.limit(3)};
        crowd in_a{env}, in_b{env};
        for (int i = 0; i < 20; ++i) {
            BOOST_REQUIRE(a.try_submit(in_a.task()));
            BOOST_REQUIRE(b.try_submit(in_b.task()));
        }
        env.run();
        BOOST_TEST(in_a.inside + in_b.inside == 4u); // all the pool has
        while (in_a.ended + in_b.ended < 40) {
            env.advance(1s);
            BOOST_REQUIRE(in_a.inside + in_b.inside <= 4u);
        }
        BOOST_TEST(in_a.most == 2u);
        BOOST_TEST(in_b.most <= 3u);
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(U1_a_lane_borrows_only_what_nobody_else_waits_for) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(4).queue_tasks(100)};
        lane part{pool, lane_options{}.limit(1).borrow(3)};
        crowd in_lane{env}, outside{env};
        for (int i = 0; i < 12; ++i)
            BOOST_REQUIRE(part.try_submit(in_lane.task()));
        env.run();
        BOOST_TEST(in_lane.inside == 4u);
        for (int i = 0; i < 6; ++i)
            BOOST_REQUIRE(pool.try_submit(outside.task()));
        env.advance(1s);
        BOOST_TEST(outside.inside >= 3u); // its own limit is all the lane may claim now
        BOOST_TEST(in_lane.inside <= 1u);
        env.advance(1h);
        BOOST_TEST(in_lane.ended == 12u);
        BOOST_TEST(outside.ended == 6u);
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(U1_a_lanes_queue_is_its_own) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(4).queue_tasks(100)};
        lane part{pool, lane_options{}.limit(1).queue_tasks(2)};
        crowd all{env};
        for (int i = 0; i < 3; ++i)
            BOOST_REQUIRE(part.try_submit(all.task()));
        const auto no = part.try_submit(all.task());
        BOOST_REQUIRE(!no);
        BOOST_TEST((no.error().reason() == errc::queue_full));
        BOOST_TEST(bool(pool.try_submit(all.task())));
        env.advance(1h);
        BOOST_TEST(all.ended == 4u);
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(Q8_a_lanes_submission_that_the_pool_refuses_takes_nothing) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(0)};
        lane part{pool, lane_options{}.limit(1).queue_tasks(3)};
        crowd all{env};
        BOOST_REQUIRE(pool.try_submit(all.task()));
        for (int i = 0; i < 20; ++i) { // more often than the lane has places
            completion_of end;
            part.async_submit(all.task(), end.note());
            BOOST_TEST(!part.try_submit(all.task()));
            env.run();
            BOOST_TEST(end.code() == errc::queue_full);
        }
        env.advance(1s);
        pool.resize(4);
        auto places = part.try_admit(4);
        BOOST_TEST(bool(places)); // every place of the lane is there
        places = boost::system::result<corogate::job, corogate::refusal>(corogate::refusal());
        BOOST_TEST(settle(env, pool).refused == 40u);
    });
}

BOOST_AUTO_TEST_CASE(I2_a_lanes_permits_are_there_again_after_pauses) {
    for_each_seed(200, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(3).queue_tasks(100)};
        lane part{pool, lane_options{}.limit(2)};
        crowd in_lane{env}, outside{env};
        std::vector<completion_of> ends(20);
        for (std::size_t i = 0; i < 20; ++i) {
            if (i % 2 == 0)
                part.async_submit(in_lane.task(), job_options().deadline(5s), ends[i].note());
            else
                pool.async_submit(outside.task(), ends[i].note());
            if (i % 3 == 0)
                pool.pause(); // what was granted and has not started is taken back
            for (std::size_t n = env.seed() % 7; n > 0 && env.run_one() != 0; --n) {
            }
            if (i % 3 == 2)
                pool.resume();
        }
        pool.pause();
        env.advance(10s); // those of the lane that wait are dropped
        const auto paused = in_lane.most;
        BOOST_TEST(paused <= 2u);
        pool.resume();
        env.advance(1h);
        for (auto& end : ends)
            BOOST_TEST(end.times() == 1);
        crowd again{env};
        for (int i = 0; i < 4; ++i)
            BOOST_REQUIRE(part.try_submit(again.task()));
        env.run();
        BOOST_TEST(again.inside == 2u); // neither lost nor counted twice
        env.advance(1h);
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_SUITE_END()
