#include <corogate/semaphore.hpp>

#include <algorithm>
#include <atomic>
#include <boost/asio.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using boost::system::error_code;
using corogate::errc;
using corogate::permit;
using namespace std::chrono_literals;

namespace corogate {
class semaphore_access {
public:
    static std::uint64_t steps(const semaphore& s) { return s.state_->steps(); }
};
} // namespace corogate

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

/// Waits once, and says what came of it.
struct waiter {
    explicit waiter(corogate::semaphore& s, std::size_t n = 1) {
        auto handler = [this](error_code ec, permit p) {
            BOOST_TEST(!seen);
            BOOST_TEST(bool(p) == !ec);
            seen = ec;
            held = std::move(p);
        };
        s.async_acquire(n, asio::bind_cancellation_slot(signal.slot(), handler));
    }
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;
    void cancel() { signal.emit(asio::cancellation_type::partial); }

    asio::cancellation_signal signal;
    std::optional<error_code> seen;
    permit held;
};

BOOST_AUTO_TEST_CASE(L4_invalid_numbers_of_permits_are_refused) {
    asio::io_context context;
    BOOST_CHECK_THROW(corogate::semaphore(context, 0), std::invalid_argument);
    BOOST_CHECK_THROW(corogate::semaphore(context, std::size_t(1) << 30), std::invalid_argument);
    corogate::semaphore most(context, corogate::semaphore::max_permits);
    auto all = most.try_acquire(corogate::semaphore::max_permits);
    BOOST_TEST(all.weight() == corogate::semaphore::max_permits);
    BOOST_TEST(!most.try_acquire());
    BOOST_CHECK_THROW(most.resize(corogate::semaphore::max_permits + 1), std::invalid_argument);
    BOOST_CHECK_THROW(most.async_acquire(0, asio::detached), std::invalid_argument);
    BOOST_CHECK_THROW(
        most.async_acquire(corogate::semaphore::max_permits + 1, asio::detached),
        std::invalid_argument
    );
    BOOST_TEST(most.limit() == corogate::semaphore::max_permits);
}

BOOST_AUTO_TEST_CASE(L4_a_synchronous_acquisition_of_nothing_or_too_much_gets_nothing) {
    asio::io_context context;
    corogate::semaphore s(context, 3);
    BOOST_TEST(!s.try_acquire(0));
    BOOST_TEST(!s.try_acquire(4));
    BOOST_TEST(!s.try_acquire(std::size_t(1) << 40));
    BOOST_TEST(s.try_acquire(3).weight() == 3u);
    BOOST_TEST(s.available() == 3u);
}

BOOST_FIXTURE_TEST_CASE(Q5_waiters_are_served_first_come_first_served, single) {
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

BOOST_FIXTURE_TEST_CASE(K2_cancel_before_grant_is_a_cancellation_and_the_permit_stays, single) {
    auto first = s.try_acquire();
    waiter w(s);
    w.cancel();
    first.release();
    run();
    BOOST_TEST(w.seen.value() == errc::cancelled);
    BOOST_TEST(s.available() == 1u);
}

BOOST_FIXTURE_TEST_CASE(K1_cancelling_a_large_waiter_at_the_head_lets_the_next_run, single) {
    s.resize(4);
    auto held = s.try_acquire(3);
    waiter large(s, 4);
    waiter small(s, 1);
    run();
    BOOST_TEST(!small.seen); // one is free, but the large one came first
    large.cancel();
    run();
    BOOST_TEST(large.seen.value() == errc::cancelled);
    BOOST_TEST(!small.seen.value());
    BOOST_TEST(small.held.weight() == 1u);
}

BOOST_FIXTURE_TEST_CASE(K10_a_large_waiter_is_not_starved_by_small_ones, single) {
    s.resize(4);
    auto held = s.try_acquire(4);
    waiter large(s, 4);
    std::vector<std::unique_ptr<waiter>> small;
    for (int i = 0; i < 8; ++i) {
        small.push_back(std::make_unique<waiter>(s, 1));
        // What comes back trickles in, one at a time; newcomers keep coming.
        if (held)
            held.split(1).release();
        BOOST_TEST(!s.try_acquire());
        run();
        BOOST_TEST(bool(large.seen) == !held);
        BOOST_TEST(!small.front()->seen);
    }
    BOOST_TEST(large.held.weight() == 4u);
    large.held.release();
    run();
    for (std::size_t i = 0; i < small.size(); ++i)
        BOOST_TEST(bool(small[i]->seen) == (i < 4)); // in order again
}

BOOST_FIXTURE_TEST_CASE(K5_sixteen_thousand_waiters_are_cancelled_in_linear_time, single) {
    constexpr std::size_t n = 16000;
    auto first = s.try_acquire();
    std::vector<asio::cancellation_signal> signals(n);
    std::size_t cancelled = 0;
    for (auto& signal : signals) {
        auto handler = [&](error_code ec, permit) { cancelled += ec == errc::cancelled; };
        s.async_acquire(asio::bind_cancellation_slot(signal.slot(), handler));
    }
    BOOST_TEST(s.waiting() == n);
    const auto before = corogate::semaphore_access::steps(s);
    for (std::size_t i = 0, at = 0; i < n; ++i, at = (at + 7919) % n) // not in order
        signals[at].emit(asio::cancellation_type::terminal);
    BOOST_TEST(corogate::semaphore_access::steps(s) - before == n); // each was touched once
    run();
    BOOST_TEST(cancelled == n);
    BOOST_TEST(s.waiting() == 0u);
    first.release();
    BOOST_TEST(s.available() == 1u);
}

BOOST_AUTO_TEST_CASE(K3_a_coroutine_cancelled_before_it_waits_completes_and_takes_no_permit) {
    asio::io_context context;
    corogate::semaphore s(context, 1);
    auto held = s.try_acquire();
    asio::cancellation_signal signal;
    int completed = 0;
    auto body = [&]() -> asio::awaitable<void> {
        co_await asio::post(asio::use_awaitable);
        co_await s.async_acquire(asio::use_awaitable);
    };
    auto handler = [&](std::exception_ptr error) {
        ++completed;
        BOOST_TEST(bool(error));
    };
    asio::co_spawn(context, body, asio::bind_cancellation_slot(signal.slot(), handler));
    context.run_one(); // the coroutine has begun, and does not wait yet
    signal.emit(asio::cancellation_type::terminal);
    context.run();
    BOOST_TEST(completed == 1);
    BOOST_TEST(s.waiting() == 0u);
    held.release();
    BOOST_TEST(s.available() == 1u);
}

BOOST_FIXTURE_TEST_CASE(W1_waiters_are_released_when_the_limit_grows_by_one_and_by_many, single) {
    auto held = s.try_acquire();
    std::vector<std::unique_ptr<waiter>> all;
    for (int i = 0; i < 6; ++i)
        all.push_back(std::make_unique<waiter>(s));
    const auto served = [&] {
        run();
        return std::count_if(all.begin(), all.end(), [](auto& w) { return bool(w->seen); });
    };
    BOOST_TEST(served() == 0);
    s.resize(2);
    BOOST_TEST(served() == 1);
    s.resize(6);
    BOOST_TEST(served() == 5);
    BOOST_TEST(s.waiting() == 1u);
    s.resize(corogate::semaphore::max_permits);
    BOOST_TEST(served() == 6);
    BOOST_TEST(s.in_use() == 7u);
}

BOOST_FIXTURE_TEST_CASE(R1_shrinking_takes_no_permit_away_and_grants_none_until_it_fits, single) {
    s.resize(4);
    auto held = s.try_acquire(4);
    waiter w(s);
    s.resize(2);
    BOOST_TEST(s.limit() == 2u);
    BOOST_TEST(s.in_use() == 4u);
    BOOST_TEST(s.available() == 0u);
    held.split(2).release(); // 2 of 2 in use
    run();
    BOOST_TEST(!w.seen);
    held.split(1).release();
    run();
    BOOST_TEST(w.held.weight() == 1u);
}

BOOST_FIXTURE_TEST_CASE(R1_a_limit_of_0_pauses, single) {
    s.resize(0);
    BOOST_TEST(!s.try_acquire());
    waiter w(s, 5);
    waiter next(s, 1);
    run();
    BOOST_TEST(!w.seen);
    s.resize(5);
    run();
    BOOST_TEST(w.held.weight() == 5u);
    BOOST_TEST(!next.seen);
    s.resize(6);
    run();
    BOOST_TEST(next.held.weight() == 1u);
}

BOOST_FIXTURE_TEST_CASE(more_than_the_limit_is_refused_now_or_after_a_resize, single) {
    s.resize(4);
    auto held = s.try_acquire();
    waiter too_large(s, 5);
    waiter large(s, 4);
    waiter small(s, 2);
    run();
    BOOST_TEST(too_large.seen.value() == errc::job_too_large);
    BOOST_TEST(!large.seen);
    s.resize(3); // now it is in nobody's way, and the small one fits beside what is held
    run();
    BOOST_TEST(large.seen.value() == errc::job_too_large);
    BOOST_TEST(small.held.weight() == 2u);
    BOOST_TEST(s.waiting() == 0u);
}

BOOST_FIXTURE_TEST_CASE(R1_a_resize_completes_when_usage_is_at_the_new_limit, single) {
    s.resize(4);
    auto held = s.try_acquire(4);
    std::optional<error_code> to_2;
    std::optional<error_code> to_1;
    s.async_resize(2, [&](error_code ec) { to_2 = ec; });
    s.async_resize(1, [&](error_code ec) { to_1 = ec; });
    BOOST_TEST(s.limit() == 1u); // at once
    held.split(1).release();
    run();
    BOOST_TEST(!to_2);
    held.split(1).release();
    run();
    BOOST_TEST(!to_2.value());
    BOOST_TEST(!to_1);
    held.release();
    run();
    BOOST_TEST(!to_1.value());
    std::optional<error_code> up;
    s.async_resize(9, [&](error_code ec) { up = ec; });
    BOOST_TEST(!up); // never inline
    run();
    BOOST_TEST(!up.value());
    BOOST_TEST(bool(s.try_acquire(9))); // no trace left
}

BOOST_FIXTURE_TEST_CASE(R1_a_later_higher_limit_ends_the_wait_for_a_lower_one, single) {
    s.resize(4);
    auto held = s.try_acquire(4);
    std::optional<error_code> down;
    s.async_resize(2, [&](error_code ec) { down = ec; });
    run();
    BOOST_TEST(!down);
    s.resize(4);
    run();
    BOOST_TEST(!down.value());
}

BOOST_FIXTURE_TEST_CASE(cancelling_the_wait_for_a_resize_or_a_drain_does_not_undo_it, single) {
    auto held = s.try_acquire();
    asio::cancellation_signal signal;
    std::vector<error_code> seen;
    auto handler = [&](error_code ec) { seen.push_back(ec); };
    s.async_resize(0, asio::bind_cancellation_slot(signal.slot(), handler));
    signal.emit(asio::cancellation_type::total);
    s.async_drain(asio::bind_cancellation_slot(signal.slot(), handler));
    signal.emit(asio::cancellation_type::total);
    run();
    BOOST_TEST(seen.size() == 2u);
    for (const auto& ec : seen)
        BOOST_TEST(ec == errc::cancelled);
    BOOST_TEST(s.limit() == 0u);
    BOOST_TEST(s.draining());
}

BOOST_FIXTURE_TEST_CASE(
    a_drain_serves_who_waits_refuses_who_comes_and_ends_when_all_is_back, single
) {
    auto held = s.try_acquire();
    waiter before(s);
    std::optional<error_code> drained;
    s.async_drain([&](error_code ec) { drained = ec; });
    waiter after(s);
    BOOST_TEST(!s.try_acquire());
    run();
    BOOST_TEST(after.seen.value() == errc::draining);
    BOOST_TEST(!drained);
    held.release();
    run();
    BOOST_TEST(before.held.weight() == 1u);
    BOOST_TEST(!drained);
    before.held.release();
    run();
    BOOST_TEST(!drained.value());
    BOOST_TEST(!s.try_acquire()); // still
    std::optional<error_code> again;
    s.async_drain([&](error_code ec) { again = ec; });
    run();
    BOOST_TEST(!again.value()); // at once: nothing is out
    s.reopen();
    BOOST_TEST(bool(s.try_acquire()));
    BOOST_TEST(!s.draining());
}

BOOST_FIXTURE_TEST_CASE(S4_several_drains_end_together_and_a_reopening_ends_them_early, single) {
    auto held = s.try_acquire();
    std::vector<error_code> seen;
    auto handler = [&](error_code ec) { seen.push_back(ec); };
    for (int i = 0; i < 3; ++i)
        s.async_drain(handler);
    s.reopen();
    run();
    BOOST_TEST(seen.size() == 3u);
    for (const auto& ec : std::exchange(seen, {}))
        BOOST_TEST(ec == errc::cancelled);
    for (int i = 0; i < 3; ++i)
        s.async_drain(handler);
    run();
    BOOST_TEST(seen.empty());
    held.release();
    run();
    BOOST_TEST(seen.size() == 3u);
    for (const auto& ec : seen)
        BOOST_TEST(!ec);
}

BOOST_AUTO_TEST_CASE(K6_waiters_of_a_destroyed_semaphore_are_told) {
    asio::io_context context;
    permit left;
    error_code seen;
    error_code drain;
    error_code resize;
    {
        corogate::semaphore s(context, 1);
        left = s.try_acquire();
        s.async_acquire([&](error_code ec, permit) { seen = ec; });
        BOOST_TEST(s.waiting() == 1u);
        s.async_drain([&](error_code ec) { drain = ec; });
        s.async_resize(0, [&](error_code ec) { resize = ec; });
    }
    context.run();
    BOOST_TEST(seen == errc::stopped);
    BOOST_TEST(drain == errc::stopped);
    BOOST_TEST(resize == errc::stopped);
}

BOOST_AUTO_TEST_CASE(a_handler_may_destroy_the_semaphore) {
    asio::thread_pool threads(2);
    for (int i = 0; i < 200; ++i) {
        auto s = std::make_unique<corogate::semaphore>(threads, 1);
        auto* const at = s.get();
        auto held = at->try_acquire();
        std::promise<void> ended;
        at->async_acquire([&](error_code, permit p) {
            s.reset(); // while the release below may still be in it
            p.release();
            ended.set_value();
        });
        held.release();
        ended.get_future().get();
        BOOST_TEST(!s);
    }
}

BOOST_AUTO_TEST_CASE(F5_a_grant_whose_handler_is_destroyed_on_its_way_comes_back) {
    auto context = std::make_unique<asio::io_context>();
    asio::io_context other;
    corogate::semaphore s(other, 2);
    auto held = s.try_acquire(2);
    auto witness = std::make_shared<int>();
    std::weak_ptr<int> destroyed = witness;
    s.async_acquire(2, asio::bind_executor(*context, [witness](error_code, const permit&) {}));
    witness.reset();
    held.release();
    BOOST_TEST(s.available() == 0u); // on its way
    context.reset();
    BOOST_TEST(destroyed.expired());
    BOOST_TEST(s.available() == 2u);
}

BOOST_AUTO_TEST_CASE(the_associated_executor_is_where_it_completes_and_has_work_until_then) {
    asio::io_context own;
    asio::io_context associated;
    corogate::semaphore s(own, 1);
    std::vector<const void*> where;
    auto handler = [&](error_code, const permit&) {
        where.push_back(own.get_executor().running_in_this_thread() ? &own : &associated);
    };
    permit held;
    s.async_acquire(asio::bind_executor(associated, [&](error_code ec, permit p) {
        held = std::move(p);
        handler(ec, held);
    }));
    associated.run();
    s.async_acquire(asio::bind_executor(associated, handler));
    s.async_acquire(handler);
    associated.restart();
    BOOST_TEST(associated.poll() == 0u);
    BOOST_TEST(!associated.stopped()); // it has work: the waiter
    associated.restart();
    held.release();
    associated.run();
    own.run();
    BOOST_TEST(where.size() == 3u);
    BOOST_TEST(where[0] == &associated);
    BOOST_TEST(where[1] == &associated);
    BOOST_TEST(where[2] == &own);
}

BOOST_AUTO_TEST_CASE(every_completion_token_works) {
    asio::thread_pool threads(2);
    corogate::semaphore s(threads, 2);
    // Once with permits free and once with a waiter.
    const auto waits = [&](auto begin) {
        auto held = s.try_acquire(2);
        auto waiting = begin();
        held.release();
        return waiting;
    };
    BOOST_TEST(s.async_acquire(asio::use_future).get().weight() == 1u);
    BOOST_TEST(waits([&] { return s.async_acquire(2, asio::use_future); }).get().weight() == 2u);
    s.async_acquire(asio::detached);
    waits([&] {
        s.async_acquire(asio::detached);
        return 0;
    });
    auto coroutine = [&s]() -> asio::awaitable<bool> {
        permit p = co_await s.async_acquire(asio::use_awaitable);
        p.release();
        auto [ec, q] = co_await s.async_acquire_for(1h, asio::as_tuple(asio::use_awaitable));
        q.release();
        permit r = co_await s.async_acquire(2, asio::deferred);
        r.release();
        co_await s.async_resize(3, asio::use_awaitable);
        co_await s.async_drain(asio::use_awaitable);
        s.reopen();
        co_return !ec;
    };
    BOOST_TEST(asio::co_spawn(threads, coroutine, asio::use_future).get());
    BOOST_TEST(waits([&] { return asio::co_spawn(threads, coroutine, asio::use_future); }).get());
    auto deferred = s.async_acquire(asio::deferred);
    BOOST_TEST(bool(std::move(deferred)(asio::use_future).get()));
    std::promise<std::size_t> weight;
    asio::spawn(
        threads,
        [&](asio::yield_context yield) {
            permit p = s.async_acquire(yield);
            auto [ec, q] = s.async_acquire(asio::as_tuple(yield));
            weight.set_value(ec ? 0 : p.weight() + q.weight());
        },
        asio::detached
    );
    BOOST_TEST(weight.get_future().get() == 2u);
    threads.join();
    BOOST_TEST(s.available() == 3u);
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
