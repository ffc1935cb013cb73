// A limiter at work in a pool, on virtual time.
#include <corogate/limiters/adaptive.hpp>
#include <corogate/semaphore.hpp>
#include <corogate/task_pool.hpp>

#include "completions.hpp"

#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/testing/environment.hpp>
#include <stdexcept>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using corogate::pool_options;
using corogate::task_pool;
using corogate::testing::environment;
using test::settle;

BOOST_AUTO_TEST_SUITE(moving_limit_tests)

/// Says what a script tells it.
struct scripted {
    std::size_t says = 7;
    std::size_t* windows_seen;
    std::size_t limit() const noexcept { return says; }
    corogate::window_rule windows() const noexcept { return {}; }
    void update(const corogate::limiter_window& w, std::chrono::steady_clock::time_point) noexcept {
        ++*windows_seen;
        says = w.max_in_flight + 1;
    }
};

/// Something behind the tasks that serves `places` at once, the others wait for it.
class downstream {
public:
    downstream(environment& env, std::size_t places)
        : slots_(env.get_executor(), places) {}
    auto call(environment& env) {
        return [this, &env]() -> asio::awaitable<void> {
            auto slot = co_await slots_.async_acquire(asio::use_awaitable);
            co_await env.async_wait(10ms, asio::use_awaitable);
        };
    }
    void places(std::size_t n) { slots_.resize(n); }

private:
    corogate::semaphore slots_;
};

/// Keeps the queue full for some time.
template <typename Task>
void load(environment& env, task_pool& pool, Task task, environment::duration time) {
    const auto until = env.now() + time;
    while (env.now() < until) {
        while (pool.stats().waiting < 200)
            BOOST_REQUIRE(pool.try_submit(task));
        env.advance(1ms);
    }
}

BOOST_AUTO_TEST_CASE(the_limiter_is_shown_windows_and_its_limit_is_in_force) {
    std::size_t windows = 0;
    environment env;
    task_pool pool{env, pool_options{}.limit(5).limiter(scripted{7, &windows})};
    downstream db(env, 1000);
    load(env, pool, db.call(env), 1s);
    BOOST_TEST(windows >= 8u);
    BOOST_TEST(windows <= 10u);
    const auto s = pool.stats();
    BOOST_TEST(s.limit > 7u); // one more than was used, each time
    BOOST_TEST(s.limit == s.limit_proposed);
    BOOST_TEST(s.running == s.limit);
    BOOST_TEST(!s.limit_held);
    env.advance(1s);
    settle(env, pool);
}

BOOST_AUTO_TEST_CASE(an_idle_pool_has_no_alarm) {
    std::size_t windows = 0;
    environment env;
    task_pool pool{env, pool_options{}.limit(5).idle_after(0ns).limiter(scripted{7, &windows})};
    downstream db(env, 1000);
    load(env, pool, db.call(env), 500ms);
    env.advance(2s);
    BOOST_TEST(env.timers_waiting() == 0u);
    const auto seen = windows;
    env.advance(1h);
    BOOST_TEST(windows == seen);
}

BOOST_AUTO_TEST_CASE(resize_holds_the_limit_until_adapt) {
    std::size_t windows = 0;
    environment env;
    task_pool pool{env, pool_options{}.limit(5).limiter(scripted{7, &windows})};
    downstream db(env, 1000);
    pool.resize(3);
    load(env, pool, db.call(env), 1s);
    auto s = pool.stats();
    BOOST_TEST(s.limit == 3u);
    BOOST_TEST(s.running == 3u);
    BOOST_TEST(s.limit_held);
    BOOST_TEST(s.limit_proposed == 4u); // it goes on learning
    pool.adapt();
    load(env, pool, db.call(env), 300ms);
    s = pool.stats();
    BOOST_TEST(s.limit > 3u);
    BOOST_TEST(!s.limit_held);
    env.advance(1s);
    settle(env, pool);
}

BOOST_AUTO_TEST_CASE(a_dry_run_proposes_only) {
    std::size_t windows = 0;
    environment env;
    task_pool pool{env, pool_options{}.limit(5).dry_run(true).limiter(scripted{7, &windows})};
    downstream db(env, 1000);
    load(env, pool, db.call(env), 500ms);
    const auto s = pool.stats();
    BOOST_TEST(s.limit == 5u);
    BOOST_TEST(s.limit_proposed == 6u);
    env.advance(1s);
    settle(env, pool);
}

BOOST_AUTO_TEST_CASE(failed_tasks_teach_nothing) {
    environment env;
    task_pool pool{
        env, pool_options{}.limit(8).on_error([](auto) {}).limiter(corogate::limiters::adaptive(4))
    };
    for (int i = 0; i < 2000; ++i) {
        BOOST_REQUIRE(pool.try_submit([] { throw std::runtime_error("no"); }));
        env.advance(1ms);
    }
    BOOST_TEST(pool.stats().limit_proposed == 8u);
}

BOOST_AUTO_TEST_CASE(adaptive_finds_what_the_downstream_can_do_and_follows_it) {
    environment env;
    task_pool pool{env, pool_options{}.limit(8).limiter(corogate::limiters::adaptive(4))};
    downstream db(env, 64);
    const auto pace = [&](environment::duration time) {
        const auto before = pool.stats().completed;
        load(env, pool, db.call(env), time);
        return static_cast<double>(pool.stats().completed - before) /
               std::chrono::duration<double>(time).count();
    };
    // Which tasks are timed is random, and so is how soon it is where it should be: within seconds.
    const auto reaches = [&](double wanted) {
        for (int i = 0; i < 15; ++i)
            if (pace(1s) >= wanted)
                return true;
        return false;
    };
    BOOST_TEST(reaches(0.95 * 6400));
    BOOST_TEST(pool.stats().limit <= 160u);
    db.places(12);
    BOOST_TEST(reaches(0.95 * 1200));
    for (int i = 0; i < 60 && pool.stats().limit > 40; ++i)
        BOOST_REQUIRE_GE(pace(1s), 0.9 * 1200);
    BOOST_TEST(pool.stats().limit <= 40u);
    db.places(64);
    BOOST_TEST(reaches(0.95 * 6400));
    env.advance(5s);
    BOOST_TEST(pool.stats().running == 0u); // at most as many ran as the limit was once
}

BOOST_AUTO_TEST_SUITE_END()
