#pragma once

// Who waits and what runs, for people who look at a pool.

#include <algorithm>
#include <corogate/detail/pool_core.hpp>
#include <exception>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace corogate::detail {

/// The tasks of each tenant, counted by name, and those that have most.
///
/// Only names that may come twice are looked up: those of running tasks, and with lanes (each has
/// tenants of its own) all.
class tenant_rows {
public:
    explicit tenant_rows(bool names_repeat) noexcept
        : names_repeat_(names_repeat) {}

    void runs(std::string_view name) { ++known_[name].running; }

    /// After all calls of `runs`.
    void waits(std::string_view name, std::size_t tasks) {
        if (names_repeat_) {
            known_[name].waiting += tasks;
        } else if (const auto there = known_.find(name); there != known_.end()) {
            there->second.waiting += tasks;
        } else {
            rows_.push_back({name, {tasks, 0}});
        }
    }

    void most(std::size_t n, pool_activity& into) {
        rows_.insert(rows_.end(), known_.begin(), known_.end());
        into.tenants_in_all = rows_.size();
        n = std::min(n, rows_.size());
        const auto more = [](const row& a, const row& b) {
            const auto of_a = a.second.waiting + a.second.running;
            const auto of_b = b.second.waiting + b.second.running;
            return of_a != of_b ? of_a > of_b : a.first < b.first;
        };
        const auto end = rows_.begin() + static_cast<std::ptrdiff_t>(n);
        std::partial_sort(rows_.begin(), end, rows_.end(), more);
        for (auto it = rows_.begin(); it != end; ++it) {
            auto& line = into.tenants.emplace_back();
            line.name = it->first;
            line.waiting = it->second.waiting;
            line.running = it->second.running;
        }
    }

private:
    struct counts {
        std::size_t waiting = 0;
        std::size_t running = 0;
    };
    using row = std::pair<std::string_view, counts>;

    const bool names_repeat_;
    std::unordered_map<std::string_view, counts> known_;
    std::vector<row> rows_;
};

/// Since when, at least, the runner's present task has run. Control strand.
inline std::chrono::steady_clock::time_point
pool_core::seen_since(runner& r, std::uint64_t progress, clock::time_point time) noexcept {
    auto& seen = r.watched;
    if (progress != seen.progress) {
        seen.progress = progress;
        seen.since = time;
        seen.told = false;
    }
    return seen.since;
}

inline void pool_core::look_around(std::size_t most, pool_activity& into) {
    take_inbox();
    put_back_window(); // what stands there counts as served
    const auto time = now();
    struct line {
        clock::time_point since;
        const job_record* job;
        bool lent;
    };
    std::vector<line> lines;
    lines.reserve(live_runners_);
    tenant_rows tenants(!lanes_.empty());
    for (const auto& r : runners_) {
        const auto running = r->task();
        if (!running)
            continue;
        const auto seen = seen_since(*r, running->progress, time);
        const auto since =
            running->start == 0 ? seen : clock::time_point(clock::duration(running->start));
        // A record that a runner names is destroyed on this strand only.
        lines.push_back({std::min(since, time), running->job, r->watched.lent});
        tenants.runs(running->job ? std::string_view(running->job->tenant_name) : "");
    }
    std::size_t budget = 4096;
    std::int64_t oldest = 0;
    const auto look_at = [&](const pool_queue& queue) {
        queue.order().for_each_waiting([&](const tenant& whose) {
            tenants.waits(whose.name(), whose.waiting());
        });
        const auto stamp = queue.oldest_stamp(budget);
        if (stamp != 0 && (oldest == 0 || stamp < oldest))
            oldest = stamp;
    };
    look_at(queue_);
    for (const auto& lane : lanes_)
        look_at(lane->queue);
    tenants.most(most, into);
    if (oldest != 0)
        into.oldest_waiting =
            std::max(time - clock::time_point(clock::duration(oldest)), clock::duration::zero());

    const auto end = lines.begin() + static_cast<std::ptrdiff_t>(std::min(most, lines.size()));
    std::partial_sort(lines.begin(), end, lines.end(), [](const line& a, const line& b) {
        return a.since < b.since;
    });
    const auto stuck_after = options_.stuck_after();
    for (auto it = lines.begin(); it != end; ++it) {
        auto& task = into.running.emplace_back();
        if (it->job) {
            task.job = it->job->id;
            task.tenant = it->job->tenant_name;
            task.name = it->job->name;
        }
        task.age = time - it->since;
        task.stuck = stuck_after > std::chrono::nanoseconds::zero() && task.age >= stuck_after;
        task.lent = it->lent;
    }
}

inline pool_activity pool_core::activity(std::size_t most) {
    pool_activity seen;
    std::exception_ptr failed; // memory; the strand goes on
    on_strand([&] {
        try {
            look_around(most, seen);
        } catch (...) {
            failed = std::current_exception();
        }
        pump();
    });
    pass_strand();
    if (failed)
        std::rethrow_exception(failed);
    return seen;
}

} // namespace corogate::detail
