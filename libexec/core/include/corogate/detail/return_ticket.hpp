#pragma once

#include <boost/intrusive/list_hook.hpp>

namespace corogate::detail {

struct runner;
class pool_core;

/// The way back of a task that waits for work on its own pool and has lent its permit meanwhile:
/// it goes on when it owns one again.
class return_ticket : public boost::intrusive::list_base_hook<
                          boost::intrusive::link_mode<boost::intrusive::normal_link>> {
public:
    explicit return_ticket(runner& waits) noexcept
        : parent(&waits) {}
    return_ticket(const return_ticket&) = delete;
    return_ticket& operator=(const return_ticket&) = delete;
    virtual ~return_ticket() = default;

    /// Completes the wait, by post, and destroys the ticket. On the control strand.
    virtual void resume(pool_core& core) noexcept = 0;

    runner* const parent; // lives: its frame is in our hands
};

} // namespace corogate::detail
