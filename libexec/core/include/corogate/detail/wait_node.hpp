#pragma once

#include <atomic>
#include <boost/intrusive/list_hook.hpp>
#include <boost/intrusive/set_hook.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstdint>

namespace corogate::detail {

class semaphore_state;
class wait_node;

/// Something for the strand of a semaphore to look at.
class wait_mail {
public:
    enum class kind : std::uint8_t { waiter, cancellation, close };
    explicit wait_mail(kind what) noexcept
        : mail_kind(what) {}

    wait_mail* next = nullptr;
    const kind mail_kind;
};

/// What a cancellation slot keeps of a waiter. It may stay in the slot long after the waiter has
/// completed (clearing a slot from another thread would race with its emission), so the waiter and
/// its memory are not in it.
class wait_link : public wait_mail,
                  public boost::intrusive_ref_counter<wait_link, boost::thread_safe_counter> {
public:
    wait_link(semaphore_state& state, wait_node& node) noexcept;
    wait_link(const wait_link&) = delete;
    wait_link& operator=(const wait_link&) = delete;
    ~wait_link() { let_go(); }

    /// Any thread. Removes the waiter, if it still waits.
    void cancel() noexcept;
    /// From now on `cancel` does nothing.
    void let_go() noexcept;

    // Strand only.
    wait_node* target;      // until it completes
    bool cancelled = false; // before it was listed

private:
    std::atomic<semaphore_state*> state_; // a reference, taken by whoever exchanges it
};

/// Someone who waits: for permits, or for permits to come back.
class wait_node : public wait_mail,
                  public boost::intrusive::list_base_hook<
                      boost::intrusive::link_mode<boost::intrusive::normal_link>>,
                  public boost::intrusive::set_base_hook<
                      boost::intrusive::link_mode<boost::intrusive::normal_link>> {
public:
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr time_point never = time_point::max();
    enum class purpose : std::uint8_t { acquire, shrink, drain };

    wait_node(purpose why, std::uint32_t n, time_point until) noexcept
        : wait_mail(kind::waiter)
        , deadline(until)
        , amount(n)
        , what(why) {}
    wait_node(const wait_node&) = delete;
    wait_node& operator=(const wait_node&) = delete;

    /// Completes by post with `outcome` and, if there is one, the grant. The node is gone then.
    virtual void post() noexcept = 0;

    // Strand only, until it is posted.
    boost::intrusive_ptr<wait_link> link;
    const time_point deadline;
    const std::uint32_t amount; // permits wanted, or the limit to come down to
    const purpose what;
    bool listed = false;
    boost::system::error_code outcome;
    semaphore_state* granted_by = nullptr; // `amount` permits are in it

protected:
    ~wait_node() = default;
};

} // namespace corogate::detail
