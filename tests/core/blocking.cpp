// task_pool::async_blocking.
#include <corogate/task_pool.hpp>

#include "completions.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <condition_variable>
#include <corogate/testing/for_each_seed.hpp>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::error_code;
using boost::system::system_error;
using corogate::errc;
using corogate::pool_options;
using corogate::task_pool;
using corogate::testing::environment;
using corogate::testing::for_each_seed;
using test::check_books;
using test::completion_of;
using test::settle;

BOOST_AUTO_TEST_SUITE(blocking_tests)

/// Where blocking calls stand, with their threads.
class barrier {
public:
    void stand() {
        std::unique_lock lock(mutex_);
        most_ = std::max(most_, ++inside_);
        ++arrived_;
        changed_.notify_all();
        changed_.wait(lock, [&] { return open_; });
        --inside_;
    }
    void await_arrivals(int n) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return arrived_ >= n; });
    }
    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    int most() {
        const std::lock_guard lock(mutex_);
        return most_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int inside_ = 0, arrived_ = 0, most_ = 0;
    bool open_ = false;
};

/// Until a blocking pool has nothing left to do.
static corogate::pool_stats blocking_quiet(const task_pool& pool) {
    for (;;) {
        const auto s = pool.blocking_stats();
        if (s.waiting + s.running == 0)
            return s;
        std::this_thread::yield();
    }
}

static error_code code_of(std::future<void>& end) {
    try {
        end.get();
    } catch (const system_error& e) {
        return e.code();
    }
    return {};
}

BOOST_AUTO_TEST_CASE(results_and_exceptions_come_back) {
    task_pool pool(pool_options{}.threads(1).blocking_threads(2));
    BOOST_TEST(pool.blocking_stats().submitted == 0u); // no threads before the first call
    BOOST_TEST(pool.async_blocking([] { return 42; }, asio::use_future).get() == 42);
    pool.async_blocking([] {}, asio::use_future).get();
    auto bad = [] { throw std::runtime_error("no such file"); };
    BOOST_CHECK_THROW(pool.async_blocking(bad, asio::use_future).get(), std::runtime_error);
    const auto s = blocking_quiet(pool);
    check_books(s);
    BOOST_TEST(s.completed == 2u);
    BOOST_TEST(s.failed == 1u);
    BOOST_TEST(pool.stats().submitted == 0u); // books of their own
}

BOOST_AUTO_TEST_CASE(a_blocking_call_takes_no_thread_from_tasks) {
    barrier here;
    task_pool pool(pool_options{}.threads(1).limit(2).blocking_threads(1));
    std::thread::id tasks_thread, other;
    auto end = pool.async_blocking(
        [&] {
            other = std::this_thread::get_id();
            here.stand();
        },
        asio::use_future
    );
    here.await_arrivals(1);
    auto task = [&] {
        tasks_thread = std::this_thread::get_id();
        return 1;
    };
    BOOST_TEST(pool.async_submit(task, asio::use_future).get() == 1);
    here.open();
    end.get();
    BOOST_TEST((tasks_thread != other));
}

BOOST_AUTO_TEST_CASE(a_task_that_awaits_a_call_keeps_its_permit) {
    barrier here;
    task_pool pool(pool_options{}.threads(1).limit(1).queue_tasks(4).blocking_threads(1));
    std::atomic<bool> ended{false};
    bool first = false;
    auto task = [&]() -> asio::awaitable<void> {
        auto call = [&] { here.stand(); };
        co_await pool.async_blocking(call, asio::use_awaitable);
        ended = true;
    };
    auto end = pool.async_submit(task, asio::use_future);
    here.await_arrivals(1);
    auto next = pool.async_submit([&] { first = ended; }, asio::use_future);
    const auto s = pool.stats();
    check_books(s);
    BOOST_TEST(s.lent == 0u);
    BOOST_TEST(s.running == 1u);
    BOOST_TEST(s.waiting == 1u);
    here.open();
    end.get();
    next.get();
    BOOST_TEST(first);
}

BOOST_AUTO_TEST_CASE(L1_Q1_never_more_calls_than_threads_and_places) {
    barrier here;
    task_pool pool(pool_options{}.threads(1).queue_tasks(3).blocking_threads(2));
    std::vector<std::future<void>> calls;
    for (int i = 0; i < 5; ++i)
        calls.push_back(pool.async_blocking([&] { here.stand(); }, asio::use_future));
    here.await_arrivals(2);
    auto refused = pool.async_blocking([] {}, asio::use_future);
    BOOST_TEST(code_of(refused) == errc::queue_full);
    const auto s = pool.blocking_stats();
    check_books(s);
    BOOST_TEST(s.running == 2u);
    BOOST_TEST(s.waiting == 3u);
    BOOST_TEST(s.limit == 2u);
    here.open();
    for (auto& call : calls)
        call.get();
    BOOST_TEST(here.most() == 2);
}

BOOST_AUTO_TEST_CASE(C1_a_call_that_waits_can_be_cancelled_one_that_runs_cannot) {
    barrier here;
    task_pool pool(pool_options{}.threads(1).queue_tasks(3).blocking_threads(1));
    std::vector<asio::cancellation_signal> signals(2);
    std::vector<std::promise<void>> ends(2);
    std::atomic<int> ran{0};
    for (std::size_t i = 0; i < 2; ++i)
        pool.async_blocking(
            [&] {
                here.stand();
                ++ran;
            },
            asio::bind_cancellation_slot(
                signals[i].slot(),
                [&ends, i](std::exception_ptr e) {
                    if (e)
                        ends[i].set_exception(e);
                    else
                        ends[i].set_value();
                }
            )
        );
    here.await_arrivals(1);
    for (auto& signal : signals)
        signal.emit(asio::cancellation_type::terminal);
    auto second = ends[1].get_future();
    BOOST_TEST(code_of(second) == errc::cancelled);
    here.open();
    ends[0].get_future().get();
    BOOST_TEST(ran == 1);
    BOOST_TEST(blocking_quiet(pool).cancelled == 1u);
}

BOOST_AUTO_TEST_CASE(K9_a_drain_waits_for_blocking_calls) {
    barrier here;
    task_pool pool(pool_options{}.threads(1).blocking_threads(1));
    std::atomic<int> ran{0};
    std::vector<std::future<void>> calls;
    for (int i = 0; i < 3; ++i)
        calls.push_back(pool.async_blocking(
            [&] {
                here.stand();
                ++ran;
            },
            asio::use_future
        ));
    here.await_arrivals(1);
    std::promise<std::pair<int, bool>> drained;
    pool.async_drain(1h, [&](error_code, const corogate::drain_report& report) {
        drained.set_value({ran, report.complete()});
    });
    here.open();
    const auto [ran_by_then, complete] = drained.get_future().get();
    BOOST_TEST(ran_by_then == 3);
    BOOST_TEST(complete);
    for (auto& call : calls)
        call.get();
}

BOOST_AUTO_TEST_CASE(K9_a_task_may_still_await_a_call_while_its_pool_drains) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1)};
        completion_of end;
        int called = 0;
        auto task = [&]() -> asio::awaitable<void> {
            co_await env.async_wait(1ms, asio::use_awaitable);
            auto call = [&] { ++called; };
            co_await pool.async_blocking(call, asio::use_awaitable);
        };
        pool.async_submit(task, end.note());
        int drained = 0;
        pool.async_drain(1h, [&](error_code, const corogate::drain_report& r) {
            BOOST_TEST(r.complete());
            BOOST_TEST(called == 1);
            ++drained;
        });
        env.advance(1s);
        BOOST_TEST(drained == 1);
        BOOST_TEST(!end.error());
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(S5_a_drain_that_gives_up_on_a_blocking_call_is_not_complete) {
    barrier here;
    task_pool pool(pool_options{}.threads(1).blocking_threads(1));
    auto call = pool.async_blocking([&] { here.stand(); }, asio::use_future);
    here.await_arrivals(1);
    const auto report = pool.async_drain(0s, asio::use_future).get();
    BOOST_TEST(report.still_running == 1u);
    BOOST_TEST(!report.complete());
    here.open();
    call.get();
}

BOOST_AUTO_TEST_CASE(S1_after_a_stop_blocking_calls_are_refused_and_waiting_ones_told) {
    barrier here;
    task_pool pool(pool_options{}.threads(1).queue_tasks(3).blocking_threads(1));
    auto running = pool.async_blocking([&] { here.stand(); }, asio::use_future);
    here.await_arrivals(1);
    std::atomic<bool> ran{false};
    auto waiting = pool.async_blocking([&] { ran = true; }, asio::use_future);
    auto stopped = pool.async_stop(asio::use_future);
    BOOST_TEST(code_of(waiting) == errc::stopped);
    auto late = pool.async_blocking([&] { ran = true; }, asio::use_future);
    BOOST_TEST(code_of(late) == errc::stopped);
    BOOST_TEST((stopped.wait_for(0s) == std::future_status::timeout)); // a call still runs
    here.open();
    running.get();
    stopped.get();
    BOOST_TEST(!ran);
}

BOOST_AUTO_TEST_CASE(S1_the_first_call_of_a_stopped_pool_is_refused) {
    task_pool pool(pool_options{}.threads(1));
    pool.stop();
    auto late = pool.async_blocking([] {}, asio::use_future);
    BOOST_TEST(code_of(late) == errc::stopped);
}

BOOST_AUTO_TEST_CASE(S7_the_destructor_awaits_what_runs_and_answers_what_waits) {
    barrier here;
    std::future<void> running, waiting;
    std::atomic<int> ran{0};
    std::thread opener;
    {
        task_pool pool(pool_options{}.threads(1).queue_tasks(3).blocking_threads(1));
        auto call = [&] {
            here.stand();
            ++ran;
        };
        running = pool.async_blocking(call, asio::use_future);
        here.await_arrivals(1);
        waiting = pool.async_blocking(call, asio::use_future);
        opener = std::thread([&] {
            waiting.wait(); // told while the other one still runs
            here.open();
        });
    }
    opener.join();
    running.get();
    BOOST_TEST(code_of(waiting) == errc::stopped);
    BOOST_TEST(ran == 1);
}

BOOST_AUTO_TEST_CASE(tasks_and_calls_mix_in_every_order) {
    for_each_seed(100, [](environment& env) {
        completion_of drained;
        std::vector<completion_of> ends(30);
        int calls = 0;
        {
            task_pool pool{env, pool_options{}.limit(2).queue_tasks(40).blocking_threads(2)};
            auto task = [&]() -> asio::awaitable<void> {
                auto call = [&] { ++calls; };
                for (int i = 0; i < 2; ++i) {
                    co_await pool.async_blocking(call, asio::use_awaitable);
                    co_await pool.async_sleep(1ms, asio::use_awaitable);
                }
            };
            for (std::size_t i = 0; i < ends.size(); ++i)
                if (i % 3)
                    pool.async_submit(task, ends[i].note());
                else
                    pool.async_blocking([&] { ++calls; }, ends[i].note());
            env.advance(1s);
            settle(env, pool);
            BOOST_TEST(pool.blocking_stats().completed == 50u);
        }
        env.run();
        BOOST_TEST(calls == 50);
        for (auto& end : ends) {
            BOOST_TEST(end.times() == 1);
            BOOST_TEST(!end.error());
        }
    });
}

BOOST_AUTO_TEST_SUITE_END()
