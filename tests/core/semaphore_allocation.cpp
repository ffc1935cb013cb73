// A release allocates nothing, whoever waits and wherever: shown with a counting operator new.

#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/semaphore.hpp>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory_resource>
#include <new>
#include <stdlib.h>
#include <utility>

namespace asio = boost::asio;
using boost::system::error_code;
using corogate::permit;

// A sanitizer has operators of its own, and loses what it is there for without them: nothing is
// counted then, and everything else checked.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COROGATE_TEST_COUNTS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COROGATE_TEST_COUNTS 0
#endif
#endif
#ifndef COROGATE_TEST_COUNTS
#define COROGATE_TEST_COUNTS 1
#endif

namespace {

thread_local std::size_t allocated = 0; // by this thread

} // namespace

#if COROGATE_TEST_COUNTS

// Asio allocates what it recycles with this one.
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
    ++allocated;
    void* at = nullptr;
    return ::posix_memalign(&at, alignment, size) == 0 ? at : nullptr;
}

// The other forms of the standard library call these.
void* operator new(std::size_t size) {
    ++allocated;
    if (void* const at = std::malloc(size ? size : 1))
        return at;
    throw std::bad_alloc();
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    if (void* const at = aligned_alloc(static_cast<std::size_t>(alignment), size))
        return at;
    throw std::bad_alloc();
}
void operator delete(void* at) noexcept { std::free(at); }
void operator delete(void* at, std::size_t) noexcept { std::free(at); }
void operator delete(void* at, std::align_val_t) noexcept { std::free(at); }
void operator delete(void* at, std::size_t, std::align_val_t) noexcept { std::free(at); }

#endif

BOOST_AUTO_TEST_SUITE(semaphore_allocation_tests)

/// Allocations of `act` on this thread, which runs no context: Asio has no blocks to recycle here.
template <typename Act>
std::size_t allocations_of(Act act) {
    const auto before = allocated;
    act();
    return allocated - before;
}

#if COROGATE_TEST_COUNTS
BOOST_AUTO_TEST_CASE(the_counter_counts) {
    BOOST_TEST(allocations_of([] { ::operator delete(::operator new(8)); }) == 1u);
    asio::io_context context;
    BOOST_TEST(allocations_of([&] { asio::post(context, [] {}); }) >= 1u);
}
#endif

/// Waits 20 times with handlers on `executor`, and counts what giving the one permit back
/// allocates, 20 times.
template <typename Executor>
std::size_t allocations_of_release(asio::io_context& context, const Executor& executor) {
    corogate::semaphore s(context, 1);
    auto held = s.try_acquire();
    int granted = 0;
    for (int i = 0; i < 20; ++i)
        s.async_acquire(asio::bind_executor(executor, [&](error_code ec, permit p) {
            granted += !ec;
            held = std::move(p);
        }));
    std::size_t count = 0;
    for (int i = 0; i < 20; ++i) {
        count += allocations_of([&] { held.release(); });
        context.restart();
        context.poll();
        BOOST_TEST(granted == i + 1);
    }
    return count;
}

BOOST_AUTO_TEST_CASE(a_release_that_grants_allocates_nothing_on_any_executor_of_asio) {
    asio::io_context context;
    const auto io = context.get_executor();
    const asio::any_io_executor any = io;
    BOOST_TEST(allocations_of_release(context, io) == 0u);
    BOOST_TEST(allocations_of_release(context, any) == 0u);
    BOOST_TEST(allocations_of_release(context, asio::make_strand(io)) == 0u);
    BOOST_TEST(allocations_of_release(context, asio::make_strand(any)) == 0u);
    BOOST_TEST(allocations_of_release(context, asio::any_io_executor(asio::make_strand(io))) == 0u);
    BOOST_TEST(
        allocations_of_release(context, asio::any_io_executor(asio::make_strand(any))) == 0u
    );
}

BOOST_AUTO_TEST_CASE(a_strand_seen_through_its_erasure_is_still_the_same_strand) {
    asio::io_context context;
    const auto strand = asio::make_strand(asio::any_io_executor(context.get_executor()));
    corogate::semaphore s(context, 1);
    auto held = s.try_acquire();
    bool inside = false;
    s.async_acquire(asio::bind_executor(strand, [&](error_code, const permit&) {
        inside = strand.running_in_this_thread();
    }));
    held.release();
    context.run();
    BOOST_TEST(inside);
}

BOOST_AUTO_TEST_CASE(a_release_that_resumes_a_coroutine_allocates_nothing) {
    asio::io_context context;
    corogate::semaphore s(context, 2);
    auto held = s.try_acquire(2);
    int turns = 0;
    auto user = [&]() -> asio::awaitable<void> {
        permit p = co_await s.async_acquire(2, asio::use_awaitable);
        ++turns;
        held = std::move(p);
    };
    for (int i = 0; i < 10; ++i)
        asio::co_spawn(context, user, asio::detached);
    context.poll();
    for (int i = 0; i < 10; ++i) {
        BOOST_TEST(allocations_of([&] { held.release(); }) == 0u);
        context.restart();
        context.poll();
        BOOST_TEST(turns == i + 1);
    }
}

BOOST_AUTO_TEST_CASE(a_release_on_a_pool_allocates_nothing) {
    asio::thread_pool threads(1);
    corogate::semaphore s(threads, 1);
    auto held = s.try_acquire();
    std::promise<permit> one;
    std::promise<permit> two;
    s.async_acquire([&](error_code, permit p) { one.set_value(std::move(p)); });
    s.async_acquire(asio::bind_executor(
        asio::any_io_executor(asio::make_strand(threads)),
        [&](error_code, permit p) { two.set_value(std::move(p)); }
    ));
    BOOST_TEST(allocations_of([&] { held.release(); }) == 0u);
    auto got = one.get_future().get();
    BOOST_TEST(allocations_of([&] { got.release(); }) == 0u);
    BOOST_TEST(bool(two.get_future().get()));
    threads.join();
}

/// Does something while the strand of the semaphore is busy: an executor that is not Asio's own is
/// posted to from inside.
class busy_executor {
public:
    busy_executor(asio::io_context& context, std::function<void()>& inside) noexcept
        : context_(&context)
        , inside_(&inside) {}

    asio::execution_context& query(asio::execution::context_t) const noexcept { return *context_; }
    static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
        return asio::execution::blocking.never;
    }
    busy_executor require(asio::execution::blocking_t::never_t) const noexcept { return *this; }
    template <typename F>
    void execute(F f) const {
        (*inside_)();
        asio::require(context_->get_executor(), asio::execution::blocking.never)
            .execute(std::move(f));
    }
    bool operator==(const busy_executor&) const noexcept = default;

private:
    asio::io_context* context_;
    std::function<void()>* inside_;
};

BOOST_AUTO_TEST_CASE(a_release_while_the_strand_is_busy_allocates_nothing_and_is_not_forgotten) {
    asio::io_context context;
    corogate::semaphore s(context, 2);
    auto first = s.try_acquire();
    auto second = s.try_acquire();
    std::size_t count = 100;
    std::size_t out = 100;
    std::function<void()> inside = [&] {
        // The strand is in use, below us on the stack.
        count = allocations_of([&] { second.release(); });
        out = s.in_use();
    };
    int granted = 0;
    s.async_acquire(asio::bind_executor(
        busy_executor(context, inside), [&](error_code ec, const permit&) { granted += !ec; }
    ));
    s.async_acquire([&](error_code ec, const permit&) { granted += !ec; });
    first.release(); // grants on the spot, and is inside
    BOOST_TEST(count == 0u);
    BOOST_TEST(out == 2u); // it left its permit to the strand
    context.run();
    BOOST_TEST(granted == 2);
    BOOST_TEST(s.available() == 2u);
}

BOOST_AUTO_TEST_CASE(acquiring_without_waiting_synchronously_allocates_nothing) {
    asio::io_context context;
    corogate::semaphore s(context, 3);
    BOOST_TEST(allocations_of([&] {
                   auto three = s.try_acquire(3);
                   auto part = three.split(1);
                   three.merge(std::move(part));
               }) == 0u);
}

BOOST_AUTO_TEST_CASE(a_waiter_lives_in_memory_of_the_associated_allocator_until_it_is_called) {
    struct counting : std::pmr::memory_resource {
        std::size_t blocks = 0;
        std::size_t ever = 0;
        void* do_allocate(std::size_t size, std::size_t alignment) override {
            ++blocks;
            ++ever;
            return std::pmr::new_delete_resource()->allocate(size, alignment);
        }
        void do_deallocate(void* at, std::size_t size, std::size_t alignment) override {
            --blocks;
            std::pmr::new_delete_resource()->deallocate(at, size, alignment);
        }
        bool do_is_equal(const memory_resource& other) const noexcept override {
            return this == &other;
        }
    };
    asio::io_context context;
    const asio::any_io_executor strand = asio::make_strand(context);
    corogate::semaphore s(context, 1);
    for (const bool on_strand : {false, true})
        for (const bool cancelled : {false, true}) {
            counting memory;
            asio::cancellation_signal signal;
            auto held = s.try_acquire();
            bool called = false;
            auto handler = [&](error_code, const permit&) {
                called = true;
                BOOST_TEST(memory.blocks == 0u);
            };
            s.async_acquire(asio::bind_cancellation_slot(
                signal.slot(),
                asio::bind_allocator(
                    std::pmr::polymorphic_allocator<>(&memory),
                    asio::bind_executor(
                        on_strand ? strand : asio::any_io_executor(context.get_executor()), handler
                    )
                )
            ));
            BOOST_TEST(memory.blocks == 1u);
            if (cancelled)
                signal.emit(asio::cancellation_type::terminal);
            held.release();
            context.restart();
            context.poll();
            BOOST_TEST(called);
            BOOST_TEST(memory.ever == 1u);
        }
}

BOOST_AUTO_TEST_SUITE_END()
