#include "measures.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

namespace corogate::sim {

duration quantile(std::vector<duration>& values, double q) {
    if (values.empty())
        return {};
    const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(values.size())));
    const auto nth =
        values.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
    std::nth_element(values.begin(), nth, values.end());
    return *nth;
}

figures figures_of(const record& r, std::optional<std::uint8_t> source) {
    figures f;
    std::vector<duration> took;
    std::uint64_t tasks = 0;
    std::uint64_t jobs = 0;
    for (const answer& a : r.answers) {
        if (source && a.source != *source)
            continue;
        if (a.how == errc{} && a.at >= r.from && a.at < r.until) {
            tasks += a.tasks;
            ++jobs;
        }
        if (a.sent < r.from || a.sent >= r.until)
            continue;
        ++f.sent;
        ++f.reasons[static_cast<std::size_t>(a.how)];
        if (a.how == errc{} || a.how == errc::timed_out || a.how == errc::expired) {
            ++(a.how == errc{} ? f.in_time : f.late);
            took.push_back(a.at - a.sent);
        } else {
            ++(a.at == a.sent ? f.refused : f.given_up);
        }
    }
    const double seconds = std::chrono::duration<double>(r.until - r.from).count();
    f.tasks_per_second = static_cast<double>(tasks) / seconds;
    f.jobs_per_second = static_cast<double>(jobs) / seconds;
    f.p50 = quantile(took, 0.5);
    f.p99 = quantile(took, 0.99);
    f.p999 = quantile(took, 0.999);
    f.longest = quantile(took, 1);
    return f;
}

double waste(const record& r) {
    const auto all = static_cast<double>((r.useful_cpu + r.wasted_cpu).count());
    return all == 0 ? 0 : static_cast<double>(r.wasted_cpu.count()) / all;
}

double jain(const std::vector<double>& x) {
    double sum = 0;
    double squares = 0;
    for (const double v : x) {
        sum += v;
        squares += v * v;
    }
    return squares == 0 ? 1 : sum * sum / (static_cast<double>(x.size()) * squares);
}

std::vector<double> by_tenant(const record& r, std::size_t tenants, instant from, instant until) {
    std::vector<double> done(tenants);
    for (const answer& a : r.answers)
        if (a.how == errc{} && a.at >= from && a.at < until && a.tenant < tenants)
            ++done[a.tenant];
    return done;
}

std::vector<double>
useful_rates(const record& r, instant from, instant until, duration window, duration step) {
    std::vector<double> rates;
    for (instant t = from; t + window <= until; t += step)
        rates.push_back(0);
    for (const answer& a : r.answers) {
        if (a.how != errc{} || a.at < from)
            continue;
        // In each window that it lies in.
        const auto last = static_cast<std::size_t>((a.at - from) / step);
        for (std::size_t i = std::min(last + 1, rates.size()); i-- > 0;) {
            const instant starts = from + step * static_cast<std::int64_t>(i);
            if (starts + window <= a.at)
                break;
            rates[i] += a.tasks;
        }
    }
    for (double& rate : rates)
        rate /= std::chrono::duration<double>(window).count();
    return rates;
}

namespace {

/// `sent_at(x)` and `in_time(x)` of each.
template <typename All, typename SentAt, typename InTime>
std::optional<duration> recovers(
    const All& all, instant since, instant until, double mark, double most, SentAt sent_at,
    InTime in_time
) {
    constexpr duration step = std::chrono::milliseconds(50);
    constexpr duration window = std::chrono::seconds(1);
    const auto steps = static_cast<std::size_t>(window / step);
    struct bin {
        double sent = 0;
        double in_time = 0;
    };
    std::vector<bin> bins(static_cast<std::size_t>((until - since) / step));
    for (const auto& x : all) {
        if (sent_at(x) < since)
            continue;
        const auto i = static_cast<std::size_t>((sent_at(x) - since) / step);
        if (i >= bins.size())
            continue;
        ++bins[i].sent;
        bins[i].in_time += in_time(x) ? 1 : 0;
    }
    for (std::size_t i = 0; i + steps <= bins.size(); ++i) {
        bin sum;
        for (std::size_t k = i; k < i + steps; ++k) {
            sum.sent += bins[k].sent;
            sum.in_time += bins[k].in_time;
        }
        if (sum.in_time >= mark * std::min(sum.sent, most))
            return step * static_cast<std::int64_t>(i);
    }
    return std::nullopt;
}

} // namespace

std::optional<duration> recovery(const record& r, instant since, double mark, double most) {
    return recovers(
        r.answers, since, r.until, mark, most, [](const answer& a) { return a.sent; },
        [](const answer& a) { return a.how == errc{}; }
    );
}

std::optional<duration>
recovery_of_requests(const record& r, instant since, double mark, double most) {
    return recovers(
        r.requests, since, r.until, mark, most, [](const request_end& q) { return q.first_sent; },
        [](const request_end& q) { return q.in_time; }
    );
}

std::size_t starved(const record& r, std::size_t least) {
    struct books {
        std::size_t sent = 0;
        std::size_t in_time = 0;
    };
    std::map<std::uint32_t, books> of;
    for (const answer& a : r.answers) {
        if (a.sent < r.from || a.sent >= r.until)
            continue;
        ++of[a.tenant].sent;
        of[a.tenant].in_time += a.how == errc{} ? 1U : 0U;
    }
    return static_cast<std::size_t>(std::count_if(of.begin(), of.end(), [&](const auto& t) {
        return t.second.sent >= least && t.second.in_time == 0;
    }));
}

} // namespace corogate::sim
