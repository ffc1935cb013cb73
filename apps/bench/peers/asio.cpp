// Bare Asio in the forms in which people bound and run coroutines with it.

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>

#include "../hand_over.hpp"
#include "../measure.hpp"

namespace asio = boost::asio;
using bench::arguments;
using bench::countdown;
using namespace std::chrono_literals;

namespace {

// ---- a million empty tasks ----

void post(const arguments& given) {
    asio::thread_pool pool(bench::cores());
    bench::in_batches(given, [&](countdown& left, std::size_t n) {
        for (; n > 0; --n)
            asio::post(pool, [&left] { left.hit(); });
    });
}

void co_spawn(const arguments& given) {
    asio::thread_pool pool(bench::cores());
    bench::in_batches(given, [&](countdown& left, std::size_t n) {
        for (; n > 0; --n) {
            auto task = [&left]() -> asio::awaitable<void> {
                left.hit();
                co_return;
            };
            asio::co_spawn(pool, task, asio::detached);
        }
    });
}

void co_spawn_result(const arguments& given) {
    asio::thread_pool pool(bench::cores());
    bench::in_batches(given, [&](countdown& left, std::size_t n) {
        for (; n > 0; --n) {
            auto task = []() -> asio::awaitable<int> { co_return 1; };
            asio::co_spawn(pool, task, [&left](const std::exception_ptr&, int) { left.hit(); });
        }
    });
}

asio::awaitable<void> await_in_turn(asio::thread_pool& pool, countdown& left, std::size_t n) {
    for (; n > 0; --n) {
        auto task = []() -> asio::awaitable<int> { co_return 1; };
        (void)co_await asio::co_spawn(pool, task, asio::use_awaitable);
        left.hit();
    }
}

void co_spawn_awaited(const arguments& given) {
    const auto callers = given.number("callers", 64);
    asio::thread_pool pool(bench::cores());
    bench::in_batches(given, [&](countdown& left, std::size_t n) {
        for (std::size_t i = 0; i < callers; ++i)
            asio::co_spawn(
                pool, await_in_turn(pool, left, n / callers + (i < n % callers ? 1 : 0)),
                asio::detached
            );
    });
    pool.join();
}

/// `size` posts that meet in a counter of their own.
void post_joined(const arguments& given) {
    const auto size = given.number("size", 24);
    asio::thread_pool pool(bench::cores());
    bench::in_batches(given, [&](countdown& left, std::size_t n) {
        while (n > 0) {
            const auto now = std::min(size, n);
            auto open = std::make_shared<std::atomic<std::size_t>>(now);
            for (std::size_t i = 0; i < now; ++i)
                asio::post(pool, [&left, open, now] {
                    if (open->fetch_sub(1, std::memory_order_acq_rel) == 1)
                        for (std::size_t k = 0; k < now; ++k)
                            left.hit();
                });
            n -= now;
        }
    });
}

// ---- a million naps of 10 ms, 50 000 at once ----

asio::awaitable<void> nap() {
    asio::steady_timer timer(co_await asio::this_coro::executor, 10ms);
    co_await timer.async_wait(asio::use_awaitable);
}

template <typename Begin>
void time_naps(const arguments& given, Begin begin) {
    const auto tasks = given.number("tasks", 1'000'000);
    asio::thread_pool pool(bench::cores());
    countdown left;
    left.begin(tasks);
    bench::stopwatch watch;
    watch.start();
    begin(pool, left, tasks, given.number("limit", 50'000));
    left.join();
    watch.stop();
    pool.join();
    watch.report_per(tasks);
}

asio::awaitable<void> nap_in_turn(countdown& left, std::size_t n) {
    for (; n > 0; --n) {
        co_await nap();
        left.hit();
    }
}

/// As many coroutines as may run at once, each of which naps its share: no queue, no submitter.
void naps_resident(const arguments& given) {
    time_naps(given, [](asio::thread_pool& pool, countdown& left, std::size_t n, std::size_t at) {
        for (std::size_t i = 0; i < at; ++i)
            asio::co_spawn(pool, nap_in_turn(left, n / at + (i < n % at ? 1 : 0)), asio::detached);
    });
}

using tokens = asio::experimental::concurrent_channel<void(boost::system::error_code)>;

asio::awaitable<void>
spawn_naps(asio::thread_pool& pool, std::shared_ptr<tokens> free, countdown& left, std::size_t n) {
    for (; n > 0; --n) {
        co_await free->async_receive(asio::use_awaitable);
        auto task = [&left, token = free.get()]() -> asio::awaitable<void> {
            co_await nap();
            token->try_send(boost::system::error_code());
            left.hit();
        };
        asio::co_spawn(pool, task, asio::detached);
    }
    // The tokens outlive the last nap.
    for (auto all = free->capacity(); all > 0; --all)
        co_await free->async_receive(asio::use_awaitable);
}

/// A coroutine a task, bounded by tokens in a channel.
void naps_channel(const arguments& given) {
    time_naps(given, [](asio::thread_pool& pool, countdown& left, std::size_t n, std::size_t at) {
        auto free = std::make_shared<tokens>(pool, at);
        for (std::size_t i = 0; i < at; ++i)
            free->try_send(boost::system::error_code());
        asio::co_spawn(pool, spawn_naps(pool, std::move(free), left, n), asio::detached);
    });
}

// ---- semaphores ----

void channel_uncontended(const arguments& given) {
    const auto rounds = given.number("rounds", 10'000'000);
    asio::io_context context;
    tokens free(context, 4);
    free.try_send(boost::system::error_code());
    std::size_t taken = 0;
    bench::stopwatch watch;
    watch.start();
    for (std::size_t i = 0; i < rounds; ++i) {
        taken += free.try_receive([](boost::system::error_code) {}) ? 1 : 0;
        free.try_send(boost::system::error_code());
    }
    watch.stop();
    if (taken != rounds)
        throw std::logic_error("a free token was not given");
    watch.report_per(rounds);
}

asio::awaitable<void> take_tokens(tokens& free, countdown& left, std::size_t n) {
    for (; n > 0; --n) {
        co_await free.async_receive(asio::use_awaitable);
        left.hit();
        free.try_send(boost::system::error_code());
    }
}

void channel_hand_over(const arguments& given) {
    asio::thread_pool threads(bench::cores());
    const auto permits = given.number("permits", 4);
    tokens free(threads, permits);
    for (std::size_t i = 0; i < permits; ++i)
        free.try_send(boost::system::error_code());
    bench::hand_over(given, threads, [&](countdown& left, std::size_t n) {
        return take_tokens(free, left, n);
    });
}

void channel_cancel(const arguments& given) {
    asio::io_context context;
    tokens none(context, 1);
    bench::cancel_some(given, context, [&](auto handler) {
        none.async_receive(std::move(handler));
    });
}

/// A count on a strand, and a timer that never expires for those who wait: one of them is woken for
/// each permit given back.
class strand_semaphore {
public:
    strand_semaphore(asio::thread_pool& threads, std::size_t permits)
        : strand_(asio::make_strand(threads))
        , given_back_(strand_, asio::steady_timer::time_point::max())
        , free_(permits) {}

    asio::awaitable<void> acquire() {
        co_await asio::dispatch(asio::bind_executor(strand_, asio::use_awaitable));
        while (free_ == 0)
            co_await given_back_.async_wait(
                asio::as_tuple(asio::bind_executor(strand_, asio::use_awaitable))
            );
        --free_;
        co_await asio::post(asio::use_awaitable); // the holder is no guest of the strand
    }
    void release() {
        asio::dispatch(strand_, [this] {
            ++free_;
            given_back_.cancel_one();
        });
    }

private:
    asio::strand<asio::thread_pool::executor_type> strand_;
    asio::steady_timer given_back_;
    std::size_t free_;
};

asio::awaitable<void> take_counted(strand_semaphore& from, countdown& left, std::size_t n) {
    for (; n > 0; --n) {
        co_await from.acquire();
        left.hit();
        from.release();
    }
}

void strand_hand_over(const arguments& given) {
    asio::thread_pool threads(bench::cores());
    strand_semaphore permits(threads, given.number("permits", 4));
    bench::hand_over(given, threads, [&](countdown& left, std::size_t n) {
        return take_counted(permits, left, n);
    });
}

} // namespace

int main(int count, char** words) {
    return bench::run_row(
        count, words,
        {{"post", post},
         {"post-joined", post_joined},
         {"co_spawn", co_spawn},
         {"co_spawn-result", co_spawn_result},
         {"co_spawn-awaited", co_spawn_awaited},
         {"naps-resident", naps_resident},
         {"naps-channel", naps_channel},
         {"channel-uncontended", channel_uncontended},
         {"channel-hand-over", channel_hand_over},
         {"channel-cancel", channel_cancel},
         {"strand-hand-over", strand_hand_over}}
    );
}
