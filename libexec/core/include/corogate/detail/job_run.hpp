#pragma once

#include <atomic>
#include <boost/asio/system_executor.hpp>
#include <corogate/detail/cancellation.hpp>
#include <corogate/detail/pool_core.hpp>
#include <corogate/detail/typed_task.hpp>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace corogate::detail {

/// What the results of n tasks returning T come to.
template <typename T>
struct job_result {
    using type = std::vector<T>;
};
template <>
struct job_result<void> {
    using type = void;
};
template <typename T>
using job_result_t = typename job_result<T>::type;

/// Where the tasks of one `async_run` meet. Destroys itself when the last has ended.
template <typename T>
class job_run {
public:
    explicit job_run(std::size_t n)
        : left_(n)
        , results_(make_results(n))
        , count_(n) {}
    job_run(const job_run&) = delete;
    job_run& operator=(const job_run&) = delete;
    virtual ~job_run() = default;

    void ended(pool_core& core, std::size_t index, outcome<T>&& end) {
        if (end.error) {
            if (!failed_.exchange(true, std::memory_order_relaxed))
                error_ = std::move(end.error);
        } else if constexpr (!std::is_void_v<T>) {
            results_[index] = std::move(*end.value);
        }
        if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            complete(core);
    }

protected:
    virtual void complete(pool_core& core) = 0;

    outcome<job_result_t<T>> take_outcome() {
        outcome<job_result_t<T>> end;
        end.error = std::move(error_);
        if constexpr (!std::is_void_v<T>)
            if (!end.error)
                end.value.emplace(
                    std::make_move_iterator(results_.get()),
                    std::make_move_iterator(results_.get() + count_)
                );
        return end;
    }

private:
    struct nothing {};
    // An array, not a vector: neighbours in a vector<bool> share a byte, and tasks run in parallel.
    using storage = std::conditional_t<
        std::is_void_v<T>, nothing,
        std::unique_ptr<std::conditional_t<std::is_void_v<T>, nothing, T>[]>>;

    static storage make_results(std::size_t n) {
        if constexpr (std::is_void_v<T>)
            return {};
        else
            return std::make_unique<T[]>(n);
    }

    std::atomic<std::size_t> left_;
    std::atomic<bool> failed_{false};
    std::exception_ptr error_;
    storage results_;
    std::size_t count_;
};

template <typename T, typename Handler>
class job_run_for final : public job_run<T> {
public:
    job_run_for(std::size_t n, handler_sink<Handler, job_result_t<T>> sink)
        : job_run<T>(n)
        , sink_(std::move(sink)) {}

private:
    void complete(pool_core& core) override {
        auto sink = std::move(sink_);
        auto end = this->take_outcome();
        delete this;
        sink.deliver(core, std::move(end));
    }

    handler_sink<Handler, job_result_t<T>> sink_;
};

/// The end of one task of a run.
template <typename T>
struct run_sink {
    job_run<T>* run;
    std::size_t index;

    void deliver(pool_core& core, outcome<T>&& end) { run->ended(core, index, std::move(end)); }
};

/// Keeps the pool's executor alive for the length of one call of a job.
class pool_user {
public:
    explicit pool_user(pool_core& core) noexcept
        : core_(core.enter() ? &core : nullptr) {}
    pool_user(const pool_user&) = delete;
    pool_user& operator=(const pool_user&) = delete;
    ~pool_user() {
        if (core_)
            core_->leave();
    }
    explicit operator bool() const noexcept { return core_ != nullptr; }

private:
    pool_core* core_;
};

/// Starts `job::async_run`. Takes what it needs from the job at initiation.
template <typename T>
class initiate_job_run {
public:
    using executor_type = pool_core::pool_executor;

    explicit initiate_job_run(std::shared_ptr<pool_core> core)
        : core_(std::move(core)) {}

    executor_type get_executor() const noexcept { return core_->executor(); }

    template <typename Handler, typename Tasks>
    void operator()(Handler&& handler, Tasks* tasks, std::size_t* places) const {
        using handler_type = std::decay_t<Handler>;
        using node = typed_task<std::ranges::range_value_t<Tasks>, run_sink<T>>;
        std::optional<pool_user> user;
        if (core_)
            user.emplace(*core_);
        if (!core_ || !*user) { // no executor of ours to complete on
            outcome<job_result_t<T>> end;
            end.error = prebuilt_exception(core_ ? errc::stopped : errc::job_exhausted);
            completion<handler_type, asio::system_executor> late(
                std::forward<Handler>(handler), asio::system_executor()
            );
            if constexpr (std::is_void_v<T>)
                late.post(std::move(end.error));
            else
                late.post(std::move(end.error), job_result_t<T>());
            return;
        }
        const auto slot = asio::get_associated_cancellation_slot(handler);
        handler_sink<handler_type, job_result_t<T>> sink(std::forward<Handler>(handler), *core_);
        const auto n = std::ranges::size(*tasks);
        if (n > *places) {
            outcome<job_result_t<T>> end;
            end.error = prebuilt_exception(errc::job_exhausted);
            sink.deliver(*core_, std::move(end));
            return;
        }
        if (n == 0) {
            outcome<job_result_t<T>> end;
            if constexpr (!std::is_void_v<T>)
                end.value.emplace();
            sink.deliver(*core_, std::move(end));
            return;
        }
        auto run = std::make_unique<job_run_for<T, handler_type>>(n, std::move(sink));
        chain nodes;
        std::vector<cancel_link_ptr> links;
        std::size_t index = 0;
        for (auto& task : *tasks) {
            auto* made = new node(std::move(task), run_sink<T>{run.get(), index++});
            nodes.push(made);
            if (slot.is_connected())
                made->link = links.emplace_back(new cancel_link);
        }
        if (slot.is_connected())
            cancel_through(slot, core_, std::move(links));
        *places -= n;
        run.release(); // the last task destroys it
        auto [newest, oldest] = nodes.release();
        core_->submit(newest, oldest);
        core_->job_places(-static_cast<std::ptrdiff_t>(n));
    }

private:
    /// Nodes linked newest to oldest; destroyed where making the next one threw.
    struct chain {
        chain() = default;
        chain(const chain&) = delete;
        chain& operator=(const chain&) = delete;
        ~chain() {
            while (newest) {
                task_node* next = newest->next;
                delete newest;
                newest = next;
            }
        }
        void push(task_node* node) noexcept {
            node->next = newest;
            newest = node;
            if (!oldest)
                oldest = node;
        }
        std::pair<task_node*, task_node*> release() noexcept {
            return {std::exchange(newest, nullptr), oldest};
        }
        task_node* newest = nullptr;
        task_node* oldest = nullptr;
    };

    std::shared_ptr<pool_core> core_;
};

} // namespace corogate::detail
