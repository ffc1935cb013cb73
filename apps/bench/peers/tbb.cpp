// oneTBB: plain functions, no coroutines; as many threads as cores.

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include "../measure.hpp"

using bench::arguments;
using bench::countdown;

namespace {

/// The submitter waits in the group, and works there.
void task_group(const arguments& given) {
    oneapi::tbb::task_group group;
    bench::in_batches(given, [&](countdown& left, std::size_t n) {
        for (; n > 0; --n)
            group.run([&left] { left.hit(); });
        group.wait();
    });
}

/// The submitter stays outside; all cores belong to the arena.
void task_arena(const arguments& given) {
    // TBB counts the submitter among its threads, in the arena or not.
    const oneapi::tbb::global_control threads(
        oneapi::tbb::global_control::max_allowed_parallelism, bench::cores() + 1
    );
    oneapi::tbb::task_arena arena(static_cast<int>(bench::cores()), 0);
    bench::in_batches(given, [&](countdown& left, std::size_t n) {
        for (; n > 0; --n)
            arena.enqueue([&left] { left.hit(); });
    });
}

/// Groups of `size` tasks, one after the other: a group is waited for where it was filled.
void joined(const arguments& given) {
    const auto size = given.number("size", 24);
    bench::in_batches(given, [&](countdown& left, std::size_t n) {
        while (n > 0) {
            const auto now = std::min(size, n);
            oneapi::tbb::task_group group;
            for (std::size_t i = 0; i < now; ++i)
                group.run([&left] { left.hit(); });
            group.wait();
            n -= now;
        }
    });
}

} // namespace

int main(int count, char** words) {
    return bench::run_row(
        count, words, {{"task_group", task_group}, {"task_arena", task_arena}, {"joined", joined}}
    );
}
