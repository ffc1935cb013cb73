#pragma once

#include <algorithm>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <corogate/detail/wait_node.hpp>
#include <cstddef>
#include <cstdint>

namespace corogate::detail {

/// Those who wait for permits, first come first served, and when they give up. Removing one is
/// constant time, also from the middle, also of one with a deadline.
class permit_queue {
public:
    using time_point = wait_node::time_point;

    bool empty() const noexcept { return waiters_.empty(); }
    std::size_t size() const noexcept { return waiters_.size(); }
    wait_node& front() noexcept { return waiters_.front(); }

    void push(wait_node& waiter) noexcept {
        ++steps_;
        heaviest_ = waiters_.empty() ? waiter.amount : std::max(heaviest_, waiter.amount);
        waiter.listed = true;
        waiters_.push_back(waiter);
        if (waiter.deadline != wait_node::never)
            timed_.insert(waiter);
    }

    void remove(wait_node& waiter) noexcept {
        ++steps_;
        waiter.listed = false;
        waiters_.erase(waiters_.iterator_to(waiter));
        if (waiter.deadline != wait_node::never)
            timed_.erase(timed_.iterator_to(waiter));
    }

    /// The earliest moment at which somebody gives up.
    time_point next_deadline() const noexcept {
        return timed_.empty() ? wait_node::never : timed_.begin()->deadline;
    }

    /// Removes one whose time is over; equal deadlines in order of arrival.
    wait_node* pop_expired(time_point now) noexcept {
        if (next_deadline() > now || timed_.empty())
            return nullptr;
        wait_node& waiter = *timed_.begin();
        remove(waiter);
        return &waiter;
    }

    /// Removes those that want more than `limit`, in order. Looks at the waiters only where there
    /// may be one.
    template <typename Give>
    void remove_heavier(std::uint32_t limit, Give give) {
        if (waiters_.empty() || heaviest_ <= limit)
            return;
        for (auto at = waiters_.begin(); at != waiters_.end();) {
            ++steps_;
            wait_node& waiter = *at++;
            if (waiter.amount > limit) {
                remove(waiter);
                give(waiter);
            }
        }
        heaviest_ = limit;
    }

    /// Waiters touched so far.
    std::uint64_t steps() const noexcept { return steps_; }

private:
    struct by_deadline {
        bool operator()(const wait_node& a, const wait_node& b) const noexcept {
            return a.deadline < b.deadline;
        }
    };

    boost::intrusive::list<wait_node> waiters_;
    boost::intrusive::multiset<
        wait_node, boost::intrusive::compare<by_deadline>,
        boost::intrusive::constant_time_size<false>>
        timed_;
    std::uint32_t heaviest_ = 0; // an upper bound
    std::uint64_t steps_ = 0;
};

} // namespace corogate::detail
