#pragma once

// What a save is made of, and the threads that do it.

#include "cpu_time.hpp"

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <corogate/semaphore.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string_view>

namespace overload {

namespace asio = boost::asio;
using namespace std::chrono_literals;

/// The tasks of a save. A task computes for half of `cpu`, waits, computes for the other half.
struct shape {
    const char* name = "cpu";
    std::size_t tasks = 24;
    nanoseconds cpu = 1ms;
    nanoseconds wait{};
    double heavy_share = 0; ///< of the tasks, which compute `heavy_factor` times as long
    double heavy_factor = 1;

    double mean_cpu() const noexcept {
        return static_cast<double>(cpu.count()) * (1 + heavy_share * (heavy_factor - 1));
    }
};

/// Uses processor time, not wall time: a thread that is pushed aside meanwhile owes the rest.
inline void burn(nanoseconds cost) noexcept {
    const nanoseconds until = thread_cpu() + cost;
    static thread_local std::uint64_t state = 88172645463325252ULL;
    do {
        for (int i = 0; i < 500; ++i) { // a microsecond or so
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
        }
    } while (thread_cpu() < until);
}

/// Threads for tasks, what they have done, and what can be changed while they work.
class workshop {
public:
    explicit workshop(std::size_t threads)
        : before_(threads_of())
        , threads_(threads) {
        for (const auto& [thread, ran] : threads_of())
            if (!before_.contains(thread))
                workers_.insert(thread);
    }

    asio::thread_pool& threads() noexcept { return threads_; }
    const std::set<pid_t>& workers() const noexcept { return workers_; }

    /// The waiting of tasks, from now on, is done with one of so many permits.
    void downstream(std::size_t permits) {
        if (downstream_)
            downstream_->resize(permits);
        else
            downstream_.emplace(threads_.get_executor(), permits);
    }
    corogate::semaphore* downstream() noexcept { return downstream_ ? &*downstream_ : nullptr; }

    /// Tasks compute so many times as long, from now on.
    void cost(double factor) noexcept { cost_.store(factor, std::memory_order_relaxed); }
    double cost() const noexcept { return cost_.load(std::memory_order_relaxed); }

    void ended() noexcept { ended_.fetch_add(1, std::memory_order_relaxed); }
    std::uint64_t tasks_ended() const noexcept { return ended_.load(std::memory_order_relaxed); }

private:
    std::map<pid_t, nanoseconds> before_;
    asio::thread_pool threads_;
    std::set<pid_t> workers_;
    std::optional<corogate::semaphore> downstream_;
    std::atomic<double> cost_{1};
    std::atomic<std::uint64_t> ended_{0};
};

/// One task of a save, ready to be called.
struct task_order {
    workshop* at = nullptr;
    nanoseconds cpu{};
    nanoseconds wait{};
    std::atomic<std::uint32_t>* spent = nullptr; ///< the save's, in microseconds

    nanoseconds cost(double part) const noexcept {
        return nanoseconds(
            static_cast<std::int64_t>(static_cast<double>(cpu.count()) * part * at->cost())
        );
    }
    void end() const noexcept {
        spent->fetch_add(
            static_cast<std::uint32_t>(cost(1).count() / 1000), std::memory_order_relaxed
        );
        at->ended();
    }
};

struct computing_task : task_order {
    void operator()() const noexcept {
        burn(cost(1));
        end();
    }
};

/// Its state is a parameter, so that the coroutine does not need the callable.
inline asio::awaitable<void> compute_and_wait(task_order task) {
    burn(task.cost(0.5));
    {
        corogate::permit place;
        if (corogate::semaphore* behind = task.at->downstream())
            place = co_await behind->async_acquire(asio::use_awaitable);
        asio::steady_timer timer(co_await asio::this_coro::executor, task.wait);
        co_await timer.async_wait(asio::use_awaitable);
    }
    burn(task.cost(0.5));
    task.end();
}

struct waiting_task : task_order {
    asio::awaitable<void> operator()() const { return compute_and_wait(*this); }
};

/// A save as a contestant is given it.
struct order {
    const shape* of = nullptr;
    std::size_t tasks = 24;
    std::string_view tenant;
    std::uint32_t weight = 1;
    nanoseconds left{};     ///< of its deadline
    std::uint64_t draw = 0; ///< decides which of its tasks are heavy
    std::atomic<std::uint32_t>* spent = nullptr;
};

/// The tasks of a save.
template <typename Task>
std::vector<Task> tasks_of(const order& o, workshop& at) {
    std::vector<Task> all(o.tasks);
    std::uint64_t draw = o.draw;
    for (Task& task : all) {
        task.at = &at;
        task.cpu = o.of->cpu;
        task.wait = o.of->wait;
        task.spent = o.spent;
        // SplitMix64: the same tasks of a save are heavy with every contestant.
        std::uint64_t z = draw += 0x9e3779b97f4a7c15ULL;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        if (static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53 < o.of->heavy_share)
            task.cpu = nanoseconds(static_cast<std::int64_t>(
                static_cast<double>(o.of->cpu.count()) * o.of->heavy_factor
            ));
    }
    return all;
}

} // namespace overload
