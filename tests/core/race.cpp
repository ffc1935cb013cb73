#include <corogate/race.hpp>

#include "crews.hpp"
#include "pool_books.hpp"
#include "support/turnstile.hpp"

#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/this_task.hpp>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::system_error;
using corogate::async_race;
using corogate::errc;
using corogate::pool_options;
using corogate::take;
using test::check_books;
using test::forever;
using test::is;
using test::quiet;
using test::turnstile;

BOOST_AUTO_TEST_SUITE(race_tests)

using task = std::function<asio::awaitable<int>()>;

BOOST_AUTO_TEST_CASE(the_first_success_wins_and_the_losers_are_asked_and_awaited) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(4));
    turnstile gate;
    turnstile end;
    std::vector<task> tasks;
    for (int i = 0; i < 2; ++i)
        tasks.push_back([&]() -> asio::awaitable<int> {
            co_await gate.pass();
            try {
                co_await forever();
            } catch (...) {
            }
            co_await asio::this_coro::reset_cancellation_state();
            co_await end.pass(); // takes its time
            co_return -1;        // too late
        });
    tasks.push_back([&]() -> asio::awaitable<int> {
        co_await gate.pass();
        co_return 42;
    });
    auto done = async_race(pool, tasks, asio::use_future);
    gate.await_arrivals(3);
    gate.open();
    end.await_arrivals(2);
    BOOST_TEST((done.wait_for(0s) == std::future_status::timeout));
    end.open();
    const auto [index, value] = done.get();
    BOOST_TEST(index == 2u);
    BOOST_TEST(value == 42);
    check_books(quiet(pool));
}

BOOST_AUTO_TEST_CASE(a_failure_does_not_end_it) {
    corogate::task_pool pool(pool_options{}.threads(1).limit(1)); // one after the other
    std::vector<task> tasks;
    tasks.push_back([]() -> asio::awaitable<int> { throw std::runtime_error("no"); });
    tasks.push_back([]() -> asio::awaitable<int> { co_return 2; });
    tasks.push_back([]() -> asio::awaitable<int> {
        BOOST_ERROR("the race was over");
        co_return 3;
    });
    const auto [index, value] = async_race(pool, tasks, asio::use_future).get();
    BOOST_TEST(index == 1u);
    BOOST_TEST(value == 2);
    BOOST_TEST(quiet(pool).cancelled == 1u);
}

BOOST_AUTO_TEST_CASE(F7_when_all_have_failed_the_first_error_is_the_result) {
    corogate::task_pool pool(pool_options{}.threads(1).limit(1));
    std::vector<task> tasks;
    for (int i = 0; i < 3; ++i)
        tasks.push_back([i]() -> asio::awaitable<int> { throw i; });
    BOOST_CHECK_EXCEPTION(async_race(pool, tasks, asio::use_future).get(), int, [](int i) {
        return i == 0;
    });
}

BOOST_AUTO_TEST_CASE(C6_a_race_of_no_tasks_has_no_winner) {
    corogate::task_pool pool(pool_options{}.threads(1));
    BOOST_CHECK_THROW(
        async_race(pool, std::vector<task>(), asio::use_future).get(), std::invalid_argument
    );
}

BOOST_AUTO_TEST_CASE(tuples_of_one_type_of_several_and_of_nothing) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(4));
    auto never = []() -> asio::awaitable<void> { co_await forever(); };
    {
        auto got = async_race(pool, std::tuple([] { return 1; }), asio::use_future).get();
        static_assert(std::is_same_v<decltype(got), std::tuple<std::size_t, int>>);
        BOOST_TEST(std::get<1>(got) == 1);
    }
    {
        auto got = async_race(
                       pool,
                       std::tuple(
                           never, [] { return std::string("text"); }, never
                       ),
                       asio::use_future
        )
                       .get();
        BOOST_TEST(std::get<0>(got) == 1u);
        BOOST_TEST(std::get<1>(std::get<1>(got)) == "text");
    }
    {
        auto got = async_race(pool, std::tuple(never, never, [] {}), asio::use_future).get();
        static_assert(std::is_same_v<decltype(got), std::size_t>);
        BOOST_TEST(got == 2u);
    }
    check_books(quiet(pool));
}

asio::awaitable<int> deep(corogate::task_pool& pool, int depth) {
    if (depth == 0)
        co_return 5;
    auto below = [&pool, depth] { return deep(pool, depth - 1); };
    auto fails = []() -> asio::awaitable<int> { throw std::runtime_error("no"); };
    const auto got =
        co_await async_race(pool, std::tuple(fails, below, below), asio::use_awaitable);
    co_return std::get<1>(got);
}

BOOST_AUTO_TEST_CASE(N1_races_within_races_end_at_limit_1_and_with_no_queue) {
    for (const std::size_t limit : {std::size_t(1), std::size_t(3)}) {
        corogate::task_pool pool(pool_options{}.threads(2).limit(limit).queue_tasks(0));
        BOOST_TEST(pool.async_submit([&] { return deep(pool, 6); }, asio::use_future).get() == 5);
        const auto s = quiet(pool);
        BOOST_TEST(s.lent == 0u);
        check_books(s);
    }
}

BOOST_AUTO_TEST_CASE(cancelling_it_cancels_all) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(2));
    turnstile gate;
    asio::cancellation_signal signal;
    std::vector<task> tasks(3, [&]() -> asio::awaitable<int> {
        co_await gate.pass();
        co_await forever();
        co_return 1;
    });
    auto done = async_race(
        pool, take(tasks), asio::bind_cancellation_slot(signal.slot(), asio::use_future)
    );
    gate.await_arrivals(2);
    gate.open();
    signal.emit(asio::cancellation_type::terminal);
    BOOST_CHECK_THROW(done.get(), system_error);
    check_books(quiet(pool));
}

BOOST_AUTO_TEST_CASE(A5_the_losers_are_cancelled_on_their_own_strands) {
    corogate::task_pool pool(pool_options{}.threads(4).limit(8));
    auto racer = []() -> asio::awaitable<int> {
        asio::steady_timer timer(co_await asio::this_coro::executor);
        for (int i = 0; i < 3; ++i) {
            timer.expires_after(1us);
            co_await timer.async_wait(asio::use_awaitable);
        }
        co_return 1;
    };
    for (int i = 0; i < 500; ++i) {
        const auto got = async_race(pool, std::tuple(racer, racer, racer), asio::use_future).get();
        if (std::get<0>(got) > 2 || std::get<1>(got) != 1)
            BOOST_ERROR("nobody won");
    }
    check_books(quiet(pool));
}

BOOST_AUTO_TEST_SUITE_END()
