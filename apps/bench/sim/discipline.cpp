#include "discipline.hpp"

#include "corogate_policy.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <limits>

namespace corogate::sim {
namespace {

/// First come, first served, whoever it is; jobs as a whole, at most so many tasks. Does not know
/// deadlines: it works for clients that have gone.
class fifo final : public discipline {
public:
    explicit fifo(std::size_t most)
        : most_(most) {}

    errc offer(job& newcomer, std::uint32_t units, instant) override {
        if (units > most_ - size_)
            return errc::queue_full;
        queue_.push_back({&newcomer, units});
        size_ += units;
        return {};
    }
    job* next(instant) override {
        if (queue_.empty())
            return nullptr;
        auto& [first, units] = queue_.front();
        job* const of = first;
        --size_;
        if (--units == 0)
            queue_.pop_front();
        return of;
    }
    void ended(job&, duration) override {}
    std::uint32_t withdraw(job&) override { return 0; }
    std::size_t waiting() const noexcept override { return size_; }

private:
    struct waiting_job {
        job* of;
        std::uint32_t units;
    };
    std::size_t most_;
    std::size_t size_ = 0;
    std::deque<waiting_job> queue_;
};

/// Each task by itself: a pool with a bounded queue, as most are.
class per_task final : public discipline {
public:
    explicit per_task(std::size_t most)
        : most_(most) {}

    bool whole_jobs() const noexcept override { return false; }
    errc offer(job& newcomer, std::uint32_t, instant) override {
        if (queue_.size() >= most_)
            return errc::queue_full;
        queue_.push_back(&newcomer);
        return {};
    }
    job* next(instant) override {
        if (queue_.empty())
            return nullptr;
        job* const first = queue_.front();
        queue_.pop_front();
        return first;
    }
    void ended(job&, duration) override {}
    std::uint32_t withdraw(job&) override { return 0; }
    std::size_t waiting() const noexcept override { return queue_.size(); }

private:
    std::size_t most_;
    std::deque<job*> queue_;
};

/// Adaptive LIFO with controlled delay (Maurer, "Fail at Scale", ACM Queue 13(8), 2015), each task
/// by itself: a queue that was not empty for N = 100 ms is served newest first, and what has waited
/// for longer than M = 5 ms is given up; otherwise oldest first, and N.
class lifo_codel final : public discipline {
public:
    explicit lifo_codel(host& up)
        : up_(up) {}

    bool whole_jobs() const noexcept override { return false; }
    errc offer(job& newcomer, std::uint32_t, instant now) override {
        if (queue_.empty())
            empty_until_ = now;
        queue_.push_back({&newcomer, now});
        return {};
    }
    job* next(instant now) override {
        const bool standing = now - empty_until_ > n;
        while (!queue_.empty() && now - queue_.front().since > (standing ? m : n)) {
            job* const late = queue_.front().of;
            queue_.pop_front();
            up_.dropped(*late, 1, errc::queue_full);
        }
        if (queue_.empty())
            return nullptr;
        job* const chosen = standing ? queue_.back().of : queue_.front().of;
        standing ? queue_.pop_back() : queue_.pop_front();
        return chosen;
    }
    void ended(job&, duration) override {}
    std::uint32_t withdraw(job&) override { return 0; }
    std::size_t waiting() const noexcept override { return queue_.size(); }

private:
    static constexpr duration n = std::chrono::milliseconds(100);
    static constexpr duration m = std::chrono::milliseconds(5);

    struct waiting_task {
        job* of;
        instant since;
    };
    host& up_;
    std::deque<waiting_task> queue_;
    instant empty_until_{};
};

} // namespace

std::unique_ptr<discipline> make_discipline(
    std::string_view name, discipline::host& host, const policy_settings& ours, std::uint64_t seed
) {
    constexpr std::size_t bound = 400;
    if (name == "corogate")
        return std::make_unique<corogate_policy>(host, ours, seed);
    if (name == "corogate-newest-first") {
        policy_settings newest = ours;
        newest.newest_first = true;
        return std::make_unique<corogate_policy>(host, newest, seed);
    }
    if (name == "unbounded-fifo")
        return std::make_unique<fifo>(std::numeric_limits<std::size_t>::max());
    if (name == "bounded-fifo")
        return std::make_unique<fifo>(bound);
    if (name == "per-task")
        return std::make_unique<per_task>(bound);
    if (name == "lifo-codel")
        return std::make_unique<lifo_codel>(host);
    return nullptr;
}

const std::vector<std::string>& discipline_names() {
    static const std::vector<std::string> names{"corogate",       "corogate-newest-first",
                                                "unbounded-fifo", "bounded-fifo",
                                                "per-task",       "lifo-codel"};
    return names;
}

} // namespace corogate::sim
