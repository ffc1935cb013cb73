#include "pool_monitor.hpp"

namespace server {

namespace {

/// A sample that is this much early is in time: the one before came late.
constexpr std::chrono::milliseconds slack{100};

std::optional<percentiles>
between(const corogate::histogram_snapshot& from, const corogate::histogram_snapshot& to) {
    const auto recent = to.since(from);
    if (recent.count() == 0)
        return std::nullopt;
    return percentiles{recent.quantile(0.5), recent.quantile(0.99)};
}

/// Leaves of what is older than the window only the latest: where the window begins.
template <typename Kept>
void drop_older(std::deque<Kept>& from, pool_sample::clock::time_point begin) {
    while (from.size() > 1 && from[1].at <= begin)
        from.pop_front();
}

} // namespace

void pool_monitor::add(const pool_sample& now) {
    count(now);
    time(now);
    keep(now);
}

void pool_monitor::count(const pool_sample& now) {
    if (refused_for_capacity_ && now.refused_for_capacity > *refused_for_capacity_)
        refused_at_ = now.at;
    refused_for_capacity_ = now.refused_for_capacity;
    overloaded_ = refused_at_ && now.at - *refused_at_ < overload_lasts;

    const counted latest{
        now.at, now.books.accepted, now.books.completed + now.books.failed, now.books.refused
    };
    counted_.push_back(latest);
    drop_older(counted_, now.at - rate_window + slack);
    const counted& first = counted_.front();
    const double seconds = std::chrono::duration<double>(now.at - first.at).count();
    if (seconds <= 0)
        return;
    rates_.in = static_cast<double>(latest.in - first.in) / seconds;
    rates_.out = static_cast<double>(latest.out - first.out) / seconds;
    rates_.refused = static_cast<double>(latest.refused - first.refused) / seconds;
}

void pool_monitor::time(const pool_sample& now) {
    if (timed_.empty() || now.at - timed_.back().at >= history_step - slack)
        timed_.push_back({now.at, now.queue_wait, now.service_time});
    drop_older(timed_, now.at - percentile_window + slack);
    queue_wait_ = between(timed_.front().queue_wait, now.queue_wait);
    service_ = between(timed_.front().service, now.service_time);
}

void pool_monitor::keep(const pool_sample& now) {
    if (kept_at_ && now.at - *kept_at_ < history_step - slack)
        return;
    kept_at_ = now.at;
    point& made = history_.emplace_back();
    made.date = now.date;
    made.waiting = now.books.waiting;
    made.running = now.books.running;
    made.lent = now.books.lent;
    made.limit = now.books.limit;
    made.queue_limit = now.books.queue_tasks;
    made.per_second = rates_;
    made.queue_wait = queue_wait_;
    made.service = service_;
    if (history_.size() > history_length)
        history_.pop_front();
}

} // namespace server
