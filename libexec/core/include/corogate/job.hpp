#pragma once

#include <corogate/detail/job_run.hpp>
#include <corogate/detail/pool_core.hpp>
#include <corogate/detail/typed_task.hpp>
#include <corogate/errc.hpp>
#include <corogate/refusal.hpp>
#include <corogate/take.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ranges>
#include <utility>
#include <vector>

namespace corogate {

/// A reservation: the right to run a number of tasks on a pool, admitted all or nothing.
///
/// Made by `task_pool::try_admit` or `async_admit`. While a job holds places, nobody else has them,
/// and its tasks are never refused, not even by a drain that began later. Places that no task came
/// for go back when the job is destroyed, or at its deadline; tasks already given run all the same.
///
/// Movable, not copyable. Distinct objects may be used from different threads, one object from one
/// thread at a time; `cancel` from any. A job may outlive its pool: its tasks then end with
/// `errc::stopped`.
class job {
public:
    /// An empty job: no pool, no places.
    job() noexcept = default;
    job(job&& other) noexcept = default;
    job& operator=(job&& other) noexcept {
        if (this != &other) {
            give_back();
            record_ = std::move(other.record_);
            core_ = std::move(other.core_);
        }
        return *this;
    }
    ~job() { give_back(); }

    /// The job's number, unique in its pool; 0 for an empty job.
    std::uint64_t id() const noexcept { return record_ ? record_->id : 0; }

    /// Places that no task has come for yet.
    std::size_t remaining() const noexcept {
        return record_ ? record_->places.load(std::memory_order_relaxed) : 0;
    }

    /// Runs one task, detached: its exception goes to the pool's error handler. Uses one place;
    /// throws `errc::job_exhausted` where none is left, `errc::cancelled` or `errc::expired` where
    /// the job has ended so, `errc::stopped` after the pool has stopped.
    template <typename F>
    void submit(F&& task);

    /// Runs every task of a range and completes when all have ended, with their results in order.
    ///
    /// Signature `void(std::exception_ptr, std::vector<T>)`, or `void(std::exception_ptr)` where
    /// the tasks return nothing. The tasks are moved from when the operation is initiated. The
    /// first exception is the operation's; the other tasks run to their end all the same. An empty
    /// range completes at once (by post). More tasks than places: `errc::job_exhausted`, and none
    /// runs. Cancelling the operation cancels tasks that wait and asks those that run. The job
    /// object may be destroyed while the operation is under way. Awaited in a task of the same pool
    /// it lends that task's permit.
    template <std::ranges::sized_range Tasks, typename Token>
    auto async_run(Tasks& tasks, Token&& token);

    /// Ends the job: tasks that wait complete with `errc::cancelled`, those that run are asked
    /// (terminal cancellation), places that no task came for go back. Takes effect on the control
    /// strand, soon; later calls have no effect.
    void cancel() {
        if (!record_)
            return;
        if (const detail::pool_user user(*core_); user)
            core_->cancel_job(record_);
    }

private:
    friend class task_pool;
    friend class lane;

    job(std::shared_ptr<detail::pool_core> core, detail::job_record_ptr record) noexcept
        : core_(std::move(core))
        , record_(std::move(record)) {}

    void give_back() noexcept {
        if (!record_)
            return;
        if (const detail::pool_user user(*core_); user)
            core_->release_job(*record_);
    }

    std::shared_ptr<detail::pool_core> core_;
    detail::job_record_ptr record_; // goes before its pool
};

// ------------------------------------------------------------------------------------------------

template <typename F>
void job::submit(F&& task) {
    if (!record_)
        throw boost::system::system_error(errc::job_exhausted);
    const detail::pool_user user(*core_);
    if (!user)
        throw boost::system::system_error(errc::stopped);
    using node = detail::typed_task<detail::callable_t<F>, detail::detached_sink>;
    detail::owned_node made(node::make(std::forward<F>(task), detail::detached_sink()));
    if (!core_->take_places(*record_, 1)) {
        const int over = record_->over.load(std::memory_order_relaxed);
        throw boost::system::system_error(
            over != 0 ? static_cast<errc>(over) : errc::job_exhausted
        );
    }
    made->job = record_;
    core_->sample(*made);
    core_->submit(made.release());
}

template <std::ranges::sized_range Tasks, typename Token>
auto job::async_run(Tasks& tasks, Token&& token) {
    using result = detail::task_result_t<std::ranges::range_value_t<Tasks>>;
    return boost::asio::async_initiate<
        Token, detail::task_signature_t<detail::job_result_t<result>>>(
        detail::initiate_job_run<result>(core_, record_), token, std::addressof(tasks)
    );
}

} // namespace corogate
