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

template <typename T, typename Sink>
class job_run_for final : public job_run<T> {
public:
    job_run_for(std::size_t n, Sink sink)
        : job_run<T>(n)
        , sink_(std::move(sink)) {}

private:
    void complete(pool_core& core) override {
        auto sink = std::move(sink_);
        auto end = this->take_outcome();
        delete this;
        sink.deliver(core, std::move(end));
    }

    Sink sink_;
};

/// The end of one task of a run.
template <typename T>
struct run_sink {
    static constexpr bool waited_for = true;
    job_run<T>* run;
    std::size_t index;

    std::allocator<void> get_allocator() const noexcept { return {}; }
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

/// Nodes linked newest to oldest; destroyed where making the next one threw.
class node_chain {
public:
    node_chain() = default;
    node_chain(const node_chain&) = delete;
    node_chain& operator=(const node_chain&) = delete;
    ~node_chain() {
        while (newest_) {
            task_node* next = newest_->next;
            newest_->discard();
            newest_ = next;
        }
    }
    void push(task_node* node) noexcept {
        node->next = newest_;
        newest_ = node;
        if (!oldest_)
            oldest_ = node;
    }
    std::pair<task_node*, task_node*> release() noexcept {
        return {std::exchange(newest_, nullptr), oldest_};
    }

private:
    task_node* newest_ = nullptr;
    task_node* oldest_ = nullptr;
};

/// Starts `job::async_run`. Takes what it needs from the job at initiation.
template <typename T>
class initiate_job_run {
public:
    using executor_type = pool_executor;

    initiate_job_run(std::shared_ptr<pool_core> core, job_record_ptr job)
        : core_(std::move(core))
        , job_(std::move(job)) {}

    executor_type get_executor() const noexcept { return core_->executor(); }

    template <typename Handler, typename Tasks>
    void operator()(Handler&& handler, Tasks* tasks) const {
        using handler_type = std::decay_t<Handler>;
        std::optional<pool_user> user;
        if (core_)
            user.emplace(*core_);
        if (!core_ || !*user) { // no executor of ours to complete on
            auto end = failed(core_ ? errc::stopped : errc::job_exhausted);
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
        runner* const parent = core_->waiting_task(handler);
        const auto n = std::ranges::size(*tasks);
        const auto no = refused(n);
        if (no || n == 0) {
            handler_sink<handler_type, job_result_t<T>> sink(
                std::forward<Handler>(handler), *core_
            );
            outcome<job_result_t<T>> end;
            if (no)
                end.error = prebuilt_exception(*no);
            else if constexpr (!std::is_void_v<T>)
                end.value.emplace();
            sink.deliver(*core_, std::move(end));
            return;
        }
        if (parent) {
            using ticket_type = ticket_for<handler_type, job_result_t<T>>;
            auto ticket =
                std::make_unique<ticket_type>(*parent, std::forward<Handler>(handler), *core_);
            start(
                slot, *tasks, n, ticket_sink<handler_type, job_result_t<T>>{ticket.get()},
                [&](task_node* newest, task_node* oldest) {
                    core_->submit_nested(newest, oldest, ticket.release());
                },
                job_->lane == nullptr
            );
        } else {
            start(
                slot, *tasks, n,
                handler_sink<handler_type, job_result_t<T>>(std::forward<Handler>(handler), *core_),
                [&](task_node* newest, task_node* oldest) { core_->submit(newest, oldest); }, false
            );
        }
    }

private:
    std::optional<errc> refused(std::size_t n) const noexcept {
        if (const int over = job_->over.load(std::memory_order_relaxed))
            return static_cast<errc>(over);
        if (n > job_->places.load(std::memory_order_relaxed))
            return errc::job_exhausted;
        return std::nullopt;
    }

    static outcome<job_result_t<T>> failed(errc why) {
        outcome<job_result_t<T>> end;
        end.error = prebuilt_exception(why);
        return end;
    }

    template <typename Slot, typename Tasks, typename Sink, typename Go>
    void start(Slot slot, Tasks& tasks, std::size_t n, Sink sink, Go go, bool nested) const {
        using node = typed_task<std::ranges::range_value_t<Tasks>, run_sink<T>>;
        auto run = std::make_unique<job_run_for<T, Sink>>(n, std::move(sink));
        node_chain nodes;
        std::vector<cancel_link_ptr> links;
        if (slot.is_connected())
            links.reserve(n);
        std::size_t index = 0;
        for (auto& task : tasks) {
            auto* made = node::make(std::move(task), run_sink<T>{run.get(), index++});
            nodes.push(made);
            made->job = job_;
            made->nested = nested;
            core_->sample(*made);
            if (slot.is_connected())
                made->link = links.emplace_back(cancel_link_ptr(new cancel_link));
        }
        if (slot.is_connected())
            cancel_through(slot, core_, std::move(links));
        const bool had = core_->take_places(*job_, n);
        run.release(); // the last task destroys it
        auto [newest, oldest] = nodes.release();
        if (!had) { // the job has ended meanwhile, and with it its places
            const int over = job_->over.load(std::memory_order_relaxed);
            core_->force(n);
            if (job_->lane)
                job_->lane->doors.force(n);
            static_cast<void>(over); // the strand tells each task so
        }
        go(newest, oldest);
    }

    std::shared_ptr<pool_core> core_;
    job_record_ptr job_;
};

} // namespace corogate::detail
