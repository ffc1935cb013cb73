#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <corogate/detail/admission.hpp>
#include <corogate/detail/admission_waiter.hpp>
#include <corogate/detail/agenda.hpp>
#include <corogate/detail/drain_rate.hpp>
#include <corogate/detail/error_reporter.hpp>
#include <corogate/detail/gate.hpp>
#include <corogate/detail/inbox.hpp>
#include <corogate/detail/inline_when_free.hpp>
#include <corogate/detail/job_record.hpp>
#include <corogate/detail/lane_state.hpp>
#include <corogate/detail/limit_control.hpp>
#include <corogate/detail/memory_gauge.hpp>
#include <corogate/detail/pool_clock.hpp>
#include <corogate/detail/pool_executor.hpp>
#include <corogate/detail/pool_queue.hpp>
#include <corogate/detail/ready_window.hpp>
#include <corogate/detail/return_ticket.hpp>
#include <corogate/detail/runner.hpp>
#include <corogate/detail/shedding.hpp>
#include <corogate/detail/task_node.hpp>
#include <corogate/detail/thread_turn.hpp>
#include <corogate/detail/timings.hpp>
#include <corogate/drain_report.hpp>
#include <corogate/environment.hpp>
#include <corogate/errc.hpp>
#include <corogate/pool_activity.hpp>
#include <corogate/pool_options.hpp>
#include <corogate/pool_stats.hpp>
#include <corogate/refusal.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace corogate::detail {

namespace asio = boost::asio;

/// Someone who waits for a drain or a stop to end, or for a lowered limit to be reached.
class life_waiter : public agenda_item {
public:
    enum class kind : std::uint8_t { drain, stop, resize };
    explicit life_waiter(kind of) noexcept
        : what(of) {}
    virtual void complete(boost::system::error_code ec, const drain_report& report) = 0;

    const kind what;
    // Control strand only.
    pool_core* core = nullptr;
    std::chrono::steady_clock::time_point began;
    std::uint64_t ended_before = 0;
    std::optional<std::size_t> limit; // for `resize`

private:
    void due(time_point now) override;
};

/// The machinery of a task_pool: gate, inbox, queue, window, runners, and the control strand that
/// decides. Policy state is touched on that strand only, without locks; no user code runs there.
///
/// A task's way: the submitter reserves a place at the gate (one compare-and-swap), pushes the node
/// into the inbox and, where a runner could be started for it, enters the strand. The strand moves
/// the inbox into the queue and the head of the queue into the window. Runners take from the window
/// and ask the strand only when it is empty; a permit passes from a runner's task to its next one.
/// What must not wait behind the window (tasks that come back for their permit, their children,
/// lanes, a lowered limit, a pause) empties it, so that every runner comes and asks.
///
/// At most one runner is on its way at a time (`waking_`): it sets the next one in motion when it
/// has got a task, so that a burst of short tasks does not start a runner for each.
///
/// The members are defined in pool_doors.hpp (any thread), pool_strand.hpp (decisions),
/// pool_life.hpp (drain, stop, limits), pool_look.hpp (who waits and what runs) and
/// pool_runners.hpp (the coroutine).
class pool_core : public std::enable_shared_from_this<pool_core> {
public:
    using clock = std::chrono::steady_clock;

    /// Runs on threads of its own, on those of `given`, or on an environment.
    explicit pool_core(const pool_options& options);
    pool_core(const pool_options& options, asio::thread_pool& given);
    pool_core(const pool_options& options, environment& on);
    ~pool_core();

    pool_core(const pool_core&) = delete;
    pool_core& operator=(const pool_core&) = delete;

    // ---- any thread ----

    const pool_options& options() const noexcept { return options_; }
    const pool_executor& executor() const noexcept { return executor_; }
    error_reporter& errors() noexcept { return errors_; }
    clock::time_point now() const noexcept { return clock_->now(); }

    std::optional<errc> reserve(std::size_t n) noexcept { return gate_.reserve(n); }
    /// Whether memory is too short for a newcomer; as of the last look.
    std::optional<errc> sheds(std::size_t n, priority_class c) noexcept;
    /// Whether a newcomer would wait too long behind all that waits; as of the last look.
    std::optional<errc> too_long(std::size_t n, const job_options& who) noexcept;
    std::size_t places_ahead() const noexcept;
    /// Whether there are places for n, whatever time says.
    bool has_room(std::size_t n) const noexcept {
        return gate_.free() >= static_cast<std::int64_t>(n) && !gate_.has(gate::waiters);
    }
    /// Limit and queue together.
    std::size_t capacity() const noexcept { return gate_.capacity(); }
    /// Places for children of a task that runs.
    bool force(std::size_t n) noexcept { return gate_.force(n); }
    void count_refused(std::size_t n) noexcept { refused_.fetch_add(n, std::memory_order_relaxed); }
    void refuse(const job_options& who, std::size_t n, errc why) noexcept;
    refusal make_refusal(errc why) const noexcept;

    job_record_ptr make_job(const job_options& who, std::size_t places);
    /// Puts the end of a job's time on the agenda.
    void watch_deadline(const job_record_ptr& job);
    /// One of a job's places, for a task; false where none is left.
    bool take_places(job_record& job, std::size_t n) noexcept;
    /// Gives back places that no task came for.
    void release_unused(std::size_t n) noexcept;
    void release_job(job_record& job) noexcept;
    void cancel_job(const job_record_ptr& job);
    void bury(job_record* job) noexcept { dead_jobs_.push(job); }

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

    /// The runner whose task makes this call with its own coroutine as the one that waits; null
    /// where something else waits. On that task's strand.
    template <typename Handler>
    runner* waiting_task(const Handler& handler) const noexcept;

    /// Takes a chain of n admitted tasks, linked newest to oldest.
    void submit(task_node* newest, task_node* oldest);
    void submit(task_node* node) { submit(node, node); }
    /// The same for children of the task that waits for them with `ticket`, lending its permit.
    void submit_nested(task_node* newest, task_node* oldest, return_ticket* ticket);
    /// The same without a wait.
    void submit_children(task_node* newest, task_node* oldest);
    /// Lends the permit of a task that waits for something else of ours.
    void lend(return_ticket* ticket);
    /// What the ticket's task waited for has ended; it goes on when it has a permit.
    void come_back(return_ticket* ticket) noexcept;

    /// The same on the control strand, which looks into the inbox right after.
    void submit_from_door(task_node* node) noexcept { inbox_.push(node); }

    /// Suspends a submitter until its places are free or will never be; false where too many wait.
    bool may_wait() noexcept;
    void waits_no_more() noexcept { at_door_.fetch_sub(1, std::memory_order_relaxed); }
    void wait_at_door(std::unique_ptr<admission_waiter> waiter);

    /// Takes a waiting task back, asks one that runs. Type `none`: leaves one that runs alone.
    void cancel(cancel_link_ptr link, asio::cancellation_type type);

    /// A plain callable that ran on its caller's thread.
    void count_caller_run(bool failed) noexcept {
        (failed ? caller_failed_ : caller_ran_).fetch_add(1, std::memory_order_relaxed);
    }
    void count_spilled(std::size_t n = 1) noexcept {
        spilled_.fetch_add(n, std::memory_order_relaxed);
    }
    std::uint64_t number_job() noexcept {
        return next_job_.fetch_add(1, std::memory_order_relaxed);
    }
    void count_job(bool admitted) noexcept {
        (admitted ? jobs_admitted_ : jobs_refused_).fetch_add(1, std::memory_order_relaxed);
    }

    /// A completion on its way to an executor that is not the pool's own, but runs there.
    std::atomic<std::size_t>& completions_pending() noexcept { return completions_pending_; }

    /// Between the two something is under way that a drain and the pool's end wait for.
    void drop_begins() noexcept { drops_pending_.fetch_add(1, std::memory_order_relaxed); }
    void drop_done() {
        // On threads that are not ours nobody joins the one that stands here.
        const auto keep = shared_from_this();
        // Counted where it is looked at: once it is zero, whoever waited for that has been told.
        on_strand([this] {
            if (drops_pending_.fetch_sub(1, std::memory_order_acq_rel) == 1)
                check_drained();
        });
    }

    pool_stats stats();
    pool_activity activity(std::size_t most);
    const pool_timings_state& timings() const noexcept { return timings_; }
    void sample(task_node& node) noexcept;
    /// A task that was timed is admitted only now.
    void restamp(task_node& node) const noexcept {
        if (node.stamp != 0)
            node.stamp = now().time_since_epoch().count();
    }

    void start_drain(std::unique_ptr<life_waiter> waiter, std::chrono::nanoseconds timeout);
    void start_stop(std::unique_ptr<life_waiter> waiter);
    void start_resize(std::unique_ptr<life_waiter> waiter, std::size_t limit);
    /// Whether this executor is that of a task of this pool.
    bool runs_task(const asio::any_io_executor& executor) const noexcept;

    void resize(std::size_t limit);
    void adapt();
    void resize_queue(std::size_t tasks);
    void pause();
    void resume();
    bool reopen();
    void stop();
    /// The same; in force when it returns.
    void stop_here() {
        stop();
        pass_strand();
    }

    /// Whether nothing admitted is under way.
    bool idle() const noexcept { return gate_.taken() == 0; }
    bool draining() const noexcept { return gate_.has(gate::draining); }
    /// `blocking` belongs to this pool: a drain waits for its tasks too.
    void accompany(pool_core& blocking);
    void belong_to(pool_core& principal);
    /// On whose threads completions are called: those for blocking calls may all be blocked.
    pool_core& home() noexcept { return principal_ ? *principal_ : *this; }

    /// A lane lives as long as the pool.
    lane_state& add_lane(std::unique_ptr<lane_state> lane);

    /// Does something at a moment. `item` is on no other agenda.
    template <typename F>
    void on_agenda(F f) {
        on_strand([this, f = std::move(f)]() mutable {
            f(*this);
            set_alarm();
        });
    }
    agenda& plans() noexcept { return agenda_; } // control strand only

    /// Refuses from now on, drops what waits, cancels what runs; returns when every task has ended.
    void stop_and_join();
    /// The first part of that: everything has ended; what comes still is refused, and told so.
    void stop_and_wait();

private:
    using control_strand = asio::strand<inline_when_free<pool_executor>>;
    using task_list = pool_queue::task_list;
    using waiter_list = boost::intrusive::list<
        admission_waiter, boost::intrusive::base_hook<door_hook>,
        boost::intrusive::constant_time_size<true>>;
    using ticket_list =
        boost::intrusive::list<return_ticket, boost::intrusive::constant_time_size<false>>;

    struct borrowed {
        environment* env;
        asio::thread_pool* threads;
    };
    pool_core(const pool_options& options, borrowed on);

    template <typename F>
    void on_strand(F f) {
        asio::dispatch(strand_, std::move(f));
    }

    // ---- control strand ----

    void pump();
    void take_inbox();
    void enqueue(task_node& node);
    pool_queue& queue_of(const job_record* job) noexcept {
        return job && job->lane ? job->lane->queue : queue_;
    }
    bool others_wait(const lane_state& lane) const noexcept;
    void let_waiters_in();
    errc let_in(admission_waiter& waiter);
    errc judge(const admission_waiter& waiter, const tenant& whose);
    errc late_at_door(const admission_waiter& waiter) const noexcept;
    bool make_room(const tenant& whose, std::size_t n, std::size_t lacking);
    std::size_t left_to_others(priority_class c) const noexcept;
    admission::view seen_from_door(priority_class c) const noexcept;
    bool let_pass(errc why, std::size_t n) noexcept;
    task_node* next_in_time() noexcept;
    void watch_pace(clock::time_point time);
    void forget_standing() noexcept;
    void publish_pace(double measured);
    std::chrono::nanoseconds standing(clock::time_point time) const noexcept;
    void set_limit(std::size_t limit);
    void follow_limiter();
    void look_at_limit();
    void look_at_memory();
    void probe_threads(clock::time_point time);
    void fit_window(clock::time_point time) noexcept;
    void refuse_waiters(errc why);
    void refuse_later(std::unique_ptr<admission_waiter> waiter, errc why);
    void settle_tenants();
    void bury_dead();

    bool lane_waits() const noexcept;
    bool must_come() const noexcept;
    bool work_waits() const noexcept;
    task_node* next_task() noexcept;
    task_node* next_of_lanes() noexcept;
    void refill();
    void refill_window() noexcept;
    void put_back_window() noexcept;
    void put_back(task_node& node) noexcept;
    void take_back(task_node& node);
    void give_up(task_node& node, errc why);
    void drop_one(task_node& node, errc why);
    void serve(runner& r);
    void give(runner& r, task_node* node, bool leave = false);
    void park(runner& r);
    void wake_one();
    void spawn_runner();
    void runner_gone(runner& r, bool holds_permit);
    void erase_runner(runner& r);
    void retire_idle();
    void publish_hunger();

    void lend_permit(runner& parent);
    return_ticket* next_return() noexcept;
    void hand_back(return_ticket& ticket);
    void let_return();

    void end_job(job_record& job, errc why);
    void drop_waiting(job_record& job, errc why);
    void cancel_waiting(cancel_link& link);
    void drop_later(task_list& nodes, errc why);
    void count_dropped(errc why, std::size_t n) noexcept;
    void take_all_waiting(task_list& into);

    void plan(agenda_item& item, clock::time_point when);
    void set_alarm();
    void alarm_rang();
    void look_for_stuck();
    static clock::time_point
    seen_since(runner& r, std::uint64_t progress, clock::time_point time) noexcept;
    void look_around(std::size_t most, pool_activity& into);

    void check_drained();
    void check_resized();
    void drain_expired();
    friend class life_waiter;
    friend struct job_record::end_of_time;
    void stop_now();
    std::uint64_t ended() const noexcept;
    pool_stats collect();
    pool_stats books() const;

    void flush();
    void pass_strand();
    void await(const std::atomic<bool>& flag);

    // ---- a runner's own thread of control ----

    asio::awaitable<void> run(runner& r);
    void begin_turn(runner& r) noexcept { begin_turn(r, now()); }
    static void begin_turn(runner& r, clock::time_point time) noexcept {
        r.budget.begin(time);
        thread_turn::begin(&r);
    }
    task_node* ask(runner& r);
    auto answer(runner& r);
    void finish(runner& r, task_node* node) noexcept;
    bool must_not_start(runner& r, task_node* node) noexcept;
    void drop_at_start(runner& r, task_node* node, errc why) noexcept;
    void task_left(job_record& job) noexcept;
    std::uint64_t give_place_back(task_node& node) noexcept;
    static task_info info_of(const task_node& node) noexcept;
    void tell_dropped(const task_node& node, errc why) noexcept;
    static void publish(runner& r, const task_node& node) noexcept;
    static void unpublish(runner& r, const task_node& node) noexcept;
    /// Calls the observer, where there is one; it harms nobody.
    template <typename F>
    void observe(F tell) noexcept {
        if (observer* by = options_.observe().get())
            try {
                tell(*by);
            } catch (...) {
            }
    }
    bool held() const noexcept { return gate_.has(gate::stopped | gate::paused); }

    friend class running_task;
    friend class runner_exit;

    const pool_options options_;
    environment* const environment_;
    gate gate_;
    error_reporter errors_;
    alignas(64) std::atomic<std::uint64_t> refused_{0};
    std::atomic<double> tasks_per_second_{0};
    std::atomic<std::int64_t> typical_service_{0}; // ns, median
    std::atomic<std::int64_t> mean_service_{0};    // ns
    std::atomic<std::size_t> limit_shown_;
    std::atomic<std::uint64_t> would_refuse_{0};
    std::atomic<double> sheds_background_{0};    // a part; above 1: everything
    std::atomic<std::uint32_t> hint_seconds_{1}; // for the doors that do not know the tenant

    alignas(64) inbox<task_node> inbox_;
    inbox<admission_waiter> door_inbox_;
    inbox<job_record> gone_jobs_; // lost tasks; each holds a reference
    inbox<job_record> dead_jobs_;
    /// A runner could be started: whoever pushes must enter the strand.
    alignas(64) std::atomic<bool> hungry_{true};
    alignas(64) ready_window window_;
    pool_timings_state timings_;

    // Control strand only.
    alignas(64) pool_queue queue_;
    task_list nested_;      // children of tasks that wait for them: first of all
    ticket_list returning_; // whose children have ended
    std::vector<std::unique_ptr<lane_state>> lanes_;
    std::size_t lane_turn_ = 0;
    waiter_list door_;
    std::vector<std::unique_ptr<runner>> runners_;
    std::vector<runner*> parked_; // used from the back, retired from the front
    std::size_t parked_low_ = 0;  // fewest since the last look
    std::size_t limit_;
    std::size_t queue_tasks_;
    std::size_t permits_used_ = 0; // by runners with a task, or between two, or on their way
    std::size_t lent_ = 0;
    std::size_t busy_ = 0; // runners with a task, or between two
    std::size_t busy_peak_ = 0;
    bool waking_ = false;
    bool gave_up_ = false; // a job at its start, since let_waiters_in
    bool leaving_ = false;
    bool paused_ = false;
    std::uint64_t accepted_ = 0;
    std::uint64_t cancelled_ = 0;
    std::uint64_t expired_ = 0;
    std::uint64_t displaced_ = 0;
    std::uint64_t abandoned_ = 0; // before their start
    runner::counts retired_{};    // of runners that are no more
    retry_hint door_hint_;
    std::uint64_t refused_then_ = 0; // as door_hint_ knows it
    std::size_t window_depth_ = 8;
    clock::time_point window_filled_{};
    bool window_was_full_ = false;
    const admission admission_;
    drain_rate pace_;
    // As long as work has waited without a pause; written here, read at every door.
    std::atomic<std::int64_t> standing_since_{0};
    clock::time_point guessed_at_{};
    std::vector<std::unique_ptr<life_waiter>> draining_;
    std::vector<std::unique_ptr<life_waiter>> resizing_;
    std::size_t live_runners_ = 0;
    pool_core* companion_ = nullptr;
    pool_core* principal_ = nullptr;
    limit_control control_limit_;
    std::size_t in_flight_peak_ = 0; // since the limiter's last window
    agenda agenda_;
    clock::time_point alarm_at_ = clock::time_point::max();
    struct idle_look final : agenda_item {
        void due(time_point) override { core->retire_idle(); }
        pool_core* core = nullptr;
    } idle_look_;
    struct limit_look final : agenda_item {
        void due(time_point) override { core->look_at_limit(); }
        pool_core* core = nullptr;
    } limit_look_;
    struct memory_look final : agenda_item {
        void due(time_point) override { core->look_at_memory(); }
        pool_core* core = nullptr;
    } memory_look_;
    std::optional<shedding> shedding_;
    std::optional<memory_gauge> gauge_;
    struct stuck_look final : agenda_item {
        void due(time_point) override { core->look_for_stuck(); }
        pool_core* core = nullptr;
    } stuck_look_;

    std::atomic<std::uint64_t> abandoned_running_{0};
    std::atomic<std::uint64_t> cancelled_at_start_{0};
    std::atomic<std::uint64_t> expired_at_start_{0};
    std::atomic<std::uint64_t> stopped_at_start_{0};
    std::atomic<std::uint64_t> nested_ended_{0};
    std::atomic<std::uint64_t> timed_out_{0};   // cancelled for their deadline while they ran
    std::atomic<std::int64_t> probe_posted_{0}; // when, as a count of the clock; 0: none is out
    std::atomic<std::uint64_t> caller_ran_{0};
    std::atomic<std::uint64_t> caller_failed_{0};
    std::atomic<std::uint64_t> spilled_{0};
    std::atomic<std::uint64_t> jobs_admitted_{0};
    std::atomic<std::uint64_t> jobs_refused_{0};
    std::atomic<std::uint64_t> next_job_{1};
    std::atomic<std::size_t> drops_pending_{0};
    std::atomic<std::size_t> completions_pending_{0};
    std::atomic<std::size_t> job_places_{0};
    std::atomic<std::size_t> at_door_{0};
    std::atomic<std::uint32_t> users_{0};
    std::atomic<bool> all_gone_{false};

    std::optional<asio::thread_pool> control_; // where no environment does its work
    // After control_: what its coroutines refer to is still there when their frames go.
    std::optional<asio::thread_pool> threads_; // where they are ours
    std::optional<executor_target> target_;
    pool_executor executor_;
    std::optional<executor_target> control_target_;
    std::optional<control_strand> strand_place_;
    control_strand& strand_;
    std::optional<pool_clock> clock_;

    static std::uint32_t places(std::size_t limit, std::size_t queue) noexcept {
        return static_cast<std::uint32_t>(limit + queue);
    }
};

inline void life_waiter::due(time_point) { core->drain_expired(); }

template <typename Handler>
runner* pool_core::waiting_task(const Handler& handler) const noexcept {
    using associated = decltype(asio::get_associated_executor(handler, executor_));
    if constexpr (std::is_same_v<std::decay_t<associated>, asio::any_io_executor>) {
        const auto executor = asio::get_associated_executor(handler, executor_);
        const auto* ours = executor.template target<pool_executor>();
        runner* r = ours ? ours->who() : nullptr;
        if (r && &r->core == this && r->generation() != 0 &&
            asio::get_associated_cancellation_slot(handler) == r->slot)
            return r;
    }
    return nullptr;
}

inline bool pool_core::runs_task(const asio::any_io_executor& executor) const noexcept {
    const auto* ours = executor.target<pool_executor>();
    const runner* r = ours ? ours->who() : nullptr;
    return r && &r->core == this;
}

} // namespace corogate::detail

#include <corogate/detail/pool_doors.hpp>
#include <corogate/detail/pool_life.hpp>
#include <corogate/detail/pool_look.hpp>
#include <corogate/detail/pool_runners.hpp>
#include <corogate/detail/pool_strand.hpp>
