// Who may come in: the decision alone, with numbers.
#include <corogate/detail/admission.hpp>

#include <boost/test/unit_test.hpp>
#include <memory>
#include <ostream>
#include <vector>

using namespace std::chrono_literals;
using corogate::errc;
using corogate::priority_class;
using namespace corogate::detail;

BOOST_AUTO_TEST_SUITE(admission_tests)

using view = admission::view;

struct entry : queue_entry {
    using queue_entry::queue_entry;
};

/// Jobs that wait in a fair_queue.
struct standing {
    tenant_table tenants{100};
    fair_queue queue;
    std::vector<std::unique_ptr<entry>> jobs;

    void
    add(std::string_view whose, std::uint32_t tasks, priority_class c = priority_class::normal,
        std::uint8_t kind = queue_entry::displaceable) {
        jobs.push_back(std::make_unique<entry>(tasks, kind));
        queue.push(*jobs.back(), *tenants.get(whose), c);
    }
    ~standing() {
        for (auto& job : jobs)
            if (job->queued())
                queue.erase(*job);
    }
    std::size_t ahead(std::string_view whose, priority_class c = priority_class::normal) {
        const auto t = tenants.get(whose);
        return queue.ahead(*t, c);
    }
    admission::verdict
    decide(const admission& policy, std::string_view whose, admission::newcomer who, view pool) {
        const auto t = tenants.get(whose);
        return policy.decide(queue, *t, who, pool);
    }
};

BOOST_AUTO_TEST_CASE(no_wait_is_too_long_while_no_pace_is_known_or_nothing_waits) {
    const admission policy(100ms);
    BOOST_TEST(policy.too_long(1'000'000, {}, view{}) == errc{});
    BOOST_TEST(policy.too_long(0, {.deadline = 1ns}, view{.pace = 1}) == errc{});
}

BOOST_AUTO_TEST_CASE(a_wait_is_bounded_by_queue_time_and_by_a_quarter_of_the_deadline) {
    const admission policy(100ms);
    const view pool{.pace = 1000};
    BOOST_TEST(policy.too_long(100, {}, pool) == errc{});
    BOOST_TEST(policy.too_long(101, {}, pool) == errc::queue_full);
    BOOST_TEST(policy.too_long(50, {.deadline = 200ms}, pool) == errc{});
    BOOST_TEST(policy.too_long(51, {.deadline = 200ms}, pool) == errc::queue_full);
    BOOST_TEST(policy.too_long(101, {.deadline = 10s}, pool) == errc::queue_full);
}

BOOST_AUTO_TEST_CASE(a_burst_may_wait_three_times_as_long_but_no_longer_than_the_deadline_allows) {
    const admission policy(80ms);
    const view burst{.pace = 1000, .standing = 999ms};
    const view overload{.pace = 1000, .standing = 1s};
    BOOST_TEST(policy.too_long(240, {}, burst) == errc{});
    BOOST_TEST(policy.too_long(241, {}, burst) == errc::queue_full);
    BOOST_TEST(policy.too_long(80, {}, overload) == errc{});
    BOOST_TEST(policy.too_long(81, {}, overload) == errc::queue_full);
    BOOST_TEST(policy.too_long(100, {.deadline = 400ms}, burst) == errc{});
    BOOST_TEST(policy.too_long(101, {.deadline = 400ms}, burst) == errc::queue_full);
    // Who does not say how long it has stood gets the short bound.
    BOOST_TEST(policy.too_long(81, {}, view{.pace = 1000}) == errc::queue_full);
    BOOST_TEST((admission().longest_wait(admission::unbounded, 0s) == admission::unbounded));

    standing s;
    s.add("a", 32);
    s.add("b", 100);
    const view with_room{.pace = 1000, .free = 1000, .standing = 0s};
    BOOST_TEST(s.decide(policy, "c", {.tasks = 24}, with_room).displace == 0U);
    const view still{.pace = 1000, .free = 1000, .standing = 2s};
    BOOST_TEST(s.decide(policy, "c", {.tasks = 24}, still).displace == 132U + 24 - 80);
}

BOOST_AUTO_TEST_CASE(before_the_first_queue_the_pace_is_what_the_permits_can_do) {
    BOOST_TEST(admission::pace_of(700, 40, 10ms) == 700);
    BOOST_TEST(admission::pace_of(0, 40, 10ms) == 4000);
    BOOST_TEST(admission::pace_of(0, 40, 0ms) == 0);
}

BOOST_AUTO_TEST_CASE(without_a_bound_and_without_a_deadline_nothing_is_too_long) {
    const admission policy;
    BOOST_TEST(policy.too_long(1'000'000'000, {}, view{.pace = 0.001}) == errc{});
}

BOOST_AUTO_TEST_CASE(a_job_that_cannot_be_done_by_its_deadline_is_told_so) {
    const admission policy;
    // 10 ms ahead, 95 ms of work.
    BOOST_TEST(
        policy.too_long(10, {.tasks = 95, .deadline = 100ms}, view{.pace = 1000}) ==
        errc::deadline_infeasible
    );
    // Little work, but one task alone takes longer than there is time.
    const view slow{.pace = 1000, .service = 200ms};
    BOOST_TEST(policy.too_long(1, {.deadline = 100ms}, slow) == errc::deadline_infeasible);
}

BOOST_AUTO_TEST_CASE(a_job_is_hopeless_when_less_time_is_left_than_its_work_takes) {
    const view pool{.pace = 1000, .service = 5ms};
    BOOST_TEST(!admission::hopeless(24, 24ms, pool));
    BOOST_TEST(admission::hopeless(24, 23ms, pool));
    BOOST_TEST(admission::hopeless(1, 4ms, pool));
    BOOST_TEST(!admission::hopeless(1'000'000, admission::unbounded, pool));
    BOOST_TEST(!admission::hopeless(24, 0ms, view{}));
    BOOST_TEST(admission::hopeless(24, -1ns, view{}));
}

BOOST_AUTO_TEST_CASE(ahead_is_ones_own_and_the_turns_of_the_others) {
    standing s;
    BOOST_TEST(s.ahead("a") == 0u);
    for (int i = 0; i < 10; ++i)
        s.add("flood", 24);
    BOOST_TEST(s.ahead("flood") == 240u);
    BOOST_TEST(s.ahead("a") == fair_queue::default_quantum); // one turn of the flood
    s.add("a", 24);
    BOOST_TEST(s.ahead("a") <= 24 + 2 * fair_queue::default_quantum);
    BOOST_TEST(s.ahead("a") > 24u);
    BOOST_TEST(s.ahead("b") <= 2 * fair_queue::default_quantum);
}

BOOST_AUTO_TEST_CASE(other_classes_take_their_share_of_the_wait_and_no_more) {
    standing s;
    for (int i = 0; i < 100; ++i)
        s.add("study", 24, priority_class::background);
    // Nothing of its own class waits: a unit of another.
    BOOST_TEST(s.ahead("site", priority_class::interactive) <= 2u);
    for (int i = 0; i < 4; ++i)
        s.add("site", 24, priority_class::interactive);
    BOOST_TEST(s.ahead("site", priority_class::interactive) >= 96u);
    BOOST_TEST(s.ahead("site", priority_class::interactive) <= 96u + 96 / 4 + 2);
    BOOST_TEST(s.ahead("study", priority_class::background) == 2400u + 96);
}

/// What the estimate says is never less than what the queue then does.
BOOST_AUTO_TEST_CASE(ahead_bounds_what_is_served_first) {
    for (std::uint32_t seed = 1; seed <= 200; ++seed) {
        std::uint32_t r = seed;
        const auto draw = [&r](std::uint32_t n) {
            r = r * 1664525 + 1013904223;
            return (r >> 8) % n;
        };
        standing s;
        const std::string_view names[] = {"a", "b", "c", "d"};
        for (std::uint32_t i = 0, n = draw(30); i < n; ++i)
            s.add(names[draw(4)], 1 + draw(40), corogate::all_priority_classes[draw(4)]);
        for (std::uint32_t i = 0, n = draw(100); i < n && !s.queue.empty(); ++i) {
            queue_entry* e = s.queue.next();
            tenant& whose = e->where()->owner();
            s.queue.serve(*e);
            s.queue.release(whose);
        }
        const auto whose = names[draw(4)];
        const auto c = corogate::all_priority_classes[draw(4)];
        const auto estimate = s.ahead(whose, c);
        s.add(whose, 1, c);
        queue_entry* const newcomer = s.jobs.back().get();
        std::size_t before = 0;
        for (queue_entry* e = s.queue.next(); e != newcomer; e = s.queue.next(), ++before) {
            tenant& other = e->where()->owner();
            s.queue.serve(*e);
            s.queue.release(other);
        }
        // Jobs go on into debt, so that each other tenant may be ahead by that once.
        BOOST_TEST_CONTEXT("seed " << seed)
        BOOST_REQUIRE_LE(before, estimate + 4 * fair_queue::overdraft);
    }
}

BOOST_AUTO_TEST_CASE(who_floods_the_queue_waits_behind_himself_and_is_told_whose_fault_it_is) {
    const admission policy(100ms);
    const view pool{.pace = 1000, .free = 10'000};
    standing s;
    for (int i = 0; i < 5; ++i)
        s.add("flood", 24);
    const auto flood = s.decide(policy, "flood", {.tasks = 24}, pool);
    BOOST_TEST(flood.no == errc::queue_full); // alone: nobody's share
    s.add("other", 24);
    BOOST_TEST(s.decide(policy, "flood", {.tasks = 24}, pool).no == errc::fair_share_exceeded);
    const auto victim = s.decide(policy, "victim", {.tasks = 24}, pool);
    BOOST_TEST(victim.no == errc{});
    BOOST_TEST(victim.displace == 6 * 24u + 24 - 100); // what is beyond 100 ms
    BOOST_TEST(victim.otherwise == errc{});
}

BOOST_AUTO_TEST_CASE(places_that_lack_are_to_be_displaced_or_else_it_is_full) {
    const admission policy;
    standing s;
    s.add("flood", 24);
    const auto v = s.decide(policy, "victim", {.tasks = 24}, view{.pace = 1000, .free = 10});
    BOOST_TEST(v.no == errc{});
    BOOST_TEST(v.displace == 14u);
    BOOST_TEST(v.otherwise == errc::queue_full);
    const auto none = s.decide(policy, "victim", {.tasks = 24}, view{.free = -3});
    BOOST_TEST(none.displace == 27u);
}

BOOST_AUTO_TEST_SUITE_END()
