#pragma once

// The life of a pool: construction, limits, pause, drain, stop, the books.

#include <algorithm>
#include <corogate/detail/pool_core.hpp>
#include <iostream>
#include <syncstream>

namespace corogate::detail {

inline pool_core::pool_core(const pool_options& options, borrowed on)
    : options_(options)
    , environment_(on.env)
    , gate_(places(options.limit(), options.queue_tasks()))
    , errors_(options.on_error())
    , limit_shown_(options.limit())
    , queue_(options.tenants())
    , limit_(options.limit())
    , queue_tasks_(options.queue_tasks())
    , admission_(options.queue_time().value_or(admission::unbounded))
    , control_limit_(options.limiter(), options.limit())
    , executor_([&]() -> executor_target& {
        if (on.env)
            return target_.emplace(on.env->get_executor());
        if (!on.threads)
            threads_.emplace(options.threads());
        return target_.emplace(on.threads ? *on.threads : *threads_, !on.threads);
    }())
    , strand_([&]() -> control_strand& {
        if (!on.env)
            control_target_.emplace(control_.emplace(1), true);
        return strand_place_.emplace(
            inline_when_free<pool_executor>(on.env ? executor_ : pool_executor(*control_target_))
        );
    }()) {
    clock_.emplace(on.env, control_ ? &*control_ : nullptr, [this] { alarm_rang(); });
    control_limit_.dry_run(options.dry_run());
    idle_look_.core = this;
    limit_look_.core = this;
    memory_look_.core = this;
    if (const auto& guard = options.memory()) {
        shedding_.emplace(*guard);
        gauge_.emplace(*guard);
        on_strand([this] {
            look_at_memory();
            set_alarm();
        });
    }
    stuck_look_.core = this;
    if (options.stuck_after() > std::chrono::nanoseconds::zero() && !on.env)
        on_strand([this] {
            plan(stuck_look_, now() + options_.stuck_after() / 4);
            set_alarm();
        });
}

inline pool_core::pool_core(const pool_options& options)
    : pool_core(options, borrowed{nullptr, nullptr}) {}
inline pool_core::pool_core(const pool_options& options, asio::thread_pool& given)
    : pool_core(options, borrowed{nullptr, &given}) {}
inline pool_core::pool_core(const pool_options& options, environment& on)
    : pool_core(options, borrowed{&on, nullptr}) {}

inline pool_core::~pool_core() { bury_dead(); }

/// Waits for what the strand or the pool does. Where one thread does everything, by doing it.
inline void pool_core::await(const std::atomic<bool>& flag) {
    if (environment_)
        environment_->wait_until([&flag] { return flag.load(std::memory_order_acquire); });
    else
        flag.wait(false, std::memory_order_acquire);
}

inline void pool_core::pass_strand() {
    std::atomic<bool> passed{false};
    on_strand([&passed] {
        passed.store(true, std::memory_order_release);
        passed.notify_all();
    });
    await(passed);
}

inline void pool_core::flush() {
    auto passed = std::make_shared<std::atomic<bool>>(false);
    asio::post(executor_, [passed] {
        passed->store(true, std::memory_order_release);
        passed->notify_all();
    });
    await(*passed);
}

// ---- live changes ----

inline void pool_core::resize(std::size_t limit) {
    on_strand([this, limit] {
        control_limit_.hold(limit);
        set_limit(limit);
        pump();
    });
    pass_strand();
}

inline void pool_core::adapt() {
    on_strand([this] {
        if (!options_.limiter())
            return;
        control_limit_.let_go();
        follow_limiter();
        pump();
    });
    pass_strand();
}

inline void pool_core::set_limit(std::size_t limit) {
    limit_ = limit;
    limit_shown_.store(limit, std::memory_order_relaxed);
    gate_.resize(places(limit_, queue_tasks_));
}

inline void pool_core::resize_queue(std::size_t tasks) {
    on_strand([this, tasks] {
        queue_tasks_ = tasks;
        gate_.resize(places(limit_, queue_tasks_));
        pump();
    });
    pass_strand();
}

inline void pool_core::start_resize(std::unique_ptr<life_waiter> waiter, std::size_t limit) {
    on_strand([this, w = std::move(waiter), limit]() mutable {
        if (leaving_) {
            w->complete(errc::stopped, {});
            return;
        }
        control_limit_.hold(limit);
        set_limit(limit);
        w->limit = limit;
        resizing_.push_back(std::move(w));
        pump();
    });
}

/// Who waits for a limit that was raised again meanwhile has reached it too.
inline void pool_core::check_resized() {
    if (resizing_.empty())
        return;
    std::erase_if(resizing_, [this](auto& waiter) {
        if (permits_used_ > *waiter->limit && permits_used_ > limit_)
            return false;
        waiter->complete({}, {});
        return true;
    });
}

inline void pool_core::pause() {
    on_strand([this] {
        if (leaving_)
            return;
        paused_ = true;
        gate_.set(gate::paused);
        forget_standing(); // a time in which nothing may start says nothing of the pace
        pump();
    });
    pass_strand();
}

inline void pool_core::resume() {
    on_strand([this] {
        paused_ = false;
        gate_.clear(gate::paused);
        pump();
    });
    pass_strand();
}

inline bool pool_core::reopen() {
    bool open = false;
    on_strand([this, &open] {
        if (leaving_ || !draining_.empty())
            return;
        gate_.clear(gate::draining);
        open = true;
    });
    pass_strand();
    return open;
}

inline void pool_core::accompany(pool_core& blocking) {
    on_strand([this, &blocking] { companion_ = &blocking; });
    pass_strand();
}

inline void pool_core::belong_to(pool_core& principal) {
    on_strand([this, &principal] { principal_ = &principal; }); // the watchdog may be at work
    pass_strand();
}

inline lane_state& pool_core::add_lane(std::unique_ptr<lane_state> lane) {
    lane_state& made = *lane;
    on_strand([this, lane = std::move(lane)]() mutable {
        lanes_.push_back(std::move(lane));
        put_back_window();
    });
    pass_strand();
    return made;
}

// ---- the end ----

inline void pool_core::check_drained() {
    // busy_: a runner that has not asked yet may still be destroying a callable.
    const bool quiet = busy_ == 0 && drops_pending_.load(std::memory_order_acquire) == 0;
    if (principal_ && quiet && idle())
        principal_->on_strand([core = principal_] { core->check_drained(); });
    if (draining_.empty() || !quiet)
        return;
    const bool drained = idle() && (!companion_ || companion_->idle());
    // Places of jobs may be out for ever.
    const bool gone = leaving_ && live_runners_ == 0 && (!companion_ || companion_->idle());
    const auto time = now();
    std::erase_if(draining_, [&](auto& waiter) {
        if (!(waiter->what == life_waiter::kind::stop ? gone : drained))
            return false;
        drain_report report;
        report.finished = static_cast<std::size_t>(ended() - waiter->ended_before);
        report.took = time - waiter->began;
        waiter->complete({}, report);
        return true;
    });
}

inline void pool_core::take_all_waiting(task_list& into) {
    take_inbox();
    put_back_window();
    into.splice(into.end(), nested_);
    queue_.take_all(into);
    for (const auto& lane : lanes_)
        lane->queue.take_all(into);
}

/// The line of a job in a report; the tasks of a job come one after another.
inline abandoned_job& line_of(drain_report& report, const job_record* job) {
    constexpr std::size_t most = 1000;
    const std::uint64_t id = job ? job->id : 0;
    auto& lines = report.jobs;
    const auto is_it = [id](const abandoned_job& line) { return line.job == id; };
    if (const auto it = std::find_if(lines.rbegin(), lines.rend(), is_it); it != lines.rend())
        return *it;
    if (lines.size() >= most) {
        static thread_local abandoned_job nobody;
        return nobody;
    }
    abandoned_job line;
    line.job = id;
    if (job) {
        line.tenant = job->tenant_name;
        line.name = job->name;
    }
    return lines.emplace_back(std::move(line));
}

/// The earliest deadline ends every drain under way: what it gave up is gone for all of them.
inline void pool_core::drain_expired() {
    task_list given_up;
    take_all_waiting(given_up);
    drain_report report;
    report.abandoned = given_up.size();
    for (const queue_entry& entry : given_up)
        ++line_of(report, static_cast<const task_node&>(entry).job.get()).waiting;
    for (const auto& r : runners_)
        if (r->progress.load(std::memory_order_acquire) & 1)
            ++line_of(report, r->job.load(std::memory_order_acquire)).running;
    count_dropped(errc::abandoned, report.abandoned);
    gate_.release(report.abandoned);
    drop_later(given_up, errc::abandoned);
    const pool_stats s = books();
    report.still_running = s.running;
    if (companion_)
        report.still_running += companion_->gate_.taken();
    report.unused = job_places_.load(std::memory_order_relaxed);
    const auto time = now();
    auto told = std::move(draining_);
    draining_.clear();
    for (auto& waiter : told) {
        if (waiter->what == life_waiter::kind::stop) { // has no deadline
            draining_.push_back(std::move(waiter));
            continue;
        }
        report.finished = static_cast<std::size_t>(ended() - waiter->ended_before);
        report.took = time - waiter->began;
        waiter->complete({}, report);
    }
}

inline void
pool_core::start_drain(std::unique_ptr<life_waiter> waiter, std::chrono::nanoseconds timeout) {
    gate_.set(gate::draining); // the strand may be busy: nobody comes in from here on
    on_strand([this, w = std::move(waiter), timeout]() mutable {
        if (leaving_) {
            w->complete(errc::stopped, {});
            return;
        }
        gate_.set(gate::draining);
        paused_ = false;
        gate_.clear(gate::paused);
        take_inbox();
        let_waiters_in();
        w->core = this;
        w->began = now();
        w->ended_before = ended();
        plan(*w, pool_clock::later(w->began, timeout));
        draining_.push_back(std::move(w));
        pump();
    });
}

inline void pool_core::stop() {
    gate_.set(gate::stopped);
    on_strand([this] { stop_now(); });
}

inline void pool_core::start_stop(std::unique_ptr<life_waiter> waiter) {
    gate_.set(gate::stopped);
    on_strand([this, w = std::move(waiter)]() mutable {
        w->core = this;
        w->began = now();
        w->ended_before = ended();
        stop_now();
        draining_.push_back(std::move(w));
        check_drained();
    });
}

inline void pool_core::stop_now() {
    if (leaving_)
        return;
    gate_.set(gate::stopped);
    leaving_ = true;
    paused_ = false;
    gate_.clear(gate::paused);
    if (companion_)
        companion_->stop();
    agenda_.clear();
    task_list given_up;
    take_all_waiting(given_up);
    count_dropped(errc::stopped, given_up.size());
    gate_.release(given_up.size());
    drop_later(given_up, errc::stopped);
    refuse_waiters(errc::stopped);
    for (auto& waiter : resizing_)
        waiter->complete(errc::stopped, {});
    resizing_.clear();
    for (auto& waiter : draining_)
        waiter->complete(errc::stopped, {});
    draining_.clear();
    for (runner* r : parked_)
        give(*r, nullptr, true);
    parked_.clear();
    for (const auto& r : runners_)
        if (!r->gone)
            asio::post(r->strand, [r = r.get()] {
                if (r->progress.load(std::memory_order_relaxed) & 1)
                    r->signal.emit(asio::cancellation_type::terminal);
            });
    pump();
    if (live_runners_ == 0) {
        all_gone_.store(true, std::memory_order_release);
        all_gone_.notify_all();
    }
}

inline void pool_core::stop_and_wait() {
    stop();
    pass_strand(); // the stop may have been queued: only behind it does nobody enter any more
    if (environment_)
        environment_->wait_until([this] { return users_.load() == 0; });
    for (auto n = users_.load(); n != 0; n = users_.load())
        users_.wait(n);
    pass_strand(); // what they pushed has been dropped
    await(all_gone_);
    // The pool's run queue is first in, first out: behind the drops stand the completions they
    // post.
    do
        flush();
    while (drops_pending_.load(std::memory_order_acquire) != 0 ||
           completions_pending_.load(std::memory_order_acquire) != 0);
    pass_strand(); // the last drop has told who waited for it
    flush();
}

inline void pool_core::stop_and_join() {
    stop_and_wait();
    if (threads_) {
        threads_->stop();
        threads_->join();
    }
    if (control_) {
        pass_strand();
        control_->stop();
        control_->join();
    }
    clock_->close();
    runners_.clear(); // their strands belong to the context
    if (threads_)
        threads_.reset();
}

// ---- the books ----

inline std::uint64_t pool_core::ended() const noexcept {
    std::uint64_t sum = retired_.ended;
    for (const auto& r : runners_)
        sum += r->look().ended;
    return sum;
}

inline pool_stats pool_core::collect() {
    pump();
    return books();
}

inline pool_stats pool_core::books() const {
    pool_stats s;
    // Those that are counted after the event they explain are read first.
    const auto abandoned_running = abandoned_running_.load(std::memory_order_acquire);
    const auto spilled = spilled_.load(std::memory_order_acquire);
    const auto caller_ran = caller_ran_.load(std::memory_order_acquire);
    const auto caller_failed = caller_failed_.load(std::memory_order_acquire);
    runner::counts sum = retired_;
    for (const auto& r : runners_) {
        const auto seen = r->look();
        sum.failed += seen.failed;
        sum.started += seen.started;
        sum.ended += seen.ended;
    }
    s.spilled = spilled;
    s.accepted = accepted_ + spilled + caller_ran + caller_failed;
    s.refused = refused_.load(std::memory_order_relaxed);
    s.submitted = s.refused + s.accepted;
    s.running = static_cast<std::size_t>(sum.started - sum.ended);
    s.failed = sum.failed - abandoned_running + caller_failed;
    s.completed = sum.ended - sum.failed + caller_ran;
    s.cancelled = cancelled_ + cancelled_at_start_.load(std::memory_order_acquire);
    s.expired = expired_ + expired_at_start_.load(std::memory_order_acquire);
    s.displaced = displaced_;
    const auto abandoned_before = abandoned_ + stopped_at_start_.load(std::memory_order_acquire);
    s.abandoned = abandoned_before + abandoned_running;
    s.waiting = static_cast<std::size_t>(
        accepted_ - sum.started - s.cancelled - s.expired - s.displaced - abandoned_before
    );
    s.running_peak = busy_peak_;
    s.waiting_submitters = door_.size();
    s.lent = lent_;
    s.permits_used = s.running - lent_;
    s.runners = live_runners_;
    s.tenants = queue_.tenants();
    s.jobs_admitted = jobs_admitted_.load(std::memory_order_relaxed);
    s.jobs_refused = jobs_refused_.load(std::memory_order_relaxed);
    const auto taken = gate_.taken();
    s.reserved = taken > s.waiting + s.running ? taken - s.waiting - s.running : 0;
    s.paused = paused_;
    s.limit = limit_;
    s.limit_proposed = options_.limiter() ? control_limit_.proposed() : limit_;
    s.limit_held = options_.limiter() && control_limit_.held();
    s.queue_tasks = queue_tasks_;
    s.tasks_per_second = pace_.per_second();
    s.would_refuse = would_refuse_.load(std::memory_order_relaxed);
    return s;
}

// ---- the watchdog ----

inline void pool_core::look_for_stuck() {
    const auto time = now();
    std::vector<stuck_task> found;
    for (const auto& r : runners_) {
        const auto progress = r->progress.load(std::memory_order_acquire);
        const auto since = seen_since(*r, progress, time);
        auto& seen = r->watched;
        if (!(progress & 1) || seen.told || time - since < options_.stuck_after())
            continue;
        seen.told = true;
        stuck_task task;
        // A record that a runner names is destroyed on this strand only.
        if (const job_record* job = r->job.load(std::memory_order_acquire)) {
            task.job = job->id;
            task.tenant = job->tenant_name;
            task.name = job->name;
        }
        task.running = time - since;
        task.lent = seen.lent;
        found.push_back(std::move(task));
    }
    plan(
        stuck_look_, time + std::max<std::chrono::nanoseconds>(
                                options_.stuck_after() / 4, std::chrono::milliseconds(1)
                            )
    );
    if (found.empty())
        return;
    // Not on the pool's threads, which may all be stuck.
    auto tell = [by = options_.observe(), found = std::move(found)] {
        for (const stuck_task& task : found) {
            try {
                if (by)
                    by->stuck(task);
                else
                    std::osyncstream(std::clog)
                        << "corogate: a task of job " << task.job << " (tenant \"" << task.tenant
                        << "\", \"" << task.name << "\") has been running for "
                        << std::chrono::duration_cast<std::chrono::seconds>(task.running).count()
                        << " s" << (task.lent ? ", waiting for other work of the pool" : "")
                        << '\n';
            } catch (...) { // an observer harms nobody
            }
        }
    };
    if (control_)
        asio::post(*control_, std::move(tell));
    else
        asio::post(executor_, std::move(tell));
}

} // namespace corogate::detail
