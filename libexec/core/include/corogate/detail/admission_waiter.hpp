#pragma once

#include <boost/intrusive/list_hook.hpp>
#include <chrono>
#include <corogate/detail/cancel_link.hpp>
#include <corogate/errc.hpp>
#include <corogate/job_options.hpp>
#include <cstddef>

namespace corogate::detail {

class pool_core;

struct door_tag {};
using door_hook = boost::intrusive::list_base_hook<
    boost::intrusive::tag<door_tag>, boost::intrusive::link_mode<boost::intrusive::normal_link>>;

/// A submitter that waits for places at the door (overflow policy `wait`).
class admission_waiter : public door_hook {
public:
    admission_waiter(std::size_t n, const job_options& whose)
        : places(n)
        , who(whose) {}
    admission_waiter(const admission_waiter&) = delete;
    admission_waiter& operator=(const admission_waiter&) = delete;
    virtual ~admission_waiter() = default;

    /// Its places are reserved. On the control strand; posts what is user code.
    virtual void admitted(pool_core& core) = 0;
    /// It will not be admitted. On the pool; on the control strand where that runs no user code.
    virtual void refused(pool_core& core, errc why) = 0;
    virtual bool refused_on_strand() const noexcept { return false; }

    const std::size_t places;
    const job_options who;
    std::chrono::milliseconds hint{0}; // when to come again; 0: not said
    admission_waiter* next = nullptr;  // in the door's inbox
    cancel_link_ptr link;
};

} // namespace corogate::detail
