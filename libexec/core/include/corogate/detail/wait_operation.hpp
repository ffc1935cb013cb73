#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/recycling_allocator.hpp>
#include <corogate/detail/in_place_post.hpp>
#include <corogate/detail/wait_node.hpp>
#include <corogate/permit.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

namespace corogate::detail {

/// A waiter with its handler, and with memory for the operation that will complete it: a grant
/// allocates nothing. Lives in memory of the handler's associated allocator, which has it back
/// before the handler is called.
template <typename Handler, wait_node::purpose Purpose>
class wait_operation final : public wait_node {
    using executor_type = boost::asio::associated_executor_t<Handler, boost::asio::any_io_executor>;
    using allocator_type =
        boost::asio::associated_allocator_t<Handler, boost::asio::recycling_allocator<void>>;
    using own_allocator =
        typename std::allocator_traits<allocator_type>::template rebind_alloc<wait_operation>;
    using own_traits = std::allocator_traits<own_allocator>;

public:
    static wait_operation* make(
        Handler&& handler, std::uint32_t n, time_point until,
        const boost::asio::any_io_executor& fallback
    ) {
        const allocator_type allocator = boost::asio::get_associated_allocator(
            handler, boost::asio::recycling_allocator<void>()
        );
        own_allocator memory(allocator);
        auto* const at = own_traits::allocate(memory, 1);
        try {
            return ::new (static_cast<void*>(at))
                wait_operation(std::move(handler), n, until, fallback, allocator);
        } catch (...) {
            own_traits::deallocate(memory, at, 1);
            throw;
        }
    }

    void post() noexcept override {
        executor_.post(resumption(*this), in_place<void>(*this), allocator_);
    }

    /// Of one that never came to wait.
    void discard() noexcept { unclaim(); }

private:
    wait_operation(
        Handler&& handler, std::uint32_t n, time_point until,
        const boost::asio::any_io_executor& fallback, const allocator_type& allocator
    )
        : wait_node(Purpose, n, until)
        , allocator_(allocator)
        , executor_(boost::asio::get_associated_executor(handler, fallback))
        , handler_(std::move(handler)) {}

    ~wait_operation() {
        // Granted, and destroyed on the way.
        if (granted_by)
            permit_access::make(*granted_by, amount).release();
    }

    /// Owns the operation on its way through the executor.
    class resumption {
    public:
        explicit resumption(wait_operation& operation) noexcept
            : operation_(&operation) {}
        resumption(resumption&& other) noexcept
            : operation_(std::exchange(other.operation_, nullptr)) {}
        resumption& operator=(resumption&&) = delete;
        ~resumption() {
            if (operation_)
                operation_->unclaim();
        }
        void operator()() { std::exchange(operation_, nullptr)->resume(); }

    private:
        wait_operation* operation_;
    };

    /// Over the storage of an operation; each block claims it.
    template <typename T>
    class in_place {
    public:
        using value_type = T;
        explicit in_place(wait_operation& of) noexcept
            : operation(&of) {}
        template <typename U>
        in_place(const in_place<U>& other) noexcept
            : operation(other.operation) {}
        T* allocate(std::size_t n) {
            if (void* const at = operation->reserve(n * sizeof(T)))
                return static_cast<T*>(at);
            return static_cast<T*>(::operator new(n * sizeof(T)));
        }
        void deallocate(T* at, std::size_t) noexcept {
            if (operation->owns(at))
                operation->unclaim();
            else
                ::operator delete(at);
        }
        template <typename U>
        bool operator==(const in_place<U>& other) const noexcept {
            return operation == other.operation;
        }

        wait_operation* operation;
    };

    void* reserve(std::size_t size) noexcept {
        constexpr std::size_t unit = alignof(std::max_align_t);
        size = (size + unit - 1) / unit * unit;
        if (size > sizeof(storage_) - used_)
            return nullptr;
        void* const at = storage_ + used_;
        used_ += static_cast<std::uint16_t>(size);
        // Memory is asked for before anybody else can see the operation.
        claims_.store(claims_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        return at;
    }

    bool owns(const void* at) const noexcept {
        return at >= storage_ && at < storage_ + sizeof(storage_);
    }

    void unclaim() noexcept {
        if (claims_.load(std::memory_order_acquire) != 1 &&
            claims_.fetch_sub(1, std::memory_order_acq_rel) != 1)
            return;
        own_allocator memory(allocator_);
        this->~wait_operation();
        own_traits::deallocate(memory, this, 1);
    }

    void resume() {
        Handler handler(std::move(handler_));
        const auto error = outcome;
        if constexpr (Purpose == purpose::acquire) {
            permit right;
            if (auto* const state = std::exchange(granted_by, nullptr))
                right = permit_access::make(*state, amount);
            unclaim();
            std::move(handler)(error, std::move(right));
        } else {
            unclaim();
            std::move(handler)(error);
        }
    }

    [[no_unique_address]] allocator_type allocator_;
    waiting_executor<executor_type> executor_;
    Handler handler_;
    std::atomic<int> claims_{1};
    std::uint16_t used_ = 0;
    alignas(std::max_align_t
    ) std::byte storage_[waiting_executor<executor_type>::bytes + alignof(std::max_align_t)];
};

} // namespace corogate::detail
