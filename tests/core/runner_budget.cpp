#include <corogate/detail/runner_budget.hpp>

#include <boost/test/unit_test.hpp>

using namespace std::chrono_literals;
using corogate::detail::runner_budget;

BOOST_AUTO_TEST_SUITE(runner_budget_tests)

/// Tasks of equal length until the turn is over; how many, and how often the clock was read.
static std::pair<int, int> turn(runner_budget& budget, std::chrono::nanoseconds task) {
    std::chrono::steady_clock::time_point now{1h};
    budget.begin(now);
    int looks = 0;
    for (int tasks = 1;; ++tasks) {
        now += task;
        if (budget.look()) {
            ++looks;
            if (budget.spent(now))
                return {tasks, looks};
        }
    }
}

BOOST_AUTO_TEST_CASE(short_tasks_end_a_turn_by_number_and_read_the_clock_rarely) {
    runner_budget budget;
    turn(budget, 100ns); // learns the pace
    const auto [tasks, looks] = turn(budget, 100ns);
    BOOST_TEST(tasks == 64);
    BOOST_TEST(looks == 1);
}

BOOST_AUTO_TEST_CASE(long_tasks_end_a_turn_by_time) {
    runner_budget budget;
    BOOST_TEST(turn(budget, 2ms).first == 1);
    BOOST_TEST(turn(budget, 400us).first == 3);
}

BOOST_AUTO_TEST_CASE(after_short_tasks_long_ones_are_noticed_within_one_stride) {
    runner_budget budget;
    turn(budget, 20us);
    const auto [tasks, looks] = turn(budget, 1ms);
    BOOST_TEST(tasks <= 12);
    BOOST_TEST(turn(budget, 1ms).first == 1);
}

BOOST_AUTO_TEST_SUITE_END()
