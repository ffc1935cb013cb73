#pragma once

#include <algorithm>
#include <array>
#include <boost/intrusive/list.hpp>
#include <cassert>
#include <corogate/detail/flow.hpp>
#include <corogate/detail/retry_hint.hpp>
#include <corogate/priority_class.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace corogate::detail {

class tenant_table;

struct idle_tag;
struct rank_tag;

using idle_hook = boost::intrusive::list_base_hook<
    boost::intrusive::tag<idle_tag>, boost::intrusive::link_mode<boost::intrusive::safe_link>>;
using rank_hook = boost::intrusive::list_base_hook<
    boost::intrusive::tag<rank_tag>, boost::intrusive::link_mode<boost::intrusive::safe_link>>;

/// Whom a share belongs to. Lives in a tenant_table; its flows are served by one fair_queue.
class tenant : public idle_hook, public rank_hook {
public:
    static constexpr double least_weight = 1.0 / 8;
    static constexpr double greatest_weight = 64;

    tenant(tenant_table& home, double weight) noexcept
        : home_(&home)
        , weight_(std::clamp(weight, least_weight, greatest_weight)) {
        for (const auto c : all_priority_classes) {
            auto& f = flows_[static_cast<std::size_t>(c)];
            f.owner_ = this;
            f.class_ = c;
        }
    }
    tenant(const tenant&) = delete;
    tenant& operator=(const tenant&) = delete;
    ~tenant() { assert(holding_ == 0 && references_ == 0); }

    /// Empty for the unnamed tenant; `(overflow)` for the one that those share who found no room.
    std::string_view name() const noexcept { return name_; }
    double weight() const noexcept { return weight_; }
    /// Tasks of this tenant that wait, run, or have a place reserved.
    std::uint32_t holding() const noexcept { return holding_; }
    const flow& of_class(priority_class c) const noexcept {
        return flows_[static_cast<std::size_t>(c)];
    }
    /// Those of them that wait.
    std::size_t waiting() const noexcept {
        std::size_t sum = 0;
        for (const flow& one : flows_)
            sum += one.units();
        return sum;
    }
    /// When it should come again when it is refused.
    retry_hint& hint(priority_class c) noexcept { return hints_[static_cast<std::size_t>(c)]; }
    /// Neither held nor referred to: may be collected.
    bool idle() const noexcept { return holding_ == 0 && references_ == 0; }

private:
    friend class fair_queue;
    friend class tenant_ref;
    friend class tenant_table;

    flow& in(priority_class c) noexcept { return flows_[static_cast<std::size_t>(c)]; }
    void hold(std::uint32_t n) noexcept;
    void release(std::uint32_t n) noexcept;

    tenant_table* home_;
    std::string_view name_;
    double weight_;
    std::uint32_t holding_ = 0;
    std::uint32_t references_ = 0;
    std::uint32_t displaceable_ = 0; // entries waiting that can be displaced
    std::uint32_t rank_ = 0;         // where the fair_queue keeps it while displaceable_ > 0
    std::array<flow, priority_class_count> flows_;
    std::array<retry_hint, priority_class_count> hints_;
};

/// Keeps a tenant from being collected. Never null but when moved from or default-constructed.
class tenant_ref {
public:
    tenant_ref() noexcept = default;
    explicit tenant_ref(tenant& whose) noexcept;
    tenant_ref(const tenant_ref& other) noexcept;
    tenant_ref(tenant_ref&& other) noexcept
        : tenant_(std::exchange(other.tenant_, nullptr)) {}
    tenant_ref& operator=(tenant_ref other) noexcept {
        std::swap(tenant_, other.tenant_);
        return *this;
    }
    ~tenant_ref();

    tenant& operator*() const noexcept { return *tenant_; }
    tenant* operator->() const noexcept { return tenant_; }
    explicit operator bool() const noexcept { return tenant_ != nullptr; }

private:
    tenant* tenant_ = nullptr;
};

/// Every tenant that has work, and those that lately had some; at most `capacity` names.
///
/// A tenant with units held or a reference is never collected. A new name in a full table takes the
/// place of the tenant that has been idle longest; where none is idle it shares one bucket with all
/// others who found no room: one tenant named `(overflow)`, of weight 1, that is in no name's way.
/// A collected tenant leaves nothing behind (its debt is forgotten) but the weight set for its
/// name.
///
/// Costs: O(1), a name's lookup hashed without making a string; a name new to the table allocates.
/// Not thread-safe. The table outlives the fair_queue and all references; one table, one queue.
class tenant_table {
public:
    explicit tenant_table(std::size_t capacity = 10'000) noexcept
        : capacity_(capacity)
        , unnamed_(*this, 1)
        , overflow_(*this, 1) {
        overflow_.name_ = "(overflow)";
    }
    tenant_table(const tenant_table&) = delete;
    tenant_table& operator=(const tenant_table&) = delete;
    ~tenant_table() { idle_.clear(); }

    /// The tenant of that name, made where it is new. Throws what an allocation throws; the table
    /// is then as before.
    tenant_ref get(std::string_view name);

    tenant_ref unnamed() noexcept { return tenant_ref(unnamed_); }
    tenant& overflow() noexcept { return overflow_; }

    /// The tenant of that name if it is there. It may be collected by the next `get`.
    const tenant* find(std::string_view name) const noexcept;

    /// The weight a tenant of that name is made with from now on, within
    /// [`least_weight`, `greatest_weight`]. One that is there already: `fair_queue::reweigh`.
    void weight(std::string_view name, double value);

    /// Named tenants; the unnamed one and the overflow are not counted.
    std::size_t size() const noexcept { return named_.size(); }
    std::size_t idle() const noexcept { return idle_.size(); }
    std::size_t capacity() const noexcept { return capacity_; }

    /// Collects the longest idle until at most `keep` idle ones are left; O(1) for each.
    void collect(std::size_t keep = 0) noexcept;

private:
    friend class tenant;
    friend class tenant_ref;

    struct hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view name) const noexcept {
            return std::hash<std::string_view>()(name);
        }
    };
    template <typename T>
    using by_name = std::unordered_map<std::string, T, hash, std::equal_to<>>;
    using idle_list = boost::intrusive::list<
        tenant, boost::intrusive::base_hook<idle_hook>, boost::intrusive::constant_time_size<true>>;

    void became_idle(tenant& t) noexcept {
        if (&t != &unnamed_ && &t != &overflow_)
            idle_.push_back(t);
    }
    void became_busy(tenant& t) noexcept {
        if (t.idle_hook::is_linked())
            idle_.erase(idle_.iterator_to(t));
    }
    void collect_one() noexcept;

    std::size_t capacity_;
    idle_list idle_; // longest idle first
    tenant unnamed_;
    tenant overflow_;
    by_name<double> weights_;
    by_name<tenant> named_;
};

// ------------------------------------------------------------------------------------------------

inline void tenant::hold(std::uint32_t n) noexcept {
    if (idle())
        home_->became_busy(*this);
    holding_ += n;
}

inline void tenant::release(std::uint32_t n) noexcept {
    assert(n <= holding_);
    const bool was_idle = idle();
    holding_ -= n;
    if (!was_idle && idle())
        home_->became_idle(*this);
}

inline tenant_ref::tenant_ref(tenant& whose) noexcept
    : tenant_(&whose) {
    if (whose.idle())
        whose.home_->became_busy(whose);
    ++whose.references_;
}

inline tenant_ref::tenant_ref(const tenant_ref& other) noexcept
    : tenant_(other.tenant_) {
    if (tenant_)
        ++tenant_->references_;
}

inline tenant_ref::~tenant_ref() {
    if (tenant_ && --tenant_->references_ == 0 && tenant_->idle())
        tenant_->home_->became_idle(*tenant_);
}

inline tenant_ref tenant_table::get(std::string_view name) {
    if (name.empty())
        return unnamed();
    if (const auto there = named_.find(name); there != named_.end())
        return tenant_ref(there->second);
    if (named_.size() >= capacity_ && idle_.empty())
        return tenant_ref(overflow_);
    const auto weight = weights_.find(name);
    const auto [made, fresh] = named_.try_emplace(
        std::string(name), *this, weight == weights_.end() ? 1.0 : weight->second
    );
    made->second.name_ = made->first;
    if (named_.size() > capacity_)
        collect_one();
    return tenant_ref(made->second);
}

inline const tenant* tenant_table::find(std::string_view name) const noexcept {
    if (name.empty())
        return &unnamed_;
    const auto there = named_.find(name);
    return there == named_.end() ? nullptr : &there->second;
}

inline void tenant_table::weight(std::string_view name, double value) {
    weights_.insert_or_assign(std::string(name), value);
}

inline void tenant_table::collect(std::size_t keep) noexcept {
    while (idle_.size() > keep)
        collect_one();
}

inline void tenant_table::collect_one() noexcept {
    const auto name = idle_.front().name();
    idle_.pop_front();
    named_.erase(named_.find(name));
}

} // namespace corogate::detail
