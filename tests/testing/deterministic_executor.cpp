#include <corogate/testing/deterministic_executor.hpp>

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/test/unit_test.hpp>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace asio = boost::asio;
namespace execution = boost::asio::execution;
using boost::system::error_code;
using boost::test_tools::per_element;
using corogate::testing::deterministic_context;
using corogate::testing::deterministic_executor;

static_assert(execution::is_executor_v<deterministic_executor>);
static_assert(asio::can_require_v<deterministic_executor, execution::blocking_t::never_t>);
static_assert(asio::can_require_v<deterministic_executor, execution::blocking_t::possibly_t>);
static_assert(!asio::can_require_v<deterministic_executor, execution::blocking_t::always_t>);
static_assert(std::is_nothrow_copy_constructible_v<deterministic_executor>);

BOOST_AUTO_TEST_SUITE(deterministic_executor_tests)

std::vector<int> order_of(std::uint64_t seed, int n) {
    deterministic_context context(seed);
    std::vector<int> order;
    for (int i = 0; i < n; ++i)
        asio::post(context, [&, i] { order.push_back(i); });
    BOOST_TEST(order.empty());
    BOOST_TEST(context.run() == std::size_t(n));
    return order;
}

BOOST_AUTO_TEST_CASE(seed_0_is_first_come_first_served) {
    BOOST_TEST(order_of(0, 5) == (std::vector{0, 1, 2, 3, 4}), per_element());
}

BOOST_AUTO_TEST_CASE(a_seed_is_one_schedule_everywhere) {
    // Written down: another library or compiler must draw the same.
    BOOST_TEST(order_of(1, 8) == (std::vector{1, 0, 6, 5, 7, 2, 3, 4}), per_element());
    BOOST_TEST(order_of(1, 100) == order_of(1, 100), per_element());
}

BOOST_AUTO_TEST_CASE(seeds_differ_and_every_seed_runs_everything_once) {
    std::set<std::vector<int>> seen;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        auto order = order_of(seed, 4);
        seen.insert(order);
        std::sort(order.begin(), order.end());
        BOOST_TEST(order == (std::vector{0, 1, 2, 3}), per_element());
    }
    BOOST_TEST(seen.size() == 24u); // every order there is
}

BOOST_AUTO_TEST_CASE(work_posted_by_work_runs_too_and_steps_count) {
    deterministic_context context(7);
    int left = 1000;
    std::function<void()> next = [&] {
        if (--left > 0)
            asio::post(context, next);
    };
    asio::post(context, next);
    BOOST_TEST(context.ready() == 1u);
    BOOST_TEST(context.run_one() == 1u);
    BOOST_TEST(left == 999);
    BOOST_TEST(context.run() == 999u);
    BOOST_TEST(context.steps() == 1000u);
    BOOST_TEST(context.run_one() == 0u);
    BOOST_TEST(context.poll() == 0u);
}

BOOST_AUTO_TEST_CASE(properties_are_what_was_required) {
    deterministic_context context;
    const auto ex = context.get_executor();
    BOOST_TEST((asio::query(ex, execution::blocking) == execution::blocking.possibly));
    BOOST_TEST((asio::query(ex, execution::relationship) == execution::relationship.fork));
    BOOST_TEST(
        (asio::query(ex, execution::outstanding_work) == execution::outstanding_work.untracked)
    );
    BOOST_TEST((asio::query(ex, execution::mapping) == execution::mapping.thread));
    BOOST_TEST(&asio::query(ex, execution::context) == &context);
    BOOST_TEST((ex == context.get_executor()));
    deterministic_context other;
    BOOST_TEST((ex != other.get_executor()));

    const auto never = asio::require(ex, execution::blocking.never);
    BOOST_TEST((asio::query(never, execution::blocking) == execution::blocking.never));
    BOOST_TEST((never != ex));
    BOOST_TEST((asio::require(never, execution::blocking.possibly) == ex));
    const auto next = asio::prefer(ex, execution::relationship.continuation);
    BOOST_TEST((asio::query(next, execution::relationship) == execution::relationship.continuation)
    );
    BOOST_TEST((asio::prefer(next, execution::relationship.fork) == ex));
    const auto a = asio::prefer(ex, execution::allocator(std::allocator<int>()));
    BOOST_TEST((asio::query(a, execution::allocator) == std::allocator<int>()));
    BOOST_TEST((asio::prefer(a, execution::allocator) == ex));
}

BOOST_AUTO_TEST_CASE(tracked_executors_are_counted) {
    deterministic_context context;
    const auto ex = context.get_executor();
    BOOST_TEST(context.outstanding_work() == 0u);
    {
        auto one = asio::prefer(ex, execution::outstanding_work.tracked);
        BOOST_TEST(
            (asio::query(one, execution::outstanding_work) == execution::outstanding_work.tracked)
        );
        BOOST_TEST(context.outstanding_work() == 1u);
        auto two = one;
        BOOST_TEST(context.outstanding_work() == 2u);
        two = asio::prefer(two, execution::outstanding_work.untracked);
        BOOST_TEST(context.outstanding_work() == 1u);
        auto moved = std::move(one);
        const auto guard = asio::make_work_guard(context);
        const asio::any_io_executor any = moved;
        BOOST_TEST(context.outstanding_work() >= 3u);
    }
    BOOST_TEST(context.outstanding_work() == 0u);
}

BOOST_AUTO_TEST_CASE(goes_into_any_io_executor) {
    deterministic_context context;
    const asio::any_io_executor any = context.get_executor();
    BOOST_TEST((&asio::query(any, execution::context) == &context));
    BOOST_TEST((any == asio::any_io_executor(context.get_executor())));
    const auto never = asio::require(any, execution::blocking.never);
    const auto tracked = asio::prefer(never, execution::outstanding_work.tracked);
    BOOST_TEST(context.outstanding_work() == 1u);
    int ran = 0;
    tracked.execute([&] { ++ran; });
    asio::post(any, [&] { ++ran; });
    asio::defer(any, [&] { ++ran; });
    asio::dispatch(any, [&] { ++ran; });
    BOOST_TEST(ran == 0);
    context.run();
    BOOST_TEST(ran == 4);
}

BOOST_AUTO_TEST_CASE(dispatch_runs_at_once_inside_only) {
    deterministic_context context;
    std::string trace;
    asio::dispatch(context, [&] { trace += 'a'; });
    BOOST_TEST(trace.empty());
    BOOST_TEST(!context.running());
    asio::post(context, [&] {
        BOOST_TEST(context.running());
        trace += '(';
        asio::dispatch(context, [&] { trace += 'b'; });
        asio::post(context, [&] { trace += 'c'; });
        asio::require(context.get_executor(), execution::blocking.never).execute([&] {
            trace += 'd';
        });
        trace += ')';
    });
    context.run();
    BOOST_TEST(trace == "a(b)cd");
    BOOST_TEST(!context.running());
}

BOOST_AUTO_TEST_CASE(an_exception_leaves_run_and_the_rest_stays_ready) {
    deterministic_context context;
    int ran = 0;
    asio::post(context, [] { throw std::runtime_error("posted"); });
    asio::post(context, [&] {
        // As with Asio's contexts: to whoever runs, not through the code that dispatched.
        asio::dispatch(context, [] { throw std::runtime_error("dispatched"); });
        ++ran;
    });
    asio::post(context, [&] { ++ran; });
    BOOST_CHECK_EXCEPTION(context.run(), std::runtime_error, [](const auto& e) {
        return e.what() == std::string("posted");
    });
    BOOST_TEST(context.ready() == 2u);
    BOOST_TEST(!context.running());
    BOOST_CHECK_EXCEPTION(context.run(), std::runtime_error, [](const auto& e) {
        return e.what() == std::string("dispatched");
    });
    BOOST_TEST(ran == 1);
    context.run();
    BOOST_TEST(ran == 2);
}

BOOST_AUTO_TEST_CASE(work_may_run_the_context) {
    deterministic_context context;
    std::string trace;
    asio::post(context, [&] {
        trace += '(';
        context.run_until([&] { return trace.ends_with("b"); });
        BOOST_TEST(context.running());
        trace += ')';
    });
    asio::post(context, [&] { trace += 'a'; });
    asio::post(context, [&] { trace += 'b'; });
    asio::post(context, [&] { trace += 'c'; });
    context.run();
    BOOST_TEST(trace == "(ab)c");
}

BOOST_AUTO_TEST_CASE(a_strand_keeps_its_order_under_every_seed) {
    bool others_interleaved = false;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        deterministic_context context(seed);
        auto a = asio::make_strand(context);
        auto b = asio::make_strand(asio::any_io_executor(context.get_executor()));
        std::string trace;
        bool inside = false;
        for (char c : {'1', '2', '3', '4'}) {
            asio::post(a, [&, c] {
                BOOST_TEST(!std::exchange(inside, true));
                BOOST_TEST(a.running_in_this_thread());
                asio::post(a, [&, c] { trace += static_cast<char>(c + 4); });
                trace += c;
                inside = false;
            });
            asio::post(b, [&, c] { trace += static_cast<char>(c - '1' + 'a'); });
        }
        context.run();
        std::string digits, letters;
        for (char c : trace)
            (c < 'a' ? digits : letters) += c;
        BOOST_TEST(digits == "12345678");
        BOOST_TEST(letters == "abcd");
        others_interleaved = others_interleaved || trace.find("a") > 0;
    }
    BOOST_TEST(others_interleaved);
}

asio::awaitable<int> hop(int times) {
    for (int i = 0; i < times; ++i)
        co_await asio::post(asio::use_awaitable);
    co_return times;
}

BOOST_AUTO_TEST_CASE(coroutines_and_their_operators) {
    using namespace asio::experimental::awaitable_operators;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        deterministic_context context(seed);
        int sum = 0;
        std::size_t won = 2;
        const auto test = [&]() -> asio::awaitable<void> {
            const auto [x, y] = co_await (hop(3) && hop(4));
            sum = x + y;
            const auto first = co_await (hop(1000) || hop(1));
            won = first.index();
        };
        asio::co_spawn(context, test, asio::detached);
        context.run();
        BOOST_TEST(sum == 7);
        BOOST_TEST(won == 1u);
        BOOST_TEST(context.outstanding_work() == 0u);
    }
}

BOOST_AUTO_TEST_CASE(a_channel_between_two_coroutines) {
    deterministic_context context(3);
    asio::experimental::channel<void(error_code, int)> channel(context, 1);
    int sum = 0;
    const auto send = [&]() -> asio::awaitable<void> {
        for (int i = 1; i <= 10; ++i)
            co_await channel.async_send(error_code(), i, asio::use_awaitable);
    };
    const auto receive = [&]() -> asio::awaitable<void> {
        for (int i = 1; i <= 10; ++i)
            sum += co_await channel.async_receive(asio::use_awaitable);
    };
    asio::co_spawn(context, send, asio::detached);
    asio::co_spawn(context, receive, asio::detached);
    context.run();
    BOOST_TEST(sum == 55);
}

BOOST_AUTO_TEST_CASE(a_deadlock_is_said) {
    deterministic_context context(9);
    asio::experimental::channel<void(error_code)> never(context);
    const auto wait = [&]() -> asio::awaitable<void> {
        co_await never.async_receive(asio::use_awaitable);
    };
    bool done = false;
    asio::co_spawn(context, wait, [&](std::exception_ptr) { done = true; });
    BOOST_CHECK_EXCEPTION(
        context.run_until([&] { return done; }), std::logic_error,
        [](const std::exception& e) {
            const std::string text = e.what();
            return text.find("nothing is ready") != text.npos && text.find("seed 9") != text.npos &&
                   text.find("0 outstanding") == text.npos;
        }
    );
    never.cancel();
    BOOST_TEST(context.run_until([&] { return done; }) > 0u);
}

BOOST_AUTO_TEST_CASE(a_livelock_is_said_where_a_limit_is_set) {
    deterministic_context context;
    std::function<void()> again = [&] { asio::post(context, again); };
    again();
    context.step_limit(1000);
    BOOST_CHECK_THROW(context.run(), std::logic_error);
    BOOST_TEST(context.steps() == 1001u);
    BOOST_CHECK_THROW(context.run_until([] { return false; }), std::logic_error);
    context.step_limit(0);
    int left = 5000;
    BOOST_TEST(context.run_until([&] { return --left == 0; }) == 4999u);
}

/// Counts its live copies through the use count of `alive`.
struct witness {
    std::shared_ptr<int> alive;
    void operator()() const { ++*alive; }
};

BOOST_AUTO_TEST_CASE(what_has_not_run_is_destroyed_without_running) {
    const auto alive = std::make_shared<int>(0);
    {
        deterministic_context context;
        const auto strand = asio::make_strand(context);
        for (int i = 0; i < 3; ++i) {
            asio::post(context, witness{alive});
            asio::post(strand, witness{alive});
        }
        // A coroutine that has started, and one that has not.
        const auto wait = [](std::shared_ptr<int> keep,
                             deterministic_context& on) -> asio::awaitable<void> {
            asio::experimental::channel<void(error_code)> never(on);
            co_await never.async_receive(asio::use_awaitable);
            ++*keep;
        };
        asio::co_spawn(context, wait(alive, context), asio::detached);
        asio::co_spawn(strand, wait(alive, context), asio::detached);
        context.run_one();
        BOOST_TEST(*alive == 1);
        BOOST_TEST(alive.use_count() > 6);
    }
    BOOST_TEST(*alive == 1);
    BOOST_TEST(alive.use_count() == 1);
}

BOOST_AUTO_TEST_CASE(what_a_dropped_destructor_posts_is_destroyed_too) {
    const auto alive = std::make_shared<int>(0);
    struct poster {
        deterministic_context* on;
        std::shared_ptr<int> alive;
        ~poster() {
            if (on)
                asio::post(*on, witness{alive});
        }
    };
    {
        deterministic_context context;
        auto held = std::make_unique<poster>();
        held->on = &context;
        held->alive = alive;
        asio::post(context, [held = std::move(held)] {});
    }
    BOOST_TEST(*alive == 0);
    BOOST_TEST(alive.use_count() == 1);
}

template <typename T>
struct counting {
    using value_type = T;
    int* live;
    explicit counting(int* l)
        : live(l) {}
    template <typename U>
    counting(const counting<U>& other)
        : live(other.live) {}
    T* allocate(std::size_t n) {
        ++*live;
        return std::allocator<T>().allocate(n);
    }
    void deallocate(T* p, std::size_t n) {
        --*live;
        std::allocator<T>().deallocate(p, n);
    }
    template <typename U>
    bool operator==(const counting<U>& other) const {
        return live == other.live;
    }
};

BOOST_AUTO_TEST_CASE(memory_comes_from_the_allocator_and_is_free_before_the_call) {
    int live = 0;
    deterministic_context context;
    int at_call = -1;
    asio::post(context, asio::bind_allocator(counting<char>(&live), [&] { at_call = live; }));
    BOOST_TEST(live == 1);
    context.run();
    BOOST_TEST(at_call == 0);
    asio::post(context, asio::bind_allocator(counting<char>(&live), [] {}));
    context.discard();
    BOOST_TEST(live == 0);
}

BOOST_AUTO_TEST_CASE(a_second_thread_is_told) {
    deterministic_context context;
    int told = 0;
    std::thread other([&] {
        try {
            asio::post(context, [] {});
        } catch (const std::logic_error&) {
            ++told;
        }
        try {
            context.run();
        } catch (const std::logic_error&) {
            ++told;
        }
    });
    other.join();
    BOOST_TEST(told == 2);
    BOOST_TEST(context.ready() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
