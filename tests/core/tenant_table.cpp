#include <corogate/detail/tenant_table.hpp>

#include <boost/test/unit_test.hpp>
#include <corogate/detail/fair_queue.hpp>
#include <string>
#include <vector>

using namespace corogate;
using namespace corogate::detail;

namespace {
struct job : queue_entry {
    using queue_entry::queue_entry;
};
} // namespace

BOOST_AUTO_TEST_SUITE(tenant_table_tests)

BOOST_AUTO_TEST_CASE(a_name_is_one_tenant_as_long_as_it_is_there) {
    tenant_table table;
    auto a = table.get("site-a");
    auto b = table.get("site-b");
    BOOST_TEST(&*a != &*b);
    BOOST_TEST(&*a == &*table.get(std::string("site-") + "a"));
    BOOST_TEST(a->name() == "site-a");
    BOOST_TEST(a->weight() == 1.0);
    BOOST_TEST(table.size() == 2u);
    BOOST_TEST(table.find("site-b") == &*b);
    BOOST_TEST(table.find("site-c") == nullptr);
}

BOOST_AUTO_TEST_CASE(the_unnamed_tenant_is_always_there_and_takes_no_place) {
    tenant_table table(0);
    BOOST_TEST(&*table.get("") == &*table.unnamed());
    BOOST_TEST(table.find("") == &*table.unnamed());
    BOOST_TEST(table.unnamed()->name() == "");
    table.collect();
    BOOST_TEST(table.size() == 0u);
}

BOOST_AUTO_TEST_CASE(the_longest_idle_makes_room) {
    tenant_table table(3);
    for (const char* name : {"a", "b", "c"})
        table.get(name);
    table.get("a"); // now b is idle longest
    BOOST_TEST(table.idle() == 3u);
    table.get("d");
    BOOST_TEST(table.size() == 3u);
    BOOST_TEST(table.find("b") == nullptr);
    BOOST_TEST(table.find("a") != nullptr);
    table.get("e");
    BOOST_TEST(table.find("c") == nullptr);
    table.collect(1);
    BOOST_TEST(table.size() == 1u);
    BOOST_TEST(table.find("e") != nullptr);
}

BOOST_AUTO_TEST_CASE(a_reference_a_waiting_entry_and_a_held_unit_each_keep_a_tenant) {
    tenant_table table(3);
    fair_queue queue;
    job entry(2);
    auto referred = table.get("referred");
    queue.push(entry, *table.get("waiting"), priority_class::normal);
    queue.hold(*table.get("holding"), 5);
    BOOST_TEST(table.idle() == 0u);
    table.collect();
    BOOST_TEST(table.size() == 3u);
    BOOST_TEST(table.get("one too many")->name() == "(overflow)");

    queue.serve(entry);
    queue.serve(entry); // has left the queue; its units run
    BOOST_TEST(table.idle() == 0u);
    auto& served = entry.where()->owner();
    queue.release(served);
    BOOST_TEST(table.idle() == 0u);
    queue.release(served);
    BOOST_TEST(table.idle() == 1u);
    {
        auto copy = referred;
        referred = tenant_ref();
        BOOST_TEST(table.idle() == 1u);
        auto moved = std::move(copy);
        BOOST_TEST(!copy);
        BOOST_TEST(table.idle() == 1u);
    }
    BOOST_TEST(table.idle() == 2u);
    queue.release(*const_cast<tenant*>(table.find("holding")), 5);
    table.collect();
    BOOST_TEST(table.size() == 0u);
}

BOOST_AUTO_TEST_CASE(who_finds_no_room_shares_one_bucket_that_is_in_no_names_way) {
    tenant_table table(1);
    auto a = table.get("a");
    auto b = table.get("b");
    auto c = table.get("c");
    BOOST_TEST(&*b == &*c);
    BOOST_TEST(&*b == &table.overflow());
    a = tenant_ref();
    auto named = table.get("(overflow)");
    BOOST_TEST(&*named != &*b);
    BOOST_TEST(table.size() == 1u);
    b = c = tenant_ref();
    table.collect();
    BOOST_TEST(&table.overflow() == &*table.get("d"));
}

BOOST_AUTO_TEST_CASE(a_weight_set_for_a_name_outlives_its_tenant_and_is_bounded) {
    tenant_table table;
    table.weight("heavy", 4);
    BOOST_TEST(table.get("heavy")->weight() == 4.0);
    table.collect();
    BOOST_TEST(table.size() == 0u);
    BOOST_TEST(table.get("heavy")->weight() == 4.0);
    table.weight("none", 0);
    table.weight("all", 1e9);
    BOOST_TEST(table.get("none")->weight() == tenant::least_weight);
    BOOST_TEST(table.get("all")->weight() == tenant::greatest_weight);
}

BOOST_AUTO_TEST_CASE(a_hundred_thousand_names_through_a_thousand_places) {
    tenant_table table(1000);
    std::vector<tenant_ref> kept;
    for (int i = 0; i < 100'000; ++i) {
        auto t = table.get("site-" + std::to_string(i));
        BOOST_REQUIRE(t->name() != "(overflow)");
        if (i % 200 == 0)
            kept.push_back(std::move(t));
    }
    BOOST_TEST(table.size() == 1000u);
    for (std::size_t i = 0; i < kept.size(); ++i)
        BOOST_REQUIRE(&*table.get("site-" + std::to_string(i * 200)) == &*kept[i]);
}

BOOST_AUTO_TEST_SUITE_END()
