#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <boost/intrusive/list.hpp>
#include <cassert>
#include <corogate/detail/flow.hpp>
#include <corogate/detail/tenant_table.hpp>
#include <corogate/priority_class.hpp>
#include <cstddef>
#include <cstdint>

namespace corogate::detail {

/// Who is served next: classes by weight, tenants by weight within a class, jobs by arrival within
/// a tenant. Pure policy: no clock, no lock, no allocation, nothing thrown; every operation is
/// O(1), amortised where said, however many tenants and entries wait.
///
/// Counted in **units**: tasks. An entry (a job, or one task) is served unit by unit and leaves
/// when it has none left.
///
/// **Classes** share by stride scheduling (Waldspurger and Weihl, "Stride Scheduling", MIT 1995):
/// of the classes that wait, the one with the least pass gives the next unit, and its pass moves on
/// by 1/weight; ties go to the more urgent. A class that had nothing to do starts at the present
/// pass: what it did not use is lent, not saved up.
///
/// **Tenants** within a class share by deficit round robin (Shreedhar and Varghese, "Efficient Fair
/// Queueing using Deficit Round Robin", SIGCOMM 1995) in its surplus form. A tenant's turn
/// credits `quantum` x weight units. A job starts while there is credit, and once started goes on
/// into debt, to at most `overdraft` units; the debt is paid by the turns that follow. So a job of
/// up to `overdraft` units is never interleaved with others of its class (one-task turns make every
/// job late), longer ones give way once a turn, and two backlogged tenants are never apart by more
/// than quantum + overdraft units, by weight. Credit left when a tenant runs empty is void. Debt
/// stays until the class runs empty: until then somebody paid for it.
/// A turn that a tenant in debt skips has been paid for by units served or corrected before, which
/// is what makes `next` O(1) amortised; after `most_skips` of them in one call the tenant with
/// least debt of those seen is forgiven, which bounds the single call as well.
///
/// A tenant that comes in joins the round under way, unless it has had its turn in it or the round
/// has lasted for `open_round` quanta: then the next one. So who seldom has work does not wait
/// behind another turn of who always has, nobody has more than one turn a round, and no round goes
/// on for ever. (In the simulator, with one tenant at ten times the capacity, the p99 of the
/// others' jobs is 1.25 times what it is without him, and 1.47 where everybody joins the next
/// round; where rounds stay open without end, jobs of 200 tenants in equal overload are three times
/// as late.)
///
/// Within a tenant and class entries go by arrival, or newest first where `newest_first(true)` (for
/// while a queue stands): a started job first in any case, `queue_entry::ordered` ones always by
/// arrival among themselves, job about with the rest.
///
/// Not thread-safe. The queue refers to tenants of one tenant_table and must be gone before it.
class fair_queue {
public:
    using class_weights = std::array<std::uint32_t, priority_class_count>;

    static constexpr std::uint32_t default_quantum = 32;
    static constexpr std::uint32_t overdraft = 64;
    /// The greatest debt, in units, that corrections can add up to.
    static constexpr std::uint32_t greatest_debt = 1024;
    static constexpr int most_skips = 64;
    /// Quanta served in a round until nobody joins it any more.
    static constexpr int open_round = 8;

    /// `quantum`: units a tenant of weight 1 is credited with a turn, 1 to 1024. Weights: 1 to
    /// 2^20.
    explicit fair_queue(
        std::uint32_t quantum = default_quantum, class_weights weights = default_class_weights
    ) noexcept;
    fair_queue(const fair_queue&) = delete;
    fair_queue& operator=(const fair_queue&) = delete;
    ~fair_queue() = default;

    // ---- what waits ----

    /// Adds an entry that is not queued and has units. Its units count as held by the tenant until
    /// they are served *and* released, or erased.
    void push(queue_entry& entry, tenant& whose, priority_class c) noexcept;

    /// n further units of a queued entry; they are served with it, where it stands.
    void add_units(queue_entry& entry, std::uint32_t n) noexcept;

    /// Takes n of a queued entry's units out, which the tenant holds no longer; the entry leaves
    /// the queue with its last.
    void remove_units(queue_entry& entry, std::uint32_t n) noexcept;

    /// Takes a queued entry out with all its units, which the tenant holds no longer.
    void erase(queue_entry& entry) noexcept;

    // ---- service ----

    /// The entry that the next unit must come from; null when nothing waits. Amortised O(1).
    queue_entry* next() noexcept;

    /// Takes one unit out of a queued entry; the entry leaves the queue with its last. The tenant
    /// holds the unit until `release`.
    void serve(queue_entry& entry) noexcept;

    /// Undoes `serve`: the unit waits again, and is the next to be served of its class (but where
    /// corrections have put its tenant too far into debt). To be called in reverse order of
    /// service: that restores passes, turns and credits too, so that units are served again in the
    /// same order, and work pushed in between as if they had never been taken. Two things are not
    /// restored: the turns of tenants in debt that were skipped, and, where a tenant was alone in
    /// its class for several turns, which of them it was in.
    void put_back(queue_entry& entry, tenant& whose, priority_class c) noexcept;
    /// The same, to where the entry was.
    void put_back(queue_entry& entry) noexcept {
        put_back(entry, entry.where()->owner(), entry.where()->of_class());
    }

    /// Units that the tenant holds outside the queue (a reservation), until `release`.
    void hold(tenant& whose, std::uint32_t n) noexcept;
    /// n units that were served have ended, or n that were held are given up.
    void release(tenant& whose, std::uint32_t n = 1) noexcept;

    /// A job cost `units` more than was charged, one a task; less where negative. The sum of a
    /// tenant's corrections is bounded: debt to `greatest_debt`, credit to one turn's.
    void correct(tenant& whose, priority_class c, double units) noexcept;

    /// Changes a tenant's weight, within the bounds of `tenant`, from its next turn on.
    void reweigh(tenant& whose, double weight) noexcept;

    /// For while a queue stands: within a tenant the newest unstarted job first.
    void newest_first(bool on) noexcept { newest_first_ = on; }
    bool newest_first() const noexcept { return newest_first_; }

    // ---- displacement ----

    /// The entry to drop so that a newcomer of `units` more fits: of the tenant holding most for
    /// its weight among those that have one, the unstarted displaceable entry that would be served
    /// last, of its least urgent class first. Null where there is none, or where that tenant would
    /// not hold more than the newcomer's with the newcomer: then the newcomer pays, since whoever
    /// holds most is why the queue is full, and dropping his older job for his newer one only turns
    /// work already done into waste. "Most" is exact to an eighth (tenants are kept in log-linear
    /// buckets, the latest to enter foremost), which is what makes it O(1).
    queue_entry* victim(const tenant& newcomer, std::uint32_t units) noexcept;

    /// All or nothing: takes out victims until `lacking` units are free, then calls
    /// `dropped(entry)` for each, which may destroy it but not throw; true. Where that takes more
    /// than 64 entries, or cannot be done: false, and everything waits where it did (but a tenant
    /// that had nothing else waiting in the class has lost its turn).
    template <typename Dropped>
    bool
    displace(const tenant& newcomer, std::uint32_t units, std::uint32_t lacking, Dropped dropped);

    // ---- counts ----

    /// Units waiting.
    std::size_t size() const noexcept { return units_; }
    bool empty() const noexcept { return units_ == 0; }
    std::size_t entries() const noexcept { return entries_; }
    /// Tenant and class pairs with something waiting. With one, order cannot be got wrong by
    /// looking far ahead.
    std::size_t active_flows() const noexcept { return flows_; }
    std::size_t size(priority_class c) const noexcept { return of(c).units; }
    /// Units that are served before one that the tenant would add to the class now, if nobody else
    /// adds any: its own, at most as many of each other tenant as its turns allow, and the other
    /// classes' shares of that time. An estimate from above, in O(1).
    std::size_t ahead(const tenant& whose, priority_class c) const noexcept;
    /// Calls `f(tenant)` once for each tenant that has something waiting, in no order. O(flows).
    template <typename F>
    void for_each_waiting(F f) const;
    /// Calls `f(entry)` for the first entries of each flow in each of the orders that it keeps, by
    /// arrival in all but that of started ones, until it says true.
    template <typename F>
    void look_at_fronts(F f) const;
    /// The weights of the tenants waiting in a class, added up.
    double active_weight(priority_class c) const noexcept {
        return static_cast<double>(of(c).quanta) / static_cast<double>(quantum_);
    }

private:
    using flow_list = boost::intrusive::list<
        flow, boost::intrusive::base_hook<flow_hook>, boost::intrusive::constant_time_size<false>>;
    using rank_list = boost::intrusive::list<
        tenant, boost::intrusive::base_hook<rank_hook>,
        boost::intrusive::constant_time_size<false>>;
    using entry_list = flow::entry_list;

    struct class_state {
        flow_list active; // still to come in this round; the front one is in turn
        flow_list later;  // have had their turn in this round
        std::uint32_t round = 0;
        std::int32_t served = 0; // in this round, in cost
        std::uint64_t pass = 0;
        std::uint64_t pass_before = 0; // until its first unit since it became active is served
        std::uint32_t stride = 0;
        std::uint32_t busy_period = 0;
        std::size_t units = 0;
        std::int64_t quanta = 0;
        bool fresh = false;
    };

    /// Of a unit's cost: the granularity of weights and corrections.
    static constexpr std::int32_t unit_cost = 256;
    static constexpr auto greatest_debt_cost = static_cast<std::int32_t>(greatest_debt) * unit_cost;
    static constexpr std::uint32_t stride_one = 1U << 20;

    // Ranks: the bucket of holding/weight, eight to an octave, from 1/64 to 2^32 x 8.
    static constexpr unsigned rank_shift = 49;
    static constexpr std::uint64_t rank_base = std::bit_cast<std::uint64_t>(1.0 / 64) >> rank_shift;
    static constexpr std::size_t ranks = 42 * 8;
    static constexpr std::size_t rank_words = (ranks + 63) / 64;

    class_state& of(priority_class c) noexcept { return classes_[static_cast<std::size_t>(c)]; }
    const class_state& of(priority_class c) const noexcept {
        return classes_[static_cast<std::size_t>(c)];
    }

    std::int32_t quantum_of(const tenant& t) const noexcept {
        return static_cast<std::int32_t>(static_cast<double>(quantum_) * t.weight());
    }
    queue_entry* next_of(class_state& c) noexcept;
    void count(flow& f, std::uint32_t n) noexcept;
    void uncount(flow& f, std::uint32_t n) noexcept;
    void activate(flow& f, bool first) noexcept;
    void deactivate_if_empty(flow& f) noexcept;
    void leave(queue_entry& entry) noexcept;
    void lift_out(queue_entry& entry) noexcept;
    void lay_back(queue_entry& entry) noexcept;

    static std::uint32_t rank_of(const tenant& t) noexcept;
    void displaceable_more(tenant& t) noexcept;
    void displaceable_less(tenant& t) noexcept;
    void holding_changed(tenant& t) noexcept;
    void enter_rank(tenant& t) noexcept;
    void leave_rank(tenant& t) noexcept;
    tenant* holds_most(const tenant& but) noexcept;

    std::int32_t quantum_; // in cost
    bool newest_first_ = false;
    std::uint64_t now_ = 0; // the pass of the class served last
    std::size_t units_ = 0;
    std::size_t entries_ = 0;
    std::size_t flows_ = 0;
    std::array<class_state, priority_class_count> classes_;
    std::array<std::uint64_t, rank_words> ranked_{}; // which buckets hold somebody
    std::array<rank_list, ranks> rank_;
};

// ------------------------------------------------------------------------------------------------

inline fair_queue::fair_queue(std::uint32_t quantum, class_weights weights) noexcept
    : quantum_(static_cast<std::int32_t>(std::clamp(quantum, 1U, 1024U)) * unit_cost) {
    for (std::size_t i = 0; i < priority_class_count; ++i)
        classes_[i].stride = stride_one / std::clamp(weights[i], 1U, stride_one);
}

inline void fair_queue::push(queue_entry& entry, tenant& whose, priority_class c) noexcept {
    assert(!entry.queued_ && entry.units_ > 0);
    flow& f = whose.in(c);
    entry.flow_ = &f;
    entry.queued_ = true;
    entry.started_ = false;
    entry.served_ = 0;
    ++entries_;
    activate(f, false);
    f.push(entry);
    whose.hold(entry.units_);
    count(f, entry.units_);
    if (entry.is_displaceable())
        displaceable_more(whose);
    else
        holding_changed(whose);
}

inline void fair_queue::add_units(queue_entry& entry, std::uint32_t n) noexcept {
    assert(entry.queued_);
    entry.units_ += n;
    count(*entry.flow_, n);
    hold(entry.flow_->owner(), n);
}

inline void fair_queue::erase(queue_entry& entry) noexcept {
    assert(entry.queued_);
    flow& f = *entry.flow_;
    tenant& whose = f.owner();
    const bool could_go = entry.is_displaceable() && !entry.started_;
    uncount(f, entry.units_);
    leave(entry);
    whose.release(entry.units_);
    if (could_go)
        displaceable_less(whose);
    holding_changed(whose);
}

inline void fair_queue::remove_units(queue_entry& entry, std::uint32_t n) noexcept {
    assert(entry.queued_ && n <= entry.units_);
    if (n == entry.units_) {
        erase(entry);
        return;
    }
    entry.units_ -= n;
    uncount(*entry.flow_, n);
    release(entry.flow_->owner(), n);
}

inline std::size_t fair_queue::ahead(const tenant& whose, priority_class c) const noexcept {
    const class_state& in = of(c);
    const flow& own = whose.of_class(c);
    const auto quantum = std::max<std::int64_t>(quantum_of(whose), 1);
    const auto others = in.quanta - (own.units() > 0 ? quantum : 0);
    const auto turns = std::int64_t{own.units()} * unit_cost / quantum + 1;
    const auto within = std::min(
        in.units,
        own.units() + static_cast<std::size_t>(turns * std::max<std::int64_t>(others, 0)) /
                          static_cast<std::size_t>(unit_cost)
    );
    std::size_t sum = within;
    for (const auto& other : classes_)
        if (&other != &in && other.units > 0)
            // Weights are to each other as strides are the other way round; and one unit more.
            sum += std::min<std::size_t>(other.units, (within + 1) * in.stride / other.stride + 1);
    return sum;
}

template <typename F>
void fair_queue::for_each_waiting(F f) const {
    for (const auto& c : classes_)
        for (const auto* list : {&c.active, &c.later})
            for (const flow& one : *list) {
                const tenant& whose = one.owner();
                bool told = false; // for a more urgent class
                for (const auto before : all_priority_classes)
                    told = told || (before < one.of_class() && whose.of_class(before).units() > 0);
                if (!told)
                    f(whose);
            }
}

template <typename F>
void fair_queue::look_at_fronts(F f) const {
    for (const auto& c : classes_)
        for (const auto* list : {&c.active, &c.later})
            for (const flow& one : *list)
                one.look_at_fronts(f);
}

inline queue_entry* fair_queue::next() noexcept {
    class_state* least = nullptr;
    for (auto& c : classes_)
        if (c.units > 0 && (!least || c.pass < least->pass))
            least = &c;
    return least ? next_of(*least) : nullptr;
}

inline queue_entry* fair_queue::next_of(class_state& c) noexcept {
    flow* least_debt = nullptr;
    for (int skips = 0;; ++skips) {
        if (c.active.empty()) {
            c.active.swap(c.later);
            ++c.round;
            c.served = 0;
        }
        flow& f = c.active.front();
        if (skips == most_skips) {
            c.active.splice(c.active.begin(), c.active, flow_list::s_iterator_to(*least_debt));
            least_debt->in_turn_ = true;
            least_debt->round_ = c.round;
            least_debt->deficit_ = unit_cost;
            return least_debt->first(newest_first_);
        }
        if (!f.in_turn_) {
            f.in_turn_ = true;
            f.round_ = c.round;
            f.deficit_ += quantum_of(f.owner());
        }
        const bool underway = !f.started_.empty() && f.started_.front().served_ > 0;
        if (f.deficit_ > 0 ||
            (underway && f.deficit_ > -static_cast<std::int32_t>(overdraft) * unit_cost))
            return f.first(newest_first_);
        f.in_turn_ = false;
        if (!least_debt || f.deficit_ > least_debt->deficit_)
            least_debt = &f;
        c.later.splice(c.later.end(), c.active, c.active.begin());
    }
}

inline void fair_queue::serve(queue_entry& entry) noexcept {
    assert(entry.queued_);
    flow& f = *entry.flow_;
    class_state& c = of(f.class_);
    if (!entry.started_) {
        f.start(entry);
        if (entry.is_displaceable())
            displaceable_less(f.owner());
    }
    now_ = c.pass;
    c.pass += c.stride;
    c.fresh = false;
    c.served = std::min(c.served + unit_cost, open_round * quantum_);
    f.deficit_ -= unit_cost;
    --entry.units_;
    ++entry.served_;
    uncount(f, 1);
    if (entry.units_ == 0)
        leave(entry);
}

inline void fair_queue::put_back(queue_entry& entry, tenant& whose, priority_class where) noexcept {
    flow& f = whose.in(where);
    class_state& c = of(where);
    assert(!entry.queued_ || entry.flow_ == &f);
    assert(whose.holding_ > f.units_);
    if (entry.queued_) {
        const bool could_go = entry.is_displaceable() && !entry.started_;
        f.unlink(entry);
        if (could_go)
            displaceable_less(whose);
    } else {
        entry.flow_ = &f;
        entry.queued_ = true;
        entry.units_ = 0;
        ++entries_;
    }
    if (!c.active.empty() && &c.active.front() != &f && c.active.front().in_turn_) {
        flow& not_begun = c.active.front(); // all units of its turn have been put back before
        not_begun.in_turn_ = false;
        not_begun.round_ = c.round - 1;
        not_begun.deficit_ =
            std::max(not_begun.deficit_ - quantum_of(not_begun.owner()), -greatest_debt_cost);
    }
    activate(f, true);
    // Where this was the only unit out, nothing of the entry has started after all.
    const bool untouched = entry.served_ == 1 && !newest_first_ && f.precedes(entry);
    if (untouched)
        f.restore(entry);
    else
        f.put_first(entry);
    ++entry.units_;
    if (entry.served_ > 0) // not pushed again since
        --entry.served_;
    count(f, 1);
    entry.started_ = !untouched;
    if (untouched && entry.is_displaceable())
        displaceable_more(whose);
    f.in_turn_ = true;
    f.round_ = c.round;
    // No more than a turn's credit, or the turns that a lone tenant took would pile up.
    f.deficit_ = std::max(f.deficit_, std::min(f.deficit_ + unit_cost, quantum_of(whose)));
    if (c.fresh) { // what was served, was served before
        c.pass = c.pass_before;
        c.fresh = false;
    }
    c.served = std::max(c.served - unit_cost, 0);
    c.pass -= c.stride;
    now_ = std::min(now_, c.pass);
    for (auto& other : classes_) // became active meanwhile: as if at the pass restored
        if (other.fresh)
            other.pass = std::max(other.pass_before, now_);
}

inline void fair_queue::hold(tenant& whose, std::uint32_t n) noexcept {
    whose.hold(n);
    holding_changed(whose);
}

inline void fair_queue::release(tenant& whose, std::uint32_t n) noexcept {
    whose.release(n);
    holding_changed(whose);
}

inline void fair_queue::correct(tenant& whose, priority_class c, double units) noexcept {
    flow& f = whose.in(c);
    const double most = static_cast<double>(f.units_ > 0 ? quantum_of(whose) : 0);
    const double least = -greatest_debt_cost;
    const double now = static_cast<double>(f.deficit_);
    const double then = std::clamp(now - units * unit_cost, least, std::max(now, most));
    f.deficit_ = static_cast<std::int32_t>(then);
}

inline void fair_queue::reweigh(tenant& whose, double weight) noexcept {
    const auto before = quantum_of(whose);
    whose.weight_ = std::clamp(weight, tenant::least_weight, tenant::greatest_weight);
    for (const auto c : all_priority_classes)
        if (whose.in(c).units_ > 0)
            of(c).quanta += quantum_of(whose) - before;
    holding_changed(whose);
}

inline void fair_queue::count(flow& f, std::uint32_t n) noexcept {
    f.units_ += n;
    of(f.class_).units += n;
    units_ += n;
}

inline void fair_queue::uncount(flow& f, std::uint32_t n) noexcept {
    f.units_ -= n;
    of(f.class_).units -= n;
    units_ -= n;
}

/// Before the flow's first units are counted.
inline void fair_queue::activate(flow& f, bool first) noexcept {
    class_state& c = of(f.class_);
    if (f.units_ > 0) {
        if (first)
            c.active.splice(c.active.begin(), c.active, flow_list::s_iterator_to(f));
        return;
    }
    const bool idle = c.active.empty() && c.later.empty();
    if (idle && !first) {
        c.pass_before = c.pass;
        c.pass = std::max(c.pass, now_);
        c.fresh = true;
    }
    if (f.busy_period_ != c.busy_period) {
        f.busy_period_ = c.busy_period;
        f.deficit_ = 0;
        f.round_ = c.round - 1;
    }
    f.active_ = true;
    f.in_turn_ = false;
    const bool joins = f.round_ != c.round && c.served < open_round * quantum_;
    if (first)
        c.active.push_front(f);
    else
        (joins ? c.active : c.later).push_back(f);
    c.quanta += quantum_of(f.owner());
    ++flows_;
}

inline void fair_queue::deactivate_if_empty(flow& f) noexcept {
    if (f.units_ > 0 || !f.active_)
        return;
    f.active_ = false;
    class_state& c = of(f.class_);
    c.active.erase(flow_list::s_iterator_to(f));
    c.quanta -= quantum_of(f.owner());
    --flows_;
    f.deficit_ = std::min(f.deficit_, 0);
    if (c.active.empty() && c.later.empty()) {
        c.served = 0;
        ++c.busy_period;
        c.fresh = false;
    }
}

/// After its units are no longer counted.
inline void fair_queue::leave(queue_entry& entry) noexcept {
    entry.flow_->unlink(entry);
    entry.queued_ = false;
    --entries_;
    deactivate_if_empty(*entry.flow_);
}

// ---- displacement ----

inline std::uint32_t fair_queue::rank_of(const tenant& t) noexcept {
    if (t.holding_ == 0)
        return 0;
    // The top bits of a double are its octave and eighth.
    const auto bits = std::bit_cast<std::uint64_t>(static_cast<double>(t.holding_) / t.weight_);
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>((bits >> rank_shift) - rank_base, ranks - 1)
    );
}

inline void fair_queue::displaceable_more(tenant& t) noexcept {
    if (t.displaceable_++ == 0)
        enter_rank(t);
    else
        holding_changed(t);
}

inline void fair_queue::displaceable_less(tenant& t) noexcept {
    if (--t.displaceable_ == 0)
        leave_rank(t);
}

inline void fair_queue::holding_changed(tenant& t) noexcept {
    if (t.displaceable_ == 0 || rank_of(t) == t.rank_)
        return;
    leave_rank(t);
    enter_rank(t);
}

inline void fair_queue::enter_rank(tenant& t) noexcept {
    t.rank_ = rank_of(t);
    rank_[t.rank_].push_front(t);
    ranked_[t.rank_ / 64] |= std::uint64_t{1} << t.rank_ % 64;
}

inline void fair_queue::leave_rank(tenant& t) noexcept {
    auto& list = rank_[t.rank_];
    list.erase(list.iterator_to(t));
    if (list.empty())
        ranked_[t.rank_ / 64] &= ~(std::uint64_t{1} << t.rank_ % 64);
}

inline tenant* fair_queue::holds_most(const tenant& but) noexcept {
    for (std::size_t word = rank_words; word-- > 0;) {
        if (ranked_[word] == 0)
            continue;
        auto& list = rank_[word * 64 + std::bit_width(ranked_[word]) - 1];
        auto most = list.begin();
        if (&*most == &but && ++most == list.end())
            return nullptr;
        return &*most;
    }
    return nullptr;
}

inline queue_entry* fair_queue::victim(const tenant& newcomer, std::uint32_t units) noexcept {
    tenant* payer = holds_most(newcomer);
    if (!payer || payer->holding_ / payer->weight_ <=
                      (static_cast<double>(newcomer.holding_) + units) / newcomer.weight_)
        return nullptr;
    for (std::size_t c = priority_class_count; c-- > 0;)
        if (queue_entry* last = payer->flows_[c].last_displaceable(newest_first_))
            return last;
    assert(false);
    return nullptr;
}

/// Erased but for its flow's turn, which it keeps until the displacement is certain.
inline void fair_queue::lift_out(queue_entry& entry) noexcept {
    flow& f = *entry.flow_;
    f.unlink(entry);
    entry.queued_ = false;
    --entries_;
    uncount(f, entry.units_);
    f.owner().release(entry.units_);
    displaceable_less(f.owner());
    holding_changed(f.owner());
}

inline void fair_queue::lay_back(queue_entry& entry) noexcept {
    flow& f = *entry.flow_;
    f.restore(entry);
    entry.queued_ = true;
    ++entries_;
    f.owner().hold(entry.units_);
    count(f, entry.units_);
    displaceable_more(f.owner());
}

template <typename Dropped>
bool fair_queue::displace(
    const tenant& newcomer, std::uint32_t units, std::uint32_t lacking, Dropped dropped
) {
    std::array<queue_entry*, 64> out;
    std::size_t n = 0;
    std::uint64_t freed = 0;
    while (freed < lacking) {
        queue_entry* entry = n < out.size() ? victim(newcomer, units) : nullptr;
        if (!entry) {
            while (n > 0)
                lay_back(*out[--n]);
            return false;
        }
        freed += entry->units_;
        lift_out(*entry);
        out[n++] = entry;
    }
    for (std::size_t i = 0; i < n; ++i)
        deactivate_if_empty(*out[i]->flow_);
    for (std::size_t i = 0; i < n; ++i)
        dropped(*out[i]);
    return true;
}

} // namespace corogate::detail
