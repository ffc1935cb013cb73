#include <corogate/job.hpp>

#include "pool_books.hpp"
#include "support/turnstile.hpp"

#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/task_pool.hpp>
#include <functional>
#include <future>
#include <stdexcept>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::system_error;
using corogate::errc;
using corogate::pool_options;
using test::check_books;
using test::quiet;
using test::turnstile;

BOOST_AUTO_TEST_SUITE(job_tests)

BOOST_AUTO_TEST_CASE(H7_a_job_is_admitted_whole_or_not_at_all) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(5).queue_tasks(100));
    const auto too_many = pool.try_admit(106);
    BOOST_REQUIRE(!too_many);
    BOOST_TEST(make_error_code(too_many.error().reason()) == errc::job_too_large);
    BOOST_TEST(!too_many.error().retryable());
    {
        auto all = pool.try_admit(105);
        BOOST_REQUIRE(all);
        const auto none = pool.try_admit(1);
        BOOST_REQUIRE(!none);
        BOOST_TEST(make_error_code(none.error().reason()) == errc::queue_full);
        BOOST_TEST(pool.stats().reserved == 105u);
    }
    BOOST_TEST(pool.stats().reserved == 0u); // unused places went back
    BOOST_TEST(bool(pool.try_admit(105)));
}

BOOST_AUTO_TEST_CASE(results_come_in_the_order_of_the_tasks) {
    corogate::task_pool pool(pool_options{}.threads(4).limit(8));
    auto admitted = pool.try_admit(100);
    std::vector<std::function<asio::awaitable<int>()>> checks;
    for (int i = 0; i < 100; ++i)
        checks.push_back([i]() -> asio::awaitable<int> {
            for (int k = 0; k < (i * 7) % 5; ++k)
                co_await asio::post(asio::use_awaitable);
            co_return i;
        });
    const auto found = admitted->async_run(checks, asio::use_future).get();
    BOOST_TEST(found.size() == 100u);
    for (int i = 0; i < 100; ++i)
        BOOST_TEST(found[std::size_t(i)] == i);
    BOOST_TEST(admitted->remaining() == 0u);
}

BOOST_AUTO_TEST_CASE(tasks_without_results_and_bool_results_work_too) {
    corogate::task_pool pool(pool_options{}.threads(4));
    std::atomic<int> ran{0};
    std::vector<std::function<void()>> nothing(50, [&] { ++ran; });
    pool.try_admit(50)->async_run(nothing, asio::use_future).get();
    BOOST_TEST(ran == 50);
    std::vector<std::function<bool()>> flags;
    for (int i = 0; i < 64; ++i)
        flags.push_back([i] { return i % 3 == 0; });
    const auto got = pool.try_admit(64)->async_run(flags, asio::use_future).get();
    for (int i = 0; i < 64; ++i)
        BOOST_TEST(got[std::size_t(i)] == (i % 3 == 0));
}

BOOST_AUTO_TEST_CASE(F7_the_first_exception_is_the_jobs_and_every_task_ends_first) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(2));
    std::atomic<int> ended{0};
    std::vector<std::function<asio::awaitable<int>()>> checks;
    for (int i = 0; i < 20; ++i)
        checks.push_back([&ended, i]() -> asio::awaitable<int> {
            co_await asio::post(asio::use_awaitable);
            ++ended;
            if (i == 3)
                throw std::runtime_error("check 3");
            co_return i;
        });
    auto run = pool.try_admit(20)->async_run(checks, asio::use_future);
    BOOST_CHECK_EXCEPTION(run.get(), std::runtime_error, [](const auto& e) {
        return e.what() == std::string("check 3");
    });
    BOOST_TEST(ended == 20);
}

BOOST_AUTO_TEST_CASE(C6_an_empty_job_completes_at_once_by_post) {
    corogate::task_pool pool(pool_options{}.threads(1));
    asio::io_context outside;
    std::vector<std::function<int()>> none;
    bool done = false;
    auto handler = [&](std::exception_ptr e, std::vector<int> v) {
        BOOST_TEST(!e);
        BOOST_TEST(v.empty());
        done = true;
    };
    pool.try_admit(0)->async_run(none, asio::bind_executor(outside, handler));
    BOOST_TEST(!done);
    outside.run();
    BOOST_TEST(done);
}

BOOST_AUTO_TEST_CASE(more_tasks_than_places_is_an_error_and_nothing_runs) {
    corogate::task_pool pool(pool_options{}.threads(1));
    auto admitted = pool.try_admit(2);
    std::vector<std::function<int()>> three(3, [] { return 1; });
    BOOST_CHECK_EXCEPTION(
        admitted->async_run(three, asio::use_future).get(), system_error,
        [](const auto& e) { return e.code() == errc::job_exhausted; }
    );
    BOOST_TEST(admitted->remaining() == 2u);
    admitted->submit([] {});
    admitted->submit([] {});
    BOOST_CHECK_EXCEPTION(admitted->submit([] {}), system_error, [](const auto& e) {
        return e.code() == errc::job_exhausted;
    });
    BOOST_TEST(quiet(pool).completed == 2u);
}

BOOST_AUTO_TEST_CASE(a_job_admitted_before_a_drain_may_still_use_its_places) {
    corogate::task_pool pool(pool_options{}.threads(2));
    auto admitted = pool.try_admit(3);
    auto drained = pool.async_drain(1h, asio::use_future);
    BOOST_TEST(!pool.try_admit(1));
    bool ran = false;
    std::vector<std::function<void()>> one(1, [&] { ran = true; });
    admitted->async_run(one, asio::use_future).get();
    BOOST_TEST(ran);
    admitted = corogate::job(); // two places unused: they must not hold up the drain
    BOOST_TEST(drained.get().complete());
}

BOOST_AUTO_TEST_CASE(a_job_may_outlive_its_pool) {
    corogate::job left;
    {
        corogate::task_pool pool(pool_options{}.threads(1));
        left = *pool.try_admit(2);
    }
    BOOST_CHECK_EXCEPTION(left.submit([] {}), system_error, [](const auto& e) {
        return e.code() == errc::stopped;
    });
}

BOOST_AUTO_TEST_CASE(a_run_of_a_job_without_a_pool_is_an_error_and_completes) {
    std::vector<std::function<int()>> one(1, [] { return 1; });
    corogate::job empty;
    BOOST_CHECK_EXCEPTION(
        empty.async_run(one, asio::use_future).get(), system_error,
        [](const auto& e) { return e.code() == errc::job_exhausted; }
    );
    corogate::job left;
    {
        corogate::task_pool pool(pool_options{}.threads(1));
        left = *pool.try_admit(1);
    }
    BOOST_CHECK_EXCEPTION(
        left.async_run(one, asio::use_future).get(), system_error,
        [](const auto& e) { return e.code() == errc::stopped; }
    );
}

BOOST_AUTO_TEST_CASE(a_drain_past_its_deadline_names_the_places_no_task_came_for) {
    corogate::task_pool pool(pool_options{}.threads(1));
    auto admitted = pool.try_admit(3);
    const auto report = pool.async_drain(0s, asio::use_future).get();
    BOOST_TEST(report.unused == 3u);
    BOOST_TEST(report.still_running == 0u);
    BOOST_TEST(!report.complete());
}

BOOST_AUTO_TEST_CASE(cancelling_a_run_cancels_its_waiting_and_its_running_tasks) {
    corogate::task_pool pool(pool_options{}.threads(2).limit(2).queue_tasks(100));
    asio::cancellation_signal signal;
    std::promise<void> started;
    std::atomic<int> ran{0};
    std::vector<std::function<asio::awaitable<void>()>> tasks;
    for (int i = 0; i < 50; ++i)
        tasks.push_back([&]() -> asio::awaitable<void> {
            if (++ran == 2)
                started.set_value();
            asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
            co_await timer.async_wait(asio::use_awaitable);
        });
    std::promise<std::exception_ptr> end;
    pool.try_admit(50)->async_run(
        tasks,
        asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e) { end.set_value(e); })
    );
    started.get_future().get();
    signal.emit(asio::cancellation_type::terminal);
    BOOST_TEST((end.get_future().get() != nullptr));
    const auto s = quiet(pool);
    check_books(s);
    BOOST_TEST(s.cancelled + s.failed == 50u);
}

BOOST_AUTO_TEST_CASE(async_admit_waits_for_all_its_places_in_turn) {
    corogate::task_pool pool(
        pool_options{}.threads(2).limit(2).queue_tasks(2).overflow(corogate::overflow_policy::wait)
    );
    auto first = pool.try_admit(3);
    auto big = pool.async_admit(4, asio::use_future);
    auto small = pool.async_admit(1, asio::use_future); // would fit, must not overtake
    BOOST_TEST(pool.stats().waiting_submitters == 2u);
    first = corogate::refusal(errc::queue_full, 0ms); // the job goes
    auto got = big.get();
    BOOST_REQUIRE(got);
    BOOST_TEST(got->remaining() == 4u);
    got = corogate::refusal(errc::queue_full, 0ms);
    BOOST_TEST(bool(small.get()));
    auto never = pool.async_admit(5, asio::use_future).get();
    BOOST_REQUIRE(!never);
    BOOST_TEST(make_error_code(never.error().reason()) == errc::job_too_large);
}

BOOST_AUTO_TEST_SUITE_END()
