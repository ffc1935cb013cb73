#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/intrusive/list_hook.hpp>
#include <corogate/detail/cancel_link.hpp>
#include <corogate/errc.hpp>
#include <cstdint>
#include <exception>

namespace corogate::detail {

class pool_core;

using queue_hook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>>;

/// One task, from the submitter's call to its completion. Owned by whoever holds the pointer: the
/// inbox, the queue, the window or a runner; never by two of them.
class task_node : public queue_hook {
public:
    /// How the task runs: on the runner's stack, or as the runner's child coroutine.
    enum class form : std::uint8_t { plain, coroutine };

    explicit task_node(form how) noexcept
        : how_(how) {}
    task_node(const task_node&) = delete;
    task_node& operator=(const task_node&) = delete;
    virtual ~task_node() = default;

    form how() const noexcept { return how_; }

    /// Runs a plain task; the outcome is kept inside.
    virtual void run_plain() noexcept = 0;
    /// The coroutine of a coroutine task. A result is kept inside; what making or awaiting it
    /// throws is for `fail`.
    virtual boost::asio::awaitable<void> run_coroutine() = 0;
    /// A coroutine task has ended with this exception.
    virtual void fail(std::exception_ptr why) noexcept = 0;
    /// Whether the outcome is an exception. After the run.
    virtual bool failed() const noexcept = 0;
    /// Destroys the node and hands the outcome to the submitter, by post.
    virtual void finish(pool_core& core) noexcept = 0;
    /// The same, for a task that did not run to its end.
    virtual void drop(pool_core& core, errc why) noexcept = 0;

    task_node* next = nullptr; // in the inbox
    cancel_link_ptr link;      // only where the submitter can cancel

private:
    form how_;
};

} // namespace corogate::detail
