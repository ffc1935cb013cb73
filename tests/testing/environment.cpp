#include <corogate/testing/environment.hpp>

#include <algorithm>
#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/semaphore.hpp>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using boost::system::error_code;
using boost::test_tools::per_element;
using corogate::testing::environment;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(environment_tests)

asio::awaitable<int> sleep_for(environment& env, environment::duration d, int result) {
    co_await env.async_wait(d, asio::use_awaitable);
    co_return result;
}

bool says(const std::exception& e, std::string_view what) {
    return std::string_view(e.what()).find(what) != std::string_view::npos;
}

// --- what a pool asks -------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(is_an_environment_by_its_base) {
    environment own;
    corogate::environment& env = own;
    int ran = 0;
    asio::post(env.get_executor(), [&] { ++ran; });
    const auto start = env.now();
    const auto alarm = env.make_alarm([&] {
        BOOST_TEST((env.now() == start + 2s));
        ++ran;
    });
    alarm->set(start + 2s);
    env.wait_until([&] { return ran == 2; });
    BOOST_TEST((env.now() == start + 2s));
}

BOOST_AUTO_TEST_CASE(alarms_ring_by_moment_and_at_one_moment_by_setting) {
    environment env;
    const auto start = env.now();
    std::string rung;
    std::vector<std::unique_ptr<corogate::environment::alarm>> alarms;
    for (char c : {'a', 'b', 'c', 'd'})
        alarms.push_back(env.make_alarm([&rung, c] { rung += c; }));
    alarms[0]->set(start + 2ms);
    alarms[1]->set(start + 1ms);
    alarms[2]->set(start + 2ms);
    alarms[3]->set(start + 3ms);
    BOOST_TEST(env.timers_waiting() == 4u);
    env.run();
    BOOST_TEST(rung.empty()); // run does not move time
    env.advance(1ms);
    BOOST_TEST(rung == "b");
    env.advance(10ms);
    BOOST_TEST(rung == "bacd");
    BOOST_TEST((env.now() == start + 11ms));
}

BOOST_AUTO_TEST_CASE(a_seed_reorders_alarms_of_one_moment_only) {
    std::set<std::string> seen;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        environment env(seed);
        std::string rung;
        std::vector<std::unique_ptr<corogate::environment::alarm>> alarms;
        for (char c : {'a', 'b', 'c'}) {
            alarms.push_back(env.make_alarm([&rung, c] { rung += c; }));
            alarms.back()->set(env.now() + (c == 'c' ? 2ms : 1ms));
        }
        env.advance(5ms);
        BOOST_TEST(rung.size() == 3u);
        BOOST_TEST(rung.back() == 'c');
        seen.insert(rung);
    }
    BOOST_TEST(seen.size() == 2u);
}

BOOST_AUTO_TEST_CASE(setting_an_alarm_again_replaces_the_moment) {
    environment env;
    const auto start = env.now();
    std::vector<environment::duration> rung;
    const auto alarm = env.make_alarm([&] { rung.push_back(env.now() - start); });
    alarm->set(start + 1ms);
    alarm->set(start + 5ms);
    env.advance(3ms);
    BOOST_TEST(rung.empty());
    alarm->set(start + 4ms);
    env.advance(10ms);
    BOOST_TEST((rung == std::vector<environment::duration>{4ms}));
    alarm->set(environment::time_point::max()); // never
    BOOST_TEST(env.timers_waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(an_alarm_for_a_passed_moment_rings_without_moving_time_and_not_in_set) {
    environment env;
    const auto start = env.now();
    int rung = 0;
    const auto alarm = env.make_alarm([&] { ++rung; });
    alarm->set(start - 1s);
    BOOST_TEST(rung == 0);
    env.run();
    BOOST_TEST(rung == 1);
    BOOST_TEST((env.now() == start));
    env.advance(1s);
    BOOST_TEST(rung == 1); // once
}

BOOST_AUTO_TEST_CASE(a_destroyed_alarm_does_not_ring) {
    environment env;
    int rung = 0;
    auto waiting = env.make_alarm([&] { ++rung; });
    waiting->set(env.now() + 1ms);
    waiting.reset();
    // Its moment has come, its ring is among the ready work, and then it is destroyed or set anew.
    auto due = env.make_alarm([&] { ++rung; });
    auto moved = env.make_alarm([&] { rung += 100; });
    asio::post(env.get_executor(), [&] {
        due.reset();
        moved->set(env.now() + 1h);
    });
    due->set(env.now());
    moved->set(env.now());
    BOOST_TEST(env.run_one() == 1u);
    BOOST_TEST(!due);
    env.run();
    env.advance(1s);
    BOOST_TEST(rung == 0);
    env.advance(1h);
    BOOST_TEST(rung == 100);
}

BOOST_AUTO_TEST_CASE(an_alarm_may_be_destroyed_and_set_by_its_own_ring) {
    environment env;
    int rung = 0;
    const auto captured = std::make_shared<int>(1);
    std::unique_ptr<corogate::environment::alarm> once, again;
    once = env.make_alarm([&, captured] {
        once.reset();
        rung += *captured;
    });
    again = env.make_alarm([&] {
        if (++rung < 10)
            again->set(env.now() + 1ms);
    });
    once->set(env.now() + 1ms);
    again->set(env.now() + 1ms);
    env.advance(1s);
    BOOST_TEST(rung == 10);
    BOOST_TEST(captured.use_count() == 1);
}

BOOST_AUTO_TEST_CASE(waiting_inside_work_runs_the_rest) {
    environment env;
    std::string trace;
    asio::post(env.get_executor(), [&] {
        trace += '(';
        bool rung = false;
        const auto alarm = env.make_alarm([&] { rung = true; });
        alarm->set(env.now() + 1min);
        env.wait_until([&] { return rung; });
        trace += ')';
    });
    asio::post(env.get_executor(), [&] { trace += 'a'; });
    env.run();
    BOOST_TEST(trace == "(a)");
}

// --- what a test does -------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(advance_stops_at_every_moment_and_runs_the_work_between) {
    environment env;
    const auto start = env.now();
    std::vector<std::string> trace;
    const auto note = [&](std::string what) {
        trace.push_back(what + std::to_string((env.now() - start) / 1ms));
    };
    const auto task = [&](std::string name, environment::duration each) -> asio::awaitable<void> {
        for (int i = 0; i < 3; ++i) {
            co_await env.async_wait(each, asio::use_awaitable);
            co_await asio::post(asio::use_awaitable);
            note(name);
        }
    };
    asio::co_spawn(env.get_executor(), task("a", 2ms), asio::detached);
    asio::co_spawn(env.get_executor(), task("b", 3ms), asio::detached);
    env.advance(7ms);
    const std::vector<std::string> expected{"a2", "b3", "a4", "b6", "a6"};
    BOOST_TEST(trace == expected, per_element());
    BOOST_TEST((env.now() == start + 7ms));
    env.advance(2ms);
    BOOST_TEST(trace.back() == "b9");
}

BOOST_AUTO_TEST_CASE(an_hour_of_sleep_takes_no_time_and_is_exact) {
    environment env;
    const auto start = env.now();
    BOOST_TEST(env.run(sleep_for(env, 1h, 5)) == 5);
    BOOST_TEST((env.now() == start + 1h));
}

BOOST_AUTO_TEST_CASE(results_and_exceptions_of_a_coroutine_come_back) {
    environment env;
    struct no_default {
        explicit no_default(int n)
            : value(n) {}
        std::unique_ptr<int> only_moves;
        int value;
    };
    const auto give = []() -> asio::awaitable<no_default> { co_return no_default(4); };
    BOOST_TEST(env.run(give()).value == 4);
    const auto fail = []() -> asio::awaitable<void> {
        co_await asio::post(asio::use_awaitable);
        throw std::out_of_range("x");
    };
    BOOST_CHECK_THROW(env.run(fail()), std::out_of_range);
    int ran = 0;
    const auto nothing = [&]() -> asio::awaitable<void> {
        ++ran;
        co_return;
    };
    env.run(nothing());
    env.run(nothing);
    BOOST_TEST(ran == 2);
    const auto owned = std::make_shared<int>(6);
    BOOST_TEST(env.run([owned]() -> asio::awaitable<int> {
        co_await asio::post(asio::use_awaitable);
        co_return *owned;
    }) == 6);
    BOOST_TEST(owned.use_count() == 1);
}

BOOST_AUTO_TEST_CASE(run_until_moves_time_only_when_nothing_is_ready) {
    environment env;
    const auto start = env.now();
    int hops = 0;
    bool rung = false;
    const auto alarm = env.make_alarm([&] {
        BOOST_TEST(hops == 100);
        rung = true;
    });
    alarm->set(start + 1ms);
    const auto hop = [&]() -> asio::awaitable<void> {
        while (hops < 100) {
            co_await asio::post(asio::use_awaitable);
            ++hops;
        }
    };
    asio::co_spawn(env.get_executor(), hop, asio::detached);
    env.run_until([&] { return rung; });
    BOOST_TEST((env.now() == start + 1ms));
}

BOOST_AUTO_TEST_CASE(without_auto_advance_the_test_moves_time) {
    environment env(7);
    env.auto_advance(false);
    bool rung = false;
    const auto alarm = env.make_alarm([&] { rung = true; });
    const auto other = env.make_alarm([] {});
    alarm->set(env.now() + 5ms);
    other->set(env.now() + 1h);
    BOOST_CHECK_EXCEPTION(
        env.run_until([&] { return rung; }), std::logic_error,
        [](const std::exception& e) {
            return says(e, "nothing is ready, 2 timers wait, the next in 5 ms") &&
                   says(e, "seed 7") && says(e, "time does not move by itself");
        }
    );
    BOOST_TEST(!rung);
    env.wait_until([&] { return rung; }); // a destructor's wait must move it
    BOOST_TEST(rung);
}

BOOST_AUTO_TEST_CASE(a_deadlock_is_said) {
    environment env;
    asio::experimental::channel<void(error_code)> never(env.get_executor());
    const auto stuck = [&]() -> asio::awaitable<void> {
        co_await env.async_wait(5s, asio::use_awaitable);
        co_await never.async_receive(asio::use_awaitable);
    };
    BOOST_CHECK_EXCEPTION(env.run(stuck), std::logic_error, [](const std::exception& e) {
        return says(e, "nothing is ready, no timer waits");
    });
    BOOST_CHECK_THROW(env.wait_until([] { return false; }), std::logic_error);
    never.cancel(); // it ends after all, and harms nobody
    env.run();
}

BOOST_AUTO_TEST_CASE(a_periodic_alarm_does_not_hide_a_deadlock) {
    environment env;
    std::uint64_t rung = 0;
    std::unique_ptr<corogate::environment::alarm> probe;
    probe = env.make_alarm([&] {
        ++rung;
        probe->set(env.now() + 10ms);
    });
    probe->set(env.now() + 10ms);
    env.patience(10s);
    BOOST_CHECK_EXCEPTION(
        env.run_until([] { return false; }), std::logic_error,
        [](const std::exception& e) { return says(e, "patience"); }
    );
    BOOST_TEST(rung == 1000u);
    env.run_until([&] { return rung == 1500; }); // a new call, new patience
}

BOOST_AUTO_TEST_CASE(a_livelock_is_said_where_a_limit_is_set) {
    environment env;
    std::function<void()> again = [&] { asio::post(env.get_executor(), again); };
    again();
    env.step_limit(100);
    BOOST_CHECK_THROW(env.run(), std::logic_error);
    BOOST_CHECK_THROW(env.run_until([] { return false; }), std::logic_error);
    BOOST_CHECK_THROW(env.advance(1s), std::logic_error);
}

BOOST_AUTO_TEST_CASE(how_things_stand_in_words) {
    environment env(3);
    BOOST_TEST(env.describe() == "nothing is ready, no timer waits (seed 3, step 0)");
    const auto alarm = env.make_alarm([] {});
    const std::pair<environment::duration, std::string> spans[] = {
        {1500ms, "1.5 s"}, {5ms, "5 ms"}, {2h, "7200 s"},       {12'345us, "12.345 ms"},
        {999ns, "999 ns"}, {0ns, "0 ns"}, {1'050us, "1.05 ms"}, {-5ms, "-5 ms"}
    };
    for (const auto& [span, words] : spans) {
        alarm->set(env.now() + span);
        BOOST_TEST(
            env.describe() ==
            "nothing is ready, 1 timer waits, it comes in " + words + " (seed 3, step 0)"
        );
    }
    asio::post(env.get_executor(), [] {});
    BOOST_TEST(env.describe().starts_with("1 piece of work is ready, "));
    asio::post(env.get_executor(), [] {});
    BOOST_TEST(env.describe().starts_with("2 pieces of work are ready, "));
}

// --- async_wait -------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(waits_take_every_token) {
    environment env;
    int completed = 0;
    env.async_wait(1s, [&](error_code ec) { completed += !ec; });
    env.async_wait(1s, asio::detached);
    auto future = env.async_wait(1s, asio::use_future);
    auto lazy = env.async_wait(1s, asio::deferred);
    asio::spawn(
        env.get_executor(),
        [&](asio::yield_context yield) {
            env.async_wait(1s, yield);
            ++completed;
        },
        asio::detached
    );
    const auto coroutine = [&]() -> asio::awaitable<void> {
        const auto [ec] = co_await env.async_wait(1s, asio::as_tuple(asio::use_awaitable));
        completed += !ec;
    };
    asio::co_spawn(env.get_executor(), coroutine, asio::detached);
    BOOST_TEST(completed == 0);
    env.advance(1s);
    BOOST_TEST(completed == 3);
    future.get(); // Asio completes futures on a thread of its own
    // A deferred wait counts from when it is started.
    std::move(lazy)([&](error_code) { ++completed; });
    env.advance(999ms);
    BOOST_TEST(completed == 3);
    env.advance(1ms);
    BOOST_TEST(completed == 4);
}

BOOST_AUTO_TEST_CASE(a_wait_of_no_time_completes_without_moving_it_and_not_inline) {
    environment env;
    int completed = 0;
    env.async_wait(0s, [&](error_code ec) { completed += !ec; });
    env.async_wait(-5s, [&](error_code ec) { completed += !ec; });
    env.async_wait_until(env.now() - 1h, [&](error_code ec) { completed += !ec; });
    BOOST_TEST(completed == 0);
    const auto start = env.now();
    env.run();
    BOOST_TEST(completed == 3);
    BOOST_TEST((env.now() == start));
}

BOOST_AUTO_TEST_CASE(a_cancelled_wait_completes_once_by_post) {
    environment env;
    asio::cancellation_signal signal;
    std::vector<error_code> seen;
    env.async_wait(1s, asio::bind_cancellation_slot(signal.slot(), [&](error_code ec) {
                       seen.push_back(ec);
                   }));
    signal.emit(asio::cancellation_type::total);
    BOOST_TEST(seen.empty());
    BOOST_TEST(env.timers_waiting() == 0u);
    signal.emit(asio::cancellation_type::terminal); // meets nothing
    env.advance(1h);
    BOOST_TEST((seen == std::vector<error_code>{asio::error::operation_aborted}));
    signal.emit(asio::cancellation_type::terminal);
    env.run();
    BOOST_TEST(seen.size() == 1u);

    // Too late: its moment has come, its handler is among the ready work.
    seen.clear();
    env.async_wait(0s, asio::bind_cancellation_slot(signal.slot(), [&](error_code ec) {
                       seen.push_back(ec);
                   }));
    asio::post(env.get_executor(), [] {});
    env.run_one(); // whichever it is
    signal.emit(asio::cancellation_type::terminal);
    env.run();
    BOOST_TEST(seen == std::vector<error_code>{error_code()}, per_element());
}

BOOST_AUTO_TEST_CASE(a_race_against_time) {
    using namespace asio::experimental::awaitable_operators;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        environment env(seed);
        const auto start = env.now();
        const auto race = [&]() -> asio::awaitable<std::size_t> {
            const auto first =
                co_await (sleep_for(env, 2s, 1) || sleep_for(env, 1s, 2) || sleep_for(env, 3s, 3));
            co_return first.index();
        };
        BOOST_TEST(env.run(race) == 1u);
        BOOST_TEST((env.now() == start + 1s));
        BOOST_TEST(env.timers_waiting() == 0u); // the losers are gone
    }
}

template <typename T>
struct counting {
    using value_type = T;
    int* live;
    int* all;
    counting(int* l, int* a)
        : live(l)
        , all(a) {}
    template <typename U>
    counting(const counting<U>& other)
        : live(other.live)
        , all(other.all) {}
    T* allocate(std::size_t n) {
        ++*live;
        ++*all;
        return std::allocator<T>().allocate(n);
    }
    void deallocate(T* p, std::size_t n) {
        --*live;
        std::allocator<T>().deallocate(p, n);
    }
    template <typename U>
    bool operator==(const counting<U>& other) const {
        return live == other.live;
    }
};

BOOST_AUTO_TEST_CASE(a_wait_honours_executor_and_allocator) {
    environment env;
    const auto strand = asio::make_strand(env.context());
    int live = 0, all = 0, live_at_call = -1;
    bool on_strand = false;
    const auto handler = [&](error_code) {
        on_strand = strand.running_in_this_thread();
        live_at_call = live;
    };
    env.async_wait(
        1ms, asio::bind_allocator(counting<char>(&live, &all), asio::bind_executor(strand, handler))
    );
    BOOST_TEST(live == 1);
    env.advance(1ms);
    BOOST_TEST(on_strand);
    BOOST_TEST(all >= 2); // the wait, and its completion
    BOOST_TEST(live_at_call == 0);
    BOOST_TEST(live == 0);
}

// --- the end ----------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(what_still_waits_is_destroyed_without_being_resumed) {
    const auto alive = std::make_shared<int>(0);
    int live = 0, all = 0;
    {
        environment env(5);
        const auto strand = asio::make_strand(env.get_executor());
        env.async_wait(1s, [alive](error_code) { ++*alive; });
        env.async_wait(1s, asio::bind_allocator(counting<char>(&live, &all), [alive](error_code) {
                           ++*alive;
                       }));
        const auto sleeper = [](environment& on,
                                std::shared_ptr<int> keep) -> asio::awaitable<void> {
            const auto alarm = on.make_alarm([] {});
            alarm->set(on.now() + 1h);
            co_await on.async_wait(1h, asio::use_awaitable);
            ++*keep;
        };
        const auto parent = [&](std::shared_ptr<int> keep) -> asio::awaitable<void> {
            co_await sleeper(env, keep);
            ++*keep;
        };
        asio::co_spawn(env.get_executor(), sleeper(env, alive), asio::detached);
        asio::co_spawn(strand, parent(alive), asio::detached);
        env.run();
        asio::co_spawn(strand, parent(alive), asio::detached); // has not begun
        BOOST_TEST(env.timers_waiting() == 6u);
        BOOST_TEST(live == 1);
        BOOST_TEST(alive.use_count() >= 6);
    }
    BOOST_TEST(*alive == 0);
    BOOST_TEST(alive.use_count() == 1);
    BOOST_TEST(live == 0);
}

BOOST_AUTO_TEST_CASE(a_second_thread_is_told) {
    environment env;
    bool told = false;
    std::thread other([&] {
        try {
            asio::post(env.get_executor(), [] {});
        } catch (const std::logic_error&) {
            told = true;
        }
    });
    other.join();
    BOOST_TEST(told);
}

// --- one seed, one run ------------------------------------------------------------------------

/// Ten tasks that sleep, hop and take turns; what happened, in order.
std::string trace_of(std::uint64_t seed) {
    environment env(seed);
    const auto start = env.now();
    std::string trace;
    const auto task = [&](int id) -> asio::awaitable<void> {
        for (int i = 0; i < 3; ++i) {
            co_await env.async_wait((id % 3) * 1ms, asio::use_awaitable);
            co_await asio::post(asio::use_awaitable);
            trace += std::to_string(id) + '@' + std::to_string((env.now() - start) / 1ms) + ' ';
        }
    };
    for (int id = 0; id < 10; ++id)
        asio::co_spawn(env.get_executor(), task(id), asio::detached);
    env.advance(1s);
    return trace;
}

BOOST_AUTO_TEST_CASE(the_same_seed_gives_the_same_run_and_others_give_others) {
    std::set<std::string> seen;
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        const auto once = trace_of(seed);
        BOOST_TEST(once == trace_of(seed));
        seen.insert(once);
    }
    BOOST_TEST(seen.size() == 30u);
}

BOOST_AUTO_TEST_CASE(a_semaphore_keeps_its_limit_under_every_seed) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        environment env(seed);
        corogate::semaphore gate(env.get_executor(), 3);
        int inside = 0, peak = 0, done = 0;
        const auto visit = [&](int i) -> asio::awaitable<void> {
            const corogate::permit one = co_await gate.async_acquire(asio::use_awaitable);
            peak = std::max(peak, ++inside);
            co_await env.async_wait((i % 4) * 1ms, asio::use_awaitable);
            --inside;
            ++done;
        };
        for (int i = 0; i < 20; ++i)
            asio::co_spawn(env.get_executor(), visit(i), asio::detached);
        env.run_until([&] { return done == 20; });
        BOOST_TEST(peak == 3);
        BOOST_TEST(gate.available() == 3u);
    }
}

BOOST_AUTO_TEST_SUITE_END()
