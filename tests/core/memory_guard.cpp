#include <corogate/memory_guard.hpp>

#include "completions.hpp"

#include <boost/test/unit_test.hpp>
#include <corogate/detail/memory_gauge.hpp>
#include <corogate/detail/shedding.hpp>
#include <corogate/task_pool.hpp>
#include <corogate/testing/environment.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

using namespace std::chrono_literals;
using corogate::errc;
using corogate::job_options;
using corogate::memory_guard;
using corogate::priority_class;
using corogate::detail::memory_gauge;
using corogate::detail::shedding;

BOOST_AUTO_TEST_SUITE(memory_guard_tests)

BOOST_AUTO_TEST_CASE(thresholds_are_checked) {
    BOOST_CHECK_THROW(memory_guard().thresholds(0.9, 0.8), std::invalid_argument);
    BOOST_CHECK_THROW(memory_guard().thresholds(0, 0.8), std::invalid_argument);
    BOOST_CHECK_THROW(memory_guard().thresholds(0.5, 1.1), std::invalid_argument);
    BOOST_TEST(memory_guard().thresholds(0.5, 1).hard() == 1.0);
}

// ---- which work ----

BOOST_AUTO_TEST_CASE(background_first_then_everything) {
    const auto share = [](double pressure, priority_class c) {
        shedding s{memory_guard()};
        s.pressure(pressure);
        int refused = 0;
        for (std::uint32_t i = 0; i < 1000; ++i)
            refused += shedding::refuses(s.everything(), s.background(), c, i * 4294967);
        return refused;
    };
    BOOST_TEST(share(0.84, priority_class::background) == 0);
    BOOST_TEST(std::abs(share(0.90, priority_class::background) - 500) <= 5);
    BOOST_TEST(share(0.949, priority_class::background) > 980);
    BOOST_TEST(share(0.949, priority_class::normal) == 0);
    for (const auto c : corogate::all_priority_classes)
        BOOST_TEST(share(0.95, c) == 1000);
}

BOOST_AUTO_TEST_CASE(a_mark_once_passed_holds_until_pressure_is_a_twentieth_below_it) {
    shedding s{memory_guard()};
    s.pressure(0.96);
    BOOST_TEST(s.everything());
    s.pressure(0.94);
    BOOST_TEST(s.everything());
    s.pressure(0.90);
    BOOST_TEST(!s.everything());
    BOOST_TEST(s.background() > 0.4);
    s.pressure(0.82);
    BOOST_TEST(s.background() > 0.0);
    s.pressure(0.80);
    BOOST_TEST(s.background() == 0.0);
    s.pressure(0.84);
    BOOST_TEST(s.background() == 0.0);
}

// ---- how much is used ----

/// A tree of files that says what /proc and /sys would.
class fake_root {
public:
    fake_root()
        : path_(
              std::filesystem::temp_directory_path() /
              ("corogate-memory-" + std::to_string(::getpid()))
          ) {
        std::filesystem::remove_all(path_);
        std::filesystem::create_directories(path_);
    }
    fake_root(const fake_root&) = delete;
    fake_root& operator=(const fake_root&) = delete;
    ~fake_root() { std::filesystem::remove_all(path_); }

    void file(const std::string& name, const std::string& text) {
        const auto full = path_ / name;
        std::filesystem::create_directories(full.parent_path());
        std::ofstream(full) << text;
    }
    double read() const { return memory_gauge(path_.string()).read(); }
    std::size_t groups() const { return memory_gauge(path_.string()).groups(); }

private:
    std::filesystem::path path_;
};

constexpr auto meminfo = "MemTotal:       1000 kB\nMemFree:  10 kB\nMemAvailable:    750 kB\n";

BOOST_AUTO_TEST_CASE(nothing_to_read_is_no_pressure) {
    fake_root root;
    BOOST_TEST(root.read() == 0.0);
    root.file("proc/meminfo", "MemTotal: lots\nMemAvailable: 3 kB\n");
    BOOST_TEST(root.read() == 0.0);
    root.file("proc/meminfo", "MemTotal: 3 kB\nMemAvailable: 4 kB\n");
    BOOST_TEST(root.read() == 0.0);
}

BOOST_AUTO_TEST_CASE(the_machine_is_what_is_not_available) {
    fake_root root;
    root.file("proc/meminfo", meminfo);
    BOOST_TEST(root.read() == 0.25);
}

BOOST_AUTO_TEST_CASE(of_nested_groups_the_tightest_counts_without_droppable_cache) {
    fake_root root;
    root.file("proc/meminfo", meminfo);
    root.file("proc/self/cgroup", "0::/system.slice/app.service\n");
    const std::string own = "sys/fs/cgroup/system.slice/app.service/";
    root.file(own + "memory.current", "900\n");
    root.file(own + "memory.stat", "anon 500\ninactive_file 400\nactive_file 0\n");
    root.file(own + "memory.max", "1000\n");
    root.file(own + "memory.high", "max\n");
    BOOST_TEST(root.groups() == 1u);
    BOOST_TEST(root.read() == 0.5);
    root.file(own + "memory.high", "625\n");
    BOOST_TEST(root.read() == 0.8);
    const std::string above = "sys/fs/cgroup/system.slice/";
    root.file(above + "memory.current", "1900\n");
    root.file(above + "memory.max", "2000\n");
    BOOST_TEST(root.groups() == 2u);
    BOOST_TEST(root.read() == 0.95);
    root.file(above + "memory.max", "max\n");
    BOOST_TEST(root.read() == 0.8);
}

BOOST_AUTO_TEST_CASE(other_layouts_leave_the_machine_alone_to_speak) {
    fake_root root;
    root.file("proc/meminfo", meminfo);
    root.file("proc/self/cgroup", "12:memory:/user\n1:name=systemd:/user\n"); // version 1
    root.file("sys/fs/cgroup/memory.current", "1000\n");
    BOOST_TEST(root.groups() == 0u);
    root.file("proc/self/cgroup", "3:cpu:/\n0::/\n"); // both; the root group has no bound
    BOOST_TEST(root.groups() == 1u);
    BOOST_TEST(root.read() == 0.25);
    root.file("proc/self/cgroup", "0::/../outside\n");
    BOOST_TEST(root.groups() == 0u);
    root.file("proc/self/cgroup", "0::/gone\n");
    BOOST_TEST(root.groups() == 1u); // the one above
    root.file("proc/self/cgroup", "");
    BOOST_TEST(root.read() == 0.25);
}

BOOST_AUTO_TEST_CASE(this_machine_says_something_between_nothing_and_all) {
    const double pressure = memory_gauge().read();
    BOOST_TEST(pressure >= 0.0);
    BOOST_TEST(pressure <= 1.0);
}

// ---- in a pool ----

BOOST_AUTO_TEST_CASE(a_pool_refuses_what_memory_is_too_short_for) {
    corogate::testing::environment env;
    double pressure = 0;
    const auto options = corogate::pool_options{}.guard_memory(memory_guard().source([&pressure] {
        return pressure;
    }));
    corogate::task_pool pool{env, options};
    const auto background = job_options().priority(priority_class::background);
    env.advance(1s);
    BOOST_TEST(pool.try_submit([] {}, background).has_value());
    pressure = 0.9499;
    BOOST_TEST(pool.try_submit([] {}, background).has_value()); // not looked at yet
    env.advance(250ms);
    int refused = 0;
    for (int i = 0; i < 100; ++i)
        refused += !pool.try_submit([] {}, background);
    BOOST_TEST(refused >= 90);
    BOOST_TEST(pool.try_submit([] {}).has_value());
    pressure = 1;
    env.advance(250ms);
    const auto no = pool.try_admit(24);
    BOOST_REQUIRE(!no);
    BOOST_TEST(no.error().reason() == errc::memory_pressure);
    BOOST_TEST(no.error().retryable());
    BOOST_TEST(no.error().retry_after() > 0ms);
    test::completion_of end;
    pool.async_submit([] {}, end.note());
    env.run();
    BOOST_TEST((end.code() == errc::memory_pressure));
    pressure = 0.5;
    env.advance(250ms);
    BOOST_TEST(pool.try_admit(24).has_value());
    test::settle(env, pool);
}

BOOST_AUTO_TEST_SUITE_END()
