#pragma once

#include <algorithm>
#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <corogate/detail/inbox.hpp>
#include <corogate/detail/permit_queue.hpp>
#include <corogate/detail/permit_word.hpp>
#include <corogate/detail/wait_node.hpp>
#include <corogate/environment.hpp>
#include <corogate/errc.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

namespace corogate::detail {

/// What a semaphore and its permits share.
///
/// Without waiters, acquire and release are one compare-and-swap each on `word_`. With waiters
/// (`permit_word::slow`) everything happens on a strand of its own: whoever finds it free runs it,
/// nobody blocks, and entering it is one atomic addition, so a release allocates nothing. After
/// every batch of mail the grant loop runs, whatever the mail was.
///
/// Lifetime: `refs_` counts the semaphore, links, alarms, who is on the strand, and one reference
/// that all permits share, so that a permit costs no count of its own. After the strand has closed,
/// the permits in use only become fewer: whoever brings back the last one, or the closing itself
/// where there is none, drops the shared reference. A release that must enter the strand leaves its
/// permits counted until the strand has them, so the state lives until then.
class semaphore_state {
public:
    using executor_type = boost::asio::any_io_executor;
    using time_point = wait_node::time_point;

    semaphore_state(executor_type executor, std::uint32_t limit, environment* environment)
        : executor_(std::move(executor))
        , environment_(environment)
        , word_(permit_word::make(limit)) {}
    semaphore_state(const semaphore_state&) = delete;
    semaphore_state& operator=(const semaphore_state&) = delete;

    const executor_type& executor() const noexcept { return executor_; }
    std::size_t limit() const noexcept { return permit_word::limit(word()); }
    std::size_t in_use() const noexcept { return permit_word::in_use(word()); }
    std::size_t available() const noexcept {
        const auto seen = word();
        return permit_word::fits(seen, 0) ? permit_word::limit(seen) - permit_word::in_use(seen)
                                          : 0;
    }
    bool draining() const noexcept { return word() & permit_word::draining; }
    std::size_t waiting() const noexcept { return waiting_.load(std::memory_order_relaxed); }

    time_point now() const noexcept {
        return environment_ ? environment_->now() : environment::clock::now();
    }

    /// False where n are not free, somebody waits, or nothing is admitted.
    bool try_acquire(std::uint32_t n) noexcept {
        auto seen = word_.load(std::memory_order_relaxed);
        while (!(seen & permit_word::refusing) && permit_word::fits(seen, n))
            if (word_.compare_exchange_weak(
                    seen, seen + n, std::memory_order_acquire, std::memory_order_relaxed
                ))
                return true;
        return false;
    }

    void release(std::uint32_t n) noexcept {
        auto seen = word_.load(std::memory_order_relaxed);
        while (!(seen & permit_word::slow))
            if (word_.compare_exchange_weak(
                    seen, seen - n, std::memory_order_acq_rel, std::memory_order_relaxed
                )) {
                if (permit_word::last(seen, n))
                    drop();
                return;
            }
        enter(n * one_release);
    }

    /// The mail is the strand's from here on. The caller has a reference.
    void send(wait_mail& mail) noexcept {
        inbox_.push(&mail);
        enter(one_mail);
    }

    void resize(std::uint32_t limit) noexcept {
        auto seen = word_.load(std::memory_order_relaxed);
        while (!word_.compare_exchange_weak(
            seen, permit_word::with_limit(seen, limit), std::memory_order_acq_rel,
            std::memory_order_relaxed
        )) {
        }
        if (seen & permit_word::slow)
            enter(one_mail);
    }

    void refuse_newcomers() noexcept {
        word_.fetch_or(permit_word::draining, std::memory_order_acq_rel);
    }
    void reopen() noexcept {
        if (word_.fetch_and(~permit_word::draining, std::memory_order_acq_rel) & permit_word::slow)
            enter(one_mail);
    }

    /// Nobody waits any more: those who do complete with `errc::stopped`.
    void close() noexcept { send(close_mail_); }

    void ring() noexcept {
        rung_.store(true, std::memory_order_release);
        enter(one_mail);
    }

    void hold() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
    void drop() noexcept {
        if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            delete this;
    }

    /// A reference; never null until it is moved from. (The null checks of `intrusive_ptr` make
    /// g++ 12 warn of writes through null.)
    class pointer {
    public:
        /// Takes over a reference that is already counted.
        static pointer adopt(semaphore_state& state) noexcept { return pointer(state); }
        static pointer share(semaphore_state& state) noexcept {
            state.hold();
            return pointer(state);
        }
        pointer(const pointer& other) noexcept
            : state_(other.state_) {
            state_->hold();
        }
        pointer(pointer&& other) noexcept
            : state_(std::exchange(other.state_, nullptr)) {}
        pointer& operator=(const pointer&) = delete;
        ~pointer() {
            if (state_)
                state_->drop();
        }
        semaphore_state* operator->() const noexcept { return state_; }
        semaphore_state& operator*() const noexcept { return *state_; }

    private:
        explicit pointer(semaphore_state& state) noexcept
            : state_(&state) {}
        semaphore_state* state_;
    };

    /// Waiters touched so far. While nothing goes on, for tests.
    std::uint64_t steps() const noexcept { return queue_.steps(); }

private:
    using node_list =
        boost::intrusive::list<wait_node, boost::intrusive::constant_time_size<false>>;

    // What is on its way to the strand: released permits in the low bits, mail above.
    static constexpr std::uint64_t one_release = 1;
    static constexpr std::uint64_t one_mail = std::uint64_t(1) << 32;
    static constexpr std::uint32_t releases(std::uint64_t work) noexcept {
        return static_cast<std::uint32_t>(work);
    }

    /// Rings by Asio's timer. `wait_node::never` calls it off.
    class timer_alarm final : public environment::alarm {
    public:
        explicit timer_alarm(semaphore_state& state)
            : state_(state)
            , timer_(state.executor_) {}
        void set(time_point when) override {
            timer_.expires_at(when); // cancels what waits
            if (when != wait_node::never)
                timer_.async_wait([state = pointer::share(state_)](boost::system::error_code ec) {
                    if (!ec)
                        state->ring();
                });
        }

    private:
        semaphore_state& state_;
        boost::asio::steady_timer timer_;
    };

    ~semaphore_state() = default;

    std::uint64_t word() const noexcept { return word_.load(std::memory_order_acquire); }

    /// Whoever brings the first work runs the strand. The caller has a reference, or brings permits
    /// that are in use.
    void enter(std::uint64_t work) noexcept {
        if (work_.fetch_add(work, std::memory_order_acq_rel) == 0)
            run();
    }

    /// Until the strand has closed, the permits' reference is there, and nobody else can close it.
    void run() noexcept {
        if (closed_)
            hold();
        auto seen = work_.load(std::memory_order_acquire);
        for (;;) {
            returned_ += releases(seen);
            for (wait_mail* mail = inbox_.take_all(); mail;)
                open(*std::exchange(mail, mail->next));
            settle();
            const bool held = closed_;
            auto done = seen;
            if (work_.compare_exchange_strong(
                    done, 0, std::memory_order_acq_rel, std::memory_order_acquire
                )) {
                if (held)
                    drop();
                return;
            }
            seen = work_.fetch_sub(seen, std::memory_order_acq_rel) - seen;
        }
    }

    void open(wait_mail& mail) noexcept {
        switch (mail.mail_kind) {
        case wait_mail::kind::waiter:
            admit(static_cast<wait_node&>(mail));
            return;
        case wait_mail::kind::cancellation: {
            const boost::intrusive_ptr<wait_link> link(&static_cast<wait_link&>(mail), false);
            if (!link->target)
                return;
            if (link->target->listed)
                finish(unlist(*link->target), errc::cancelled);
            else
                link->cancelled = true;
            return;
        }
        case wait_mail::kind::close:
            closed_ = true;
            hold(); // until this run ends
            if (permit_word::last(
                    word_.fetch_or(permit_word::closed, std::memory_order_acq_rel) |
                        permit_word::closed,
                    0
                ))
                drop();
            return;
        }
    }

    void admit(wait_node& waiter) noexcept {
        if (closed_)
            return finish(waiter, errc::stopped);
        if (waiter.link && waiter.link->cancelled)
            return finish(waiter, errc::cancelled);
        if (waiter.what == wait_node::purpose::acquire) {
            if (word() & permit_word::draining)
                return finish(waiter, errc::draining);
            if (doomed(waiter.amount))
                return finish(waiter, errc::job_too_large);
            queue_.push(waiter);
        } else {
            waiter.listed = true;
            watchers_.push_back(waiter);
        }
        if (!slow_) {
            slow_ = true;
            word_.fetch_or(permit_word::slow, std::memory_order_acq_rel);
        }
    }

    wait_node& unlist(wait_node& waiter) noexcept {
        if (waiter.what == wait_node::purpose::acquire) {
            queue_.remove(waiter);
        } else {
            waiter.listed = false;
            watchers_.erase(watchers_.iterator_to(waiter));
        }
        return waiter;
    }

    /// Completes at the end of the batch, when what it may look at is up to date.
    void finish(wait_node& waiter, boost::system::error_code why) noexcept {
        if (waiter.link) {
            waiter.link->target = nullptr;
            waiter.link->let_go();
            waiter.link = nullptr;
        }
        waiter.outcome = why;
        finished_.push_back(waiter);
    }

    /// Brings everything to rest after a change.
    void settle() noexcept {
        const bool rang = rung_.load(std::memory_order_relaxed) &&
                          rung_.exchange(false, std::memory_order_acq_rel);
        if (rang)
            armed_ = wait_node::never;
        if (slow_) {
            while (closed_ && !queue_.empty())
                finish(unlist(queue_.front()), errc::stopped);
            while (closed_ && !watchers_.empty())
                finish(unlist(watchers_.front()), errc::stopped);
            refuse_doomed();
            grant();
            if (rang)
                expire();
        }
        give_back();
        notify_watchers();
        arm();
        waiting_.store(queue_.size(), std::memory_order_relaxed);
        if (slow_ && queue_.empty() && watchers_.empty()) {
            slow_ = false;
            word_.fetch_and(~permit_word::slow, std::memory_order_acq_rel);
        }
        while (!finished_.empty()) {
            wait_node& waiter = finished_.front();
            finished_.pop_front();
            waiter.post();
        }
    }

    /// Who wants more than there is would block the others for ever. With a limit of 0 everybody
    /// waits for the next limit.
    bool doomed(std::uint32_t n) const noexcept {
        const auto limit = permit_word::limit(word());
        return limit != 0 && n > limit;
    }

    void refuse_doomed() noexcept {
        if (const auto limit = permit_word::limit(word()))
            queue_.remove_heavier(limit, [&](wait_node& waiter) {
                finish(waiter, errc::job_too_large);
            });
    }

    void grant() noexcept {
        while (!queue_.empty() && take(queue_.front().amount)) {
            auto& waiter = unlist(queue_.front());
            waiter.granted_by = this;
            finish(waiter, {});
        }
    }

    /// From what came back in this batch, else from the word, which nobody else takes from while it
    /// says slow.
    bool take(std::uint32_t n) noexcept {
        if (!permit_word::fits(word() - returned_, n))
            return false;
        if (n > returned_)
            word_.fetch_add(n - returned_, std::memory_order_acq_rel);
        returned_ -= std::min(n, returned_);
        return true;
    }

    void give_back() noexcept {
        if (const auto n = std::exchange(returned_, 0))
            if (permit_word::last(word_.fetch_sub(n, std::memory_order_acq_rel), n))
                drop();
    }

    void expire() noexcept {
        if (queue_.next_deadline() == wait_node::never)
            return;
        const auto time = now();
        while (auto* const waiter = queue_.pop_expired(time)) {
            finish(*waiter, errc::timed_out);
        }
        grant();
    }

    void notify_watchers() noexcept {
        for (auto at = watchers_.begin(); at != watchers_.end();) {
            wait_node& watcher = *at++;
            const auto seen = word();
            if (watcher.what == wait_node::purpose::shrink) {
                const auto in_use = permit_word::in_use(seen);
                if (in_use <= watcher.amount || in_use <= permit_word::limit(seen))
                    finish(unlist(watcher), {});
            } else if (!(seen & permit_word::draining)) {
                finish(unlist(watcher), errc::cancelled);
            } else if (permit_word::in_use(seen) == 0 && queue_.empty()) {
                finish(unlist(watcher), {});
            }
        }
    }

    /// The alarm rings at the earliest deadline, or before it.
    void arm() noexcept {
        const auto next = queue_.next_deadline();
        if (next < armed_) {
            if (!alarm_)
                alarm_ = make_alarm();
            armed_ = next;
            alarm_->set(next);
        } else if (next == wait_node::never && armed_ != wait_node::never && !environment_) {
            armed_ = wait_node::never; // a timer is work: it would keep the context running
            alarm_->set(wait_node::never);
        }
    }

    std::unique_ptr<environment::alarm> make_alarm() {
        if (!environment_)
            return std::make_unique<timer_alarm>(*this);
        // The destructor of the alarm waits for a ring, so a ring must not be who destroys it.
        return environment_->make_alarm([this] {
            auto seen = refs_.load(std::memory_order_relaxed);
            do {
                if (seen == 0)
                    return;
            } while (!refs_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel));
            boost::asio::post(executor_, [state = pointer::adopt(*this)] { state->ring(); });
        });
    }

    const executor_type executor_;
    environment* const environment_;
    std::atomic<std::uint64_t> word_;
    std::atomic<std::uint64_t> work_{0};
    std::atomic<std::uint32_t> refs_{2}; // the semaphore's, and the permits'
    std::atomic<bool> rung_{false};
    std::atomic<std::size_t> waiting_{0};
    inbox<wait_mail> inbox_;
    wait_mail close_mail_{wait_mail::kind::close};

    // Strand only.
    permit_queue queue_;
    node_list watchers_; // of a resize or a drain
    node_list finished_;
    std::uint32_t returned_ = 0; // released, and still in use in the word
    bool slow_ = false;          // the flag of the word
    bool closed_ = false;
    time_point armed_ = wait_node::never;
    std::unique_ptr<environment::alarm> alarm_;
};

inline wait_link::wait_link(semaphore_state& state, wait_node& node) noexcept
    : wait_mail(kind::cancellation)
    , target(&node)
    , state_(&state) {
    state.hold();
}

inline void wait_link::cancel() noexcept {
    if (auto* const state = state_.exchange(nullptr, std::memory_order_acq_rel)) {
        intrusive_ptr_add_ref(this); // the mail's
        state->send(*this);
        state->drop();
    }
}

inline void wait_link::let_go() noexcept {
    if (auto* const state = state_.exchange(nullptr, std::memory_order_acq_rel))
        state->drop();
}

} // namespace corogate::detail
