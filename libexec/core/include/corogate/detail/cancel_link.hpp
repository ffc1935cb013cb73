#pragma once

#include <atomic>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>

namespace corogate::detail {

class task_node;
class admission_waiter;
struct runner;

/// What a submitter's cancellation slot and its task know of each other.
///
/// The slot keeps its reference after the task has ended (clearing a slot from another thread would
/// race with its emission), so a late cancellation finds `nowhere`.
class cancel_link : public boost::intrusive_ref_counter<cancel_link, boost::thread_safe_counter> {
public:
    enum class place : std::uint8_t { nowhere, door, queue, nested, window };

    // Control strand only.
    place where = place::nowhere;
    task_node* node = nullptr;          // valid in queue and nested
    admission_waiter* waiter = nullptr; // valid at the door

    /// Set before the strand looks at `running`; a runner that starts the task sets `running`
    /// before it looks at this. One of them sees the other.
    std::atomic<bool> requested{false};
    std::atomic<runner*> running{nullptr};
};

using cancel_link_ptr = boost::intrusive_ptr<cancel_link>;

} // namespace corogate::detail
