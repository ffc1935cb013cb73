#pragma once

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <corogate/detail/crew.hpp>
#include <corogate/detail/crew_answer.hpp>
#include <corogate/take.hpp>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace corogate::detail {

/// A crew whose end completes an operation. Its number of tasks is known: outside a task of the
/// pool places for as many as may be under way are admitted, all or nothing, with the overflow
/// policy.
class crew_with_end : public crew {
public:
    void begin(runner* parent, return_ticket* ticket);
    /// Cancels through the slot for as long as the crew lives.
    template <typename Slot>
    void listen(Slot to) {
        if (to.is_connected())
            to.assign([weak = weak_from_this()](asio::cancellation_type type) {
                if (type == asio::cancellation_type::none)
                    return;
                if (const auto alive = weak.lock())
                    alive->cancel(type);
            });
    }

    void let_in(std::size_t places) noexcept;
    void turned_away(errc why) noexcept;

protected:
    using crew::crew;

    bool more() const noexcept final { return left_ != 0; }
    void all_ended(guard& lock) noexcept final;
    /// Completes the operation; once.
    virtual void tell(std::exception_ptr error) noexcept = 0;

    std::size_t left_ = 0; // tasks not started

private:
    void admit(std::size_t places);

    slot door_ = 0;
    bool told_ = false;
};

/// Waits at the door for the places of a crew.
class crew_admission final : public admission_waiter {
public:
    crew_admission(std::size_t n, std::shared_ptr<crew_with_end> whose, cancel_link_ptr its)
        : admission_waiter(n, job_options())
        , crew_(std::move(whose)) {
        link = std::move(its);
    }
    void admitted(pool_core& core) override {
        core.count_job(true);
        asio::post(
            core.executor(),
            [crew = std::move(crew_), n = places,
             pending = pending_completion(core.completions_pending())] { crew->let_in(n); }
        );
    }
    void refused(pool_core& core, errc why) override {
        core.count_job(false);
        crew_->turned_away(why);
    }

private:
    std::shared_ptr<crew_with_end> crew_;
};

inline void crew_with_end::begin(runner* parent, return_ticket* ticket) {
    std::size_t n = 0;
    {
        const guard lock(mutex_);
        n = over_ ? 0 : left_; // cancelled already
        if (parent) {
            job_.reset(parent->job.load(std::memory_order_relaxed));
            nested_ = true;
            limit_ = std::min(limit_, core_->options().children());
            to_lend_ = ticket;
        }
    }
    if (parent || n == 0)
        fill();
    else
        admit(std::min({n, limit_, core_->capacity()}));
}

inline void crew_with_end::admit(std::size_t places) {
    const auto no = core_->reserve(places);
    if (!no) {
        core_->count_job(true);
        {
            const guard lock(mutex_);
            admitted_ = places;
        }
        fill();
        return;
    }
    const auto policy = core_->options().overflow();
    const bool waits = *no == errc::queue_full &&
                       (policy == overflow_policy::wait || policy == overflow_policy::displace) &&
                       core_->may_wait();
    cancel_link_ptr link;
    {
        const guard lock(mutex_);
        door_ = take_slot();
        link = members_[door_].link;
        ++under_way_;
        if (over_)
            link->requested = true;
    }
    if (waits) {
        auto self = std::static_pointer_cast<crew_with_end>(shared_from_this());
        core_->wait_at_door(
            std::make_unique<crew_admission>(places, std::move(self), std::move(link))
        );
        return;
    }
    core_->count_job(false);
    core_->refuse(job_options(), places, *no);
    turned_away(*no);
}

inline void crew_with_end::let_in(std::size_t places) noexcept {
    {
        const guard lock(mutex_);
        admitted_ = places;
        free_slot(door_);
        --under_way_;
    }
    fill();
}

inline void crew_with_end::turned_away(errc why) noexcept {
    auto error = prebuilt_exception(why);
    {
        const guard lock(mutex_);
        left_ = 0;
        fail(error);
    }
    ended(door_, std::move(error));
}

inline void crew_with_end::all_ended(guard& lock) noexcept {
    const auto unused = std::exchange(admitted_, 0);
    const bool first = !std::exchange(told_, true);
    auto error = error_;
    lock.unlock();
    if (unused != 0)
        if (const pool_user user(*core_); user)
            core_->release_unused(unused);
    if (first)
        tell(std::move(error));
}

/// `Source` makes the tasks: `size()`, and `next(f)`, which calls `f(task, index)` with the next
/// one. `Keeper` keeps their results: `keep(index, outcome)` in each task's own time, `tell(answer,
/// ...)`.
template <typename Source, typename Keeper, typename Handler>
class crew_operation final : public crew_with_end {
public:
    using answer_type = typename Keeper::template answer<Handler>;

    template <typename... Args>
    crew_operation(
        std::shared_ptr<pool_core> core, rule ends_by, std::size_t limit, runner* parent,
        Handler handler, Args&&... source
    )
        : crew_with_end(std::move(core), ends_by, limit)
        , parent_(parent)
        , answer_(std::move(handler), parent, this->core_->executor(), *this->core_) {
        try {
            source_.emplace(std::forward<Args>(source)...);
            keeper_.prepare(source_->size());
            this->left_ = source_->size();
        } catch (...) { // what was given could not be moved in
            source_.reset();
            this->fail(std::current_exception());
        }
    }

    void start() { this->begin(parent_, answer_.ticket()); }

    template <typename Index, typename T>
    void keep(Index index, outcome<T>&& end)
        requires requires(Keeper& k) { k.keep(index, std::move(end)); }
    {
        if constexpr (requires { Keeper::one_for_all; }) {
            const typename crew::guard lock(this->mutex_);
            keeper_.keep(index, std::move(end));
        } else {
            keeper_.keep(index, std::move(end));
        }
    }

private:
    owned_node next(typename crew::guard& lock) noexcept override {
        owned_node node;
        bool has_slot = false;
        crew::slot at = 0;
        --this->left_;
        try {
            at = this->take_slot();
            has_slot = true;
            const cancel_link_ptr link = this->members_[at].link;
            lock.unlock();
            auto self = std::static_pointer_cast<crew_operation>(this->shared_from_this());
            source_->next([&](auto&& task, auto index) {
                using sink = crew_sink<crew_operation, decltype(index)>;
                using node_type = typed_task<callable_t<decltype(task)>, sink>;
                node.reset(node_type::make(
                    std::forward<decltype(task)>(task), sink{std::move(self), at, index}
                ));
            });
            node->link = link;
            lock.lock();
        } catch (...) { // a task or an element could not be moved, or there is no memory
            auto error = std::current_exception();
            if (!lock.owns_lock())
                lock.lock();
            if (has_slot)
                this->free_slot(at);
            this->left_ = 0;
            this->fail(std::move(error));
        }
        return node;
    }

    void tell(std::exception_ptr error) noexcept override {
        source_.reset(); // before the completion is called
        keeper_.tell(answer_, *this->core_, this->lent_, std::move(error));
    }

    runner* parent_;
    answer_type answer_;
    std::optional<Source> source_;
    Keeper keeper_;
};

/// Starts a crew_operation.
template <typename Source, typename Keeper>
class initiate_crew {
public:
    using executor_type = pool_executor;

    initiate_crew(std::shared_ptr<pool_core> core, crew::rule ends_by, std::size_t limit) noexcept
        : core_(std::move(core))
        , ends_by_(ends_by)
        , limit_(limit) {}

    executor_type get_executor() const noexcept { return core_->executor(); }

    template <typename Handler, typename... Args>
    void operator()(Handler&& handler, Args&&... source) const {
        using operation = crew_operation<Source, Keeper, std::decay_t<Handler>>;
        const auto slot = asio::get_associated_cancellation_slot(handler);
        const auto memory = asio::get_associated_allocator(handler);
        runner* const parent = core_->waiting_task(handler);
        auto made = std::allocate_shared<operation>(
            memory, core_, ends_by_, limit_, parent, std::forward<Handler>(handler),
            std::forward<Args>(source)...
        );
        made->listen(slot);
        made->start();
    }

private:
    std::shared_ptr<pool_core> core_;
    crew::rule ends_by_;
    std::size_t limit_;
};

/// How tasks and what they need come to an operation: an lvalue is copied, `take(name)` and an
/// rvalue are moved in, when the operation is initiated.
template <typename T>
auto hold(T&& thing) {
    return untaken<std::remove_cvref_t<T>>::get(std::forward<T>(thing));
}

} // namespace corogate::detail
