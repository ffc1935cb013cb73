#pragma once

#include "discipline.hpp"

#include <algorithm>
#include <boost/random/mersenne_twister.hpp>
#include <chrono>
#include <corogate/detail/admission.hpp>
#include <corogate/detail/drain_rate.hpp>
#include <corogate/detail/fair_queue.hpp>
#include <corogate/detail/tenant_table.hpp>
#include <cstdint>
#include <string>

namespace corogate::sim {

/// Ours: the policy objects of the library, called as the pool calls them and in the same order.
/// Nothing here decides anything itself.
class corogate_policy final : public discipline {
public:
    corogate_policy(host& up, const policy_settings& settings, std::uint64_t seed)
        : up_(up)
        , settings_(settings)
        , admission_(settings.queue_time)
        , random_(static_cast<std::uint32_t>(seed)) {}

    bool knows_deadlines() const noexcept override { return true; }

    errc offer(job& newcomer, std::uint32_t units, instant now) override {
        if (units > settings_.queue_tasks + limit_)
            return errc::job_too_large;
        newcomer.whose = tenants_.get("site-" + std::to_string(newcomer.tenant));
        detail::tenant& whose = *newcomer.whose;
        if (newcomer.weight != 1)
            queue_.reweigh(whose, newcomer.weight);
        const errc no = admit(whose, newcomer, units, now);
        if (no != errc{}) {
            hint(newcomer, whose, now);
            newcomer.whose = {};
            return no;
        }
        taken_ += units;
        newcomer.served = 0;
        newcomer.units(units);
        newcomer.set_kind(
            settings_.displaces ? detail::queue_entry::displaceable : detail::queue_entry::fixed
        );
        queue_.push(newcomer, whose, newcomer.priority);
        return {};
    }

    job* next(instant now) override {
        while (detail::queue_entry* entry = queue_.next()) {
            auto& whose = static_cast<job&>(*entry);
            if (whose.served == 0 &&
                detail::admission::hopeless(whose.units(), whose.deadline - now, seen(now))) {
                const auto units = withdraw(whose);
                hint(whose, *whose.whose, now);
                up_.dropped(whose, units, errc::expired);
                continue;
            }
            queue_.serve(*entry);
            ++whose.served;
            return &whose;
        }
        return nullptr;
    }

    void ended(job& whose, duration ran) override {
        if (settings_.corrects && mean_service_ > duration::zero()) {
            const double beyond =
                static_cast<double>(ran.count()) / static_cast<double>(mean_service_.count()) - 1;
            queue_.correct(*whose.whose, whose.priority, std::min(beyond, 1024.0));
        }
        queue_.release(*whose.whose);
        --taken_;
    }

    std::uint32_t withdraw(job& whose) override {
        if (!whose.queued())
            return 0;
        const std::uint32_t units = whose.units();
        queue_.erase(whose);
        taken_ -= units;
        return units;
    }

    void look(instant now, const view_of_machine& machine) override {
        limit_ = machine.limit;
        if (queue_.empty()) {
            pace_.pause();
            if (pace_.per_second() == 0 && now >= learn_at_)
                learn(now, machine);
            standing_since_ = {};
            queue_.newest_first(false);
            return;
        }
        if (standing_since_ == instant{})
            standing_since_ = now;
        if (settings_.newest_first && now - standing_since_ >= std::chrono::milliseconds(100))
            queue_.newest_first(true);
        if (!pace_.due(now))
            return;
        const double before = pace_.per_second();
        pace_.observe(now, machine.ended);
        if (pace_.per_second() != before)
            learn(now, machine);
    }

    std::size_t waiting() const noexcept override { return queue_.size(); }

private:
    void learn(instant now, const view_of_machine& machine) {
        learn_at_ = now + std::chrono::milliseconds(100);
        const auto service = machine.service_time->snapshot();
        typical_service_ = service.quantile(0.5);
        mean_service_ = service.mean();
    }

    errc admit(detail::tenant& whose, const job& newcomer, std::uint32_t units, instant now) {
        const detail::admission::newcomer who{units, newcomer.priority, newcomer.deadline - now};
        const auto verdict = admission_.decide(queue_, whose, who, seen(now));
        if (verdict.no != errc{})
            return verdict.no;
        if (verdict.displace == 0)
            return {};
        const auto dropped = [&](detail::queue_entry& entry) noexcept {
            auto& gone = static_cast<job&>(entry);
            taken_ -= gone.units();
            hint(gone, *gone.whose, now);
            up_.dropped(gone, gone.units(), errc::displaced);
        };
        if (settings_.displaces &&
            queue_.displace(whose, units, static_cast<std::uint32_t>(verdict.displace), dropped))
            return {};
        return verdict.otherwise;
    }

    void hint(job& refused, detail::tenant& whose, instant now) noexcept {
        refused.retry_after = whose.hint(refused.priority).refused(now, taken_, pace(), random_());
    }

    double pace() const noexcept {
        return detail::admission::pace_of(pace_.per_second(), limit_, mean_service_);
    }

    detail::admission::view seen(instant now) const noexcept {
        return {
            pace(), typical_service_,
            static_cast<std::int64_t>(settings_.queue_tasks + limit_) -
                static_cast<std::int64_t>(taken_),
            standing_since_ == instant{} ? duration::zero() : now - standing_since_
        };
    }

    host& up_;
    policy_settings settings_;
    detail::admission admission_;
    detail::tenant_table tenants_;
    detail::fair_queue queue_;
    detail::drain_rate pace_;
    instant learn_at_{};
    instant standing_since_{};
    duration typical_service_{};
    duration mean_service_{};
    std::size_t limit_ = 1;
    boost::random::mt19937 random_; // jitter
    std::size_t taken_ = 0;         // places: waiting and running
};

} // namespace corogate::sim
