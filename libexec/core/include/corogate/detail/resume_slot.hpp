#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace corogate::detail {

/// Holds the one handler that resumes a runner, in place. Its type is Asio's business.
///
/// (`any_completion_handler` of Boost 1.81 wraps itself without end when it is moved into a
/// closure.)
class resume_slot {
public:
    resume_slot() noexcept = default;
    resume_slot(resume_slot&& other) noexcept
        : operations_(std::exchange(other.operations_, nullptr)) {
        if (operations_)
            operations_->move(storage_, other.storage_);
    }
    resume_slot& operator=(resume_slot&&) = delete;
    ~resume_slot() {
        if (operations_)
            operations_->destroy(storage_);
    }

    template <typename Handler>
    void store(Handler handler) noexcept {
        static_assert(sizeof(Handler) <= sizeof(storage_) && alignof(Handler) <= alignof(void*));
        static_assert(std::is_nothrow_move_constructible_v<Handler>);
        ::new (storage_) Handler(std::move(handler));
        operations_ = &of<Handler>;
    }

    void operator()() { std::exchange(operations_, nullptr)->call(storage_); }

private:
    struct operations {
        void (*move)(void* to, void* from) noexcept;
        void (*destroy)(void* at) noexcept;
        void (*call)(void* at); // moves out, destroys, then calls
    };

    template <typename Handler>
    static constexpr operations of{
        [](void* to, void* from) noexcept {
            ::new (to) Handler(std::move(*static_cast<Handler*>(from)));
            static_cast<Handler*>(from)->~Handler();
        },
        [](void* at) noexcept { static_cast<Handler*>(at)->~Handler(); },
        [](void* at) {
            Handler handler(std::move(*static_cast<Handler*>(at)));
            static_cast<Handler*>(at)->~Handler();
            std::move(handler)();
        }
    };

    alignas(void*) std::byte storage_[4 * sizeof(void*)];
    const operations* operations_ = nullptr;
};

} // namespace corogate::detail
