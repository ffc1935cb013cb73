#include <corogate/detail/memory_gauge.hpp>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <system_error>
#include <utility>

using corogate::memory_guard;
using corogate::detail::memory_gauge;
namespace fs = std::filesystem;

namespace {

/// A tree of its own in place of /proc and /sys, as the kernel writes them.
class machine {
public:
    machine() {
        std::string name = (fs::temp_directory_path() / "corogate-gauge-XXXXXX").string();
        if (!::mkdtemp(name.data()))
            throw std::system_error(errno, std::generic_category(), "mkdtemp");
        root_ = name;
    }
    machine(const machine&) = delete;
    machine& operator=(const machine&) = delete;
    ~machine() {
        std::error_code ignored;
        fs::remove_all(root_, ignored);
    }

    machine& file(const std::string& path, const std::string& text) {
        const fs::path full = root_ + path;
        fs::create_directories(full.parent_path());
        fs::remove_all(full);
        std::ofstream(full) << text;
        return *this;
    }
    /// Can be opened, not read.
    machine& directory(const std::string& path) {
        fs::remove_all(root_ + path);
        fs::create_directories(root_ + path);
        return *this;
    }
    machine& without(const std::string& path) {
        fs::remove_all(root_ + path);
        return *this;
    }

    machine& meminfo(long total, long available) {
        return file(
            "/proc/meminfo", "MemTotal:       " + std::to_string(total) +
                                 " kB\nMemFree:        12 kB\nMemAvailable:   " +
                                 std::to_string(available) + " kB\nBuffers:         1 kB\n"
        );
    }
    machine& process_in(const std::string& cgroup) {
        return file("/proc/self/cgroup", "0::" + cgroup + "\n");
    }
    /// `cgroup`: its path as in /proc/self/cgroup, empty for the topmost.
    machine& cgroup(
        const std::string& cgroup, const std::string& current, const std::string& high,
        const std::string& max, const std::string& inactive_file = "0"
    ) {
        const std::string at = "/sys/fs/cgroup" + cgroup;
        return file(at + "/memory.current", current + "\n")
            .file(at + "/memory.high", high + "\n")
            .file(at + "/memory.max", max + "\n")
            .file(
                at + "/memory.stat", "anon 1\nfile 2\ninactive_anon 3\ninactive_file " +
                                         inactive_file + "\nactive_file 5\n"
            );
    }

    const std::string& root() const { return root_; }
    double pressure() const { return memory_gauge({}, root_).read(); }

private:
    std::string root_;
};

/// Lets no file be opened.
class no_descriptors {
public:
    no_descriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        ::rlimit none = before_;
        none.rlim_cur = 0;
        ::setrlimit(RLIMIT_NOFILE, &none);
    }
    no_descriptors(const no_descriptors&) = delete;
    no_descriptors& operator=(const no_descriptors&) = delete;
    ~no_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    ::rlimit before_{};
};

} // namespace

BOOST_AUTO_TEST_SUITE(memory_gauge_tests)

BOOST_AUTO_TEST_CASE(where_nothing_is_known_there_is_no_pressure) {
    BOOST_TEST(machine().pressure() == 0.0);
    BOOST_TEST(memory_gauge({}, "/nowhere/at/all").read() == 0.0);
}

BOOST_AUTO_TEST_CASE(the_machine_is_what_of_its_memory_is_not_available) {
    machine m;
    BOOST_TEST(m.meminfo(1000, 250).pressure() == 0.75);
    BOOST_TEST(m.meminfo(1000, 1000).pressure() == 0.0);
    BOOST_TEST(m.meminfo(1000, 0).pressure() == 1.0);
    BOOST_TEST(
        m.file("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 100 kB\n").pressure() == 0.9
    );
}

BOOST_AUTO_TEST_CASE(a_machine_that_makes_no_sense_is_left_out) {
    const char* const absurd[] = {
        "",
        "\n\n\n",
        "MemTotal: 1000 kB\n", // a kernel before 3.14
        "MemAvailable: 10 kB\n",
        "MemTotal: 1000 kB\nMemAvailable: 1001 kB\n", // more than there is
        "MemTotal: 0 kB\nMemAvailable: 0 kB\n",
        "MemTotal: 1000 kB\nMemAvailable: -10 kB\n",
        "MemTotal: 1000 kB\nMemAvailable: ten kB\n",
        "MemTotal: 1000 kB\nMemAvailable:\n",
        "MemTotal: 1000 kB\nMemAvailable: \n",
        "MemTotal: 1000 kB\nMemAvailable: 10 pages\n",
        "MemTotal: 1000 kB\nMemAvailable: 10 kB", // cut off
        "MemTotal: 99999999999999999999 kB\nMemAvailable: 10 kB\n",
        "xMemTotal: 1000 kB\nMemAvailable: 10 kB\n",
        "MemTotal 1000 kB\nMemAvailable 10 kB\n",
    };
    machine m;
    m.process_in("/app").cgroup("/app", "30", "max", "100");
    for (const char* const text : absurd)
        BOOST_TEST_CONTEXT("meminfo: " << text)
    BOOST_TEST(m.file("/proc/meminfo", text).pressure() == 0.3);
    BOOST_TEST(m.directory("/proc/meminfo").pressure() == 0.3);
}

BOOST_AUTO_TEST_CASE(a_cgroup_is_what_it_uses_without_idle_page_cache_over_its_limit) {
    machine m;
    m.process_in("/app");
    BOOST_TEST(m.cgroup("/app", "900", "max", "1000").pressure() == 0.9);
    BOOST_TEST(m.cgroup("/app", "900", "max", "1000", "400").pressure() == 0.5);
    BOOST_TEST(m.cgroup("/app", "400", "500", "1000").pressure() == 0.8); // the smaller limit
    BOOST_TEST(m.cgroup("/app", "400", "1000", "500").pressure() == 0.8);
    BOOST_TEST(m.cgroup("/app", "400", "500", "max").pressure() == 0.8);
    BOOST_TEST(m.cgroup("/app", "400", "max", "max").pressure() == 0.0); // no limit
    BOOST_TEST(m.cgroup("/app", "600", "500", "max").pressure() == 1.0); // beyond it, slowed down
    BOOST_TEST(m.cgroup("/app", "100", "max", "1000", "300").pressure() == 0.0); // read in between
    BOOST_TEST(
        m.cgroup("/app", "4611686018427387904", "max", "9223372036854775808").pressure() == 0.5
    );
}

BOOST_AUTO_TEST_CASE(the_greater_of_machine_and_cgroup_counts) {
    machine m;
    m.process_in("/app").cgroup("/app", "60", "max", "100");
    BOOST_TEST(m.meminfo(100, 50).pressure() == 0.6);
    BOOST_TEST(m.meminfo(100, 20).pressure() == 0.8);
}

BOOST_AUTO_TEST_CASE(the_tightest_of_all_cgroups_above_counts) {
    machine m;
    m.process_in("/a/b/c")
        .cgroup("/a/b/c", "10", "max", "100")
        .cgroup("/a/b", "30", "max", "max")
        .cgroup("/a", "180", "max", "200");
    BOOST_TEST(m.pressure() == 0.9);
    BOOST_TEST(m.cgroup("/a", "180", "max", "max").pressure() == 0.1);
    BOOST_TEST(m.cgroup("/a/b", "30", "40", "max").pressure() == 0.75);
    // In a container the topmost that is seen is a cgroup like any other.
    BOOST_TEST(m.cgroup("", "95", "max", "100").pressure() == 0.95);
    // Others' do not count.
    BOOST_TEST(m.cgroup("/a/other", "99", "max", "100").pressure() == 0.95);
    // A controller that is not handed down leaves no files.
    BOOST_TEST(m.without("/sys/fs/cgroup/a/b/c").pressure() == 0.95);
    BOOST_TEST(m.without("/sys/fs/cgroup/a").pressure() == 0.95);
}

BOOST_AUTO_TEST_CASE(the_process_may_be_at_the_top_or_be_moved) {
    machine m;
    m.process_in("/").cgroup("", "70", "max", "100");
    BOOST_TEST(m.pressure() == 0.7);
    m.process_in("/a").cgroup("/a", "80", "max", "100").cgroup("/b", "90", "max", "100");
    memory_gauge gauge({}, m.root());
    BOOST_TEST(gauge.read() == 0.8);
    m.process_in("/b");
    BOOST_TEST(gauge.read() == 0.9);
    m.process_in("/b/"); // not what a kernel writes
    BOOST_TEST(gauge.read() == 0.9);
}

BOOST_AUTO_TEST_CASE(only_version_2_counts) {
    machine m;
    m.cgroup("/app", "80", "max", "100").cgroup("", "90", "max", "100");
    const std::string v1 = "12:pids:/app\n4:memory:/app\n10::/app\n1:name=systemd:/app\n";
    BOOST_TEST(m.file("/proc/self/cgroup", v1).pressure() == 0.0);
    // Mixed: version 2 is the last of many.
    BOOST_TEST(m.file("/proc/self/cgroup", v1 + "0::/app\n").pressure() == 0.9);
    m.without("/sys/fs/cgroup").file("/sys/fs/cgroup/memory/app/memory.limit_in_bytes", "100\n");
    BOOST_TEST(m.pressure() == 0.0);
    m.file("/sys/fs/cgroup/unified/app/cgroup.procs", "1\n");
    BOOST_TEST(m.pressure() == 0.0);
}

BOOST_AUTO_TEST_CASE(a_process_whose_cgroup_is_not_known_is_told_by_the_machine) {
    machine m;
    m.meminfo(100, 90).cgroup("/app", "80", "max", "100").cgroup("", "80", "max", "100");
    for (const std::string text :
         {"", "\n", "0::", "0::\n", "0::app\n", "0:/app\n", "0::/app", "0::/../app\n",
          "0::/app/../../other\n", "0::/..\n"})
        BOOST_TEST_CONTEXT("cgroup: " << text)
    BOOST_TEST(std::abs(m.file("/proc/self/cgroup", text).pressure() - 0.1) < 1e-12);
    m.process_in("/" + std::string(5000, 'x')); // no path is that long
    BOOST_TEST(std::abs(m.pressure() - 0.1) < 1e-12);
    BOOST_TEST(std::abs(m.directory("/proc/self/cgroup").pressure() - 0.1) < 1e-12);
}

BOOST_AUTO_TEST_CASE(a_cgroup_that_makes_no_sense_is_left_out_and_those_above_count) {
    machine m;
    m.process_in("/a/b");
    const auto whole = [&] {
        m.cgroup("/a", "50", "max", "100").cgroup("/a/b", "90", "max", "100");
    };
    whole();
    BOOST_TEST(m.pressure() == 0.9);
    const std::string at = "/sys/fs/cgroup/a/b/";
    for (const char* const name : {"memory.current", "memory.high", "memory.max", "memory.stat"}) {
        for (const std::string text :
             {"", "\n", "many\n", "-1\n", "1e2\n", "100 kB\n", "99999999999999999999\n", " 100\n",
              "100"})
            BOOST_TEST_CONTEXT(name << ": " << text)
        BOOST_TEST(m.file(at + name, text).pressure() == 0.5);
        BOOST_TEST(m.directory(at + name).pressure() == 0.5);
        BOOST_TEST(m.without(at + name).pressure() == 0.5);
        whole();
    }
    BOOST_TEST(m.file(at + "memory.max", "0\n").pressure() == 0.5);
    whole();
    BOOST_TEST(m.file(at + "memory.current", "max\n").pressure() == 0.5);
    whole();
    for (const char* const stat :
         {"anon 1\n", "inactive_file\n", "inactive_file x\n", "inactive_file 1",
          "inactive_files 1\n", "inactive_file40\n"})
        BOOST_TEST_CONTEXT("memory.stat: " << stat)
    BOOST_TEST(m.file(at + "memory.stat", stat).pressure() == 0.5);
    whole();
    BOOST_TEST(m.pressure() == 0.9);
}

BOOST_AUTO_TEST_CASE(what_lies_beyond_the_buffer_is_not_seen_and_what_is_cut_is_not_taken) {
    machine m;
    m.process_in("/app").cgroup("/app", "90", "max", "100");
    const std::string stat = "/sys/fs/cgroup/app/memory.stat";
    const auto padded = [](std::size_t before) {
        return std::string(before - 1, '#') + "\ninactive_file 40\n";
    };
    BOOST_TEST(m.file(stat, padded(8192 - 17)).pressure() == 0.5); // 17: that line
    BOOST_TEST(m.file(stat, padded(8192 - 16)).pressure() == 0.0);
    BOOST_TEST(m.file(stat, padded(8192 - 15)).pressure() == 0.0); // not 4
    BOOST_TEST(m.file(stat, padded(100'000)).pressure() == 0.0);
}

BOOST_AUTO_TEST_CASE(a_long_path_is_read_as_long_as_it_fits) {
    machine m;
    const std::string part = "/" + std::string(200, 'x');
    std::string path;
    while (path.size() < 3000)
        path += part;
    m.cgroup("/" + std::string(200, 'x'), "80", "max", "100");
    BOOST_TEST(m.process_in(path).pressure() == 0.8);
    while (path.size() < 4096)
        path += part;
    BOOST_TEST(m.process_in(path).pressure() == 0.0);
}

BOOST_AUTO_TEST_CASE(without_descriptors_the_last_pressure_holds) {
    machine m;
    m.meminfo(100, 30).process_in("/app").cgroup("/app", "90", "max", "100");
    memory_gauge gauge({}, m.root());
    memory_gauge young({}, m.root());
    BOOST_TEST(gauge.read() == 0.9);
    m.cgroup("/app", "50", "max", "100");
    double held = 0;
    double unknown = 0;
    {
        const no_descriptors here;
        held = gauge.read();
        held += gauge.read();
        unknown = young.read();
    }
    BOOST_TEST(held == 1.8);
    BOOST_TEST(unknown == 0.0);
    BOOST_TEST(gauge.read() == 0.7);
    // What is merely gone does not.
    m.without("/proc").without("/sys");
    BOOST_TEST(gauge.read() == 0.0);
}

BOOST_AUTO_TEST_CASE(a_source_of_the_users_own_is_the_only_one_and_harms_nobody) {
    machine m;
    m.meminfo(100, 10);
    double says = 0.5;
    memory_gauge gauge(memory_guard{}.source([&] { return says; }), m.root());
    BOOST_TEST(gauge.read() == 0.5);
    const double infinity = std::numeric_limits<double>::infinity();
    for (const auto& [said, read] :
         {std::pair(0.0, 0.0),
          {1.0, 1.0},
          {2.0, 1.0},
          {infinity, 1.0},
          {-1.0, 0.0},
          {-infinity, 0.0},
          {std::numeric_limits<double>::quiet_NaN(), 0.0}}) {
        says = said;
        BOOST_TEST(gauge.read() == read);
    }
    memory_gauge throws(
        memory_guard{}.source([]() -> double { throw std::runtime_error("no"); }), m.root()
    );
    BOOST_TEST(throws.read() == 0.0);
}

BOOST_AUTO_TEST_CASE(this_machine_has_a_pressure) {
    if (!fs::exists("/proc/meminfo")) {
        BOOST_TEST_MESSAGE("no /proc here");
        return;
    }
    memory_gauge gauge;
    const double p = gauge.read();
    BOOST_TEST(p > 0.0); // something runs: this test
    BOOST_TEST(p <= 1.0);
}

BOOST_AUTO_TEST_SUITE_END()
