#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/system/system_error.hpp>
#include <corogate/detail/crew.hpp>
#include <corogate/detail/crew_answer.hpp>
#include <corogate/detail/submission.hpp>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace corogate::detail {

/// Who waits for a group.
class joiner {
public:
    joiner() = default;
    joiner(const joiner&) = delete;
    joiner& operator=(const joiner&) = delete;
    virtual ~joiner() = default;
    virtual return_ticket* ticket() const noexcept = 0;
    virtual void tell(pool_core& core, std::exception_ptr error) noexcept = 0;
    bool lent = false;
};

/// The crew of a task_group: its tasks are pushed, its joins come and go.
class group_crew final : public crew {
public:
    group_crew(std::shared_ptr<pool_core> core, rule ends_by, std::size_t limit)
        : crew(std::move(core), ends_by, limit) {}
    ~group_crew() override;

    // Before use.
    void belong(job_record_ptr job) noexcept { job_ = std::move(job); }
    void nest(job_record_ptr job) noexcept {
        job_ = std::move(job);
        nested_ = true;
        limit_ = std::min(limit_, core_->options().children());
    }

    const std::shared_ptr<pool_core>& core() const noexcept { return core_; }

    template <typename F>
    void spawn(F&& task);
    void join(std::unique_ptr<joiner> who, runner* parent);
    void end_round(asio::cancellation_type type) noexcept;
    /// Cancels as a join of that round.
    void cancel_join(asio::cancellation_type type, std::uint64_t round) noexcept;
    std::uint64_t round();
    void abandon() noexcept;
    std::vector<std::exception_ptr> errors();
    std::size_t size();

    /// A task that waited at the door was refused.
    void refused_at_door(owned_node node, slot at, errc why) noexcept;

private:
    bool more() const noexcept override { return held_ != nullptr; }
    owned_node next(guard&) noexcept override {
        task_node* node = held_;
        held_ = std::exchange(node->next, nullptr);
        --held_count_;
        return owned_node(node);
    }
    task_node* take_rest() noexcept override {
        under_way_ += std::exchange(held_count_, 0);
        return std::exchange(held_, nullptr);
    }
    void all_ended(guard& lock) noexcept override;
    void lost(const std::exception_ptr& error) noexcept override;

    void begin_round() noexcept;
    void hold(task_node* node) noexcept;
    void admit(owned_node node, slot at);
    void adopt();

    // Under the lock.
    task_node* held_ = nullptr; // first in, first out
    task_node* newest_ = nullptr;
    std::size_t held_count_ = 0;
    std::vector<std::unique_ptr<joiner>> joiners_;
    bool joined_ = false; // the round is over
    bool adopted_ = false;
    std::size_t home_limit_ = 0; // where it is
    std::uint64_t round_ = 0;
};

/// A task of a group that waits at the door of its pool.
class group_waiter final : public admission_waiter {
public:
    group_waiter(
        std::shared_ptr<group_crew> whose, crew::slot at, cancel_link_ptr door,
        const job_options& options
    )
        : admission_waiter(1, options)
        , crew_(std::move(whose))
        , at_(at) {
        link = std::move(door);
    }
    void admitted(pool_core& core) override { core.submit_from_door(task.release()); }
    void refused(pool_core&, errc why) override {
        crew_->refused_at_door(std::move(task), at_, why);
    }

    owned_node task;

private:
    std::shared_ptr<group_crew> crew_;
    crew::slot at_;
};

// ------------------------------------------------------------------------------------------------

/// What somebody who cancelled has asked for is no news.
inline bool is_cancellation(const std::exception_ptr& error) noexcept {
    try {
        std::rethrow_exception(error);
    } catch (const boost::system::system_error& e) {
        return e.code() == asio::error::operation_aborted || e.code() == errc::cancelled;
    } catch (...) {
        return false;
    }
}

inline group_crew::~group_crew() {
    while (held_) // they own the crew: there are none
        std::exchange(held_, held_->next)->discard();
}

inline void group_crew::begin_round() noexcept {
    if (!std::exchange(joined_, false))
        return;
    over_ = false;
    error_ = nullptr;
    errors_.clear();
}

inline void group_crew::hold(task_node* node) noexcept {
    (held_ ? newest_->next : held_) = node;
    newest_ = node;
    ++held_count_;
}

template <typename F>
void group_crew::spawn(F&& task) {
    using sink = crew_sink<group_crew, std::size_t>;
    auto self = std::static_pointer_cast<group_crew>(shared_from_this());
    slot at = 0;
    cancel_link_ptr link;
    {
        const guard lock(mutex_);
        begin_round();
        at = take_slot();
        link = members_[at].link;
        ++under_way_; // so that no join completes before the task is in
    }
    owned_node node;
    try {
        node.reset(typed_task<callable_t<F>, sink>::make(std::forward<F>(task), sink{self, at, 0}));
    } catch (...) {
        guard lock(mutex_);
        free_slot(at);
        --under_way_;
        settle(lock);
        throw;
    }
    node->link = std::move(link);
    guard lock(mutex_);
    if (over_) {
        lock.unlock();
        drop(node.release(), errc::cancelled);
        return;
    }
    if (nested_ || held_ || under_way_ > limit_) {
        --under_way_;
        hold(node.release());
        lock.unlock();
        fill();
        return;
    }
    node->job = job_;
    lock.unlock();
    admit(std::move(node), at);
}

/// One task of a group of the pool's, by the pool's overflow policy.
inline void group_crew::admit(owned_node node, slot at) {
    const pool_user user(*core_);
    if (!user) {
        core_->count_refused(1);
        drop(node.release(), errc::stopped);
        return;
    }
    const auto no = core_->reserve(1);
    if (!no) {
        core_->sample(*node);
        core_->submit(node.release());
        return;
    }
    const job_options whose;
    const auto policy = core_->options().overflow();
    if (*no == errc::queue_full &&
        (policy == overflow_policy::wait || policy == overflow_policy::displace) &&
        core_->may_wait()) {
        auto waiter = std::make_unique<group_waiter>(
            std::static_pointer_cast<group_crew>(shared_from_this()), at,
            cancel_link_ptr(new cancel_link), whose
        );
        {
            const guard lock(mutex_);
            members_[at].door = waiter->link;
            if (over_ || nested_) // cancelled or adopted meanwhile
                waiter->link->requested = true;
        }
        core_->sample(*node);
        waiter->task = std::move(node);
        core_->wait_at_door(std::move(waiter));
        return;
    }
    core_->refuse(whose, 1, *no);
    drop(node.release(), *no);
}

inline void group_crew::refused_at_door(owned_node node, slot at, errc why) noexcept {
    guard lock(mutex_);
    members_[at].door.reset();
    const bool enters = why == errc::cancelled && nested_ && !over_;
    lock.unlock();
    if (!enters) {
        drop(node.release(), why);
        return;
    }
    node_chain one;
    node->nested = true;
    one.push(node.release());
    submit(one, 1, 0, true);
}

/// A task of the pool waits for the group: its tasks are children of that one from now on, so that
/// none of them waits for a place that only their parent's end would free.
inline void group_crew::adopt() {
    std::vector<cancel_link_ptr> doors;
    {
        const guard lock(mutex_);
        if (nested_)
            return;
        nested_ = adopted_ = true;
        home_limit_ = limit_;
        limit_ = std::min(limit_, core_->options().children());
        for (const member& one : members_)
            if (one.door)
                doors.push_back(one.door);
    }
    ask(doors, asio::cancellation_type::none);
}

inline void group_crew::join(std::unique_ptr<joiner> who, runner* parent) {
    guard lock(mutex_);
    if (!quiet() && parent) {
        lock.unlock();
        // Lent before anybody can tell it that the wait is over.
        who->lent = true;
        core_->lend(who->ticket());
        adopt();
        lock.lock();
    }
    joiners_.push_back(std::move(who));
    settle(lock);
}

inline void group_crew::all_ended(guard& lock) noexcept {
    if (joiners_.empty())
        return;
    joined_ = true;
    ++round_;
    if (std::exchange(adopted_, false)) {
        nested_ = false;
        limit_ = home_limit_;
    }
    const auto told = std::move(joiners_);
    joiners_.clear();
    const auto error = error_;
    lock.unlock();
    for (const auto& who : told)
        who->tell(*core_, error);
}

inline void group_crew::end_round(asio::cancellation_type type) noexcept {
    {
        const guard lock(mutex_);
        begin_round();
    }
    cancel(type);
}

/// The slot of a join keeps its hold after the join has completed.
inline void group_crew::cancel_join(asio::cancellation_type type, std::uint64_t round) noexcept {
    {
        const guard lock(mutex_);
        if (round != round_)
            return;
    }
    cancel(type);
}

inline std::uint64_t group_crew::round() {
    const guard lock(mutex_);
    return round_;
}

inline std::vector<std::exception_ptr> group_crew::errors() {
    const guard lock(mutex_);
    if (rule_ == rule::collect)
        return errors_;
    return error_ ? std::vector{error_} : std::vector<std::exception_ptr>();
}

inline std::size_t group_crew::size() {
    const guard lock(mutex_);
    return under_way_ + held_count_;
}

inline void group_crew::abandon() noexcept {
    std::vector<std::exception_ptr> untold;
    {
        const guard lock(mutex_);
        abandoned_ = joiners_.empty();
        if (abandoned_ && !joined_) {
            if (rule_ == rule::collect)
                untold = std::move(errors_);
            else if (error_)
                untold.push_back(error_);
        }
    }
    for (const auto& error : untold)
        lost(error);
    cancel(asio::cancellation_type::terminal);
}

/// To the error handler, which is the user's: on a thread of the pool, while there is one.
inline void group_crew::lost(const std::exception_ptr& error) noexcept {
    if (is_cancellation(error))
        return;
    if (const pool_user user(*core_); user) {
        asio::post(
            core_->executor(), [core = core_.get(), error,
                                pending = pending_completion(core_->completions_pending()
                                )] { core->errors().report(error); }
        );
    } else {
        core_->errors().report(error);
    }
}

template <typename Handler, typename Fallback>
class joiner_for final : public joiner {
public:
    joiner_for(Handler handler, runner* parent, const Fallback& fallback, pool_core& core)
        : answer_(std::move(handler), parent, fallback, core) {}
    return_ticket* ticket() const noexcept override { return answer_.ticket(); }
    void tell(pool_core& core, std::exception_ptr error) noexcept override {
        answer_.tell(core, lent, std::move(error));
    }

private:
    crew_answer<Handler, Fallback> answer_;
};

/// Starts `task_group::async_join`.
class initiate_join {
public:
    using executor_type = pool_executor;

    explicit initiate_join(std::shared_ptr<group_crew> crew) noexcept
        : crew_(std::move(crew)) {}

    executor_type get_executor() const noexcept { return crew_->core()->executor(); }

    template <typename Handler>
    void operator()(Handler&& handler) const {
        using handler_type = std::decay_t<Handler>;
        pool_core& core = *crew_->core();
        auto slot = asio::get_associated_cancellation_slot(handler);
        runner* const parent = core.waiting_task(handler);
        const pool_user user(core);
        std::unique_ptr<joiner> who;
        if (parent || user)
            who = std::make_unique<joiner_for<handler_type, pool_executor>>(
                std::forward<Handler>(handler), parent, core.executor(), core
            );
        else // no executor of ours to complete on
            who = std::make_unique<joiner_for<handler_type, asio::any_io_executor>>(
                std::forward<Handler>(handler), nullptr,
                asio::any_io_executor(asio::system_executor()), core
            );
        if (slot.is_connected())
            slot.assign([weak = std::weak_ptr<group_crew>(crew_),
                         round = crew_->round()](asio::cancellation_type type) {
                if (type == asio::cancellation_type::none)
                    return;
                if (const auto alive = weak.lock())
                    alive->cancel_join(type, round);
            });
        crew_->join(std::move(who), parent);
    }

private:
    std::shared_ptr<group_crew> crew_;
};

} // namespace corogate::detail
