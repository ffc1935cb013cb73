#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace corogate {

/// What a limiter learns of the pool: once a window, counted in tasks.
struct limiter_window {
    std::chrono::nanoseconds length{};
    /// Ended well in the window. Tasks that failed count nowhere: a failure is often fast, and a
    /// limiter that learns from it opens the door to more.
    std::uint64_t completed = 0;
    /// Given up for their deadline after their start.
    std::uint64_t timed_out = 0;
    /// The most permits in use at once, and how many on average.
    std::size_t max_in_flight = 0;
    double mean_in_flight = 0;
    /// Medians of what was seen in the window; zero where nothing was. How long something ready to
    /// run waited for a thread, and how long a task that ended well held its permit.
    std::chrono::nanoseconds scheduling_delay{};
    std::chrono::nanoseconds service_time{};
    /// Of the same, the mean and the least.
    std::chrono::nanoseconds mean_service_time{};
    std::chrono::nanoseconds least_service_time{};
};

/// How long a limiter wants its windows: as soon as `shortest` has passed with `enough` tasks
/// completed or timed out, else after `longest` if there are `few` at least, else later.
struct window_rule {
    std::chrono::nanoseconds shortest = std::chrono::milliseconds(100);
    std::chrono::nanoseconds longest = std::chrono::seconds(1);
    std::uint64_t enough = 64;
    std::uint64_t few = 8;
};

/// How many permits there should be: a model that is shown one window after the other and says a
/// limit. Plain single-threaded policy, without a clock: `now` only grows. A value: a copy goes on
/// from the same state.
template <typename L>
concept limiter =
    std::copyable<L> &&
    requires(L l, const L& c, const limiter_window& w, std::chrono::steady_clock::time_point now) {
        /// What it proposes now, at least 1. Constant between calls of `update`.
        { c.limit() } noexcept -> std::convertible_to<std::size_t>;
        { l.update(w, now) } noexcept;
        { c.windows() } noexcept -> std::convertible_to<window_rule>;
    };

/// One that is also told at once when something ready to run has waited too long for a thread, at
/// most every 10 ms: it need not wait for the end of the window.
template <typename L>
concept braking_limiter =
    limiter<L> &&
    requires(L l, std::chrono::nanoseconds waited, std::chrono::steady_clock::time_point now) {
        { l.brake(waited, now) } noexcept;
    };

/// A limiter of any type, as a value. Empty where default-constructed: the limit stays as it is.
class any_limiter {
public:
    any_limiter() noexcept = default;
    // What it is not comes first: whether itself is a limiter must not be asked while it is copied.
    template <typename L>
        requires(!std::same_as<std::remove_cvref_t<L>, any_limiter>) && limiter<L>
    any_limiter(L model) // NOLINT(google-explicit-constructor)
        : model_(std::make_unique<held<L>>(std::move(model))) {}
    any_limiter(const any_limiter& other)
        : model_(other.model_ ? other.model_->clone() : nullptr) {}
    any_limiter(any_limiter&&) noexcept = default;
    any_limiter& operator=(any_limiter other) noexcept {
        model_ = std::move(other.model_);
        return *this;
    }
    ~any_limiter() = default;

    explicit operator bool() const noexcept { return model_ != nullptr; }

    // Not on an empty one.
    std::size_t limit() const noexcept { return model_->limit(); }
    window_rule windows() const noexcept { return model_->windows(); }
    void update(const limiter_window& w, std::chrono::steady_clock::time_point now) noexcept {
        model_->update(w, now);
    }
    void
    brake(std::chrono::nanoseconds waited, std::chrono::steady_clock::time_point now) noexcept {
        model_->brake(waited, now);
    }

private:
    using time_point = std::chrono::steady_clock::time_point;

    struct any {
        any() = default;
        any(const any&) = default;
        any& operator=(const any&) = delete;
        virtual ~any() = default;
        virtual std::unique_ptr<any> clone() const = 0;
        virtual std::size_t limit() const noexcept = 0;
        virtual window_rule windows() const noexcept = 0;
        virtual void update(const limiter_window& w, time_point now) noexcept = 0;
        virtual void brake(std::chrono::nanoseconds waited, time_point now) noexcept = 0;
    };
    template <typename L>
    struct held final : any {
        explicit held(L m)
            : model(std::move(m)) {}
        std::unique_ptr<any> clone() const override { return std::make_unique<held>(model); }
        std::size_t limit() const noexcept override { return model.limit(); }
        window_rule windows() const noexcept override { return model.windows(); }
        void update(const limiter_window& w, time_point now) noexcept override {
            model.update(w, now);
        }
        void brake(
            [[maybe_unused]] std::chrono::nanoseconds waited, [[maybe_unused]] time_point now
        ) noexcept override {
            if constexpr (braking_limiter<L>)
                model.brake(waited, now);
        }
        L model;
    };

    std::unique_ptr<any> model_;
};

} // namespace corogate
