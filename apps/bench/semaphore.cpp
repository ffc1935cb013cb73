// The semaphore, side by side with a channel of tokens used as one: read ratios, not nanoseconds.
//
//   corogate-bench-semaphore --benchmark_repetitions=9 --benchmark_report_aggregates_only=true
//
// CPU is that of the whole process. `handover`: 2000 coroutines take turns on 4 permits and hold
// one while they go through the scheduler once; a figure is for one turn. `cancel`: one of n
// waiters from the middle, waiters added again outside of the measured time.

#include <algorithm>
#include <array>
#include <atomic>
#include <benchmark/benchmark.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <corogate/semaphore.hpp>
#include <cstddef>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr int coroutines = 2000;
constexpr int turns = 25;
constexpr std::size_t permits = 4;

std::size_t cores() { return std::max<std::size_t>(1, std::thread::hardware_concurrency()); }

void uncontended(benchmark::State& state) {
    asio::thread_pool threads(1);
    corogate::semaphore semaphore(threads, permits);
    for (auto _ : state) {
        auto one = semaphore.try_acquire();
        benchmark::DoNotOptimize(one);
    }
}

void uncontended_channel(benchmark::State& state) {
    asio::thread_pool threads(1);
    asio::experimental::concurrent_channel<void(error_code)> tokens(threads, permits);
    for (std::size_t i = 0; i < permits; ++i)
        tokens.try_send(error_code());
    for (auto _ : state) {
        tokens.try_receive([](error_code) {});
        tokens.try_send(error_code());
    }
}

/// Everybody waits; then the pool is let go, and joined.
template <typename Body>
void take_turns(benchmark::State& state, Body body) {
    for (auto _ : state) {
        asio::thread_pool threads(cores());
        body(threads);
        threads.join();
    }
    state.SetItemsProcessed(state.iterations() * coroutines * turns);
}

void handover(benchmark::State& state) {
    take_turns(state, [](asio::thread_pool& threads) {
        auto semaphore = std::make_shared<corogate::semaphore>(threads, permits);
        auto user = [](std::shared_ptr<corogate::semaphore> s) -> asio::awaitable<void> {
            for (int i = 0; i < turns; ++i) {
                corogate::permit one = co_await s->async_acquire(asio::use_awaitable);
                co_await asio::post(asio::use_awaitable);
            }
        };
        for (int i = 0; i < coroutines; ++i)
            asio::co_spawn(threads, user(semaphore), asio::detached);
    });
}

void handover_channel(benchmark::State& state) {
    using channel = asio::experimental::concurrent_channel<void(error_code)>;
    take_turns(state, [](asio::thread_pool& threads) {
        auto tokens = std::make_shared<channel>(threads, permits);
        for (std::size_t i = 0; i < permits; ++i)
            tokens->try_send(error_code());
        auto user = [](std::shared_ptr<channel> t) -> asio::awaitable<void> {
            for (int i = 0; i < turns; ++i) {
                co_await t->async_receive(asio::use_awaitable);
                co_await asio::post(asio::use_awaitable);
                t->try_send(error_code());
            }
        };
        for (int i = 0; i < coroutines; ++i)
            asio::co_spawn(threads, user(tokens), asio::detached);
    });
}

/// What the turns cost without anything to wait for.
void handover_nothing(benchmark::State& state) {
    take_turns(state, [](asio::thread_pool& threads) {
        auto user = []() -> asio::awaitable<void> {
            for (int i = 0; i < turns; ++i) {
                co_await asio::post(asio::use_awaitable);
                co_await asio::post(asio::use_awaitable);
            }
        };
        for (int i = 0; i < coroutines; ++i)
            asio::co_spawn(threads, user(), asio::detached);
    });
}

/// Cancels waiters in an order that jumps through the queue.
template <typename Wait>
void cancel_each(benchmark::State& state, Wait wait) {
    const auto n = static_cast<std::size_t>(state.range(0));
    for (auto _ : state) {
        state.PauseTiming();
        asio::io_context context;
        std::vector<asio::cancellation_signal> signals(n);
        {
            auto waiters = wait(context, signals);
            state.ResumeTiming();
            for (std::size_t i = 0, at = 0; i < n; ++i, at = (at + 7919) % n)
                signals[at].emit(asio::cancellation_type::terminal);
            state.PauseTiming();
            context.poll();
        }
        context.poll();
        state.ResumeTiming();
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}

void cancel(benchmark::State& state) {
    cancel_each(state, [](asio::io_context& context, auto& signals) {
        auto semaphore = std::make_unique<corogate::semaphore>(context, 1);
        auto held = semaphore->try_acquire();
        for (auto& signal : signals) {
            auto handler = [](error_code, const corogate::permit&) {};
            semaphore->async_acquire(asio::bind_cancellation_slot(signal.slot(), handler));
        }
        return std::pair(std::move(semaphore), std::move(held));
    });
}

void cancel_channel(benchmark::State& state) {
    cancel_each(state, [](asio::io_context& context, auto& signals) {
        auto tokens =
            std::make_unique<asio::experimental::concurrent_channel<void(error_code)>>(context, 1);
        for (auto& signal : signals) {
            auto handler = [](error_code) {};
            tokens->async_receive(asio::bind_cancellation_slot(signal.slot(), handler));
        }
        return tokens;
    });
}

} // namespace

BENCHMARK(uncontended);
BENCHMARK(uncontended_channel);
BENCHMARK(handover)->MeasureProcessCPUTime()->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(handover_channel)->MeasureProcessCPUTime()->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(handover_nothing)->MeasureProcessCPUTime()->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(cancel)->Arg(16000)->Unit(benchmark::kMillisecond);
BENCHMARK(cancel_channel)->Arg(16000)->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
