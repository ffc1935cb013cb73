// What becomes of exceptions, and of tasks that end in no regular way.
#include <corogate/task_pool.hpp>

#include "completions.hpp"

#include <algorithm>
#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/observer.hpp>
#include <corogate/testing/for_each_seed.hpp>
#include <functional>
#include <iostream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::error_code;
using corogate::errc;
using corogate::job_options;
using corogate::pool_options;
using corogate::task_pool;
using corogate::testing::environment;
using corogate::testing::for_each_seed;
using test::check_books;
using test::completion_of;
using test::settle;

BOOST_AUTO_TEST_SUITE(failure_tests)

static std::string text_of(const std::exception_ptr& error) {
    try {
        if (error)
            std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    } catch (int n) {
        return "int " + std::to_string(n);
    } catch (...) {
        return "something else";
    }
    return "";
}

BOOST_AUTO_TEST_CASE(F1_a_detached_failure_reaches_the_handler_once_and_costs_no_permit) {
    for_each_seed(50, [](environment& env) {
        std::vector<std::string> reported;
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(10).on_error([&](auto e) {
                           reported.push_back(text_of(e));
                       })};
        auto coroutine = [&]() -> asio::awaitable<void> {
            co_await env.async_wait(1ms, asio::use_awaitable);
            throw std::runtime_error("coroutine");
        };
        auto plain = [] { throw std::runtime_error("plain"); };
        bool ran = false;
        BOOST_REQUIRE(pool.try_submit(coroutine));
        BOOST_REQUIRE(pool.try_submit(plain));
        pool.async_submit(plain, asio::detached);
        BOOST_REQUIRE(pool.try_submit([&] { ran = true; }));
        env.advance(1ms);
        BOOST_TEST(ran);
        std::sort(reported.begin(), reported.end());
        BOOST_TEST(
            reported == (std::vector<std::string>{"coroutine", "plain", "plain"}),
            boost::test_tools::per_element()
        );
        const auto s = settle(env, pool);
        BOOST_TEST(s.failed == 3u);
        BOOST_TEST(s.completed == 1u);
    });
}

BOOST_AUTO_TEST_CASE(F2_tasks_that_throw_do_not_use_up_runners) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(3).queue_tasks(100)};
        std::vector<completion_of> ends(50);
        for (std::size_t i = 0; i < ends.size(); ++i)
            pool.async_submit(
                [&env, i]() -> asio::awaitable<void> {
                    if (i % 2)
                        co_await env.async_wait(1ms, asio::use_awaitable);
                    throw std::runtime_error("bad");
                },
                ends[i].note()
            );
        env.advance(1s);
        for (auto& end : ends) {
            BOOST_TEST(end.times() == 1);
            BOOST_TEST(text_of(end.error()) == "bad");
        }
        BOOST_TEST(settle(env, pool).runners <= 3u);
        int inside = 0, most = 0;
        for (int i = 0; i < 6; ++i) { // the whole limit is there
            auto task = [&]() -> asio::awaitable<void> {
                most = std::max(most, ++inside);
                co_await env.async_wait(1ms, asio::use_awaitable);
                --inside;
            };
            BOOST_REQUIRE(pool.try_submit(task));
        }
        env.advance(1s);
        BOOST_TEST(most == 3);
        settle(env, pool);
    });
}

/// Keeps what it is told.
struct witness : corogate::observer {
    struct entry {
        std::uint64_t job;
        std::string tenant, name, text;
    };
    std::vector<entry> failures;
    void ended(const corogate::task_info& of, std::chrono::nanoseconds, const std::exception_ptr& e)
        override {
        if (e)
            failures.push_back({of.job, std::string(of.tenant), std::string(of.name), text_of(e)});
    }
};

BOOST_AUTO_TEST_CASE(F3_submitter_and_observer_get_the_exception_the_observer_with_its_task) {
    for_each_seed(50, [](environment& env) {
        auto seen = std::make_shared<witness>();
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(10).observe(seen)};
        completion_of end, run;
        auto bad = []() -> asio::awaitable<int> {
            throw std::out_of_range("visit 7");
            co_return 1;
        };
        pool.async_submit(bad, job_options().tenant("lab").name("import"), end.note());
        env.run();
        BOOST_CHECK_THROW(std::rethrow_exception(end.error()), std::out_of_range);
        BOOST_TEST(text_of(end.error()) == "visit 7");
        auto admitted = pool.try_admit(3, job_options().tenant("edc").name("checks"));
        std::vector<std::function<void()>> tasks(3, [] { throw std::runtime_error("check"); });
        admitted->async_run(tasks, run.note());
        env.run();
        BOOST_TEST(run.times() == 1);
        BOOST_TEST(text_of(run.error()) == "check");
        BOOST_REQUIRE(seen->failures.size() == 4u);
        BOOST_TEST(seen->failures[0].tenant == "lab");
        BOOST_TEST(seen->failures[0].name == "import");
        BOOST_TEST(seen->failures[0].text == "visit 7");
        BOOST_TEST(seen->failures[0].job != 0u);
        for (std::size_t i = 1; i < 4; ++i) {
            BOOST_TEST(seen->failures[i].job == admitted->id());
            BOOST_TEST(seen->failures[i].name == "checks");
            BOOST_TEST(seen->failures[i].text == "check");
        }
        settle(env, pool);
    });
}

/// What goes to the standard log while it exists.
class captured_log {
public:
    captured_log()
        : before_(std::clog.rdbuf(text_.rdbuf())) {}
    captured_log(const captured_log&) = delete;
    captured_log& operator=(const captured_log&) = delete;
    ~captured_log() { std::clog.rdbuf(before_); }
    std::string text() const { return text_.str(); }

private:
    std::ostringstream text_;
    std::streambuf* before_;
};

BOOST_AUTO_TEST_CASE(F4_without_a_handler_each_kind_is_logged_once) {
    environment env;
    task_pool pool{env, pool_options{}.limit(1).queue_tasks(100)};
    std::string text;
    {
        const captured_log log;
        for (int i = 0; i < 10; ++i) {
            BOOST_REQUIRE(pool.try_submit([i] {
                throw std::runtime_error("lab " + std::to_string(i));
            }));
            BOOST_REQUIRE(pool.try_submit([] { throw std::logic_error("rule"); }));
            BOOST_REQUIRE(pool.try_submit([] { throw 42; }));
        }
        env.run();
        text = log.text();
    }
    BOOST_TEST(std::count(text.begin(), text.end(), '\n') == 3);
    BOOST_TEST(text.find("lab 0") != std::string::npos);
    BOOST_TEST(text.find("lab 1") == std::string::npos);
    BOOST_TEST(text.find("rule") != std::string::npos);
    BOOST_TEST(text.find("not a std::exception") != std::string::npos);
    BOOST_TEST(settle(env, pool).failed == 30u);
}

BOOST_AUTO_TEST_CASE(F5_a_task_whose_frame_is_destroyed_gives_permit_and_place_back) {
    for_each_seed(100, [](environment& env) {
        std::vector<error_code> reported;
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(2).on_error([&](auto e) {
                           reported.push_back(test::code_of(e));
                       })};
        std::vector<std::shared_ptr<void>> boxes; // the only handlers that could resume them
        auto lost = [&]() -> asio::awaitable<void> {
            co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
                [&](auto handler) {
                    boxes.push_back(std::make_shared<decltype(handler)>(std::move(handler)));
                },
                asio::use_awaitable
            );
        };
        completion_of end, good;
        pool.async_submit(lost, end.note());
        BOOST_REQUIRE(pool.try_submit(lost));
        pool.async_submit([] {}, good.note());
        env.run();
        BOOST_REQUIRE(boxes.size() == 2u);
        BOOST_TEST(!good.done());
        auto first = std::move(boxes);
        first.clear();
        env.run();
        BOOST_TEST(end.times() == 1);
        BOOST_TEST(end.code() == errc::abandoned);
        BOOST_REQUIRE(reported.size() == 1u);
        BOOST_TEST(reported[0] == errc::abandoned);
        BOOST_TEST(good.done());
        const auto s = settle(env, pool);
        BOOST_TEST(s.abandoned == 2u);
        BOOST_TEST(s.completed == 1u);
        BOOST_TEST(bool(pool.try_admit(4)));
    });
}

BOOST_AUTO_TEST_CASE(F5_a_child_whose_frame_is_destroyed_lets_its_parent_go_on) {
    for_each_seed(100, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(2)};
        std::shared_ptr<void> box;
        auto lost = [&]() -> asio::awaitable<void> {
            co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
                [&](auto handler) {
                    box = std::make_shared<decltype(handler)>(std::move(handler));
                },
                asio::use_awaitable
            );
        };
        error_code told;
        completion_of end;
        auto parent = [&]() -> asio::awaitable<void> {
            auto [e] = co_await pool.async_submit(lost, asio::as_tuple(asio::use_awaitable));
            told = test::code_of(e);
        };
        pool.async_submit(parent, end.note());
        env.run();
        BOOST_TEST(pool.stats().lent == 1u);
        std::exchange(box, nullptr).reset();
        env.run();
        BOOST_TEST(told == errc::abandoned);
        BOOST_TEST(end.times() == 1);
        BOOST_TEST(!end.error());
        const auto s = settle(env, pool);
        BOOST_TEST(s.abandoned == 1u);
        BOOST_TEST(s.completed == 1u);
    });
}

BOOST_AUTO_TEST_CASE(F6_handlers_that_throw_harm_nobody) {
    struct bad_observer : corogate::observer {
        int calls = 0;
        void started(const corogate::task_info&, std::chrono::nanoseconds) override { raise(); }
        void ended(const corogate::task_info&, std::chrono::nanoseconds, const std::exception_ptr&)
            override {
            raise();
        }
        void dropped(const corogate::task_info&, errc) override { raise(); }
        void refused(const job_options&, std::size_t, errc) override { raise(); }
        void raise() {
            ++calls;
            throw std::runtime_error("observer");
        }
    };
    for_each_seed(50, [](environment& env) {
        auto bad = std::make_shared<bad_observer>();
        int handled = 0;
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(3).observe(bad).on_error([&](auto) {
                           ++handled;
                           throw 1;
                       })};
        auto sleep = [&] { return env.async_wait(1s, asio::use_awaitable); };
        completion_of end, good, cancelled;
        asio::cancellation_signal signal;
        pool.async_submit(sleep, end.note());
        BOOST_REQUIRE(pool.try_submit([] { throw std::runtime_error("detached"); }));
        pool.async_submit(sleep, asio::bind_cancellation_slot(signal.slot(), cancelled.note()));
        pool.async_submit([] {}, good.note());
        BOOST_REQUIRE(!pool.try_submit([] {}));
        env.run();
        signal.emit(asio::cancellation_type::terminal);
        env.advance(1s);
        BOOST_TEST(end.times() == 1);
        BOOST_TEST(!end.error());
        BOOST_TEST(!good.error());
        BOOST_TEST(cancelled.code() == errc::cancelled);
        BOOST_TEST(handled == 1);
        BOOST_TEST(bad->calls == 3 + 3 + 1 + 1); // starts, ends, the cancelled, the refused
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(F7_what_is_no_std_exception_arrives_as_it_was_thrown) {
    for_each_seed(20, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(10)};
        completion_of plain, coroutine, run;
        pool.async_submit([] { throw 42; }, plain.note());
        auto bad = [&]() -> asio::awaitable<void> {
            co_await env.async_wait(1ms, asio::use_awaitable);
            throw 43;
        };
        pool.async_submit(bad, coroutine.note());
        auto admitted = pool.try_admit(4);
        int ended = 0;
        std::vector<std::function<asio::awaitable<int>()>> tasks;
        for (int i = 0; i < 4; ++i)
            tasks.push_back([&, i]() -> asio::awaitable<int> {
                co_await env.async_wait((4 - i) * 1ms, asio::use_awaitable);
                ++ended;
                if (i % 2)
                    throw i;
                co_return i;
            });
        admitted->async_run(tasks, run.note());
        env.advance(1s);
        BOOST_TEST(text_of(plain.error()) == "int 42");
        BOOST_TEST(text_of(coroutine.error()) == "int 43");
        BOOST_TEST(ended == 4); // all of a job are joined
        BOOST_TEST(run.times() == 1);
        BOOST_TEST(text_of(run.error()).substr(0, 4) == "int ");
        BOOST_TEST(settle(env, pool).failed == 4u);
    });
}

BOOST_AUTO_TEST_CASE(F8_W2_tasks_and_an_error_handler_that_throw_do_not_hold_up_submitters) {
    for_each_seed(20, [](environment& env) {
        int handled = 0;
        task_pool pool{
            env, pool_options{}
                     .limit(2)
                     .queue_tasks(0)
                     .overflow(corogate::overflow_policy::wait)
                     .on_error([&](auto) {
                         ++handled;
                         throw std::runtime_error("handler");
                     })
        };
        for (int i = 0; i < 100; ++i) // two run, the others stand at the door
            pool.async_submit([] { throw std::runtime_error("task"); }, asio::detached);
        completion_of last;
        pool.async_submit([] {}, last.note());
        env.run();
        BOOST_TEST(handled == 100);
        BOOST_TEST(last.times() == 1);
        BOOST_TEST(!last.error());
        const auto s = settle(env, pool);
        BOOST_TEST(s.failed == 100u);
        BOOST_TEST(s.waiting_submitters == 0u);
    });
}

BOOST_AUTO_TEST_SUITE_END()
