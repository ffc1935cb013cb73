// corogate's rows of the table that count the heap: operator new is ours in this program only, so
// that it slows down no other row.

#include <array>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <corogate/task_pool.hpp>
#include <cstdlib>
#include <future>
#include <malloc.h>
#include <new>

#include "measure.hpp"

namespace asio = boost::asio;
using bench::arguments;

namespace {

std::atomic<std::int64_t> allocations{0};
std::atomic<std::int64_t> live_bytes{0};

/// What a block takes from glibc's heap: what is usable, and the word before it.
std::int64_t block_bytes(void* block) {
    return static_cast<std::int64_t>(malloc_usable_size(block) + sizeof(std::size_t));
}

void* counted(void* block) {
    if (!block)
        throw std::bad_alloc();
    allocations.fetch_add(1, std::memory_order_relaxed);
    live_bytes.fetch_add(block_bytes(block), std::memory_order_relaxed);
    return block;
}

void uncounted(void* block) noexcept {
    if (block)
        live_bytes.fetch_sub(block_bytes(block), std::memory_order_relaxed);
    std::free(block);
}

} // namespace

void* operator new(std::size_t n) { return counted(std::malloc(n ? n : 1)); }
void* operator new(std::size_t n, std::align_val_t a) {
    const auto align = static_cast<std::size_t>(a);
    return counted(std::aligned_alloc(align, (n + align - 1) / align * align));
}
void operator delete(void* block) noexcept { uncounted(block); }
void operator delete(void* block, std::size_t) noexcept { uncounted(block); }
void operator delete(void* block, std::align_val_t) noexcept { uncounted(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { uncounted(block); }

namespace {

/// A pool of one thread, which is held until this object goes.
class held_pool {
public:
    explicit held_pool(std::size_t queue)
        : pool(corogate::pool_options{}.threads(1).limit(1).queue_tasks(queue).on_error(
              [](const std::exception_ptr&) {}
          )) {
        std::promise<void> started;
        auto holder = [this, &started] {
            started.set_value();
            held_.get_future().wait();
        };
        (void)pool.try_submit(holder);
        started.get_future().wait();
    }
    held_pool(const held_pool&) = delete;
    held_pool& operator=(const held_pool&) = delete;
    ~held_pool() { held_.set_value(); }

private:
    std::promise<void> held_;

public:
    corogate::task_pool pool; // last: its destructor waits for the holder
};

/// `try_submit` on a full queue, nobody else at work.
void refusal(const arguments& given) {
    const auto calls = given.number("calls", 10'000'000);
    held_pool held(4096);
    auto task = [] {};
    while (held.pool.try_submit(task)) {
    }
    const auto before = allocations.load();
    std::size_t refused = 0;
    bench::stopwatch watch;
    watch.start();
    for (std::size_t i = 0; i < calls; ++i)
        refused += held.pool.try_submit(task).has_error() ? 1 : 0;
    watch.stop();
    if (refused != calls)
        throw std::logic_error("a full queue took a task");
    watch.report_per(calls);
    bench::report(
        "allocations", static_cast<double>(allocations.load() - before) / static_cast<double>(calls)
    );
}

template <typename Task>
void waiting(const arguments& given, Task task) {
    const auto tasks = given.number("tasks", 1'000'000);
    held_pool held(tasks);
    const auto bytes = live_bytes.load();
    const auto blocks = allocations.load();
    const auto arena = mallinfo2().uordblks;
    for (std::size_t i = 0; i < tasks; ++i)
        if (!held.pool.try_submit(task))
            throw std::logic_error("the queue has a place for each task, yet it is full");
    const auto n = static_cast<double>(tasks);
    bench::report("bytes", static_cast<double>(live_bytes.load() - bytes) / n);
    bench::report("allocations", static_cast<double>(allocations.load() - blocks) / n);
    // The same from glibc's own books, as a check: main arena, where this thread allocates.
    bench::report("arena_bytes", static_cast<double>(mallinfo2().uordblks - arena) / n);
}

void waiting_coroutine(const arguments& given) {
    auto task = [payload = std::array<std::byte, 32>{}]() -> asio::awaitable<void> {
        (void)payload;
        co_return;
    };
    static_assert(sizeof(task) == 32);
    waiting(given, task);
}

void waiting_callable(const arguments& given) {
    auto task = [payload = std::array<std::byte, 32>{}] { (void)payload; };
    static_assert(sizeof(task) == 32);
    waiting(given, task);
}

} // namespace

int main(int count, char** words) {
    return bench::run_row(
        count, words,
        {{"refusal", refusal},
         {"waiting-coroutine", waiting_coroutine},
         {"waiting-callable", waiting_callable}}
    );
}
