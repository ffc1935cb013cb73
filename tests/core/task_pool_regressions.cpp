// Faults that a review of the pool found, each with what it did.

#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/task_pool.hpp>
#include <future>
#include <stdexcept>

#include "support/turnstile.hpp"

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::error_code;
using boost::system::system_error;
using corogate::errc;
using corogate::job_options;
using corogate::overflow_policy;
using corogate::pool_options;
using test::turnstile;

BOOST_AUTO_TEST_SUITE(task_pool_regressions_tests)

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

/// The value, or a failure of the test after a time in which anything ends.
template <typename T>
static T soon(std::future<T> future) {
    BOOST_REQUIRE(future.wait_for(60s) == std::future_status::ready);
    return future.get();
}

/// A task that nobody woke the strand for kept its deadline only when some other task ended.
BOOST_AUTO_TEST_CASE(a_deadline_of_what_waits_is_kept_while_every_permit_is_taken) {
    turnstile gate;
    corogate::task_pool pool(pool_options{}.threads(1).limit(1));
    auto holds = [&] { return gate.pass(); };
    BOOST_REQUIRE(pool.try_submit(holds));
    gate.await_arrivals(1);
    std::promise<error_code> end;
    auto late = [] {};
    pool.async_submit(late, job_options{}.deadline(5ms), [&](std::exception_ptr error) {
        end.set_value(code_of(error));
    });
    BOOST_TEST(soon(end.get_future()) == errc::expired);
    gate.open();
}

/// The way back to the runner's strand threw, and the task was reported as abandoned.
BOOST_AUTO_TEST_CASE(a_cancelled_task_that_ends_on_another_context_keeps_its_result) {
    asio::thread_pool other(1);
    corogate::task_pool pool(pool_options{}.threads(1).limit(1));
    std::promise<void> started;
    std::promise<std::pair<error_code, int>> end;
    asio::cancellation_signal cancel;
    auto task = [&]() -> asio::awaitable<int> {
        asio::steady_timer timer(other, asio::steady_timer::time_point::max());
        started.set_value();
        co_await timer.async_wait(
            asio::bind_executor(other.get_executor(), asio::as_tuple(asio::use_awaitable))
        );
        co_return 7;
    };
    pool.async_submit(
        task, asio::bind_cancellation_slot(
                  cancel.slot(), [&](std::exception_ptr error,
                                     int result) { end.set_value({code_of(error), result}); }
              )
    );
    soon(started.get_future());
    cancel.emit(asio::cancellation_type::terminal);
    const auto [error, result] = soon(end.get_future());
    BOOST_TEST(!error);
    BOOST_TEST(result == 7);
}

struct throws_when_copied {
    throws_when_copied() = default;
    throws_when_copied(const throws_when_copied&) { throw std::runtime_error("no copy"); }
    throws_when_copied& operator=(const throws_when_copied&) = delete;
    void operator()() const {}
};

/// Its place among the waiting submitters was lost, and the next one refused.
BOOST_AUTO_TEST_CASE(a_callable_that_throws_on_its_way_to_the_door_takes_no_place_there) {
    turnstile gate;
    corogate::task_pool pool(pool_options{}
                                 .threads(1)
                                 .limit(1)
                                 .queue_tasks(0)
                                 .overflow(overflow_policy::wait)
                                 .waiting_submitters(1));
    auto holds = [&] { return gate.pass(); };
    BOOST_REQUIRE(pool.try_submit(holds));
    gate.await_arrivals(1);
    std::promise<error_code> thrown;
    std::promise<error_code> waited;
    const throws_when_copied fails;
    pool.async_submit(fails, [&](std::exception_ptr error) { thrown.set_value(code_of(error)); });
    BOOST_TEST(soon(thrown.get_future()) == boost::system::errc::io_error);
    auto next = [] {};
    pool.async_submit(next, [&](std::exception_ptr error) { waited.set_value(code_of(error)); });
    gate.open();
    BOOST_TEST(!soon(waited.get_future()));
}

/// It waited for ever, and everybody behind it.
BOOST_AUTO_TEST_CASE(a_waiter_that_will_never_fit_since_a_shrink_is_refused) {
    turnstile gate;
    corogate::task_pool pool(
        pool_options{}.threads(1).limit(1).queue_tasks(3).overflow(overflow_policy::wait)
    );
    auto holds = [&] { return gate.pass(); };
    BOOST_REQUIRE(pool.try_submit(holds));
    gate.await_arrivals(1);
    std::promise<error_code> large;
    std::promise<error_code> small;
    using answer = boost::system::result<corogate::job, corogate::refusal>;
    const auto told = [](std::promise<error_code>& to) {
        return [&to](answer got) {
            to.set_value(got ? error_code() : make_error_code(got.error().reason()));
        };
    };
    pool.async_admit(4, told(large));
    pool.async_admit(1, told(small));
    pool.resize_queue(0);
    BOOST_TEST(soon(large.get_future()) == errc::job_too_large);
    gate.open();
    BOOST_TEST(!soon(small.get_future()));
}

/// The pool could end under the handler; the completion that its answer leads to was never called.
BOOST_AUTO_TEST_CASE(a_drain_waits_for_a_spill_handler_at_work) {
    turnstile gate;
    std::promise<void> handling;
    std::promise<void> go;
    corogate::task_pool pool(pool_options{}
                                 .threads(2)
                                 .limit(1)
                                 .queue_tasks(0)
                                 .overflow(overflow_policy::spill)
                                 .on_spill([&](const job_options&) {
                                     handling.set_value();
                                     go.get_future().wait();
                                     return true;
                                 }));
    auto holds = [&] { return gate.pass(); };
    std::promise<void> held;
    pool.async_submit(holds, [&](std::exception_ptr) { held.set_value(); });
    gate.await_arrivals(1);
    std::promise<error_code> spilled;
    auto task = [] {};
    pool.async_submit(task, [&](std::exception_ptr error) { spilled.set_value(code_of(error)); });
    soon(handling.get_future());
    gate.open();
    soon(held.get_future());
    std::atomic<bool> over{false};
    std::promise<void> drained;
    pool.async_drain(1h, [&](error_code, const corogate::drain_report&) {
        over = true;
        drained.set_value();
    });
    while (pool.stats().running != 0)
        std::this_thread::yield();
    // The other thread takes what is posted in order.
    for (int i = 0; i < 3; ++i) {
        std::promise<void> passed;
        asio::post(pool.get_executor(), [&] { passed.set_value(); });
        soon(passed.get_future());
        pool.stats();
    }
    BOOST_TEST(!over);
    go.set_value();
    soon(drained.get_future());
    BOOST_TEST(soon(spilled.get_future()) == errc::spilled);
}

BOOST_AUTO_TEST_SUITE_END()
