#include <corogate/permit.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/semaphore.hpp>
#include <memory>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

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

BOOST_AUTO_TEST_CASE(a_permit_of_some_weight_is_split_and_merged) {
    boost::asio::io_context context;
    corogate::semaphore s(context, 5);
    auto five = s.try_acquire(5);
    BOOST_TEST(five.weight() == 5u);
    auto two = five.split(2);
    BOOST_TEST(two.weight() == 2u);
    BOOST_TEST(five.weight() == 3u);
    BOOST_TEST(s.in_use() == 5u); // nothing moved but weight
    two.release();
    BOOST_TEST(s.available() == 2u);
    auto more = s.try_acquire();
    five.merge(std::move(more));
    BOOST_TEST(five.weight() == 4u);
    BOOST_TEST(!more);
    BOOST_TEST(!five.split(0));
    auto all = five.split(4);
    BOOST_TEST(!five);
    BOOST_TEST(all.weight() == 4u);
    five.merge(std::move(all)); // an empty one takes any
    BOOST_TEST(five.weight() == 4u);
    five.merge(corogate::permit());
    BOOST_TEST(five.weight() == 4u);
    five.release();
    BOOST_TEST(s.available() == 5u);
}

BOOST_AUTO_TEST_CASE(L3_nobody_can_give_back_more_than_he_has) {
    boost::asio::io_context context;
    corogate::semaphore one(context, 2);
    corogate::semaphore other(context, 2);
    auto a = one.try_acquire(2);
    auto b = other.try_acquire(1);
    BOOST_CHECK_THROW(a.split(3), std::invalid_argument);
    BOOST_CHECK_THROW(a.merge(std::move(b)), std::invalid_argument);
    BOOST_CHECK_THROW(corogate::permit().split(1), std::invalid_argument);
    BOOST_TEST(a.weight() == 2u); // unchanged
    BOOST_TEST(b.weight() == 1u);
    a.release();
    a.release(); // a second time: nothing
    BOOST_TEST(one.available() == 2u);
    b.release();
    BOOST_TEST(other.available() == 2u);
    static_assert(!std::is_copy_constructible_v<corogate::permit>);
    static_assert(std::is_nothrow_move_constructible_v<corogate::permit>);
}

BOOST_AUTO_TEST_CASE(parts_of_a_permit_outlive_the_semaphore_on_several_threads) {
    for (int round = 0; round < 100; ++round) {
        boost::asio::io_context context;
        auto s = std::make_unique<corogate::semaphore>(context, 8);
        auto all = s->try_acquire(8);
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([part = all.split(2)]() mutable {
                part.split(1).release();
                part.release();
            });
        BOOST_TEST(!all);
        s.reset(); // before, while or after they give back
        for (auto& thread : threads)
            thread.join();
    }
}

BOOST_AUTO_TEST_CASE(the_last_permits_may_come_back_while_the_semaphore_goes_and_others_wait) {
    for (int round = 0; round < 300; ++round) {
        boost::asio::io_context context;
        auto s = std::make_unique<corogate::semaphore>(context, 4);
        auto all = s->try_acquire(4);
        int ended = 0;
        for (int i = 0; i < 3; ++i)
            s->async_acquire(2, [&](boost::system::error_code, const corogate::permit&) {
                ++ended;
            });
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([part = all.split(1)]() mutable { part.release(); });
        s.reset();
        for (auto& thread : threads)
            thread.join();
        context.run();
        BOOST_TEST(ended == 3);
    }
}

BOOST_AUTO_TEST_SUITE_END()
