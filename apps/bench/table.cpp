// The benchmark table: starts every contestant in a process of its own, in turn, several rounds
// (A B C A B C ...), and prints medians, ratios to the base of the same round, and which marks are
// met. apps/bench/table builds everything and starts this.
//
//   corogate-bench-table --bin DIR [--rounds N] [--only ID] [--json FILE] [--about key=value]
//                        [--missing PROGRAM=WHY]
//
// Times are of one operation: processor time of all threads of the process ("cpu_ns") and wall
// time ("wall_ns"). Peak memory is that of the whole process. A ratio is the median of the ratios
// of the rounds; the range beside it is that of all rounds, "wide" where it spans more than 1.5.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <spawn.h>
#include <sstream>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <boost/version.hpp>

extern char** environ;

namespace {

// ---- what is measured ----

struct contestant {
    const char* name;
    const char* program; // corogate-bench-<program>
    const char* row;     // and its arguments
};

/// What a mark compares: a contestant's metric, with a number or with another contestant's.
struct mark {
    const char* what;
    const char* who;
    const char* metric;
    double at_most;
    const char* against; // null: at_most is the number itself
    const char* unit;
};

struct benchmark {
    const char* id;
    const char* what;
    std::vector<const char*> metrics;    // the first is what the ratio column compares
    std::vector<contestant> contestants; // the first is the base
    std::vector<mark> marks;
    bool instructions = false; // count them too, once: they do not vary
};

const std::vector<benchmark>& all_benchmarks() {
    static const std::vector<benchmark> all{
        {"flood",
         "10^6 empty tasks at once from an outside thread, limit 64, queue as long as it takes",
         {"cpu_ns", "wall_ns", "peak_mib"},
         {{"asio: post", "asio", "post"},
          {"corogate: coroutine", "tasks", "coroutine"},
          {"corogate: plain callable", "tasks", "callable"},
          {"corogate: result to a callback", "tasks", "result"},
          {"corogate: awaited, 64 callers", "tasks", "awaited"},
          {"corogate: awaited, 1 caller", "tasks", "awaited callers=1"},
          {"corogate: jobs of 24, joined", "tasks", "job"},
          {"asio: co_spawn", "asio", "co_spawn"},
          {"asio: co_spawn, result", "asio", "co_spawn-result"},
          {"asio: co_spawn, awaited by 64", "asio", "co_spawn-awaited"},
          {"asio: 24 posts, joined", "asio", "post-joined"},
          {"tbb: task_group", "tbb", "task_group"},
          {"tbb: task_arena enqueue", "tbb", "task_arena"},
          {"tbb: groups of 24", "tbb", "joined"},
          {"go: go statement", "go", "empty-go"},
          {"go: channel tokens", "go", "empty-channel"},
          {"go: resident workers", "go", "empty-workers"},
          {"go: ants", "go", "empty-ants"},
          {"go: pond Go", "go", "empty-pond-go"},
          {"go: pond Submit", "go", "empty-pond-submit"},
          {"go: pond groups of 24", "go", "group-pond"}},
         {{"empty coroutine task", "corogate: coroutine", "cpu_ns", 1.0, "asio: post", ""},
          {"plain callable", "corogate: plain callable", "cpu_ns", 0.9, "asio: post", ""},
          {"result to a callback", "corogate: result to a callback", "cpu_ns", 1.3, "asio: post", ""
          },
          {"awaited from a coroutine on the pool", "corogate: awaited, 64 callers", "cpu_ns", 1.5,
           "asio: post", ""},
          {"job of 24 tasks, joined, a task", "corogate: jobs of 24, joined", "cpu_ns", 1.0,
           "asio: post", ""}}},
        {"batch",
         "the same in joined batches of 4096, default queue",
         {"cpu_ns", "wall_ns", "peak_mib"},
         {{"asio: post", "asio", "post batch=4096"},
          {"corogate: coroutine", "tasks", "coroutine batch=4096"},
          {"corogate: plain callable", "tasks", "callable batch=4096"},
          {"corogate: result to a callback", "tasks", "result batch=4096"},
          {"corogate: jobs of 24, joined", "tasks", "job batch=4096"},
          {"asio: co_spawn", "asio", "co_spawn batch=4096"},
          {"tbb: task_group", "tbb", "task_group batch=4096"},
          {"tbb: task_arena enqueue", "tbb", "task_arena batch=4096"},
          {"go: go statement", "go", "empty-go batch=4096"},
          {"go: ants", "go", "empty-ants batch=4096"},
          {"go: pond Go", "go", "empty-pond-go batch=4096"}},
         {{"empty coroutine task, batches", "corogate: coroutine", "cpu_ns", 1.0, "asio: post", ""},
          {"job of 24, batches", "corogate: jobs of 24, joined", "cpu_ns", 1.0, "asio: post", ""},
          {"plain callable, batches", "corogate: plain callable", "cpu_ns", 0.9, "asio: post", ""}}
        },
        {"refusal",
         "a task refused by a full queue",
         {"cpu_ns", "allocations"},
         {{"corogate: try_submit", "heap", "refusal"},
          {"go: channel select", "go", "refusal-channel"},
          {"go: ants nonblocking", "go", "refusal-ants"},
          {"go: pond nonblocking", "go", "refusal-pond"}},
         {{"refusal", "corogate: try_submit", "cpu_ns", 30, nullptr, "ns"},
          {"refusal, allocations", "corogate: try_submit", "allocations", 0, nullptr, ""}}},
        {"refusal-busy",
         "the same while every task thread computes; each call timed, the clock's own time "
         "included",
         {"p50_ns", "p99_ns", "clock_ns"},
         {{"corogate: try_submit", "tasks", "refusal-busy"}},
         {{"refusal while busy, p99", "corogate: try_submit", "p99_ns", 5000, nullptr, "ns"}}},
        {"semaphore",
         "acquire and release of a free permit, one thread",
         {"cpu_ns"},
         {{"corogate: try_acquire", "semaphores", "uncontended"},
          {"asio: concurrent_channel", "asio", "channel-uncontended"}},
         {{"semaphore, uncontended", "corogate: try_acquire", "cpu_ns", 15, nullptr, "ns"}}},
        {"hand-over",
         "10^6 acquisitions by 2000 coroutines, 4 permits",
         {"cpu_ns", "wall_ns", "peak_mib"},
         {{"asio: concurrent_channel", "asio", "channel-hand-over"},
          {"corogate: semaphore", "semaphores", "hand-over"},
          {"asio: count on a strand", "asio", "strand-hand-over"}},
         {{"saturated hand-over", "corogate: semaphore", "cpu_ns", 1.3, "asio: concurrent_channel",
           ""},
          {"saturated hand-over, stretch", "corogate: semaphore", "cpu_ns", 1.0,
           "asio: concurrent_channel", ""}}},
        {"cancel",
         "cancel one of 16 000 waiters, its handler included",
         {"cpu_ns"},
         {{"corogate: semaphore", "semaphores", "cancel"},
          {"asio: concurrent_channel", "asio", "channel-cancel"}},
         {{"cancel one of 16 000", "corogate: semaphore", "cpu_ns", 1000, nullptr, "ns"}}},
        {"naps",
         "10^6 tasks that sleep 10 ms, limit 50 000, queue 1024, the submitter waits",
         {"cpu_ns", "wall_ns", "peak_mib", "at_once"},
         {{"asio: resident coroutines", "asio", "naps-resident"},
          {"corogate: coroutine", "tasks", "naps"},
          {"asio: co_spawn, channel tokens", "asio", "naps-channel"},
          {"go: go statement, no limit", "go", "naps-go"},
          {"go: channel tokens", "go", "naps-channel"},
          {"go: ants", "go", "naps-ants"},
          {"go: pond Go", "go", "naps-pond-go"}},
         {{"naps, CPU", "corogate: coroutine", "cpu_ns", 1.3, "asio: resident coroutines", ""},
          {"naps, peak memory", "corogate: coroutine", "peak_mib", 1.3, "asio: resident coroutines",
           ""},
          {"naps, CPU against ants", "corogate: coroutine", "cpu_ns", 0.75, "go: ants", ""}}},
        {"waiting",
         "heap bytes of a waiting detached task with a closure of 32 bytes, of 10^6",
         {"bytes", "arena_bytes", "allocations"},
         {{"corogate: coroutine", "heap", "waiting-coroutine"},
          {"corogate: plain callable", "heap", "waiting-callable"}},
         {{"bytes of a waiting task", "corogate: coroutine", "bytes", 256, nullptr, "bytes"},
          {"bytes of a waiting task, stretch", "corogate: coroutine", "bytes", 160, nullptr, "bytes"
          }}},
        {"depth",
         "one task while n others wait, one thread",
         {"cpu_ns", "wall_ns", "peak_mib"},
         {{"10 wait", "tasks", "depth waiting=10"},
          {"1 000 wait", "tasks", "depth waiting=1000"},
          {"100 000 wait", "tasks", "depth waiting=100000"},
          {"1 000 000 wait", "tasks", "depth waiting=1000000 tasks=3000000"}},
         {{"10 -> 10^6 waiting, time", "1 000 000 wait", "cpu_ns", 2.5, "10 wait", ""},
          {"10 -> 10^6 waiting, instructions", "1 000 000 wait", "instructions", 1.2, "10 wait", ""}
         },
         true},
        {"tenants",
         "one task while 100 000 others of n tenants wait, one thread",
         {"cpu_ns", "wall_ns", "peak_mib"},
         {{"1 tenant", "tasks", "tenants tenants=1"},
          {"100 000 tenants", "tasks", "tenants tenants=100000"}},
         {{"1 -> 10^5 tenants, time", "100 000 tenants", "cpu_ns", 2.5, "1 tenant", ""},
          {"1 -> 10^5 tenants, instructions", "100 000 tenants", "instructions", 1.2, "1 tenant", ""
          }},
         true},
    };
    return all;
}

// ---- running ----

struct settings {
    std::string bin;
    int rounds = 5;
    std::vector<std::string> only;
    std::string json;
    std::map<std::string, std::string> about;
    std::map<std::string, std::string> missing;
};

std::vector<std::string> words_of(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> words;
    for (std::string word; in >> word;)
        words.push_back(word);
    return words;
}

struct ended {
    std::string output;
    int status = 0;
    rusage usage{};
};

/// Runs a program to its end; standard output is kept, and standard error where asked for.
ended run(const std::vector<std::string>& words, bool keep_errors = false) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        throw std::runtime_error("pipe2: " + std::string(std::strerror(errno)));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    if (keep_errors)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    std::vector<char*> arguments;
    for (const auto& word : words)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    pid_t child = 0;
    const int error =
        posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    ended end;
    if (error != 0) {
        close(ends[0]);
        throw std::runtime_error(words[0] + ": " + std::strerror(error));
    }
    char block[4096];
    for (ssize_t n; (n = read(ends[0], block, sizeof block)) > 0;)
        end.output.append(block, static_cast<std::size_t>(n));
    close(ends[0]);
    while (wait4(child, &end.status, 0, &end.usage) < 0 && errno == EINTR) {
    }
    return end;
}

/// What the rounds of one contestant came to.
struct result {
    std::map<std::string, std::vector<double>> values; // by metric, one a round
    std::string unmeasured;                            // why, where it is not empty
};

std::string program_of(const settings& s, const contestant& c) {
    return s.bin + "/corogate-bench-" + c.program;
}

void run_once(const settings& s, const contestant& c, result& into) {
    if (!into.unmeasured.empty())
        return;
    if (const auto why = s.missing.find(c.program); why != s.missing.end()) {
        into.unmeasured = why->second;
        return;
    }
    std::vector<std::string> words{program_of(s, c)};
    if (access(words[0].c_str(), X_OK) != 0) {
        into.unmeasured = "not built";
        return;
    }
    for (auto& word : words_of(c.row))
        words.push_back(std::move(word));
    const ended end = run(words);
    if (!WIFEXITED(end.status) || WEXITSTATUS(end.status) != 0) {
        into.unmeasured = WIFSIGNALED(end.status)
                              ? "killed by signal " + std::to_string(WTERMSIG(end.status))
                              : "failed with status " + std::to_string(WEXITSTATUS(end.status));
        return;
    }
    std::istringstream lines(end.output);
    for (std::string line; std::getline(lines, line);) {
        const auto space = line.find(' ');
        if (space == line.npos)
            continue;
        if (line.substr(0, space) == "unmeasured") {
            into.unmeasured = line.substr(space + 1);
            return;
        }
        into.values[line.substr(0, space)].push_back(std::atof(line.c_str() + space + 1));
    }
    into.values["peak_mib"].push_back(static_cast<double>(end.usage.ru_maxrss) / 1024);
}

// ---- instructions ----

/// How instructions can be counted here: by the processor, by valgrind, or not at all.
enum class counter { none, perf, callgrind };

counter find_counter() {
    const auto works = [](const std::vector<std::string>& words, const char* sign) {
        try {
            const ended end = run(words, true);
            return WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0 &&
                   end.output.find(sign) != std::string::npos &&
                   end.output.find("<not") == std::string::npos;
        } catch (const std::runtime_error&) {
            return false;
        }
    };
    if (works({"perf", "stat", "-e", "instructions:u", "true"}, "instructions"))
        return counter::perf;
    if (works({"valgrind", "--version"}, "valgrind"))
        return counter::callgrind;
    return counter::none;
}

/// Instructions of one whole run; nothing where the counter's answer is not understood.
std::optional<double> count(counter with, std::vector<std::string> words) {
    std::vector<std::string> all =
        with == counter::perf
            ? std::vector<std::string>{"perf", "stat", "-x,", "-e", "instructions:u"}
            : std::vector<std::string>{
                  "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"
              };
    all.insert(all.end(), words.begin(), words.end());
    const ended end = run(all, true);
    if (!WIFEXITED(end.status) || WEXITSTATUS(end.status) != 0)
        return std::nullopt;
    std::istringstream lines(end.output);
    for (std::string line; std::getline(lines, line);) {
        if (with == counter::perf && line.find("instructions") != line.npos)
            return std::atof(line.c_str());
        if (const auto at = line.find("Collected : "); at != line.npos)
            return std::atof(line.c_str() + at + 12);
    }
    return std::nullopt;
}

/// Two runs that differ in nothing but the number of tasks: what the others cost, per task.
void count_instructions(const settings& s, counter with, const contestant& c, result& into) {
    constexpr double more = 200'000;
    if (!into.unmeasured.empty())
        return;
    std::vector<std::string> words{program_of(s, c)};
    for (auto& word : words_of(c.row))
        words.push_back(std::move(word));
    words.push_back("tasks=100000");
    const auto few = count(with, words);
    words.back() = "tasks=300000";
    const auto many = count(with, words);
    if (few && many)
        into.values["instructions"].push_back((*many - *few) / more);
}

// ---- figures ----

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const auto n = values.size();
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

struct figure {
    double middle, low, high;
    bool wide() const { return low > 0 && high / low > 1.5; }
};

/// Median and range of a contestant's metric, or of its ratios round by round.
std::optional<figure>
figure_of(const result& r, const std::string& metric, const result* base = nullptr) {
    const auto own = r.values.find(metric);
    if (!r.unmeasured.empty() || own == r.values.end() || own->second.empty())
        return std::nullopt;
    std::vector<double> values = own->second;
    if (base) {
        const auto other = base->values.find(metric);
        if (!base->unmeasured.empty() || other == base->values.end() ||
            other->second.size() != values.size())
            return std::nullopt;
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (other->second[i] <= 0 || values[i] <= 0)
                return std::nullopt; // no ratio
            values[i] /= other->second[i];
        }
    }
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    return figure{median(values), *low, *high};
}

std::string text_of(double value) {
    char text[32];
    std::snprintf(text, sizeof text, value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : "%.2f", value);
    return text;
}

std::string padded(std::string text, std::size_t width, bool left = false) {
    if (text.size() < width)
        text.insert(left ? text.size() : 0, width - text.size(), ' ');
    return text;
}

struct judged {
    const benchmark* of;
    const mark* by;
    std::optional<figure> came;
    std::string why_not; // where nothing came
    const char* verdict() const {
        return !came ? "unmeasured" : came->middle <= by->at_most ? "met" : "NOT MET";
    }
};

using results = std::map<std::string, result>; // by contestant

judged judge(const benchmark& b, const mark& m, const results& rs) {
    const result& who = rs.at(m.who);
    const result* base = m.against ? &rs.at(m.against) : nullptr;
    judged j{&b, &m, figure_of(who, m.metric, base), {}};
    if (j.came)
        return j;
    j.why_not = !who.unmeasured.empty() ? who.unmeasured
                : base && !base->unmeasured.empty()
                    ? std::string(m.against) + ": " + base->unmeasured
                    : std::string("no ") + m.metric;
    return j;
}

void print_benchmark(const benchmark& b, const results& rs) {
    std::cout << "\n" << b.id << ": " << b.what << "\n" << padded("", 34, true);
    auto metrics = b.metrics;
    if (b.instructions)
        metrics.push_back("instructions");
    for (const char* metric : metrics)
        std::cout << padded(metric, 13);
    std::cout << "   " << b.metrics.front() << " to base\n";
    const result& base = rs.at(b.contestants.front().name);
    for (const contestant& c : b.contestants) {
        const result& r = rs.at(c.name);
        std::cout << "  " << padded(c.name, 32, true);
        if (!r.unmeasured.empty()) {
            std::cout << "  unmeasured: " << r.unmeasured << "\n";
            continue;
        }
        for (const char* metric : metrics) {
            const auto f = figure_of(r, metric);
            std::cout << padded(f ? text_of(f->middle) : "-", 13);
        }
        if (const auto f = figure_of(r, b.metrics.front(), &base))
            std::cout << "   " << padded(text_of(f->middle), 5) << "  (" << text_of(f->low)
                      << " to " << text_of(f->high) << (f->wide() ? ", wide)" : ")");
        std::cout << "\n";
    }
    std::cout << std::flush;
}

void print_marks(const std::vector<judged>& all) {
    std::cout << "\n"
              << padded("mark", 40, true) << padded("at most", 14) << padded("came", 10)
              << "   of all rounds\n";
    for (const judged& j : all) {
        std::string bound = text_of(j.by->at_most);
        if (j.by->against)
            bound += " x";
        else if (*j.by->unit)
            bound += std::string(" ") + j.by->unit;
        std::cout << padded(j.by->what, 40, true) << padded(bound, 14);
        if (j.came)
            std::cout << padded(text_of(j.came->middle), 10) << "   "
                      << padded(
                             text_of(j.came->low) + " to " + text_of(j.came->high) +
                                 (j.came->wide() ? ", wide" : ""),
                             24, true
                         )
                      << j.verdict() << "\n";
        else
            std::cout << padded("-", 10) << "   " << padded("", 24, true)
                      << "unmeasured: " << j.why_not << "\n";
    }
    std::cout << std::flush;
}

// ---- JSON ----

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            out += '\\';
        if (static_cast<unsigned char>(c) < 0x20) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
            out += escape;
        } else {
            out += c;
        }
    }
    return out + '"';
}

std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.9g", value);
    return text;
}

std::string json_of(const figure& f) {
    return "{\"median\": " + number(f.middle) + ", \"lowest\": " + number(f.low) +
           ", \"highest\": " + number(f.high) + "}";
}

void write_json(
    const settings& s, const std::map<std::string, results>& all, const std::vector<judged>& marks
) {
    std::ofstream out(s.json);
    out << "{\n  \"about\": {";
    const char* comma = "";
    for (const auto& [key, value] : s.about) {
        out << comma << "\n    " << quoted(key) << ": " << quoted(value);
        comma = ",";
    }
    out << "\n  },\n  \"rounds\": " << s.rounds << ",\n  \"marks\": [";
    comma = "";
    for (const judged& j : marks) {
        out << comma << "\n    {\"what\": " << quoted(j.by->what)
            << ", \"benchmark\": " << quoted(j.of->id) << ", \"who\": " << quoted(j.by->who)
            << ", \"metric\": " << quoted(j.by->metric)
            << ", \"against\": " << (j.by->against ? quoted(j.by->against) : "null")
            << ", \"at_most\": " << number(j.by->at_most)
            << ", \"came\": " << (j.came ? json_of(*j.came) : "null")
            << ", \"verdict\": " << quoted(j.verdict());
        if (!j.came)
            out << ", \"why\": " << quoted(j.why_not);
        out << "}";
        comma = ",";
    }
    out << "\n  ],\n  \"benchmarks\": [";
    comma = "";
    for (const benchmark& b : all_benchmarks()) {
        const auto found = all.find(b.id);
        if (found == all.end())
            continue;
        out << comma << "\n    {\"id\": " << quoted(b.id) << ", \"what\": " << quoted(b.what)
            << ", \"base\": " << quoted(b.contestants.front().name) << ", \"contestants\": [";
        comma = ",";
        const char* inner = "";
        for (const contestant& c : b.contestants) {
            const result& r = found->second.at(c.name);
            out << inner << "\n      {\"name\": " << quoted(c.name)
                << ", \"program\": " << quoted(c.program) << ", \"row\": " << quoted(c.row);
            inner = ",";
            if (!r.unmeasured.empty()) {
                out << ", \"unmeasured\": " << quoted(r.unmeasured) << "}";
                continue;
            }
            out << ", \"rounds\": {";
            const char* deep = "";
            for (const auto& [metric, values] : r.values) {
                out << deep << quoted(metric) << ": [";
                for (std::size_t i = 0; i < values.size(); ++i)
                    out << (i ? ", " : "") << number(values[i]);
                out << "]";
                deep = ", ";
            }
            out << "}}";
        }
        out << "\n    ]}";
    }
    out << "\n  ]\n}\n";
    if (!out.flush())
        throw std::runtime_error(s.json + ": cannot be written");
}

// ---- main ----

std::string first_line_after(const char* file, const std::string& key) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);)
        if (line.compare(0, key.size(), key) == 0) {
            const auto colon = line.find(": ");
            return colon == line.npos ? "" : line.substr(colon + 2);
        }
    return "";
}

void describe_machine(settings& s) {
    utsname system{};
    uname(&system);
    s.about["system"] = std::string(system.sysname) + " " + system.release + " " + system.machine;
    s.about["processor"] = first_line_after("/proc/cpuinfo", "model name");
    s.about["cores"] = std::to_string(sysconf(_SC_NPROCESSORS_ONLN));
    s.about["compiler"] =
#ifdef __clang__
        "clang " __clang_version__;
#else
        "g++ " __VERSION__;
#endif
    s.about["boost"] = BOOST_LIB_VERSION;
    const std::time_t now = std::time(nullptr);
    char date[32];
    std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
    s.about["date"] = date;
    double load[1] = {0};
    if (getloadavg(load, 1) == 1)
        s.about["load before"] = text_of(load[0]);
}

[[noreturn]] void usage() {
    std::cerr << "usage: corogate-bench-table --bin DIR [--rounds N] [--only ID] [--json FILE] "
                 "[--about key=value] [--missing PROGRAM=WHY]\nids:";
    for (const benchmark& b : all_benchmarks())
        std::cerr << " " << b.id;
    std::cerr << "\n";
    std::exit(2);
}

settings read_settings(int count, char** words) {
    settings s;
    const auto pair = [](const std::string& text) {
        const auto equals = text.find('=');
        if (equals == text.npos)
            usage();
        return std::pair(text.substr(0, equals), text.substr(equals + 1));
    };
    for (int i = 1; i < count; i += 2) {
        const std::string option = words[i];
        if (i + 1 == count)
            usage();
        const std::string value = words[i + 1];
        if (option == "--bin")
            s.bin = value;
        else if (option == "--rounds")
            s.rounds = std::atoi(value.c_str());
        else if (option == "--only")
            s.only.push_back(value);
        else if (option == "--json")
            s.json = value;
        else if (option == "--about")
            s.about.insert(pair(value));
        else if (option == "--missing")
            s.missing.insert(pair(value));
        else
            usage();
    }
    if (s.bin.empty() || s.rounds < 1)
        usage();
    for (const auto& id : s.only)
        if (std::none_of(all_benchmarks().begin(), all_benchmarks().end(), [&](const auto& b) {
                return id == b.id;
            }))
            usage();
    return s;
}

int run_table(settings s) {
    describe_machine(s);
    for (const auto& [key, value] : s.about)
        std::cout << key << ": " << value << "\n";
    std::map<std::string, results> all;
    std::vector<judged> marks;
    std::optional<counter> with;
    for (const benchmark& b : all_benchmarks()) {
        if (!s.only.empty() && std::find(s.only.begin(), s.only.end(), b.id) == s.only.end())
            continue;
        results& rs = all[b.id];
        for (int round = 0; round < s.rounds; ++round)
            for (const contestant& c : b.contestants)
                run_once(s, c, rs[c.name]);
        if (b.instructions) {
            if (!with)
                with = find_counter();
            if (*with != counter::none)
                for (const contestant& c : b.contestants)
                    count_instructions(s, *with, c, rs[c.name]);
        }
        print_benchmark(b, rs);
        for (const mark& m : b.marks)
            marks.push_back(judge(b, m, rs));
    }
    print_marks(marks);
    if (!s.json.empty())
        write_json(s, all, marks);
    return 0;
}

} // namespace

int main(int count, char** words) {
    try {
        return run_table(read_settings(count, words));
    } catch (const std::exception& error) {
        std::cerr << "table: " << error.what() << "\n";
        return 1;
    }
}
