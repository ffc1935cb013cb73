#pragma once

#include <corogate/detail/semaphore_state.hpp>
#include <memory>
#include <utility>

namespace corogate {

class semaphore;

/// The right to run one thing now. Gives itself back when it is destroyed.
///
/// Movable, not copyable; may be moved to another thread and may outlive the semaphore it came
/// from. Releasing never throws. Where nobody waits it is one atomic addition; where somebody does,
/// it posts that one's completion, which allocates as Asio does (out of memory there ends the
/// process).
class permit {
public:
    /// An empty permit: no right.
    permit() noexcept = default;
    permit(permit&& other) noexcept = default;
    permit& operator=(permit&& other) noexcept {
        if (this != &other) {
            release();
            state_ = std::move(other.state_);
        }
        return *this;
    }
    ~permit() { release(); }

    /// Whether it holds a right.
    explicit operator bool() const noexcept { return state_ != nullptr; }

    /// Gives the right back before the end of its scope. Harmless on an empty permit.
    void release() noexcept {
        if (const auto state = std::exchange(state_, nullptr))
            state->release();
    }

private:
    friend class semaphore;
    friend class detail::permit_access;
    explicit permit(std::shared_ptr<detail::semaphore_state> state) noexcept
        : state_(std::move(state)) {}

    std::shared_ptr<detail::semaphore_state> state_;
};

} // namespace corogate
