#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/detached.hpp>
#include <chrono>
#include <corogate/detail/admission_waiter.hpp>
#include <corogate/detail/cancellation.hpp>
#include <corogate/detail/completion.hpp>
#include <corogate/detail/pool_core.hpp>
#include <corogate/detail/typed_task.hpp>
#include <corogate/errc.hpp>
#include <corogate/job_options.hpp>
#include <corogate/refusal.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace corogate::detail {

/// Whose a submission is and which way it goes.
struct submission_path {
    std::optional<job_options> who;
    lane_state* lane = nullptr;

    /// A record of its own where there is something to record.
    bool recorded() const noexcept { return who || lane; }
    const job_options& options() const {
        static const job_options nobody;
        return who ? *who : nobody;
    }
    /// A deadline of zero has passed at admission.
    bool expired() const noexcept {
        return who && who->deadline() == std::chrono::nanoseconds::zero();
    }
};

/// Reserved places that go back unless tasks take them.
class place_guard {
public:
    place_guard(pool_core& core, std::size_t n, lane_state* lane = nullptr) noexcept
        : core_(&core)
        , n_(n)
        , lane_(lane) {}
    place_guard(const place_guard&) = delete;
    place_guard& operator=(const place_guard&) = delete;
    ~place_guard() {
        if (!core_)
            return;
        if (lane_)
            lane_->doors.release(n_);
        core_->release_unused(n_);
    }
    void used() noexcept { core_ = nullptr; }

private:
    pool_core* core_;
    std::size_t n_;
    lane_state* lane_;
};

/// Whether a refusal is of the kind that the overflow policy is for.
inline bool is_full(errc why) noexcept {
    return why == errc::queue_full || why == errc::deadline_infeasible;
}

/// The deadline, the time that waits ahead, then both gates, all or nothing.
inline std::optional<errc>
reserve_places(pool_core& core, const submission_path& path, std::size_t n) {
    if (path.expired())
        return errc::expired;
    if (const auto no = core.sheds(n, path.options().priority()))
        return no;
    if (!path.lane)
        if (const auto no = core.too_long(n, path.options()))
            return no;
    if (path.lane)
        if (const auto no = path.lane->doors.reserve(n))
            return no;
    const auto no = core.reserve(n);
    if (no && path.lane)
        path.lane->doors.release(n);
    return no;
}

/// The same for children of a task that waits: never refused for want of room.
inline std::optional<errc>
force_places(pool_core& core, const submission_path& path, std::size_t n) {
    if (path.expired())
        return errc::expired;
    if (n > core.options().children())
        return errc::job_too_large;
    if (!core.force(n))
        return errc::stopped;
    if (path.lane)
        path.lane->doors.force(n);
    return std::nullopt;
}

/// Overflow policy `spill`, on the pool: whether the store took n tasks. Counts them either way.
inline errc offer_to_store(pool_core& core, const job_options& who, std::size_t n) {
    bool stored = false;
    try {
        stored = core.options().on_spill()(who);
    } catch (...) { // declined
    }
    if (!stored) {
        core.refuse(who, n, errc::queue_full);
        return errc::queue_full;
    }
    core.count_spilled(n);
    return errc::spilled;
}

/// The job of a submission, as far as it needs a record. `places`: reserved for tasks to come.
/// `at_door`: its time begins later.
inline job_record_ptr make_record(
    pool_core& core, const submission_path& path, std::size_t places,
    const job_record* parent = nullptr, bool at_door = false
) {
    job_options who = path.options();
    if (parent && !path.who)
        who.tenant(parent->tenant_name).priority(parent->priority).name(parent->name);
    auto job = core.make_job(who, places);
    job->lane = path.lane;
    if (parent)
        job->deadline = std::min(job->deadline, parent->deadline);
    if (at_door)
        job->deadline = job_record::never;
    else
        core.watch_deadline(job);
    return job;
}

/// A task whose submitter waits at the door.
class waiting_task final : public admission_waiter {
public:
    waiting_task(cancel_link_ptr slot_link, const job_options& whose)
        : admission_waiter(1, whose) {
        link = std::move(slot_link);
    }
    void admitted(pool_core& core) override {
        if (task->job && who.deadline()) { // counts from here on
            task->job->deadline = pool_clock::later(core.now(), *who.deadline());
            core.watch_deadline(task->job);
        }
        core.restamp(*task);
        core.submit_from_door(task.release());
    }
    void refused(pool_core& core, errc why) override { task.release()->drop(core, why); }

    owned_node task;
};

/// The handler type that `asio::detached` makes.
using detached_handler =
    typename asio::async_result<asio::detached_t, void()>::completion_handler_type;

class initiate_submit {
public:
    using executor_type = pool_executor;

    explicit initiate_submit(std::shared_ptr<pool_core> core) noexcept
        : core_(std::move(core)) {}

    executor_type get_executor() const noexcept { return core_->home().executor(); }

    template <typename Handler, typename F>
    void operator()(Handler&& handler, F&& task, submission_path path) const {
        using callable = callable_t<F>;
        using result = task_result_t<callable>;
        if constexpr (!std::is_same_v<std::decay_t<Handler>, detached_handler>) {
            if (runner* parent = core_->waiting_task(handler)) {
                submit_child<result>(
                    *parent, std::forward<Handler>(handler), std::forward<F>(task), path
                );
                return;
            }
        }
        // A blocking call is admitted where its pool admits: in a drain for tasks that wait for it.
        pool_core& home = core_->home();
        const bool closed = &home != core_.get() && home.draining() && !home.waiting_task(handler);
        const auto slot = asio::get_associated_cancellation_slot(handler);
        auto sink = make_sink<result>(std::forward<Handler>(handler));
        using sink_type = decltype(sink);
        using node_type = typed_task<callable, sink_type>;
        const auto no = closed ? std::optional(errc::draining) : reserve_places(*core_, path, 1);
        bool waits = false;
        if (no && is_full(*no)) {
            switch (path.lane ? overflow_policy::reject : core_->options().overflow()) {
            case overflow_policy::reject:
                waits = core_->has_room(1) && core_->may_wait(); // judged by tenant
                break;
            case overflow_policy::wait:
            case overflow_policy::displace:
                waits = core_->may_wait();
                break;
            case overflow_policy::caller_runs:
                if constexpr (!task_traits<callable>::coroutine) {
                    run_here<result>(std::move(sink), std::forward<F>(task));
                    return;
                }
                break;
            case overflow_policy::spill:
                if (core_->options().on_spill()) {
                    spill<result>(std::move(sink), path);
                    return;
                }
                break;
            }
        }
        if (no && !waits) {
            core_->refuse(path.options(), 1, *no);
            fail<result>(std::move(sink), prebuilt_exception(*no));
            return;
        }
        std::optional<place_guard> place;
        if (!no)
            place.emplace(*core_, 1, path.lane);
        owned_node node;
        std::unique_ptr<waiting_task> waiter;
        try {
            cancel_link_ptr link;
            if (slot.is_connected()) {
                link.reset(new cancel_link);
                cancel_through(slot, core_, link);
            }
            if (waits)
                waiter = std::make_unique<waiting_task>(link, path.options());
            job_record_ptr job;
            if (path.recorded())
                job = make_record(*core_, path, 0, nullptr, waits);
            node.reset(node_type::make(std::forward<F>(task), std::move(sink)));
            node->link = std::move(link);
            node->job = std::move(job);
        } catch (...) { // the callable could not be moved in: an error like the task's own
            place.reset();
            if (waits)
                core_->waits_no_more();
            fail<result>(std::move(sink), std::current_exception());
            return;
        }
        core_->sample(*node);
        if (waits) {
            waiter->task = std::move(node);
            core_->wait_at_door(std::move(waiter));
        } else {
            place->used();
            core_->submit(node.release());
        }
    }

private:
    /// The task of a waiting task: it belongs to its parent's job, is not refused, and runs on the
    /// permit that its parent lends.
    template <typename T, typename Handler, typename F>
    void
    submit_child(runner& parent, Handler&& handler, F&& task, const submission_path& path) const {
        using ticket_type = ticket_for<std::decay_t<Handler>, T>;
        using sink_type = ticket_sink<std::decay_t<Handler>, T>;
        const auto slot = asio::get_associated_cancellation_slot(handler);
        auto ticket = std::make_unique<ticket_type>(parent, std::forward<Handler>(handler), *core_);
        auto answer = [&](std::exception_ptr why) {
            outcome<T> end;
            end.error = std::move(why);
            ticket->keep(std::move(end));
            ticket.release()->resume(*core_);
        };
        if (const auto no = force_places(*core_, path, 1)) {
            core_->refuse(path.options(), 1, *no);
            answer(prebuilt_exception(*no));
            return;
        }
        place_guard place(*core_, 1, path.lane);
        owned_node node;
        try {
            job_record* const above = parent.job.load(std::memory_order_relaxed);
            node.reset(typed_task<callable_t<F>, sink_type>::make(
                std::forward<F>(task), sink_type{ticket.get()}
            ));
            node->job =
                path.recorded() ? make_record(*core_, path, 0, above) : job_record_ptr(above);
            node->nested = path.lane == nullptr;
            if (slot.is_connected()) {
                node->link.reset(new cancel_link);
                cancel_through(slot, core_, node->link);
            }
        } catch (...) {
            answer(std::current_exception());
            return;
        }
        core_->sample(*node);
        place.used();
        task_node* made = node.release();
        core_->submit_nested(made, made, ticket.release());
    }

    template <typename T, typename Sink, typename F>
    void run_here(Sink&& sink, F&& task) const {
        outcome<T> end;
        try {
            auto callable = untaken<std::remove_cvref_t<F>>::get(std::forward<F>(task));
            if constexpr (std::is_void_v<T>)
                callable();
            else
                end.value.emplace(callable());
        } catch (...) {
            end.error = std::current_exception();
        }
        core_->count_caller_run(end.error != nullptr);
        if constexpr (std::is_same_v<std::decay_t<Sink>, detached_sink>) {
            if (end.error)
                fail<T>(std::forward<Sink>(sink), end.error);
        } else {
            sink.deliver(*core_, std::move(end));
        }
    }

    template <typename T, typename Sink>
    void spill(Sink&& sink, const submission_path& path) const {
        core_->drop_begins(); // the pool does not end while the handler is at work
        asio::post(
            core_->executor(),
            [core = core_, sink = std::forward<Sink>(sink), who = path.options()]() mutable {
                const errc answer = offer_to_store(*core, who, 1);
                if (answer != errc::spilled || !std::is_same_v<std::decay_t<Sink>, detached_sink>) {
                    outcome<T> end;
                    end.error = prebuilt_exception(answer);
                    sink.deliver(*core, std::move(end));
                }
                core->drop_done();
            }
        );
    }

    template <typename T, typename Handler>
    auto make_sink(Handler&& handler) const {
        if constexpr (std::is_same_v<std::decay_t<Handler>, detached_handler>)
            return detached_sink();
        else
            return handler_sink<std::decay_t<Handler>, T>(std::forward<Handler>(handler), *core_);
    }

    template <typename T, typename Sink>
    void fail(Sink&& sink, const std::exception_ptr& why) const {
        if constexpr (std::is_same_v<std::decay_t<Sink>, detached_sink>) {
            // The error handler is the user's: not on the submitter's stack.
            core_->drop_begins();
            asio::post(core_->home().executor(), [core = core_, why] {
                core->errors().report(why);
                core->drop_done();
            });
        } else {
            outcome<T> end;
            end.error = why;
            sink.deliver(*core_, std::move(end));
        }
    }

    std::shared_ptr<pool_core> core_;
};

/// Completes `async_admit` when its places are reserved.
template <typename Answer, typename Grant, typename Handler>
class waiting_admission final : public admission_waiter {
public:
    waiting_admission(
        std::size_t n, const submission_path& path, Handler handler,
        std::shared_ptr<pool_core> core, Grant grant
    )
        : admission_waiter(n, path.options())
        , completion_(std::move(handler), core->executor(), &core->completions_pending())
        , core_(std::move(core))
        , path_(path)
        , grant_(grant) {}

    void admitted(pool_core& core) override {
        core.count_job(true);
        auto job = make_record(core, path_, places);
        completion_.post(grant_(core_, std::move(job)));
    }
    void refused(pool_core& core, errc why) override {
        core.count_job(false);
        completion_.post(Answer(hint > hint.zero() ? refusal(why, hint) : core.make_refusal(why)));
    }
    bool refused_on_strand() const noexcept override { return true; } // only posts

private:
    completion<Handler, pool_executor> completion_;
    std::shared_ptr<pool_core> core_;
    submission_path path_;
    Grant grant_;
};

template <typename Answer, typename Grant>
class initiate_admit {
public:
    using executor_type = pool_executor;

    initiate_admit(std::shared_ptr<pool_core> core, Grant grant) noexcept
        : core_(std::move(core))
        , grant_(grant) {}

    executor_type get_executor() const noexcept { return core_->executor(); }

    template <typename Handler>
    void operator()(Handler&& handler, std::size_t n, submission_path path) const {
        const auto slot = asio::get_associated_cancellation_slot(handler);
        runner* const parent = core_->waiting_task(handler);
        auto waiter = std::make_unique<waiting_admission<Answer, Grant, std::decay_t<Handler>>>(
            n, path, std::forward<Handler>(handler), core_, grant_
        );
        const auto no = parent ? force_places(*core_, path, n) : reserve_places(*core_, path, n);
        if (!no) {
            waiter->admitted(*core_);
            return;
        }
        if (is_full(*no) && !path.lane) {
            const auto policy = core_->options().overflow();
            if ((policy == overflow_policy::wait || policy == overflow_policy::displace ||
                 (policy == overflow_policy::reject && core_->has_room(n))) &&
                core_->may_wait()) {
                if (slot.is_connected()) {
                    waiter->link = new cancel_link;
                    cancel_through(slot, core_, waiter->link);
                }
                core_->wait_at_door(std::move(waiter));
                return;
            }
            if (policy == overflow_policy::spill && core_->options().on_spill()) {
                core_->drop_begins();
                asio::post(core_->executor(), [core = core_, w = std::move(waiter)]() mutable {
                    w->refused(*core, offer_to_store(*core, w->who, w->places));
                    core->drop_done();
                });
                return;
            }
        }
        core_->refuse(waiter->who, n, *no);
        waiter->refused(*core_, *no);
    }

private:
    std::shared_ptr<pool_core> core_;
    Grant grant_;
};

/// Completes with an error code and perhaps a report.
template <typename Handler, bool Reports>
class life_waiter_for final : public life_waiter {
public:
    life_waiter_for(kind of, Handler handler, pool_core& pool)
        : life_waiter(of)
        , completion_(std::move(handler), pool.executor(), &pool.completions_pending()) {}

    void complete(boost::system::error_code ec, const drain_report& report) override {
        if constexpr (Reports)
            completion_.post(ec, report);
        else
            completion_.post(ec);
    }

private:
    completion<Handler, pool_executor> completion_;
};

/// Starts what waits for a moment in the life of a pool: a drain, a stop, a limit.
template <life_waiter::kind Kind>
class initiate_life {
public:
    using executor_type = pool_executor;

    explicit initiate_life(std::shared_ptr<pool_core> core) noexcept
        : core_(std::move(core)) {}

    executor_type get_executor() const noexcept { return core_->executor(); }

    template <typename Handler, typename... Args>
    void operator()(Handler&& handler, Args... args) const {
        using kind = life_waiter::kind;
        const asio::any_io_executor caller =
            asio::get_associated_executor(handler, core_->executor());
        auto waiter = std::make_unique<life_waiter_for<std::decay_t<Handler>, Kind == kind::drain>>(
            Kind, std::forward<Handler>(handler), *core_
        );
        if (Kind != kind::resize && core_->runs_task(caller)) {
            if constexpr (Kind == kind::stop)
                core_->stop();
            waiter->complete(errc::would_deadlock, {});
            return;
        }
        if constexpr (Kind == kind::drain)
            core_->start_drain(std::move(waiter), args...);
        else if constexpr (Kind == kind::stop)
            core_->start_stop(std::move(waiter));
        else
            core_->start_resize(std::move(waiter), args...);
    }

private:
    std::shared_ptr<pool_core> core_;
};

using initiate_drain = initiate_life<life_waiter::kind::drain>;
using initiate_stop = initiate_life<life_waiter::kind::stop>;
using initiate_resize = initiate_life<life_waiter::kind::resize>;

} // namespace corogate::detail
