#pragma once

#include <atomic>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <corogate/detail/resume_slot.hpp>
#include <corogate/detail/runner_budget.hpp>
#include <corogate/detail/task_node.hpp>
#include <cstdint>

namespace corogate::detail {

/// A resident coroutine of the pool and what others need to know of it.
///
/// It runs on a strand of its own: a cancellation emitted there cannot race with the task it is
/// meant for, and what the task starts in parallel with itself stays serialised.
struct alignas(64) runner {
    using strand_type = boost::asio::strand<boost::asio::thread_pool::executor_type>;

    explicit runner(boost::asio::thread_pool::executor_type pool)
        : strand(pool) {}

    /// What lies in the letter box between the runner and the control strand.
    enum class letter : std::uint8_t {
        none,      // asked, not answered yet
        answered,  // `given` holds the answer
        suspended, // not answered, and `resume` waits for it
    };

    strand_type strand;
    boost::asio::cancellation_signal signal;

    std::atomic<letter> box{letter::none};
    task_node* given = nullptr; // null: look again
    bool leave = false;         // the answer is: end
    resume_slot resume;

    // Runner's thread of control only.
    runner_budget budget;
    cancel_link* current = nullptr;
    bool must_ask = false; // the next task comes from the strand, not from the window

    // Control strand only.
    bool woken = false; // has been started or resumed and has not asked since

    // One writer, read by the control strand: starts << 1 | running.
    std::atomic<std::uint64_t> progress{0};
    // failures << 1 | the last one may not be in `progress` yet.
    std::atomic<std::uint64_t> failed{0};
    struct counts {
        std::uint64_t started, ended, failed;
    };
    /// As of one point in the runner's time. Any thread.
    counts look() const noexcept {
        for (;;) {
            const auto p = progress.load(std::memory_order_acquire);
            const auto f = failed.load(std::memory_order_acquire);
            if (progress.load(std::memory_order_relaxed) == p)
                return {p >> 1, (p >> 1) - (p & 1), (f >> 1) - (p & f & 1)};
        }
    }

    /// `resume` is moved out first: the runner may ask again before post returns.
    void resume_by_post() {
        boost::asio::post(strand, [handler = std::move(resume)]() mutable { handler(); });
    }

    void note_start() noexcept {
        if (const auto f = failed.load(std::memory_order_relaxed); f & 1)
            failed.store(f - 1, std::memory_order_release);
        progress.store(progress.load(std::memory_order_relaxed) + 3, std::memory_order_release);
    }
    void note_end(bool with_exception) noexcept {
        if (with_exception)
            failed.store(failed.load(std::memory_order_relaxed) + 3, std::memory_order_release);
        progress.store(progress.load(std::memory_order_relaxed) - 1, std::memory_order_release);
    }
};

} // namespace corogate::detail
