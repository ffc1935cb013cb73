#pragma once

// What any thread may call: the doors of a pool.

#include <corogate/detail/pool_core.hpp>
#include <corogate/detail/xorshift.hpp>

namespace corogate::detail {

inline void job_record::bury() noexcept { core_.bury(this); }

inline void pool_core::refuse(const job_options& who, std::size_t n, errc why) noexcept {
    count_refused(n);
    // Posted with what it needs: the pool may end before it is called.
    observe([&](observer&) {
        asio::post(executor_, [by = options_.observe(), who, n, why] {
            try {
                by->refused(who, n, why);
            } catch (...) { // an observer harms nobody
            }
        });
    });
}

/// Of the calling thread: jitter must cost nothing.
inline std::uint32_t cheap_random() noexcept {
    static thread_local xorshift own(
        static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(&own) >> 4) | 1
    );
    return own();
}

inline refusal pool_core::make_refusal(errc why) const noexcept {
    if (!refusal(why, {}).retryable() || why == errc::draining)
        return {why, std::chrono::milliseconds(0)};
    return {
        why, retry_hint::after(
                 hint_seconds_.load(std::memory_order_relaxed), gate_.taken(),
                 tasks_per_second_.load(std::memory_order_relaxed), cheap_random()
             )
    };
}

/// Places that a class leaves to others: background work half of the queue. Where it could fill
/// all, nobody more urgent would get in.
inline std::size_t pool_core::left_to_others(priority_class c) const noexcept {
    if (c != priority_class::background)
        return 0;
    const std::size_t capacity = gate_.capacity();
    return (capacity - std::min(limit_shown_.load(std::memory_order_relaxed), capacity)) / 2;
}

/// What every door knows: no more than one batch old.
inline admission::view pool_core::seen_from_door(priority_class c) const noexcept {
    return {
        tasks_per_second_.load(std::memory_order_relaxed),
        std::chrono::nanoseconds(typical_service_.load(std::memory_order_relaxed)),
        gate_.free() - static_cast<std::int64_t>(left_to_others(c)), standing(now())
    };
}

/// For how long work has waited without a pause.
inline std::chrono::nanoseconds pool_core::standing(clock::time_point time) const noexcept {
    const auto since = standing_since_.load(std::memory_order_relaxed);
    return since == 0 ? std::chrono::nanoseconds(0)
                      : time - clock::time_point(clock::duration(since));
}

/// Tasks that wait or will come, whosever they are.
inline std::size_t pool_core::places_ahead() const noexcept {
    const std::size_t taken = gate_.taken();
    return taken - std::min(taken, limit_shown_.load(std::memory_order_relaxed));
}

inline std::optional<errc> pool_core::too_long(std::size_t n, const job_options& who) noexcept {
    const auto left = who.deadline().value_or(admission::unbounded);
    const bool background = who.priority() == priority_class::background;
    if (n == 0 || (!background && admission_.longest_wait(left) == admission::unbounded))
        return std::nullopt;
    const auto seen = seen_from_door(who.priority());
    if (background && n > capacity() - left_to_others(who.priority()))
        return errc::job_too_large;
    if (background && seen.free < static_cast<std::int64_t>(n))
        return errc::queue_full;
    const errc no = admission_.too_long(places_ahead(), {n, who.priority(), left}, seen);
    if (no == errc{} || let_pass(no, n))
        return std::nullopt;
    return no;
}

inline std::optional<errc> pool_core::sheds(std::size_t n, priority_class c) noexcept {
    const double part = sheds_background_.load(std::memory_order_relaxed);
    if (part == 0 || n == 0 || !shedding::refuses(part > 1, part, c, cheap_random()))
        return std::nullopt;
    if (let_pass(errc::memory_pressure, n))
        return std::nullopt;
    return errc::memory_pressure;
}

/// Dry run: says so, and lets everything pass that there is room for.
inline bool pool_core::let_pass(errc why, std::size_t n) noexcept {
    if (!options_.dry_run() || why == errc{})
        return false;
    would_refuse_.fetch_add(n, std::memory_order_relaxed);
    return true;
}

inline job_record_ptr pool_core::make_job(const job_options& who, std::size_t places) {
    job_record_ptr job(new job_record(*this, number_job(), who));
    job->places.store(places, std::memory_order_relaxed);
    job_places_.fetch_add(places, std::memory_order_relaxed);
    if (who.deadline())
        job->deadline = pool_clock::later(now(), *who.deadline());
    return job;
}

inline void pool_core::watch_deadline(const job_record_ptr& job) {
    if (job->deadline == job_record::never)
        return;
    on_strand([this, job] {
        job->end.job = job.get();
        plan(job->end, job->deadline);
        set_alarm(); // a task that has to wait may bring nobody else to the strand
    });
}

inline bool pool_core::take_places(job_record& job, std::size_t n) noexcept {
    auto seen = job.places.load(std::memory_order_relaxed);
    do {
        if (seen < n)
            return false;
    } while (!job.places.compare_exchange_weak(seen, seen - n, std::memory_order_acq_rel));
    job_places_.fetch_sub(n, std::memory_order_relaxed);
    return true;
}

inline void pool_core::release_unused(std::size_t n) noexcept {
    if (n == 0)
        return;
    const auto flags = gate_.release(n);
    if (flags & (gate::waiters | gate::draining))
        on_strand([this] { pump(); });
}

inline void pool_core::release_job(job_record& job) noexcept {
    const auto left = job.places.exchange(0, std::memory_order_acq_rel);
    job_places_.fetch_sub(left, std::memory_order_relaxed);
    if (job.lane)
        job.lane->doors.release(left);
    release_unused(left);
}

inline void pool_core::cancel_job(const job_record_ptr& job) {
    on_strand([this, job] {
        end_job(*job, errc::cancelled);
        pump();
    });
}

inline void pool_core::submit(task_node* newest, task_node* oldest) {
    inbox_.push(newest, oldest);
    if (hungry_.load(std::memory_order_seq_cst) && hungry_.exchange(false))
        on_strand([this] { pump(); });
}

inline void pool_core::submit_nested(task_node* newest, task_node* oldest, return_ticket* ticket) {
    // Not pushed before: a child that a runner finds and ends at once would come back for a permit
    // that has not been lent, and take the ticket with it.
    on_strand([this, newest, oldest, ticket] {
        lend_permit(*ticket->parent);
        inbox_.push(newest, oldest);
        pump();
    });
}

inline void pool_core::submit_children(task_node* newest, task_node* oldest) {
    inbox_.push(newest, oldest);
    on_strand([this] { pump(); });
}

inline void pool_core::lend(return_ticket* ticket) {
    on_strand([this, ticket] {
        lend_permit(*ticket->parent);
        pump();
    });
}

inline void pool_core::come_back(return_ticket* ticket) noexcept {
    on_strand([this, ticket] {
        returning_.push_back(*ticket);
        pump();
    });
}

inline bool pool_core::may_wait() noexcept {
    if (at_door_.fetch_add(1, std::memory_order_relaxed) < options_.waiting_submitters())
        return true;
    at_door_.fetch_sub(1, std::memory_order_relaxed);
    return false;
}

inline void pool_core::wait_at_door(std::unique_ptr<admission_waiter> waiter) {
    door_inbox_.push(waiter.release());
    on_strand([this] { pump(); });
}

inline void pool_core::sample(task_node& node) noexcept {
    adaptive_stride& sampler = pool_timings_state::sampler();
    const bool timed = options_.timings() && sampler.next();
    if (!timed && !options_.observe())
        return;
    const auto time = now();
    node.stamp = time.time_since_epoch().count();
    if (timed)
        node.weight = static_cast<std::uint16_t>(sampler.take(time));
}

inline void pool_core::cancel(cancel_link_ptr link, asio::cancellation_type type) {
    // Not shared_from_this: what stands in our own strand must not keep us alive. The caller holds
    // the core, and a stopped core runs nothing that is queued.
    // Here, not there: the strand may be busy, and a runner must not start the task meanwhile.
    link->requested.store(true, std::memory_order_seq_cst);
    on_strand([this, link = std::move(link), type] {
        pump();
        cancel_waiting(*link);
        pump();
        if (type == asio::cancellation_type::none)
            return;
        if (runner* r = link->running.load(std::memory_order_seq_cst))
            asio::post(r->strand, [r, link, type] {
                if (r->current == link.get())
                    r->signal.emit(type);
            });
    });
}

inline pool_stats pool_core::stats() {
    pool_stats s;
    on_strand([this, &s] { s = collect(); });
    pass_strand();
    return s;
}

} // namespace corogate::detail
