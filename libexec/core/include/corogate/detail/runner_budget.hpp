#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace corogate::detail {

/// When a runner goes back to the Asio scheduler, so that timers and sockets on the same threads
/// are never starved: after 64 tasks or about 1 ms.
///
/// Reading a clock costs as much as a small task, so it is read once in several tasks while tasks
/// are short; the number follows from the pace seen last.
class runner_budget {
public:
    static constexpr std::uint32_t most_tasks = 64;
    static constexpr std::chrono::nanoseconds most_time = std::chrono::milliseconds(1);

    /// Called when the runner starts a turn.
    void begin(std::chrono::steady_clock::time_point now) noexcept {
        started_ = now;
        tasks_ = 0;
        since_look_ = 0;
    }

    /// Called after each task; whether `spent` must be asked, with the time.
    bool look() noexcept {
        ++tasks_;
        ++since_look_;
        return tasks_ >= most_tasks || since_look_ >= stride_;
    }

    /// Whether the turn is over.
    bool spent(std::chrono::steady_clock::time_point now) noexcept {
        const auto used = now - started_;
        const auto per_task = used / tasks_;
        // Look again when a quarter of the time may have gone.
        const auto ahead =
            per_task > std::chrono::nanoseconds::zero() ? (most_time / 4) / per_task : most_tasks;
        stride_ = static_cast<std::uint32_t>(
            std::clamp<std::int64_t>(ahead, 1, static_cast<std::int64_t>(most_tasks))
        );
        since_look_ = 0;
        return tasks_ >= most_tasks || used >= most_time;
    }

private:
    std::chrono::steady_clock::time_point started_{};
    std::uint32_t tasks_ = 0;
    std::uint32_t since_look_ = 0;
    std::uint32_t stride_ = 1;
};

} // namespace corogate::detail
