#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <stdexcept>
#include <thread>
#include <utility>

namespace corogate {

/// What "full" does to `async_submit` and `async_admit`. The synchronous doors always refuse.
enum class overflow_policy : std::uint8_t {
    reject, ///< complete at once with `errc::queue_full`
    wait,   ///< suspend the caller until a place is free, first come first served
};

/// Called with the exception of a detached task, and with the refusal of a detached submission,
/// on a thread of the pool. What it throws is ignored.
using error_handler = std::function<void(std::exception_ptr)>;

/// How a task_pool is built. Setters can be chained; each checks its argument and throws
/// `std::invalid_argument` with a sentence.
class pool_options {
public:
    pool_options() noexcept {}

    /// Threads of the pool. Default: one a core.
    pool_options& threads(std::size_t n) {
        require(n >= 1 && n <= 1024, "a pool has between 1 and 1024 threads");
        threads_ = n;
        return *this;
    }
    /// Permits: how many tasks run at once, suspended ones included. Default: 64, for tasks that
    /// wait as well as compute; for tasks that only compute, the number of threads.
    pool_options& limit(std::size_t n) {
        require(n >= 1 && n <= most, "the limit is at least 1 and at most 1073741823");
        limit_ = n;
        return *this;
    }
    /// Places in the queue, in tasks. 0 is allowed: what finds no free permit is refused.
    /// Default: 4096.
    pool_options& queue_tasks(std::size_t n) {
        require(n <= most, "the queue holds at most 1073741823 tasks");
        queue_tasks_ = n;
        return *this;
    }
    /// Default: `reject`.
    pool_options& overflow(overflow_policy policy) noexcept {
        overflow_ = policy;
        return *this;
    }
    /// Default: each kind of exception is written to the standard error once.
    pool_options& on_error(error_handler handler) {
        on_error_ = std::move(handler);
        return *this;
    }

    std::size_t threads() const noexcept { return threads_; }
    std::size_t limit() const noexcept { return limit_; }
    std::size_t queue_tasks() const noexcept { return queue_tasks_; }
    overflow_policy overflow() const noexcept { return overflow_; }
    const error_handler& on_error() const noexcept { return on_error_; }

private:
    // Limit and queue together fit a signed 32-bit count.
    static constexpr std::size_t most = (std::size_t{1} << 30) - 1;

    static void require(bool holds, const char* sentence) {
        if (!holds)
            throw std::invalid_argument(sentence);
    }

    std::size_t threads_ = std::max<std::size_t>(1, std::thread::hardware_concurrency());
    std::size_t limit_ = 64;
    std::size_t queue_tasks_ = 4096;
    overflow_policy overflow_ = overflow_policy::reject;
    error_handler on_error_;
};

} // namespace corogate
