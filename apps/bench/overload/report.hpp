#pragma once

// What a run of experiments prints and writes.

#include "figures.hpp"

#include <boost/version.hpp>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <stdexcept>
#include <string>
#include <sys/utsname.h>
#include <thread>

namespace overload {

/// What the user wants.
struct settings {
    std::string experiment;
    shape work;
    double seconds = 0; ///< of a row; 0: the experiment's own
    std::uint64_t seed = 1;
    std::uint32_t tenants = 50; ///< where the experiment does not say
    bool at_length = false;     ///< enough saves behind every 99.9 %, ten runs where chance decides
    bool smoke = false;         ///< a second or two: only whether it works
    std::string json;
    std::string about;

    nanoseconds time(double otherwise, double when_long = 0) const {
        double s = at_length && when_long > 0 ? when_long : otherwise;
        if (seconds > 0)
            s = seconds;
        if (smoke)
            s = 0.3;
        return nanoseconds(static_cast<std::int64_t>(s * 1e9));
    }
    nanoseconds warm() const { return smoke ? nanoseconds(100ms) : nanoseconds(1s); }
};

/// The document of one experiment: rows as they come, marks, checks.
class report {
public:
    explicit report(const settings& of, const shape& work)
        : settings_(of) {
        utsname machine{};
        uname(&machine);
        char date[32];
        const std::time_t now = std::time(nullptr);
        std::tm utc{};
        gmtime_r(&now, &utc);
        std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
        document_ = {
            {"experiment", of.experiment},
            {"about", of.about},
            {"date", date},
            {"machine", std::string(machine.sysname) + " " + machine.machine},
            {"cores", cores()},
            {"compiler", __VERSION__},
            {"boost", BOOST_LIB_VERSION},
            {"seed", of.seed},
            {"limiter", our_limiter()},
            {"tenants", of.tenants},
            {"work",
             {{"name", work.name},
              {"tasks", work.tasks},
              {"cpu_ms", static_cast<double>(work.cpu.count()) / 1e6},
              {"wait_ms", static_cast<double>(work.wait.count()) / 1e6},
              {"heavy_share", work.heavy_share},
              {"heavy_factor", work.heavy_factor}}},
        };
        std::printf(
            "%s: a save is %zu tasks of %g ms CPU + %g ms waiting\n", of.experiment.c_str(),
            work.tasks, static_cast<double>(work.cpu.count()) / 1e6,
            static_cast<double>(work.wait.count()) / 1e6
        );
    }

    json::object& document() noexcept { return document_; }

    void capacity(const char* what, double saves) {
        document_[what] = rounded(saves);
        std::printf("%s: %.1f saves/s\n", what, saves);
        std::fflush(stdout);
    }

    /// One line of the table, and one row of the document.
    void
    row(const std::string& what, const std::string& who, double load, double capacity,
        const figures& f, const cpu_shares& cpu, json::object more = {}) {
        if (rows_.empty())
            std::printf(
                "%-22s %-10s %5s %8s %8s %6s %7s %7s %6s %7s %7s %8s %9s %6s  CPU %%: %5s %4s %4s"
                " %4s %6s %6s %7s\n",
                "", "", "load", "offered", "in time", "/C", "in time", "refused", "late", "p50 ms",
                "p99 ms", "p99.9 ms", "no p99 us", "waste", "tasks", "ctl", "gen", "no", "others",
                "stolen", "behind"
            );
        const double offered = static_cast<double>(std::max<std::size_t>(1, f.offered));
        std::printf(
            "%-22s %-10s %5.4g %8.1f %8.1f %6.3f %6.2f%% %6.2f%% %5.1f%% %7.1f %7.1f %8.1f %9.0f "
            "%5.1f%%         %5.1f %4.1f %4.1f %4.1f %6.1f %6.1f %5.1fms\n",
            what.c_str(), who.c_str(), load, offered / f.seconds, f.goodput(),
            capacity > 0 ? f.goodput() / capacity : 0, 100 * f.success(),
            100 * static_cast<double>(f.all_refused()) / offered,
            100 * static_cast<double>(f.late) / offered, f.p50, f.p99, f.p999, f.refused_p99,
            100 * f.waste, 100 * cpu.workers, 100 * cpu.control, 100 * cpu.generator,
            100 * cpu.refusals, 100 * cpu.others, 100 * cpu.stolen, f.behind_p99
        );
        std::fflush(stdout);
        json::object line = to_json(f);
        line["what"] = what;
        line["who"] = who;
        line["load"] = load;
        line["goodput_of_capacity"] = capacity > 0 ? rounded(f.goodput() / capacity) : 0;
        line["cpu"] = to_json(cpu);
        for (auto& [key, value] : more)
            line[key] = std::move(value);
        rows_.push_back(std::move(line));
    }

    /// `met` of a mark of the project's own; what it wants in words.
    void mark(const std::string& what, double came, bool met, const std::string& wanted) {
        std::printf(
            "mark: %s: %.4g (%s): %s\n", what.c_str(), came, wanted.c_str(), met ? "met" : "MISSED"
        );
        std::fflush(stdout);
        marks_.push_back(
            json::object{{"what", what}, {"came", came}, {"wanted", wanted}, {"met", met}}
        );
    }

    /// What must hold on any machine, at any load.
    void require(bool holds, const char* sentence) {
        if (!holds)
            throw std::runtime_error(sentence);
    }

    void write() {
        document_["rows"] = std::move(rows_);
        document_["marks"] = std::move(marks_);
        if (settings_.json.empty())
            return;
        std::ofstream to(settings_.json);
        to << json::serialize(document_) << '\n';
        if (!to.flush())
            throw std::runtime_error("cannot write " + settings_.json);
    }

private:
    const settings& settings_;
    json::object document_;
    json::array rows_;
    json::array marks_;
};

} // namespace overload
