#pragma once

#include <boost/intrusive/list.hpp>
#include <corogate/detail/fair_queue.hpp>
#include <corogate/detail/job_record.hpp>
#include <corogate/detail/task_node.hpp>
#include <corogate/detail/tenant_table.hpp>
#include <corogate/job_options.hpp>
#include <cstddef>
#include <cstdint>

namespace corogate::detail {

/// The tasks that wait, task by task, over the jobs and single tasks that a fair_queue orders.
/// Control strand only.
///
/// A job's entry carries its waiting tasks; a task without a job record is an entry itself, of the
/// unnamed tenant.
class pool_queue {
public:
    using task_list = boost::intrusive::list<
        queue_entry, boost::intrusive::base_hook<entry_hook>,
        boost::intrusive::constant_time_size<true>>;

    explicit pool_queue(std::size_t tenants)
        : tenants_(tenants)
        , unnamed_(tenants_.unnamed()) {}
    pool_queue(const pool_queue&) = delete;
    pool_queue& operator=(const pool_queue&) = delete;

    bool empty() const noexcept { return queue_.empty(); }
    std::size_t size() const noexcept { return queue_.size(); }
    std::size_t flows() const noexcept { return queue_.active_flows(); }
    std::size_t tenants() const noexcept { return tenants_.size() - tenants_.idle(); }

    void push(task_node& node) {
        job_record* job = node.job.get();
        if (!job) {
            queue_.push(node, *unnamed_, priority_class::normal);
            return;
        }
        join(*job);
        job->waiting.push_back(node);
        // A job is given up only where nothing of it has started and somebody waits for all of it.
        const bool displaceable = node.is_displaceable() && job->served == 0;
        if (job->queued() && (displaceable || !job->is_displaceable())) {
            queue_.add_units(*job, 1);
            return;
        }
        std::uint32_t units = 1;
        if (job->queued()) {
            units += job->units();
            queue_.erase(*job);
        }
        job->units(units);
        job->set_kind(static_cast<std::uint8_t>(
            (displaceable ? queue_entry::displaceable : queue_entry::fixed) |
            (job->ordered ? queue_entry::ordered : queue_entry::fixed)
        ));
        queue_.push(*job, *job->whom, job->priority);
    }

    /// Takes the next task out; null where none waits.
    task_node* next() noexcept {
        queue_entry* entry = queue_.next();
        if (!entry)
            return nullptr;
        queue_.serve(*entry);
        if (!entry->composite()) {
            queue_.release(*unnamed_); // what it holds while it runs is not counted
            return static_cast<task_node*>(entry);
        }
        auto& job = static_cast<job_record&>(*entry);
        ++job.served;
        auto& node = static_cast<task_node&>(job.waiting.front());
        job.waiting.pop_front();
        return &node;
    }

    /// What `next` gave and did not start goes back to where it was; the latest first.
    void put_back(task_node& node) noexcept {
        job_record* job = node.job.get();
        if (!job) {
            queue_.hold(*unnamed_, 1);
            queue_.put_back(node);
            return;
        }
        --job->served;
        job->waiting.push_front(node);
        queue_.put_back(*job);
    }

    /// Takes a waiting task out, wherever it stands.
    void erase(task_node& node) noexcept {
        job_record* job = node.job.get();
        if (!job) {
            queue_.erase(node);
            return;
        }
        job->waiting.erase(job->waiting.iterator_to(node));
        queue_.remove_units(*job, 1);
    }

    /// Takes all waiting tasks of a job out.
    void take_all(job_record& job, task_list& into) noexcept {
        if (!job.queued())
            return;
        queue_.erase(job);
        while (!job.waiting.empty()) {
            auto& node = job.waiting.front();
            job.waiting.pop_front();
            into.push_back(node);
        }
    }

    /// Takes everything out, in the order of service.
    void take_all(task_list& into) noexcept {
        while (queue_entry* entry = queue_.next()) {
            if (entry->composite()) {
                take_all(static_cast<job_record&>(*entry), into);
            } else {
                queue_.erase(*entry);
                into.push_back(*entry);
            }
        }
    }

    /// n tasks of the job that `next` gave have ended; they cost `overrun` units more than n.
    void left(job_record& job, std::uint32_t n, double overrun = 0) noexcept {
        if (!job.whom || n == 0)
            return;
        if (overrun != 0)
            queue_.correct(*job.whom, job.priority, overrun);
        queue_.release(*job.whom, n);
    }

    /// The tenant of a newcomer.
    tenant_ref tenant_of(const job_options& newcomer) { return tenants_.get(newcomer.tenant()); }

    const fair_queue& order() const noexcept { return queue_; }
    void newest_first(bool on) noexcept { queue_.newest_first(on); }
    bool newest_first() const noexcept { return queue_.newest_first(); }

    /// When the task that waits longest was admitted, in clock ticks, of those that were timed; 0
    /// where none is found. Looks at one task of each flow and order that is kept, and at others
    /// behind those that were not timed as long as `budget` lasts.
    std::int64_t oldest_stamp(std::size_t& budget) const {
        std::int64_t oldest = 0;
        queue_.look_at_fronts([&](const queue_entry& entry) {
            std::int64_t stamp = 0;
            const auto look = [&](const queue_entry& one) {
                stamp = static_cast<const task_node&>(one).stamp;
                if (stamp != 0 || budget == 0)
                    return true;
                --budget;
                return false;
            };
            bool enough = false;
            if (!entry.composite())
                enough = look(entry);
            else
                for (const queue_entry& one : static_cast<const job_record&>(entry).waiting)
                    if ((enough = look(one)))
                        break;
            if (stamp != 0 && (oldest == 0 || stamp < oldest))
                oldest = stamp;
            return enough;
        });
        return oldest;
    }

    /// Takes tasks out in favour of a newcomer of that many: of the tenant that holds most, the
    /// unstarted jobs that would be served last, if their submitters still wait; until `lacking`
    /// places are free. All or nothing.
    bool displace(const tenant& newcomer, std::size_t units, std::size_t lacking, task_list& out) {
        return queue_.displace(
            newcomer, static_cast<std::uint32_t>(units), static_cast<std::uint32_t>(lacking),
            [&](queue_entry& entry) noexcept {
                if (!entry.composite()) {
                    out.push_back(entry);
                    return;
                }
                auto& job = static_cast<job_record&>(entry);
                while (!job.waiting.empty()) {
                    auto& node = job.waiting.front();
                    job.waiting.pop_front();
                    out.push_back(node);
                }
            }
        );
    }

private:
    /// Finds the job's tenant when its first task comes.
    void join(job_record& job) {
        if (job.whom)
            return;
        job.whom = tenants_.get(job.tenant_name);
        if (job.weight != 0 && &*job.whom != &tenants_.overflow())
            queue_.reweigh(*job.whom, job.weight);
    }

    tenant_table tenants_;
    fair_queue queue_;
    tenant_ref unnamed_;
};

} // namespace corogate::detail
