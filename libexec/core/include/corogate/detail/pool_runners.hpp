#pragma once

// The resident coroutine of a pool, and how its end is told.

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <corogate/detail/pool_core.hpp>

namespace corogate::detail {

/// Terminal cancellation only, in a state large enough that a task's own
/// `reset_cancellation_state` finds room in the same place: the runner's slot keeps its address,
/// by which a task's own coroutine is told from others on its strand.
struct terminal_in_a_roomy_state {
    asio::cancellation_type_t operator()(asio::cancellation_type_t type) const noexcept {
        return type & asio::cancellation_type::terminal;
    }
    std::byte room[32]; // nobody looks in
};

/// Tells the strand that a runner is gone, however its frame ends.
class runner_exit {
public:
    runner_exit(pool_core& core, runner& r) noexcept
        : core_(core)
        , runner_(r) {}
    runner_exit(const runner_exit&) = delete;
    runner_exit& operator=(const runner_exit&) = delete;
    ~runner_exit() {
        core_.on_strand([core = &core_, r = &runner_, holds = holds_permit_] {
            core->runner_gone(*r, holds);
        });
    }
    void permit_returned() noexcept { holds_permit_ = false; }

private:
    pool_core& core_;
    runner& runner_;
    bool holds_permit_ = true;
};

/// A task in the hands of a runner. Should the runner's frame be destroyed while the task is
/// suspended, the permit and the place go back and the submitter learns of it.
class running_task {
public:
    running_task(pool_core& core, runner& r, task_node* node) noexcept
        : core_(core)
        , runner_(r)
        , node_(node) {
        r.number = 0;
        r.note_start(node->job != nullptr);
        if (node->stamp != 0)
            note_start();
    }
    running_task(const running_task&) = delete;
    running_task& operator=(const running_task&) = delete;
    ~running_task() {
        if (!node_)
            return;
        pool_core::unpublish(runner_, *node_);
        runner_.note_end(true);
        core_.abandoned_running_.fetch_add(1, std::memory_order_release);
        core_.give_place_back(*node_);
        core_.drop_begins();
        core_.tell_dropped(*node_, errc::abandoned);
        node_->drop(core_, errc::abandoned);
        core_.drop_done();
    }

    /// The task has run to its end.
    task_node* ended() noexcept {
        if (node_->stamp != 0)
            note_end();
        pool_core::unpublish(runner_, *node_);
        return std::exchange(node_, nullptr);
    }

private:
    using duration = std::chrono::steady_clock::duration;

    void note_start() noexcept {
        began_ = core_.now();
        runner_.note_time(began_.time_since_epoch().count());
        const duration waited = began_.time_since_epoch() - duration(node_->stamp);
        if (node_->weight != 0)
            core_.timings_.queue_wait.record(waited, node_->weight);
        core_.observe([&](observer& by) { by.started(pool_core::info_of(*node_), waited); });
    }
    void note_end() noexcept {
        const duration ran = core_.now() - began_;
        if (node_->weight != 0) {
            core_.timings_.service_time.record(ran, node_->weight);
            if (core_.options_.limiter() && !node_->failed())
                core_.timings_.good_service_time.record(ran, node_->weight);
            note_cost(ran);
        }
        core_.observe([&](observer& by) {
            by.ended(pool_core::info_of(*node_), ran, node_->error());
        });
    }

    /// What the tenant has had beyond one unit, as far as it is known: a permit for longer than
    /// tasks have it on average.
    void note_cost(duration ran) noexcept {
        const auto mean = core_.mean_service_.load(std::memory_order_relaxed);
        if (!node_->job || node_->nested || mean <= 0)
            return;
        const double beyond = static_cast<double>(ran.count()) / static_cast<double>(mean) - 1;
        node_->job->overrun.fetch_add(
            static_cast<std::int64_t>(std::min(beyond, 1024.0) * 256 * node_->weight),
            std::memory_order_relaxed
        );
    }

    pool_core& core_;
    runner& runner_;
    task_node* node_;
    std::chrono::steady_clock::time_point began_;
};

inline task_info pool_core::info_of(const task_node& node) noexcept {
    task_info info;
    if (const job_record* job = node.job.get()) {
        info.job = job->id;
        info.tenant = job->tenant_name;
        info.name = job->name;
        info.priority = job->priority;
    }
    return info;
}

inline void pool_core::tell_dropped(const task_node& node, errc why) noexcept {
    observe([&](observer& by) { by.dropped(info_of(node), why); });
}

/// Says which task the runner has; before it looks whether the task may start, so that whoever
/// wants to end it sees the runner, or the runner him.
inline void pool_core::publish(runner& r, const task_node& node) noexcept {
    if (node.link) {
        r.current = node.link.get();
        r.current->running.store(&r, std::memory_order_seq_cst);
    }
    if (node.job)
        r.job.store(node.job.get(), std::memory_order_seq_cst);
}

inline void pool_core::unpublish(runner& r, const task_node& node) noexcept {
    r.job.store(nullptr, std::memory_order_release);
    if (node.link) {
        r.current = nullptr;
        node.link->running.store(nullptr, std::memory_order_release);
    }
}

/// A task that was served has left; its place is free. Returns the gate's flags.
inline std::uint64_t pool_core::give_place_back(task_node& node) noexcept {
    if (job_record* job = node.job.get()) {
        if (!node.nested) {
            if (job->lane)
                job->lane->doors.release(1);
            task_left(*job);
        }
    }
    return gate_.release(1);
}

inline void pool_core::task_left(job_record& job) noexcept {
    if (job.gone.fetch_add(1, std::memory_order_acq_rel) == 0) {
        intrusive_ptr_add_ref(&job);
        gone_jobs_.push(&job);
    }
}

inline void pool_core::spawn_runner() {
    // Whatever throws here (memory), throws before anything is counted.
    std::unique_ptr<runner> made;
    try {
        made = std::make_unique<runner>(*this, executor_);
        runners_.reserve(runners_.size() + 1);
        parked_.reserve(runners_.size() + 1);
        // Posted: co_spawn on the executor one stands on would run the task here and now.
        asio::post(executor_, [this, r = made.get()] {
            auto gone = [](std::exception_ptr) {}; // runner_exit has told
            asio::co_spawn(
                r->strand, run(*r), asio::bind_cancellation_slot(r->signal.slot(), std::move(gone))
            );
        });
    } catch (...) { // the next push or end of a task tries again
        return;
    }
    made->woken = true;
    made->index = runners_.size();
    runners_.push_back(std::move(made));
    ++live_runners_;
    waking_ = true;
    ++permits_used_;
}

inline void pool_core::runner_gone(runner& r, bool holds_permit) {
    --live_runners_;
    r.gone = true;
    if (holds_permit) {
        if (std::exchange(r.woken, false))
            waking_ = false;
        else
            --busy_;
        --permits_used_;
        if (r.lane)
            --r.lane->used;
    }
    // Behind whatever still stands in its strand, the end of its coroutine included.
    drop_begins();
    asio::post(r.strand, [this, &r] {
        asio::post(r.strand, [this, &r] {
            on_strand([this, &r] { erase_runner(r); });
            drop_done();
        });
    });
    pump();
    if (leaving_ && live_runners_ == 0) {
        all_gone_.store(true, std::memory_order_release);
        all_gone_.notify_all();
    }
}

inline void pool_core::erase_runner(runner& r) {
    const auto seen = r.look();
    retired_.started += seen.started;
    retired_.ended += seen.ended;
    retired_.failed += seen.failed;
    const auto index = r.index;
    if (index + 1 != runners_.size()) {
        std::swap(runners_[index], runners_.back());
        runners_[index]->index = index;
    }
    runners_.pop_back();
}

/// Asks the strand for a task. The answer is here at once when the strand was free.
inline task_node* pool_core::ask(runner& r) {
    r.must_ask = false;
    r.box.store(runner::letter::none, std::memory_order_relaxed);
    on_strand([this, &r] { serve(r); });
    if (r.box.load(std::memory_order_acquire) == runner::letter::answered)
        return r.given;
    return nullptr;
}

/// Suspends the runner until the strand has answered.
inline auto pool_core::answer(runner& r) {
    return asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
        [&r](auto handler) {
            r.resume.store(std::move(handler));
            if (r.box.exchange(runner::letter::suspended, std::memory_order_acq_rel) ==
                runner::letter::answered) {
                r.resume_by_post();
            }
        },
        asio::use_awaitable
    );
}

inline void pool_core::finish(runner& r, task_node* node) noexcept {
    r.note_end(node->failed());
    if (node->failed() && node->job &&
        node->job->over.load(std::memory_order_relaxed) == static_cast<int>(errc::expired))
        timed_out_.fetch_add(1, std::memory_order_relaxed);
    if (node->nested)
        nested_ended_.fetch_add(1, std::memory_order_relaxed);
    const auto flags = give_place_back(*node);
    // Somebody waits for the place, for the permit, or for the lane's.
    if ((flags & gate::waiters) || node->nested || (node->job && node->job->lane))
        r.must_ask = true;
    node->finish(*this);
}

inline void pool_core::drop_at_start(runner& r, task_node* node, errc why) noexcept {
    unpublish(r, *node);
    (why == errc::stopped   ? stopped_at_start_
     : why == errc::expired ? expired_at_start_
                            : cancelled_at_start_)
        .fetch_add(1, std::memory_order_release);
    give_place_back(*node);
    tell_dropped(*node, why);
    node->drop(*this, why);
    r.must_ask = true; // places came free: the strand looks after waiting submitters
}

/// What came while the task was on its way from the window to its runner: its cancellation, the end
/// of its job, a stop, a pause.
inline bool pool_core::must_not_start(runner& r, task_node* node) noexcept {
    publish(r, *node);
    if (held()) {
        if (gate_.has(gate::stopped)) { // the stop has passed this runner's strand before
            drop_at_start(r, node, errc::stopped);
            return true;
        }
        unpublish(r, *node);
        r.returned = node;
        r.must_ask = true;
        return true;
    }
    if (node->link && node->link->requested.load(std::memory_order_seq_cst)) {
        drop_at_start(r, node, errc::cancelled);
        return true;
    }
    if (const job_record* job = node->job.get()) {
        int over = job->over.load(std::memory_order_seq_cst);
        if (over == 0 && job->deadline != job_record::never && now() >= job->deadline)
            over = static_cast<int>(errc::expired);
        if (over != 0) {
            drop_at_start(r, node, static_cast<errc>(over));
            return true;
        }
    }
    return false;
}

inline asio::awaitable<void> pool_core::run(runner& r) {
    runner_exit exit(*this, r);
    co_await asio::this_coro::reset_cancellation_state(terminal_in_a_roomy_state());
    r.slot = (co_await asio::this_coro::cancellation_state).slot();
    r.must_ask = true;
    begin_turn(r);
    for (;;) {
        task_node* node = r.must_ask ? nullptr : window_.pop();
        if (!node) {
            node = ask(r);
            if (!node) {
                if (r.box.load(std::memory_order_acquire) != runner::letter::answered)
                    co_await answer(r);
                if (r.leave) {
                    exit.permit_returned();
                    break;
                }
                node = r.given;
                begin_turn(r);
                if (!node) {
                    r.must_ask = true; // resumed to look: the strand must know that it has
                    continue;
                }
            }
        }
        if (must_not_start(r, node))
            continue;
        {
            running_task task(*this, r, node);
            if (node->how() == task_node::form::plain) {
                node->run_plain();
            } else {
                try {
                    co_await node->run_coroutine();
                } catch (...) {
                    node->fail(std::current_exception());
                }
                // A task may end on a thread of another context.
                if (!r.strand.running_in_this_thread()) {
                    // One that was cancelled would end the runner here, and lose its own outcome.
                    co_await asio::this_coro::throw_if_cancelled(false);
                    co_await asio::post(r.strand, asio::use_awaitable);
                }
                // What the task did to its cancellation state must not reach the next one.
                co_await asio::this_coro::reset_cancellation_state(terminal_in_a_roomy_state());
                co_await asio::this_coro::throw_if_cancelled(true);
                // The task was suspended, and others had this thread meanwhile. Without this a task
                // that only waited for a millisecond would count as one that took it.
                if (!thread_turn::is(&r))
                    begin_turn(r);
            }
            node = task.ended();
        }
        finish(r, node);
        if (r.budget.look()) {
            const auto before = now();
            if (r.budget.spent(before)) {
                co_await asio::post(r.strand, asio::use_awaitable);
                const auto after = now();
                if (options_.timings())
                    timings_.scheduling_delay.record(after - before);
                begin_turn(r, after);
            }
        }
    }
}

} // namespace corogate::detail
