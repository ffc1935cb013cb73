#include <corogate/detail/ready_window.hpp>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <thread>
#include <vector>

using corogate::detail::ready_window;
using corogate::detail::task_node;

BOOST_AUTO_TEST_SUITE(ready_window_tests)

static task_node* token(std::size_t n) { return reinterpret_cast<task_node*>(n * 16); }

BOOST_AUTO_TEST_CASE(first_in_first_out_around_the_ring) {
    ready_window window;
    std::size_t in = 1;
    std::size_t out = 1;
    for (int round = 0; round < 5; ++round) {
        while (window.free() > 0)
            window.push(token(in++));
        BOOST_TEST(in - out == ready_window::capacity);
        for (int i = 0; i < 100; ++i)
            BOOST_TEST((window.pop() == token(out++)));
    }
    while (window.pop())
        ++out;
    BOOST_TEST(in == out);
    BOOST_TEST(window.empty());
}

BOOST_AUTO_TEST_CASE(three_consumers_get_each_element_once) {
    constexpr std::size_t total = 60000;
    ready_window window;
    std::vector<std::atomic<int>> seen(total + 1);
    std::atomic<std::size_t> taken{0};
    auto consume = [&] {
        while (taken.load() < total)
            if (task_node* node = window.pop()) {
                seen[reinterpret_cast<std::size_t>(node) / 16].fetch_add(1);
                taken.fetch_add(1);
            } else {
                std::this_thread::yield();
            }
    };
    std::vector<std::thread> consumers;
    for (int i = 0; i < 3; ++i)
        consumers.emplace_back(consume);
    for (std::size_t i = 1; i <= total;)
        if (window.free() > 0)
            window.push(token(i++));
        else
            std::this_thread::yield();
    for (auto& consumer : consumers)
        consumer.join();
    for (std::size_t i = 1; i <= total; ++i)
        if (seen[i] != 1)
            BOOST_FAIL("element " << i << " was taken " << seen[i] << " times");
}

BOOST_AUTO_TEST_SUITE_END()
