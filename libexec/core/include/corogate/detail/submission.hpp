#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/detached.hpp>
#include <chrono>
#include <corogate/detail/admission_waiter.hpp>
#include <corogate/detail/cancellation.hpp>
#include <corogate/detail/completion.hpp>
#include <corogate/detail/pool_core.hpp>
#include <corogate/detail/typed_task.hpp>
#include <corogate/errc.hpp>
#include <corogate/refusal.hpp>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace corogate::detail {

/// A reserved place that goes back unless a task takes it.
class place_guard {
public:
    explicit place_guard(pool_core& core) noexcept
        : core_(&core) {}
    place_guard(const place_guard&) = delete;
    place_guard& operator=(const place_guard&) = delete;
    ~place_guard() {
        if (core_)
            core_->release_unused(1);
    }
    void used() noexcept { core_ = nullptr; }

private:
    pool_core* core_;
};

/// A task whose submitter waits at the door.
class waiting_task final : public admission_waiter {
public:
    explicit waiting_task(task_node* task) noexcept
        : admission_waiter(1)
        , task_(task) {
        link = task->link;
    }
    void admitted(pool_core& core) override { core.submit_from_door(task_); }
    void refused(pool_core& core, errc why) override { task_->drop(core, why); }

private:
    task_node* task_;
};

/// The handler type that `asio::detached` makes.
using detached_handler =
    typename asio::async_result<asio::detached_t, void()>::completion_handler_type;

class initiate_submit {
public:
    using executor_type = pool_core::pool_executor;

    explicit initiate_submit(std::shared_ptr<pool_core> core) noexcept
        : core_(std::move(core)) {}

    executor_type get_executor() const noexcept { return core_->executor(); }

    template <typename Handler, typename F>
    void operator()(Handler&& handler, F&& task) const {
        using callable = callable_t<F>;
        using result = task_result_t<callable>;
        using handler_type = std::decay_t<Handler>;
        if constexpr (std::is_same_v<handler_type, detached_handler>) {
            start(
                new typed_task<callable, detached_sink>(std::forward<F>(task), detached_sink()),
                core_->reserve(1)
            );
        } else {
            using sink = handler_sink<handler_type, result>;
            const auto slot = asio::get_associated_cancellation_slot(handler);
            const auto no = core_->reserve(1);
            auto* node = new typed_task<callable, sink>(
                std::forward<F>(task), sink(std::forward<Handler>(handler), *core_)
            );
            if (slot.is_connected()) {
                node->link = new cancel_link;
                cancel_through(slot, core_, node->link);
            }
            start(node, no);
        }
    }

private:
    void start(task_node* node, std::optional<errc> no) const {
        if (!no) {
            core_->submit(node);
        } else if (*no == errc::queue_full &&
                   core_->options().overflow() == overflow_policy::wait) {
            core_->wait_at_door(std::make_unique<waiting_task>(node));
        } else {
            core_->count_refused(1);
            node->drop(*core_, *no);
        }
    }

    std::shared_ptr<pool_core> core_;
};

/// Completes `async_admit` when its places are reserved.
template <typename Answer, typename Grant, typename Handler>
class waiting_admission final : public admission_waiter {
public:
    waiting_admission(std::size_t n, Handler handler, std::shared_ptr<pool_core> core, Grant grant)
        : admission_waiter(n)
        , completion_(std::move(handler), core->executor())
        , core_(std::move(core))
        , grant_(grant) {}

    void admitted(pool_core&) override { completion_.post(grant_(core_, places)); }
    void refused(pool_core& core, errc why) override {
        completion_.post(Answer(core.make_refusal(why)));
    }

private:
    completion<Handler, pool_core::pool_executor> completion_;
    std::shared_ptr<pool_core> core_;
    Grant grant_;
};

template <typename Answer, typename Grant>
class initiate_admit {
public:
    using executor_type = pool_core::pool_executor;

    initiate_admit(std::shared_ptr<pool_core> core, Grant grant) noexcept
        : core_(std::move(core))
        , grant_(grant) {}

    executor_type get_executor() const noexcept { return core_->executor(); }

    template <typename Handler>
    void operator()(Handler&& handler, std::size_t n) const {
        const auto slot = asio::get_associated_cancellation_slot(handler);
        auto waiter = std::make_unique<waiting_admission<Answer, Grant, std::decay_t<Handler>>>(
            n, std::forward<Handler>(handler), core_, grant_
        );
        const auto no = core_->reserve(n);
        if (!no) {
            waiter->admitted(*core_);
        } else if (*no == errc::queue_full &&
                   core_->options().overflow() == overflow_policy::wait) {
            if (slot.is_connected()) {
                waiter->link = new cancel_link;
                cancel_through(slot, core_, waiter->link);
            }
            core_->wait_at_door(std::move(waiter));
        } else {
            core_->count_refused(n);
            waiter->refused(*core_, *no);
        }
    }

private:
    std::shared_ptr<pool_core> core_;
    Grant grant_;
};

template <typename Handler>
class waiting_drain final : public drain_waiter {
public:
    waiting_drain(Handler handler, pool_core& core)
        : completion_(std::move(handler), core.executor()) {}

    void complete(boost::system::error_code ec, const drain_report& report) override {
        completion_.post(ec, report);
    }

private:
    completion<Handler, pool_core::pool_executor> completion_;
};

class initiate_drain {
public:
    using executor_type = pool_core::pool_executor;

    explicit initiate_drain(std::shared_ptr<pool_core> core) noexcept
        : core_(std::move(core)) {}

    executor_type get_executor() const noexcept { return core_->executor(); }

    template <typename Handler>
    void operator()(Handler&& handler, std::chrono::nanoseconds timeout) const {
        const asio::any_io_executor caller =
            asio::get_associated_executor(handler, core_->executor());
        core_->start_drain(
            std::make_unique<waiting_drain<std::decay_t<Handler>>>(
                std::forward<Handler>(handler), *core_
            ),
            timeout, caller
        );
    }

private:
    std::shared_ptr<pool_core> core_;
};

} // namespace corogate::detail
