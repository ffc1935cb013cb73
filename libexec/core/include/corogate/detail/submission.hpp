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
    explicit waiting_task(cancel_link_ptr slot_link) noexcept
        : admission_waiter(1) {
        link = std::move(slot_link);
    }
    void admitted(pool_core& core) override { core.submit_from_door(task); }
    void refused(pool_core& core, errc why) override { task->drop(core, why); }

    task_node* task = nullptr;
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
        const auto slot = asio::get_associated_cancellation_slot(handler);
        auto sink = make_sink<result>(std::forward<Handler>(handler));
        using sink_type = decltype(sink);
        const auto no = core_->reserve(1);
        const bool waits =
            no && *no == errc::queue_full && core_->options().overflow() == overflow_policy::wait;
        if (no && !waits) {
            core_->count_refused(1);
            refuse<result>(std::move(sink), prebuilt_exception(*no));
            return;
        }
        std::optional<place_guard> place;
        if (!no)
            place.emplace(*core_);
        std::unique_ptr<task_node> node;
        std::unique_ptr<waiting_task> waiter;
        try {
            cancel_link_ptr link;
            if (slot.is_connected()) {
                link.reset(new cancel_link);
                cancel_through(slot, core_, link);
            }
            if (waits)
                waiter = std::make_unique<waiting_task>(link);
            node = std::make_unique<typed_task<callable, sink_type>>(
                std::forward<F>(task), std::move(sink)
            );
            node->link = std::move(link);
        } catch (...) { // the callable could not be moved in: an error like the task's own
            place.reset();
            refuse<result>(std::move(sink), std::current_exception());
            return;
        }
        if (waits) {
            waiter->task = node.release();
            core_->wait_at_door(std::move(waiter));
        } else {
            place->used();
            core_->submit(node.release());
        }
    }

private:
    template <typename T, typename Handler>
    auto make_sink(Handler&& handler) const {
        if constexpr (std::is_same_v<std::decay_t<Handler>, detached_handler>)
            return detached_sink();
        else
            return handler_sink<std::decay_t<Handler>, T>(std::forward<Handler>(handler), *core_);
    }

    template <typename T, typename Sink>
    void refuse(Sink&& sink, const std::exception_ptr& why) const {
        if constexpr (std::is_same_v<std::decay_t<Sink>, detached_sink>) {
            // The error handler is the user's: not on the submitter's stack.
            asio::post(core_->executor(), [core = core_.get(), why] {
                core->errors().report(why);
            });
        } else {
            outcome<T> end;
            end.error = why;
            sink.deliver(*core_, std::move(end));
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
