#pragma once

// What the benchmark programs share. A program runs one row and prints what it measured, a
// "metric value" a line, or "unmeasured why"; table.cpp starts it, in a process of its own.

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace bench {

inline std::size_t cores() { return std::max<std::size_t>(1, std::thread::hardware_concurrency()); }

inline void report(const char* metric, double value) { std::printf("%s %.9g\n", metric, value); }
inline void unmeasured(const char* why) { std::printf("unmeasured %s\n", why); }

/// `key=value` words of the command line.
class arguments {
public:
    arguments(int count, char** words) {
        for (int i = 2; i < count; ++i) {
            const std::string_view word = words[i];
            const auto equals = word.find('=');
            if (equals == word.npos)
                fail("not key=value", word);
            values_.insert_or_assign(
                std::string(word.substr(0, equals)), std::string(word.substr(equals + 1))
            );
        }
    }
    std::size_t number(const char* key, std::size_t otherwise) const {
        const auto found = values_.find(key);
        if (found == values_.end())
            return otherwise;
        const std::string& text = found->second;
        std::size_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || end != text.data() + text.size() || value == 0)
            fail("not a number above 0", text);
        return value;
    }

private:
    [[noreturn]] static void fail(const char* what, std::string_view word) {
        std::fprintf(stderr, "%s: %.*s\n", what, static_cast<int>(word.size()), word.data());
        std::exit(2);
    }
    std::map<std::string, std::string> values_;
};

/// Wall time, and processor time of all threads of the process.
class stopwatch {
public:
    void start() noexcept {
        wall_ = now(CLOCK_MONOTONIC);
        cpu_ = now(CLOCK_PROCESS_CPUTIME_ID);
    }
    void stop() noexcept {
        cpu_ = now(CLOCK_PROCESS_CPUTIME_ID) - cpu_;
        wall_ = now(CLOCK_MONOTONIC) - wall_;
    }
    void report_per(std::size_t operations) const {
        const auto n = static_cast<double>(operations);
        report("cpu_ns", static_cast<double>(cpu_) / n);
        report("wall_ns", static_cast<double>(wall_) / n);
    }

private:
    static std::int64_t now(clockid_t which) noexcept {
        timespec t{};
        clock_gettime(which, &t);
        return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
    }
    std::int64_t wall_ = 0;
    std::int64_t cpu_ = 0;
};

/// Counts ends down; one thread waits for the last.
class countdown {
public:
    void begin(std::size_t n) noexcept { left_.store(n, std::memory_order_relaxed); }
    void hit() noexcept {
        if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            left_.notify_one();
    }
    void join() const noexcept {
        for (auto left = left_.load(); left != 0; left = left_.load())
            left_.wait(left);
    }

private:
    std::atomic<std::size_t> left_{0};
};

/// Starts `tasks` in batches (of all of them, unless `batch` says otherwise), joins each batch.
/// The two together are one measurement: `start(countdown, n)` starts n and each hits the
/// countdown.
template <typename Start>
void in_batches(const arguments& given, Start start) {
    const auto tasks = given.number("tasks", 1'000'000);
    const auto batch = given.number("batch", tasks);
    countdown left;
    const auto run = [&](std::size_t n) {
        left.begin(n);
        start(left, n);
        left.join();
    };
    run(std::min<std::size_t>(batch, 4096)); // threads are up, caches of frames and heap are warm
    stopwatch watch;
    watch.start();
    for (std::size_t done = 0; done < tasks; done += std::min(batch, tasks - done))
        run(std::min(batch, tasks - done));
    watch.stop();
    watch.report_per(tasks);
}

/// One call's duration at the given share of the sorted samples.
inline double quantile(const std::vector<std::int64_t>& sorted, double share) {
    return static_cast<double>(
        sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))]
    );
}

struct row {
    std::string_view name;
    void (*run)(const arguments&);
};

/// The whole of a program's main.
inline int run_row(int count, char** words, std::initializer_list<row> rows) {
    for (const row& one : rows)
        if (count >= 2 && one.name == words[1]) {
            try {
                one.run(arguments(count, words));
                return 0;
            } catch (const std::exception& error) {
                std::fprintf(stderr, "%s: %s\n", words[1], error.what());
                return 1;
            }
        }
    std::fprintf(stderr, "usage: %s row [key=value ...]\nrows:", words[0]);
    for (const row& one : rows)
        std::fprintf(stderr, " %.*s", static_cast<int>(one.name.size()), one.name.data());
    std::fprintf(stderr, "\n");
    return 2;
}

} // namespace bench
