#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <cassert>
#include <corogate/priority_class.hpp>
#include <cstddef>
#include <cstdint>

namespace corogate::detail {

class flow;
class tenant;

struct entry_tag;
struct flow_tag;

using entry_hook = boost::intrusive::list_base_hook<
    boost::intrusive::tag<entry_tag>, boost::intrusive::link_mode<boost::intrusive::normal_link>>;
using flow_hook = boost::intrusive::list_base_hook<
    boost::intrusive::tag<flow_tag>, boost::intrusive::link_mode<boost::intrusive::normal_link>>;

/// What waits in a fair_queue: a job, or a single task. A base class; the queue neither owns nor
/// allocates it, and the entry must leave the queue before it is destroyed.
class queue_entry : public entry_hook {
public:
    /// What the queue may do with an entry; values add up.
    enum trait : std::uint8_t {
        fixed = 0,
        displaceable = 1, ///< its submitter still waits: it may be dropped before its start
        ordered = 2,      ///< never overtaken by a later ordered entry of its tenant and class
    };

    explicit queue_entry(
        std::uint32_t units = 1, std::uint8_t kind = fixed, bool composite = false
    ) noexcept
        : units_(units)
        , kind_(kind)
        , composite_(composite) {}
    queue_entry(const queue_entry&) = delete;
    queue_entry& operator=(const queue_entry&) = delete;

    /// Tasks that wait in it. Set before a push; the queue counts from there.
    std::uint32_t units() const noexcept { return units_; }
    void units(std::uint32_t n) noexcept {
        assert(!queued_);
        units_ = n;
    }

    bool is_displaceable() const noexcept { return (kind_ & displaceable) != 0; }
    bool is_ordered() const noexcept { return (kind_ & ordered) != 0; }
    void set_kind(std::uint8_t kind) noexcept {
        assert(!queued_);
        kind_ = kind;
    }

    bool queued() const noexcept { return queued_; }
    /// A unit of it has been served: it goes on before others of its tenant, and is not displaced.
    bool started() const noexcept { return started_; }

    /// Whether the entry stands for several things of its own. The owner's business.
    bool composite() const noexcept { return composite_; }

    /// Whose it is. Set by the first push; stays after the entry has left the queue, and is valid
    /// as long as the tenant is (which holds the units served, until they are released).
    flow* where() const noexcept { return flow_; }

protected:
    ~queue_entry() { assert(!queued_); }

private:
    friend class flow;
    friend class fair_queue;

    flow* flow_ = nullptr;
    std::uint32_t units_;
    std::uint32_t served_ = 0; // since the push, put back ones not counted
    std::uint32_t number_ = 0; // order of arrival in its flow; wraps
    std::uint8_t kind_;
    bool queued_ = false;
    bool started_ = false;
    const bool composite_;
};

static_assert(sizeof(queue_entry) <= 40);

/// The entries of one tenant in one class, and its account with the round robin.
///
/// Started entries first, the one last put back foremost. The others by arrival, or newest first;
/// ordered entries always by arrival among themselves, and in newest-first mode job about with the
/// others, so that neither kind starves the other. Four lists, one a kind, each in order of
/// arrival: the first and the last of the flow are found at their ends.
class flow : public flow_hook {
public:
    flow() = default;
    flow(const flow&) = delete;
    flow& operator=(const flow&) = delete;

    tenant& owner() const noexcept { return *owner_; }
    priority_class of_class() const noexcept { return class_; }
    /// Tasks waiting.
    std::uint32_t units() const noexcept { return units_; }

private:
    friend class fair_queue;
    friend class tenant;

    using entry_list = boost::intrusive::list<
        queue_entry, boost::intrusive::base_hook<entry_hook>,
        boost::intrusive::constant_time_size<false>>;

    void push(queue_entry& entry) noexcept {
        entry.number_ = next_number_++;
        waiting_[entry.kind_].push_back(entry);
    }

    /// A unit of it is being served.
    void start(queue_entry& entry) noexcept {
        ordered_next_ = !entry.is_ordered();
        unlink(entry);
        entry.started_ = true;
        started_.push_front(entry);
    }

    void put_first(queue_entry& entry) noexcept {
        entry.started_ = true;
        started_.push_front(entry);
    }

    /// Back to the end it was displaced from; in reverse order of displacement.
    void restore(queue_entry& entry) noexcept {
        auto& list = waiting_[entry.kind_];
        if (!list.empty() && before(entry, list.front()))
            list.push_front(entry);
        else
            list.push_back(entry);
    }

    /// Whether it came before all that wait of its kind.
    bool precedes(const queue_entry& entry) const noexcept {
        const auto& list = waiting_[entry.kind_];
        return list.empty() || before(entry, list.front());
    }

    void unlink(queue_entry& entry) noexcept {
        // The list does not count, so that which one it is does not matter.
        started_.erase(entry_list::s_iterator_to(entry));
    }

    static bool before(const queue_entry& a, const queue_entry& b) noexcept {
        return static_cast<std::int32_t>(a.number_ - b.number_) < 0;
    }

    static queue_entry* front(entry_list& list) noexcept {
        return list.empty() ? nullptr : &list.front();
    }
    static queue_entry* back(entry_list& list) noexcept {
        return list.empty() ? nullptr : &list.back();
    }
    static queue_entry* older(queue_entry* a, queue_entry* b) noexcept {
        return !a ? b : !b ? a : before(*a, *b) ? a : b;
    }
    static queue_entry* newer(queue_entry* a, queue_entry* b) noexcept {
        return !a ? b : !b ? a : before(*a, *b) ? b : a;
    }

    template <typename F>
    void look_at_fronts(F& f) const {
        const auto look = [&f](const entry_list& list) {
            for (const queue_entry& entry : list)
                if (f(entry))
                    return;
        };
        look(started_);
        for (const entry_list& list : waiting_)
            look(list);
    }

    /// The entry to serve from; the flow is not empty.
    queue_entry* first(bool newest_first) noexcept {
        if (!started_.empty())
            return &started_.front();
        queue_entry* in_order = older(front(waiting_[2]), front(waiting_[3]));
        if (!newest_first)
            return older(in_order, older(front(waiting_[0]), front(waiting_[1])));
        queue_entry* newest = newer(back(waiting_[0]), back(waiting_[1]));
        if (in_order && newest)
            return ordered_next_ ? in_order : newest;
        return in_order ? in_order : newest;
    }

    /// Of the entries that can be displaced the one that would be served last, or null. In
    /// newest-first mode those without order go before those with one.
    queue_entry* last_displaceable(bool newest_first) noexcept {
        auto& free = waiting_[queue_entry::displaceable];
        auto& in_order = waiting_[queue_entry::displaceable | queue_entry::ordered];
        if (!newest_first)
            return newer(back(free), back(in_order));
        return free.empty() ? back(in_order) : &free.front();
    }

    tenant* owner_ = nullptr;
    std::int32_t deficit_ = 0; // credit, or debt where negative
    std::uint32_t units_ = 0;
    std::uint32_t next_number_ = 0;
    std::uint32_t busy_period_ = 0;
    std::uint32_t round_ = 0; // of its class, in which it last had a turn
    priority_class class_ = priority_class::normal;
    bool in_turn_ = false; // has had the credit of its turn
    bool ordered_next_ = false;
    bool active_ = false; // among the flows of its class that wait
    entry_list started_;
    std::array<entry_list, 4> waiting_; // by kind
};

} // namespace corogate::detail
