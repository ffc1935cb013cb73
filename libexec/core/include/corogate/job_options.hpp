#pragma once

#include <chrono>
#include <corogate/priority_class.hpp>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace corogate {

/// Whose a job is and how urgent. Setters can be chained; each checks its argument and throws
/// `std::invalid_argument` with a sentence. What is not set: the unnamed tenant, class normal, no
/// deadline.
class job_options {
public:
    job_options() noexcept {}

    /// Whom the share belongs to. A bounded number of tenants is told apart; those beyond it share
    /// one place.
    job_options& tenant(std::string name) noexcept {
        tenant_ = std::move(name);
        return *this;
    }
    /// The tenant's share relative to others, from 1 to 64; 1 where none was ever given. The latest
    /// one given holds.
    job_options& weight(std::uint32_t share) {
        if (share < 1 || share > 64)
            throw std::invalid_argument("a tenant's weight is between 1 and 64");
        weight_ = share;
        return *this;
    }
    job_options& priority(priority_class which) noexcept {
        priority_ = which;
        return *this;
    }
    /// From admission on. Tasks that have not started by then complete with `errc::expired`, those
    /// that run are cancelled (terminal), unused places go back.
    job_options& deadline(std::chrono::nanoseconds after_admission) {
        if (after_admission < std::chrono::nanoseconds::zero())
            throw std::invalid_argument("a deadline lies in the future");
        deadline_ = after_admission;
        return *this;
    }
    /// Its tasks never start before those of an earlier `ordered` job of the same tenant and class,
    /// whatever `pool_options::newest_first` says. (They may still run at the same time.)
    job_options& ordered(bool on = true) noexcept {
        ordered_ = on;
        return *this;
    }
    /// What watchdog and observer call the job, besides its number.
    job_options& name(std::string label) noexcept {
        name_ = std::move(label);
        return *this;
    }

    const std::string& tenant() const noexcept { return tenant_; }
    /// 0 where none was given.
    std::uint32_t weight() const noexcept { return weight_; }
    priority_class priority() const noexcept { return priority_; }
    std::optional<std::chrono::nanoseconds> deadline() const noexcept { return deadline_; }
    bool is_ordered() const noexcept { return ordered_; }
    const std::string& name() const noexcept { return name_; }

private:
    std::string tenant_;
    std::string name_;
    std::optional<std::chrono::nanoseconds> deadline_;
    std::uint32_t weight_ = 0;
    bool ordered_ = false;
    priority_class priority_ = priority_class::normal;
};

} // namespace corogate
