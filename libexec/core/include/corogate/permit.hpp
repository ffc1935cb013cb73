#pragma once

#include <corogate/detail/semaphore_state.hpp>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <utility>

namespace corogate {

class semaphore;

namespace detail {
class permit_access;
}

/// The right to run one thing now, or a thing of some weight. Gives itself back when it is
/// destroyed.
///
/// Movable, not copyable; may be moved to another thread and may outlive the semaphore it came
/// from. Nobody can give back more than he has: weight only moves between permits of the same
/// semaphore.
///
/// Releasing never throws, never blocks and allocates nothing, also where a waiter is granted:
/// what its completion needs was allocated when it began to wait. The exception is a waiter whose
/// executor is neither an `io_context`'s, nor a `thread_pool`'s, nor a strand of these, as such or
/// in an `any_io_executor` (`use_future` has such an executor of its own): posting to that one
/// allocates as it does, and out of memory there ends the process.
///
/// Thread safety: distinct objects are safe.
class permit {
public:
    /// An empty permit: no right.
    permit() noexcept = default;
    permit(permit&& other) noexcept
        : state_(std::exchange(other.state_, nullptr))
        , weight_(std::exchange(other.weight_, 0)) {}
    permit& operator=(permit&& other) noexcept {
        if (this != &other) {
            release();
            state_ = std::exchange(other.state_, nullptr);
            weight_ = std::exchange(other.weight_, 0);
        }
        return *this;
    }
    ~permit() { release(); }

    /// Whether it holds a right.
    explicit operator bool() const noexcept { return weight_ != 0; }

    /// How many permits of the semaphore are in it; 0 when it is empty.
    std::size_t weight() const noexcept { return weight_; }

    /// Gives the right back before the end of its scope. Harmless on an empty permit.
    void release() noexcept {
        if (auto* const state = std::exchange(state_, nullptr))
            state->release(std::exchange(weight_, 0));
    }

    /// Takes k of this permit's weight into a permit of its own. 0 gives an empty one, everything
    /// leaves this one empty. Throws `std::invalid_argument` where k > weight().
    permit split(std::size_t k);

    /// Takes over the whole weight of another permit, which is empty then. An empty one may take
    /// any, and may be given. Throws `std::invalid_argument`, and changes nothing, where they are
    /// of different semaphores.
    void merge(permit&& other);

private:
    friend class semaphore;
    friend class detail::permit_access;
    permit(detail::semaphore_state& state, std::uint32_t weight) noexcept
        : state_(&state)
        , weight_(weight) {}

    detail::semaphore_state* state_ = nullptr; // kept alive by the weight
    std::uint32_t weight_ = 0;
};

// ------------------------------------------------------------------------------------------------

inline permit permit::split(std::size_t k) {
    if (k > weight_)
        throw std::invalid_argument("a permit cannot be split into more than its weight");
    if (k == weight_)
        return std::move(*this);
    if (k == 0)
        return {};
    weight_ -= static_cast<std::uint32_t>(k);
    return {*state_, static_cast<std::uint32_t>(k)};
}

inline void permit::merge(permit&& other) {
    if (!other || this == &other)
        return;
    if (*this && state_ != other.state_)
        throw std::invalid_argument("permits of different semaphores cannot be merged");
    state_ = std::exchange(other.state_, nullptr);
    weight_ += std::exchange(other.weight_, 0);
}

namespace detail {

class permit_access {
public:
    static permit make(semaphore_state& state, std::uint32_t weight) noexcept {
        return {state, weight};
    }
};

} // namespace detail
} // namespace corogate
