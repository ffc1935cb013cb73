// Work that a task awaits on its own pool: lending.
#include <corogate/task_pool.hpp>

#include "completions.hpp"

#include <atomic>
#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/testing/for_each_seed.hpp>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::error_code;
using boost::system::system_error;
using corogate::errc;
using corogate::pool_options;
using corogate::take;
using corogate::task_pool;
using corogate::testing::environment;
using corogate::testing::for_each_seed;
using test::check_books;
using test::completion_of;
using test::settle;

BOOST_AUTO_TEST_SUITE(nesting_tests)

/// Waits for a child, which waits for a child, ...; the depth.
static asio::awaitable<int> descend(task_pool& pool, int depth) {
    if (depth == 0)
        co_return 0;
    BOOST_TEST(test::books_balance(pool.stats()));
    auto child = [&pool, depth] { return descend(pool, depth - 1); };
    co_return 1 + co_await pool.async_submit(take(child), asio::use_awaitable);
}

BOOST_AUTO_TEST_CASE(N1_a_task_awaits_a_task_at_limit_1_at_any_depth) {
    for_each_seed(20, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(0)};
        auto first = [&] { return descend(pool, 200); };
        auto test = [&]() -> asio::awaitable<int> {
            co_return co_await pool.async_submit(take(first), asio::use_awaitable);
        };
        BOOST_REQUIRE_EQUAL(env.run(test), 200);
        const auto s = settle(env, pool);
        BOOST_TEST(s.completed == 201u);
        BOOST_TEST(s.refused == 0u);
    });
}

/// A tree of jobs: every task but the leaves admits one of `width` tasks and awaits it.
struct tree {
    task_pool& pool;
    environment& env;
    std::size_t width;
    std::size_t leaves = 0;

    asio::awaitable<std::size_t> grow(int depth) {
        co_await env.async_wait(1ms, asio::use_awaitable);
        BOOST_TEST(test::books_balance(pool.stats()));
        if (depth == 0) {
            ++leaves;
            co_return 1;
        }
        auto admitted = co_await pool.async_admit(width, asio::use_awaitable);
        std::vector<std::function<asio::awaitable<std::size_t>()>> children(width, [this, depth] {
            return grow(depth - 1);
        });
        const auto sums = co_await admitted->async_run(children, asio::use_awaitable);
        std::size_t sum = 0;
        for (const auto n : sums)
            sum += n;
        co_return sum;
    }
};

BOOST_AUTO_TEST_CASE(N1_jobs_in_tasks_of_jobs_end_at_every_limit) {
    for (const std::size_t limit : {1u, 2u, 3u, 100u})
        for_each_seed(20, [limit](environment& env) {
            task_pool pool{env, pool_options{}.limit(limit).queue_tasks(0)};
            tree all{pool, env, 3};
            auto root = [&] { return all.grow(4); };
            auto test = [&]() -> asio::awaitable<std::size_t> {
                co_return co_await pool.async_submit(take(root), asio::use_awaitable);
            };
            BOOST_REQUIRE_EQUAL(env.run(test), 81u);
            BOOST_TEST(all.leaves == 81u);
            const auto s = settle(env, pool);
            BOOST_TEST(s.completed == 1u + 3 + 9 + 27 + 81);
            BOOST_TEST(s.jobs_admitted == 1u + 3 + 9 + 27);
            BOOST_TEST(s.running_peak <= limit);
        });
}

BOOST_AUTO_TEST_CASE(N1_several_parents_at_limit_2_all_come_back) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(20)};
        std::vector<completion_of> ends(12);
        for (auto& end : ends)
            pool.async_submit([&] { return descend(pool, 7); }, end.note());
        env.run();
        for (auto& end : ends) {
            BOOST_TEST(end.times() == 1);
            BOOST_TEST(!end.error());
        }
        BOOST_TEST(settle(env, pool).completed == 12u * 8);
    });
}

BOOST_AUTO_TEST_CASE(N1_on_threads_a_tree_of_tasks_ends) {
    for (const std::size_t limit : {1u, 2u, 5u}) {
        task_pool pool(pool_options{}.threads(3).limit(limit).queue_tasks(0));
        std::function<asio::awaitable<int>(int)> fibonacci = [&](int n) -> asio::awaitable<int> {
            if (n < 2)
                co_return n;
            auto admitted = co_await pool.async_admit(2, asio::use_awaitable);
            std::vector<std::function<asio::awaitable<int>()>> two;
            two.push_back([&, n] { return fibonacci(n - 1); });
            two.push_back([&, n] { return fibonacci(n - 2); });
            const auto sum = co_await admitted->async_run(two, asio::use_awaitable);
            co_return sum[0] + sum[1];
        };
        auto root = [&] { return fibonacci(12); };
        BOOST_TEST(pool.async_submit(root, asio::use_future).get() == 144);
        const auto s = test::quiet(pool);
        check_books(s);
        BOOST_TEST(s.lent == 0u);
    }
}

BOOST_AUTO_TEST_CASE(N1_a_child_comes_before_what_waits_and_its_parent_too) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(10)};
        std::string order;
        auto parent = [&]() -> asio::awaitable<void> {
            co_await env.async_wait(1ms, asio::use_awaitable); // the others have come
            auto child = [&] { order += 'c'; };
            co_await pool.async_submit(take(child), asio::use_awaitable);
            order += 'p';
        };
        BOOST_REQUIRE(pool.try_submit(parent));
        for (int i = 0; i < 3; ++i)
            BOOST_REQUIRE(pool.try_submit([&] { order += 'w'; }));
        env.run_until([&] { return order.size() == 5; });
        BOOST_TEST(order == "cpwww");
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(N1_the_books_show_what_is_lent) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(10)};
        auto sleep = [&] { return env.async_wait(1h, asio::use_awaitable); };
        auto parent = [&]() -> asio::awaitable<void> {
            co_await pool.async_submit(sleep, asio::use_awaitable);
        };
        for (int i = 0; i < 2; ++i)
            BOOST_REQUIRE(pool.try_submit(parent));
        env.run();
        auto s = pool.stats();
        check_books(s);
        BOOST_TEST(s.running == 4u);
        BOOST_TEST(s.lent == 2u);
        BOOST_TEST(s.permits_used == 2u);
        // Both permits are the children's: nobody else starts.
        BOOST_REQUIRE(pool.try_submit([] {}));
        env.run();
        s = pool.stats();
        BOOST_TEST(s.waiting == 1u);
        env.advance(1h);
        BOOST_TEST(settle(env, pool).completed == 5u);
    });
}

BOOST_AUTO_TEST_CASE(N1_the_children_of_one_task_are_bounded) {
    environment env;
    task_pool pool{env, pool_options{}.limit(1).queue_tasks(0).children(4)};
    std::vector<error_code> answers;
    auto parent = [&]() -> asio::awaitable<void> {
        for (const std::size_t n : {4u, 5u}) {
            auto admitted = co_await pool.async_admit(n, asio::use_awaitable);
            answers.push_back(admitted ? error_code() : admitted.error().code());
        }
    };
    BOOST_REQUIRE(pool.try_submit(parent));
    env.run();
    BOOST_REQUIRE(answers.size() == 2u);
    BOOST_TEST(answers[0] == error_code());
    BOOST_TEST(answers[1] == errc::job_too_large);
    const auto s = settle(env, pool);
    BOOST_TEST(s.refused == 5u);
    BOOST_TEST(s.jobs_refused == 1u);
}

BOOST_AUTO_TEST_CASE(N1_a_childs_exception_is_its_parents_and_costs_no_permit) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(0)};
        std::string said;
        completion_of end;
        auto parent = [&]() -> asio::awaitable<void> {
            auto child = [] { throw std::runtime_error("no such lab"); };
            for (int i = 0; i < 3; ++i)
                try {
                    co_await pool.async_submit(child, asio::use_awaitable);
                } catch (const std::runtime_error& e) {
                    said += e.what();
                }
        };
        pool.async_submit(parent, end.note());
        env.run();
        BOOST_TEST(end.times() == 1);
        BOOST_TEST(!end.error());
        BOOST_TEST(said == "no such labno such labno such lab");
        const auto s = settle(env, pool);
        BOOST_TEST(s.failed == 3u);
        BOOST_TEST(s.completed == 1u);
    });
}

// ---- what does not lend ----

BOOST_AUTO_TEST_CASE(N1_a_wait_in_a_coroutine_that_a_task_spawned_keeps_the_permit) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(0)};
        error_code refused;
        auto parent = [&]() -> asio::awaitable<void> {
            auto other = [&]() -> asio::awaitable<void> {
                auto child = [] {};
                auto [e] =
                    co_await pool.async_submit(take(child), asio::as_tuple(asio::use_awaitable));
                refused = test::code_of(e);
            };
            co_await asio::co_spawn(co_await asio::this_coro::executor, other, asio::use_awaitable);
        };
        BOOST_REQUIRE(pool.try_submit(parent));
        env.run();
        BOOST_TEST(refused == errc::queue_full); // like a stranger's: it would have deadlocked
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(N1_a_wait_in_a_branch_keeps_the_permit) {
    using namespace asio::experimental::awaitable_operators;
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(0)};
        std::size_t lent = 99;
        bool ended = false;
        auto child = [&]() -> asio::awaitable<void> {
            lent = pool.stats().lent;
            co_await env.async_wait(1ms, asio::use_awaitable);
        };
        auto parent = [&]() -> asio::awaitable<void> {
            co_await (
                pool.async_submit(child, asio::use_awaitable) ||
                env.async_wait(1h, asio::use_awaitable)
            );
            ended = true;
        };
        BOOST_REQUIRE(pool.try_submit(parent));
        env.run_until([&] { return ended; });
        BOOST_TEST(lent == 0u);
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(N1_a_wait_for_another_pool_keeps_the_permit) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(1)};
        task_pool other{env, pool_options{}.limit(1).queue_tasks(1)};
        std::string order;
        auto there = [&]() -> asio::awaitable<void> {
            co_await env.async_wait(1ms, asio::use_awaitable);
            order += 'o';
        };
        auto parent = [&]() -> asio::awaitable<void> {
            co_await other.async_submit(there, asio::use_awaitable);
            order += 'p';
        };
        BOOST_REQUIRE(pool.try_submit(parent));
        BOOST_REQUIRE(pool.try_submit([&] { order += 'w'; }));
        env.run();
        BOOST_TEST(pool.stats().lent == 0u);
        BOOST_TEST(pool.stats().running == 1u);
        env.run_until([&] { return order.size() == 3; });
        BOOST_TEST(order == "opw");
        settle(env, pool);
        settle(env, other);
    });
}

// ---- cancellation and the end ----

BOOST_AUTO_TEST_CASE(C1_cancelling_a_parent_takes_its_waiting_child_out) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(4)};
        asio::cancellation_signal signal;
        completion_of end;
        bool child_ran = false;
        error_code told;
        auto parent = [&]() -> asio::awaitable<void> {
            co_await env.async_wait(1ms, asio::use_awaitable);
            auto child = [&] { child_ran = true; };
            auto [e] = co_await pool.async_submit(child, asio::as_tuple(asio::use_awaitable));
            told = test::code_of(e);
        };
        pool.async_submit(parent, asio::bind_cancellation_slot(signal.slot(), end.note()));
        env.run();
        pool.pause(); // nothing starts: the child will wait
        env.advance(1ms);
        auto s = pool.stats();
        BOOST_TEST(s.lent == 1u);
        BOOST_TEST(s.waiting == 1u);
        signal.emit(asio::cancellation_type::terminal);
        env.run();
        BOOST_TEST(told == errc::cancelled);
        BOOST_TEST(end.times() == 1);
        BOOST_TEST(!child_ran);
        pool.resume();
        BOOST_TEST(settle(env, pool).cancelled == 1u);
    });
}

BOOST_AUTO_TEST_CASE(C3_cancelling_a_parent_reaches_its_running_child) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(4)};
        asio::cancellation_signal signal;
        completion_of end;
        int seen = 0;
        auto child = [&]() -> asio::awaitable<void> {
            auto [ec] = co_await env.async_wait(1h, asio::as_tuple(asio::use_awaitable));
            seen += ec == asio::error::operation_aborted;
        };
        auto parent = [&]() -> asio::awaitable<void> {
            co_await pool.async_submit(child, asio::use_awaitable);
        };
        pool.async_submit(parent, asio::bind_cancellation_slot(signal.slot(), end.note()));
        env.run();
        signal.emit(asio::cancellation_type::terminal);
        env.run();
        BOOST_TEST(seen == 1);
        BOOST_TEST(end.times() == 1);
        settle(env, pool);
        BOOST_TEST(env.timers_waiting() == 1u); // the look for idle runners
    });
}

BOOST_AUTO_TEST_CASE(C1_cancelling_a_parent_of_a_job_ends_all_its_tasks) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(0)};
        asio::cancellation_signal signal;
        completion_of end;
        int started = 0;
        auto parent = [&]() -> asio::awaitable<void> {
            auto admitted = co_await pool.async_admit(10, asio::use_awaitable);
            std::vector<std::function<asio::awaitable<void>()>> tasks(
                10,
                [&]() -> asio::awaitable<void> {
                    ++started;
                    co_await env.async_wait(1h, asio::use_awaitable);
                }
            );
            co_await admitted->async_run(tasks, asio::use_awaitable);
        };
        pool.async_submit(parent, asio::bind_cancellation_slot(signal.slot(), end.note()));
        env.run();
        BOOST_TEST(started == 2);
        signal.emit(asio::cancellation_type::terminal);
        env.run();
        BOOST_TEST(end.times() == 1);
        BOOST_TEST((end.error() != nullptr));
        BOOST_TEST(started == 2);
        const auto s = settle(env, pool);
        BOOST_TEST(s.cancelled == 8u);
        BOOST_TEST(s.failed == 3u);
    });
}

/// Parents that have lent their permit, and children that sleep or wait.
struct lenders {
    environment& env;
    std::vector<completion_of> ends;
    int children_told = 0;

    explicit lenders(environment& on, std::size_t n)
        : env(on)
        , ends(n) {}

    void submit(task_pool& pool) {
        for (auto& end : ends)
            pool.async_submit([&] { return parent(pool); }, end.note());
    }
    asio::awaitable<void> parent(task_pool& pool) {
        auto sleep = [this] { return env.async_wait(1h, asio::use_awaitable); };
        auto child = [&]() -> asio::awaitable<void> {
            co_await pool.async_submit(take(sleep), asio::use_awaitable);
        };
        try {
            co_await pool.async_submit(take(child), asio::use_awaitable);
        } catch (...) {
            ++children_told;
            throw;
        }
    }
    void check() const {
        for (const auto& end : ends) {
            BOOST_TEST(end.times() == 1);
            BOOST_TEST((end.error() != nullptr));
        }
    }
};

BOOST_AUTO_TEST_CASE(S3_stop_while_permits_are_lent_ends_everything) {
    for (const std::size_t limit : {1u, 2u})
        for_each_seed(100, [limit](environment& env) {
            task_pool pool{env, pool_options{}.limit(limit).queue_tasks(10)};
            lenders all(env, 5);
            all.submit(pool);
            env.run();
            BOOST_TEST(pool.stats().lent > 0u);
            int stopped = 0;
            pool.async_stop([&](error_code ec) {
                stopped += !ec;
                const auto s = pool.stats();
                BOOST_TEST(s.running == 0u);
                check_books(s);
            });
            env.run();
            BOOST_TEST(stopped == 1);
            all.check();
            settle(env, pool);
        });
}

BOOST_AUTO_TEST_CASE(S3_a_stop_finds_a_child_that_waits) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(10)};
        completion_of end;
        error_code told;
        auto parent = [&]() -> asio::awaitable<void> {
            co_await env.async_wait(1ms, asio::use_awaitable);
            auto child = [] {};
            auto [e] = co_await pool.async_submit(child, asio::as_tuple(asio::use_awaitable));
            told = test::code_of(e);
        };
        pool.async_submit(parent, end.note());
        env.run();
        pool.pause();
        env.advance(1ms);
        BOOST_TEST(pool.stats().waiting == 1u);
        pool.stop();
        env.run();
        BOOST_TEST(told == errc::stopped);
        BOOST_TEST(end.times() == 1);
        BOOST_TEST(settle(env, pool).abandoned == 1u);
    });
}

BOOST_AUTO_TEST_CASE(S3_submitting_in_a_task_of_a_stopped_pool_is_an_error) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(10)};
        std::vector<error_code> told;
        completion_of end;
        auto parent = [&]() -> asio::awaitable<void> {
            pool.stop();
            co_await asio::this_coro::throw_if_cancelled(false);
            auto child = [] {};
            auto [e] = co_await pool.async_submit(child, asio::as_tuple(asio::use_awaitable));
            told.push_back(test::code_of(e));
            auto admitted = co_await pool.async_admit(2, asio::use_awaitable);
            told.push_back(admitted.error().code());
            told.push_back(pool.try_submit([] {}).error().code());
        };
        pool.async_submit(parent, end.note());
        env.run();
        BOOST_REQUIRE(told.size() == 3u);
        for (const auto& code : told)
            BOOST_TEST(code == errc::stopped);
        BOOST_TEST(end.times() == 1);
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(S7_the_destructor_awaits_parents_that_have_lent) {
    for (const std::size_t limit : {1u, 3u})
        for_each_seed(100, [limit](environment& env) {
            lenders all(env, 5);
            {
                task_pool pool{env, pool_options{}.limit(limit).queue_tasks(10)};
                all.submit(pool);
                env.run();
            }
            env.run();
            all.check();
            BOOST_TEST(env.timers_waiting() == 0u);
        });
}

BOOST_AUTO_TEST_CASE(K9_a_drain_lets_a_task_finish_with_children_of_its_own) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(0)};
        completion_of end;
        auto parent = [&]() -> asio::awaitable<int> {
            co_await env.async_wait(1ms, asio::use_awaitable);
            co_return co_await descend(pool, 5);
        };
        pool.async_submit(parent, end.note());
        env.run();
        int drained = 0;
        pool.async_drain(1h, [&](error_code ec, const corogate::drain_report& report) {
            BOOST_TEST(!ec);
            BOOST_TEST(report.complete());
            BOOST_TEST(report.finished == 6u);
            ++drained;
        });
        env.advance(1ms);
        BOOST_TEST(drained == 1);
        BOOST_TEST(end.times() == 1);
        BOOST_TEST(!end.error());
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(S5_a_drain_that_gives_up_tells_the_parent_of_a_waiting_child) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(4)};
        completion_of end;
        auto hold = [&] { return env.async_wait(1h, asio::use_awaitable); };
        auto parent = [&]() -> asio::awaitable<void> {
            auto admitted = co_await pool.async_admit(2, asio::use_awaitable);
            std::vector<decltype(hold)> tasks(2, hold);
            co_await admitted->async_run(tasks, asio::use_awaitable);
        };
        pool.async_submit(parent, end.note());
        env.run();
        corogate::drain_report left;
        pool.async_drain(1s, [&](error_code, const corogate::drain_report& r) { left = r; });
        env.advance(1s);
        BOOST_TEST(left.abandoned == 1u); // one child waits for the only permit
        BOOST_TEST(left.still_running == 2u);
        env.advance(1h);
        BOOST_TEST(end.times() == 1);
        BOOST_TEST(end.code() == errc::abandoned);
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(I2_a_parent_comes_back_while_the_pool_is_paused) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(4)};
        completion_of end;
        auto child = [&] { return env.async_wait(1s, asio::use_awaitable); };
        auto parent = [&]() -> asio::awaitable<void> {
            co_await pool.async_submit(child, asio::use_awaitable);
        };
        pool.async_submit(parent, end.note());
        env.run();
        pool.pause();
        env.advance(1s);
        BOOST_TEST(end.times() == 1); // what runs goes on
        BOOST_TEST(!end.error());
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_SUITE_END()
