#include <corogate/testing/for_each_seed.hpp>

#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace asio = boost::asio;
using boost::test_tools::per_element;
using corogate::testing::environment;
using corogate::testing::for_each_seed;

BOOST_AUTO_TEST_SUITE(for_each_seed_tests)

/// What goes to standard error, and COROGATE_SEED as the test wants it.
struct surroundings {
    std::ostringstream said;
    std::streambuf* const before = std::cerr.rdbuf(said.rdbuf());
    const char* const old = std::getenv("COROGATE_SEED");
    const std::string seed_before = old ? old : "";
    surroundings() { ::unsetenv("COROGATE_SEED"); }
    ~surroundings() {
        std::cerr.rdbuf(before);
        if (old)
            ::setenv("COROGATE_SEED", seed_before.c_str(), 1);
        else
            ::unsetenv("COROGATE_SEED");
    }
};

BOOST_FIXTURE_TEST_CASE(runs_each_seed_once_with_a_fresh_environment, surroundings) {
    std::vector<std::uint64_t> seeds;
    for_each_seed(4, [&](environment& env) {
        BOOST_TEST(env.steps() == 0u);
        asio::post(env.get_executor(), [] {});
        env.run();
        seeds.push_back(env.seed());
    });
    BOOST_TEST(seeds == (std::vector<std::uint64_t>{0, 1, 2, 3}), per_element());
    BOOST_TEST(said.str().empty());
}

BOOST_FIXTURE_TEST_CASE(a_failure_names_its_seed_and_goes_on_to_the_caller, surroundings) {
    std::uint64_t last = 0;
    const auto test = [&](environment& env) {
        last = env.seed();
        if (last == 7)
            throw std::out_of_range("seven");
    };
    BOOST_CHECK_THROW(for_each_seed(100, test), std::out_of_range);
    BOOST_TEST(last == 7u);
    BOOST_TEST(said.str() == "failed with seed 7; COROGATE_SEED=7 runs it alone\n");
}

BOOST_FIXTURE_TEST_CASE(false_is_a_failure, surroundings) {
    BOOST_CHECK_THROW(
        for_each_seed(100, [](environment& env) { return env.seed() < 3; }), std::runtime_error
    );
    BOOST_TEST(said.str().find("seed 3;") != std::string::npos);
    for_each_seed(3, [](environment& env) { return env.seed() < 3; });
}

BOOST_FIXTURE_TEST_CASE(one_seed_alone_by_the_environment_variable, surroundings) {
    ::setenv("COROGATE_SEED", "12345", 1);
    std::vector<std::uint64_t> seeds;
    const auto note = [&](environment& env) { seeds.push_back(env.seed()); };
    for_each_seed(4, note);
    BOOST_TEST(seeds == std::vector<std::uint64_t>{12345}, per_element());
    for (const char* bad : {"x", "7x", "-1", "99999999999999999999999"}) {
        ::setenv("COROGATE_SEED", bad, 1);
        BOOST_CHECK_THROW(for_each_seed(4, note), std::invalid_argument);
    }
    ::setenv("COROGATE_SEED", "", 1);
    for_each_seed(2, note);
    BOOST_TEST(seeds.size() == 3u);
}

/// Two tasks that read, let others run, and write back: first come, first served hides the loss.
int count_without_care(environment& env) {
    int counter = 0;
    const auto add = [&](int hops) -> asio::awaitable<void> {
        for (int i = 0; i < hops; ++i)
            co_await asio::post(asio::use_awaitable);
        const int read = counter;
        co_await asio::post(asio::use_awaitable);
        counter = read + 1;
    };
    asio::co_spawn(env.get_executor(), add(0), asio::detached);
    asio::co_spawn(env.get_executor(), add(5), asio::detached);
    env.run();
    return counter;
}

BOOST_FIXTURE_TEST_CASE(finds_the_schedule_that_loses_an_update, surroundings) {
    environment in_order;
    BOOST_TEST(count_without_care(in_order) == 2);
    const auto test = [](environment& env) { return count_without_care(env) == 2; };
    BOOST_CHECK_THROW(for_each_seed(1000, test), std::runtime_error);
    // And the seed it names finds it again.
    const auto text = said.str();
    environment again(std::stoull(text.substr(text.find("seed ") + 5)));
    BOOST_TEST(count_without_care(again) == 1);
}

BOOST_AUTO_TEST_SUITE_END()
