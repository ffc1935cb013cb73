#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/system/error_code.hpp>
#include <concepts>
#include <corogate/detail/completion.hpp>
#include <corogate/detail/semaphore_state.hpp>
#include <corogate/permit.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

namespace corogate {

/// A counting semaphore for coroutines: at most `permits` holders at once, the others suspended in
/// the order in which they came.
///
///     corogate::semaphore connections{context.get_executor(), 8};
///     corogate::permit one = co_await connections.async_acquire(asio::use_awaitable);
///
/// Useful alone, with any Asio executor. Without waiters, acquiring and releasing are one atomic
/// operation each; waiters are confined to a strand. A newcomer never overtakes a waiter.
///
/// Cancellation: a waiter is removed in constant time and completes with `errc::cancelled`; no
/// permit is lost, whichever of grant and cancellation comes first.
///
/// Thread safety: shared objects are safe. Destroying the semaphore completes its waiters with
/// `errc::stopped`; permits may outlive it. The executor's context must outlive both.
class semaphore {
public:
    using executor_type = boost::asio::any_io_executor;

    /// Throws `std::invalid_argument` unless 1 <= permits < 2^31.
    semaphore(executor_type executor, std::size_t permits)
        : state_(std::make_shared<detail::semaphore_state>(std::move(executor), checked(permits))) {
    }
    template <typename Context>
        requires requires(Context& context) {
            { context.get_executor() } -> std::convertible_to<executor_type>;
        }
    semaphore(Context& context, std::size_t permits)
        : semaphore(executor_type(context.get_executor()), permits) {}
    semaphore(const semaphore&) = delete;
    semaphore& operator=(const semaphore&) = delete;
    ~semaphore() { state_->close(); }

    executor_type get_executor() const noexcept { return state_->executor(); }

    /// A permit, or an empty one where none is free or somebody waits for one.
    permit try_acquire() noexcept { return state_->try_acquire() ? permit(state_) : permit(); }

    /// Waits for a permit. Signature `void(boost::system::error_code, permit)`. Completes by post,
    /// also where a permit is free.
    template <typename Token>
    auto async_acquire(Token&& token);

    std::size_t permits() const noexcept { return state_->permits(); }
    /// Free permits and waiters, as of some recent moment.
    std::size_t available() const noexcept { return state_->available(); }
    std::size_t waiting() const noexcept { return state_->waiting(); }

private:
    class initiate_acquire;

    static std::uint32_t checked(std::size_t permits) {
        if (permits < 1 || permits > 0x7fffffff)
            throw std::invalid_argument("a semaphore has between 1 and 2147483647 permits");
        return static_cast<std::uint32_t>(permits);
    }

    std::shared_ptr<detail::semaphore_state> state_;
};

// ------------------------------------------------------------------------------------------------

namespace detail {

class permit_access {
public:
    static permit make(std::shared_ptr<semaphore_state> state) noexcept {
        return permit(std::move(state));
    }
};

template <typename Handler>
class permit_waiter_for final : public permit_waiter {
public:
    permit_waiter_for(Handler handler, const semaphore_state& state)
        : completion_(std::in_place, std::move(handler), state.executor()) {}

    void granted(std::shared_ptr<semaphore_state> from) override {
        complete({}, permit_access::make(std::move(from)));
    }
    void refused(boost::system::error_code why) override { complete(why, permit()); }

private:
    /// The cancellation slot may keep this object: the handler must not stay in it.
    void complete(boost::system::error_code ec, permit one) {
        auto completion = std::move(*completion_);
        completion_.reset();
        completion.post(ec, std::move(one));
    }

    std::optional<completion<Handler, boost::asio::any_io_executor>> completion_;
};

} // namespace detail

class semaphore::initiate_acquire {
public:
    using executor_type = semaphore::executor_type;

    explicit initiate_acquire(std::shared_ptr<detail::semaphore_state> state) noexcept
        : state_(std::move(state)) {}

    executor_type get_executor() const noexcept { return state_->executor(); }

    template <typename Handler>
    void operator()(Handler&& handler) const {
        using waiter_type = detail::permit_waiter_for<std::decay_t<Handler>>;
        if (state_->try_acquire()) {
            permit one = detail::permit_access::make(state_);
            detail::completion<std::decay_t<Handler>, executor_type>(
                std::forward<Handler>(handler), state_->executor()
            )
                .post(boost::system::error_code(), std::move(one));
            return;
        }
        auto slot = boost::asio::get_associated_cancellation_slot(handler);
        const detail::permit_waiter_ptr waiter(
            new waiter_type(std::forward<Handler>(handler), *state_)
        );
        if (slot.is_connected())
            slot.assign([weak = std::weak_ptr<detail::semaphore_state>(state_),
                         waiter](boost::asio::cancellation_type type) {
                if (type == boost::asio::cancellation_type::none)
                    return;
                if (const auto state = weak.lock())
                    state->cancel(waiter);
            });
        state_->enlist(waiter);
    }

private:
    std::shared_ptr<detail::semaphore_state> state_;
};

template <typename Token>
auto semaphore::async_acquire(Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, permit)>(
        initiate_acquire(state_), token
    );
}

} // namespace corogate
