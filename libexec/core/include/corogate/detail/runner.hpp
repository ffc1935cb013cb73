#pragma once

#include <atomic>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <corogate/detail/job_record.hpp>
#include <corogate/detail/pool_executor.hpp>
#include <corogate/detail/resume_slot.hpp>
#include <corogate/detail/runner_budget.hpp>
#include <corogate/detail/task_node.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace corogate::detail {

class return_ticket;

/// A resident coroutine of the pool and what others need to know of it.
///
/// It runs on a strand of its own: a cancellation emitted there cannot race with the task it is
/// meant for, and what the task starts in parallel with itself stays serialised.
struct alignas(64) runner {
    runner(pool_core& owner, const pool_executor& pool)
        : core(owner)
        , strand(boost::intrusive_ptr<executor_target>(new executor_target(pool, *this))) {}
    runner(const runner&) = delete;
    runner& operator=(const runner&) = delete;
    ~runner() { strand.forget_runner(); }

    /// What lies in the letter box between the runner and the control strand.
    enum class letter : std::uint8_t {
        none,      // asked, not answered yet
        answered,  // `given` holds the answer
        suspended, // not answered, and `resume` waits for it
    };

    pool_core& core;
    const pool_executor strand; // of its own
    boost::asio::cancellation_signal signal;

    std::atomic<letter> box{letter::none};
    task_node* given = nullptr; // null: look again
    bool leave = false;         // the answer is: end
    resume_slot resume;

    // Runner's thread of control only.
    runner_budget budget;
    cancel_link* current = nullptr;
    boost::asio::cancellation_slot slot; // of the runner's coroutine, whatever a task resets
    bool must_ask = false;               // the next task comes from the strand, not from the window
    task_node* returned = nullptr;       // was not to start; with the next question
    std::uint64_t number = 0;            // of the job of one that runs, once somebody asked

    // Written by the runner, read by the control strand: the job of the task that runs.
    std::atomic<job_record*> job{nullptr};

    // Control strand only.
    bool woken = false; // has been started or resumed and has not asked since
    bool gone = false;  // its coroutine has ended; erased behind what stands in its strand
    lane_state* lane = nullptr;
    std::size_t index = 0; // among the pool's runners
    struct watch {
        std::uint64_t progress = 0; // as seen last
        std::chrono::steady_clock::time_point since{};
        bool told = false;
        bool lent = false;
    } watched;

    /// Of the task that runs: when it started, in clock ticks, where it is timed; the lowest bit
    /// says whether it has a job record. Written before `progress` says that it runs, and once
    /// after.
    std::atomic<std::int64_t> start{0};

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
    struct running_now {
        std::uint64_t progress;
        std::int64_t start; // 0: not timed
        job_record* job;    // null: without a record
    };
    /// The task that runs; none also where that changes all the time, or is just ending. Control
    /// strand: the job named may be looked at there.
    std::optional<running_now> task() const noexcept {
        for (int tries = 0; tries < 8; ++tries) {
            const auto p = progress.load(std::memory_order_acquire);
            if (!(p & 1))
                return std::nullopt;
            const auto began = start.load(std::memory_order_acquire);
            job_record* const whose = job.load(std::memory_order_acquire);
            if (progress.load(std::memory_order_relaxed) != p)
                continue;
            if ((began & 1) && !whose)
                return std::nullopt;
            return running_now{p, began & ~std::int64_t{1}, whose};
        }
        return std::nullopt;
    }
    /// Which of its tasks runs, counted from 1; of no task while none does.
    std::uint64_t generation() const noexcept {
        const auto p = progress.load(std::memory_order_relaxed);
        return (p & 1) ? p >> 1 : 0;
    }

    /// `resume` is moved out first: the runner may ask again before post returns.
    void resume_by_post() {
        boost::asio::post(strand, [handler = std::move(resume)]() mutable { handler(); });
    }

    void note_start(bool recorded) noexcept {
        start.store(recorded, std::memory_order_relaxed);
        if (const auto f = failed.load(std::memory_order_relaxed); f & 1)
            failed.store(f - 1, std::memory_order_release);
        progress.store(progress.load(std::memory_order_relaxed) + 3, std::memory_order_release);
    }
    void note_time(std::int64_t ticks) noexcept {
        const auto recorded = start.load(std::memory_order_relaxed) & 1;
        start.store((ticks & ~std::int64_t{1}) | recorded, std::memory_order_release);
    }
    void note_end(bool with_exception) noexcept {
        if (with_exception)
            failed.store(failed.load(std::memory_order_relaxed) + 3, std::memory_order_release);
        progress.store(progress.load(std::memory_order_relaxed) - 1, std::memory_order_release);
    }
};

} // namespace corogate::detail
