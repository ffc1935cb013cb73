#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <corogate/environment.hpp>
#include <functional>
#include <memory>
#include <utility>

namespace corogate::detail {

/// The time of a pool and its one alarm: the machine's, or an environment's.
class pool_clock {
public:
    using time_point = environment::clock::time_point;

    /// A moment so far away that it cannot be told is the last one.
    static time_point later(time_point from, std::chrono::nanoseconds by) noexcept {
        return by < time_point::max() - from ? from + by : time_point::max();
    }

    /// `ring` is called on a control thread, or where the environment runs things. `control` is
    /// stopped and joined before this object goes.
    pool_clock(environment* from, boost::asio::thread_pool* control, std::function<void()> ring)
        : environment_(from)
        , alarm_(
              from ? from->make_alarm(std::move(ring))
                   : std::make_unique<timer_alarm>(*control, std::move(ring))
          ) {}

    time_point now() const noexcept {
        return environment_ ? environment_->now() : environment::clock::now();
    }

    /// Not thread-safe: control strand only.
    void wake_at(time_point when) { alarm_->set(when); }
    void close() noexcept { alarm_.reset(); }

private:
    class timer_alarm final : public environment::alarm {
    public:
        timer_alarm(boost::asio::thread_pool& control, std::function<void()> ring)
            : timer_(control)
            , ring_(std::move(ring)) {}
        void set(time_point when) override {
            timer_.expires_at(when);
            timer_.async_wait([this](boost::system::error_code ec) {
                if (!ec)
                    ring_();
            });
        }

    private:
        boost::asio::steady_timer timer_;
        std::function<void()> ring_;
    };

    environment* environment_;
    std::unique_ptr<environment::alarm> alarm_;
};

} // namespace corogate::detail
