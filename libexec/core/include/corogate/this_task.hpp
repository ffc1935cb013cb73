#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <corogate/detail/pool_core.hpp>
#include <corogate/detail/sleeper.hpp>
#include <corogate/errc.hpp>
#include <corogate/priority_class.hpp>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace corogate {

/// What a task may know of itself. Got by `co_await corogate::this_task()`.
///
/// A value; refers to the task by runner and generation. Used on the task's own strand, while its
/// pool exists. After the task has ended `running` is false and what acts on it throws
/// `errc::no_task`.
class task_context {
public:
    task_context() noexcept = default;

    /// Whether the task it was got from still runs.
    bool running() const noexcept {
        return executor_ && executor_->who() == runner_ && runner_->generation() == generation_;
    }

    /// The number of its job, unique in the pool.
    std::uint64_t job() const noexcept { return id_; }
    std::string_view tenant() const noexcept {
        return job_ ? std::string_view(job_->tenant_name) : std::string_view();
    }
    std::string_view name() const noexcept {
        return job_ ? std::string_view(job_->name) : std::string_view();
    }
    priority_class priority() const noexcept {
        return job_ ? job_->priority : priority_class::normal;
    }

    /// What is left of the job's deadline, zero where it has passed; nothing where it has none.
    std::optional<std::chrono::nanoseconds> deadline_left() const {
        if (!job_ || job_->deadline == detail::job_record::never)
            return std::nullopt;
        const auto left = job_->deadline - core().now();
        return std::max(left, std::chrono::steady_clock::duration::zero());
    }

    /// Whether the task's job was cancelled or its deadline has passed. (What the submitter's slot
    /// asked for is in `asio::this_coro::cancellation_state`, as in any coroutine.)
    bool cancelled() const noexcept {
        return job_ && job_->over.load(std::memory_order_relaxed) != 0;
    }

    /// An operation that lets other work of the pool's threads have a turn: `co_await
    /// here.yield()`. The task keeps its permit.
    auto yield() const {
        check();
        return boost::asio::post(runner_->strand, boost::asio::deferred);
    }

    /// An operation that completes after a time, by the pool's clock: `co_await here.sleep(10ms)`.
    /// Signature `void(boost::system::error_code)`. The task keeps its permit.
    auto sleep(std::chrono::nanoseconds time) const {
        check();
        return boost::asio::async_initiate<
            const boost::asio::deferred_t&, void(boost::system::error_code)>(
            initiate{this->runner_}, boost::asio::deferred, time
        );
    }

private:
    friend class this_task_t;
    friend class task_group;

    struct initiate {
        detail::runner* of;
        template <typename Handler>
        void operator()(Handler&& handler, std::chrono::nanoseconds time) const {
            detail::initiate_sleep(of->core.shared_from_this())(
                std::forward<Handler>(handler), time
            );
        }
    };

    explicit task_context(detail::runner& r)
        : runner_(&r)
        , executor_(r.strand)
        , generation_(r.generation())
        , job_(r.job.load(std::memory_order_relaxed)) {
        if (job_)
            id_ = job_->id;
        else
            id_ = r.number != 0 ? r.number : (r.number = r.core.number_job());
    }

    detail::pool_core& core() const {
        check();
        return runner_->core;
    }
    void check() const {
        if (!running())
            throw boost::system::system_error(errc::no_task);
    }

    detail::runner* runner_ = nullptr;
    std::optional<detail::pool_executor> executor_;
    std::uint64_t generation_ = 0;
    std::uint64_t id_ = 0;
    detail::job_record_ptr job_;
};

/// The operation behind `this_task()`. `co_await corogate::this_task()` gives the task_context of
/// the task that runs here; throws `errc::no_task` outside a task of a pool. A coroutine that a
/// task has spawned on its own executor gets the context of that task while it runs, then that of
/// none.
class this_task_t {
public:
    template <
        boost::asio::completion_token_for<void(boost::system::error_code, task_context)> Token>
    auto operator()(Token&& token) const {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, task_context)>(
            [](auto handler) {
                task_context here;
                boost::system::error_code ec;
                if (!find(handler, here))
                    ec = errc::no_task;
                answer(std::move(handler), ec, std::move(here));
            },
            token
        );
    }

private:
    template <typename Handler>
    static bool find(const Handler& handler, task_context& here) {
        const boost::asio::any_io_executor executor =
            boost::asio::get_associated_executor(handler, boost::asio::any_io_executor());
        const auto* ours = executor.target<detail::pool_executor>();
        detail::runner* r = ours ? ours->who() : nullptr;
        if (!r || r->generation() == 0)
            return false;
        here = task_context(*r);
        return true;
    }

    /// A coroutine is continued here and now, as by any awaitable that is ready; a few deep, so
    /// that a loop does not use up the stack.
    template <typename Handler>
    static void answer(Handler handler, boost::system::error_code ec, task_context here) {
        static thread_local int depth = 0;
        if (depth >= 8) {
            const auto executor = boost::asio::get_associated_executor(handler);
            boost::asio::post(
                executor, boost::asio::append(std::move(handler), ec, std::move(here))
            );
            return;
        }
        struct deeper {
            deeper() noexcept { ++depth; }
            ~deeper() { --depth; }
        } const counted;
        std::move(handler)(ec, std::move(here));
    }
};

/// The task that runs here. (A call, not an object: `co_await` of Asio 1.81 takes operations only
/// as temporaries.)
inline this_task_t this_task() noexcept { return {}; }

} // namespace corogate
