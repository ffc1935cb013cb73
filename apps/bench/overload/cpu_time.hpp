#pragma once

// Whose processor time it was: read from the kernel's books of threads, in nanoseconds.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <dirent.h>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <unistd.h>

namespace overload {

using clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

inline std::size_t cores() {
    return std::thread::hardware_concurrency() ? std::thread::hardware_concurrency() : 1;
}

/// Processor time of the thread that asks.
inline nanoseconds thread_cpu() noexcept {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return std::chrono::seconds(t.tv_sec) + nanoseconds(t.tv_nsec);
}

/// Threads of a process and the processor time each has used; empty where it cannot be read.
inline std::map<pid_t, nanoseconds> threads_of(const std::string& process = "self") {
    std::map<pid_t, nanoseconds> all;
    const std::string folder = "/proc/" + process + "/task";
    DIR* const open = opendir(folder.c_str());
    if (!open)
        return all;
    while (const dirent* entry = readdir(open)) {
        if (entry->d_name[0] == '.')
            continue;
        std::ifstream from(folder + "/" + entry->d_name + "/schedstat");
        std::int64_t ran = 0;
        if (from >> ran)
            all[static_cast<pid_t>(std::stol(entry->d_name))] = nanoseconds(ran);
    }
    closedir(open);
    return all;
}

/// Processor time the whole machine has used, and what its host took away; to 10 ms.
struct machine_time {
    nanoseconds busy{};
    nanoseconds stolen{};

    static machine_time now() {
        std::ifstream from("/proc/stat");
        std::string cpu;
        std::int64_t user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft = 0,
                     steal = 0;
        from >> cpu >> user >> nice >> system >> idle >> wait >> irq >> soft >> steal;
        const auto tick = nanoseconds(std::chrono::seconds(1)) / sysconf(_SC_CLK_TCK);
        return {(user + nice + system + irq + soft) * tick, steal * tick};
    }
};

/// Who used the machine between two moments, each a share of all its cores.
struct cpu_shares {
    double workers = 0;   ///< the threads that run tasks
    double control = 0;   ///< every other thread of the service
    double generator = 0; ///< the thread that sends and listens
    double refusals = 0;  ///< of the generator's: calls that were answered with a refusal
    double others = 0;    ///< other processes
    double stolen = 0;    ///< by the host
};

/// Reads twice, subtracts.
class cpu_books {
public:
    /// Made on the generator's thread. `service`: the process that is asked, this one by default;
    /// all threads of another process are workers.
    explicit cpu_books(std::set<pid_t> workers, std::string service = "self")
        : workers_(std::move(workers))
        , service_(std::move(service)) {}

    void begin() { from_ = look(); }
    void end() { to_ = look(); }

    cpu_shares shares(nanoseconds of_refusals) const {
        const double all =
            static_cast<double>((to_.at - from_.at).count()) * static_cast<double>(cores());
        if (all <= 0)
            return {};
        const auto share = [all](nanoseconds part) {
            return static_cast<double>(part.count()) / all;
        };
        nanoseconds workers{}, control{};
        const bool same = service_ == "self";
        for (const auto& [thread, ran] : to_.service) {
            const auto before = from_.service.find(thread);
            const nanoseconds part =
                ran - (before == from_.service.end() ? nanoseconds() : before->second);
            if (!same || workers_.contains(thread))
                workers += part;
            else if (thread != generator_)
                control += part;
        }
        const nanoseconds generator = to_.generator - from_.generator;
        cpu_shares s;
        s.workers = share(workers);
        s.control = share(control);
        s.generator = share(generator);
        s.refusals = share(of_refusals);
        s.others = share(std::max(
            nanoseconds(), to_.machine.busy - from_.machine.busy - workers - control - generator
        ));
        s.stolen = share(to_.machine.stolen - from_.machine.stolen);
        return s;
    }

private:
    struct look_at {
        clock::time_point at;
        std::map<pid_t, nanoseconds> service;
        nanoseconds generator{};
        machine_time machine;
    };
    look_at look() const {
        return {clock::now(), threads_of(service_), thread_cpu(), machine_time::now()};
    }

    std::set<pid_t> workers_;
    std::string service_;
    pid_t generator_ = gettid();
    look_at from_;
    look_at to_;
};

} // namespace overload
