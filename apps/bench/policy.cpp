// What the order of service costs: a unit pushed and a unit served, by how much waits and by how
// many tenants have work. Both should hardly matter.
//
//   corogate-bench-policy --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
//
// One thread, nothing but policy. `waiting` and `tenants` are the state in which it is measured:
// each step takes the next unit, ends it, and pushes the entry for the next tenant of a shuffled
// round. Entries lie in memory in the order of their first arrival, as a burst allocates them, or
// `scattered`, as an old heap would: then one line in memory is waited for at each step that no
// policy can know earlier, and nothing else in the step is long enough to hide it.

#include <algorithm>
#include <benchmark/benchmark.h>
#include <chrono>
#include <corogate/detail/admission.hpp>
#include <corogate/detail/fair_queue.hpp>
#include <corogate/histogram.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

using namespace corogate;
using namespace corogate::detail;

namespace {

/// As large as what really waits: a task node with a small closure.
struct entry : queue_entry {
    using queue_entry::queue_entry;
    char closure[88];
};

class standing_queue {
public:
    standing_queue(std::size_t waiting, std::size_t tenants, bool scattered, std::uint8_t traits)
        : table_(tenants) {
        for (std::size_t i = 0; i < tenants; ++i)
            tenants_.push_back(table_.get("site-" + std::to_string(i)));
        std::shuffle(tenants_.begin(), tenants_.end(), std::mt19937(1));
        for (std::size_t i = 0; i < waiting; ++i)
            entries_.push_back(std::make_unique<entry>(1U, traits));
        if (scattered)
            std::shuffle(entries_.begin(), entries_.end(), std::mt19937(2));
        for (auto& e : entries_)
            queue_.push(*e, next_tenant(), priority_class::normal);
    }
    ~standing_queue() {
        for (auto& e : entries_)
            queue_.erase(*e);
    }

    [[gnu::noinline]] void step() {
        queue_entry* e = queue_.next();
        queue_.serve(*e);
        queue_.release(e->where()->owner());
        e->units(1);
        queue_.push(*e, next_tenant(), priority_class::normal);
    }

private:
    tenant& next_tenant() {
        if (++turn_ >= tenants_.size())
            turn_ = 0;
        return *tenants_[turn_];
    }

    tenant_table table_;
    fair_queue queue_;
    std::vector<tenant_ref> tenants_;
    std::vector<std::unique_ptr<entry>> entries_;
    std::size_t turn_ = 0;
};

void run(benchmark::State& state, std::uint8_t traits) {
    standing_queue queue(
        static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(1)),
        state.range(2) != 0, traits
    );
    for (int i = 0; i < 200'000; ++i)
        queue.step();
    for (auto _ : state)
        queue.step();
    state.SetItemsProcessed(state.iterations());
}

void push_and_serve(benchmark::State& state) { run(state, queue_entry::fixed); }
void push_and_serve_displaceable(benchmark::State& state) { run(state, queue_entry::displaceable); }

/// A full queue where each newcomer displaces another's entry.
void displace(benchmark::State& state) {
    const auto tenants = static_cast<std::size_t>(state.range(0));
    tenant_table table(tenants + 1);
    fair_queue queue;
    std::vector<std::unique_ptr<entry>> entries;
    for (std::size_t i = 0; i < 2 * tenants; ++i) {
        entries.push_back(std::make_unique<entry>(1U, queue_entry::displaceable));
        queue.push(
            *entries.back(), *table.get("site-" + std::to_string(i / 2)), priority_class::normal
        );
    }
    const auto newcomer = table.get("newcomer");
    for (auto _ : state) {
        queue_entry* e = queue.victim(*newcomer, 1);
        queue.erase(*e);
        queue.push(*e, e->where()->owner(), priority_class::normal);
    }
    for (auto& e : entries)
        queue.erase(*e);
}

/// A job of `tasks` tasks from admission to its last account, with a flood of others waiting: the
/// decision, the queue, one service for each task, the correction of its cost.
void job(benchmark::State& state) {
    const auto tasks = static_cast<std::uint32_t>(state.range(0));
    const auto tenants = static_cast<std::size_t>(state.range(1));
    tenant_table table(tenants);
    fair_queue queue;
    const admission policy(std::chrono::milliseconds(100));
    std::vector<tenant_ref> whose;
    std::vector<std::unique_ptr<entry>> jobs;
    for (std::size_t i = 0; i < tenants; ++i) {
        whose.push_back(table.get("site-" + std::to_string(i)));
        jobs.push_back(std::make_unique<entry>(tasks, queue_entry::displaceable, true));
    }
    std::shuffle(whose.begin(), whose.end(), std::mt19937(1));
    const admission::view pool{1e9, std::chrono::milliseconds(1), 1 << 20};
    const admission::newcomer who{tasks, priority_class::normal, std::chrono::seconds(1)};
    std::size_t turn = 0;
    const auto admit = [&](entry& e) {
        tenant& site = *whose[turn];
        turn = turn + 1 < tenants ? turn + 1 : 0;
        const auto verdict = policy.decide(queue, site, who, pool);
        if (verdict.no != errc{})
            std::abort();
        e.units(tasks);
        queue.push(e, site, priority_class::normal);
    };
    for (auto& e : jobs)
        admit(*e);
    for (auto _ : state) {
        queue_entry* e = nullptr;
        do {
            e = queue.next();
            queue.serve(*e);
            queue.release(e->where()->owner());
        } while (e->queued());
        queue.correct(e->where()->owner(), priority_class::normal, 0.01);
        admit(static_cast<entry&>(*e));
    }
    for (auto& e : jobs)
        queue.erase(*e);
    state.SetItemsProcessed(state.iterations());
}

void record(benchmark::State& state) {
    histogram h;
    std::int64_t ns = 1;
    for (auto _ : state) {
        h.record(std::chrono::nanoseconds(ns));
        ns = ns * 5 % 1'000'003;
    }
    benchmark::DoNotOptimize(h.snapshot().count());
}

void queues(benchmark::internal::Benchmark* b) {
    b->ArgNames({"waiting", "tenants", "scattered"});
    for (const int scattered : {0, 1}) {
        for (const int waiting : {10, 100, 1000, 10'000, 100'000, 1'000'000})
            b->Args({waiting, 1, scattered});
        for (const int tenants : {10, 100, 1000, 10'000, 100'000})
            b->Args({1'000'000, tenants, scattered});
    }
}

} // namespace

BENCHMARK(push_and_serve)->Apply(queues);
BENCHMARK(push_and_serve_displaceable)->Apply(queues);
BENCHMARK(displace)->ArgName("tenants")->RangeMultiplier(10)->Range(10, 100'000);
BENCHMARK(job)->ArgNames({"tasks", "tenants"})->ArgsProduct({{1, 24, 100}, {10, 1000}});
BENCHMARK(record);
BENCHMARK_MAIN();
