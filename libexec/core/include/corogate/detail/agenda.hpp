#pragma once

#include <boost/intrusive/set.hpp>
#include <boost/intrusive/set_hook.hpp>
#include <chrono>

namespace corogate::detail {

/// Something to be done at a moment. Off the agenda when it is destroyed.
class agenda_item : public boost::intrusive::set_base_hook<
                        boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
public:
    using time_point = std::chrono::steady_clock::time_point;

    agenda_item() = default;
    agenda_item(const agenda_item&) = delete;
    agenda_item& operator=(const agenda_item&) = delete;
    virtual ~agenda_item() = default;

    /// It is off the agenda when this is called, and may be put on it again.
    virtual void due(time_point now) = 0;

    /// It is off the agenda and will not be due: everything is given up.
    virtual void dropped() {}

    bool planned() const noexcept { return is_linked(); }
    void forget() noexcept { unlink(); }

    time_point when{};
    bool operator<(const agenda_item& other) const noexcept { return when < other.when; }
};

/// What is to be done when, earliest first. Time is an argument; no locks, no clock.
class agenda {
public:
    using time_point = agenda_item::time_point;

    /// O(log n). An item planned before moves.
    void plan(agenda_item& item, time_point when) {
        item.forget();
        item.when = when;
        items_.insert(item);
    }

    bool empty() const noexcept { return items_.empty(); }
    /// The earliest moment; there must be one.
    time_point next() const noexcept { return items_.begin()->when; }

    /// Does everything that is due by now, in order of time.
    void run(time_point now) {
        while (!items_.empty() && items_.begin()->when <= now) {
            agenda_item& item = *items_.begin();
            item.forget();
            item.due(now);
        }
    }

    /// Gives everything up.
    void clear() {
        while (!items_.empty()) {
            agenda_item& item = *items_.begin();
            item.forget();
            item.dropped();
        }
    }

private:
    boost::intrusive::multiset<agenda_item, boost::intrusive::constant_time_size<false>> items_;
};

} // namespace corogate::detail
