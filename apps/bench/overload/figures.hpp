#pragma once

// From what became of the saves to what is printed. A save counts where its intended time lies in
// the window that is measured.

#include "open_loop.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace overload {

namespace json = boost::json;

/// At the given share of the samples, which it sorts; 0 where there is none.
inline double quantile(std::vector<double>& samples, double share) {
    if (samples.empty())
        return 0;
    const auto at =
        static_cast<std::size_t>(std::ceil(share * static_cast<double>(samples.size())));
    const auto nth = samples.begin() + static_cast<std::ptrdiff_t>(at > 0 ? at - 1 : 0);
    std::nth_element(samples.begin(), nth, samples.end());
    return *nth;
}

/// Sum squared over n times the sum of squares: 1 where all are equal, 1/n where one has all.
inline double jain(const std::vector<double>& shares) {
    double sum = 0, squares = 0;
    for (const double x : shares) {
        sum += x;
        squares += x * x;
    }
    return squares > 0 ? sum * sum / (static_cast<double>(shares.size()) * squares) : 0;
}

/// Three digits after the point are enough.
inline double rounded(double value) { return std::round(value * 1000) / 1000; }

struct figures {
    double seconds = 0;
    std::size_t offered = 0;
    std::size_t in_time = 0;
    std::size_t late = 0;
    std::map<std::string, std::size_t> refused; ///< by reason; displaced and expired too
    double p50 = 0, p99 = 0, p999 = 0;          ///< of saves done, in ms, late ones too
    double refused_p50 = 0, refused_p99 = 0;    ///< in us, until the generator has the answer
    double behind_p99 = 0;                      ///< of the generator, in ms
    double waste = 0; ///< share of the work that went into saves that did not end in time
    nanoseconds refusals_cpu{};
    std::uint64_t tries = 0;

    double goodput() const { return seconds > 0 ? static_cast<double>(in_time) / seconds : 0; }
    double success() const {
        return offered ? static_cast<double>(in_time) / static_cast<double>(offered) : 0;
    }
    std::size_t all_refused() const {
        std::size_t n = 0;
        for (const auto& [why, count] : refused)
            n += count;
        return n;
    }
};

using which = std::function<bool(const record&)>;

inline figures figures_of(
    const std::deque<record>& records, nanoseconds from, nanoseconds until, const which& counts = {}
) {
    figures f;
    f.seconds = std::chrono::duration<double>(until - from).count();
    std::vector<double> took, refused, behind;
    double useful = 0, spent = 0;
    for (const record& r : records) {
        if (r.intended < from || r.intended >= until || (counts && !counts(r)))
            continue;
        const double work = r.spent.load(std::memory_order_relaxed);
        ++f.offered;
        f.tries += r.tries;
        spent += work;
        behind.push_back(static_cast<double>(r.behind.count()) / 1e6);
        f.refusals_cpu += r.call_cpu;
        if (r.in_time()) {
            ++f.in_time;
            useful += work;
        }
        switch (r.how) {
        case outcome::late:
            ++f.late;
            if (r.took == nanoseconds())
                break; // never heard of
            [[fallthrough]];
        case outcome::done:
            took.push_back(static_cast<double>(r.took.count()) / 1e6);
            break;
        case outcome::refused:
            refused.push_back(static_cast<double>(r.refused_in.count()) / 1e3);
            ++f.refused[corogate::reason_name(r.why)];
            break;
        case outcome::displaced:
        case outcome::expired:
            ++f.refused[corogate::reason_name(r.why)];
            break;
        default:
            ++f.refused["failed"];
        }
    }
    f.p50 = quantile(took, 0.5);
    f.p99 = quantile(took, 0.99);
    f.p999 = quantile(took, 0.999);
    f.refused_p50 = quantile(refused, 0.5);
    f.refused_p99 = quantile(refused, 0.99);
    f.behind_p99 = quantile(behind, 0.99);
    f.waste = spent > 0 ? 1 - useful / spent : 0;
    return f;
}

inline json::object to_json(const figures& f) {
    json::object refused;
    for (const auto& [why, n] : f.refused)
        refused[why] = n;
    const double offered = static_cast<double>(std::max<std::size_t>(1, f.offered));
    return {
        {"offered", f.offered},
        {"seconds", rounded(f.seconds)},
        {"goodput_per_s", rounded(f.goodput())},
        {"in_time_share", static_cast<double>(f.in_time) / offered},
        {"refused_share", static_cast<double>(f.all_refused()) / offered},
        {"late_share", static_cast<double>(f.late) / offered},
        {"refused", std::move(refused)},
        {"p50_ms", rounded(f.p50)},
        {"p99_ms", rounded(f.p99)},
        {"p999_ms", rounded(f.p999)},
        {"refusal_p50_us", rounded(f.refused_p50)},
        {"refusal_p99_us", rounded(f.refused_p99)},
        {"waste_share", rounded(f.waste)},
        {"tries", f.tries},
        {"generator_behind_p99_ms", rounded(f.behind_p99)},
    };
}

inline json::object to_json(const cpu_shares& s) {
    return {
        {"workers", rounded(s.workers)},     {"control", rounded(s.control)},
        {"generator", rounded(s.generator)}, {"refusals", rounded(s.refusals)},
        {"others", rounded(s.others)},       {"stolen", rounded(s.stolen)},
    };
}

/// Saves that ended in time, by when they ended: one count a bin.
inline std::vector<double>
ended_in_time(const std::deque<record>& records, nanoseconds until, nanoseconds bin) {
    std::vector<double> bins(static_cast<std::size_t>(until / bin) + 1);
    for (const record& r : records)
        if (r.in_time()) {
            const auto at = static_cast<std::size_t>(r.ended / bin);
            if (at < bins.size())
                ++bins[at];
        }
    return bins;
}

} // namespace overload
