#include "report.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>
#include <functional>
#include <ostream>
#include <string_view>

namespace corogate::sim {
namespace {

/// As many digits as say something; shares near 1 get more.
std::string number(double v) {
    const double size = std::abs(v);
    const char* format = "%.5f";
    if (v == std::floor(v) || size >= 100)
        format = "%.0f";
    else if (size >= 10)
        format = "%.1f";
    else if (size >= 0.01 && (size < 0.99 || size >= 1))
        format = "%.3f";
    char text[32];
    std::snprintf(text, sizeof text, format, v);
    return text;
}

const row* find(
    const std::vector<row>& rows, std::string_view experiment, std::string_view variant,
    std::string_view contender
) {
    for (const row& r : rows)
        if (r.experiment == experiment && r.variant == variant && r.contender == contender)
            return &r;
    return nullptr;
}

/// How a value follows from a row and, where it is a ratio, from another of the same contender.
struct rule {
    const char* mark;
    const char* experiment;
    const char* variant;
    const char* metric;
    double bound;
    bool at_least;
    const char* unit = "";
    const char* over_variant = nullptr; ///< the metric of that variant divides it
};

constexpr rule rules[] = {
    {"useful goodput at 2 x", "ramp", "2 x", "goodput", 0.98, true},
    {"useful goodput at 10 x", "ramp", "10 x", "goodput", 0.97, true},
    {"useful goodput at 20 x", "ramp", "20 x", "goodput", 0.95, true},
    {"p99 at 10 x over p99 at 0.5 x", "ramp", "10 x", "p99", 2.5, false, "", "0.5 x"},
    {"longest at 10 x", "ramp", "10 x", "longest", 500, false, " ms"},
    {"victims in time, one at 10 x", "neighbour", "one at 10 x", "victims in time", 0.999, true},
    {"victims in time, one at 50 x", "neighbour", "one at 50 x", "victims in time", 0.999, true},
    {"victims in time, one with dearer tasks", "neighbour",
     "one with tasks 10 x dearer, 0.2 x jobs", "victims in time", 0.999, true},
    {"victims' p99 over alone, 10 x", "neighbour", "one at 10 x", "victims p99", 1.25, false, "",
     "alone"},
    {"victims' p99 over alone, 50 x", "neighbour", "one at 50 x", "victims p99", 1.25, false, "",
     "alone"},
    {"victims' p99 over alone, dearer tasks", "neighbour", "one with tasks 10 x dearer, 0.2 x jobs",
     "victims p99", 1.25, false, "", "alone"},
    {"Jain, equal, least of 2 s windows", "fair", "equal", "jain least", 0.99, true},
    {"Jain, demands 1 to 8", "fair", "equal, demands 1 to 8", "jain least", 0.99, true},
    {"error of weighted shares", "fair", "weights 1, 1, 1, 1, 2, 2, 4, 4", "weights error", 0.02,
     false},
    {"refused at 0.5 x", "ramp", "0.5 x", "refused", 0, false},
    {"refused at 0.8 x", "ramp", "0.8 x", "refused", 0.001, false},
    {"workers halved: back", "capacity", "workers 8, 4, 8", "change 1 back ms", 1000, false, " ms"},
    {"workers doubled: back", "capacity", "workers 8, 4, 8", "change 2 back ms", 1000, false, " ms"
    },
    {"CPU cost x 2: back", "capacity", "CPU cost x 1, 2, 1", "change 1 back ms", 1000, false, " ms"
    },
    {"CPU cost / 2: back", "capacity", "CPU cost x 1, 2, 1", "change 2 back ms", 1000, false, " ms"
    },
    {"downstream 64 to 12: back", "downstream", "64, 12, 64", "change 1 back ms", 1000, false, " ms"
    },
    {"downstream 12 to 64: back", "downstream", "64, 12, 64", "change 2 back ms", 1000, false, " ms"
    },
    {"downstream 64 to 3: back", "downstream", "64, 3, 64", "change 1 back ms", 1000, false, " ms"},
    {"downstream 3 to 64: back", "downstream", "64, 3, 64", "change 2 back ms", 1000, false, " ms"},
    {"recovery, clients retry at once", "metastability", "retry at once", "recovery longest ms",
     1000, false, " ms"},
    {"never recovered", "metastability", "retry at once", "recovery never", 0, false},
    {"recovery, clients heed the hint", "metastability", "heed the hint", "recovery longest ms",
     1000, false, " ms"},
    {"never recovered, hints heeded", "metastability", "heed the hint", "recovery never", 0, false},
    {"heavy mix at 2 x", "mixes", "5 % 11 x heavier, 2 x", "goodput", 0.95, true},
    {"saves' p99 over alone, re-check at 5 x", "classes", "re-check at 5 x", "saves p99", 1.25,
     false, "", "saves alone"},
};

bool value_of(
    const std::vector<row>& rows, const rule& m, const std::string& contender, double& value
) {
    const row* r = find(rows, m.experiment, m.variant, contender);
    const row* over = m.over_variant ? find(rows, m.experiment, m.over_variant, contender) : r;
    if (!r || !over)
        return false;
    value = r->at(m.metric);
    if (m.over_variant)
        value /= std::max(over->at(m.metric), 1e-9);
    return true;
}

} // namespace

std::vector<judged> judge(const std::vector<row>& rows, const std::string& ours) {
    std::vector<std::string> others;
    for (const row& r : rows)
        if (r.contender != ours &&
            std::find(others.begin(), others.end(), r.contender) == others.end())
            others.push_back(r.contender);
    std::vector<judged> out;
    for (const rule& m : rules) {
        double value = 0;
        if (!value_of(rows, m, ours, value))
            continue;
        judged j;
        j.mark = m.mark;
        j.wanted = (m.at_least ? ">= " : "<= ") + number(m.bound) + m.unit;
        // -1: never.
        j.met = m.at_least ? value >= m.bound : value <= m.bound && value >= 0;
        j.came = value < 0 ? "never" : number(value) + m.unit;
        for (const auto& other : others)
            if (double v = 0; value_of(rows, m, other, v))
                j.others +=
                    (j.others.empty() ? "" : "; ") + other + " " + (v < 0 ? "never" : number(v));
        out.push_back(j);
    }
    return out;
}

void print(std::ostream& out, const row& r) {
    out << r.experiment << " | " << r.variant << " | " << r.contender << " | C "
        << number(r.measured.sustained) << "/s";
    for (const metric& m : r.metrics)
        out << " | " << m.name << ' ' << number(m.value);
    out << '\n';
    for (const auto& v : r.violations)
        out << "    VIOLATED: " << v << '\n';
}

void print(std::ostream& out, const std::vector<judged>& marks) {
    for (const judged& j : marks)
        out << (j.met ? "met      " : "NOT MET  ") << j.mark << ": " << j.came << " (" << j.wanted
            << ")" << (j.others.empty() ? "" : "; ") << j.others << '\n';
}

void write_json(
    std::ostream& out, const std::vector<row>& rows, const std::vector<judged>& marks,
    const std::string& command
) {
    namespace json = boost::json;
    json::array all;
    for (const row& r : rows) {
        json::object metrics;
        for (const metric& m : r.metrics)
            metrics[m.name] = m.value;
        json::object o{
            {"experiment", r.experiment},
            {"variant", r.variant},
            {"contender", r.contender},
            {"capacity_tasks_per_second", r.measured.sustained},
            {"saturated_tasks_per_second", r.measured.saturated},
            {"metrics", std::move(metrics)}
        };
        json::array violations;
        for (const auto& v : r.violations)
            violations.emplace_back(v);
        o["violations"] = std::move(violations);
        all.push_back(std::move(o));
    }
    json::array judgements;
    for (const judged& j : marks)
        judgements.push_back(json::object{
            {"mark", j.mark},
            {"wanted", j.wanted},
            {"came", j.came},
            {"met", j.met},
            {"others", j.others}
        });
    out << json::
               object{{"command", command}, {"rows", std::move(all)}, {"marks", std::move(judgements)}}
        << '\n';
}

} // namespace corogate::sim
