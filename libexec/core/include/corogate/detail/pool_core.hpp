#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <corogate/detail/admission_waiter.hpp>
#include <corogate/detail/drain_rate.hpp>
#include <corogate/detail/error_reporter.hpp>
#include <corogate/detail/gate.hpp>
#include <corogate/detail/inbox.hpp>
#include <corogate/detail/inline_when_free.hpp>
#include <corogate/detail/ready_window.hpp>
#include <corogate/detail/runner.hpp>
#include <corogate/detail/task_node.hpp>
#include <corogate/detail/thread_turn.hpp>
#include <corogate/drain_report.hpp>
#include <corogate/errc.hpp>
#include <corogate/pool_options.hpp>
#include <corogate/pool_stats.hpp>
#include <corogate/refusal.hpp>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace corogate::detail {

namespace asio = boost::asio;

/// Someone who waits for a drain to end.
class drain_waiter {
public:
    drain_waiter() = default;
    drain_waiter(const drain_waiter&) = delete;
    drain_waiter& operator=(const drain_waiter&) = delete;
    virtual ~drain_waiter() = default;
    virtual void complete(boost::system::error_code ec, const drain_report& report) = 0;

    // Control strand only.
    std::chrono::steady_clock::time_point began;
    std::uint64_t ended_before = 0;
    std::optional<asio::steady_timer> timer;
};

/// The machinery of a task_pool: gate, inbox, queue, window, runners, and the control strand that
/// decides. Policy state is touched on that strand only, without locks; no user code runs there.
///
/// A task's way: the submitter reserves a place at the gate (one compare-and-swap), pushes the node
/// into the inbox and, where a runner could be started for it, enters the strand. The strand moves
/// the inbox into the queue and the head of the queue into the window. Runners take from the window
/// and ask the strand only when it is empty; a permit passes from a runner's task to its next one.
///
/// At most one runner is on its way at a time (`waking_`): it sets the next one in motion when it
/// has got a task, so that a burst of short tasks does not start a runner for each.
class pool_core {
public:
    using pool_executor = asio::thread_pool::executor_type;
    using clock = std::chrono::steady_clock;

    explicit pool_core(const pool_options& options)
        : options_(options)
        , gate_(static_cast<std::uint32_t>(options.limit() + options.queue_tasks()))
        , errors_(options.on_error())
        , control_(1)
        , strand_(control_executor(control_.get_executor()))
        , pool_(std::in_place, options.threads())
        , executor_(pool_->get_executor()) {}

    pool_core(const pool_core&) = delete;
    pool_core& operator=(const pool_core&) = delete;

    // ---- any thread ----

    const pool_options& options() const noexcept { return options_; }
    pool_executor executor() const noexcept { return executor_; }
    error_reporter& errors() noexcept { return errors_; }

    std::optional<errc> reserve(std::size_t n) noexcept { return gate_.reserve(n); }
    void count_refused(std::size_t n) noexcept { refused_.fetch_add(n, std::memory_order_relaxed); }
    refusal make_refusal(errc why) const noexcept;

    /// Gives back places that no task came for.
    void release_unused(std::size_t n) noexcept;

    bool stopped() const noexcept { return gate_.has(gate::stopped); }

    /// A job may outlive its pool: between `enter` and `leave` the pool's executor is there.
    bool enter() noexcept {
        users_.fetch_add(1);
        if (!stopped())
            return true;
        leave();
        return false;
    }
    void leave() noexcept {
        if (users_.fetch_sub(1) == 1 && stopped())
            users_.notify_all();
    }
    /// Reserved places that no task has come for; what a drain's report calls unused.
    void job_places(std::ptrdiff_t n) noexcept {
        job_places_.fetch_add(static_cast<std::size_t>(n), std::memory_order_relaxed);
    }

    /// Takes a chain of n admitted tasks, linked newest to oldest.
    void submit(task_node* newest, task_node* oldest);
    void submit(task_node* node) { submit(node, node); }

    /// The same on the control strand, which looks into the inbox right after.
    void submit_from_door(task_node* node) noexcept { inbox_.push(node); }

    /// Suspends a submitter until its places are free or will never be.
    void wait_at_door(std::unique_ptr<admission_waiter> waiter);

    void cancel(cancel_link_ptr link, asio::cancellation_type type);

    pool_stats stats();

    void start_drain(
        std::unique_ptr<drain_waiter> waiter, std::chrono::nanoseconds timeout,
        const asio::any_io_executor& caller
    );

    /// Refuses from now on, drops what waits, cancels what runs; returns when every task has ended.
    void stop_and_join();

private:
    using control_executor = inline_when_free<asio::thread_pool::executor_type>;
    using task_list = boost::intrusive::list<
        task_node, boost::intrusive::base_hook<queue_hook>,
        boost::intrusive::constant_time_size<true>>;
    using waiter_list = boost::intrusive::list<
        admission_waiter, boost::intrusive::base_hook<door_hook>,
        boost::intrusive::constant_time_size<true>>;

    template <typename F>
    void on_strand(F f) {
        asio::dispatch(strand_, std::move(f));
    }

    // ---- control strand ----

    void pump();
    void take_inbox();
    void let_waiters_in();
    void refuse_waiters(errc why);
    void refuse_later(std::unique_ptr<admission_waiter> waiter, errc why);
    task_node* next_task() noexcept;
    void refill_window() noexcept;
    void put_back_window() noexcept;
    void serve(runner& r);
    void give(runner& r, task_node* node, bool leave = false);
    void wake_one();
    void spawn_runner();
    void runner_gone(bool holds_permit);
    void publish_hunger();
    void check_drained();
    void drain_expired(const drain_waiter* whose);
    void cancel_waiting(cancel_link& link);
    void drop_later(task_list& nodes, errc why);
    std::uint64_t ended() const noexcept;
    pool_stats collect();

    void flush();
    void pass_strand();
    void drop_done() {
        if (drops_pending_.fetch_sub(1, std::memory_order_acq_rel) == 1 &&
            gate_.has(gate::draining))
            on_strand([this] { check_drained(); });
    }

    // ---- a runner's own thread of control ----

    asio::awaitable<void> run(runner& r);
    void begin_turn(runner& r) noexcept;
    task_node* ask(runner& r);
    auto answer(runner& r);
    void finish(runner& r, task_node* node) noexcept;
    bool cancelled_before_start(task_node* node) noexcept;

    friend class running_task;
    friend class runner_exit;

    const pool_options options_;
    gate gate_;
    error_reporter errors_;
    alignas(64) std::atomic<std::uint64_t> refused_{0};
    std::atomic<double> tasks_per_second_{0};

    alignas(64) inbox<task_node> inbox_;
    inbox<admission_waiter> door_inbox_;
    /// A runner could be started: whoever pushes must enter the strand.
    alignas(64) std::atomic<bool> hungry_{true};
    alignas(64) ready_window window_;

    // Control strand only.
    alignas(64) task_list queue_;
    waiter_list door_;
    std::vector<std::unique_ptr<runner>> runners_; // all that ever lived; reused through parked_
    std::vector<runner*> parked_;
    std::size_t permits_used_ = 0;
    std::size_t busy_ = 0; // runners with a task, or between two
    std::size_t busy_peak_ = 0;
    bool waking_ = false;
    bool leaving_ = false;
    std::uint64_t accepted_ = 0;
    std::uint64_t cancelled_ = 0;
    std::uint64_t abandoned_ = 0; // before their start
    drain_rate pace_;
    std::vector<std::unique_ptr<drain_waiter>> draining_;
    std::size_t live_runners_ = 0;

    std::atomic<std::uint64_t> abandoned_running_{0};
    std::atomic<std::uint64_t> cancelled_at_start_{0};
    std::atomic<std::uint64_t> stopped_at_start_{0};
    std::atomic<std::size_t> drops_pending_{0};
    std::atomic<std::size_t> job_places_{0};
    std::atomic<std::uint32_t> users_{0};
    std::atomic<bool> all_gone_{false};

    asio::thread_pool control_;
    asio::strand<control_executor> strand_;
    // Last: what its coroutines refer to is still there when their frames go.
    std::optional<asio::thread_pool> pool_;
    pool_executor executor_;
};

// ------------------------------------------------------------------------------------------------

/// A task in the hands of a runner. Should the runner's frame be destroyed while the task is
/// suspended, the permit and the place go back and the submitter learns of it.
/// Tells the strand that a runner is gone, however its frame ends.
class runner_exit {
public:
    explicit runner_exit(pool_core& core) noexcept
        : core_(core) {}
    runner_exit(const runner_exit&) = delete;
    runner_exit& operator=(const runner_exit&) = delete;
    ~runner_exit();
    void permit_returned() noexcept { holds_permit_ = false; }

private:
    pool_core& core_;
    bool holds_permit_ = true;
};

class running_task {
public:
    running_task(pool_core& core, runner& r, task_node* node) noexcept
        : core_(core)
        , runner_(r)
        , node_(node) {
        r.note_start();
    }
    running_task(const running_task&) = delete;
    running_task& operator=(const running_task&) = delete;
    ~running_task() {
        if (!node_)
            return;
        forget_link();
        runner_.note_end(true);
        core_.abandoned_running_.fetch_add(1, std::memory_order_release);
        core_.gate_.release(1);
        core_.drops_pending_.fetch_add(1, std::memory_order_relaxed);
        node_->drop(core_, errc::abandoned);
        core_.drops_pending_.fetch_sub(1, std::memory_order_release);
    }

    /// The task has run to its end.
    task_node* ended() noexcept {
        forget_link();
        return std::exchange(node_, nullptr);
    }

private:
    void forget_link() noexcept {
        if (node_->link) {
            runner_.current = nullptr;
            node_->link->running.store(nullptr, std::memory_order_release);
        }
    }

    pool_core& core_;
    runner& runner_;
    task_node* node_;
};

inline runner_exit::~runner_exit() {
    core_.on_strand([core = &core_, holds = holds_permit_] { core->runner_gone(holds); });
}

inline refusal pool_core::make_refusal(errc why) const noexcept {
    const double pace = tasks_per_second_.load(std::memory_order_relaxed);
    const auto ahead = static_cast<double>(gate_.taken());
    const double seconds = why == errc::queue_full && pace > 0 ? ahead / pace : 0;
    return {why, std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000))};
}

inline void pool_core::release_unused(std::size_t n) noexcept {
    if (n == 0)
        return;
    const auto flags = gate_.release(n);
    if (flags & (gate::waiters | gate::draining))
        on_strand([this] { pump(); });
}

inline void pool_core::submit(task_node* newest, task_node* oldest) {
    inbox_.push(newest, oldest);
    if (hungry_.load(std::memory_order_seq_cst) && hungry_.exchange(false))
        on_strand([this] { pump(); });
}

inline void pool_core::wait_at_door(std::unique_ptr<admission_waiter> waiter) {
    door_inbox_.push(waiter.release());
    on_strand([this] { pump(); });
}

inline void pool_core::pump() {
    take_inbox();
    let_waiters_in();
    refill_window();
    wake_one();
    publish_hunger();
    check_drained();
}

inline void pool_core::take_inbox() {
    for (task_node* node = inbox_.take_all(); node;) {
        task_node* next = std::exchange(node->next, nullptr);
        ++accepted_;
        queue_.push_back(*node);
        if (cancel_link* link = node->link.get()) {
            link->where = cancel_link::place::queue;
            link->node = node;
            if (link->requested.load(std::memory_order_relaxed))
                cancel_waiting(*link);
        }
        node = next;
    }
    if (leaving_ && !queue_.empty()) {
        abandoned_ += queue_.size();
        gate_.release(queue_.size());
        drop_later(queue_, errc::stopped);
    }
    for (admission_waiter* waiter = door_inbox_.take_all(); waiter;) {
        admission_waiter* next = std::exchange(waiter->next, nullptr);
        door_.push_back(*waiter);
        if (cancel_link* link = waiter->link.get()) {
            link->where = cancel_link::place::door;
            link->waiter = waiter;
            if (link->requested.load(std::memory_order_relaxed))
                cancel_waiting(*link);
        }
        waiter = next;
    }
}

inline void pool_core::let_waiters_in() {
    if (door_.empty())
        return;
    if (gate_.has(gate::stopped | gate::draining)) {
        refuse_waiters(gate_.has(gate::stopped) ? errc::stopped : errc::draining);
        return;
    }
    gate_.set(gate::waiters);
    while (!door_.empty() && gate_.reserve_for_waiter(door_.front().places)) {
        std::unique_ptr<admission_waiter> waiter(&door_.front());
        door_.pop_front();
        if (waiter->link)
            waiter->link->where = cancel_link::place::nowhere;
        waiter->admitted(*this);
    }
    if (door_.empty())
        gate_.clear(gate::waiters);
    take_inbox(); // those who were let in have come in
}

inline void pool_core::refuse_waiters(errc why) {
    while (!door_.empty()) {
        std::unique_ptr<admission_waiter> waiter(&door_.front());
        door_.pop_front();
        refuse_later(std::move(waiter), why);
    }
    gate_.clear(gate::waiters);
}

inline void pool_core::refuse_later(std::unique_ptr<admission_waiter> waiter, errc why) {
    if (waiter->link)
        waiter->link->where = cancel_link::place::nowhere;
    count_refused(waiter->places);
    drops_pending_.fetch_add(1, std::memory_order_relaxed);
    asio::post(executor_, [this, why, w = std::move(waiter)] {
        w->refused(*this, why);
        drop_done();
    });
}

inline task_node* pool_core::next_task() noexcept {
    if (task_node* node = window_.pop())
        return node;
    if (queue_.empty())
        return nullptr;
    task_node& node = queue_.front();
    queue_.pop_front();
    if (node.link)
        node.link->where = cancel_link::place::nowhere;
    return &node;
}

inline void pool_core::refill_window() noexcept {
    for (std::size_t room = window_.free(); room > 0 && !queue_.empty(); --room) {
        task_node& node = queue_.front();
        queue_.pop_front();
        if (node.link)
            node.link->where = cancel_link::place::window;
        window_.push(&node);
    }
}

/// Takes back what runners have not taken, to the front of the queue, in order.
inline void pool_core::put_back_window() noexcept {
    task_list back;
    while (task_node* node = window_.pop()) {
        back.push_back(*node);
        if (node->link) {
            node->link->where = cancel_link::place::queue;
            node->link->node = node;
        }
    }
    queue_.splice(queue_.begin(), back);
}

inline void pool_core::serve(runner& r) {
    const bool first_ask = std::exchange(r.woken, false);
    if (first_ask) {
        waking_ = false;
        ++busy_;
    }
    take_inbox();
    let_waiters_in();
    task_node* node = leaving_ ? nullptr : next_task();
    if (node) {
        busy_peak_ = std::max(busy_peak_, busy_);
        give(r, node);
        refill_window();
        wake_one();
    } else {
        --busy_;
        --permits_used_;
        if (busy_ == 0)
            pace_.pause(); // an idle time says nothing of the pace
        if (leaving_)
            give(r, nullptr, true);
        else
            parked_.push_back(&r);
    }
    if (const auto now = clock::now(); pace_.due(now)) {
        pace_.observe(now, ended());
        tasks_per_second_.store(pace_.per_second(), std::memory_order_relaxed);
    }
    publish_hunger();
    if (!node)
        check_drained();
}

inline void pool_core::give(runner& r, task_node* node, bool leave) {
    r.given = node;
    r.leave = leave;
    if (r.box.exchange(runner::letter::answered, std::memory_order_acq_rel) ==
        runner::letter::suspended) {
        r.resume_by_post();
    }
}

inline void pool_core::wake_one() {
    if (waking_ || leaving_ || permits_used_ >= options_.limit() ||
        (window_.empty() && queue_.empty()))
        return;
    waking_ = true;
    ++permits_used_;
    if (parked_.empty()) {
        spawn_runner();
        return;
    }
    runner& r = *parked_.back();
    parked_.pop_back();
    r.woken = true;
    give(r, nullptr);
}

inline void pool_core::spawn_runner() {
    runner& r = *runners_.emplace_back(std::make_unique<runner>(executor_));
    r.woken = true;
    ++live_runners_;
    // Posted: co_spawn on the executor one stands on would run the task here and now.
    asio::post(executor_, [this, &r] {
        auto gone = [](std::exception_ptr) {}; // runner_exit has told
        asio::co_spawn(
            r.strand, run(r), asio::bind_cancellation_slot(r.signal.slot(), std::move(gone))
        );
    });
}

inline void pool_core::runner_gone(bool holds_permit) {
    --live_runners_;
    if (holds_permit) {
        --busy_;
        --permits_used_;
    }
    pump();
    if (leaving_ && live_runners_ == 0) {
        all_gone_.store(true, std::memory_order_release);
        all_gone_.notify_all();
    }
}

/// Declares whether a push must enter the strand, then looks whether one has slipped in between.
inline void pool_core::publish_hunger() {
    for (;;) {
        const bool hungry = leaving_ || (!waking_ && permits_used_ < options_.limit());
        hungry_.store(hungry, std::memory_order_seq_cst);
        if (!hungry || inbox_.empty())
            return;
        take_inbox();
        refill_window();
        wake_one();
    }
}

inline void pool_core::check_drained() {
    // busy_: a runner that has not asked yet may still be destroying a callable.
    if (draining_.empty() || gate_.taken() != 0 || busy_ != 0 ||
        drops_pending_.load(std::memory_order_acquire) != 0)
        return;
    const auto now = clock::now();
    for (auto& waiter : draining_) {
        drain_report report;
        report.finished = static_cast<std::size_t>(ended() - waiter->ended_before);
        report.took = now - waiter->began;
        waiter->complete({}, report);
    }
    draining_.clear();
}

/// The earliest deadline ends every drain under way: what it gave up is gone for all of them.
inline void pool_core::drain_expired(const drain_waiter* whose) {
    const auto is_whose = [whose](const auto& waiter) { return waiter.get() == whose; };
    if (std::none_of(draining_.begin(), draining_.end(), is_whose))
        return;
    take_inbox();
    put_back_window();
    drain_report report;
    report.abandoned = queue_.size();
    abandoned_ += queue_.size();
    gate_.release(queue_.size());
    drop_later(queue_, errc::abandoned);
    report.still_running = static_cast<std::size_t>(
        accepted_ - abandoned_ - cancelled_ - cancelled_at_start_.load(std::memory_order_acquire) -
        ended()
    );
    report.unused = job_places_.load(std::memory_order_relaxed);
    const auto now = clock::now();
    for (auto& waiter : draining_) {
        report.finished = static_cast<std::size_t>(ended() - waiter->ended_before);
        report.took = now - waiter->began;
        waiter->complete({}, report);
    }
    draining_.clear();
}

/// Destructors of closures and completions are user code: they run on the pool, outside the strand.
inline void pool_core::drop_later(task_list& nodes, errc why) {
    if (nodes.empty())
        return;
    auto doomed = std::make_shared<task_list>(std::move(nodes));
    for (task_node& node : *doomed)
        if (node.link)
            node.link->where = cancel_link::place::nowhere;
    drops_pending_.fetch_add(1, std::memory_order_relaxed);
    asio::post(executor_, [this, why, doomed = std::move(doomed)] {
        doomed->clear_and_dispose([this, why](task_node* node) { node->drop(*this, why); });
        drop_done();
    });
}

inline void pool_core::cancel(cancel_link_ptr link, asio::cancellation_type type) {
    // Not shared_from_this: what stands in our own strand must not keep us alive. The caller holds
    // the core, and a stopped core runs nothing that is queued.
    on_strand([this, link = std::move(link), type] {
        link->requested.store(true, std::memory_order_seq_cst);
        pump();
        cancel_waiting(*link);
        pump();
        if (runner* r = link->running.load(std::memory_order_seq_cst))
            asio::post(r->strand, [r, link, type] {
                if (r->current == link.get())
                    r->signal.emit(type);
            });
    });
}

/// O(1): the window is small, all else is an unlink.
inline void pool_core::cancel_waiting(cancel_link& link) {
    if (link.where == cancel_link::place::window)
        put_back_window(); // where a runner was faster, the task is no longer there
    if (link.where == cancel_link::place::door) {
        std::unique_ptr<admission_waiter> waiter(link.waiter);
        door_.erase(door_.iterator_to(*waiter));
        if (door_.empty())
            gate_.clear(gate::waiters);
        refuse_later(std::move(waiter), errc::cancelled);
    } else if (link.where == cancel_link::place::queue) {
        task_node& node = *link.node;
        queue_.erase(queue_.iterator_to(node));
        ++cancelled_;
        gate_.release(1);
        task_list one;
        one.push_back(node);
        drop_later(one, errc::cancelled);
    }
    link.where = cancel_link::place::nowhere;
}

inline std::uint64_t pool_core::ended() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& r : runners_)
        sum += r->look().ended;
    return sum;
}

inline pool_stats pool_core::collect() {
    pump();
    pool_stats s;
    std::uint64_t starts = 0;
    std::uint64_t ends = 0;
    const auto abandoned_running = abandoned_running_.load(std::memory_order_acquire);
    std::uint64_t failed = 0;
    for (const auto& r : runners_) {
        const auto seen = r->look();
        failed += seen.failed;
        starts += seen.started;
        ends += seen.ended;
    }
    s.accepted = accepted_;
    s.refused = refused_.load(std::memory_order_relaxed);
    s.submitted = s.refused + s.accepted;
    s.running = static_cast<std::size_t>(starts - ends);
    s.failed = failed - abandoned_running;
    s.completed = ends - failed;
    s.cancelled = cancelled_ + cancelled_at_start_.load(std::memory_order_acquire);
    const auto abandoned_before = abandoned_ + stopped_at_start_.load(std::memory_order_acquire);
    s.abandoned = abandoned_before + abandoned_running;
    s.waiting = static_cast<std::size_t>(accepted_ - starts - s.cancelled - abandoned_before);
    s.running_peak = busy_peak_;
    s.waiting_submitters = door_.size();
    s.permits_used = permits_used_;
    const auto taken = gate_.taken();
    s.reserved = taken > s.waiting + s.running ? taken - s.waiting - s.running : 0;
    s.limit = options_.limit();
    s.queue_tasks = options_.queue_tasks();
    return s;
}

inline pool_stats pool_core::stats() {
    std::promise<pool_stats> books;
    auto out = books.get_future();
    on_strand([this, &books] { books.set_value(collect()); });
    return out.get();
}

inline void pool_core::start_drain(
    std::unique_ptr<drain_waiter> waiter, std::chrono::nanoseconds timeout,
    const asio::any_io_executor& caller
) {
    auto shared = std::make_shared<std::unique_ptr<drain_waiter>>(std::move(waiter));
    on_strand([this, shared, timeout, caller] {
        auto w = std::move(*shared);
        // A task's own executor is its runner's strand.
        if (const auto* strand = caller.target<runner::strand_type>()) {
            for (const auto& r : runners_)
                if (r->strand == *strand) {
                    w->complete(errc::would_deadlock, {});
                    return;
                }
        }
        if (leaving_) {
            w->complete(errc::stopped, {});
            return;
        }
        gate_.set(gate::draining);
        take_inbox();
        let_waiters_in();
        w->began = clock::now();
        w->ended_before = ended();
        w->timer.emplace(control_.get_executor(), timeout);
        w->timer->async_wait([this, whose = w.get()](boost::system::error_code ec) {
            if (!ec)
                on_strand([this, whose] { drain_expired(whose); });
        });
        draining_.push_back(std::move(w));
        pump();
    });
}

inline void pool_core::stop_and_join() {
    on_strand([this] {
        gate_.set(gate::stopped);
        leaving_ = true;
        take_inbox();
        put_back_window();
        abandoned_ += queue_.size();
        gate_.release(queue_.size());
        drop_later(queue_, errc::stopped);
        refuse_waiters(errc::stopped);
        for (auto& waiter : draining_)
            waiter->complete(errc::stopped, {});
        draining_.clear();
        for (runner* r : parked_)
            give(*r, nullptr, true);
        parked_.clear();
        for (const auto& r : runners_)
            asio::post(r->strand, [r = r.get()] {
                if (r->progress.load(std::memory_order_relaxed) & 1)
                    r->signal.emit(asio::cancellation_type::terminal);
            });
        publish_hunger();
        if (live_runners_ == 0) {
            all_gone_.store(true, std::memory_order_release);
            all_gone_.notify_all();
        }
    });
    pass_strand(); // the stop may have been queued: only behind it does nobody enter any more
    for (auto n = users_.load(); n != 0; n = users_.load())
        users_.wait(n);
    pass_strand(); // what they pushed has been dropped
    all_gone_.wait(false, std::memory_order_acquire);
    // The pool's run queue is first in, first out: behind the drops stand the completions they
    // post.
    do
        flush();
    while (drops_pending_.load(std::memory_order_acquire) != 0);
    flush();
    pool_->stop();
    pool_->join();
    control_.stop();
    control_.join();
    runners_.clear(); // their strands belong to the pool's context
    pool_.reset();
}

inline void pool_core::pass_strand() {
    std::promise<void> passed;
    auto reached = passed.get_future();
    on_strand([&passed] { passed.set_value(); });
    reached.wait();
}

inline void pool_core::flush() {
    std::promise<void> passed;
    auto reached = passed.get_future();
    asio::post(executor_, [&passed] { passed.set_value(); });
    reached.wait();
}

// ---- runners ----

inline void pool_core::begin_turn(runner& r) noexcept {
    r.budget.begin(clock::now());
    thread_turn::begin(&r);
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
    const auto flags = gate_.release(1);
    if (flags & gate::waiters)
        r.must_ask = true;
    node->finish(*this);
}

/// The cancellation came while the task was on its way from the window to its runner.
inline bool pool_core::cancelled_before_start(task_node* node) noexcept {
    if (!node->link || !node->link->requested.load(std::memory_order_seq_cst))
        return false;
    node->link->running.store(nullptr, std::memory_order_relaxed);
    cancelled_at_start_.fetch_add(1, std::memory_order_release);
    gate_.release(1);
    node->drop(*this, errc::cancelled);
    return true;
}

inline asio::awaitable<void> pool_core::run(runner& r) {
    runner_exit exit(*this);
    co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
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
        if (node->link) {
            r.current = node->link.get();
            r.current->running.store(&r, std::memory_order_seq_cst);
            if (cancelled_before_start(node)) {
                r.current = nullptr;
                r.must_ask = true; // places came free: the strand looks after waiting submitters
                continue;
            }
        }
        if (stopped()) { // the stop has passed this runner's strand before the task was here
            stopped_at_start_.fetch_add(1, std::memory_order_release);
            if (node->link) {
                r.current = nullptr;
                node->link->running.store(nullptr, std::memory_order_relaxed);
            }
            gate_.release(1);
            node->drop(*this, errc::stopped);
            r.must_ask = true;
            continue;
        }
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
                if (!r.strand.running_in_this_thread())
                    co_await asio::post(r.strand, asio::use_awaitable);
                // What the task did to its cancellation state must not reach the next one.
                co_await asio::this_coro::reset_cancellation_state(
                    asio::enable_terminal_cancellation()
                );
                co_await asio::this_coro::throw_if_cancelled(true);
                // The task was suspended, and others had this thread meanwhile. Without this a task
                // that only waited for a millisecond would count as one that took it.
                if (!thread_turn::is(&r))
                    begin_turn(r);
            }
            node = task.ended();
        }
        finish(r, node);
        if (r.budget.look() && r.budget.spent(clock::now())) {
            co_await asio::post(r.strand, asio::use_awaitable);
            begin_turn(r);
        }
    }
}

} // namespace corogate::detail
