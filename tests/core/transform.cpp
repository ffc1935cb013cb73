#include <corogate/transform.hpp>

#include "crews.hpp"
#include "pool_books.hpp"
#include "support/turnstile.hpp"

#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/this_task.hpp>
#include <future>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace asio = boost::asio;
using boost::system::system_error;
using corogate::async_gather;
using corogate::async_transform;
using corogate::errc;
using corogate::pool_options;
using corogate::take;
using test::check_books;
using test::forever;
using test::is;
using test::quiet;
using test::turnstile;

BOOST_AUTO_TEST_SUITE(transform_tests)

BOOST_AUTO_TEST_CASE(Q5_results_come_in_the_order_of_the_range_whatever_ends_first) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(8));
    auto square = [](int i) -> asio::awaitable<int> {
        for (int k = 0; k < (i * 7) % 5; ++k)
            co_await asio::post(asio::use_awaitable);
        co_return i* i;
    };
    const auto got =
        async_transform(pool, std::views::iota(0, 200), 6, square, asio::use_future).get();
    BOOST_REQUIRE(got.size() == 200u);
    for (int i = 0; i < 200; ++i)
        if (got[std::size_t(i)] != i * i)
            BOOST_ERROR("wrong at " << i);
    check_books(quiet(pool));
}

BOOST_AUTO_TEST_CASE(results_may_be_bool_and_may_only_move) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(8));
    const auto flags =
        async_transform(
            pool, std::views::iota(0, 64), 8, [](int i) { return i % 3 == 0; }, asio::use_future
        )
            .get();
    for (int i = 0; i < 64; ++i)
        if (flags[std::size_t(i)] != (i % 3 == 0))
            BOOST_ERROR("wrong at " << i);
    const auto owned = async_transform(
                           pool, std::views::iota(0, 10), 3,
                           [](int i) { return std::make_unique<int>(i); }, asio::use_future
    )
                           .get();
    BOOST_TEST(*owned[9] == 9);
}

BOOST_AUTO_TEST_CASE(C6_an_empty_range_gives_an_empty_vector) {
    corogate::task_pool pool(pool_options{}.threads(1));
    auto f = [](int i) { return i; };
    BOOST_TEST(async_transform(pool, std::vector<int>(), 4, f, asio::use_future).get().empty());
}

BOOST_AUTO_TEST_CASE(C5_the_first_error_is_the_result_and_skips_the_rest) {
    corogate::task_pool pool(pool_options{}.threads(1).limit(1));
    std::atomic<int> started{0};
    auto f = [&](int i) {
        ++started;
        if (i == 5)
            throw std::runtime_error("five");
        return i;
    };
    std::promise<std::size_t> size;
    async_transform(
        pool, std::views::iota(0, 100), 3, f,
        [&](std::exception_ptr e, std::vector<int> v) {
            size.set_value(e ? v.size() : std::size_t(999));
        }
    );
    BOOST_TEST(size.get_future().get() == 0u);
    BOOST_TEST(started == 6);
}

asio::awaitable<long> total(corogate::task_pool& pool, int depth) {
    if (depth == 0)
        co_return 1;
    auto below = [&pool, depth](int) { return total(pool, depth - 1); };
    const auto parts =
        co_await async_transform(pool, std::views::iota(0, 3), 2, below, asio::use_awaitable);
    long sum = 0;
    for (const long part : parts)
        sum += part;
    co_return sum;
}

BOOST_AUTO_TEST_CASE(N1_transforms_within_transforms_end_at_limit_1) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(1).queue_tasks(0));
    BOOST_TEST(pool.async_submit([&] { return total(pool, 5); }, asio::use_future).get() == 243);
    const auto s = quiet(pool);
    BOOST_TEST(s.lent == 0u);
    check_books(s);
}

BOOST_AUTO_TEST_CASE(gather_gives_results_of_any_types_in_order) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(4));
    turnstile gate;
    auto number = [&]() -> asio::awaitable<int> {
        co_await gate.pass();
        co_return 7;
    };
    auto text = [&]() -> asio::awaitable<std::string> {
        co_await gate.pass();
        co_return "seven";
    };
    auto nothing = [&]() -> asio::awaitable<void> { co_await gate.pass(); };
    auto done = async_gather(
        pool, std::tuple(number, text, nothing, [] { return std::make_unique<int>(8); }),
        asio::use_future
    );
    gate.await_arrivals(3); // all at once
    gate.open();
    const auto got = done.get();
    BOOST_TEST(std::get<0>(got) == 7);
    BOOST_TEST(std::get<1>(got) == "seven");
    static_assert(std::is_same_v<
                  std::tuple_element_t<2, std::decay_t<decltype(got)>>, std::monostate>);
    BOOST_TEST(*std::get<3>(got) == 8);
    async_gather(pool, std::tuple(), asio::use_future).get(); // of nothing
}

BOOST_AUTO_TEST_CASE(F7_the_first_error_of_a_gather_cancels_the_others_and_all_end_first) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(2));
    turnstile gate;
    std::atomic<int> asked{0};
    auto waits = [&]() -> asio::awaitable<int> {
        co_await gate.pass();
        try {
            co_await forever();
        } catch (...) {
            ++asked;
            throw;
        }
        co_return 1;
    };
    auto fails = [&]() -> asio::awaitable<void> {
        co_await gate.pass();
        throw 13;
    };
    auto never = [] { BOOST_ERROR("must not start"); };
    auto done = async_gather(pool, std::tuple(waits, fails, never), asio::use_future);
    gate.await_arrivals(2);
    gate.open();
    BOOST_CHECK_EXCEPTION(done.get(), int, [](int n) { return n == 13; });
    BOOST_TEST(asked == 1);
    check_books(quiet(pool));
}

BOOST_AUTO_TEST_CASE(N1_gather_in_a_task_takes_named_closures) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(1).queue_tasks(0));
    auto parent = [&]() -> asio::awaitable<std::string> {
        auto one = [text = std::string("one, which is long enough for the heap")] { return text; };
        auto two = [text = std::string("two")]() -> asio::awaitable<std::string> {
            co_return text;
        };
        const auto got =
            co_await async_gather(pool, std::tuple(take(one), take(two)), asio::use_awaitable);
        auto both = std::tuple(one, two); // moved from; as good as new for this
        const auto again = co_await async_gather(pool, take(both), asio::use_awaitable);
        co_return std::get<1>(got) +
            std::to_string(std::tuple_size_v<std::decay_t<decltype(again)>>);
    };
    BOOST_TEST(pool.async_submit(parent, asio::use_future).get() == "two2");
}

BOOST_AUTO_TEST_CASE(cancelling_it_gives_errc_cancelled_where_something_was_not_started) {
    corogate::task_pool pool(pool_options{}.threads(1).limit(1));
    turnstile gate;
    asio::cancellation_signal signal;
    auto f = [&](int i) -> asio::awaitable<int> {
        co_await gate.pass();
        co_return i;
    };
    auto done = async_transform(
        pool, std::views::iota(0, 10), 2, f,
        asio::bind_cancellation_slot(signal.slot(), asio::use_future)
    );
    gate.await_arrivals(1);
    signal.emit(asio::cancellation_type::terminal);
    gate.open();
    BOOST_CHECK_EXCEPTION(done.get(), system_error, is(errc::cancelled));
}

BOOST_AUTO_TEST_SUITE_END()
