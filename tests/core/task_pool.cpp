#include <corogate/task_pool.hpp>

#include "pool_books.hpp"
#include "support/turnstile.hpp"

#include <atomic>
#include <boost/asio.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/test/unit_test.hpp>
#include <functional>
#include <future>
#include <optional>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::error_code;
using boost::system::system_error;
using corogate::errc;
using corogate::overflow_policy;
using corogate::pool_options;
using test::check_books;
using test::quiet;
using test::turnstile;

BOOST_AUTO_TEST_SUITE(task_pool_tests)

/// What the exception of a completion says.
static error_code code_of(const std::exception_ptr& error) {
    if (!error)
        return {};
    try {
        std::rethrow_exception(error);
    } catch (const system_error& e) {
        return e.code();
    } catch (...) {
        return boost::system::errc::make_error_code(boost::system::errc::io_error);
    }
}

/// A pool whose every permit and queue place is taken by tasks at a turnstile.
struct full {
    turnstile gate;
    corogate::task_pool pool;
    explicit full(pool_options options)
        : pool(options) {
        auto task = [this] { return gate.pass(); };
        for (std::size_t i = 0; i < options.limit() + options.queue_tasks(); ++i)
            BOOST_REQUIRE(pool.try_submit(task));
        gate.await_arrivals(options.limit());
    }
};

BOOST_AUTO_TEST_CASE(L1_never_more_tasks_than_the_limit_run_at_once) {
    for (const std::size_t limit : {1u, 3u, 10u, 100u}) {
        std::atomic<std::size_t> inside{0};
        std::atomic<std::size_t> over{0};
        std::atomic<int> ran{0};
        corogate::task_pool pool(pool_options{}.threads(4).limit(limit).queue_tasks(20000));
        auto task = [&]() -> asio::awaitable<void> {
            over += ++inside > limit;
            co_await asio::post(asio::use_awaitable);
            --inside;
            ++ran;
        };
        std::vector<std::thread> submitters;
        for (int t = 0; t < 3; ++t)
            submitters.emplace_back([&] {
                for (int i = 0; i < 1000; ++i)
                    pool.async_submit(task, asio::detached);
            });
        for (auto& submitter : submitters)
            submitter.join();
        const auto s = quiet(pool);
        check_books(s);
        BOOST_TEST(ran == 3000);
        BOOST_TEST(over == 0u);
        BOOST_TEST(s.completed == 3000u);
        BOOST_TEST(s.running_peak <= limit);
    }
}

BOOST_AUTO_TEST_CASE(suspended_tasks_reach_the_limit_exactly_and_hold_their_permits) {
    full at(pool_options{}.threads(2).limit(50).queue_tasks(7));
    const auto s = at.pool.stats();
    check_books(s);
    BOOST_TEST(s.running == 50u);
    BOOST_TEST(s.running_peak == 50u);
    BOOST_TEST(s.waiting == 7u);
    BOOST_TEST(at.gate.arrived() == 50u);
    at.gate.open();
    BOOST_TEST(quiet(at.pool).completed == 57u);
}

BOOST_AUTO_TEST_CASE(Q1_limit_plus_queue_are_accepted_and_the_next_is_refused) {
    for (const std::size_t queue : {0u, 1u, 100u}) {
        full at(pool_options{}.threads(2).limit(5).queue_tasks(queue));
        const auto no = at.pool.try_submit([] {});
        BOOST_REQUIRE(!no);
        BOOST_TEST(make_error_code(no.error().reason()) == errc::queue_full);
        BOOST_TEST(at.pool.stats().refused == 1u);
        at.gate.open();
    }
}

BOOST_AUTO_TEST_CASE(Q2_a_place_is_free_when_the_completion_of_its_task_is_called) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(1).queue_tasks(0));
    for (int i = 0; i < 500; ++i) {
        std::promise<bool> accepted;
        auto task = [] {};
        pool.async_submit(task, [&](std::exception_ptr) {
            accepted.set_value(bool(pool.try_submit([] {})));
        });
        BOOST_REQUIRE(accepted.get_future().get());
        quiet(pool);
    }
}

BOOST_AUTO_TEST_CASE(Q5_tasks_start_in_the_order_in_which_they_were_admitted) {
    std::vector<int> order;
    {
        turnstile gate;
        corogate::task_pool pool(pool_options{}.threads(2).limit(1).queue_tasks(1000));
        auto first = [&] { return gate.pass(); };
        pool.async_submit(first, asio::detached);
        for (int i = 0; i < 1000; ++i)
            BOOST_REQUIRE(pool.try_submit([&order, i] { order.push_back(i); }));
        gate.open();
        quiet(pool);
    }
    BOOST_TEST(order.size() == 1000u);
    BOOST_TEST(std::is_sorted(order.begin(), order.end()));
}

BOOST_AUTO_TEST_CASE(Q6_a_closure_is_destroyed_before_its_completion_is_called) {
    corogate::task_pool pool(pool_options{}.threads(1));
    auto held = std::make_shared<int>(1);
    const std::weak_ptr<int> watch = held;
    auto task = [held] { return *held; };
    held.reset();
    std::promise<bool> gone;
    pool.async_submit(std::move(task), [&](std::exception_ptr, int) {
        gone.set_value(watch.expired());
    });
    BOOST_TEST(gone.get_future().get());
}

BOOST_AUTO_TEST_CASE(every_form_of_task_and_every_token) {
    corogate::task_pool pool(pool_options{}.threads(2));
    auto coroutine = []() -> asio::awaitable<int> {
        co_await asio::post(asio::use_awaitable);
        co_return 1;
    };
    auto plain = [] { return 2; };
    auto nothing = []() -> asio::awaitable<void> { co_return; };
    BOOST_TEST(pool.async_submit(coroutine, asio::use_future).get() == 1);
    BOOST_TEST(pool.async_submit(plain, asio::use_future).get() == 2);
    BOOST_TEST(pool.async_submit(coroutine(), asio::use_future).get() == 1); // ready awaitable
    pool.async_submit(nothing, asio::use_future).get();
    pool.async_submit(plain, asio::detached);

    std::promise<int> called;
    pool.async_submit(plain, [&](std::exception_ptr, int n) { called.set_value(n); });
    BOOST_TEST(called.get_future().get() == 2);

    auto awaiting = [&]() -> asio::awaitable<int> {
        int sum = co_await pool.async_submit(coroutine, asio::use_awaitable);
        auto [error, two] = co_await pool.async_submit(plain, asio::as_tuple(asio::use_awaitable));
        co_await pool.async_submit(nothing, asio::use_awaitable);
        co_return error ? -1 : sum + two;
    };
    asio::io_context outside;
    auto sum = asio::co_spawn(outside, awaiting, asio::use_future);
    outside.run(); // the operation under way is work: run does not return early
    BOOST_TEST(sum.get() == 3);

    // The operation starts when it is called; without a co_await around it, g++ 12 is at ease.
    auto later = pool.async_submit(plain, asio::deferred);
    BOOST_TEST(std::move(later)(asio::use_future).get() == 2);

    // yield_context of Boost 1.81 mistakes an empty exception_ptr for an exception: as_tuple helps.
    int stackful = 0;
    asio::spawn(outside, [&](asio::yield_context yield) {
        stackful = std::get<1>(pool.async_submit(plain, asio::as_tuple(yield)));
    });
    outside.restart();
    outside.run();
    BOOST_TEST(stackful == 2);
    BOOST_TEST(quiet(pool).failed == 0u);
}

BOOST_AUTO_TEST_CASE(G1_a_named_capturing_closure_goes_through_take) {
    corogate::task_pool pool(pool_options{}.threads(2));
    auto body = [&]() -> asio::awaitable<std::size_t> {
        std::size_t total = 0;
        for (int i = 0; i < 100; ++i) {
            auto check = [text = std::string(100, 'x')]() -> asio::awaitable<std::string> {
                co_return text;
            };
            const auto back =
                co_await pool.async_submit(corogate::take(check), asio::use_awaitable);
            total += back.size();
        }
        co_return total;
    };
    BOOST_TEST(asio::co_spawn(pool.get_executor(), body, asio::use_future).get() == 10000u);
}

BOOST_AUTO_TEST_CASE(the_completion_runs_on_the_handlers_executor) {
    corogate::task_pool pool(pool_options{}.threads(1));
    asio::io_context outside;
    auto handler = [&](std::exception_ptr, int) {
        BOOST_TEST(outside.get_executor().running_in_this_thread());
    };
    pool.async_submit([] { return 1; }, asio::bind_executor(outside, handler));
    BOOST_TEST(outside.run() == 1u);
}

BOOST_AUTO_TEST_CASE(K7_a_submission_from_inside_the_pool_never_runs_inline) {
    corogate::task_pool pool(pool_options{}.threads(1).limit(4));
    auto outer = [&]() -> asio::awaitable<bool> {
        bool ran = false;
        auto inner = [&] { ran = true; };
        pool.async_submit(inner, asio::detached);
        const bool inlined = ran;
        co_await asio::post(asio::use_awaitable);
        co_return inlined;
    };
    BOOST_TEST(!pool.async_submit(outer, asio::use_future).get());
}

BOOST_AUTO_TEST_CASE(F1_an_exception_reaches_its_submitter_and_costs_nothing_else) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(1));
    auto bad = []() -> asio::awaitable<int> {
        throw std::runtime_error("no such lab");
        co_return 1;
    };
    BOOST_CHECK_EXCEPTION(
        pool.async_submit(bad, asio::use_future).get(), std::runtime_error,
        [](const auto& e) { return e.what() == std::string("no such lab"); }
    );
    auto odd = []() -> int { throw 42; }; // F7: not a std::exception
    BOOST_CHECK_THROW(pool.async_submit(odd, asio::use_future).get(), int);
    BOOST_TEST(pool.async_submit([] { return 3; }, asio::use_future).get() == 3);
    const auto s = quiet(pool);
    BOOST_TEST(s.failed == 2u);
    check_books(s);
}

BOOST_AUTO_TEST_CASE(F2_more_throwing_tasks_than_permits_exhaust_nothing) {
    std::atomic<int> reported{0};
    corogate::task_pool pool(pool_options{}.threads(2).limit(3).on_error([&](std::exception_ptr) {
        ++reported;
    }));
    for (int i = 0; i < 10; ++i)
        pool.async_submit([] { throw std::runtime_error("bad"); }, asio::detached);
    BOOST_TEST(pool.async_submit([] { return 1; }, asio::use_future).get() == 1);
    BOOST_TEST(quiet(pool).failed == 10u);
    BOOST_TEST(reported == 10);
}

BOOST_AUTO_TEST_CASE(F6_an_error_handler_that_throws_is_contained) {
    corogate::task_pool pool(pool_options{}.threads(1).on_error([](std::exception_ptr) { throw 1; })
    );
    pool.async_submit([] { throw 2; }, asio::detached);
    BOOST_TEST(pool.async_submit([] { return 1; }, asio::use_future).get() == 1);
}

BOOST_AUTO_TEST_CASE(a_detached_refusal_reaches_the_error_handler) {
    std::promise<error_code> seen;
    turnstile gate;
    corogate::task_pool pool(pool_options{}.threads(1).limit(1).queue_tasks(0).on_error(
        [&](std::exception_ptr e) { seen.set_value(code_of(e)); }
    ));
    auto task = [&] { return gate.pass(); };
    pool.async_submit(task, asio::detached);
    pool.async_submit([] {}, asio::detached);
    BOOST_TEST(seen.get_future().get() == errc::queue_full);
    gate.open();
}

BOOST_AUTO_TEST_CASE(a_refusal_arrives_by_post_and_leaves_the_callable_alone) {
    full at(pool_options{}.threads(1).limit(1).queue_tasks(0));
    auto held = std::make_unique<int>(5);
    auto task = [held = std::move(held)] { return *held; };
    BOOST_TEST(!at.pool.try_submit(std::move(task)));
    BOOST_TEST(task() == 5); // not moved from

    asio::io_context outside;
    error_code seen;
    auto handler = [&](std::exception_ptr e) { seen = code_of(e); };
    at.pool.async_submit([] {}, asio::bind_executor(outside, handler));
    BOOST_TEST(!seen);
    outside.run();
    BOOST_TEST(seen == errc::queue_full);
    at.gate.open();
}

BOOST_AUTO_TEST_CASE(a_detached_refusal_is_not_reported_on_the_submitters_stack) {
    std::promise<std::thread::id> reported;
    turnstile gate;
    corogate::task_pool pool(pool_options{}.threads(1).limit(1).queue_tasks(0).on_error(
        [&](std::exception_ptr) { reported.set_value(std::this_thread::get_id()); }
    ));
    auto task = [&] { return gate.pass(); };
    pool.async_submit(task, asio::detached);
    pool.async_submit([] {}, asio::detached);
    BOOST_TEST((reported.get_future().get() != std::this_thread::get_id()));
    gate.open();
}

BOOST_AUTO_TEST_CASE(a_callable_that_cannot_be_moved_in_is_the_submitters_error_and_costs_no_place
) {
    struct fragile {
        fragile() = default;
        fragile(const fragile&) { throw std::runtime_error("copy"); }
        int operator()() { return 1; }
    };
    corogate::task_pool pool(pool_options{}.threads(1).limit(1).queue_tasks(0));
    const fragile task;
    BOOST_CHECK_THROW(pool.async_submit(task, asio::use_future).get(), std::runtime_error);
    BOOST_CHECK_THROW((void)pool.try_submit(task), std::runtime_error);
    BOOST_TEST(pool.async_submit([] { return 2; }, asio::use_future).get() == 2);
    check_books(quiet(pool));
}

BOOST_AUTO_TEST_CASE(a_task_that_ends_on_a_foreign_thread_leaves_its_runner_at_home) {
    corogate::task_pool pool(pool_options{}.threads(1).limit(1));
    asio::thread_pool elsewhere(1);
    for (int i = 0; i < 100; ++i) {
        auto wanders = [&]() -> asio::awaitable<void> {
            co_await asio::post(asio::bind_executor(elsewhere, asio::use_awaitable));
        };
        auto where = [&] { return pool.get_executor().running_in_this_thread(); };
        auto gone = pool.async_submit(wanders, asio::use_future);
        auto home = pool.async_submit(where, asio::use_future);
        gone.get();
        BOOST_TEST_REQUIRE(home.get());
    }
}

BOOST_AUTO_TEST_CASE(wait_suspends_the_submitter_until_a_place_is_free) {
    full at(pool_options{}.threads(2).limit(2).queue_tasks(1).overflow(overflow_policy::wait));
    std::atomic<int> ran{0};
    std::vector<std::future<int>> ends;
    for (int i = 0; i < 20; ++i) {
        auto task = [&ran, i] {
            ++ran;
            return i;
        };
        ends.push_back(at.pool.async_submit(task, asio::use_future));
    }
    const auto s = at.pool.stats();
    check_books(s);
    BOOST_TEST(s.waiting_submitters == 20u);
    BOOST_TEST(s.accepted == 3u);
    BOOST_TEST(!at.pool.try_submit([] {})); // the synchronous door refuses, and does not overtake
    BOOST_TEST(ran == 0);
    at.gate.open();
    for (int i = 0; i < 20; ++i)
        BOOST_TEST(ends[std::size_t(i)].get() == i);
    BOOST_TEST(quiet(at.pool).accepted == 23u);
}

BOOST_AUTO_TEST_CASE(a_million_would_fit_through_a_pool_of_four_places_when_submitters_wait) {
    corogate::task_pool pool(
        pool_options{}.threads(2).limit(2).queue_tasks(2).overflow(overflow_policy::wait)
    );
    std::atomic<int> ran{0};
    auto feeder = [&]() -> asio::awaitable<void> {
        for (int i = 0; i < 5000; ++i) {
            auto admitted = co_await pool.async_admit(1, asio::use_awaitable);
            auto task = [&ran]() -> asio::awaitable<void> {
                ++ran;
                co_return;
            };
            admitted->submit(task);
        }
    };
    std::vector<std::future<void>> feeders;
    asio::thread_pool outside(2);
    for (int i = 0; i < 4; ++i)
        feeders.push_back(asio::co_spawn(outside, feeder, asio::use_future));
    for (auto& f : feeders)
        f.get();
    const auto s = quiet(pool);
    BOOST_TEST(ran == 20000);
    BOOST_TEST(s.accepted == 20000u);
    BOOST_TEST(s.reserved == 0u);
    check_books(s);
}

BOOST_AUTO_TEST_CASE(C1_cancelling_a_queued_task_removes_it_and_frees_its_place) {
    asio::cancellation_signal signal;
    std::promise<error_code> seen;
    bool ran = false;
    turnstile gate;
    corogate::task_pool pool(pool_options{}.threads(1).limit(1).queue_tasks(300));
    auto blocker = [&] { return gate.pass(); };
    pool.async_submit(blocker, asio::detached);
    gate.await_arrivals(1);
    for (int i = 0; i < 250; ++i)
        pool.async_submit([] {}, asio::detached);
    pool.async_submit(
        [&] { ran = true; },
        asio::bind_cancellation_slot(
            signal.slot(), [&](std::exception_ptr e) { seen.set_value(code_of(e)); }
        )
    );
    BOOST_TEST(pool.stats().waiting == 251u);
    signal.emit(asio::cancellation_type::terminal);
    BOOST_TEST(seen.get_future().get() == errc::cancelled);
    const auto s = pool.stats();
    check_books(s);
    BOOST_TEST(s.waiting == 250u);
    BOOST_TEST(s.cancelled == 1u);
    signal.emit(asio::cancellation_type::terminal); // harmless
    gate.open();
    BOOST_TEST(quiet(pool).completed == 251u);
    BOOST_TEST(!ran);
}

BOOST_AUTO_TEST_CASE(C1_cancelling_a_task_in_the_window_keeps_the_order_of_the_others) {
    turnstile gate;
    corogate::task_pool pool(pool_options{}.threads(1).limit(1).queue_tasks(300));
    auto blocker = [&] { return gate.pass(); };
    pool.async_submit(blocker, asio::detached);
    gate.await_arrivals(1);
    std::vector<int> order;
    std::vector<asio::cancellation_signal> signals(200);
    for (int i = 0; i < 200; ++i)
        pool.async_submit(
            [&order, i] { order.push_back(i); },
            asio::bind_cancellation_slot(signals[std::size_t(i)].slot(), [](std::exception_ptr) {})
        );
    for (std::size_t i = 0; i < 200; i += 3)
        signals[i].emit(asio::cancellation_type::terminal);
    gate.open();
    const auto s = quiet(pool);
    check_books(s);
    BOOST_TEST(s.cancelled == 67u);
    BOOST_TEST(order.size() == 133u);
    BOOST_TEST(std::is_sorted(order.begin(), order.end()));
    BOOST_TEST(std::none_of(order.begin(), order.end(), [](int i) { return i % 3 == 0; }));
}

BOOST_AUTO_TEST_CASE(C3_a_running_task_sees_its_cancellation_and_the_next_task_does_not) {
    corogate::task_pool pool(pool_options{}.threads(1).limit(1));
    asio::cancellation_signal signal;
    std::promise<void> started;
    std::promise<error_code> seen;
    auto sleeper = [&]() -> asio::awaitable<void> {
        asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
        started.set_value();
        co_await timer.async_wait(asio::use_awaitable);
    };
    pool.async_submit(
        sleeper, asio::bind_cancellation_slot(
                     signal.slot(), [&](std::exception_ptr e) { seen.set_value(code_of(e)); }
                 )
    );
    started.get_future().get();
    signal.emit(asio::cancellation_type::terminal);
    BOOST_TEST(seen.get_future().get() == asio::error::operation_aborted);
    auto next = []() -> asio::awaitable<bool> {
        co_await asio::post(asio::use_awaitable);
        auto state = co_await asio::this_coro::cancellation_state;
        co_return state.cancelled() == asio::cancellation_type::none;
    };
    BOOST_TEST(pool.async_submit(next, asio::use_future).get());
}

BOOST_AUTO_TEST_CASE(C2_a_waiting_submitter_ends_on_its_own_cancellation) {
    full at(pool_options{}.threads(1).limit(1).queue_tasks(0).overflow(overflow_policy::wait));
    asio::cancellation_signal signal;
    std::promise<error_code> seen;
    at.pool.async_submit(
        [] {}, asio::bind_cancellation_slot(
                   signal.slot(), [&](std::exception_ptr e) { seen.set_value(code_of(e)); }
               )
    );
    BOOST_TEST(at.pool.stats().waiting_submitters == 1u);
    signal.emit(asio::cancellation_type::terminal);
    BOOST_TEST(seen.get_future().get() == errc::cancelled);
    BOOST_TEST(at.pool.stats().waiting_submitters == 0u);
    at.gate.open();
    quiet(at.pool);
    BOOST_TEST(bool(at.pool.try_submit([] {})));
}

BOOST_AUTO_TEST_CASE(A1_a_task_cancelled_before_it_ever_suspends_still_completes) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(2));
    for (int i = 0; i < 200; ++i) {
        asio::cancellation_signal signal;
        std::promise<void> inside;
        std::promise<void> cancelled;
        auto wait = cancelled.get_future().share();
        auto busy = [&]() -> asio::awaitable<int> {
            inside.set_value();
            wait.wait();
            if (i % 2)
                throw std::runtime_error("after the cancellation");
            co_return 1;
        };
        std::promise<void> completed;
        pool.async_submit(
            busy, asio::bind_cancellation_slot(
                      signal.slot(), [&](std::exception_ptr, int) { completed.set_value(); }
                  )
        );
        inside.get_future().get();
        signal.emit(asio::cancellation_type::terminal);
        cancelled.set_value();
        completed.get_future().get();
    }
    check_books(quiet(pool));
}

BOOST_AUTO_TEST_CASE(a_drain_finishes_what_was_admitted_and_refuses_the_rest) {
    full at(pool_options{}.threads(2).limit(2).queue_tasks(8));
    auto drained = at.pool.async_drain(1h, asio::use_future);
    const auto no = at.pool.try_submit([] {});
    BOOST_REQUIRE(!no);
    BOOST_TEST(make_error_code(no.error().reason()) == errc::draining);
    at.gate.open();
    const auto report = drained.get();
    BOOST_TEST(report.complete());
    BOOST_TEST(report.finished == 10u);
    BOOST_TEST(at.pool.stats().completed == 10u);
}

BOOST_AUTO_TEST_CASE(S6_draining_an_empty_pool_completes_at_once_twice) {
    corogate::task_pool pool(pool_options{}.threads(1));
    BOOST_TEST(pool.async_drain(1h, asio::use_future).get().complete());
    BOOST_TEST(pool.async_drain(1h, asio::use_future).get().complete());
}

BOOST_AUTO_TEST_CASE(S5_a_drain_past_its_deadline_tells_what_it_gave_up) {
    full at(pool_options{}.threads(2).limit(2).queue_tasks(3));
    const auto report = at.pool.async_drain(0s, asio::use_future).get();
    BOOST_TEST(!report.complete());
    BOOST_TEST(report.abandoned == 3u);
    BOOST_TEST(report.still_running == 2u);
    const auto s = at.pool.stats();
    check_books(s);
    BOOST_TEST(s.abandoned == 3u);
    at.gate.open();
    BOOST_TEST(quiet(at.pool).completed == 2u);
}

BOOST_AUTO_TEST_CASE(a_task_that_awaits_the_drain_of_its_own_pool_would_wait_for_ever) {
    corogate::task_pool pool(pool_options{}.threads(1));
    auto task = [&]() -> asio::awaitable<error_code> {
        auto [ec, report] = co_await pool.async_drain(1h, asio::as_tuple(asio::use_awaitable));
        co_return ec;
    };
    BOOST_TEST(pool.async_submit(task, asio::use_future).get() == errc::would_deadlock);
    BOOST_TEST(bool(pool.try_submit([] {})));
}

BOOST_AUTO_TEST_CASE(K9_a_task_may_not_submit_while_the_pool_drains_and_the_drain_ends) {
    turnstile gate;
    std::promise<error_code> refused;
    corogate::task_pool pool(pool_options{}.threads(2));
    auto task = [&]() -> asio::awaitable<void> {
        co_await gate.pass();
        auto again = pool.try_submit([] {});
        refused.set_value(again ? error_code() : again.error().code());
    };
    pool.async_submit(task, asio::detached);
    gate.await_arrivals(1);
    auto drained = pool.async_drain(1h, asio::use_future);
    BOOST_TEST(!pool.try_submit([] {}));
    gate.open();
    BOOST_TEST(drained.get().complete());
    BOOST_TEST(refused.get_future().get() == errc::draining);
}

BOOST_AUTO_TEST_CASE(W3_the_destructor_answers_everybody) {
    std::vector<std::future<void>> waiting;
    std::optional<turnstile> gate(std::in_place);
    std::future<void> running;
    {
        corogate::task_pool pool(
            pool_options{}.threads(2).limit(1).queue_tasks(4).overflow(overflow_policy::wait)
        );
        std::promise<void> started;
        auto sleeper = [&]() -> asio::awaitable<void> {
            asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
            started.set_value();
            co_await timer.async_wait(asio::use_awaitable);
        };
        running = pool.async_submit(sleeper, asio::use_future);
        started.get_future().get();
        for (int i = 0; i < 8; ++i) // four in the queue, four at the door
            waiting.push_back(pool.async_submit([] {}, asio::use_future));
    }
    BOOST_CHECK_EXCEPTION(running.get(), system_error, [](const auto& e) {
        return e.code() == asio::error::operation_aborted;
    });
    for (auto& w : waiting)
        BOOST_CHECK_EXCEPTION(w.get(), system_error, [](const auto& e) {
            return e.code() == errc::stopped;
        });
}

BOOST_AUTO_TEST_CASE(F5_a_task_destroyed_from_outside_gives_everything_back) {
    corogate::task_pool pool(pool_options{}.threads(1).limit(1));
    std::promise<error_code> seen;
    std::promise<std::shared_ptr<void>> box;
    auto lost = [&]() -> asio::awaitable<void> {
        co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
            [&](auto handler) {
                box.set_value(std::make_shared<decltype(handler)>(std::move(handler)));
            },
            asio::use_awaitable
        );
    };
    pool.async_submit(lost, [&](std::exception_ptr e) { seen.set_value(code_of(e)); });
    box.get_future().get().reset(); // the only handler that could have resumed the task
    BOOST_TEST(seen.get_future().get() == errc::abandoned);
    BOOST_TEST(pool.async_submit([] { return 1; }, asio::use_future).get() == 1);
    const auto s = quiet(pool);
    check_books(s);
    BOOST_TEST(s.abandoned == 1u);
}

BOOST_AUTO_TEST_CASE(S2_submitters_against_a_drain_are_run_or_told) {
    for (int round = 0; round < 20; ++round) {
        std::atomic<int> ran{0};
        std::atomic<int> accepted{0};
        std::atomic<int> refused{0};
        corogate::task_pool pool(pool_options{}.threads(2).limit(4).queue_tasks(10000));
        std::vector<std::thread> submitters;
        for (int t = 0; t < 4; ++t)
            submitters.emplace_back([&] {
                for (int i = 0; i < 500; ++i)
                    ++(pool.try_submit([&] { ++ran; }) ? accepted : refused);
            });
        const auto report = pool.async_drain(1h, asio::use_future).get();
        BOOST_TEST(report.complete());
        for (auto& submitter : submitters)
            submitter.join();
        const auto s = quiet(pool);
        check_books(s);
        BOOST_TEST(ran == accepted);
        BOOST_TEST(accepted + refused == 2000);
        BOOST_TEST(s.refused == std::uint64_t(refused));
    }
}

BOOST_AUTO_TEST_CASE(W4_the_last_submitter_with_no_later_traffic_still_runs) {
    corogate::task_pool pool(pool_options{}.threads(2));
    for (int i = 0; i < 3000; ++i)
        BOOST_TEST_REQUIRE(pool.async_submit([i] { return i; }, asio::use_future).get() == i);
}

BOOST_AUTO_TEST_CASE(M1_random_traffic_with_cancellations_keeps_the_books_and_answers_everybody) {
    const auto seed = std::random_device{}();
    BOOST_TEST_MESSAGE("seed " << seed);
    BOOST_TEST_CONTEXT("seed " << seed) {
        struct call {
            asio::cancellation_signal signal;
            std::atomic<int> completions{0};
        };
        constexpr int per_thread = 1500;
        std::atomic<int> unbalanced{0};
        std::vector<std::vector<call>> calls(3);
        {
            corogate::task_pool pool(
                pool_options{}.threads(3).limit(5).queue_tasks(40).overflow(overflow_policy::wait)
            );
            std::vector<std::thread> submitters;
            for (unsigned t = 0; t < 3; ++t) {
                calls[t] = std::vector<call>(per_thread);
                submitters.emplace_back([&, t] {
                    std::mt19937 random(seed + t);
                    for (int i = 0; i < per_thread; ++i) {
                        call& c = calls[t][std::size_t(i)];
                        auto task = [n = random() % 4]() -> asio::awaitable<void> {
                            for (unsigned k = 0; k < n; ++k)
                                co_await asio::post(asio::use_awaitable);
                            if (n == 3)
                                throw std::runtime_error("three");
                        };
                        pool.async_submit(
                            task, asio::bind_cancellation_slot(
                                      c.signal.slot(), [&c](std::exception_ptr) { ++c.completions; }
                                  )
                        );
                        if (random() % 4 == 0)
                            calls[t][random() % std::size_t(i + 1)].signal.emit(
                                asio::cancellation_type::terminal
                            );
                        if (random() % 64 == 0)
                            unbalanced += !test::books_balance(pool.stats());
                    }
                });
            }
            for (auto& submitter : submitters)
                submitter.join();
            BOOST_TEST(pool.async_drain(1h, asio::use_future).get().complete());
            const auto s = pool.stats();
            check_books(s);
            BOOST_TEST(s.submitted + s.waiting_submitters == 3u * per_thread);
            BOOST_TEST(s.waiting + s.running == 0u);
        }
        BOOST_TEST(unbalanced == 0);
        for (auto& thread : calls)
            for (auto& c : thread)
                if (c.completions != 1)
                    BOOST_FAIL("a submission completed " << c.completions << " times");
    }
}

BOOST_AUTO_TEST_SUITE_END()
