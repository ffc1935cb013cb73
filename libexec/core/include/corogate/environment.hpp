#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>

namespace corogate {

/// What a pool runs on where it does not own its threads: an executor, a clock, alarms, and a way
/// to wait. `corogate::testing::environment` is one whose time and schedule the test decides.
///
/// Thread safety: all members may be called from any thread that the executor runs work on, and
/// from those that use the pool. An environment outlives the pools that use it.
class environment {
public:
    using clock = std::chrono::steady_clock;

    /// One moment at which something must be looked at. Destroying it cancels it: once the
    /// destructor has returned, `ring` is neither running nor called again.
    class alarm {
    public:
        alarm() = default;
        alarm(const alarm&) = delete;
        alarm& operator=(const alarm&) = delete;
        virtual ~alarm() = default;

        /// Rings once, at `when` or as soon as possible after it. Replaces an earlier moment.
        virtual void set(clock::time_point when) = 0;
    };

    environment() = default;
    environment(const environment&) = delete;
    environment& operator=(const environment&) = delete;
    virtual ~environment() = default;

    virtual boost::asio::any_io_executor get_executor() = 0;
    virtual clock::time_point now() const noexcept = 0;

    /// `ring` is called on a thread of the environment, never by `set` itself.
    virtual std::unique_ptr<alarm> make_alarm(std::function<void()> ring) = 0;

    /// Returns when `done` answers true. Where one thread does everything, does the work itself.
    /// `done` is cheap and may be called often.
    virtual void wait_until(const std::function<bool()>& done) = 0;
};

} // namespace corogate
