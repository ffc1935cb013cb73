#pragma once

#include <corogate/detail/job_run.hpp>
#include <corogate/detail/pool_core.hpp>
#include <corogate/detail/typed_task.hpp>
#include <corogate/errc.hpp>
#include <corogate/refusal.hpp>
#include <corogate/take.hpp>
#include <cstddef>
#include <memory>
#include <ranges>
#include <utility>
#include <vector>

namespace corogate {

class task_pool;

/// A reservation: the right to run a number of tasks on a pool, admitted all or nothing.
///
/// Made by `task_pool::try_admit` or `async_admit`. While a job holds places, nobody else has them,
/// and its tasks are never refused, not even by a drain that began later. Places that no task came
/// for go back when the job is destroyed; tasks already given run all the same.
///
/// Movable, not copyable. Distinct objects may be used from different threads, one object from one
/// thread at a time. A job may outlive its pool: its tasks then end with `errc::stopped`.
class job {
public:
    /// An empty job: no pool, no places.
    job() noexcept = default;
    job(job&& other) noexcept
        : core_(std::move(other.core_))
        , places_(std::exchange(other.places_, 0)) {}
    job& operator=(job&& other) noexcept {
        if (this != &other) {
            give_back();
            core_ = std::move(other.core_);
            places_ = std::exchange(other.places_, 0);
        }
        return *this;
    }
    ~job() { give_back(); }

    /// Places that no task has come for yet.
    std::size_t remaining() const noexcept { return places_; }

    /// Runs one task, detached: its exception goes to the pool's error handler. Uses one place;
    /// throws `errc::job_exhausted` where none is left, `errc::stopped` after the pool has stopped.
    template <typename F>
    void submit(F&& task);

    /// Runs every task of a range and completes when all have ended, with their results in order.
    ///
    /// Signature `void(std::exception_ptr, std::vector<T>)`, or `void(std::exception_ptr)` where
    /// the tasks return nothing. The tasks are moved from when the operation is initiated. The
    /// first exception is the operation's; the other tasks run to their end all the same. An empty
    /// range completes at once (by post). More tasks than places: `errc::job_exhausted`, and none
    /// runs. Cancelling the operation cancels tasks that wait and asks those that run. The job
    /// object may be destroyed while the operation is under way.
    template <std::ranges::sized_range Tasks, typename Token>
    auto async_run(Tasks& tasks, Token&& token);

private:
    friend class task_pool;

    job(std::shared_ptr<detail::pool_core> core, std::size_t places) noexcept
        : core_(std::move(core))
        , places_(places) {
        core_->job_places(static_cast<std::ptrdiff_t>(places));
    }

    void give_back() noexcept {
        if (!core_)
            return;
        core_->job_places(-static_cast<std::ptrdiff_t>(places_));
        core_->release_unused(std::exchange(places_, 0));
    }

    std::shared_ptr<detail::pool_core> core_;
    std::size_t places_ = 0;
};

// ------------------------------------------------------------------------------------------------

template <typename F>
void job::submit(F&& task) {
    if (places_ == 0)
        throw boost::system::system_error(errc::job_exhausted);
    const detail::pool_user user(*core_);
    if (!user)
        throw boost::system::system_error(errc::stopped);
    using node = detail::typed_task<detail::callable_t<F>, detail::detached_sink>;
    auto* made = new node(std::forward<F>(task), detail::detached_sink());
    --places_;
    core_->submit(made);
    core_->job_places(-1);
}

template <std::ranges::sized_range Tasks, typename Token>
auto job::async_run(Tasks& tasks, Token&& token) {
    using result = detail::task_result_t<std::ranges::range_value_t<Tasks>>;
    return boost::asio::async_initiate<
        Token, detail::task_signature_t<detail::job_result_t<result>>>(
        detail::initiate_job_run<result>(core_), token, std::addressof(tasks), &places_
    );
}

} // namespace corogate
