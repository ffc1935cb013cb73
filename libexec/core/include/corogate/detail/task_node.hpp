#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/intrusive/list.hpp>
#include <corogate/detail/cancel_link.hpp>
#include <corogate/detail/fair_queue.hpp>
#include <corogate/detail/job_record.hpp>
#include <corogate/errc.hpp>
#include <cstdint>
#include <exception>

namespace corogate::detail {

class pool_core;

/// One task, from the submitter's call to its completion. Owned by whoever holds the pointer: the
/// inbox, the queue, the window or a runner; never by two of them.
///
/// A task without a record of its job is a job of one, of the unnamed tenant, without options.
class task_node : public queue_entry {
public:
    /// How the task runs: on the runner's stack, or as the runner's child coroutine.
    enum class form : std::uint8_t { plain, coroutine };

    /// `waited_for`: somebody waits for the result, so that the task may be displaced.
    task_node(form how, bool waited_for) noexcept
        : queue_entry(1, waited_for ? displaceable : fixed)
        , how_(how) {}
    task_node(const task_node&) = delete;
    task_node& operator=(const task_node&) = delete;

    form how() const noexcept { return how_; }

    /// Runs a plain task; the outcome is kept inside.
    virtual void run_plain() noexcept = 0;
    /// The coroutine of a coroutine task. A result is kept inside; what making or awaiting it
    /// throws is for `fail`.
    virtual boost::asio::awaitable<void> run_coroutine() = 0;
    /// A coroutine task has ended with this exception.
    virtual void fail(std::exception_ptr why) noexcept = 0;
    /// The exception the task ended with, or null. After the run.
    virtual std::exception_ptr error() const noexcept = 0;
    virtual bool failed() const noexcept = 0;
    /// Destroys the node and hands the outcome to the submitter, by post.
    virtual void finish(pool_core& core) noexcept = 0;
    /// The same, for a task that did not run to its end.
    virtual void drop(pool_core& core, errc why) noexcept = 0;
    /// Destroys a node that was never submitted; nobody is told.
    virtual void discard() noexcept = 0;

    task_node* next = nullptr; // in the inbox
    cancel_link_ptr link;      // only where the submitter can cancel
    job_record_ptr job;        // only where the job has options or several tasks
    std::int64_t stamp = 0;    // when it was submitted, in clock ticks; 0: not measured
    std::uint16_t weight = 0;  // for how many tasks it stands in the histograms
    bool nested = false;       // a child of a task that waits for it

protected:
    ~task_node() = default;

private:
    form how_;
};

} // namespace corogate::detail
