#pragma once

#include <atomic>
#include <boost/intrusive/list.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <chrono>
#include <corogate/detail/agenda.hpp>
#include <corogate/detail/fair_queue.hpp>
#include <corogate/detail/tenant_table.hpp>
#include <corogate/job_options.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

namespace corogate::detail {

class pool_core;
class task_node;
struct lane_state;

/// What a pool knows of a job: whose it is, until when, what of it waits.
///
/// As an entry of the queue it can be displaced where somebody waits for the result of all its
/// tasks. Counted references from any thread; it is destroyed on the control strand only (or with
/// the pool), so that the strand may look at the job of a running task.
class job_record : public queue_entry {
public:
    job_record(pool_core& core, std::uint64_t number, const job_options& who)
        : queue_entry(1, fixed, true)
        , id(number)
        , tenant_name(who.tenant())
        , name(who.name())
        , priority(who.priority())
        , weight(who.weight())
        , ordered(who.is_ordered())
        , core_(core) {}
    job_record(const job_record&) = delete;
    job_record& operator=(const job_record&) = delete;
    ~job_record() = default;

    static constexpr auto never = std::chrono::steady_clock::time_point::max();

    const std::uint64_t id;
    const std::string tenant_name;
    const std::string name;
    const priority_class priority;
    const std::uint32_t weight;
    const bool ordered;
    std::chrono::steady_clock::time_point deadline = never; // set before it is shared
    lane_state* lane = nullptr;                             // likewise

    /// Reserved places no task has come for.
    std::atomic<std::size_t> places{0};
    /// Why nothing of it starts any more, as an errc; 0 while it may.
    std::atomic<int> over{0};
    /// Tasks that have left since the strand last looked; for the tenant's account.
    std::atomic<std::uint32_t> gone{0};
    /// What they cost beyond one unit each, in 1/256 of a unit; likewise.
    std::atomic<std::int64_t> overrun{0};
    job_record* next = nullptr; // in the inbox of jobs that lost tasks, or of dead ones

    // Control strand only.
    tenant_ref whom;          // once a task of it has come
    std::uint32_t served = 0; // tasks taken out of the queue, those put back not counted
    boost::intrusive::list<
        queue_entry, boost::intrusive::constant_time_size<false>,
        boost::intrusive::base_hook<entry_hook>>
        waiting;
    struct end_of_time final : agenda_item {
        void due(time_point) override;
        job_record* job = nullptr;
    } end;

    /// Another reference to a job that somebody still holds; null where nobody does.
    static boost::intrusive_ptr<job_record> lock(job_record& job) noexcept {
        auto seen = job.references_.load(std::memory_order_relaxed);
        while (seen != 0)
            if (job.references_.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire))
                return {&job, false};
        return {};
    }

private:
    friend void intrusive_ptr_add_ref(job_record* job) noexcept {
        job->references_.fetch_add(1, std::memory_order_relaxed);
    }
    friend void intrusive_ptr_release(job_record* job) noexcept {
        if (job->references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            job->bury();
    }
    void bury() noexcept;

    pool_core& core_;
    std::atomic<std::uint32_t> references_{0};
};

using job_record_ptr = boost::intrusive_ptr<job_record>;

} // namespace corogate::detail
