#pragma once

// What the control strand decides: who comes in, who runs next, on which runner.

#include <algorithm>
#include <corogate/detail/pool_core.hpp>

namespace corogate::detail {

inline void pool_core::pump() {
    take_inbox();
    let_waiters_in();
    let_return();
    refill();
    publish_hunger();
    check_drained();
    check_resized();
    set_alarm();
}

/// What may start goes where runners find it. Where that gives jobs up, others may come in.
inline void pool_core::refill() {
    do {
        if (std::exchange(gave_up_, false))
            let_waiters_in();
        refill_window();
    } while (gave_up_);
    wake_one();
}

// ---- in ----

inline void pool_core::enqueue(task_node& node) {
    auto place = cancel_link::place::queue;
    if (node.nested) {
        nested_.push_back(node);
        place = cancel_link::place::nested;
    } else {
        queue_of(node.job.get()).push(node);
    }
    if (cancel_link* link = node.link.get()) {
        link->where = place;
        link->node = &node;
        if (link->requested.load(std::memory_order_relaxed))
            cancel_waiting(*link);
    }
}

inline void pool_core::take_inbox() {
    for (task_node* node = inbox_.take_all(); node;) {
        task_node* next = std::exchange(node->next, nullptr);
        ++accepted_;
        const job_record* job = node->job.get();
        const int over = job ? job->over.load(std::memory_order_relaxed) : 0;
        if (leaving_ || over != 0) {
            drop_one(*node, leaving_ ? errc::stopped : static_cast<errc>(over));
        } else {
            enqueue(*node);
        }
        node = next;
    }
    for (admission_waiter* waiter = door_inbox_.take_all(); waiter;) {
        admission_waiter* next = std::exchange(waiter->next, nullptr);
        if (options_.overflow() != overflow_policy::wait) {
            std::unique_ptr<admission_waiter> owned(waiter);
            if (const errc no = let_in(*owned); no == errc{}) {
                at_door_.fetch_sub(1, std::memory_order_relaxed);
                owned->admitted(*this);
            } else {
                refuse_later(std::move(owned), no);
            }
            waiter = next;
            continue;
        }
        door_.push_back(*waiter);
        if (cancel_link* link = waiter->link.get()) {
            link->where = cancel_link::place::door;
            link->waiter = waiter;
            if (link->requested.load(std::memory_order_relaxed))
                cancel_waiting(*link);
        }
        waiter = next;
    }
    settle_tenants();
    bury_dead();
}

/// Whether there is too much ahead of who waits first.
inline errc pool_core::late_at_door(const admission_waiter& waiter) const noexcept {
    const auto left = waiter.who.deadline().value_or(admission::unbounded);
    if (options_.dry_run() || admission_.longest_wait(left) == admission::unbounded)
        return {};
    const admission::newcomer who{waiter.places, waiter.who.priority(), left};
    return admission_.too_long(places_ahead(), who, seen_from_door(who.priority));
}

/// The exact door. Who is refused is told when to come again.
inline errc pool_core::let_in(admission_waiter& waiter) {
    if (gate_.has(gate::stopped | gate::draining))
        return gate_.has(gate::stopped) ? errc::stopped : errc::draining;
    put_back_window();
    settle_tenants();
    const tenant_ref whose = queue_.tenant_of(waiter.who);
    const errc no = judge(waiter, *whose);
    if (no != errc{} && refusal(no, {}).retryable())
        waiter.hint = whose->hint(waiter.who.priority())
                          .refused(now(), gate_.taken(), pace_.per_second(), cheap_random());
    return no;
}

/// By what waits, whose it is, and what can give way.
inline errc pool_core::judge(const admission_waiter& waiter, const tenant& whose) {
    const admission::newcomer who{
        waiter.places, waiter.who.priority(), waiter.who.deadline().value_or(admission::unbounded)
    };
    const auto verdict =
        admission_.decide(queue_.order(), whose, who, seen_from_door(who.priority));
    if (verdict.no != errc{} && !let_pass(verdict.no, waiter.places))
        return verdict.no;
    const bool displaces = options_.overflow() == overflow_policy::displace;
    // In a dry run only for want of places.
    const bool displace =
        verdict.displace > 0 && displaces && (!options_.dry_run() || verdict.otherwise != errc{});
    if (!(displace && make_room(whose, waiter.places, verdict.displace)) &&
        verdict.otherwise != errc{})
        return verdict.otherwise;
    while (!gate_.reserve_for_waiter(waiter.places)) {
        // The synchronous doors may take what was made free.
        const auto lacking = static_cast<std::int64_t>(waiter.places) - gate_.free();
        if (lacking > 0 &&
            !(displaces && make_room(whose, waiter.places, static_cast<std::size_t>(lacking))))
            return verdict.otherwise != errc{} ? verdict.otherwise : errc::queue_full;
    }
    return {};
}

/// At the cost of who holds most; nothing is given up in vain.
inline bool pool_core::make_room(const tenant& whose, std::size_t n, std::size_t lacking) {
    task_list given_up;
    if (!queue_.displace(whose, n, lacking, given_up))
        return false;
    const auto places = given_up.size();
    count_dropped(errc::displaced, places);
    gate_.release(places);
    drop_later(given_up, errc::displaced);
    return true;
}

inline void pool_core::let_waiters_in() {
    if (door_.empty())
        return;
    if (gate_.has(gate::stopped | gate::draining)) {
        refuse_waiters(gate_.has(gate::stopped) ? errc::stopped : errc::draining);
        return;
    }
    gate_.set(gate::waiters);
    while (!door_.empty()) {
        const bool never = door_.front().places > gate_.capacity(); // since a shrink
        if (const errc late = never ? errc{} : late_at_door(door_.front()); late != errc{}) {
            if (late == errc::queue_full)
                break; // until less waits
            std::unique_ptr<admission_waiter> waiter(&door_.front());
            door_.pop_front();
            refuse_later(std::move(waiter), late);
            continue;
        }
        if (!never && !gate_.reserve_for_waiter(door_.front().places)) {
            // Of those let in some may have come too late and be dropped: their places are free,
            // and nobody else looks.
            take_inbox();
            if (door_.empty() || !gate_.reserve_for_waiter(door_.front().places))
                break;
        }
        std::unique_ptr<admission_waiter> waiter(&door_.front());
        door_.pop_front();
        if (never) {
            refuse_later(std::move(waiter), errc::job_too_large);
            continue;
        }
        at_door_.fetch_sub(1, std::memory_order_relaxed);
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
    at_door_.fetch_sub(1, std::memory_order_relaxed);
    if (waiter->link)
        waiter->link->where = cancel_link::place::nowhere;
    refuse(waiter->who, waiter->places, why);
    if (waiter->refused_on_strand()) { // a "no" does not queue behind tasks
        waiter->refused(*this, why);
        return;
    }
    drop_begins();
    asio::post(home().executor_, [this, why, w = std::move(waiter)]() mutable {
        w->refused(*this, why);
        w.reset();
        drop_done();
    });
}

inline void pool_core::settle_tenants() {
    for (job_record* job = gone_jobs_.take_all(); job;) {
        job_record* next = std::exchange(job->next, nullptr);
        const auto n = job->gone.exchange(0, std::memory_order_acq_rel);
        const auto overrun = job->overrun.exchange(0, std::memory_order_relaxed);
        queue_of(job).left(*job, n, static_cast<double>(overrun) / 256);
        intrusive_ptr_release(job);
        job = next;
    }
}

inline void pool_core::bury_dead() {
    for (job_record* job = dead_jobs_.take_all(); job;)
        delete std::exchange(job, job->next);
}

// ---- next ----

/// Whether somebody outside the lane could use the next permit: then it borrows none.
inline bool pool_core::others_wait(const lane_state& lane) const noexcept {
    if (!queue_.empty() || !nested_.empty())
        return true;
    for (const auto& other : lanes_)
        if (other.get() != &lane && !other->queue.empty() && other->used < other->limit)
            return true;
    return false;
}

/// Whether a task of a lane could run now, were there a permit.
inline bool pool_core::lane_waits() const noexcept {
    for (const auto& lane : lanes_)
        if (!lane->queue.empty() && lane->room(others_wait(*lane)))
            return true;
    return false;
}

/// Whether runners must come to the strand instead of helping themselves.
inline bool pool_core::must_come() const noexcept {
    return paused_ || permits_used_ > limit_ || !nested_.empty() || !returning_.empty() ||
           (!lanes_.empty() && lane_waits());
}

inline bool pool_core::work_waits() const noexcept {
    return !window_.empty() || !queue_.empty() || !nested_.empty() ||
           (!lanes_.empty() && lane_waits());
}

/// In turn: the pool's own queue and each lane that has room.
inline task_node* pool_core::next_of_lanes() noexcept {
    const auto ways = lanes_.size() + 1;
    for (std::size_t i = 0; i < ways; ++i) {
        const auto turn = lane_turn_ = (lane_turn_ + 1) % ways;
        if (turn == lanes_.size()) {
            if (task_node* node = next_in_time())
                return node;
            continue;
        }
        lane_state& lane = *lanes_[turn];
        if (lane.queue.empty())
            continue;
        if (lane.room(others_wait(lane))) {
            ++lane.used;
            return lane.queue.next();
        }
    }
    return nullptr;
}

/// The pool's own next task. A job of which nothing has started, and which cannot be done by its
/// deadline any more, is given up here as a whole: what would run of it would be wasted.
inline task_node* pool_core::next_in_time() noexcept {
    for (;;) {
        task_node* node = queue_.next();
        if (!node)
            return nullptr;
        job_record* const job = node->job.get();
        if (!job || job->served != 1 || job->deadline == job_record::never ||
            job->places.load(std::memory_order_relaxed) != 0) // not all of it has come
            return node;
        const std::size_t tasks = job->waiting.size() + 1;
        if (!admission::hopeless(tasks, job->deadline - now(), seen_from_door(job->priority)))
            return node;
        if (options_.dry_run()) {
            let_pass(errc::deadline_infeasible, tasks);
            return node;
        }
        int none = 0;
        job->over.compare_exchange_strong(none, static_cast<int>(errc::expired));
        job->end.forget();
        const job_record_ptr keep(job);
        const auto unused = job->places.exchange(0, std::memory_order_acq_rel);
        job_places_.fetch_sub(unused, std::memory_order_relaxed);
        queue_.left(*job, 1);
        task_list given_up;
        queue_.take_all(*job, given_up);
        given_up.push_front(*node);
        count_dropped(errc::expired, tasks);
        gate_.release(tasks + unused);
        drop_later(given_up, errc::expired);
        gave_up_ = true; // somebody may wait for the places
    }
}

inline task_node* pool_core::next_task() noexcept {
    task_node* node = nullptr;
    if (!nested_.empty()) {
        node = static_cast<task_node*>(&nested_.front());
        nested_.pop_front();
    } else {
        node = window_.pop();
        if (!node)
            node = lanes_.empty() ? next_in_time() : next_of_lanes();
    }
    if (node && node->link)
        node->link->where = cancel_link::place::nowhere;
    return node;
}

/// By how long it took to empty: whoever comes meanwhile is not heard before.
inline void pool_core::fit_window(clock::time_point time) noexcept {
    if (!window_.empty())
        return;
    if (!std::exchange(window_was_full_, false)) {
        window_filled_ = time;
        return;
    }
    const auto lasted = time - window_filled_;
    window_filled_ = time;
    if (lasted < std::chrono::microseconds(250))
        window_depth_ = std::min(2 * window_depth_, ready_window::capacity);
    else if (lasted > std::chrono::milliseconds(1))
        window_depth_ = std::max<std::size_t>(window_depth_ / 2, 1);
}

inline void pool_core::refill_window() noexcept {
    if (must_come() || !lanes_.empty()) {
        put_back_window();
        return;
    }
    // What is in the window is decided: shallow where a newcomer of another tenant or class may
    // come before, and in any case no deeper than what is taken within a millisecond or so.
    constexpr std::size_t shallow = 8;
    const bool one_flow = queue_.flows() <= 1 && !queue_.newest_first();
    if (!one_flow && window_.size() > shallow)
        put_back_window();
    const std::size_t depth = one_flow ? window_depth_ : std::min(window_depth_, shallow);
    for (std::size_t size = window_.size(); size < depth; ++size) {
        task_node* node = next_in_time();
        if (!node)
            return;
        if (node->link)
            node->link->where = cancel_link::place::window;
        window_.push(node);
    }
    window_was_full_ = true;
}

inline void pool_core::put_back(task_node& node) noexcept {
    auto place = cancel_link::place::queue;
    if (node.nested) {
        nested_.push_front(node);
        place = cancel_link::place::nested;
    } else {
        queue_of(node.job.get()).put_back(node);
    }
    if (node.link) {
        node.link->where = place;
        node.link->node = &node;
    }
}

/// What a runner was not to start. While it had the task nobody found it: the end of its job, its
/// cancellation and a stop are to be made up for. (Its place in a lane was the runner's.)
inline void pool_core::take_back(task_node& node) {
    put_back(node);
    const int over = node.job ? node.job->over.load(std::memory_order_relaxed) : 0;
    if (leaving_)
        give_up(node, errc::stopped);
    else if (over != 0)
        give_up(node, static_cast<errc>(over));
    else if (node.link && node.link->requested.load(std::memory_order_relaxed))
        cancel_waiting(*node.link);
}

/// Takes back what runners have not taken, to the front of the queue, in order.
inline void pool_core::put_back_window() noexcept {
    task_list back;
    window_.take_all([&back](task_node* node) { back.push_front(*node); });
    while (!back.empty()) {
        auto& node = static_cast<task_node&>(back.front());
        back.pop_front();
        put_back(node);
    }
}

// ---- runners ----

/// Answers a runner that holds a permit and asks what to do with it.
inline void pool_core::serve(runner& r) {
    if (std::exchange(r.woken, false)) {
        waking_ = false;
        ++busy_;
    }
    if (lane_state* lane = std::exchange(r.lane, nullptr))
        --lane->used;
    if (task_node* node = std::exchange(r.returned, nullptr))
        take_back(*node);
    take_inbox();
    let_waiters_in();
    task_node* node = nullptr;
    if (return_ticket* ticket = leaving_ ? nullptr : next_return()) {
        hand_back(*ticket); // with this runner's permit
        --busy_;
        park(r);
    } else if (!leaving_ && !paused_ && permits_used_ <= limit_ && (node = next_task())) {
        busy_peak_ = std::max(busy_peak_, busy_);
        give(r, node);
    } else {
        --busy_;
        --permits_used_;
        if (leaving_)
            give(r, nullptr, true);
        else
            park(r);
        let_return();
    }
    const auto time = now();
    fit_window(time);
    refill();
    watch_pace(time);
    publish_hunger();
    if (!node) {
        check_drained();
        check_resized();
    }
    set_alarm();
}

/// Learns what the pool can do from the times when work waits.
inline void pool_core::watch_pace(clock::time_point time) {
    if (paused_ || !work_waits()) {
        forget_standing();
        return;
    }
    if (standing_since_.load(std::memory_order_relaxed) == 0)
        standing_since_.store(time.time_since_epoch().count(), std::memory_order_relaxed);
    if (options_.newest_first() && !queue_.newest_first() &&
        standing(time) >= std::chrono::milliseconds(100)) {
        put_back_window();
        queue_.newest_first(true);
        refill();
    }
    if (!pace_.due(time))
        return;
    const auto refused = refused_.load(std::memory_order_relaxed);
    door_hint_.count(time, refused - std::exchange(refused_then_, refused));
    hint_seconds_.store(door_hint_.seconds(), std::memory_order_relaxed);
    const double before = pace_.per_second();
    // What the queue gave: children come beside it.
    pace_.observe(time, ended() - nested_ended_.load(std::memory_order_relaxed));
    const double pace = pace_.per_second();
    if (pace != before)
        publish_pace(pace);
    else if (pace == 0 && time - guessed_at_ >= drain_rate::window) {
        guessed_at_ = time; // better than nothing for a first burst
        publish_pace(0);
    }
}

inline void pool_core::forget_standing() noexcept {
    pace_.pause();
    standing_since_.store(0, std::memory_order_relaxed);
    queue_.newest_first(false);
}

inline void pool_core::publish_pace(double measured) {
    const auto service = timings_.service_time.snapshot();
    const auto mean = service.mean();
    tasks_per_second_.store(admission::pace_of(measured, limit_, mean), std::memory_order_relaxed);
    typical_service_.store(service.quantile(0.5).count(), std::memory_order_relaxed);
    mean_service_.store(mean.count(), std::memory_order_relaxed);
}

// ---- the limit ----

/// While tasks run, the limiter is shown what they do.
inline void pool_core::follow_limiter() {
    constexpr auto tick = std::chrono::milliseconds(10);
    if (options_.limiter() && !limit_look_.planned() && !leaving_)
        plan(limit_look_, pool_clock::later(now(), tick));
}

inline void pool_core::look_at_limit() {
    const auto time = now();
    control_limit_.in_use(permits_used_);
    const auto posted =
        clock::time_point(clock::duration(probe_posted_.load(std::memory_order_acquire)));
    bool moved = posted != clock::time_point{} && control_limit_.brake(time - posted, time);
    if (control_limit_.due(time)) {
        const auto sums = books();
        const limit_control::totals totals{
            sums.completed, timed_out_.load(std::memory_order_relaxed)
        };
        if (control_limit_.look(
                time, totals, in_flight_peak_, timings_.scheduling_delay, timings_.good_service_time
            )) {
            in_flight_peak_ = permits_used_;
            moved = true;
        }
    }
    if (moved && !control_limit_.held() && control_limit_.limit() != limit_)
        set_limit(control_limit_.limit());
    if (permits_used_ > 0) {
        probe_threads(time);
        follow_limiter();
    }
}

/// At the start, then every 250 ms for as long as the pool lives.
inline void pool_core::look_at_memory() {
    shedding_->pressure(gauge_->read());
    sheds_background_.store(
        shedding_->everything() ? 2.0 : shedding_->background(), std::memory_order_relaxed
    );
    if (!leaving_)
        plan(memory_look_, pool_clock::later(now(), std::chrono::milliseconds(250)));
}

/// How long something ready to run waits for a thread, also where no task is ever posted.
inline void pool_core::probe_threads(clock::time_point time) {
    std::int64_t none = 0;
    if (!probe_posted_.compare_exchange_strong(none, time.time_since_epoch().count()))
        return; // the last one still waits
    drop_begins();
    asio::post(executor_, [this, time] {
        timings_.scheduling_delay.record(now() - time);
        probe_posted_.store(0, std::memory_order_release);
        drop_done();
    });
}

inline void pool_core::give(runner& r, task_node* node, bool leave) {
    r.given = node;
    r.leave = leave;
    if (node && !node->nested && node->job)
        r.lane = node->job->lane;
    if (r.box.exchange(runner::letter::answered, std::memory_order_acq_rel) ==
        runner::letter::suspended) {
        r.resume_by_post();
    }
}

inline void pool_core::park(runner& r) {
    parked_.push_back(&r);
    if (options_.idle_after() > std::chrono::nanoseconds::zero() && !idle_look_.planned()) {
        parked_low_ = 0;
        plan(idle_look_, pool_clock::later(now(), options_.idle_after()));
    }
}

inline void pool_core::wake_one() {
    in_flight_peak_ = std::max(in_flight_peak_, permits_used_);
    if (waking_ || leaving_ || paused_ || permits_used_ >= limit_ || !work_waits())
        return;
    follow_limiter();
    if (parked_.empty()) {
        spawn_runner();
        return;
    }
    runner& r = *parked_.back();
    parked_.pop_back();
    parked_low_ = std::min(parked_low_, parked_.size());
    waking_ = true;
    ++permits_used_;
    r.woken = true;
    give(r, nullptr);
}

/// Declares whether a push must enter the strand, then looks whether one has slipped in between.
inline void pool_core::publish_hunger() {
    for (;;) {
        const bool hungry = leaving_ || (!waking_ && !paused_ && permits_used_ < limit_);
        hungry_.store(hungry, std::memory_order_seq_cst);
        if (!hungry || inbox_.empty())
            return;
        take_inbox();
        let_waiters_in();
        refill();
    }
}

/// Those that have not been needed since the last look go.
inline void pool_core::retire_idle() {
    const auto unneeded = std::min(parked_low_, parked_.size());
    const std::vector<runner*> gone(
        parked_.begin(), parked_.begin() + static_cast<std::ptrdiff_t>(unneeded)
    );
    parked_.erase(parked_.begin(), parked_.begin() + static_cast<std::ptrdiff_t>(unneeded));
    for (runner* r : gone)
        give(*r, nullptr, true);
    parked_low_ = parked_.size();
    if (!parked_.empty())
        plan(idle_look_, pool_clock::later(now(), options_.idle_after()));
}

// ---- lending ----

inline void pool_core::lend_permit(runner& parent) {
    if (parent.lane)
        --parent.lane->used;
    parent.watched.lent = true;
    ++lent_;
    --permits_used_;
    --busy_;
}

/// The one that has waited longest of those whose lane has room.
inline return_ticket* pool_core::next_return() noexcept {
    for (return_ticket& ticket : returning_) {
        const lane_state* lane = ticket.parent->lane;
        if (lane && lane->used >= lane->limit)
            continue;
        returning_.erase(returning_.iterator_to(ticket));
        return &ticket;
    }
    return nullptr;
}

/// The caller has a permit for it.
inline void pool_core::hand_back(return_ticket& ticket) {
    if (ticket.parent->lane)
        ++ticket.parent->lane->used;
    ticket.parent->watched.lent = false;
    --lent_;
    ++busy_;
    ticket.resume(*this);
}

inline void pool_core::let_return() {
    while (permits_used_ < limit_) { // also in a stop: permits come free as tasks end
        return_ticket* ticket = next_return();
        if (!ticket)
            return;
        ++permits_used_;
        hand_back(*ticket);
    }
}

// ---- out ----

inline void pool_core::count_dropped(errc why, std::size_t n) noexcept {
    switch (why) {
    case errc::cancelled:
        cancelled_ += n;
        break;
    case errc::expired:
        expired_ += n;
        break;
    case errc::displaced:
        displaced_ += n;
        break;
    default:
        abandoned_ += n;
    }
}

/// Destructors of closures and completions are user code: they run on the pool, outside the strand.
inline void pool_core::drop_later(task_list& nodes, errc why) {
    if (nodes.empty())
        return;
    for (queue_entry& entry : nodes) {
        auto& node = static_cast<task_node&>(entry);
        if (node.link)
            node.link->where = cancel_link::place::nowhere;
        if (node.job && node.job->lane && !node.nested)
            node.job->lane->doors.release(1);
    }
    drop_begins();
    asio::post(home().executor_, [this, why, doomed = std::move(nodes)]() mutable {
        doomed.clear_and_dispose([this, why](queue_entry* entry) {
            auto* node = static_cast<task_node*>(entry);
            tell_dropped(*node, why);
            node->drop(*this, why);
        });
        drop_done();
    });
}

/// O(1): the window is small, all else is an unlink.
inline void pool_core::cancel_waiting(cancel_link& link) {
    if (link.where == cancel_link::place::window)
        put_back_window(); // where a runner was faster, the task is no longer there
    // Before anything is posted: the link may go with what is dropped.
    const auto where = std::exchange(link.where, cancel_link::place::nowhere);
    if (where == cancel_link::place::door) {
        std::unique_ptr<admission_waiter> waiter(link.waiter);
        door_.erase(door_.iterator_to(*waiter));
        if (door_.empty())
            gate_.clear(gate::waiters);
        refuse_later(std::move(waiter), errc::cancelled);
    } else if (where == cancel_link::place::queue || where == cancel_link::place::nested) {
        give_up(*link.node, errc::cancelled);
    }
}

/// Takes one task that waits out of its queue, for good.
inline void pool_core::give_up(task_node& node, errc why) {
    if (node.nested)
        nested_.erase(nested_.iterator_to(node));
    else
        queue_of(node.job.get()).erase(node);
    drop_one(node, why);
}

/// A task that stands in no queue.
inline void pool_core::drop_one(task_node& node, errc why) {
    count_dropped(why, 1);
    gate_.release(1);
    task_list one;
    one.push_back(node);
    drop_later(one, why);
}

inline void pool_core::drop_waiting(job_record& job, errc why) {
    task_list given_up;
    queue_of(&job).take_all(job, given_up);
    for (auto it = nested_.begin(); it != nested_.end();) {
        auto& node = static_cast<task_node&>(*it++);
        if (node.job.get() == &job) {
            nested_.erase(nested_.iterator_to(node));
            given_up.push_back(node);
        }
    }
    const auto n = given_up.size();
    count_dropped(why, n);
    gate_.release(n);
    drop_later(given_up, why);
}

/// Nothing of the job starts any more; what runs of it is asked to end.
inline void pool_core::end_job(job_record& job, errc why) {
    const job_record_ptr keep = job_record::lock(job);
    if (!keep)
        return; // nobody holds it: nothing of it waits or runs
    int none = 0;
    if (!job.over.compare_exchange_strong(none, static_cast<int>(why), std::memory_order_seq_cst))
        return;
    job.end.forget();
    take_inbox();
    put_back_window();
    drop_waiting(job, why);
    release_job(job);
    for (const auto& r : runners_)
        if (r->job.load(std::memory_order_seq_cst) == &job)
            asio::post(r->strand, [r = r.get(), keep] {
                if (r->job.load(std::memory_order_relaxed) == keep.get())
                    r->signal.emit(asio::cancellation_type::terminal);
            });
}

inline void job_record::end_of_time::due(time_point) { job->core_.end_job(*job, errc::expired); }

// ---- time ----

inline void pool_core::plan(agenda_item& item, clock::time_point when) { agenda_.plan(item, when); }

/// One alarm, for the earliest item.
inline void pool_core::set_alarm() {
    if (agenda_.empty() || agenda_.next() >= alarm_at_)
        return;
    alarm_at_ = agenda_.next();
    clock_->wake_at(alarm_at_);
}

inline void pool_core::alarm_rang() {
    on_strand([this] {
        alarm_at_ = clock::time_point::max();
        agenda_.run(now());
        pump();
    });
}

} // namespace corogate::detail
