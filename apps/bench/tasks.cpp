// corogate's rows of the table: tasks and refusals. See table.cpp for what they stand beside.

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <corogate/task_pool.hpp>
#include <functional>
#include <future>
#include <string>
#include <vector>

#if __has_include(<corogate/job_options.hpp>) // the pool knows tenants
#include <corogate/job_options.hpp>
#define COROGATE_BENCH_TENANTS
#endif

#include "measure.hpp"

namespace asio = boost::asio;
using bench::arguments;
using bench::countdown;

namespace {

using namespace std::chrono_literals;

/// Default options, but for a queue that takes the whole flood, as `asio::post` does.
corogate::pool_options flood_options(const arguments& given) {
    const auto tasks = given.number("tasks", 1'000'000);
    corogate::pool_options options;
    if (given.number("batch", tasks) > options.queue_tasks())
        options.queue_tasks(tasks);
    return options;
}

void coroutine(const arguments& given) {
    corogate::task_pool pool(flood_options(given));
    bench::in_batches(given, [&](countdown& left, std::size_t n) {
        for (; n > 0; --n) {
            auto task = [&left]() -> asio::awaitable<void> {
                left.hit();
                co_return;
            };
            pool.async_submit(task, asio::detached);
        }
    });
}

void callable(const arguments& given) {
    corogate::task_pool pool(flood_options(given));
    bench::in_batches(given, [&](countdown& left, std::size_t n) {
        for (; n > 0; --n)
            pool.async_submit([&left] { left.hit(); }, asio::detached);
    });
}

void result(const arguments& given) {
    corogate::task_pool pool(flood_options(given));
    bench::in_batches(given, [&](countdown& left, std::size_t n) {
        for (; n > 0; --n) {
            auto task = []() -> asio::awaitable<int> { co_return 1; };
            pool.async_submit(task, [&left](const std::exception_ptr&, int) { left.hit(); });
        }
    });
}

asio::awaitable<void> await_in_turn(corogate::task_pool& pool, countdown& left, std::size_t n) {
    for (; n > 0; --n) {
        auto task = []() -> asio::awaitable<int> { co_return 1; };
        (void)co_await pool.async_submit(task, asio::use_awaitable);
        left.hit();
    }
}

void awaited(const arguments& given) {
    const auto callers = given.number("callers", 64);
    corogate::task_pool pool(flood_options(given));
    bench::in_batches(given, [&](countdown& left, std::size_t n) {
        for (std::size_t i = 0; i < callers; ++i)
            asio::co_spawn(
                pool.get_executor(),
                await_in_turn(pool, left, n / callers + (i < n % callers ? 1 : 0)), asio::detached
            );
    });
}

/// Jobs of `size` tasks, each admitted as a whole and joined; any number of jobs under way.
void job(const arguments& given) {
    const auto size = given.number("size", 24);
    corogate::task_pool pool(flood_options(given));
    bench::in_batches(given, [&](countdown& left, std::size_t n) {
        auto check = []() -> asio::awaitable<void> { co_return; };
        std::vector<decltype(check)> checks;
        while (n > 0) {
            const auto now = std::min(size, n);
            checks.assign(now, check);
            auto places = pool.try_admit(now);
            if (!places)
                throw std::logic_error("the queue is made for the flood, yet it is full");
            places->async_run(checks, [&left, now](const std::exception_ptr&) {
                for (std::size_t i = 0; i < now; ++i)
                    left.hit();
            });
            n -= now;
        }
    });
}

asio::awaitable<void> nap() {
    asio::steady_timer timer(co_await asio::this_coro::executor, 10ms);
    co_await timer.async_wait(asio::use_awaitable);
}

/// The submitter suspends where the pool is full; a place that is free it takes without asking.
asio::awaitable<void> submit_naps(corogate::task_pool& pool, countdown& left, std::size_t n) {
    auto task = [&left]() -> asio::awaitable<void> {
        co_await nap();
        left.hit();
    };
    for (; n > 0; --n) {
        if (pool.try_submit(task))
            continue;
        auto place = co_await pool.async_admit(1, asio::use_awaitable);
        place.value().submit(task);
    }
}

void naps(const arguments& given) {
    const auto tasks = given.number("tasks", 1'000'000);
    corogate::task_pool pool(corogate::pool_options{}
                                 .limit(given.number("limit", 50'000))
                                 .queue_tasks(given.number("queue", 1024))
                                 .overflow(corogate::overflow_policy::wait));
    countdown left;
    left.begin(tasks);
    bench::stopwatch watch;
    watch.start();
    asio::co_spawn(pool.get_executor(), submit_naps(pool, left, tasks), asio::detached);
    left.join();
    watch.stop();
    watch.report_per(tasks);
    bench::report("at_once", static_cast<double>(pool.stats().running_peak));
}

// ---- a standing queue ----

/// Where the chains of `depth` meet. One thread of control at a time.
struct chains {
    corogate::task_pool pool;
    std::size_t left;    // links to run before the chains end
    std::size_t waiting; // chains that have not ended
    bench::stopwatch watch;
    std::promise<void> over;

    asio::awaitable<void> link() {
        if (left > 0 && --left == 0)
            watch.stop();
        if (left > 0)
            submit_link();
        else if (--waiting == 0)
            over.set_value();
        co_return;
    }
    void submit_link() {
        auto next = [this] { return link(); };
        if (!pool.try_submit(next))
            throw std::logic_error("the queue has a place for each chain, yet it is full");
    }
};

/// What a task costs while `waiting` others stand in the queue: each task submits the next one of
/// its chain, so that the queue stays as long as it is. One thread, limit 1: nobody else's time.
/// At the end every chain is run out, so that two runs differ by their number of tasks only.
void depth(const arguments& given) {
    const auto waiting = given.number("waiting", 10);
    const auto tasks = given.number("tasks", 1'000'000);
    chains all{
        corogate::task_pool(corogate::pool_options{}.threads(1).limit(1).queue_tasks(waiting + 8)),
        tasks,
        waiting,
        {},
        {}
    };
    std::promise<void> begin;
    auto begun = begin.get_future();
    auto gate = [&] {
        begun.wait();
        all.watch.start();
    };
    (void)all.pool.try_submit(gate);
    for (std::size_t i = 0; i < waiting; ++i)
        all.submit_link();
    begin.set_value();
    all.over.get_future().wait();
    all.watch.report_per(tasks);
}

#ifdef COROGATE_BENCH_TENANTS
/// The same, chain i being tenant i modulo n's: as many tasks wait however many tenants there are.
void tenants(const arguments& given) {
    const auto many = given.number("tenants", 1);
    const auto waiting = given.number("waiting", 100'000);
    const auto tasks = given.number("tasks", 1'000'000);
    struct {
        corogate::task_pool pool;
        std::vector<corogate::job_options> who;
        std::size_t left;
        std::size_t waiting;
        bench::stopwatch watch;
        std::promise<void> over;

        asio::awaitable<void> link(std::size_t chain) {
            if (left > 0 && --left == 0)
                watch.stop();
            if (left > 0)
                submit_link(chain);
            else if (--waiting == 0)
                over.set_value();
            co_return;
        }
        void submit_link(std::size_t chain) {
            auto next = [this, chain] { return link(chain); };
            if (!pool.try_submit(next, who[chain % who.size()]))
                throw std::logic_error("the queue has a place for each chain, yet it is full");
        }
    } all{
        corogate::task_pool(
            corogate::pool_options{}.threads(1).limit(1).queue_tasks(waiting + 8).tenants(many + 1)
        ), // and the unnamed one
        std::vector<corogate::job_options>(many),
        tasks,
        waiting,
        {},
        {}
    };
    for (std::size_t i = 0; i < many; ++i)
        all.who[i].tenant("site-" + std::to_string(i));
    std::promise<void> begin;
    auto begun = begin.get_future();
    auto gate = [&] {
        begun.wait();
        all.watch.start();
    };
    (void)all.pool.try_submit(gate);
    for (std::size_t i = 0; i < waiting; ++i)
        all.submit_link(i);
    begin.set_value();
    all.over.get_future().wait();
    all.watch.report_per(tasks);
}
#else
void tenants(const arguments&) { bench::unmeasured("not there yet: the pool knows no tenants"); }
#endif

// ---- refusals ----

/// A pool with nothing free whose threads compute 2 ms at a time: how long one `try_submit` takes.
void refusal_busy(const arguments& given) {
    using clock = std::chrono::steady_clock;
    const auto calls = given.number("calls", 1'000'000);
    std::atomic<bool> over{false};
    std::vector<std::int64_t> times;
    times.reserve(calls);
    {
        corogate::task_pool pool(
            corogate::pool_options{}.queue_tasks(64).on_error([](const std::exception_ptr&) {})
        );
        std::function<void()> busy = [&] {
            for (const auto until = clock::now() + 2ms; clock::now() < until;) {
            }
            if (!over)
                (void)pool.try_submit(busy);
        };
        while (pool.try_submit(busy)) {
        }
        auto task = [] {};
        while (times.size() < calls) {
            const auto before = clock::now();
            const bool accepted = pool.try_submit(task).has_value();
            const auto took = clock::now() - before;
            if (!accepted)
                times.push_back(took.count());
            else
                (void)pool.try_submit(busy); // a busy task's place: it goes back to one
        }
        over = true;
    }
    std::sort(times.begin(), times.end());
    bench::report("p50_ns", bench::quantile(times, 0.5));
    bench::report("p99_ns", bench::quantile(times, 0.99));
    // What the clock itself puts into each sample.
    for (auto& one : times) {
        const auto before = clock::now();
        one = (clock::now() - before).count();
    }
    std::sort(times.begin(), times.end());
    bench::report("clock_ns", bench::quantile(times, 0.5));
}

} // namespace

int main(int count, char** words) {
    return bench::run_row(
        count, words,
        {{"coroutine", coroutine},
         {"callable", callable},
         {"result", result},
         {"awaited", awaited},
         {"job", job},
         {"naps", naps},
         {"depth", depth},
         {"tenants", tenants},
         {"refusal-busy", refusal_busy}}
    );
}
