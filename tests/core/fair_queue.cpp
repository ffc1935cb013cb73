#include <corogate/detail/fair_queue.hpp>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

using namespace corogate;
using namespace corogate::detail;

namespace {

constexpr auto displaceable = queue_entry::displaceable;
constexpr auto ordered = queue_entry::ordered;

struct job : queue_entry {
    explicit job(std::string text = {}, std::uint32_t units = 1, std::uint8_t traits = fixed)
        : queue_entry(units, traits)
        , name(std::move(text)) {}
    std::string name;
};

/// A queue with tenants and jobs by name.
struct bench {
    explicit bench(std::uint32_t quantum = fair_queue::default_quantum)
        : queue(quantum) {}
    ~bench() {
        for (auto& j : jobs)
            if (j.queued())
                queue.erase(j);
        for (auto& [name, t] : tenants)
            queue.release(*t, t->holding());
    }

    tenant& of(const std::string& name) {
        return *tenants.try_emplace(name, table.get(name)).first->second;
    }
    job& push(
        const std::string& whose, const std::string& name, std::uint32_t units = 1,
        priority_class c = priority_class::normal, std::uint8_t traits = queue_entry::fixed
    ) {
        auto& j = jobs.emplace_back(name, units, traits);
        queue.push(j, of(whose), c);
        return j;
    }
    /// Serves and ends one unit; whose it was.
    std::string serve() {
        auto* j = static_cast<job*>(queue.next());
        if (!j)
            return {};
        queue.serve(*j);
        queue.release(j->where()->owner());
        return j->name;
    }
    /// Serves n units (or all), and writes down the jobs in order, repetitions as one.
    std::string serve_all(std::size_t n = SIZE_MAX) {
        std::string order, last;
        for (; n > 0 && !queue.empty(); --n) {
            const auto name = serve();
            if (name != last)
                order += order.empty() ? name : " " + name;
            last = name;
        }
        return order;
    }

    tenant_table table;
    fair_queue queue;
    std::map<std::string, tenant_ref> tenants;
    std::deque<job> jobs;
};

} // namespace

BOOST_AUTO_TEST_SUITE(fair_queue_tests)

BOOST_AUTO_TEST_CASE(Q5_one_tenant_and_class_is_served_in_order_of_arrival) {
    bench b;
    for (int i = 0; i < 1000; ++i)
        b.push("a", std::to_string(i), static_cast<std::uint32_t>(1 + i % 40));
    for (int i = 0; i < 1000; ++i)
        for (int u = 0; u <= i % 40; ++u)
            BOOST_REQUIRE_EQUAL(b.serve(), std::to_string(i));
    BOOST_TEST(b.serve() == "");
}

BOOST_AUTO_TEST_CASE(Q6_an_entry_that_has_left_is_forgotten) {
    tenant_table table;
    fair_queue queue;
    auto t = table.get("t");
    job stays("stays");
    {
        job served("served", 2), erased("erased");
        for (job* j : {&served, &erased, &stays})
            queue.push(*j, *t, priority_class::normal);
        queue.serve(*queue.next());
        queue.serve(*queue.next());
        queue.erase(erased);
        BOOST_TEST(!served.queued());
        BOOST_TEST(!erased.queued());
    }
    BOOST_TEST(queue.next() == &stays);
    BOOST_TEST(queue.entries() == 1u);
    queue.erase(stays);
    BOOST_TEST(queue.next() == nullptr);
    queue.release(*t, 2);
    BOOST_TEST(t->holding() == 0u);
}

BOOST_AUTO_TEST_CASE(M2_counts_follow_every_operation) {
    bench b;
    auto& a = b.push("t", "a", 3);
    auto& c = b.push("u", "c", 2, priority_class::background);
    BOOST_TEST(b.queue.size() == 5u);
    BOOST_TEST(b.queue.entries() == 2u);
    BOOST_TEST(b.queue.active_flows() == 2u);
    BOOST_TEST(b.queue.size(priority_class::background) == 2u);
    b.queue.add_units(a, 4);
    BOOST_TEST(b.of("t").holding() == 7u);
    b.queue.serve(a);
    BOOST_TEST(b.queue.size() == 8u);
    BOOST_TEST(b.of("t").holding() == 7u);
    b.queue.release(b.of("t"));
    BOOST_TEST(b.of("t").holding() == 6u);
    b.queue.hold(b.of("u"), 10);
    BOOST_TEST(b.of("u").holding() == 12u);
    b.queue.erase(c);
    BOOST_TEST(b.of("u").holding() == 10u);
    BOOST_TEST(b.queue.active_flows() == 1u);
    b.queue.erase(a);
    BOOST_TEST(b.queue.empty());
    BOOST_TEST(b.queue.entries() == 0u);
    BOOST_TEST(b.queue.active_flows() == 0u);
    BOOST_TEST(b.of("t").holding() == 0u);
}

// ---- tenants ----

BOOST_AUTO_TEST_CASE(jobs_of_tenants_take_turns_and_are_not_interleaved) {
    bench b;
    for (const char* name : {"a1", "a2", "a3"})
        b.push("a", name, 32);
    for (const char* name : {"b1", "b2"})
        b.push("b", name, 32);
    b.push("c", "c1", 32);
    BOOST_TEST(b.serve_all() == "a1 b1 c1 a2 b2 a3");
}

BOOST_AUTO_TEST_CASE(a_started_job_of_64_goes_on_to_its_end_a_longer_one_gives_way_once_a_turn) {
    bench b;
    b.push("a", "a", 64);
    b.push("b", "b", 64);
    BOOST_TEST(b.serve_all() == "a b");
    b.push("a", "a", 500);
    b.push("b", "b", 24);
    b.push("b", "b", 24);
    std::vector<std::string> order;
    for (int i = 0; i < 96; ++i)
        BOOST_REQUIRE_EQUAL(b.serve(), "a"); // 32 of credit and 64 of debt
    BOOST_TEST(b.serve_all(48) == "b");
    BOOST_TEST(b.serve_all() == "a");
}

BOOST_AUTO_TEST_CASE(a_flood_of_one_tenant_delays_another_by_one_turn_at_most) {
    bench b;
    for (int i = 0; i < 10'000; ++i)
        b.push("noisy", "noise", 24);
    b.serve_all(1000);
    b.push("victim", "victim", 24);
    int before = 0;
    while (b.serve() == "noise")
        ++before;
    BOOST_TEST(before <= 32 + 64);
}

BOOST_AUTO_TEST_CASE(who_has_had_no_turn_in_a_round_comes_before_who_has) {
    bench b;
    for (const char* name : {"n1", "n2", "n3", "n4", "n5", "n6"})
        b.push("noisy", name, 32);
    BOOST_TEST(b.serve_all(33) == "n1 n2"); // a second round, since nobody else waits
    b.push("a", "a1", 32);
    b.push("b", "b1", 32);
    BOOST_TEST(b.serve_all(31 + 16) == "n2 a1"); // one that is in its turn goes on
    b.push("c", "c1", 32);
    BOOST_TEST(b.serve_all(16 + 64) == "a1 b1 c1");
    b.push("a", "a2", 32); // has had its turn in this round: after the noisy one
    b.push("d", "d1", 32);
    BOOST_TEST(b.serve_all() == "d1 n3 a2 n4 n5 n6");
}

BOOST_AUTO_TEST_CASE(tenants_that_come_and_go_do_not_starve_one_that_stays) {
    bench b;
    for (int i = 0; i < 100; ++i)
        b.push("stays", "stays", 32);
    for (int i = 0; i < 8; ++i)
        b.push("t" + std::to_string(i), "other", 32);
    // Each of eight others comes again as soon as it has been served.
    int stays = 0;
    for (int turn = 0, next = 0; turn < 90; ++turn) {
        std::string who;
        for (int i = 0; i < 32; ++i)
            who = b.serve();
        if (who == "stays")
            ++stays;
        else
            b.push("t" + std::to_string(next++ % 8), "other", 32);
    }
    BOOST_TEST(stays == 10);
}

BOOST_AUTO_TEST_CASE(ever_new_tenants_do_not_starve_one_that_stays) {
    bench b;
    for (int i = 0; i < 100; ++i)
        b.push("stays", "stays", 32);
    b.push("t", "other", 32);
    int stays = 0;
    for (int turn = 0; turn < 90; ++turn) {
        std::string who;
        for (int i = 0; i < 32; ++i)
            who = b.serve();
        if (who == "stays")
            ++stays;
        else
            b.push("t" + std::to_string(turn), "other", 32);
    }
    BOOST_TEST(stays >= 90 / 10);
}

BOOST_AUTO_TEST_CASE(backlogged_tenants_get_equal_shares_whatever_the_size_of_their_jobs) {
    bench b;
    const std::vector<std::uint32_t> sizes{1, 5, 24, 40, 64, 200, 1000};
    for (const auto n : sizes)
        for (std::uint32_t units = 0; units < 40'000; units += n)
            b.push(std::to_string(n), std::to_string(n), n);
    std::map<std::string, int> got;
    for (int i = 0; i < 200'000; ++i) {
        ++got[b.serve()];
        if (i % 97 == 0) {
            int least = got.size() < sizes.size() ? 0 : INT32_MAX, most = 0;
            for (const auto& [name, n] : got) {
                least = std::min(least, n);
                most = std::max(most, n);
            }
            BOOST_REQUIRE(most - least <= 32 + 64);
        }
    }
}

BOOST_AUTO_TEST_CASE(weights_of_tenants_hold_within_two_percent) {
    bench b;
    const std::map<std::string, double> weights{{"1", 1}, {"2", 2}, {"3.5", 3.5}, {"half", 0.5}};
    double all = 0;
    for (const auto& [name, w] : weights) {
        b.queue.reweigh(b.of(name), w);
        all += w;
        for (int i = 0; i < 3000; ++i)
            b.push(name, name, 24);
    }
    BOOST_TEST(b.queue.active_weight(priority_class::normal) == all);
    constexpr int n = 70'000;
    std::map<std::string, int> got;
    for (int i = 0; i < n; ++i)
        ++got[b.serve()];
    for (const auto& [name, w] : weights)
        BOOST_TEST(got[name] == n * w / all, boost::test_tools::tolerance(0.02));
}

BOOST_AUTO_TEST_CASE(a_tenant_whose_tasks_cost_twice_as_much_gets_half_as_many_once_corrected) {
    bench b;
    for (int i = 0; i < 3000; ++i)
        for (const char* name : {"cheap", "dear"})
            b.push(name, name, 24);
    std::map<std::string, int> got;
    for (int i = 0; i < 60'000; ++i) {
        const auto name = b.serve();
        ++got[name];
        if (name == "dear")
            b.queue.correct(b.of("dear"), priority_class::normal, 1);
    }
    BOOST_TEST(got["dear"] == 20'000.0, boost::test_tools::tolerance(0.02));
}

BOOST_AUTO_TEST_CASE(debt_outlives_an_empty_moment_of_its_tenant_but_not_of_its_class) {
    bench b;
    b.push("a", "a", 1);
    b.push("other", "o", 1000);
    BOOST_TEST(b.serve() == "a");
    b.queue.correct(b.of("a"), priority_class::normal, 200); // a has nothing waiting now
    b.push("a", "a", 24);
    int before = 0;
    while (b.serve() == "o")
        ++before;
    BOOST_TEST(before >= 6 * 32); // the turns that pay for 200
    BOOST_TEST(before <= 7 * 32 + 96);
    b.serve_all();
    b.queue.correct(b.of("a"), priority_class::normal, 200); // the class is empty: nobody pays
    b.push("a", "a", 24);
    b.push("other", "o", 24);
    BOOST_TEST(b.serve_all() == "a o");
}

BOOST_AUTO_TEST_CASE(credit_is_not_saved_up) {
    bench b;
    b.push("a", "a", 10);
    b.push("b", "b", 2000);
    for (int i = 0; i < 20; ++i) {
        b.serve_all(60);
        b.queue.correct(b.of("a"), priority_class::normal, -1000);
    }
    b.push("a", "a", 400);
    int first = 0;
    while (b.serve() == "b")
        ++first;
    BOOST_TEST(first <= 96);
    int in_turn = 1;
    while (b.serve() == "a")
        ++in_turn;
    BOOST_TEST(in_turn <= 96);
}

BOOST_AUTO_TEST_CASE(thousands_in_debt_do_not_make_a_single_call_long) {
    bench b;
    for (int i = 0; i < 5000; ++i) {
        const auto name = std::to_string(i);
        b.push(name, name, 2);
        b.queue.correct(b.of(name), priority_class::normal, i == 40 ? 900 : 1000);
    }
    // After 64 skips the one with least debt of those seen is forgiven.
    BOOST_TEST(b.serve() == "40");
    BOOST_TEST(b.serve() == "40");
    std::map<std::string, int> got;
    while (!b.queue.empty())
        ++got[b.serve()];
    BOOST_TEST(got.size() == 4999u);
}

// ---- classes ----

BOOST_AUTO_TEST_CASE(classes_share_by_weight_and_none_starves) {
    bench b;
    for (const auto c : all_priority_classes)
        for (int i = 0; i < 1500; ++i)
            b.push("t", std::string(class_name(c)), 1, c);
    for (int round = 0; round < 100; ++round) {
        std::map<std::string, int> got;
        for (int i = 0; i < 15; ++i)
            ++got[b.serve()];
        BOOST_REQUIRE_EQUAL(got["critical"], 8);
        BOOST_REQUIRE_EQUAL(got["interactive"], 4);
        BOOST_REQUIRE_EQUAL(got["normal"], 2);
        BOOST_REQUIRE_EQUAL(got["background"], 1);
    }
}

BOOST_AUTO_TEST_CASE(an_idle_share_is_lent_and_not_saved_up) {
    bench b;
    for (int i = 0; i < 3000; ++i)
        b.push("t", "background", 1, priority_class::background);
    BOOST_TEST(b.serve_all(1000) == "background");
    for (int i = 0; i < 800; ++i)
        b.push("t", "critical", 1, priority_class::critical);
    std::map<std::string, int> got;
    for (int i = 0; i < 450; ++i)
        ++got[b.serve()];
    BOOST_TEST(got["background"] >= 49); // of 8 + 1
    BOOST_TEST(got["background"] <= 51);
}

BOOST_AUTO_TEST_CASE(a_more_urgent_newcomer_is_served_within_one_task_a_class) {
    bench b;
    for (int i = 0; i < 100; ++i)
        for (const auto c : {priority_class::normal, priority_class::background})
            b.push("t", "other", 24, c);
    for (int served = 0; served < 500; ++served) {
        b.serve();
        b.push("u", "critical", 1, priority_class::critical);
        int before = 0;
        while (b.serve() != "critical")
            ++before;
        BOOST_REQUIRE(before <= 2);
    }
}

// ---- newest first ----

BOOST_AUTO_TEST_CASE(newest_first_within_a_tenant_while_a_queue_stands) {
    bench b;
    for (const char* name : {"1", "2", "3", "4"})
        b.push("a", name, 3);
    BOOST_TEST(b.serve_all(1) == "1");
    b.queue.newest_first(true);
    b.push("a", "5", 3);
    BOOST_TEST(b.serve_all(8) == "1 5 4"); // what has started ends first
    b.queue.newest_first(false);
    BOOST_TEST(b.serve_all() == "2 3");
}

BOOST_AUTO_TEST_CASE(Q5_ordered_entries_keep_their_order_and_neither_kind_starves) {
    bench b;
    b.queue.newest_first(true);
    for (const char* n : {"1", "2", "3"}) {
        b.push("a", std::string("o") + n, 2, priority_class::normal, ordered);
        b.push("a", std::string("f") + n, 2);
    }
    BOOST_TEST(b.serve_all() == "f3 o1 f2 o2 f1 o3");
}

// ---- units that come back and units that come late ----

BOOST_AUTO_TEST_CASE(units_put_back_in_reverse_are_served_again_in_the_same_order) {
    for (const std::size_t window : {1U, 7U, 64U, 128U}) {
        bench b;
        for (int i = 0; i < 30; ++i)
            for (const char* name : {"a", "b", "c"})
                b.push(
                    name, name + std::to_string(i), static_cast<std::uint32_t>(1 + i * 7 % 30),
                    i % 3 ? priority_class::normal : priority_class::interactive
                );
        b.serve_all(50);
        std::vector<queue_entry*> first, again;
        const auto take = [&](std::vector<queue_entry*>& into) {
            for (std::size_t i = 0; i < window; ++i) {
                into.push_back(b.queue.next());
                b.queue.serve(*into.back());
            }
        };
        take(first);
        const auto size = b.queue.size();
        for (auto it = first.rbegin(); it != first.rend(); ++it) {
            b.queue.put_back(**it);
            BOOST_REQUIRE(b.queue.next() == *it);
        }
        BOOST_TEST(b.queue.size() == size + window);
        take(again);
        BOOST_TEST((first == again));
        for (auto* e : again)
            b.queue.release(e->where()->owner());
    }
}

BOOST_AUTO_TEST_CASE(a_window_taken_back_does_not_delay_who_came_meanwhile) {
    bench b;
    std::vector<queue_entry*> window;
    for (int i = 0; i < 500; ++i)
        b.push("a", "a");
    for (int i = 0; i < 128; ++i) {
        window.push_back(b.queue.next());
        b.queue.serve(*window.back());
    }
    b.push("b", "b", 24);
    b.push("c", "critical", 1, priority_class::critical);
    for (; !window.empty(); window.pop_back())
        b.queue.put_back(*window.back());
    int before = 0, critical_after = -1;
    for (std::string name = b.serve(); name != "b"; name = b.serve(), ++before)
        if (name == "critical")
            critical_after = before;
    BOOST_TEST(critical_after >= 0);
    BOOST_TEST(critical_after <= 1);
    BOOST_TEST(before <= 32 + 1);
}

BOOST_AUTO_TEST_CASE(units_that_arrive_late_are_served_with_their_job) {
    bench b;
    auto& a = b.push("t", "a", 2);
    b.push("t", "b", 2);
    b.serve();
    b.queue.add_units(a, 2);
    BOOST_TEST(a.units() == 3u);
    BOOST_TEST(b.serve_all(3) == "a");
    BOOST_TEST(!a.queued());
    BOOST_TEST(b.serve_all() == "b");
}

// ---- displacement ----

BOOST_AUTO_TEST_CASE(the_tenant_holding_most_pays_with_what_it_would_be_served_last) {
    bench b;
    b.push("small", "s", 10, priority_class::background, displaceable);
    for (const char* name : {"1", "2", "3"})
        b.push("big", name, 24, priority_class::normal, displaceable);
    b.push("big", "urgent", 24, priority_class::critical, displaceable);
    b.push("big", "promised", 24, priority_class::normal);
    const auto victim = [&](const char* newcomer, std::uint32_t units) -> std::string {
        auto* v = static_cast<job*>(b.queue.victim(b.of(newcomer), units));
        return v ? v->name : "";
    };
    BOOST_TEST(victim("new", 24) == "3");
    BOOST_TEST(victim("small", 24) == "3");
    BOOST_TEST(victim("big", 1) == "");     // who holds most is refused
    BOOST_TEST(victim("new", 200) == "");   // and so is who would
    BOOST_TEST(victim("small", 110) == ""); // 10 + 110 is what big holds
    BOOST_TEST(victim("small", 109) == "3");
    b.queue.newest_first(true);
    BOOST_TEST(victim("new", 24) == "1");
    b.queue.newest_first(false);
    b.queue.reweigh(b.of("big"), 64);
    BOOST_TEST(victim("new", 1) == "s"); // for its weight, small holds more
}

BOOST_AUTO_TEST_CASE(what_has_started_or_was_promised_is_not_displaced) {
    bench b;
    auto& j = b.push("big", "j", 100, priority_class::normal, displaceable);
    b.push("big", "promised", 100);
    BOOST_TEST(b.queue.victim(b.of("new"), 1) == &j);
    b.queue.serve(j);
    BOOST_TEST(b.queue.victim(b.of("new"), 1) == nullptr);
    b.queue.serve(j);
    b.queue.put_back(j);
    BOOST_TEST(b.queue.victim(b.of("new"), 1) == nullptr); // the first is still out
    b.queue.put_back(j);
    BOOST_TEST(b.queue.victim(b.of("new"), 1) == &j); // nothing of it has started after all
}

BOOST_AUTO_TEST_CASE(what_a_tenant_runs_and_reserves_counts_as_held) {
    bench b;
    b.push("runs", "r", 10, priority_class::normal, displaceable);
    b.push("waits", "w", 20, priority_class::normal, displaceable);
    b.queue.hold(b.of("runs"), 30);
    BOOST_TEST(static_cast<job*>(b.queue.victim(b.of("new"), 1))->name == "r");
    b.queue.release(b.of("runs"), 30);
    BOOST_TEST(static_cast<job*>(b.queue.victim(b.of("new"), 1))->name == "w");
}

BOOST_AUTO_TEST_CASE(displacement_is_all_or_nothing) {
    bench b;
    for (const char* name : {"1", "2", "3", "4"})
        b.push("big", name, 24, priority_class::normal, displaceable);
    b.push("mid", "m", 24, priority_class::normal, displaceable);
    std::string dropped;
    const auto drop = [&](queue_entry& e) { dropped += static_cast<job&>(e).name; };
    BOOST_TEST(!b.queue.displace(b.of("new"), 24, 24 * 5, drop)); // would leave new holding most
    BOOST_TEST(!b.queue.displace(b.of("big"), 24, 1, drop));
    BOOST_TEST(dropped == "");
    BOOST_TEST(b.queue.size() == 120u);
    BOOST_TEST(b.queue.displace(b.of("new"), 24, 30, drop));
    BOOST_TEST(dropped == "43");
    BOOST_TEST(b.of("big").holding() == 48u);
    BOOST_TEST(b.serve_all() == "1 2 m");
}

BOOST_AUTO_TEST_CASE(a_dropped_entry_may_be_destroyed_at_once) {
    tenant_table table;
    fair_queue queue;
    auto big = table.get("big"), small = table.get("small");
    std::vector<std::unique_ptr<job>> jobs;
    for (int i = 0; i < 70; ++i) {
        jobs.push_back(std::make_unique<job>(std::to_string(i), 1, displaceable));
        queue.push(*jobs.back(), *big, priority_class::normal);
    }
    const auto destroy = [&](queue_entry& e) {
        std::erase_if(jobs, [&](auto& j) { return j.get() == &e; });
    };
    BOOST_TEST(!queue.displace(*small, 1, 65, destroy)); // more than 64 at once
    BOOST_TEST(jobs.size() == 70u);
    BOOST_TEST(queue.displace(*small, 1, 64, destroy));
    BOOST_TEST(jobs.size() == 6u);
    for (auto& j : jobs)
        queue.erase(*j);
    BOOST_TEST(big->holding() == 0u);
}

BOOST_AUTO_TEST_CASE(most_is_right_to_an_eighth_among_thousands) {
    bench b;
    for (std::uint32_t i = 1; i <= 2000; ++i)
        b.push(std::to_string(i), std::to_string(i), i, priority_class::normal, displaceable);
    while (auto* v = b.queue.victim(b.of("new"), 0)) {
        std::uint32_t most = 0;
        for (const auto& [name, t] : b.tenants)
            most = std::max(most, t->holding());
        BOOST_REQUIRE(v->units() * 9 > most * 8);
        b.queue.erase(*v);
    }
    BOOST_TEST(b.queue.empty());
}

BOOST_AUTO_TEST_SUITE_END()
