#include <engine.hpp>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <vector>

using namespace corogate::sim;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(calendar_tests)

BOOST_AUTO_TEST_CASE(events_come_by_time) {
    calendar<int> c;
    c.plan(beginning + 3s, 3);
    c.plan(beginning + 1s, 1);
    c.plan(beginning + 2s, 2);
    BOOST_TEST(c.next() == 1);
    BOOST_TEST((c.now() == beginning + 1s));
    c.plan(beginning + 1500ms, 15);
    BOOST_TEST(c.next() == 15);
    BOOST_TEST(c.next() == 2);
    BOOST_TEST(c.next() == 3);
    BOOST_TEST((c.now() == beginning + 3s));
    BOOST_TEST(c.empty());
    BOOST_TEST(c.happened() == 4U);
}

BOOST_AUTO_TEST_CASE(events_at_the_same_time_come_as_they_were_planned) {
    calendar<int> c;
    for (int i = 0; i < 100; ++i)
        c.plan(beginning + 1s, i);
    for (int i = 0; i < 100; ++i)
        BOOST_TEST(c.next() == i);
}

BOOST_AUTO_TEST_SUITE_END()
