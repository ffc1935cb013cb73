#pragma once

// The two workloads of a semaphore with waiters, for corogate's and for those of the peers.

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <stdexcept>

#include "measure.hpp"

namespace bench {

/// `waiters` coroutines take a permit and give it back, again and again, `tasks` times together.
/// `take(left, n)` makes the coroutine of one that does so n times.
template <typename Take>
void hand_over(const arguments& given, boost::asio::thread_pool& threads, Take take) {
    const auto waiters = given.number("waiters", 2000);
    in_batches(given, [&](countdown& left, std::size_t n) {
        for (std::size_t i = 0; i < waiters; ++i)
            boost::asio::co_spawn(
                threads, take(left, n / waiters + (i < n % waiters ? 1 : 0)), boost::asio::detached
            );
    });
    threads.join(); // the last coroutines have ended
}

/// Of `waiting` operations `cancel` are cancelled, spread evenly over the queue, and their handlers
/// run; time is that of one such cancellation. One thread. `wait(handler)` starts one operation.
template <typename Wait>
void cancel_some(const arguments& given, boost::asio::io_context& context, Wait wait) {
    const auto waiting = given.number("waiting", 16'000);
    const auto some = std::min(given.number("cancel", 1'000), waiting);
    std::size_t ended = 0;
    std::deque<boost::asio::cancellation_signal> signals(waiting);
    for (auto& signal : signals)
        wait(boost::asio::bind_cancellation_slot(
            signal.slot(),
            [&ended](boost::system::error_code ec, auto&&...) { ended += ec ? 1 : 0; }
        ));
    context.poll();
    context.restart();
    stopwatch watch;
    watch.start();
    for (std::size_t i = 0; i < some; ++i)
        signals[i * (waiting / some)].emit(boost::asio::cancellation_type::terminal);
    context.poll();
    watch.stop();
    if (ended != some)
        throw std::logic_error("not every cancelled waiter was told, or others were");
    watch.report_per(some);
}

} // namespace bench
