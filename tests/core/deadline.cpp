// Cancellation and deadlines of tasks and jobs, before and after their start.
#include <corogate/task_pool.hpp>
#include <corogate/this_task.hpp>

#include "completions.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/testing/for_each_seed.hpp>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::error_code;
using boost::system::system_error;
using corogate::errc;
using corogate::job_options;
using corogate::overflow_policy;
using corogate::pool_options;
using corogate::take;
using corogate::task_pool;
using corogate::testing::environment;
using corogate::testing::for_each_seed;
using test::check_books;
using test::completion_of;
using test::settle;

BOOST_AUTO_TEST_SUITE(deadline_tests)

static job_options within(std::chrono::nanoseconds time) { return job_options().deadline(time); }

/// A task that sleeps, and what was seen of it.
struct sleeper {
    environment& env;
    int started = 0, aborted = 0, ended = 0;

    asio::awaitable<void> run(environment::duration time) {
        ++started;
        auto [ec] = co_await env.async_wait(time, asio::as_tuple(asio::use_awaitable));
        aborted += ec == asio::error::operation_aborted;
        ++ended;
        if (ec)
            throw system_error(ec);
    }
    auto task(environment::duration time) {
        return [this, time] { return run(time); };
    }
};

// ---- cancellation ----

BOOST_AUTO_TEST_CASE(C1_cancelled_tasks_never_start_and_the_others_keep_their_order) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(100)};
        sleeper hold{env};
        for (int i = 0; i < 2; ++i)
            BOOST_REQUIRE(pool.try_submit(hold.task(1s)));
        std::vector<completion_of> ends(100);
        std::vector<asio::cancellation_signal> signals(100);
        std::vector<int> order;
        for (int i = 0; i < 100; ++i)
            pool.async_submit(
                [&order, i] { order.push_back(i); },
                asio::bind_cancellation_slot(
                    signals[std::size_t(i)].slot(), ends[std::size_t(i)].note()
                )
            );
        env.run();
        BOOST_TEST(!pool.try_submit([] {}));
        std::vector<int> left;
        for (int i = 0; i < 100; ++i)
            if ((i * 37 + int(env.seed())) % 3 == 0)
                signals[std::size_t(i)].emit(asio::cancellation_type::terminal);
            else
                left.push_back(i);
        env.run();
        BOOST_TEST(pool.stats().cancelled == 100 - left.size());
        BOOST_TEST(bool(pool.try_submit([] {}))); // their places are free
        env.advance(1s);
        std::sort(order.begin(), order.end()); // two run at once
        BOOST_TEST(order == left, boost::test_tools::per_element());
        for (std::size_t i = 0; i < 100; ++i) {
            const bool ran = std::binary_search(left.begin(), left.end(), int(i));
            BOOST_TEST(ends[i].times() == 1);
            BOOST_TEST((ran ? !ends[i].error() : ends[i].code() == errc::cancelled));
        }
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(C1_a_cancelled_job_ends_what_waits_and_asks_what_runs) {
    for_each_seed(100, [](environment& env) {
        std::vector<error_code> reported;
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(10).on_error([&](auto e) {
                           reported.push_back(test::code_of(e));
                       })};
        sleeper all{env};
        auto admitted = pool.try_admit(7);
        for (int i = 0; i < 5; ++i)
            admitted->submit(all.task(1h));
        env.run();
        BOOST_TEST(all.started == 2);
        BOOST_TEST(pool.stats().reserved == 2u);
        admitted->cancel();
        env.run();
        BOOST_TEST(all.started == 2);
        BOOST_TEST(all.aborted == 2);
        BOOST_TEST(admitted->remaining() == 0u);
        BOOST_CHECK_EXCEPTION(admitted->submit([] {}), system_error, [](const auto& e) {
            return e.code() == errc::cancelled;
        });
        completion_of end;
        std::vector<std::function<void()>> one(1, [] {});
        admitted->async_run(one, end.note());
        admitted->cancel(); // has no effect
        const auto s = settle(env, pool);
        BOOST_TEST(s.cancelled == 3u);
        BOOST_TEST(s.failed == 2u);
        BOOST_TEST(end.times() == 1);
        BOOST_TEST(end.code() == errc::cancelled);
        BOOST_TEST(std::count(reported.begin(), reported.end(), errc::cancelled) == 3);
        BOOST_TEST(bool(pool.try_admit(12)));
    });
}

BOOST_AUTO_TEST_CASE(C1_a_job_is_cancelled_against_its_own_tasks_on_threads) {
    for (int round = 0; round < 300; ++round) {
        task_pool pool(
            pool_options{}.threads(2).limit(3).queue_tasks(100).on_error([](std::exception_ptr) {})
        );
        auto admitted = pool.try_admit(20);
        std::atomic<int> ran{0};
        auto task = [&]() -> asio::awaitable<void> {
            co_await asio::post(asio::use_awaitable);
            ++ran;
        };
        std::vector<decltype(task)> tasks(15, task);
        auto end = admitted->async_run(tasks, asio::use_future);
        while (ran.load() < round % 10)
            std::this_thread::yield();
        admitted->cancel();
        try {
            end.get();
        } catch (const system_error&) {
        }
        const auto s = test::quiet(pool);
        check_books(s);
        BOOST_TEST(s.completed + s.failed + s.cancelled == 15u);
        BOOST_TEST(s.completed == std::uint64_t(ran.load()));
    }
}

BOOST_AUTO_TEST_CASE(C2_a_waiting_submitter_leaves_the_door_on_its_own_cancellation) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(0).overflow(overflow_policy::wait)};
        sleeper hold{env};
        BOOST_REQUIRE(pool.try_submit(hold.task(1s)));
        std::vector<completion_of> ends(4);
        std::vector<asio::cancellation_signal> signals(4);
        std::string order;
        for (std::size_t i = 0; i < 4; ++i)
            pool.async_submit(
                [&order, i] { order += char('0' + i); },
                asio::bind_cancellation_slot(signals[i].slot(), ends[i].note())
            );
        int admitted = 0;
        asio::cancellation_signal large;
        pool.async_admit(1, asio::bind_cancellation_slot(large.slot(), [&](auto answer) {
                             BOOST_REQUIRE(!answer);
                             BOOST_TEST(answer.error().code() == errc::cancelled);
                             ++admitted;
                         }));
        env.run();
        BOOST_TEST(pool.stats().waiting_submitters == 5u);
        signals[0].emit(asio::cancellation_type::terminal); // the head
        signals[2].emit(asio::cancellation_type::terminal);
        large.emit(asio::cancellation_type::terminal);
        env.run();
        BOOST_TEST(pool.stats().waiting_submitters == 2u);
        BOOST_TEST(ends[0].code() == errc::cancelled);
        BOOST_TEST(ends[2].code() == errc::cancelled);
        BOOST_TEST(admitted == 1);
        env.advance(1s);
        BOOST_TEST(order == "13");
        for (auto& end : ends)
            BOOST_TEST(end.times() == 1);
        const auto s = settle(env, pool);
        BOOST_TEST(s.waiting_submitters == 0u);
        BOOST_TEST(s.refused == 3u);
    });
}

BOOST_AUTO_TEST_CASE(K3_a_cancellation_before_anything_ran_completes_once) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(4)};
        std::vector<completion_of> ends(5);
        std::vector<asio::cancellation_signal> signals(5);
        sleeper all{env};
        for (std::size_t i = 0; i < 5; ++i) {
            pool.async_submit(
                all.task(1s), asio::bind_cancellation_slot(signals[i].slot(), ends[i].note())
            );
            signals[i].emit(asio::cancellation_type::terminal);
            signals[i].emit(asio::cancellation_type::terminal);
        }
        env.run();
        for (auto& end : ends) {
            BOOST_TEST(end.times() == 1);
            BOOST_TEST((end.error() != nullptr));
        }
        BOOST_TEST(all.started == all.aborted);
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(C3_a_running_task_is_asked_once_and_the_next_one_not_at_all) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(4)};
        asio::cancellation_signal signal;
        completion_of first, second;
        sleeper all{env};
        pool.async_submit(all.task(1h), asio::bind_cancellation_slot(signal.slot(), first.note()));
        pool.async_submit(all.task(1s), second.note());
        env.run();
        signal.emit(asio::cancellation_type::terminal);
        env.run();
        BOOST_TEST(first.code() == asio::error::operation_aborted);
        BOOST_TEST(all.started == 2);
        signal.emit(asio::cancellation_type::terminal); // late: it is somebody else's runner now
        env.advance(1s);
        BOOST_TEST(all.aborted == 1);
        BOOST_TEST(!second.error());
        BOOST_TEST(first.times() + second.times() == 2);
        settle(env, pool);
    });
}

// ---- deadlines ----

BOOST_AUTO_TEST_CASE(C4_a_deadline_of_zero_is_over_at_every_door) {
    for_each_seed(20, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(4)};
        const auto over = within(0s);
        bool ran = false;
        auto task = [&] { ran = true; };
        BOOST_TEST(pool.try_submit(task, over).error().code() == errc::expired);
        BOOST_TEST(pool.try_admit(3, over).error().code() == errc::expired);
        std::vector<decltype(task)> two(2, task);
        BOOST_TEST(pool.try_submit_all(two, over).error().code() == errc::expired);
        completion_of end, nested;
        pool.async_submit(task, over, end.note());
        error_code admission;
        pool.async_admit(1, over, [&](auto answer) { admission = answer.error().code(); });
        auto parent = [&]() -> asio::awaitable<void> {
            co_await pool.async_submit(task, over, asio::use_awaitable);
        };
        pool.async_submit(parent, nested.note());
        const auto s = settle(env, pool);
        BOOST_TEST(end.code() == errc::expired);
        BOOST_TEST(admission == errc::expired);
        BOOST_TEST(nested.code() == errc::expired);
        BOOST_TEST(!ran);
        BOOST_TEST(s.refused == 1u + 3 + 2 + 1 + 1 + 1);
        BOOST_TEST(s.accepted == 1u); // the parent
    });
}

BOOST_AUTO_TEST_CASE(C4_a_task_that_waits_past_its_deadline_is_dropped_and_counted) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(3)};
        sleeper hold{env}, late{env};
        BOOST_REQUIRE(pool.try_submit(hold.task(1h)));
        completion_of early, end, free;
        pool.async_submit(late.task(0s), within(10ms), end.note());
        pool.async_submit(late.task(0s), within(2h), free.note());
        env.advance(10ms - 1ns);
        BOOST_TEST(!end.done());
        BOOST_TEST(pool.stats().waiting == 2u);
        env.advance(1ns);
        BOOST_TEST(end.code() == errc::expired);
        BOOST_TEST(late.started == 0);
        BOOST_TEST(pool.stats().waiting == 1u);
        BOOST_TEST(pool.stats().expired == 1u);
        env.advance(1h);
        BOOST_TEST(late.started == 1);
        BOOST_TEST(free.done());
        BOOST_TEST(!free.error());
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(C4_a_deadline_passes_while_nothing_else_happens) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(3)};
        sleeper hold{env}, late{env};
        BOOST_REQUIRE(pool.try_submit(hold.task(1h)));
        env.run(); // every permit is in use, and nobody is on the way to one
        completion_of end;
        pool.async_submit(late.task(0s), within(10ms), end.note());
        auto admitted = pool.try_admit(2, within(20ms));
        env.advance(10ms);
        BOOST_TEST(end.code() == errc::expired);
        env.advance(10ms);
        BOOST_TEST(admitted->remaining() == 0u);
        env.advance(1h);
        BOOST_TEST(settle(env, pool).expired == 1u);
    });
}

BOOST_AUTO_TEST_CASE(C4_a_deadline_passes_in_a_paused_pool_too) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(4).queue_tasks(3)};
        pool.pause();
        sleeper late{env};
        completion_of end;
        pool.async_submit(late.task(0s), within(10ms), end.note());
        env.advance(10ms);
        BOOST_TEST(end.code() == errc::expired);
        pool.resume();
        BOOST_TEST(settle(env, pool).expired == 1u);
        BOOST_TEST(late.started == 0);
    });
}

BOOST_AUTO_TEST_CASE(C4_a_running_task_is_cancelled_at_its_deadline) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(3)};
        sleeper slow{env}, quick{env};
        completion_of end, in_time;
        pool.async_submit(slow.task(1h), within(10ms), end.note());
        pool.async_submit(quick.task(9ms), within(10ms), in_time.note());
        env.advance(10ms);
        BOOST_TEST(end.code() == asio::error::operation_aborted);
        BOOST_TEST(slow.aborted == 1);
        BOOST_TEST(in_time.done());
        BOOST_TEST(!in_time.error());
        const auto s = settle(env, pool);
        BOOST_TEST(s.expired == 0u); // it had started
        BOOST_TEST(s.failed == 1u);
    });
}

BOOST_AUTO_TEST_CASE(C4_the_deadline_of_a_task_leaves_the_runners_next_task_alone) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(3)};
        sleeper quick{env}, next{env};
        completion_of first, second;
        pool.async_submit(quick.task(5ms), within(10ms), first.note());
        pool.async_submit(next.task(1s), second.note());
        env.advance(2s);
        BOOST_TEST(next.aborted == 0);
        BOOST_TEST(!first.error());
        BOOST_TEST(!second.error());
        BOOST_TEST(first.times() + second.times() == 2);
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(C4_unused_places_of_a_job_go_back_at_its_deadline) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(3).on_error([](auto) {})};
        sleeper all{env};
        auto admitted = pool.try_admit(5, within(10ms));
        admitted->submit(all.task(1ms));
        env.advance(5ms);
        BOOST_TEST(all.ended == 1);
        BOOST_TEST(pool.stats().reserved == 4u);
        BOOST_TEST(bool(pool.try_admit(1)));
        BOOST_TEST(!pool.try_admit(2));
        env.advance(5ms);
        BOOST_TEST(admitted->remaining() == 0u);
        BOOST_TEST(pool.stats().reserved == 0u);
        BOOST_TEST(bool(pool.try_admit(5)));
        BOOST_CHECK_EXCEPTION(admitted->submit([] {}), system_error, [](const auto& e) {
            return e.code() == errc::expired;
        });
        completion_of end;
        std::vector<std::function<void()>> one(1, [] {});
        admitted->async_run(one, end.note());
        const auto s = settle(env, pool);
        BOOST_TEST(end.code() == errc::expired);
        BOOST_TEST(s.accepted == 1u);
    });
}

BOOST_AUTO_TEST_CASE(C4_a_run_past_its_jobs_deadline_ends_with_all_its_tasks) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(10)};
        sleeper all{env};
        std::vector<std::function<asio::awaitable<void>()>> tasks(8, all.task(4ms));
        completion_of end;
        {
            auto admitted = pool.try_admit(8, within(10ms));
            admitted->async_run(tasks, end.note());
        }
        env.advance(10ms - 1ns);
        BOOST_TEST(all.started == 6);
        BOOST_TEST(!end.done());
        env.advance(1ns);
        BOOST_TEST(end.times() == 1);
        BOOST_TEST(all.aborted == 2);
        const auto s = settle(env, pool);
        BOOST_TEST(s.completed == 4u);
        BOOST_TEST(s.failed == 2u);
        BOOST_TEST(s.expired == 2u);
    });
}

BOOST_AUTO_TEST_CASE(C4_a_deadline_counts_from_admission_not_from_the_door) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(0).overflow(overflow_policy::wait)};
        sleeper hold{env}, late{env};
        BOOST_REQUIRE(pool.try_submit(hold.task(1s)));
        completion_of end;
        pool.async_submit(late.task(5ms), within(10ms), end.note());
        std::optional<std::chrono::nanoseconds> admitted_after;
        const auto start = env.now();
        pool.async_admit(1, within(10ms), [&](auto answer) {
            BOOST_REQUIRE(answer);
            admitted_after = env.now() - start;
        });
        env.advance(1s);
        env.advance(5ms);
        BOOST_TEST(late.started == 1);
        BOOST_TEST(end.times() == 1);
        BOOST_TEST(!end.error());
        BOOST_TEST((admitted_after == 1005ms));
        BOOST_TEST(settle(env, pool).expired == 0u);
    });
}

BOOST_AUTO_TEST_CASE(C4_the_longest_deadline_is_none) {
    for_each_seed(10, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(2)};
        sleeper slow{env};
        completion_of end;
        pool.async_submit(slow.task(1h), within(std::chrono::nanoseconds::max()), end.note());
        env.advance(1h);
        BOOST_TEST(end.done());
        BOOST_TEST(!end.error());
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(C4_a_parents_deadline_is_that_of_its_children) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(4)};
        sleeper below{env};
        completion_of end;
        std::optional<std::chrono::nanoseconds> left;
        auto child = [&]() -> asio::awaitable<void> {
            left = (co_await corogate::this_task()).deadline_left();
            co_await below.run(1h);
        };
        auto parent = [&]() -> asio::awaitable<void> {
            co_await env.async_wait(4ms, asio::use_awaitable);
            // A longer time does not help it.
            co_await pool.async_submit(take(child), within(1h), asio::use_awaitable);
        };
        pool.async_submit(parent, within(10ms), end.note());
        env.advance(10ms - 1ns);
        BOOST_TEST((left == 6ms));
        BOOST_TEST(below.aborted == 0);
        env.advance(1ns);
        BOOST_TEST(below.aborted == 1);
        BOOST_TEST(end.times() == 1);
        BOOST_TEST((end.error() != nullptr));
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(C4_a_childs_own_deadline_ends_the_child_only) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(4)};
        sleeper below{env};
        completion_of end;
        std::vector<error_code> told;
        auto child = below.task(1h);
        auto parent = [&]() -> asio::awaitable<void> {
            for (int i = 0; i < 2; ++i) {
                auto [e] = co_await pool.async_submit(
                    child, within(3ms), asio::as_tuple(asio::use_awaitable)
                );
                told.push_back(test::code_of(e));
            }
        };
        pool.async_submit(parent, within(10ms), end.note());
        env.advance(6ms);
        BOOST_TEST(below.aborted == 2);
        BOOST_REQUIRE(told.size() == 2u);
        BOOST_TEST(told[1] == asio::error::operation_aborted);
        BOOST_TEST(end.times() == 1);
        BOOST_TEST(!end.error());
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(C4_a_child_that_waits_when_its_parents_time_is_up_is_told) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(4)};
        completion_of end;
        bool ran = false;
        error_code told;
        auto child = [&] { ran = true; };
        auto parent = [&]() -> asio::awaitable<void> {
            co_await env.async_wait(1ms, asio::use_awaitable);
            auto [e] = co_await pool.async_submit(child, asio::as_tuple(asio::use_awaitable));
            told = test::code_of(e);
        };
        pool.async_submit(parent, within(10ms), end.note());
        env.run();
        pool.pause();
        env.advance(10ms);
        BOOST_TEST(told == errc::expired);
        BOOST_TEST(!ran);
        pool.resume();
        BOOST_TEST(settle(env, pool).expired == 1u);
        BOOST_TEST(end.times() == 1);
    });
}

BOOST_AUTO_TEST_CASE(C4_deadlines_of_a_pool_that_drains_or_is_gone) {
    for_each_seed(50, [](environment& env) {
        sleeper all{env};
        completion_of first, second;
        {
            task_pool pool{env, pool_options{}.limit(1).queue_tasks(4)};
            pool.async_submit(all.task(1h), within(10ms), first.note());
            int drained = 0;
            pool.async_drain(1h, [&](error_code, const corogate::drain_report& r) {
                BOOST_TEST(r.complete());
                BOOST_TEST((r.took == 10ms));
                ++drained;
            });
            env.advance(10ms);
            BOOST_TEST(drained == 1);
            settle(env, pool);
            BOOST_TEST(pool.reopen());
            pool.async_submit(all.task(1h), within(10ms), second.note());
        }
        env.advance(1h); // the deadline was the pool's to watch
        BOOST_TEST(first.times() == 1);
        BOOST_TEST(second.times() == 1);
        BOOST_TEST((second.error() != nullptr));
        BOOST_TEST(env.timers_waiting() == 0u);
    });
}

BOOST_AUTO_TEST_CASE(C4_a_job_object_goes_and_its_tasks_keep_their_deadline) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(4).on_error([](auto) {})};
        sleeper all{env};
        {
            auto admitted = pool.try_admit(3, within(10ms));
            admitted->submit(all.task(1h));
            admitted->submit(all.task(1h));
        }
        BOOST_TEST(pool.stats().reserved == 0u);
        env.advance(10ms);
        BOOST_TEST(all.aborted == 1);
        const auto s = settle(env, pool);
        BOOST_TEST(s.expired == 1u);
        BOOST_TEST(s.failed == 1u);
    });
}

BOOST_AUTO_TEST_SUITE_END()
