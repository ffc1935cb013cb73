#include <corogate/this_task.hpp>

#include "completions.hpp"

#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/task_pool.hpp>
#include <corogate/testing/for_each_seed.hpp>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::error_code;
using boost::system::system_error;
using corogate::errc;
using corogate::job_options;
using corogate::pool_options;
using corogate::priority_class;
using corogate::take;
using corogate::task_context;
using corogate::task_pool;
using corogate::testing::environment;
using corogate::testing::for_each_seed;
using test::completion_of;
using test::settle;

BOOST_AUTO_TEST_SUITE(this_task_tests)

BOOST_AUTO_TEST_CASE(outside_a_task_there_is_none) {
    environment env;
    auto test = []() -> asio::awaitable<error_code> {
        try {
            co_await corogate::this_task();
        } catch (const system_error& e) {
            co_return e.code();
        }
        co_return error_code();
    };
    BOOST_TEST(env.run(test) == errc::no_task);
    // Neither on the pool's own executor, nor for a context of no task.
    task_pool pool{env};
    completion_of end;
    asio::co_spawn(pool.get_executor(), test, [&](std::exception_ptr e, error_code ec) {
        BOOST_TEST(!e);
        BOOST_TEST(ec == errc::no_task);
        end.note()(e);
    });
    env.run();
    BOOST_TEST(end.times() == 1);
    const task_context nobody;
    BOOST_TEST(!nobody.running());
    BOOST_CHECK_THROW(static_cast<void>(nobody.yield()), system_error);
    BOOST_CHECK_THROW(static_cast<void>(nobody.sleep(1s)), system_error);
}

BOOST_AUTO_TEST_CASE(a_task_knows_whose_it_is) {
    for_each_seed(20, [](environment& env) {
        task_pool pool{env};
        auto who = job_options().tenant("lab").name("import").priority(priority_class::interactive);
        auto admitted = pool.try_admit(2, who.deadline(10s));
        int looked = 0;
        auto task = [&]() -> asio::awaitable<void> {
            const auto here = co_await corogate::this_task();
            BOOST_TEST(here.running());
            BOOST_TEST(here.job() == admitted->id());
            BOOST_TEST(here.tenant() == "lab");
            BOOST_TEST(here.name() == "import");
            BOOST_TEST((here.priority() == priority_class::interactive));
            BOOST_TEST((here.deadline_left() == 10s));
            co_await env.async_wait(4s, asio::use_awaitable);
            BOOST_TEST((here.deadline_left() == 6s));
            BOOST_TEST((co_await corogate::this_task()).job() == here.job());
            ++looked;
        };
        admitted->submit(task);
        admitted->submit(task);
        env.advance(4s);
        BOOST_TEST(looked == 2);
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(a_task_without_options_has_a_number_of_its_own) {
    for_each_seed(20, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2)};
        std::set<std::uint64_t> numbers;
        auto task = [&]() -> asio::awaitable<void> {
            const auto here = co_await corogate::this_task();
            co_await env.async_wait(1ms, asio::use_awaitable);
            BOOST_TEST((co_await corogate::this_task()).job() == here.job());
            BOOST_TEST(here.tenant() == "");
            BOOST_TEST((here.priority() == priority_class::normal));
            BOOST_TEST(!here.deadline_left());
            BOOST_TEST(!here.cancelled());
            BOOST_TEST(here.job() != 0u);
            numbers.insert(here.job());
        };
        for (int i = 0; i < 10; ++i)
            BOOST_REQUIRE(pool.try_submit(task));
        env.advance(1s);
        BOOST_TEST(numbers.size() == 10u);
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(N1_a_child_belongs_to_its_parents_job_unless_it_has_its_own) {
    for_each_seed(20, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1)};
        int looked = 0;
        std::uint64_t job = 0;
        auto same = [&]() -> asio::awaitable<void> {
            const auto here = co_await corogate::this_task();
            BOOST_TEST(here.job() == job);
            BOOST_TEST(here.tenant() == "lab");
            BOOST_TEST(here.name() == "import");
            ++looked;
        };
        auto other = [&]() -> asio::awaitable<void> {
            const auto here = co_await corogate::this_task();
            BOOST_TEST(here.job() != job);
            BOOST_TEST(here.tenant() == "edc");
            BOOST_TEST(here.name() == "");
            ++looked;
        };
        auto parent = [&]() -> asio::awaitable<void> {
            job = (co_await corogate::this_task()).job();
            co_await pool.async_submit(same, asio::use_awaitable);
            co_await pool.async_submit(other, job_options().tenant("edc"), asio::use_awaitable);
            BOOST_TEST((co_await corogate::this_task()).job() == job);
            ++looked;
        };
        BOOST_REQUIRE(pool.try_submit(parent, job_options().tenant("lab").name("import")));
        env.run();
        BOOST_TEST(looked == 3);
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(C3_a_task_sees_that_its_job_was_cancelled_or_is_late) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2)};
        auto cancelled = pool.try_admit(1);
        auto late = pool.try_admit(1, job_options().deadline(10ms));
        std::vector<std::string> seen;
        auto task = [&](const char* whose) {
            return [&, whose]() -> asio::awaitable<void> {
                const auto here = co_await corogate::this_task();
                BOOST_TEST(!here.cancelled());
                auto [ec] = co_await env.async_wait(1h, asio::as_tuple(asio::use_awaitable));
                BOOST_TEST(ec == asio::error::operation_aborted);
                if (here.cancelled())
                    seen.push_back(whose);
                if (here.deadline_left())
                    BOOST_TEST((here.deadline_left() == 0ns));
            };
        };
        cancelled->submit(task("cancelled"));
        late->submit(task("late"));
        env.run();
        cancelled->cancel();
        env.run();
        BOOST_TEST(seen.size() == 1u);
        env.advance(10ms);
        BOOST_REQUIRE(seen.size() == 2u);
        BOOST_TEST(seen[0] == "cancelled");
        BOOST_TEST(seen[1] == "late");
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(after_its_end_a_task_is_not_here_any_more) {
    for_each_seed(20, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1)};
        std::optional<task_context> kept;
        auto task = [&]() -> asio::awaitable<void> { kept = co_await corogate::this_task(); };
        BOOST_REQUIRE(pool.try_submit(task));
        env.run();
        BOOST_REQUIRE(kept);
        BOOST_TEST(!kept->running());
        bool ran = false;
        auto next = [&]() -> asio::awaitable<void> { // on the same runner
            BOOST_TEST(!kept->running());
            BOOST_CHECK_EXCEPTION(
                static_cast<void>(kept->yield()), system_error,
                [](const auto& e) { return e.code() == errc::no_task; }
            );
            BOOST_TEST((co_await corogate::this_task()).job() != kept->job());
            ran = true;
        };
        BOOST_REQUIRE(pool.try_submit(next));
        env.run();
        BOOST_TEST(ran);
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(yield_gives_others_a_turn_and_keeps_the_permit) {
    environment env; // first come, first served
    task_pool pool{env, pool_options{}.limit(2)};
    std::string order;
    auto task = [&](char name) {
        return [&, name]() -> asio::awaitable<void> {
            const auto here = co_await corogate::this_task();
            co_await env.async_wait(1ms, asio::use_awaitable); // start together
            for (int i = 0; i < 3; ++i) {
                order += name;
                co_await here.yield();
            }
        };
    };
    BOOST_REQUIRE(pool.try_submit(task('a')));
    BOOST_REQUIRE(pool.try_submit(task('b')));
    BOOST_REQUIRE(pool.try_submit([&] { order += 'c'; })); // waits for a permit
    env.advance(1s);
    BOOST_TEST(order == "abababc");
    settle(env, pool);
}

BOOST_AUTO_TEST_CASE(sleep_is_exact_keeps_the_permit_and_ends_with_the_task) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1)};
        asio::cancellation_signal signal;
        completion_of end;
        std::vector<std::chrono::nanoseconds> woke;
        error_code told;
        const auto start = env.now();
        auto task = [&]() -> asio::awaitable<void> {
            const auto here = co_await corogate::this_task();
            co_await here.sleep(10ms);
            woke.push_back(env.now() - start);
            co_await here.sleep(0ms);
            woke.push_back(env.now() - start);
            try {
                co_await here.sleep(1h);
            } catch (const system_error& e) {
                told = e.code();
            }
        };
        pool.async_submit(task, asio::bind_cancellation_slot(signal.slot(), end.note()));
        bool other = false;
        BOOST_REQUIRE(pool.try_submit([&] { other = true; }));
        env.advance(20ms);
        BOOST_TEST(!other);
        BOOST_REQUIRE(woke.size() == 2u);
        BOOST_TEST((woke[0] == 10ms));
        BOOST_TEST((woke[1] == 10ms));
        signal.emit(asio::cancellation_type::terminal);
        env.run();
        BOOST_TEST(told == asio::error::operation_aborted);
        BOOST_TEST(end.times() == 1);
        BOOST_TEST(other);
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(a_coroutine_that_a_task_spawned_has_its_context_while_it_runs) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1)};
        std::uint64_t job = 0, inside = 0;
        error_code afterwards;
        bool over = false;
        auto branch = [&]() -> asio::awaitable<void> {
            inside = (co_await corogate::this_task()).job();
            co_await env.async_wait(1s, asio::use_awaitable);
            try {
                co_await corogate::this_task();
            } catch (const system_error& e) {
                afterwards = e.code();
            }
            over = true;
        };
        auto task = [&]() -> asio::awaitable<void> {
            job = (co_await corogate::this_task()).job();
            asio::co_spawn(co_await asio::this_coro::executor, branch, asio::detached);
            co_await env.async_wait(1ms, asio::use_awaitable);
        };
        BOOST_REQUIRE(pool.try_submit(task));
        env.run_until([&] { return over; });
        BOOST_TEST(inside == job);
        BOOST_TEST(afterwards == errc::no_task);
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(asking_a_hundred_thousand_times_uses_no_stack) {
    environment env;
    task_pool pool{env, pool_options{}.limit(1)};
    int asked = 0;
    auto task = [&]() -> asio::awaitable<void> {
        for (int i = 0; i < 100000; ++i)
            asked += (co_await corogate::this_task()).running();
    };
    BOOST_REQUIRE(pool.try_submit(task));
    env.run();
    BOOST_TEST(asked == 100000);
    settle(env, pool);
}

BOOST_AUTO_TEST_SUITE_END()
