#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace corogate::detail {

namespace asio = boost::asio;

struct runner;
struct executor_target;

/// The executor of a pool and of its tasks: work goes to an `asio::thread_pool`, to the strand of
/// one runner over it, or to any other executor.
///
/// Two words, so that it fits into an `any_io_executor` without allocation; a strand does not, and
/// every coroutine of the pool would pay for that at every suspension.
///
/// A pool's own executor refers to the pool and is valid as long as that is; a runner's is counted,
/// so that a stale one can be told from one that is not. Work is not counted as outstanding on a
/// thread_pool: a pool has its threads until it lets them go.
class pool_executor {
public:
    /// Refers to `target` without owning it.
    explicit pool_executor(executor_target& target) noexcept
        : target_(&target) {}
    /// Shares `target`.
    explicit pool_executor(const boost::intrusive_ptr<executor_target>& target) noexcept;

    pool_executor(const pool_executor& other) noexcept
        : target_(other.target_)
        , bits_(other.bits_) {
        hold();
    }
    pool_executor(pool_executor&& other) noexcept
        : target_(other.target_)
        , bits_(std::exchange(other.bits_, other.bits_ & ~counted)) {}
    pool_executor& operator=(pool_executor other) noexcept {
        std::swap(target_, other.target_);
        std::swap(bits_, other.bits_);
        return *this;
    }
    ~pool_executor() { drop(); }

    /// The runner whose tasks run here; null for the pool's own executor and after its end.
    runner* who() const noexcept;
    void forget_runner() const noexcept;
    /// Whether the caller is inside: on a thread of the pool, in the runner's strand. On an
    /// environment always false but for a runner's.
    bool running_in_this_thread() const noexcept;

    /// The threads or, for a runner's executor, the strand that work goes to; null where it is
    /// something else.
    asio::thread_pool* threads() const noexcept;
    const asio::strand<pool_executor>* strand() const noexcept;

    /// Whether what is posted starts in the order of the posts and has ended when the pool has:
    /// on the pool's own threads, which it joins; not on those of others or on an environment.
    bool in_order() const noexcept;

    asio::execution_context& query(asio::execution::context_t) const noexcept;
    asio::execution::blocking_t query(asio::execution::blocking_t) const noexcept {
        return (bits_ & never) ? asio::execution::blocking_t(asio::execution::blocking.never)
                               : asio::execution::blocking_t(asio::execution::blocking.possibly);
    }

    pool_executor require(asio::execution::blocking_t::never_t) const noexcept {
        return with(bits_ | never);
    }
    pool_executor require(asio::execution::blocking_t::possibly_t) const noexcept {
        return with(bits_ & ~never);
    }
    pool_executor require(asio::execution::relationship_t::continuation_t) const noexcept {
        return with(bits_ | continuation);
    }
    pool_executor require(asio::execution::relationship_t::fork_t) const noexcept {
        return with(bits_ & ~continuation);
    }
    pool_executor require(asio::execution::outstanding_work_t::tracked_t) const;
    pool_executor require(asio::execution::outstanding_work_t::untracked_t) const noexcept {
        return *this;
    }

    template <typename F>
    void execute(F&& f) const;

    friend bool operator==(const pool_executor& a, const pool_executor& b) noexcept {
        return a.target_ == b.target_ && (a.bits_ & ~counted) == (b.bits_ & ~counted);
    }
    friend bool operator!=(const pool_executor& a, const pool_executor& b) noexcept {
        return !(a == b);
    }

private:
    enum bit : std::uint32_t { never = 1, continuation = 2, counted = 4 };

    pool_executor with(std::uint32_t bits) const noexcept {
        pool_executor other(*this);
        other.bits_ = bits;
        return other;
    }
    void hold() const noexcept;
    void drop() const noexcept;

    executor_target* target_;
    std::uint32_t bits_ = 0;
};

static_assert(sizeof(pool_executor) <= sizeof(std::shared_ptr<void>));

/// Where the work of a pool_executor goes.
struct executor_target : boost::intrusive_ref_counter<executor_target, boost::thread_safe_counter> {
    executor_target(asio::thread_pool& pool, bool pool_is_ours) noexcept
        : threads(&pool)
        , owned(pool_is_ours) {}
    explicit executor_target(const asio::any_io_executor& other)
        : foreign(other)
        , foreign_never(asio::require(other, asio::execution::blocking.never)) {}
    /// The strand of a runner.
    executor_target(const pool_executor& pool, runner& r)
        : strand(pool)
        , strand_never(asio::require(*strand, asio::execution::blocking.never))
        , who(&r) {}

    asio::thread_pool* threads = nullptr;
    bool owned = false;
    asio::any_io_executor foreign;
    asio::any_io_executor foreign_never;
    std::optional<asio::strand<pool_executor>> strand;
    std::optional<asio::strand<pool_executor>> strand_never;
    std::atomic<runner*> who{nullptr};
};

// ------------------------------------------------------------------------------------------------

inline pool_executor::pool_executor(const boost::intrusive_ptr<executor_target>& target) noexcept
    : target_(target.get())
    , bits_(counted) {
    hold();
}

inline void pool_executor::hold() const noexcept {
    if (bits_ & counted)
        intrusive_ptr_add_ref(target_);
}
inline void pool_executor::drop() const noexcept {
    if (bits_ & counted)
        intrusive_ptr_release(target_);
}

inline runner* pool_executor::who() const noexcept {
    // What is not counted has no runner, and its target may be gone.
    return (bits_ & counted) ? target_->who.load(std::memory_order_acquire) : nullptr;
}
inline void pool_executor::forget_runner() const noexcept { target_->who = nullptr; }

inline bool pool_executor::running_in_this_thread() const noexcept {
    if (target_->strand)
        return target_->strand->running_in_this_thread();
    return target_->threads && target_->threads->get_executor().running_in_this_thread();
}

inline asio::thread_pool* pool_executor::threads() const noexcept { return target_->threads; }
inline const asio::strand<pool_executor>* pool_executor::strand() const noexcept {
    return target_->strand ? &*target_->strand : nullptr;
}

inline bool pool_executor::in_order() const noexcept { return target_->owned; }

inline asio::execution_context& pool_executor::query(asio::execution::context_t) const noexcept {
    if (target_->strand)
        return asio::query(*target_->strand, asio::execution::context);
    if (target_->threads)
        return *target_->threads;
    return asio::query(target_->foreign, asio::execution::context);
}

inline pool_executor pool_executor::require(asio::execution::outstanding_work_t::tracked_t) const {
    if (target_->threads || target_->strand)
        return *this;
    pool_executor tracked(boost::intrusive_ptr<executor_target>(new executor_target(
        asio::prefer(target_->foreign, asio::execution::outstanding_work.tracked)
    )));
    tracked.bits_ |= bits_;
    return tracked;
}

template <typename F>
void pool_executor::execute(F&& f) const {
    const executor_target& to = *target_;
    if (to.strand) {
        ((bits_ & never) ? *to.strand_never : *to.strand).execute(std::forward<F>(f));
    } else if (to.threads) {
        const auto allocator = asio::get_associated_allocator(f);
        const auto plain =
            asio::prefer(to.threads->get_executor(), asio::execution::allocator(allocator));
        if (!(bits_ & never)) {
            plain.execute(std::forward<F>(f));
            return;
        }
        const auto posts = asio::require(plain, asio::execution::blocking.never);
        if (bits_ & continuation)
            asio::require(posts, asio::execution::relationship.continuation)
                .execute(std::forward<F>(f));
        else
            posts.execute(std::forward<F>(f));
    } else {
        ((bits_ & never) ? to.foreign_never : to.foreign).execute(std::forward<F>(f));
    }
}

} // namespace corogate::detail
