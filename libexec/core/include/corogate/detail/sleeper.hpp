#pragma once

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/error.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <corogate/detail/agenda.hpp>
#include <corogate/detail/completion.hpp>
#include <corogate/detail/pool_core.hpp>
#include <memory>
#include <optional>
#include <utility>

namespace corogate::detail {

/// One `async_sleep`. Shared by the agenda and the caller's cancellation slot.
class sleeper : public agenda_item,
                public boost::intrusive_ref_counter<sleeper, boost::thread_safe_counter> {
public:
    ~sleeper() override = default;
    /// Completes by post, once.
    virtual void complete(boost::system::error_code ec) = 0;

    // Control strand only.
    bool over = false;
    boost::intrusive_ptr<sleeper> planned_by_agenda;

    void end(boost::system::error_code ec) {
        if (std::exchange(over, true))
            return;
        forget();
        const auto keep = std::move(planned_by_agenda);
        complete(ec);
    }

private:
    void due(time_point) override { end({}); }
    void dropped() override { end(asio::error::operation_aborted); }
};

template <typename Handler>
class sleeper_for final : public sleeper {
public:
    sleeper_for(Handler handler, pool_core& core)
        : completion_(
              std::in_place, std::move(handler), core.executor(), &core.completions_pending()
          ) {}

    void complete(boost::system::error_code ec) override {
        auto completion = std::move(*completion_);
        completion_.reset(); // the cancellation slot may keep this object, but not the handler
        completion.post(ec);
    }

private:
    std::optional<completion<Handler, pool_executor>> completion_;
};

class initiate_sleep {
public:
    using executor_type = pool_executor;

    explicit initiate_sleep(std::shared_ptr<pool_core> core) noexcept
        : core_(std::move(core)) {}

    executor_type get_executor() const noexcept { return core_->executor(); }

    template <typename Handler>
    void operator()(Handler&& handler, std::chrono::nanoseconds time) const {
        auto slot = asio::get_associated_cancellation_slot(handler);
        const boost::intrusive_ptr<sleeper> sleeps(
            new sleeper_for<std::decay_t<Handler>>(std::forward<Handler>(handler), *core_)
        );
        if (slot.is_connected())
            slot.assign([weak = std::weak_ptr<pool_core>(core_),
                         sleeps](asio::cancellation_type type) {
                if (type == asio::cancellation_type::none)
                    return;
                if (const auto core = weak.lock(); core && core->enter()) {
                    core->on_agenda([sleeps](pool_core&) {
                        sleeps->end(asio::error::operation_aborted);
                    });
                    core->leave();
                }
            });
        core_->on_agenda([sleeps, until = pool_clock::later(core_->now(), time)](pool_core& core) {
            if (sleeps->over || core.stopped()) {
                sleeps->end(asio::error::operation_aborted);
                return;
            }
            sleeps->planned_by_agenda = sleeps;
            core.plans().plan(*sleeps, until);
        });
    }

private:
    std::shared_ptr<pool_core> core_;
};

} // namespace corogate::detail
