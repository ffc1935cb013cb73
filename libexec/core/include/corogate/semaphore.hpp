#pragma once

#include <algorithm>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <concepts>
#include <corogate/detail/completion.hpp>
#include <corogate/detail/semaphore_state.hpp>
#include <corogate/detail/wait_operation.hpp>
#include <corogate/environment.hpp>
#include <corogate/permit.hpp>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace corogate {

/// A counting semaphore for coroutines: at most `limit` permits out at once, the others suspended
/// in the order in which they came.
///
///     corogate::semaphore connections{context.get_executor(), 8};
///     corogate::permit one = co_await connections.async_acquire(asio::use_awaitable);
///
/// Useful alone, with any Asio executor. Without waiters, acquiring and releasing are one atomic
/// operation each. Waiters are confined to a strand of the semaphore's own, which nobody waits for:
/// a release allocates nothing and never blocks.
///
/// Order: strictly first come, first served. A newcomer never overtakes a waiter, and small
/// acquisitions never overtake a large one, which therefore gets its turn.
///
/// Completion: exactly once, by post to the handler's associated executor (the semaphore's, where
/// it has none), never inline; that executor has work until then. A waiter lives in memory of the
/// associated allocator.
///
/// Cancellation, of any type: a waiter is removed in constant time and completes with
/// `errc::cancelled`; no permit is lost, whichever of grant, cancellation and deadline comes first.
/// Cancelling what waits for a resize or a drain ends the waiting, not the resize or the drain.
///
/// Failure: errors are values of `errc`, as said at each operation. Out of memory is thrown by the
/// initiating function; the deadline's timer is the exception: there it ends the process.
///
/// Thread safety: shared objects are safe. Destroying the semaphore completes its waiters with
/// `errc::stopped`; permits may outlive it. The executor's context, and the environment, must
/// outlive both.
class semaphore {
public:
    using executor_type = boost::asio::any_io_executor;
    using clock = environment::clock;

    static constexpr std::size_t max_permits = detail::permit_word::max_permits; // 2^30 - 1

    /// Throws `std::invalid_argument` unless 1 <= permits <= max_permits. Deadlines are kept by an
    /// Asio timer on the executor.
    semaphore(executor_type executor, std::size_t permits)
        : state_(make(std::move(executor), permits, nullptr)) {}
    template <typename Context>
        requires(!std::derived_from<Context, environment>) && requires(Context& context) {
            { context.get_executor() } -> std::convertible_to<executor_type>;
        }
    semaphore(Context& context, std::size_t permits)
        : semaphore(executor_type(context.get_executor()), permits) {}
    /// On the environment's executor, by its clock and alarms: a test decides about time.
    semaphore(environment& environment, std::size_t permits)
        : state_(make(environment.get_executor(), permits, &environment)) {}
    semaphore(const semaphore&) = delete;
    semaphore& operator=(const semaphore&) = delete;
    ~semaphore() { state_->close(); }

    executor_type get_executor() const noexcept { return state_->executor(); }

    // -- acquire

    /// A permit of weight n. An empty one where n are not free, where somebody waits (or is just
    /// being served on another thread), where the semaphore drains, and where n is 0.
    permit try_acquire(std::size_t n = 1) noexcept {
        if (n < 1 || n > max_permits)
            return {};
        const auto weight = static_cast<std::uint32_t>(n);
        return state_->try_acquire(weight) ? permit(*state_, weight) : permit();
    }

    /// Waits for n permits. Signature `void(boost::system::error_code, permit)`; the permit is
    /// empty on an error: `cancelled`, `draining`, `stopped`, or `job_too_large` where n is more
    /// than the limit, now or after a `resize`: nobody waits behind what can never be granted.
    /// Throws `std::invalid_argument` unless 1 <= n <= max_permits.
    template <typename Token>
        requires(!std::integral<std::remove_cvref_t<Token>>)
    auto async_acquire(Token&& token);
    template <typename Token>
    auto async_acquire(std::size_t n, Token&& token);

    /// The same, for so long at most: `timed_out`. The time counts from the initiation. What is
    /// free at once is granted also where the time is already over.
    template <typename Token>
    auto async_acquire_for(clock::duration patience, Token&& token);
    template <typename Token>
    auto async_acquire_for(clock::duration patience, std::size_t n, Token&& token);
    template <typename Token>
    auto async_acquire_until(clock::time_point deadline, Token&& token);
    template <typename Token>
    auto async_acquire_until(clock::time_point deadline, std::size_t n, Token&& token);

    // -- limit. Throws `std::invalid_argument` where it is more than max_permits.

    /// Changes the limit at once. Raising it lets waiters in; lowering it takes no permit away:
    /// until enough have come back nobody is granted one. 0 pauses: everybody waits.
    void resize(std::size_t limit) {
        const state_pointer state = state_; // whoever is let in may destroy the semaphore
        state->resize(checked_limit(limit));
    }

    /// Changes the limit at once, and completes when no more than it are in use, or no more than a
    /// later and higher one. Signature `void(boost::system::error_code)`: `cancelled`, `stopped`.
    template <typename Token>
    auto async_resize(std::size_t limit, Token&& token);

    // -- the end

    /// From now on every new acquisition is refused with `errc::draining`; who waits is still
    /// served. Completes when nobody waits and every permit is back. Signature
    /// `void(boost::system::error_code)`: `cancelled`, also where it is reopened before, `stopped`.
    template <typename Token>
    auto async_drain(Token&& token);

    /// Admits again.
    void reopen() noexcept {
        const state_pointer state = state_; // as in resize
        state->reopen();
    }

    // -- gauges, as of some recent moment. A permit that is just being given to a waiter is in use.

    std::size_t limit() const noexcept { return state_->limit(); }
    std::size_t in_use() const noexcept { return state_->in_use(); }
    /// 0 where more are in use than a lowered limit allows.
    std::size_t available() const noexcept { return state_->available(); }
    /// Acquisitions that wait.
    std::size_t waiting() const noexcept { return state_->waiting(); }
    bool draining() const noexcept { return state_->draining(); }

private:
    friend class semaphore_access; // tests
    using state_pointer = detail::semaphore_state::pointer;
    class initiation;
    class initiate_acquire;
    class initiate_resize;
    class initiate_drain;

    static state_pointer
    make(executor_type executor, std::size_t permits, environment* environment) {
        if (permits < 1)
            throw std::invalid_argument("a semaphore has at least one permit");
        const auto limit = checked_limit(permits);
        return state_pointer::adopt(
            *new detail::semaphore_state(std::move(executor), limit, environment)
        );
    }
    static std::uint32_t checked_limit(std::size_t limit) {
        if (limit > max_permits)
            throw std::invalid_argument("a semaphore has at most 1073741823 permits");
        return static_cast<std::uint32_t>(limit);
    }
    static std::uint32_t checked_weight(std::size_t n) {
        if (n < 1 || n > max_permits)
            throw std::invalid_argument("a permit weighs between 1 and 1073741823");
        return static_cast<std::uint32_t>(n);
    }

    state_pointer state_;
};

// ------------------------------------------------------------------------------------------------

class semaphore::initiation {
public:
    using executor_type = semaphore::executor_type;

    explicit initiation(state_pointer state) noexcept
        : state_(std::move(state)) {}

    executor_type get_executor() const noexcept { return state_->executor(); }

protected:
    template <detail::wait_node::purpose Purpose, typename Handler>
    void wait(Handler&& handler, std::uint32_t n, clock::time_point until) const {
        using operation = detail::wait_operation<std::decay_t<Handler>, Purpose>;
        // The completion may destroy the semaphore and this object while `send` is not done.
        const state_pointer state = state_;
        auto slot = boost::asio::get_associated_cancellation_slot(handler);
        std::decay_t<Handler> own(std::forward<Handler>(handler));
        auto* const waiter = operation::make(std::move(own), n, until, state->executor());
        if (slot.is_connected()) {
            try {
                waiter->link = new detail::wait_link(*state, *waiter);
                slot.assign([link = waiter->link](boost::asio::cancellation_type type) {
                    if (type != boost::asio::cancellation_type::none)
                        link->cancel();
                });
            } catch (...) {
                waiter->discard();
                throw;
            }
        }
        state->send(*waiter);
    }

    state_pointer state_;
};

class semaphore::initiate_acquire : public initiation {
public:
    initiate_acquire(state_pointer state, std::uint32_t n) noexcept
        : initiation(std::move(state))
        , n_(n) {}

    template <typename Handler>
    void operator()(Handler&& handler) const {
        (*this)(std::forward<Handler>(handler), detail::wait_node::never);
    }
    template <typename Handler>
    void operator()(Handler&& handler, clock::duration patience) const {
        const auto now = state_->now();
        (*this)(
            std::forward<Handler>(handler),
            patience < clock::time_point::max() - now ? now + patience : clock::time_point::max()
        );
    }
    template <typename Handler>
    void operator()(Handler&& handler, clock::time_point until) const {
        if (state_->try_acquire(n_)) {
            permit right = detail::permit_access::make(*state_, n_);
            detail::completion<std::decay_t<Handler>, executor_type>(
                std::forward<Handler>(handler), state_->executor()
            )
                .post(boost::system::error_code(), std::move(right));
            return;
        }
        wait<detail::wait_node::purpose::acquire>(std::forward<Handler>(handler), n_, until);
    }

private:
    std::uint32_t n_;
};

class semaphore::initiate_resize : public initiation {
public:
    initiate_resize(state_pointer state, std::uint32_t limit) noexcept
        : initiation(std::move(state))
        , limit_(limit) {}

    template <typename Handler>
    void operator()(Handler&& handler) const {
        state_->resize(limit_);
        wait<detail::wait_node::purpose::shrink>(
            std::forward<Handler>(handler), limit_, detail::wait_node::never
        );
    }

private:
    std::uint32_t limit_;
};

class semaphore::initiate_drain : public initiation {
public:
    using initiation::initiation;

    template <typename Handler>
    void operator()(Handler&& handler) const {
        state_->refuse_newcomers();
        wait<detail::wait_node::purpose::drain>(
            std::forward<Handler>(handler), 0, detail::wait_node::never
        );
    }
};

template <typename Token>
    requires(!std::integral<std::remove_cvref_t<Token>>)
auto semaphore::async_acquire(Token&& token) {
    return async_acquire(1, std::forward<Token>(token));
}

template <typename Token>
auto semaphore::async_acquire(std::size_t n, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, permit)>(
        initiate_acquire(state_, checked_weight(n)), token
    );
}

template <typename Token>
auto semaphore::async_acquire_for(clock::duration patience, Token&& token) {
    return async_acquire_for(patience, 1, std::forward<Token>(token));
}

template <typename Token>
auto semaphore::async_acquire_for(clock::duration patience, std::size_t n, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, permit)>(
        initiate_acquire(state_, checked_weight(n)), token, patience
    );
}

template <typename Token>
auto semaphore::async_acquire_until(clock::time_point deadline, Token&& token) {
    return async_acquire_until(deadline, 1, std::forward<Token>(token));
}

template <typename Token>
auto semaphore::async_acquire_until(clock::time_point deadline, std::size_t n, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, permit)>(
        initiate_acquire(state_, checked_weight(n)), token, deadline
    );
}

template <typename Token>
auto semaphore::async_resize(std::size_t limit, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
        initiate_resize(state_, checked_limit(limit)), token
    );
}

template <typename Token>
auto semaphore::async_drain(Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
        initiate_drain(state_), token
    );
}

} // namespace corogate
