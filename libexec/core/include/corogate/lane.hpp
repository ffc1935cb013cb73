#pragma once

#include <corogate/task_pool.hpp>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>

namespace corogate {

/// How a lane is built. Setters can be chained; each checks its argument and throws
/// `std::invalid_argument` with a sentence.
class lane_options {
public:
    lane_options() noexcept {}

    /// How many of its tasks run at once. Default: 1.
    lane_options& limit(std::size_t n) {
        if (n < 1 || n > 0xfffffff)
            throw std::invalid_argument("a lane's limit is between 1 and 268435455");
        limit_ = n;
        return *this;
    }
    /// How many more may run while no other task of the pool waits for a permit. Default: none.
    lane_options& borrow(std::size_t n) {
        if (n > 0xfffffff)
            throw std::invalid_argument("a lane borrows at most 268435455 permits");
        borrow_ = n;
        return *this;
    }
    /// Places in its queue, in tasks. Default: 1024.
    lane_options& queue_tasks(std::size_t n) {
        if (n > 0xfffffff)
            throw std::invalid_argument("a lane's queue holds at most 268435455 tasks");
        queue_tasks_ = n;
        return *this;
    }
    lane_options& name(std::string label) noexcept {
        name_ = std::move(label);
        return *this;
    }

    std::size_t limit() const noexcept { return limit_; }
    std::size_t borrow() const noexcept { return borrow_; }
    std::size_t queue_tasks() const noexcept { return queue_tasks_; }
    const std::string& name() const noexcept { return name_; }

private:
    std::size_t limit_ = 1;
    std::size_t borrow_ = 0;
    std::size_t queue_tasks_ = 1024;
    std::string name_;
};

/// A part of a pool with a limit and a queue of its own under the pool's: for work that computes
/// beside work that waits.
///
///     corogate::task_pool pool{corogate::pool_options::io_bound()};
///     corogate::lane cpu{pool, corogate::lane_options{}.limit(4).name("cpu")};
///
/// A task of a lane holds a permit of the lane and one of the pool. Lanes and the pool's own tasks
/// take turns. A submission needs a place in both queues and is refused, with nothing taken, where
/// one is full; overflow policies of the pool do not apply. A task that waits for work of its own
/// pool lends both permits; so nested work through lanes does not deadlock either.
///
/// A pool with lanes decides on the control strand for every task (about three times as long).
///
/// Thread safety: shared objects are safe. Copies denote the same lane, which lives as long as its
/// pool; the pool outlives the use of its lanes.
class lane {
public:
    lane(task_pool& pool, const lane_options& options)
        : core_(pool.core_)
        , state_(&core_->add_lane(std::make_unique<detail::lane_state>(
              options.name(), options.limit(), options.borrow(), options.queue_tasks(),
              core_->options().tenants()
          ))) {}

    /// As `task_pool::async_submit`.
    template <typename F, typename Token>
    auto async_submit(F&& task, Token&& token) {
        return submit(std::forward<F>(task), {std::nullopt, state_}, std::forward<Token>(token));
    }
    template <typename F, typename Token>
    auto async_submit(F&& task, const job_options& who, Token&& token) {
        return submit(std::forward<F>(task), {who, state_}, std::forward<Token>(token));
    }

    /// As `task_pool::try_submit`.
    template <typename F>
    boost::system::result<void, refusal> try_submit(F&& task) {
        return detail::try_submit_through(core_, std::forward<F>(task), {std::nullopt, state_});
    }
    template <typename F>
    boost::system::result<void, refusal> try_submit(F&& task, const job_options& who) {
        return detail::try_submit_through(core_, std::forward<F>(task), {who, state_});
    }

    /// As `task_pool::try_admit`.
    boost::system::result<job, refusal>
    try_admit(std::size_t n, const job_options& who = job_options()) {
        detail::job_record_ptr record;
        if (auto no = detail::admit_through(*core_, n, {who, state_}, record))
            return *no;
        return job(core_, std::move(record));
    }

private:
    template <typename F, typename Token>
    auto submit(F&& task, detail::submission_path path, Token&& token) {
        using result = decltype(detail::submit_through(
            core_, std::declval<F>(), detail::submission_path(), std::declval<Token>()
        ));
        COROGATE_REQUIRE_NAMED_CLOSURE(F, result);
        return detail::submit_through(
            core_, std::forward<F>(task), std::move(path), std::forward<Token>(token)
        );
    }

    std::shared_ptr<detail::pool_core> core_;
    detail::lane_state* state_;
};

} // namespace corogate
