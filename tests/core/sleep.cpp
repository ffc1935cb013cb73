// task_pool::async_sleep.
#include <corogate/task_pool.hpp>

#include "completions.hpp"

#include <atomic>
#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/testing/for_each_seed.hpp>
#include <future>
#include <string>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::error_code;
using corogate::errc;
using corogate::pool_options;
using corogate::task_pool;
using corogate::testing::environment;
using corogate::testing::for_each_seed;
using test::completion_of;
using test::settle;

BOOST_AUTO_TEST_SUITE(sleep_tests)

/// One sleep and how it ended.
struct nap {
    int ends = 0;
    error_code code;
    std::chrono::nanoseconds at{-1};
    asio::cancellation_signal signal;

    void start(environment& env, task_pool& pool, std::chrono::nanoseconds time) {
        const auto begun = env.now();
        pool.async_sleep(
            time, asio::bind_cancellation_slot(
                      signal.slot(),
                      [this, &env, begun](error_code ec) {
                          ++ends;
                          code = ec;
                          at = env.now() - begun;
                      }
                  )
        );
    }
};

BOOST_AUTO_TEST_CASE(sleeps_end_exactly_when_they_should) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env};
        std::vector<nap> naps(100);
        for (std::size_t i = 0; i < naps.size(); ++i)
            naps[i].start(env, pool, ((i * 37) % 100) * 1ms);
        for (auto& n : naps)
            BOOST_TEST(n.ends == 0); // also those of no time: by post
        env.advance(1s);
        for (std::size_t i = 0; i < naps.size(); ++i) {
            BOOST_TEST(naps[i].ends == 1);
            BOOST_TEST(!naps[i].code);
            BOOST_TEST((naps[i].at == ((i * 37) % 100) * 1ms));
        }
        BOOST_TEST(env.timers_waiting() == 0u);
    });
}

BOOST_AUTO_TEST_CASE(no_time_and_less_are_over_at_once_and_the_longest_never) {
    for_each_seed(20, [](environment& env) {
        nap zero, past, longest;
        {
            task_pool pool{env};
            zero.start(env, pool, 0s);
            past.start(env, pool, -1h);
            longest.start(env, pool, std::chrono::nanoseconds::max());
            env.run();
            BOOST_TEST(zero.ends == 1);
            BOOST_TEST(past.ends == 1);
            BOOST_TEST(!past.code);
            env.advance(24h);
            BOOST_TEST(longest.ends == 0);
        }
        env.run();
        BOOST_TEST(longest.ends == 1);
        BOOST_TEST(longest.code == asio::error::operation_aborted);
    });
}

BOOST_AUTO_TEST_CASE(C2_a_sleep_ends_on_its_own_cancellation) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env};
        std::vector<nap> naps(4);
        for (std::size_t i = 0; i < 3; ++i)
            naps[i].start(env, pool, 10ms * (i + 1));
        naps[3].start(env, pool, 1h);
        naps[3].signal.emit(asio::cancellation_type::terminal); // before anything ran
        env.advance(10ms);
        naps[0].signal.emit(asio::cancellation_type::terminal); // too late
        naps[1].signal.emit(asio::cancellation_type::total);
        naps[2].signal.emit(asio::cancellation_type::none); // no cancellation
        env.run();
        BOOST_TEST(!naps[0].code);
        BOOST_TEST(naps[1].code == asio::error::operation_aborted);
        BOOST_TEST((naps[1].at == 10ms));
        BOOST_TEST(naps[3].code == asio::error::operation_aborted);
        env.advance(1h);
        BOOST_TEST(!naps[2].code);
        BOOST_TEST((naps[2].at == 30ms));
        for (auto& n : naps)
            BOOST_TEST(n.ends == 1);
    });
}

BOOST_AUTO_TEST_CASE(S1_a_stop_ends_sleeps_and_later_ones_at_once) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env};
        nap before, after;
        before.start(env, pool, 1h);
        env.run();
        pool.stop();
        after.start(env, pool, 1h);
        BOOST_TEST(after.ends == 0);
        env.run();
        for (const nap* n : {&before, &after}) {
            BOOST_TEST(n->ends == 1);
            BOOST_TEST(n->code == asio::error::operation_aborted);
            BOOST_TEST((n->at == 0s));
        }
    });
}

BOOST_AUTO_TEST_CASE(S7_a_sleep_does_not_outlive_its_pool) {
    for_each_seed(100, [](environment& env) {
        std::vector<nap> naps(10);
        {
            task_pool pool{env};
            for (auto& n : naps)
                n.start(env, pool, 1h);
        }
        env.run();
        for (auto& n : naps) {
            BOOST_TEST(n.ends == 1);
            BOOST_TEST(n.code == asio::error::operation_aborted);
            n.signal.emit(asio::cancellation_type::terminal); // the slot is still connected
        }
        env.run();
        BOOST_TEST(env.timers_waiting() == 0u);
    });
}

BOOST_AUTO_TEST_CASE(a_task_that_sleeps_keeps_its_permit) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(4)};
        std::string order;
        auto task = [&]() -> asio::awaitable<void> {
            co_await pool.async_sleep(10ms, asio::use_awaitable);
            order += 's';
        };
        BOOST_REQUIRE(pool.try_submit(task));
        BOOST_REQUIRE(pool.try_submit([&] { order += 'w'; }));
        env.run();
        BOOST_TEST(pool.stats().lent == 0u);
        BOOST_TEST(order == "");
        env.advance(10ms);
        BOOST_TEST(order == "sw");
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(a_drain_waits_for_tasks_not_for_sleeps) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env};
        nap aside;
        aside.start(env, pool, 1h);
        auto task = [&]() -> asio::awaitable<void> {
            co_await pool.async_sleep(10ms, asio::use_awaitable);
        };
        BOOST_REQUIRE(pool.try_submit(task));
        std::chrono::nanoseconds took{0};
        pool.async_drain(1min, [&](error_code, const corogate::drain_report& r) {
            BOOST_TEST(r.complete());
            took = r.took;
        });
        env.advance(1s);
        BOOST_TEST((took == 10ms));
        BOOST_TEST(aside.ends == 0);
        env.advance(1h);
        BOOST_TEST(!aside.code);
    });
}

BOOST_AUTO_TEST_CASE(C2_on_threads_every_sleep_completes_once_against_its_cancellation) {
    constexpr std::size_t n = 400;
    std::vector<asio::cancellation_signal> signals(n);
    std::vector<std::atomic<int>> ends(n);
    std::atomic<std::size_t> ended{0};
    {
        task_pool pool(pool_options{}.threads(2));
        for (std::size_t i = 0; i < n; ++i)
            pool.async_sleep(
                (i % 7) * 100us, asio::bind_cancellation_slot(
                                     signals[i].slot(),
                                     [&ends, &ended, i](error_code) {
                                         ++ends[i];
                                         ++ended;
                                     }
                                 )
            );
        for (auto& signal : signals)
            signal.emit(asio::cancellation_type::terminal);
        while (ended != n)
            std::this_thread::yield();
    }
    for (auto& e : ends)
        BOOST_TEST(e == 1);
}

BOOST_AUTO_TEST_SUITE_END()
