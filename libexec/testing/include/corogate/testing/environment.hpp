#pragma once

#include <algorithm>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <concepts>
#include <corogate/environment.hpp>
#include <corogate/testing/detail/wait.hpp>
#include <corogate/testing/deterministic_executor.hpp>
#include <corogate/testing/manual_clock.hpp>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace corogate::testing {

/// A pool's surroundings in a test: one thread, a schedule drawn from a seed, and time that moves
/// only when the test says so or when nothing else is left to do. A task that sleeps an hour takes
/// no time, and a failure comes back with its seed.
///
///     corogate::testing::environment env;
///     BOOST_TEST(env.run(answer_of(form)) == 42);
///
/// Order: work that is ready runs before time moves. Alarms and waits of different moments come in
/// the order of their moments; those of one moment, like everything else that is ready together, in
/// the order of their setting (seed 0) or as the seed draws (any other).
///
/// Not thread-safe: a second thread gets std::logic_error. Completions that Asio itself takes to a
/// thread of its own (`use_future`) are outside this order. Outlives what uses it. What is still
/// suspended or waiting when it is destroyed is destroyed without being resumed.
class environment final : public corogate::environment {
public:
    using duration = clock::duration;
    using time_point = clock::time_point;

    explicit environment(std::uint64_t seed = 0)
        : context_(seed) {}
    ~environment() override;

    // What a pool asks.

    boost::asio::any_io_executor get_executor() override { return context_.get_executor(); }
    time_point now() const noexcept override { return clock_.now(); }
    std::unique_ptr<alarm> make_alarm(std::function<void()> ring) override;
    /// Runs work, and moves time where none is ready, until `done()`. Throws as `run_until` does;
    /// from a destructor that waits, that ends the program with the same sentence.
    void wait_until(const std::function<bool()>& done) override { until(done, true); }

    // What a test does.

    /// Runs what is ready, and what that makes ready, without moving time. Returns the steps taken.
    std::size_t run();
    /// Runs one piece of ready work; 0 where none is.
    std::size_t run_one();

    /// Runs what is ready, then moves time by `by` from one moment that somebody waits for to the
    /// next, running at each what comes due.
    void advance(duration by) { advance_to(now() + by); }
    void advance_to(time_point to);

    /// Runs until `done()`, asked after every step. Where nothing is ready, moves time to the next
    /// moment that somebody waits for. Throws std::logic_error, and says how things stand, where
    /// nothing can make `done()` true any more: no moment is left, or `auto_advance` is off, or
    /// time has moved by more than `patience`.
    void run_until(const std::function<bool()>& done) { until(done, auto_advance_); }

    /// Runs a coroutine to its end, as run_until does, and returns its result or throws its
    /// exception. The callable form keeps the callable for as long as the coroutine lives.
    template <typename T>
    T run(boost::asio::awaitable<T> work);
    template <std::invocable Function>
    auto run(Function make) -> typename std::invoke_result_t<Function&>::value_type;

    /// Completes when `after` has passed, with no error; with `operation_aborted` when cancelled
    /// through the handler's slot. Signature void(error_code); completes by post, never inline.
    /// `after` counts from the initiation; zero or less is due at once.
    template <typename Token>
    auto async_wait(duration after, Token&& token);
    /// The same for a moment. Where it has passed, it is due at once.
    template <typename Token>
    auto async_wait_until(time_point when, Token&& token);

    /// Whether `run_until` and `run(coroutine)` move time by themselves. On at first.
    void auto_advance(bool on) noexcept { auto_advance_ = on; }
    /// How far they move it in one call before they give up: a periodic alarm would otherwise hide
    /// a deadlock for ever. An hour at first.
    void patience(duration most) noexcept { patience_ = most; }
    /// See deterministic_context.
    void step_limit(std::uint64_t most) noexcept { context_.step_limit(most); }

    std::uint64_t seed() const noexcept { return context_.seed(); }
    std::uint64_t steps() const noexcept { return context_.steps(); }
    /// Alarms and waits whose moment has not come.
    std::size_t timers_waiting() const noexcept { return clock_.timers_waiting(); }
    std::optional<time_point> next_deadline() const noexcept { return clock_.next_deadline(); }
    deterministic_context& context() noexcept { return context_; }

    /// How things stand, in one line: "nothing is ready, 2 timers wait, the next in 5 ms (seed 7,
    /// step 31)".
    std::string describe() const;

private:
    friend class timer;
    class clock_alarm;

    void until(const std::function<bool()>& done, bool move_time);
    void ring_due() {
        while (clock_.ring_due()) {
        }
    }
    template <typename Handler>
    void start_wait(
        Handler&& handler, time_point when, std::weak_ptr<detail::wait_handle>* to = nullptr
    );

    // In this order: what the context destroys with itself may hold timers and waits.
    manual_clock clock_;
    detail::wait_list waits_;
    bool auto_advance_ = true;
    duration patience_ = std::chrono::hours(1);
    deterministic_context context_;
};

// ---------------------------------------------------------------------------------------------

namespace detail {

template <typename T>
struct outcome {
    std::optional<std::conditional_t<std::is_void_v<T>, bool, T>> value;
    std::exception_ptr error;
    bool done = false;
};

template <typename T>
boost::asio::awaitable<void>
keep_outcome(boost::asio::awaitable<T> work, std::shared_ptr<outcome<T>> to) {
    try {
        if constexpr (std::is_void_v<T>)
            co_await std::move(work);
        else
            to->value.emplace(co_await std::move(work));
    } catch (...) {
        to->error = std::current_exception();
    }
    to->done = true;
}

template <typename T, typename Function>
boost::asio::awaitable<T> call_kept(std::shared_ptr<Function> make) {
    co_return co_await (*make)();
}

/// "5 ms", "1.5 s": the unit in which it is at least one, three digits behind the point.
inline std::string in_words(std::chrono::nanoseconds d) {
    struct unit {
        std::int64_t ns;
        const char* name;
    };
    constexpr unit units[] = {
        {1'000'000'000, " s"}, {1'000'000, " ms"}, {1'000, " us"}, {1, " ns"}
    };
    if (d.count() < 0)
        return "-" + in_words(-d);
    for (const auto& [ns, name] : units) {
        if (d.count() < ns && ns != 1)
            continue;
        auto text = std::to_string(d.count() / ns);
        if (const auto thousandths = ns == 1 ? 0 : d.count() % ns / (ns / 1000)) {
            auto digits = std::to_string(1000 + thousandths).substr(1);
            text += '.' + digits.substr(0, digits.find_last_not_of('0') + 1);
        }
        return text + name;
    }
    return "0 ns";
}

} // namespace detail

/// Its ring goes through the ready work, so that the seed may let other work come before it.
class environment::clock_alarm final : public alarm {
public:
    clock_alarm(environment& of, std::function<void()> ring)
        : state_(std::make_shared<state>(std::move(ring)))
        , timer_(of.clock_, [this, &of] {
            auto posted = [of = std::weak_ptr(state_), setting = state_->setting] {
                if (const auto still = of.lock(); still && still->setting == setting)
                    still->ring();
            };
            boost::asio::post(of.context_.get_executor(), std::move(posted));
        }) {}

    void set(time_point when) override {
        ++state_->setting; // a ring already posted is void
        timer_.set(when);
    }

private:
    struct state {
        explicit state(std::function<void()> r)
            : ring(std::move(r)) {}
        const std::function<void()> ring;
        std::uint64_t setting = 0;
    };

    std::shared_ptr<state> state_;
    manual_clock::timer timer_;
};

inline environment::~environment() {
    // A wait that is destroyed may own a coroutine; its frame is destroyed through the executor.
    do {
        while (!waits_.empty())
            waits_.front().destroy();
        context_.discard();
    } while (!waits_.empty());
}

inline std::unique_ptr<environment::alarm> environment::make_alarm(std::function<void()> ring) {
    return std::make_unique<clock_alarm>(*this, std::move(ring));
}

inline std::size_t environment::run_one() {
    ring_due();
    return context_.run_one();
}

inline std::size_t environment::run() {
    std::size_t taken = 0;
    while (run_one() != 0)
        context_.check_step_limit(++taken);
    return taken;
}

inline void environment::advance_to(time_point to) {
    run();
    for (auto next = next_deadline(); next && *next <= to; next = next_deadline()) {
        clock_.advance_to(std::max(now(), *next));
        run();
    }
    // Work may itself have advanced past `to`.
    clock_.advance_to(std::max(now(), to));
    run();
}

inline void environment::until(const std::function<bool()>& done, bool move_time) {
    const auto start = now();
    std::size_t taken = 0;
    while (!done()) {
        if (run_one() != 0) {
            context_.check_step_limit(++taken);
            continue;
        }
        const auto next = next_deadline();
        const char* why = nullptr;
        if (!next)
            why = ", and the condition is still false";
        else if (!move_time)
            why = ", the condition is still false, and time does not move by itself";
        else if (*next - start > patience_)
            why =
                ", and the condition is still false though time has moved as far as patience goes";
        if (why)
            throw std::logic_error("corogate::testing: " + describe() + why);
        clock_.advance_to(*next);
    }
}

inline std::string environment::describe() const {
    const auto ready = context_.ready();
    const auto waiting = timers_waiting();
    std::string text = "nothing is ready";
    if (ready != 0)
        text = std::to_string(ready) +
               (ready == 1 ? " piece of work is ready" : " pieces of work are ready");
    if (waiting == 0)
        text += ", no timer waits";
    else
        text += ", " + std::to_string(waiting) +
                (waiting == 1 ? " timer waits, it comes in " : " timers wait, the next in ") +
                detail::in_words(*next_deadline() - now());
    text += " (seed " + std::to_string(seed()) + ", step " + std::to_string(steps()) + ")";
    return text;
}

template <typename T>
T environment::run(boost::asio::awaitable<T> work) {
    const auto result = std::make_shared<detail::outcome<T>>();
    boost::asio::co_spawn(
        context_.get_executor(), detail::keep_outcome(std::move(work), result),
        boost::asio::detached
    );
    run_until([&] { return result->done; });
    if (result->error)
        std::rethrow_exception(result->error);
    if constexpr (!std::is_void_v<T>)
        return std::move(*result->value);
}

template <std::invocable Function>
auto environment::run(Function make) -> typename std::invoke_result_t<Function&>::value_type {
    using result = typename std::invoke_result_t<Function&>::value_type;
    return run(detail::call_kept<result>(std::make_shared<Function>(std::move(make))));
}

template <typename Handler>
void environment::start_wait(
    Handler&& handler, time_point when, std::weak_ptr<detail::wait_handle>* to
) {
    detail::wait_of<std::decay_t<Handler>>::start(
        std::move(handler), waits_, clock_, context_.get_executor(), when, to
    );
}

template <typename Token>
auto environment::async_wait(duration after, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
        [this](auto handler, duration d) { this->start_wait(std::move(handler), now() + d); },
        token, after
    );
}

template <typename Token>
auto environment::async_wait_until(time_point when, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
        [this](auto handler, time_point t) { this->start_wait(std::move(handler), t); }, token, when
    );
}

} // namespace corogate::testing
