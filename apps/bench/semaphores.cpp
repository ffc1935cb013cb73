// corogate's rows of the table: the semaphore.

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <corogate/semaphore.hpp>
#include <deque>

#include "hand_over.hpp"
#include "measure.hpp"

namespace asio = boost::asio;
using bench::arguments;

namespace {

void uncontended(const arguments& given) {
    const auto rounds = given.number("rounds", 10'000'000);
    asio::io_context context;
    corogate::semaphore one(context, 4);
    std::size_t taken = 0;
    bench::stopwatch watch;
    watch.start();
    for (std::size_t i = 0; i < rounds; ++i) {
        const corogate::permit permit = one.try_acquire();
        taken += permit ? 1 : 0;
    }
    watch.stop();
    if (taken != rounds)
        throw std::logic_error("a free permit was not given");
    watch.report_per(rounds);
}

asio::awaitable<void>
take_in_turn(corogate::semaphore& from, bench::countdown& left, std::size_t n) {
    for (; n > 0; --n) {
        const auto permit = co_await from.async_acquire(asio::use_awaitable);
        left.hit();
    }
}

void hand_over(const arguments& given) {
    asio::thread_pool threads(bench::cores());
    corogate::semaphore permits(threads, given.number("permits", 4));
    bench::hand_over(given, threads, [&](bench::countdown& left, std::size_t n) {
        return take_in_turn(permits, left, n);
    });
}

void cancel(const arguments& given) {
    asio::io_context context;
    corogate::semaphore none(context, 1);
    const auto held = none.try_acquire();
    bench::cancel_some(given, context, [&](auto handler) {
        none.async_acquire(std::move(handler));
    });
}

} // namespace

int main(int count, char** words) {
    return bench::run_row(
        count, words, {{"uncontended", uncontended}, {"hand-over", hand_over}, {"cancel", cancel}}
    );
}
