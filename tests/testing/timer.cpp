#include <corogate/testing/timer.hpp>

#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <memory>
#include <vector>

namespace asio = boost::asio;
using boost::system::error_code;
using boost::test_tools::per_element;
using corogate::testing::environment;
using corogate::testing::timer;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(timer_tests)

struct one_timer {
    environment env;
    timer t{env};
    std::vector<error_code> seen;
    auto note() {
        return [this](error_code ec) { seen.push_back(ec); };
    }
};

const error_code aborted = asio::error::operation_aborted;

BOOST_FIXTURE_TEST_CASE(expires_at_its_moment, one_timer) {
    BOOST_TEST(t.expires_after(5ms) == 0u);
    BOOST_TEST((t.expiry() == env.now() + 5ms));
    t.async_wait(note());
    env.advance(4ms);
    BOOST_TEST(seen.empty());
    env.advance(1ms);
    BOOST_TEST(seen == std::vector{error_code()}, per_element());
    t.async_wait(note()); // it has expired
    BOOST_TEST(seen.size() == 1u);
    env.run();
    BOOST_TEST(seen.size() == 2u);
}

BOOST_AUTO_TEST_CASE(the_constructor_takes_a_duration) {
    environment env;
    timer t(env, 1h);
    const auto start = env.now();
    const auto wait = [&]() -> asio::awaitable<void> {
        co_await t.async_wait(asio::use_awaitable);
    };
    env.run(wait);
    BOOST_TEST((env.now() == start + 1h));
}

BOOST_FIXTURE_TEST_CASE(cancel_completes_every_pending_wait, one_timer) {
    t.expires_after(1s);
    for (int i = 0; i < 3; ++i)
        t.async_wait(note());
    BOOST_TEST(t.cancel() == 3u);
    BOOST_TEST(t.cancel() == 0u);
    BOOST_TEST(seen.empty());
    env.run();
    BOOST_TEST(seen == (std::vector{aborted, aborted, aborted}), per_element());
}

BOOST_FIXTURE_TEST_CASE(moving_the_expiry_cancels, one_timer) {
    t.expires_after(1s);
    t.async_wait(note());
    BOOST_TEST(t.expires_after(2s) == 1u);
    t.async_wait(note());
    env.advance(2s);
    BOOST_TEST(seen == (std::vector{aborted, error_code()}), per_element());
    BOOST_TEST(t.expires_at(env.now()) == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_wait_whose_moment_has_come_is_not_cancelled, one_timer) {
    t.expires_after(0s);
    t.async_wait(note());
    asio::post(env.get_executor(), [] {});
    env.run_one(); // the post; the wait is due and stands behind it
    BOOST_TEST(seen.empty());
    BOOST_TEST(t.cancel() == 0u);
    env.run();
    BOOST_TEST(seen == std::vector{error_code()}, per_element());
}

BOOST_AUTO_TEST_CASE(the_destructor_cancels) {
    environment env;
    std::vector<error_code> seen;
    {
        timer t(env, 1s);
        t.async_wait([&](error_code ec) { seen.push_back(ec); });
    }
    BOOST_TEST(env.timers_waiting() == 0u);
    env.run();
    BOOST_TEST(seen == std::vector{aborted}, per_element());
}

BOOST_FIXTURE_TEST_CASE(one_wait_is_cancelled_through_its_slot, one_timer) {
    asio::cancellation_signal signal;
    t.expires_after(1s);
    t.async_wait(asio::bind_cancellation_slot(signal.slot(), note()));
    t.async_wait(note());
    signal.emit(asio::cancellation_type::partial);
    env.run();
    BOOST_TEST(seen == std::vector{aborted}, per_element());
    BOOST_TEST(t.cancel() == 1u);
}

BOOST_AUTO_TEST_CASE(a_timer_in_a_dropped_coroutine_goes_with_it) {
    const auto alive = std::make_shared<int>(0);
    {
        environment env;
        const auto sleeper = [](environment& on,
                                std::shared_ptr<int> keep) -> asio::awaitable<void> {
            timer t(on, 1h);
            co_await t.async_wait(asio::use_awaitable);
            ++*keep;
        };
        asio::co_spawn(env.get_executor(), sleeper(env, alive), asio::detached);
        env.run();
        BOOST_TEST(alive.use_count() > 1);
    }
    BOOST_TEST(*alive == 0);
    BOOST_TEST(alive.use_count() == 1);
}

BOOST_AUTO_TEST_SUITE_END()
