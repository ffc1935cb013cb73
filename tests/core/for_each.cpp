#include <corogate/for_each.hpp>

#include "crews.hpp"
#include "pool_books.hpp"
#include "support/turnstile.hpp"

#include <algorithm>
#include <boost/asio.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/this_task.hpp>
#include <forward_list>
#include <future>
#include <memory>
#include <mutex>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::system_error;
using corogate::async_for_each;
using corogate::errc;
using corogate::pool_options;
using corogate::take;
using test::check_books;
using test::forever;
using test::gauge;
using test::is;
using test::quiet;
using test::turnstile;

BOOST_AUTO_TEST_SUITE(for_each_tests)

BOOST_AUTO_TEST_CASE(every_element_is_met_once_and_an_lvalue_range_is_referred_to) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(4));
    std::vector<int> numbers(1000);
    std::iota(numbers.begin(), numbers.end(), 0);
    auto twice = [](int& n) -> asio::awaitable<void> {
        n *= 2;
        co_return;
    };
    async_for_each(pool, numbers, 7, twice, asio::use_future).get();
    for (int i = 0; i < 1000; ++i)
        if (numbers[std::size_t(i)] != 2 * i)
            BOOST_ERROR("wrong at " << i);
    const auto s = quiet(pool);
    BOOST_TEST(s.completed == 1000u); // a task each
    check_books(s);
}

BOOST_AUTO_TEST_CASE(at_most_so_many_are_under_way) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(8));
    turnstile gate;
    gauge inside;
    std::vector<int> items(20);
    auto visit = [&](int) -> asio::awaitable<void> {
        inside.enter();
        co_await gate.pass();
        inside.leave();
    };
    auto done = async_for_each(pool, items, 3, visit, asio::use_future);
    gate.await_arrivals(3);
    const auto s = pool.stats();
    BOOST_TEST(s.running == 3u);
    BOOST_TEST(s.waiting == 0u);
    gate.open();
    done.get();
    BOOST_TEST(inside.peak() == 3);
    BOOST_TEST(inside.total() == 20);
}

BOOST_AUTO_TEST_CASE(Q5_elements_are_started_in_the_order_of_the_range) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(1));
    for (const std::size_t concurrency : {1u, 4u, 1000u}) {
        std::vector<int> order;
        auto note = [&](int i) { order.push_back(i); };
        async_for_each(pool, std::views::iota(0, 50), concurrency, note, asio::use_future).get();
        BOOST_TEST(order.size() == 50u);
        BOOST_TEST(std::is_sorted(order.begin(), order.end()));
    }
}

BOOST_AUTO_TEST_CASE(C5_after_the_first_error_nothing_starts_and_running_ones_finish) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(2));
    turnstile gate;
    turnstile slow;
    std::atomic<int> started{0};
    bool finished = false;
    auto visit = [&](int i) -> asio::awaitable<void> {
        ++started;
        if (i == 0) {
            co_await slow.pass();
            // Nobody has asked: this is no cancellation.
            finished = (co_await asio::this_coro::cancellation_state).cancelled() ==
                       asio::cancellation_type::none;
        } else {
            co_await gate.pass();
            throw std::runtime_error("item " + std::to_string(i));
        }
    };
    // Of five under way two run; the others are in the pool's queue.
    auto done = async_for_each(pool, std::views::iota(0, 100), 5, visit, asio::use_future);
    slow.await_arrivals(1);
    gate.await_arrivals(1);
    gate.open();
    while (pool.stats().cancelled < 3) // taken back from the queue
        std::this_thread::yield();
    BOOST_TEST((done.wait_for(0s) == std::future_status::timeout));
    slow.open();
    BOOST_CHECK_EXCEPTION(done.get(), std::runtime_error, [](const auto& e) {
        return e.what() == std::string("item 1");
    });
    BOOST_TEST(finished);
    BOOST_TEST(started == 2);
    check_books(quiet(pool));
}

BOOST_AUTO_TEST_CASE(F7_an_error_that_is_no_exception_class_arrives) {
    corogate::task_pool pool(pool_options{}.threads(2));
    auto visit = [](int i) {
        if (i == 3)
            throw i;
    };
    BOOST_CHECK_EXCEPTION(
        async_for_each(pool, std::views::iota(0, 10), 2, visit, asio::use_future).get(), int,
        [](int i) { return i == 3; }
    );
}

BOOST_AUTO_TEST_CASE(C6_an_empty_range_completes_at_once_by_post) {
    corogate::task_pool pool(pool_options{}.threads(1));
    asio::io_context outside;
    std::vector<int> none;
    bool done = false;
    auto visit = [](int) {};
    auto handler = [&](std::exception_ptr e) {
        BOOST_TEST(!e);
        done = true;
    };
    async_for_each(pool, none, 4, visit, asio::bind_executor(outside, handler));
    BOOST_TEST(!done);
    outside.run();
    BOOST_TEST(done);
}

BOOST_AUTO_TEST_CASE(a_concurrency_of_zero_is_an_error) {
    corogate::task_pool pool(pool_options{}.threads(1));
    std::vector<int> one(1);
    auto visit = [](int) {};
    BOOST_CHECK_THROW(async_for_each(pool, one, 0, visit, asio::use_future), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(H7_it_is_admitted_whole_or_refused_whole_and_never_half_way) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(1).queue_tasks(3));
    auto held = pool.try_admit(2);
    std::atomic<int> ran{0};
    auto visit = [&](int) { ++ran; };
    const auto items = std::views::iota(0, 100);
    BOOST_CHECK_EXCEPTION(
        async_for_each(pool, items, 3, visit, asio::use_future).get(), system_error,
        is(errc::queue_full)
    );
    BOOST_TEST(ran == 0);
    auto done = async_for_each(pool, items, 2, visit, asio::use_future);
    while (done.wait_for(0s) == std::future_status::timeout)
        static_cast<void>(pool.try_submit([] {})); // takes every place that comes free
    done.get();
    BOOST_TEST(ran == 100);
    *held = corogate::job();
    quiet(pool);
    ran = 0;
    async_for_each(pool, items, 1000000, visit, asio::use_future).get(); // as many as there are
    BOOST_TEST(ran == 100);
    const auto s = quiet(pool);
    BOOST_TEST(s.reserved == 0u);
    check_books(s);
}

BOOST_AUTO_TEST_CASE(unused_places_go_back_where_it_ends_early) {
    corogate::task_pool pool(pool_options{}.threads(1).limit(1).queue_tasks(9));
    struct brittle {
        int i;
        brittle(int n)
            : i(n) {}
        brittle(const brittle& other)
            : i(other.i) {
            if (i == 2)
                throw std::runtime_error("cannot be copied");
        }
    };
    auto items = std::views::iota(0, 10) | std::views::transform([](int i) { return brittle(i); });
    auto refuse = [](brittle b) { // by value: copied from the element of its task
        if (b.i < 0)
            throw b.i;
    };
    BOOST_CHECK_THROW(
        async_for_each(pool, items, 10, refuse, asio::use_future).get(), std::runtime_error
    );
    const auto s = quiet(pool);
    BOOST_TEST(s.reserved == 0u);
    BOOST_TEST(bool(pool.try_admit(10)));
}

BOOST_AUTO_TEST_CASE(under_overflow_wait_it_waits_for_its_places_and_can_be_cancelled_there) {
    corogate::task_pool pool(
        pool_options{}.threads(2).limit(1).queue_tasks(1).overflow(corogate::overflow_policy::wait)
    );
    auto held = pool.try_admit(1);
    std::atomic<int> ran{0};
    auto visit = [&](int) { ++ran; };
    asio::cancellation_signal signal;
    auto first = async_for_each(
        pool, std::views::iota(0, 10), 2, visit,
        asio::bind_cancellation_slot(signal.slot(), asio::use_future)
    );
    auto second = async_for_each(pool, std::views::iota(0, 10), 2, visit, asio::use_future);
    BOOST_TEST(pool.stats().waiting_submitters == 2u);
    signal.emit(asio::cancellation_type::terminal);
    BOOST_CHECK_EXCEPTION(first.get(), system_error, is(errc::cancelled));
    BOOST_TEST(ran == 0);
    *held = corogate::job();
    second.get();
    BOOST_TEST(ran == 10);
    check_books(quiet(pool));
}

asio::awaitable<void> nest(corogate::task_pool& pool, std::atomic<int>& leaves, int depth) {
    auto visit = [&, depth](int) -> asio::awaitable<void> {
        if (depth == 1)
            ++leaves;
        else
            co_await nest(pool, leaves, depth - 1);
    };
    co_await async_for_each(pool, std::views::iota(0, 4), 2, take(visit), asio::use_awaitable);
}

BOOST_AUTO_TEST_CASE(N1_nested_to_any_depth_it_ends_at_limit_1_and_with_no_queue) {
    for (const std::size_t limit : {std::size_t(1), std::size_t(3)}) {
        corogate::task_pool pool(pool_options{}.threads(2).limit(limit).queue_tasks(0));
        std::atomic<int> leaves{0};
        pool.async_submit([&] { return nest(pool, leaves, 4); }, asio::use_future).get();
        BOOST_TEST(leaves == 256);
        const auto s = quiet(pool);
        BOOST_TEST(s.lent == 0u);
        BOOST_TEST(s.refused == 0u);
        check_books(s);
    }
}

BOOST_AUTO_TEST_CASE(cancelling_it_starts_nothing_more_and_asks_what_runs) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(2));
    turnstile gate;
    turnstile end;
    asio::cancellation_signal signal;
    std::atomic<int> started{0};
    std::atomic<int> asked{0};
    auto visit = [&](int) -> asio::awaitable<void> {
        ++started;
        co_await gate.pass();
        try {
            co_await forever();
        } catch (const system_error&) {
            ++asked;
        }
        co_await asio::this_coro::reset_cancellation_state();
        co_await end.pass();
    };
    auto done = async_for_each(
        pool, std::views::iota(0, 50), 5, visit,
        asio::bind_cancellation_slot(signal.slot(), asio::use_future)
    );
    gate.await_arrivals(2);
    gate.open();
    signal.emit(asio::cancellation_type::terminal);
    end.await_arrivals(2);
    BOOST_TEST((done.wait_for(0s) == std::future_status::timeout));
    end.open();
    BOOST_CHECK_EXCEPTION(done.get(), system_error, is(errc::cancelled));
    BOOST_TEST(started == 2);
    BOOST_TEST(asked == 2);
    check_books(quiet(pool));
}

BOOST_AUTO_TEST_CASE(ranges_of_every_kind) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(4));
    std::mutex mutex;
    long sum = 0;
    const auto add = [&](long n) {
        const std::lock_guard lock(mutex);
        sum += n;
    };
    // moved in
    async_for_each(
        pool, std::vector<std::string>{"1", "22", "333"}, 2,
        [&](const std::string& s) { add(long(s.size())); }, asio::use_future
    )
        .get();
    BOOST_TEST(sum == 6);
    // moved in from a name, elements that cannot be copied
    std::vector<std::unique_ptr<int>> owners;
    for (int i = 0; i < 10; ++i)
        owners.push_back(std::make_unique<int>(i));
    sum = 0;
    async_for_each(
        pool, take(owners), 3,
        [&](std::unique_ptr<int>& p) { add(*std::unique_ptr<int>(std::move(p))); }, asio::use_future
    )
        .get();
    BOOST_TEST(sum == 45);
    BOOST_TEST(owners.empty());
    // const, proxies, a list, a view that makes values
    const std::vector<bool> flags{true, false, true};
    sum = 0;
    async_for_each(pool, flags, 3, [&](bool b) { add(b); }, asio::use_future).get();
    BOOST_TEST(sum == 2);
    std::forward_list<int> list{1, 2, 3};
    sum = 0;
    async_for_each(pool, list, 2, [&](int& i) { add(i); }, asio::use_future).get();
    BOOST_TEST(sum == 6);
    // A coroutine may take a value that the range has made by reference.
    auto names = std::views::iota(0, 20) |
                 std::views::transform([](int i) { return std::string(std::size_t(i + 20), 'x'); });
    sum = 0;
    auto measure = [&](const std::string& s) -> asio::awaitable<int> { // what it returns is dropped
        co_await asio::post(asio::use_awaitable);
        add(long(s.size()));
        co_return 1;
    };
    async_for_each(pool, names, 5, measure, asio::use_future).get();
    BOOST_TEST(sum == 590);
    check_books(quiet(pool));
}

BOOST_AUTO_TEST_CASE(it_takes_every_token_and_a_callable_that_only_moves) {
    corogate::task_pool pool(pool_options{}.threads(2));
    asio::io_context outside;
    std::atomic<int> ran{0};
    std::vector<int> items(5);
    auto visit = [&](int) { ++ran; };
    int ends = 0;
    asio::spawn(
        outside,
        [&](asio::yield_context yield) {
            // see task_pool.cpp: yield_context of 1.81 mistakes an empty exception_ptr
            const auto [error] = async_for_each(pool, items, 2, visit, asio::as_tuple(yield));
            BOOST_TEST(!error);
            ++ends;
        },
        [](std::exception_ptr e) { BOOST_TEST(!e); }
    );
    auto awaits = [&]() -> asio::awaitable<void> {
        auto moves = [&, own = std::make_unique<int>(1)](int) { ran += *own; };
        co_await async_for_each(pool, items, 2, take(moves), asio::use_awaitable);
        auto fails = [](int) { throw 1; };
        auto [error] =
            co_await async_for_each(pool, items, 2, fails, asio::as_tuple(asio::use_awaitable));
        BOOST_TEST(bool(error));
        ++ends;
    };
    asio::co_spawn(outside, awaits, asio::detached);
    outside.run();
    BOOST_TEST(ends == 2);
    BOOST_TEST(ran == 10);
}

BOOST_AUTO_TEST_CASE(the_callable_and_the_range_are_gone_before_the_completion) {
    corogate::task_pool pool(pool_options{}.threads(1));
    auto token = std::make_shared<int>(0);
    std::vector<std::shared_ptr<int>> items(4, token);
    std::promise<long> seen;
    async_for_each(
        pool, take(items), 2, [token](const std::shared_ptr<int>&) {},
        [&](std::exception_ptr) { seen.set_value(token.use_count()); }
    );
    BOOST_TEST(seen.get_future().get() == 1);
}

BOOST_AUTO_TEST_CASE(a_drain_waits_for_one_that_began_and_a_stop_ends_it) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(2));
    turnstile gate;
    std::atomic<int> ran{0};
    auto visit = [&](int) -> asio::awaitable<void> {
        co_await gate.pass();
        ++ran;
    };
    auto done = async_for_each(pool, std::views::iota(0, 20), 2, visit, asio::use_future);
    gate.await_arrivals(2);
    auto drained = pool.async_drain(std::chrono::hours(1), asio::use_future);
    gate.open();
    drained.get();
    BOOST_TEST(ran == 20);
    done.get();
    BOOST_CHECK_EXCEPTION(
        async_for_each(pool, std::views::iota(0, 20), 2, visit, asio::use_future).get(),
        system_error, is(errc::draining)
    );
    BOOST_TEST(pool.reopen());
    turnstile again;
    auto wait = [&](int) -> asio::awaitable<void> {
        co_await again.pass();
        co_await forever();
    };
    auto stopped = async_for_each(pool, std::views::iota(0, 20), 4, wait, asio::use_future);
    again.await_arrivals(2);
    pool.stop();
    again.open();
    BOOST_CHECK_THROW(stopped.get(), system_error);
}

BOOST_AUTO_TEST_CASE(cancellations_errors_and_stops_meet_it_at_any_moment) {
    for (int i = 0; i < 200; ++i) {
        corogate::task_pool pool(pool_options{}.threads(2).limit(2).queue_tasks(8));
        auto visit = [&](int n) -> asio::awaitable<void> {
            co_await asio::post(asio::use_awaitable);
            if (i % 3 == 0 && n == i % 40)
                throw std::runtime_error("one of them");
        };
        asio::io_context outside;
        asio::cancellation_signal signal;
        int completed = 0;
        async_for_each(
            pool, std::views::iota(0, 40), 1 + std::size_t(i % 4), visit,
            asio::bind_cancellation_slot(
                signal.slot(),
                asio::bind_executor(outside, [&](std::exception_ptr) { ++completed; })
            )
        );
        std::thread other([&] {
            if (i % 2)
                pool.stop();
        });
        if (i % 5 == 0)
            signal.emit(asio::cancellation_type::terminal);
        outside.run();
        other.join();
        if (completed != 1)
            BOOST_ERROR("completed " << completed << " times");
    }
}

BOOST_AUTO_TEST_SUITE_END()
