// A million random operations on the fair queue and on a model of it that is written for the
// reader: vectors and scans. After each, both must agree on everything that can be seen.

#include <corogate/detail/fair_queue.hpp>

#include "seed.hpp"
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

using namespace corogate;
using namespace corogate::detail;

namespace {

constexpr int unit = 256; // the granularity of cost

struct entry : queue_entry {
    using queue_entry::queue_entry;
    int owner = 0;
    int cls = 0;
    int served = 0; // the model's
    int arrival = 0;
    int in_window = 0;
};

// ---- the model ----

struct model_flow {
    std::vector<entry*> started, waiting; // in the order of put back; in the order of arrival
    int owner = 0, units = 0, deficit = 0, period = 0, round = 0;
    bool in_turn = false, ordered_next = false;

    entry* first(bool newest) const {
        if (!started.empty())
            return started.front();
        const auto ordered = [](entry* e) { return e->is_ordered(); };
        const auto kept = std::find_if(waiting.begin(), waiting.end(), ordered);
        const auto free = std::find_if_not(waiting.rbegin(), waiting.rend(), ordered);
        if (!newest)
            return waiting.front();
        if (kept != waiting.end() && (free == waiting.rend() || ordered_next))
            return *kept;
        return *free;
    }
    entry* last_displaceable(bool newest) const {
        std::vector<entry*> can;
        std::copy_if(waiting.begin(), waiting.end(), std::back_inserter(can), [](entry* e) {
            return e->is_displaceable();
        });
        const auto free =
            std::find_if(can.begin(), can.end(), [](entry* e) { return !e->is_ordered(); });
        return can.empty() ? nullptr : newest && free != can.end() ? *free : can.back();
    }
};

struct model_class {
    std::vector<model_flow*> active; // in this round; the front one is in turn
    std::vector<model_flow*> later;  // have had their turn
    int round = 0, served = 0;
    bool idle() const { return active.empty() && later.empty(); }
    long pass = 0, pass_before = 0, stride = 0;
    int period = 0;
    bool fresh = false;
};

struct model {
    std::vector<model_flow> flows; // tenant x class
    std::vector<double> weight;
    std::vector<int> outside; // units held by a tenant that do not wait
    std::array<model_class, 4> classes;
    long now = 0;
    bool newest = false;
    int quantum;

    model(int tenants, int quantum_units)
        : flows(static_cast<std::size_t>(tenants) * 4)
        , weight(static_cast<std::size_t>(tenants), 1.0)
        , outside(static_cast<std::size_t>(tenants), 0)
        , quantum(quantum_units * unit) {
        for (std::size_t i = 0; i < flows.size(); ++i)
            flows[i].owner = static_cast<int>(i / 4);
        for (std::size_t c = 0; c < 4; ++c)
            classes[c].stride = (1 << 20) / default_class_weights[c];
    }
    model_flow& of(int t, int c) { return flows[static_cast<std::size_t>(t * 4 + c)]; }
    model_flow& of(const entry& e) { return of(e.owner, e.cls); }
    model_class& cls(int c) { return classes[static_cast<std::size_t>(c)]; }
    double& weight_of(int t) { return weight[static_cast<std::size_t>(t)]; }
    int& outside_of(int t) { return outside[static_cast<std::size_t>(t)]; }
    int credit(int t) { return static_cast<int>(quantum * weight_of(t)); }
    int holding(int t) {
        return outside_of(t) + of(t, 0).units + of(t, 1).units + of(t, 2).units + of(t, 3).units;
    }

    void activate(model_flow& f, int c, bool first) {
        auto& k = cls(c);
        if (std::count(k.active.begin(), k.active.end(), &f) +
                std::count(k.later.begin(), k.later.end(), &f) >
            0) {
            if (first) {
                std::erase(k.active, &f);
                std::erase(k.later, &f);
                k.active.insert(k.active.begin(), &f);
            }
            return;
        }
        if (k.idle() && !first) {
            k.pass_before = k.pass;
            k.pass = std::max(k.pass, now);
            k.fresh = true;
        }
        if (f.period != k.period) {
            f.deficit = 0;
            f.round = k.round - 1;
        }
        f.period = k.period;
        f.in_turn = false;
        if (first)
            k.active.insert(k.active.begin(), &f);
        else
            (f.round == k.round || k.served >= 8 * quantum ? k.later : k.active).push_back(&f);
    }
    void left(model_flow& f, int c) {
        auto& k = cls(c);
        if (f.units > 0)
            return;
        std::erase(k.active, &f);
        std::erase(k.later, &f);
        f.deficit = std::min(f.deficit, 0);
        if (k.idle()) {
            k.served = 0;
            ++k.period;
            k.fresh = false;
        }
    }
    int arrivals = 0;
    void push(entry& e, int units) {
        auto& f = of(e);
        activate(f, e.cls, false);
        f.waiting.push_back(&e);
        e.arrival = ++arrivals;
        e.served = 0;
        f.units += units;
    }
    void erase(entry& e, int units) {
        auto& f = of(e);
        std::erase(f.started, &e);
        std::erase(f.waiting, &e);
        f.units -= units;
        left(f, e.cls);
    }
    entry* next() {
        model_class* least = nullptr;
        for (auto& k : classes)
            if (!k.idle() && (!least || k.pass < least->pass))
                least = &k;
        if (!least)
            return nullptr;
        auto& a = least->active;
        model_flow* rich = nullptr;
        auto& l = least->later;
        const auto next_round = [&] {
            if (a.empty()) {
                std::swap(a, l);
                ++least->round;
                least->served = 0;
            }
        };
        for (int skips = 0; skips < 64; ++skips) {
            next_round();
            auto& f = *a.front();
            if (!f.in_turn) {
                f.deficit += credit(f.owner);
                f.round = least->round;
            }
            f.in_turn = true;
            if (f.deficit > 0 ||
                (!f.started.empty() && f.started[0]->served > 0 && f.deficit > -64 * unit))
                return f.first(newest);
            f.in_turn = false;
            if (!rich || f.deficit > rich->deficit)
                rich = &f;
            a.erase(a.begin());
            l.push_back(&f);
        }
        next_round();
        std::erase(a, rich);
        std::erase(l, rich);
        a.insert(a.begin(), rich);
        rich->in_turn = true;
        rich->round = least->round;
        rich->deficit = unit;
        return rich->first(newest);
    }
    void serve(entry& e, bool last) {
        auto& f = of(e);
        auto& k = cls(e.cls);
        if (std::erase(f.waiting, &e) > 0) {
            f.started.insert(f.started.begin(), &e);
            f.ordered_next = !e.is_ordered();
        }
        now = k.pass;
        k.pass += k.stride;
        k.fresh = false;
        k.served = std::min(k.served + unit, 8 * quantum);
        f.deficit -= unit;
        ++outside_of(e.owner);
        --f.units;
        ++e.served;
        if (last) {
            std::erase(f.started, &e);
            left(f, e.cls);
        }
    }
    void put_back(entry& e) {
        auto& f = of(e);
        auto& k = cls(e.cls);
        std::erase(f.started, &e);
        std::erase(f.waiting, &e);
        if (!k.active.empty() && k.active.front() != &f && k.active.front()->in_turn) {
            auto& next = *k.active.front();
            next.in_turn = false;
            next.round = k.round - 1;
            next.deficit = std::max(next.deficit - credit(next.owner), -1024 * unit);
        }
        activate(f, e.cls, true);
        const auto later = [&](entry* w) { return w->arrival > e.arrival; };
        const bool oldest = std::all_of(f.waiting.begin(), f.waiting.end(), [&](entry* w) {
            return later(w) || w->is_ordered() != e.is_ordered() ||
                   w->is_displaceable() != e.is_displaceable();
        });
        if (e.served == 1 && !newest && oldest)
            f.waiting.insert(std::find_if(f.waiting.begin(), f.waiting.end(), later), &e);
        else
            f.started.insert(f.started.begin(), &e);
        ++f.units;
        e.served = std::max(0, e.served - 1);
        --outside_of(e.owner);
        f.in_turn = true;
        f.round = k.round;
        f.deficit = std::max(f.deficit, std::min(f.deficit + unit, credit(e.owner)));
        if (k.fresh)
            k.pass = k.pass_before;
        k.fresh = false;
        k.served = std::max(k.served - unit, 0);
        k.pass -= k.stride;
        now = std::min(now, k.pass);
        for (auto& other : classes)
            if (other.fresh)
                other.pass = std::max(other.pass_before, now);
    }
    void correct(int t, int c, double units) {
        auto& f = of(t, c);
        const int most = std::max(f.deficit, f.units > 0 ? credit(t) : 0);
        f.deficit =
            static_cast<int>(std::clamp<double>(f.deficit - units * unit, -1024 * unit, most));
    }
    entry* last_displaceable(int t) {
        for (int c = 3; c >= 0; --c)
            if (entry* e = of(t, c).last_displaceable(newest))
                return e;
        return nullptr;
    }
    /// Holding by weight, to an eighth of an octave.
    long rank(int t) {
        int octave = 0;
        const double part = std::frexp(holding(t) / weight_of(t), &octave); // 1/2 to 1
        return octave * 8L + static_cast<long>((part - 0.5) * 16);
    }
    /// Whether policy allows that answer.
    bool victim(int newcomer, int units, entry* found) {
        const double share = (holding(newcomer) + units) / weight_of(newcomer);
        std::vector<int> can;
        for (int t = 0; t < static_cast<int>(weight.size()); ++t)
            if (last_displaceable(t))
                can.push_back(t);
        if (can.empty())
            return !found;
        const auto by_rank = [this](int a, int b) { return rank(a) < rank(b); };
        const long most = rank(*std::max_element(can.begin(), can.end(), by_rank));
        std::erase_if(can, [&](int t) { return t == newcomer || rank(t) < most; });
        if (found)
            return std::count(can.begin(), can.end(), found->owner) == 1 &&
                   found == last_displaceable(found->owner) &&
                   holding(found->owner) / weight_of(found->owner) > share;
        return can.empty() || std::any_of(can.begin(), can.end(), [&](int t) {
                   return holding(t) / weight_of(t) <= share;
               });
    }
};

// ---- the walk ----

class walk {
public:
    walk(std::uint64_t seed, int tenants, int quantum)
        : random_(seed)
        , queue_(static_cast<std::uint32_t>(quantum))
        , model_(tenants, quantum) {
        for (int t = 0; t < tenants; ++t)
            tenants_.push_back(table_.get("t" + std::to_string(t)));
    }
    ~walk() {
        for (auto& e : all_)
            if (e->queued())
                queue_.erase(*e);
        for (std::size_t t = 0; t < tenants_.size(); ++t)
            queue_.release(*tenants_[t], tenants_[t]->holding());
    }

    void step() {
        switch (const int what = pick(100)) {
        default:
            return what < 30 ? push() : serve();
        case 70:
        case 71:
        case 72:
        case 73:
            return put_back();
        case 74:
        case 75:
        case 76:
            return erase();
        case 77:
        case 78:
        case 79:
            return add_units();
        case 80:
        case 81:
        case 82:
        case 83:
        case 84:
        case 85:
            return release();
        case 86:
        case 87:
            return hold();
        case 88:
        case 89:
        case 90:
            return correct();
        case 91:
            return pick(20) ? void() : reweigh();
        case 92:
            model_.newest = pick(2) == 0;
            return queue_.newest_first(model_.newest);
        case 93:
        case 94:
        case 95:
            return victim();
        case 96:
        case 97:
            return displace();
        }
    }

    void check() {
        std::size_t units = 0, entries = 0, flows = 0;
        for (const auto& f : model_.flows) {
            units += static_cast<std::size_t>(f.units);
            entries += f.started.size() + f.waiting.size();
            flows += f.units > 0;
        }
        BOOST_REQUIRE_EQUAL(queue_.size(), units);
        BOOST_REQUIRE_EQUAL(queue_.entries(), entries);
        BOOST_REQUIRE_EQUAL(queue_.active_flows(), flows);
        for (int t = 0; t < static_cast<int>(tenants_.size()); ++t)
            BOOST_REQUIRE_EQUAL(of(t).holding(), static_cast<std::uint32_t>(model_.holding(t)));
        for (int c = 0; c < 4; ++c) {
            double weight = 0;
            for (const auto& list : {model_.cls(c).active, model_.cls(c).later})
                for (const auto* f : list)
                    weight += model_.credit(f->owner);
            BOOST_REQUIRE_CLOSE_FRACTION(
                queue_.active_weight(all_priority_classes[static_cast<std::size_t>(c)]),
                weight / model_.quantum, 1e-9
            );
        }
    }

private:
    int pick(int n) { return std::uniform_int_distribution<>(0, n - 1)(random_); }
    tenant& of(int t) { return *tenants_[static_cast<std::size_t>(t)]; }
    int some_tenant() { // some much oftener than others
        return std::min(
            pick(static_cast<int>(tenants_.size())), pick(static_cast<int>(tenants_.size()))
        );
    }
    static priority_class as_class(int c) { return static_cast<priority_class>(c); }
    entry* some_queued() {
        for (int i = 0; i < 20 && !all_.empty(); ++i)
            if (auto& e = all_[static_cast<std::size_t>(pick(static_cast<int>(all_.size())))];
                e->queued())
                return e.get();
        return nullptr;
    }
    entry& fresh() {
        for (int i = 0; i < 5 && !all_.empty(); ++i)
            if (auto& e = all_[static_cast<std::size_t>(pick(static_cast<int>(all_.size())))];
                !e->queued())
                return *e;
        return *all_.emplace_back(std::make_unique<entry>());
    }

    void push() {
        if (queue_.entries() > 300)
            return;
        entry& e = fresh();
        const int units = pick(3) ? 1 + pick(pick(10) ? 24 : 200) : 1;
        e.units(static_cast<std::uint32_t>(units));
        e.set_kind(static_cast<std::uint8_t>(pick(4)));
        if (e.in_window == 0) { // else a job whose further tasks arrive when the first are out
            e.owner = some_tenant();
            e.cls = pick(4);
        }
        queue_.push(e, of(e.owner), as_class(e.cls));
        model_.push(e, units);
    }
    void serve() {
        for (int n = pick(16); n >= 0; --n) {
            entry* expected = model_.next();
            auto* got = static_cast<entry*>(queue_.next());
            BOOST_REQUIRE(got == expected);
            if (!got)
                return;
            if (n == 0 && pick(4) == 0) // looking twice changes nothing
                BOOST_REQUIRE(queue_.next() == got && model_.next() == got);
            queue_.serve(*got);
            model_.serve(*got, got->units() == 0);
            BOOST_REQUIRE(got->queued() == (got->units() > 0));
            ++got->in_window;
            window_.push_back(got);
        }
    }
    void put_back() {
        for (int n = pick(40); n >= 0 && !window_.empty(); --n) {
            entry& e = *window_.back();
            window_.pop_back();
            --e.in_window;
            queue_.put_back(e);
            model_.put_back(e);
        }
    }
    void erase() {
        if (entry* e = some_queued()) {
            const auto units = static_cast<int>(e->units());
            queue_.erase(*e);
            model_.erase(*e, units);
        }
    }
    void add_units() {
        if (entry* e = some_queued()) {
            const int n = 1 + pick(5);
            queue_.add_units(*e, static_cast<std::uint32_t>(n));
            model_.of(*e).units += n;
        }
    }
    void release() { // of the units longest out
        while (!window_.empty() && (window_.size() > 128 || pick(10))) {
            entry& e = *window_.front();
            window_.pop_front();
            --e.in_window;
            queue_.release(of(e.owner));
            --model_.outside_of(e.owner);
        }
        for (auto& [t, n] : held_)
            if (pick(8) == 0) {
                queue_.release(of(t), static_cast<std::uint32_t>(n));
                model_.outside_of(t) -= n;
                n = 0;
            }
        std::erase_if(held_, [](const auto& h) { return h.second == 0; });
    }
    void hold() {
        const int t = some_tenant(), n = 1 + pick(30);
        queue_.hold(of(t), static_cast<std::uint32_t>(n));
        model_.outside_of(t) += n;
        held_.emplace_back(t, n);
    }
    void correct() {
        const int t = some_tenant(), c = pick(4);
        const double units = pick(20) ? (pick(400) - 150) / 8.0 : pick(3000);
        queue_.correct(of(t), as_class(c), units);
        model_.correct(t, c, units);
    }
    void reweigh() {
        const int t = some_tenant();
        const double w = std::ldexp(1.0 + pick(8) / 8.0, pick(6) - 3);
        queue_.reweigh(of(t), w);
        model_.weight_of(t) = w;
    }
    void victim() {
        const int t = some_tenant(), units = 1 + pick(50);
        auto* found = static_cast<entry*>(queue_.victim(of(t), static_cast<std::uint32_t>(units)));
        BOOST_REQUIRE(model_.victim(t, units, found));
    }
    void displace() {
        const int t = some_tenant(), units = 1 + pick(50);
        const auto lacking = static_cast<std::uint32_t>(1 + pick(units));
        std::uint32_t freed = 0;
        const bool done = queue_.displace(
            of(t), static_cast<std::uint32_t>(units), lacking,
            [&](queue_entry& dropped) {
                BOOST_REQUIRE(freed < lacking);
                auto& e = static_cast<entry&>(dropped);
                BOOST_REQUIRE(model_.victim(t, units, &e));
                BOOST_REQUIRE(!e.queued());
                model_.erase(e, static_cast<int>(e.units()));
                freed += e.units();
            }
        );
        BOOST_REQUIRE(done ? freed >= lacking : freed == 0);
    }

    std::mt19937_64 random_;
    tenant_table table_;
    fair_queue queue_;
    model model_;
    std::vector<tenant_ref> tenants_;
    std::vector<std::unique_ptr<entry>> all_;
    std::deque<entry*> window_; // served, not ended
    std::vector<std::pair<int, int>> held_;
};

void run(int tenants, int quantum, int steps) {
    const auto seed = test_seed();
    BOOST_TEST_CONTEXT("COROGATE_SEED=" << seed << ", " << tenants << " tenants") {
        walk w(seed, tenants, quantum);
        for (int i = 0; i < steps; ++i) {
            w.step();
            if (i % 16 == 0)
                w.check();
        }
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(fair_queue_model_tests)

BOOST_AUTO_TEST_CASE(a_million_random_operations_agree_with_the_model) {
    run(1, 32, 100'000);
    run(3, 1, 200'000);
    run(12, 32, 500'000);
    run(100, 4, 200'000);
}

BOOST_AUTO_TEST_SUITE_END()
