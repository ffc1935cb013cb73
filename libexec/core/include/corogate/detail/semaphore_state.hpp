#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/strand.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <boost/system/error_code.hpp>
#include <corogate/detail/inline_when_free.hpp>
#include <corogate/errc.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

namespace corogate::detail {

class permit_access;
class semaphore_state;

/// Someone who waits for a permit. Shared by the list and the submitter's cancellation slot.
class permit_waiter
    : public boost::intrusive::list_base_hook<
          boost::intrusive::link_mode<boost::intrusive::normal_link>>,
      public boost::intrusive_ref_counter<permit_waiter, boost::thread_safe_counter> {
public:
    permit_waiter() = default;
    permit_waiter(const permit_waiter&) = delete;
    permit_waiter& operator=(const permit_waiter&) = delete;
    virtual ~permit_waiter() = default;

    /// Completes by post, with a permit of `from` or with an error. Once.
    virtual void granted(std::shared_ptr<semaphore_state> from) = 0;
    virtual void refused(boost::system::error_code why) = 0;

    // Strand only.
    bool listed = false;
    bool cancelled = false; // before it was listed
};

using permit_waiter_ptr = boost::intrusive_ptr<permit_waiter>;

/// What a semaphore and its permits share.
///
/// The count and the flag "somebody waits" are one atomic word: without waiters, acquire and
/// release are one compare-and-swap and one addition. Waiters are confined to a strand; a release
/// that sees the flag enters it. After every removal of a waiter the grant loop runs again.
class semaphore_state : public std::enable_shared_from_this<semaphore_state> {
public:
    semaphore_state(boost::asio::any_io_executor executor, std::uint32_t permits)
        : executor_(std::move(executor))
        , strand_(inline_when_free<boost::asio::any_io_executor>(executor_))
        , word_(shifted(permits))
        , permits_(permits) {}

    ~semaphore_state() {
        waiters_.clear_and_dispose([](permit_waiter* w) { permit_waiter_ptr(w, false); });
    }
    semaphore_state(const semaphore_state&) = delete;
    semaphore_state& operator=(const semaphore_state&) = delete;

    const boost::asio::any_io_executor& executor() const noexcept { return executor_; }
    std::size_t permits() const noexcept { return permits_; }
    std::size_t available() const noexcept {
        return static_cast<std::size_t>(word_.load(std::memory_order_acquire) >> 32);
    }
    std::size_t waiting() const noexcept { return waiting_.load(std::memory_order_relaxed); }

    /// False where no permit is free or somebody waits for one.
    bool try_acquire() noexcept {
        std::uint64_t seen = word_.load(std::memory_order_relaxed);
        while (!(seen & waiters) && (seen >> 32) != 0)
            if (word_.compare_exchange_weak(
                    seen, seen - shifted(1), std::memory_order_acquire, std::memory_order_relaxed
                ))
                return true;
        return false;
    }

    void release() noexcept {
        if (!(word_.fetch_add(shifted(1), std::memory_order_acq_rel) & waiters))
            return;
        // One grant on its way is enough: it sees every permit released before it starts.
        if (!grant_pending_.exchange(true, std::memory_order_acq_rel))
            boost::asio::dispatch(
                strand_, boost::asio::bind_allocator(
                             grant_allocator<void>(*this), grant_operation{shared_from_this()}
                         )
            );
    }

    void enlist(permit_waiter_ptr waiter) {
        boost::asio::dispatch(
            strand_,
            [self = shared_from_this(), waiter = std::move(waiter)]() mutable {
                if (waiter->cancelled || self->closed_) {
                    waiter->refused(self->closed_ ? errc::stopped : errc::cancelled);
                    return;
                }
                self->word_.fetch_or(waiters, std::memory_order_acq_rel);
                waiter->listed = true;
                self->waiting_.fetch_add(1, std::memory_order_relaxed);
                self->waiters_.push_back(*waiter.detach());
                self->grant();
            }
        );
    }

    void cancel(permit_waiter_ptr waiter) {
        boost::asio::dispatch(strand_, [self = shared_from_this(), waiter = std::move(waiter)] {
            if (!waiter->listed) {
                waiter->cancelled = true;
                return;
            }
            self->unlist(*waiter);
            waiter->refused(errc::cancelled);
            self->grant();
        });
    }

    /// Nobody waits any more: those who do complete with `errc::stopped`.
    void close() {
        boost::asio::dispatch(strand_, [self = shared_from_this()] {
            self->closed_ = true;
            while (!self->waiters_.empty())
                self->unlist(self->waiters_.front())->refused(errc::stopped);
            self->grant();
        });
    }

private:
    static constexpr std::uint64_t waiters = 1;
    static constexpr std::uint64_t shifted(std::uint64_t n) noexcept { return n << 32; }

    struct grant_operation {
        std::shared_ptr<semaphore_state> state;
        void operator()() const {
            // Read-modify-write: pairs with the exchange of a releaser that left its permit to us.
            state->grant_pending_.exchange(false, std::memory_order_acq_rel);
            state->grant();
        }
    };

    /// Room for the one grant operation that can be pending, so that entering the strand allocates
    /// nothing.
    template <typename T>
    class grant_allocator {
    public:
        using value_type = T;
        explicit grant_allocator(semaphore_state& state) noexcept
            : state_(&state) {}
        template <typename U>
        grant_allocator(const grant_allocator<U>& other) noexcept
            : state_(other.state_) {}
        T* allocate(std::size_t n) {
            if (n * sizeof(T) > sizeof(state_->grant_storage_) || state_->grant_storage_used_)
                return static_cast<T*>(::operator new(n * sizeof(T)));
            state_->grant_storage_used_ = true;
            return reinterpret_cast<T*>(state_->grant_storage_);
        }
        void deallocate(T* p, std::size_t) noexcept {
            if (reinterpret_cast<std::byte*>(p) == state_->grant_storage_)
                state_->grant_storage_used_ = false;
            else
                ::operator delete(p);
        }
        template <typename U>
        bool operator==(const grant_allocator<U>& other) const noexcept {
            return state_ == other.state_;
        }

    private:
        template <typename U>
        friend class grant_allocator;
        semaphore_state* state_;
    };

    void grant() {
        while (!waiters_.empty() && take_for_waiter()) {
            const auto waiter = unlist(waiters_.front());
            waiter->granted(shared_from_this());
        }
        if (waiters_.empty())
            word_.fetch_and(~waiters, std::memory_order_acq_rel);
    }

    bool take_for_waiter() noexcept {
        std::uint64_t seen = word_.load(std::memory_order_relaxed);
        while ((seen >> 32) != 0)
            if (word_.compare_exchange_weak(
                    seen, seen - shifted(1), std::memory_order_acquire, std::memory_order_relaxed
                ))
                return true;
        return false;
    }

    /// Takes a waiter off the list; what is returned is the list's own reference.
    permit_waiter_ptr unlist(permit_waiter& waiter) noexcept {
        waiters_.erase(waiters_.iterator_to(waiter));
        waiter.listed = false;
        waiting_.fetch_sub(1, std::memory_order_relaxed);
        return {&waiter, false};
    }

    boost::asio::any_io_executor executor_;
    boost::asio::strand<inline_when_free<boost::asio::any_io_executor>> strand_;
    std::atomic<std::uint64_t> word_;
    const std::uint32_t permits_;
    std::atomic<bool> grant_pending_{false};
    std::atomic<std::size_t> waiting_{0};

    // Strand only.
    boost::intrusive::list<permit_waiter, boost::intrusive::constant_time_size<false>> waiters_;
    bool closed_ = false;

    // Whoever set grant_pending_.
    alignas(std::max_align_t) std::byte grant_storage_[192];
    bool grant_storage_used_ = false;
};

} // namespace corogate::detail
