#include <corogate/detail/thread_turn.hpp>

#include <boost/test/unit_test.hpp>
#include <thread>

using corogate::detail::thread_turn;

BOOST_AUTO_TEST_SUITE(thread_turn_tests)

BOOST_AUTO_TEST_CASE(the_last_to_begin_has_the_turn) {
    const int a = 0;
    const int b = 0;
    thread_turn::begin(&a);
    BOOST_TEST(thread_turn::is(&a));
    thread_turn::begin(&b);
    BOOST_TEST(!thread_turn::is(&a));
    BOOST_TEST(thread_turn::is(&b));
}

BOOST_AUTO_TEST_CASE(each_thread_has_a_turn_of_its_own) {
    const int a = 0;
    const int b = 0;
    thread_turn::begin(&a);
    bool seen_there = true;
    std::thread([&] {
        seen_there = thread_turn::is(&a);
        thread_turn::begin(&b);
    }).join();
    BOOST_TEST(!seen_there);
    BOOST_TEST(thread_turn::is(&a));
}

BOOST_AUTO_TEST_SUITE_END()
