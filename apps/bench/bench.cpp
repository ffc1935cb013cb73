// What running a small task costs, side by side in one run: read ratios, not nanoseconds.
//
//   corogate-bench --benchmark_repetitions=9 --benchmark_report_aggregates_only=true
//
// One submitter outside the pool, as many threads as cores, default options. CPU is that of the
// whole process (the default of Google Benchmark counts one thread), for a batch of 4096
// tasks; Time is wall time. A batch is joined before the next begins, and fits the default queue.

#include <algorithm>
#include <atomic>
#include <benchmark/benchmark.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <corogate/task_pool.hpp>
#include <functional>
#include <thread>
#include <vector>

namespace asio = boost::asio;

namespace {

constexpr int batch = 4096;

/// Counts the tasks of a batch down.
class countdown {
public:
    void begin() { left_.store(batch, std::memory_order_relaxed); }
    void hit() {
        if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            left_.notify_one();
    }
    void join() {
        for (int left = left_.load(); left != 0; left = left_.load())
            left_.wait(left);
    }

private:
    std::atomic<int> left_{0};
};

std::size_t cores() { return std::max<std::size_t>(1, std::thread::hardware_concurrency()); }

/// Runs batches of `start(one_task_ended)`.
template <typename Start>
void run_batches(benchmark::State& state, Start start) {
    countdown tasks;
    for (auto _ : state) {
        tasks.begin();
        for (int i = 0; i < batch; ++i)
            start(tasks);
        tasks.join();
    }
    state.SetItemsProcessed(state.iterations() * batch);
}

void post(benchmark::State& state) {
    asio::thread_pool pool(cores());
    run_batches(state, [&](countdown& tasks) { asio::post(pool, [&tasks] { tasks.hit(); }); });
}

void co_spawn(benchmark::State& state) {
    asio::thread_pool pool(cores());
    run_batches(state, [&](countdown& tasks) {
        auto task = [&tasks]() -> asio::awaitable<void> {
            tasks.hit();
            co_return;
        };
        asio::co_spawn(pool, task, asio::detached);
    });
}

void submit_coroutine(benchmark::State& state) {
    corogate::task_pool pool;
    run_batches(state, [&](countdown& tasks) {
        auto task = [&tasks]() -> asio::awaitable<void> {
            tasks.hit();
            co_return;
        };
        pool.async_submit(task, asio::detached);
    });
}

void submit_callable(benchmark::State& state) {
    corogate::task_pool pool;
    run_batches(state, [&](countdown& tasks) {
        pool.async_submit([&tasks] { tasks.hit(); }, asio::detached);
    });
}

/// A pool with nothing free, whose threads are all busy for 2 ms at a time.
void refusal_while_busy(benchmark::State& state) {
    std::atomic<bool> over{false};
    {
        corogate::task_pool pool(
            corogate::pool_options{}.queue_tasks(64).on_error([](std::exception_ptr) {})
        );
        std::function<void()> busy = [&] {
            const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
            while (std::chrono::steady_clock::now() < until) {
            }
            if (!over)
                (void)pool.try_submit(busy);
        };
        while (pool.try_submit(busy)) {
        }
        for (auto _ : state) {
            auto answer = pool.try_submit(busy);
            benchmark::DoNotOptimize(answer);
        }
        over = true;
    }
}

} // namespace

BENCHMARK(post)->MeasureProcessCPUTime()->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(co_spawn)->MeasureProcessCPUTime()->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(submit_coroutine)->MeasureProcessCPUTime()->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(submit_callable)->MeasureProcessCPUTime()->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(refusal_while_busy);
BENCHMARK_MAIN();
