#pragma once

// One run in this process, and what the pool under it can do.

#include "report.hpp"

#include <functional>
#include <string>
#include <vector>

namespace overload {

using preparation = std::function<void(workshop&)>;

/// Tasks a second where there are always more: a dozen saves are kept under way with a plain pool.
/// The capacity C of every experiment is this, in saves; it is the strictest choice, since nothing
/// can be done faster.
inline double saturated_tasks(const shape& of, nanoseconds time, const preparation& prepare = {}) {
    stage on("plain_pool");
    if (prepare)
        prepare(on.at);
    std::deque<std::atomic<std::uint32_t>> spent(12);
    std::uint64_t draw = 0;
    bool over = false;
    std::function<void(std::size_t)> start = [&](std::size_t i) {
        order o;
        o.of = &of;
        o.tasks = of.tasks;
        o.draw = ++draw * 7919;
        o.spent = &spent[i];
        on.who->save(o, [&, i](const answer&) {
            if (!over)
                start(i);
        });
    };
    for (std::size_t i = 0; i < spent.size(); ++i)
        start(i);
    asio::steady_timer timer(on.loop, std::min<nanoseconds>(time / 4, 500ms));
    std::uint64_t before = 0, after = 0;
    clock::time_point from, until;
    timer.async_wait([&](boost::system::error_code) {
        before = on.at.tasks_ended();
        from = clock::now();
        timer.expires_after(time);
        timer.async_wait([&](boost::system::error_code) {
            after = on.at.tasks_ended();
            until = clock::now();
            over = true;
        });
    });
    on.loop.run();
    // The pool counts on its loop for the last answers; both end here.
    return static_cast<double>(after - before) /
           std::chrono::duration<double>(until - from).count();
}

/// A run of one contestant, with everything that is measured about it.
class pool_run {
public:
    pool_run(const std::string& name, const shape& of, clients policy, std::uint64_t seed)
        : name_(name)
        , on_(name)
        , loop_(on_.loop, *on_.who, of, policy, seed)
        , books_(on_.at.workers()) {}

    stage& on() noexcept { return on_; }
    open_loop& loop() noexcept { return loop_; }
    const std::string& name() const noexcept { return name_; }
    const std::deque<record>& records() const noexcept { return loop_.records(); }

    /// Runs; processor time is that from `from` to `until`.
    void
    go(const std::vector<arrival>& arrivals, nanoseconds from, nanoseconds until,
       std::vector<happening> happenings = {}) {
        from_ = from;
        until_ = until;
        happenings.push_back({from, [this] { books_.begin(); }});
        happenings.push_back({until, [this] { books_.end(); }});
        loop_.run(arrivals, std::move(happenings));
    }

    figures of(const which& counts = {}) const {
        return figures_of(records(), from_, until_, counts);
    }
    cpu_shares shares() const { return books_.shares(of().refusals_cpu); }

    /// What holds on any machine: each try is answered once, and the pool's books balance.
    void check(report& to) {
        if (!on_.who->answers_all())
            return;
        to.require(loop_.tries() == loop_.answers(), "a save was not answered");
        to.require(loop_.answered_twice() == 0, "a save was answered twice");
        std::size_t ends = 0;
        for (const record& r : records()) {
            to.require(r.how != outcome::pending, "a save has no end");
            to.require(r.how != outcome::failed, "a save failed without a reason");
            ++ends;
        }
        to.require(ends == records().size(), "saves are missing");
        if (corogate::task_pool* pool = on_.who->pool()) {
            const auto s = pool->stats();
            to.require(s.submitted == s.refused + s.accepted, "the pool's books do not balance");
            to.require(
                s.accepted == s.waiting + s.running + s.completed + s.failed + s.cancelled +
                                  s.expired + s.displaced + s.abandoned + s.spilled,
                "the pool's books do not balance"
            );
            to.require(s.waiting == 0 && s.reserved == 0, "the pool keeps work that was answered");
        }
    }

private:
    std::string name_;
    stage on_;
    open_loop loop_;
    cpu_books books_;
    nanoseconds from_{};
    nanoseconds until_{};
};

} // namespace overload
