#include <corogate/permit.hpp>

#include <boost/asio/thread_pool.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/semaphore.hpp>
#include <thread>

BOOST_AUTO_TEST_SUITE(permit_tests)

BOOST_AUTO_TEST_CASE(a_permit_gives_itself_back_once_wherever_it_has_gone) {
    boost::asio::thread_pool threads(1);
    corogate::semaphore s(threads, 2);
    auto one = s.try_acquire();
    BOOST_TEST(bool(one));
    auto moved = std::move(one);
    BOOST_TEST(!one);
    one.release();
    BOOST_TEST(s.available() == 1u);
    moved = s.try_acquire(); // the old one goes back
    BOOST_TEST(s.available() == 1u);
    std::thread([p = std::move(moved)]() mutable { p.release(); }).join();
    BOOST_TEST(s.available() == 2u);
}

BOOST_AUTO_TEST_CASE(a_permit_may_outlive_its_semaphore) {
    boost::asio::thread_pool threads(1);
    corogate::permit left;
    {
        corogate::semaphore s(threads, 1);
        left = s.try_acquire();
    }
    BOOST_TEST(bool(left));
    left.release();
    threads.join();
}

BOOST_AUTO_TEST_SUITE_END()
