#pragma once

#include "engine.hpp"

#include <corogate/detail/flow.hpp>
#include <corogate/detail/tenant_table.hpp>
#include <corogate/errc.hpp>
#include <corogate/histogram.hpp>
#include <corogate/priority_class.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace corogate::sim {

/// One attempt of a client to have something done: the job as a discipline sees it.
struct job final : detail::queue_entry {
    job()
        : detail::queue_entry(1, detail::queue_entry::fixed, true) {}

    std::uint32_t tenant = 0;
    std::uint32_t weight = 1;
    std::uint32_t tasks = 0;
    priority_class priority = priority_class::normal;
    instant sent{};
    instant deadline{};

    // Kept by the simulation.
    std::uint32_t index = 0;
    std::uint32_t generation = 0;
    std::uint32_t request = 0;
    std::uint32_t source = 0;
    std::uint32_t to_come = 0; ///< tasks that have not been offered yet
    std::uint32_t waiting = 0; ///< in the discipline's queue
    std::uint32_t running = 0;
    std::uint32_t done = 0;
    std::uint32_t started = 0;
    duration spent{}; ///< CPU time
    bool answered = false;
    bool spent_well = false; ///< complete in time

    // Kept by the discipline.
    duration retry_after = std::chrono::seconds(1); ///< where it was refused or dropped
    detail::tenant_ref whose;
    std::uint32_t served = 0;
};

/// What a discipline learns of the machine.
struct view_of_machine {
    std::size_t limit = 0;
    std::uint64_t ended = 0; ///< units that came from its queue, since ever
    const histogram* service_time = nullptr;
};

/// Who may come in and who is next: what is compared. Not told how the machine works or who sends.
class discipline {
public:
    /// Told of units that the discipline gives up after it has let them in.
    class host {
    public:
        virtual void dropped(job& whose, std::uint32_t units, errc why) = 0;

    protected:
        ~host() = default;
    };

    discipline() = default;
    discipline(const discipline&) = delete;
    discipline& operator=(const discipline&) = delete;
    virtual ~discipline() = default;

    /// Whether it decides about jobs; else about each task, which are offered one by one.
    virtual bool whole_jobs() const noexcept { return true; }
    /// Whether it is told the deadline, and so gives up what has not started by then.
    virtual bool knows_deadlines() const noexcept { return false; }
    /// `errc{}`: it waits now with `units` units. Else why not.
    virtual errc offer(job& newcomer, std::uint32_t units, instant now) = 0;
    /// Takes out the unit to start next; null where none waits.
    virtual job* next(instant now) = 0;
    /// A unit that `next` gave has ended after it `ran` that long.
    virtual void ended(job& whose, duration ran) = 0;
    /// Takes out all that waits of the job; says how many units.
    virtual std::uint32_t withdraw(job& whose) = 0;
    /// After each event.
    virtual void look(instant, const view_of_machine&) {}
    virtual std::size_t waiting() const noexcept = 0;
};

/// What can be set about ours.
struct policy_settings {
    std::size_t queue_tasks = 4096;
    duration queue_time = std::chrono::milliseconds(80);
    bool newest_first = false;
    bool displaces = true;
    bool corrects = true; ///< charges tenants what their tasks really cost
};

/// By name: `corogate`, `corogate-newest-first`, `unbounded-fifo`, `bounded-fifo` (400 tasks, whole
/// jobs), `per-task` (400 tasks, each by itself), `lifo-codel` (adaptive LIFO and controlled delay,
/// each task by itself). Null for any other name. `seed`: for the jitter of hints.
std::unique_ptr<discipline> make_discipline(
    std::string_view name, discipline::host& host, const policy_settings& ours, std::uint64_t seed
);

const std::vector<std::string>& discipline_names();

} // namespace corogate::sim
