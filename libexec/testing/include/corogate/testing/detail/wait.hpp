#pragma once

#include <boost/asio/append.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/system/error_code.hpp>
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
    using executor = boost::asio::associated_executor_t<Handler, deterministic_executor>;
    using allocator = boost::asio::associated_allocator_t<Handler>;
    using traits = typename std::allocator_traits<allocator>::template rebind_traits<wait_of>;

public:
    static void start(
        Handler&& handler, wait_list& waits, manual_clock& clock, const deterministic_executor& on,
        manual_clock::time_point when, std::weak_ptr<wait_handle>* to
    ) {
        typename traits::allocator_type memory(boost::asio::get_associated_allocator(handler));
        wait_of* const place = traits::allocate(memory, 1);
        wait_of* self;
        try {
            self = ::new (static_cast<void*>(place)) wait_of(std::move(handler), waits, clock, on);
        } catch (...) {
            traits::deallocate(memory, place, 1);
            throw;
        }
        waits.push_back(*self);
        try {
            self->timer_.set(when);
            if (to)
                *to = self->handle();
            auto slot = boost::asio::get_associated_cancellation_slot(self->handler_);
            if (slot.is_connected())
                slot.assign(cancel{self->handle()});
        } catch (...) {
            self->destroy();
            throw;
        }
    }

    void complete(boost::system::error_code with) override {
        const auto work = std::move(work_);
        Handler handler = take();
        boost::asio::post(work.get_executor(), boost::asio::append(std::move(handler), with));
    }

    void destroy() noexcept override {
        // The destructor of a handler may destroy a coroutine and all that it owns: free first.
        const auto work = std::move(work_);
        const Handler handler = take();
    }

private:
    struct cancel {
        std::weak_ptr<wait_handle> handle;
        void operator()(boost::asio::cancellation_type) const {
            if (const auto still = handle.lock(); still && still->operation)
                still->operation->complete(boost::asio::error::operation_aborted);
        }
    };

    wait_of(
        Handler&& handler, wait_list& waits, manual_clock& clock, const deterministic_executor& on
    )
        : handler_(std::move(handler))
        , work_(boost::asio::get_associated_executor(handler_, on))
        , waits_(waits)
        , timer_(clock, [this] { complete({}); }) {}
    ~wait_of() = default;

    Handler take() {
        Handler handler(std::move(handler_));
        typename traits::allocator_type memory(boost::asio::get_associated_allocator(handler));
        waits_.erase(waits_.iterator_to(*this));
        this->~wait_of();
        traits::deallocate(memory, this, 1);
        return handler;
    }

    Handler handler_;
    boost::asio::executor_work_guard<executor> work_;
    wait_list& waits_;
    manual_clock::timer timer_;
};

} // namespace corogate::testing::detail
