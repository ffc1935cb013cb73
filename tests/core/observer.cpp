#include <corogate/observer.hpp>

#include "completions.hpp"
#include "support/turnstile.hpp"

#include <algorithm>
#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <condition_variable>
#include <corogate/task_pool.hpp>
#include <corogate/testing/for_each_seed.hpp>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <streambuf>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::error_code;
using corogate::errc;
using corogate::job_options;
using corogate::overflow_policy;
using corogate::pool_options;
using corogate::priority_class;
using corogate::stuck_task;
using corogate::task_info;
using corogate::task_pool;
using corogate::testing::environment;
using corogate::testing::for_each_seed;
using test::completion_of;
using test::settle;

BOOST_AUTO_TEST_SUITE(observer_tests)

/// Counts everything; on an environment, where one thread does everything.
struct counter : corogate::observer {
    std::size_t starts = 0, ends = 0, failures = 0;
    std::map<errc, std::size_t> drops, refusals;
    std::vector<std::chrono::nanoseconds> waits, runs;
    std::vector<std::uint64_t> jobs;
    std::vector<std::string> who;

    void started(const task_info& of, std::chrono::nanoseconds waited) override {
        ++starts;
        waits.push_back(waited);
        note(of);
    }
    void
    ended(const task_info& of, std::chrono::nanoseconds ran, const std::exception_ptr& e) override {
        ++ends;
        failures += e != nullptr;
        runs.push_back(ran);
        note(of);
    }
    void dropped(const task_info& of, errc why) override {
        ++drops[why];
        note(of);
    }
    void refused(const job_options& of, std::size_t n, errc why) override {
        refusals[why] += n;
        who.push_back(of.tenant() + "/" + of.name());
    }
    void note(const task_info& of) {
        jobs.push_back(of.job);
        who.push_back(std::string(of.tenant) + "/" + std::string(of.name));
    }
};

BOOST_AUTO_TEST_CASE(times_are_those_of_the_pools_clock) {
    for_each_seed(50, [](environment& env) {
        auto seen = std::make_shared<counter>();
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(10).observe(seen)};
        auto task = [&] { return env.async_wait(10ms, asio::use_awaitable); };
        for (int i = 0; i < 3; ++i)
            BOOST_REQUIRE(pool.try_submit(task));
        env.advance(1s);
        BOOST_TEST(seen->starts == 3u);
        BOOST_TEST(seen->ends == 3u);
        for (std::size_t i = 0; i < 3; ++i) {
            BOOST_TEST((seen->waits[i] == i * 10ms));
            BOOST_TEST((seen->runs[i] == 10ms));
        }
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(an_observation_names_job_tenant_and_name) {
    for_each_seed(20, [](environment& env) {
        auto seen = std::make_shared<counter>();
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(3).observe(seen)};
        auto admitted = pool.try_admit(2, job_options().tenant("lab").name("import"));
        admitted->submit([] {});
        env.run();
        BOOST_TEST(seen->jobs == (std::vector<std::uint64_t>(2, admitted->id())));
        BOOST_REQUIRE(pool.try_submit([] {}));
        env.run();
        BOOST_TEST(seen->jobs.back() == 0u); // of no job with options
        BOOST_TEST(!pool.try_submit_all(
            *std::make_unique<std::vector<std::function<void()>>>(4, [] {}),
            job_options().tenant("edc").name("checks")
        ));
        env.run();
        BOOST_TEST(
            seen->who ==
                (std::vector<std::string>{"lab/import", "lab/import", "/", "/", "edc/checks"}),
            boost::test_tools::per_element()
        );
        BOOST_TEST(seen->refusals[errc::queue_full] == 4u);
        admitted = corogate::refusal(errc::queue_full, 0ms); // the job goes
        settle(env, pool);
    });
}

BOOST_AUTO_TEST_CASE(M1_every_task_is_started_and_ended_or_dropped_and_why) {
    for_each_seed(100, [](environment& env) {
        auto seen = std::make_shared<counter>();
        pool_options options;
        options.limit(2).queue_tasks(8).observe(seen).overflow(overflow_policy::displace);
        options.on_error([](auto) {});
        std::vector<completion_of> ends(40);
        std::vector<asio::cancellation_signal> signals(40);
        corogate::pool_stats s;
        {
            task_pool pool{env, options};
            auto sleep = [&] { return env.async_wait(10ms, asio::use_awaitable); };
            auto fail = [&]() -> asio::awaitable<void> {
                co_await env.async_wait(1ms, asio::use_awaitable);
                throw std::runtime_error("bad");
            };
            for (std::size_t i = 0; i < 40; ++i) {
                auto who = job_options().tenant(i % 4 ? "large" : "small");
                if (i % 5 == 0)
                    who.deadline(11ms);
                auto slot = asio::bind_cancellation_slot(signals[i].slot(), ends[i].note());
                if (i % 3)
                    pool.async_submit(sleep, who, std::move(slot));
                else
                    pool.async_submit(fail, who, std::move(slot));
                if (i % 6 == 1)
                    signals[i].emit(asio::cancellation_type::terminal);
                env.run_one();
            }
            env.advance(12ms);
            s = pool.stats();
            test::check_books(s);
            BOOST_TEST(
                seen->starts == s.accepted - s.waiting - s.cancelled - s.expired - s.displaced
            );
            BOOST_TEST(seen->starts == seen->ends + s.running);
            BOOST_TEST(seen->failures == s.failed);
            BOOST_TEST(seen->drops[errc::cancelled] == s.cancelled);
            BOOST_TEST(seen->drops[errc::expired] == s.expired);
            BOOST_TEST(seen->drops[errc::displaced] == s.displaced);
            std::size_t refusals = 0;
            for (const auto& [why, tasks] : seen->refusals)
                refusals += tasks;
            BOOST_TEST(refusals == s.refused);
        }
        env.run();
        BOOST_TEST(seen->drops[errc::stopped] == s.waiting);
        BOOST_TEST(seen->starts == seen->ends);
        for (auto& end : ends)
            BOOST_TEST(end.times() == 1);
    });
}

BOOST_AUTO_TEST_CASE(C4_a_task_whose_time_is_up_as_its_turn_comes_is_dropped_and_told) {
    // The permit comes free at the very moment of the deadline; the seed says what is seen first.
    for_each_seed(100, [](environment& env) {
        auto seen = std::make_shared<counter>();
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(8).observe(seen)};
        auto sleep = [&] { return env.async_wait(10ms, asio::use_awaitable); };
        BOOST_REQUIRE(pool.try_submit(sleep));
        env.run();
        completion_of end;
        pool.async_submit(sleep, job_options().deadline(10ms), end.note());
        env.advance(10ms);
        BOOST_TEST(end.code() == errc::expired);
        BOOST_TEST(seen->drops[errc::expired] == 1u);
        BOOST_TEST(seen->starts == 1u);
        BOOST_TEST(settle(env, pool).expired == 1u);
    });
}

BOOST_AUTO_TEST_CASE(what_a_drain_gives_up_is_dropped_as_abandoned) {
    for_each_seed(50, [](environment& env) {
        auto seen = std::make_shared<counter>();
        task_pool pool{env, pool_options{}.limit(1).queue_tasks(8).observe(seen).on_error([](auto) {
                       })};
        auto sleep = [&] { return env.async_wait(10s, asio::use_awaitable); };
        for (int i = 0; i < 4; ++i)
            BOOST_REQUIRE(pool.try_submit(sleep));
        pool.async_drain(1s, [](error_code, const corogate::drain_report&) {});
        BOOST_TEST(!pool.try_submit(sleep));
        env.advance(1s);
        BOOST_TEST(seen->drops[errc::abandoned] == 3u);
        BOOST_TEST(seen->refusals[errc::draining] == 1u);
        env.advance(10s);
        BOOST_TEST(seen->ends == 1u);
        settle(env, pool);
        pool.stop();
        BOOST_TEST(!pool.try_submit(sleep));
        env.run();
        BOOST_TEST(seen->refusals[errc::stopped] == 1u);
    });
}

// ---- the watchdog: real threads, no measuring of time ----

/// Keeps the reports; the test's thread waits for them.
struct watcher : corogate::observer {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<stuck_task> reports;

    void stuck(const stuck_task& task) override {
        const std::lock_guard lock(mutex);
        reports.push_back(task);
        changed.notify_all();
    }
    std::vector<stuck_task> await(std::size_t n) {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return reports.size() >= n; });
        return reports;
    }
};

BOOST_AUTO_TEST_CASE(a_stuck_task_is_reported_once_with_its_job) {
    auto seen = std::make_shared<watcher>();
    test::turnstile gate;
    task_pool pool(pool_options{}.threads(1).limit(4).stuck_after(2ms).observe(seen));
    auto stand = [&] { return gate.pass(); };
    auto first = pool.try_admit(1, job_options().tenant("lab").name("import"));
    first->submit(stand);
    auto reports = seen->await(1);
    BOOST_TEST(reports[0].job == first->id());
    BOOST_TEST(reports[0].tenant == "lab");
    BOOST_TEST(reports[0].name == "import");
    BOOST_TEST((reports[0].running >= 2ms));
    BOOST_TEST(!reports[0].lent);
    // Each further one is reported after a look that saw the first again.
    for (int i = 0; i < 3; ++i) {
        BOOST_REQUIRE(pool.try_submit(stand, job_options().name("other")));
        reports = seen->await(std::size_t(i) + 2);
    }
    BOOST_TEST(reports.size() == 4u);
    BOOST_TEST(std::count_if(reports.begin(), reports.end(), [](auto& r) {
                   return r.name == "import";
               }) == 1);
    gate.open();
    test::check_books(test::quiet(pool));
}

BOOST_AUTO_TEST_CASE(a_task_that_blocks_its_only_thread_is_reported) {
    auto seen = std::make_shared<watcher>();
    task_pool pool(pool_options{}.threads(1).stuck_after(2ms).observe(seen));
    bool waited = false;
    auto block = [&] { waited = !seen->await(1).empty(); };
    pool.async_submit(block, asio::use_future).get();
    BOOST_TEST(waited);
}

BOOST_AUTO_TEST_CASE(N1_the_watchdog_tells_a_task_that_has_lent_its_permit) {
    auto seen = std::make_shared<watcher>();
    test::turnstile gate;
    task_pool pool(pool_options{}.threads(1).limit(1).stuck_after(200ms).observe(seen));
    auto child = [&] { return gate.pass(); };
    auto parent = [&]() -> asio::awaitable<void> {
        co_await pool.async_submit(child, job_options().name("child"), asio::use_awaitable);
    };
    BOOST_REQUIRE(pool.try_submit(parent, job_options().name("parent")));
    const auto reports = seen->await(2);
    for (const auto& r : reports)
        BOOST_TEST(r.lent == (r.name == "parent"));
    gate.open();
    test::check_books(test::quiet(pool));
}

/// The standard log, while it exists; the test's thread waits for a line.
class log_of_threads : public std::streambuf {
public:
    log_of_threads()
        : before_(std::clog.rdbuf(this)) {}
    ~log_of_threads() override { std::clog.rdbuf(before_); }
    std::string line() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return text_.find('\n') != std::string::npos; });
        return text_;
    }

private:
    int overflow(int c) override {
        const std::lock_guard lock(mutex_);
        text_ += char(c);
        changed_.notify_all();
        return c;
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    std::string text_;
    std::streambuf* before_;
};

BOOST_AUTO_TEST_CASE(without_an_observer_a_stuck_task_is_logged) {
    log_of_threads log;
    test::turnstile gate;
    task_pool pool(pool_options{}.threads(1).stuck_after(2ms));
    auto stand = [&] { return gate.pass(); };
    BOOST_REQUIRE(pool.try_submit(stand, job_options().tenant("lab").name("import")));
    const auto line = log.line();
    BOOST_TEST(line.find("tenant \"lab\", \"import\"") != std::string::npos);
    gate.open();
    test::quiet(pool);
}

BOOST_AUTO_TEST_CASE(no_watchdog_on_an_environment) {
    environment env;
    auto seen = std::make_shared<watcher>();
    task_pool pool{env, pool_options{}.stuck_after(1ms).observe(seen)};
    auto sleep = [&] { return env.async_wait(10s, asio::use_awaitable); };
    BOOST_REQUIRE(pool.try_submit(sleep));
    env.advance(10s);
    BOOST_TEST(seen->reports.empty());
    settle(env, pool);
}

BOOST_AUTO_TEST_SUITE_END()
