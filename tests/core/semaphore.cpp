#include <corogate/semaphore.hpp>

#include <atomic>
#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <future>
#include <vector>

namespace asio = boost::asio;
using boost::system::error_code;
using corogate::errc;
using corogate::permit;

BOOST_AUTO_TEST_SUITE(semaphore_tests)

/// One thread, run by the test: every step is exact.
struct single {
    asio::io_context context;
    corogate::semaphore s{context, 1};
    void run() {
        context.restart();
        context.poll(); // a waiter is work: run would wait with it
    }
};

BOOST_AUTO_TEST_CASE(L4_invalid_numbers_of_permits_are_refused) {
    asio::io_context context;
    BOOST_CHECK_THROW(corogate::semaphore(context, 0), std::invalid_argument);
    BOOST_CHECK_THROW(corogate::semaphore(context, std::size_t(1) << 31), std::invalid_argument);
}

BOOST_FIXTURE_TEST_CASE(waiters_are_served_first_come_first_served, single) {
    std::vector<int> order;
    std::vector<permit> held(4);
    for (int i = 0; i < 4; ++i)
        s.async_acquire([&, i](error_code ec, permit p) {
            BOOST_TEST(!ec);
            order.push_back(i);
            held[std::size_t(i)] = std::move(p);
        });
    BOOST_TEST(order.empty()); // never inline
    run();
    for (int i = 1; i < 4; ++i) {
        BOOST_TEST(order.size() == std::size_t(i));
        held[std::size_t(i - 1)].release();
        run();
    }
    BOOST_TEST(order == (std::vector{0, 1, 2, 3}), boost::test_tools::per_element());
    held[3].release();
    BOOST_TEST(s.available() == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_newcomer_does_not_overtake_a_waiter, single) {
    auto first = s.try_acquire();
    permit second;
    s.async_acquire([&](error_code, permit p) { second = std::move(p); });
    BOOST_TEST(s.waiting() == 1u);
    first.release(); // granted to the waiter on the spot
    BOOST_TEST(!s.try_acquire());
    run();
    BOOST_TEST(bool(second));
}

BOOST_FIXTURE_TEST_CASE(K4_cancelling_the_last_waiter_keeps_every_permit, single) {
    auto first = s.try_acquire();
    asio::cancellation_signal signal;
    error_code seen;
    auto handler = [&](error_code ec, permit p) {
        seen = ec;
        BOOST_TEST(!p);
    };
    s.async_acquire(asio::bind_cancellation_slot(signal.slot(), handler));
    signal.emit(asio::cancellation_type::terminal);
    run();
    BOOST_TEST(seen == errc::cancelled);
    BOOST_TEST(s.waiting() == 0u);
    first.release();
    BOOST_TEST(bool(s.try_acquire()));
}

BOOST_FIXTURE_TEST_CASE(K2_grant_before_cancel_is_a_grant, single) {
    auto first = s.try_acquire();
    asio::cancellation_signal signal;
    permit second;
    auto handler = [&](error_code ec, permit p) {
        BOOST_TEST(!ec);
        second = std::move(p);
    };
    s.async_acquire(asio::bind_cancellation_slot(signal.slot(), handler));
    first.release();
    signal.emit(asio::cancellation_type::terminal); // too late: the permit is on its way
    run();
    BOOST_TEST(bool(second));
}

BOOST_FIXTURE_TEST_CASE(K1_the_next_waiter_runs_when_the_head_is_cancelled, single) {
    auto first = s.try_acquire();
    asio::cancellation_signal signal;
    int cancelled = 0;
    int granted = 0;
    auto head = [&](error_code ec, permit) { cancelled += ec == errc::cancelled; };
    s.async_acquire(asio::bind_cancellation_slot(signal.slot(), head));
    s.async_acquire([&](error_code ec, permit) { granted += !ec; });
    signal.emit(asio::cancellation_type::terminal);
    first.release();
    run();
    BOOST_TEST(cancelled == 1);
    BOOST_TEST(granted == 1);
    BOOST_TEST(s.available() == 1u);
}

BOOST_FIXTURE_TEST_CASE(K5_sixteen_thousand_waiters_are_cancelled_each_once, single) {
    constexpr std::size_t n = 16000;
    auto first = s.try_acquire();
    std::vector<asio::cancellation_signal> signals(n);
    std::size_t cancelled = 0;
    for (auto& signal : signals) {
        auto handler = [&](error_code ec, permit) { cancelled += ec == errc::cancelled; };
        s.async_acquire(asio::bind_cancellation_slot(signal.slot(), handler));
    }
    BOOST_TEST(s.waiting() == n);
    for (auto& signal : signals)
        signal.emit(asio::cancellation_type::terminal);
    run();
    BOOST_TEST(cancelled == n);
    BOOST_TEST(s.waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(K6_waiters_of_a_destroyed_semaphore_are_told) {
    asio::io_context context;
    permit left;
    error_code seen;
    {
        corogate::semaphore s(context, 1);
        left = s.try_acquire();
        s.async_acquire([&](error_code ec, permit) { seen = ec; });
    }
    context.run();
    BOOST_TEST(seen == errc::stopped);
}

BOOST_AUTO_TEST_CASE(every_completion_token_works) {
    asio::thread_pool threads(2);
    corogate::semaphore s(threads, 1);
    BOOST_TEST(bool(s.async_acquire(asio::use_future).get()));
    s.async_acquire(asio::detached);
    auto coroutine = [&s]() -> asio::awaitable<bool> {
        permit p = co_await s.async_acquire(asio::use_awaitable);
        p.release();
        auto [ec, q] = co_await s.async_acquire(asio::as_tuple(asio::use_awaitable));
        co_return !ec && q;
    };
    BOOST_TEST(asio::co_spawn(threads, coroutine, asio::use_future).get());
    auto deferred = s.async_acquire(asio::deferred);
    BOOST_TEST(bool(std::move(deferred)(asio::use_future).get()));
}

BOOST_AUTO_TEST_CASE(L1_never_more_holders_than_permits_and_none_lost_under_threads_and_cancels) {
    constexpr int coroutines = 200;
    constexpr int rounds = 50;
    asio::thread_pool threads(4);
    corogate::semaphore s(threads, 3);
    std::atomic<int> inside{0};
    std::atomic<int> over{0};
    std::atomic<int> ended{0};
    auto holder = [&]() -> asio::awaitable<void> {
        for (int i = 0; i < rounds; ++i) {
            permit p = co_await s.async_acquire(asio::use_awaitable);
            over += ++inside > 3;
            co_await asio::post(asio::use_awaitable);
            --inside;
        }
        ++ended;
    };
    // Each waits once and is cancelled at some moment: before, while or after it is granted.
    auto impatient = [&]() -> asio::awaitable<void> {
        asio::cancellation_signal signal;
        auto strand = asio::make_strand(threads);
        auto one = [&s]() -> asio::awaitable<void> {
            permit p = co_await s.async_acquire(asio::use_awaitable);
        };
        std::atomic<int> done{0}; // the acquisition, and the cancellation
        asio::co_spawn(
            strand, one,
            asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr) { ++done; })
        );
        co_await asio::post(strand, asio::use_awaitable);
        auto emit = [&] {
            signal.emit(asio::cancellation_type::terminal);
            ++done;
        };
        asio::post(strand, emit);
        while (done < 2)
            co_await asio::post(asio::use_awaitable);
        ++ended;
    };
    for (int i = 0; i < coroutines; ++i) {
        asio::co_spawn(threads, holder, asio::detached);
        asio::co_spawn(threads, impatient, asio::detached);
    }
    threads.join();
    BOOST_TEST(ended == 2 * coroutines);
    BOOST_TEST(over == 0);
    BOOST_TEST(s.available() == 3u);
    BOOST_TEST(s.waiting() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
