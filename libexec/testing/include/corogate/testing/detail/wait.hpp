#pragma once

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/system/error_code.hpp>
#include <corogate/detail/completion.hpp>
#include <corogate/testing/deterministic_executor.hpp>
#include <corogate/testing/manual_clock.hpp>
#include <memory>
#include <new>
#include <utility>

namespace corogate::testing::detail {

class wait_operation;

/// Points at a pending wait, at nothing once it has completed. Cancellation slots and timers hold
/// these weakly: they may outlive the wait, and it is freed before its handler runs.
struct wait_handle {
    wait_operation* operation;
};

/// A handler that waits for a moment. Completes once, by post; or is destroyed with the
/// environment.
class wait_operation : public boost::intrusive::list_base_hook<> {
public:
    virtual void complete(boost::system::error_code) = 0;
    virtual void destroy() noexcept = 0;
    const std::shared_ptr<wait_handle>& handle() const noexcept { return handle_; }

protected:
    wait_operation()
        : handle_(std::make_shared<wait_handle>(wait_handle{this})) {}
    ~wait_operation() { handle_->operation = nullptr; }

private:
    std::shared_ptr<wait_handle> handle_;
};

using wait_list = boost::intrusive::list<wait_operation>;

template <typename Handler>
class wait_of final : public wait_operation {
    using allocator = boost::asio::associated_allocator_t<Handler>;
    using traits = typename std::allocator_traits<allocator>::template rebind_traits<wait_of>;

public:
    static void start(
        Handler&& handler, wait_list& waits, manual_clock& clock, const deterministic_executor& on,
        manual_clock::time_point when, std::weak_ptr<wait_handle>* to
    ) {
        auto slot = boost::asio::get_associated_cancellation_slot(handler);
        typename traits::allocator_type memory(boost::asio::get_associated_allocator(handler));
        wait_of* const place = traits::allocate(memory, 1);
        wait_of* self;
        try {
            self = ::new (static_cast<void*>(place))
                wait_of(std::move(handler), memory, waits, clock, on);
        } catch (...) {
            traits::deallocate(memory, place, 1);
            throw;
        }
        waits.push_back(*self);
        try {
            self->timer_.set(when);
            if (to)
                *to = self->handle();
            if (slot.is_connected())
                slot.assign(cancel{self->handle()});
        } catch (...) {
            self->destroy();
            throw;
        }
    }

    void complete(boost::system::error_code with) override { take().post(with); }

    void destroy() noexcept override { take(); }

private:
    using last_step = corogate::detail::completion<Handler, deterministic_executor>;

    struct cancel {
        std::weak_ptr<wait_handle> handle;
        void operator()(boost::asio::cancellation_type) const {
            if (const auto still = handle.lock(); still && still->operation)
                still->operation->complete(boost::asio::error::operation_aborted);
        }
    };

    wait_of(
        Handler&& handler, const typename traits::allocator_type& memory, wait_list& waits,
        manual_clock& clock, const deterministic_executor& on
    )
        : completion_(std::move(handler), on)
        , memory_(memory)
        , waits_(waits)
        , timer_(clock, [this] { complete({}); }) {}
    ~wait_of() = default;

    /// The memory is free before the handler is called or destroyed: its destructor may destroy a
    /// coroutine and all that it owns.
    last_step take() {
        last_step completion(std::move(completion_));
        typename traits::allocator_type memory(memory_);
        waits_.erase(waits_.iterator_to(*this));
        this->~wait_of();
        traits::deallocate(memory, this, 1);
        return completion;
    }

    last_step completion_;
    [[no_unique_address]] typename traits::allocator_type memory_;
    wait_list& waits_;
    manual_clock::timer timer_;
};

} // namespace corogate::testing::detail
