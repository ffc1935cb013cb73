#include <corogate/detail/permit_queue.hpp>

#include <boost/test/unit_test.hpp>
#include <corogate/permit.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

using corogate::detail::permit_queue;
using corogate::detail::wait_node;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(permit_queue_tests)

class node final : public wait_node {
public:
    explicit node(std::uint32_t n, time_point until = never)
        : wait_node(purpose::acquire, n, until) {}
    void post() noexcept override {}
};

constexpr wait_node::time_point at(int seconds) {
    return wait_node::time_point(std::chrono::seconds(seconds));
}

BOOST_AUTO_TEST_CASE(first_come_first_served_and_any_of_them_may_go) {
    permit_queue queue;
    node a(1), b(2), c(3);
    queue.push(a);
    queue.push(b);
    queue.push(c);
    queue.remove(b);
    BOOST_TEST(!b.listed);
    BOOST_TEST(&queue.front() == &a);
    queue.remove(a);
    BOOST_TEST(&queue.front() == &c);
    queue.remove(c);
    BOOST_TEST(queue.empty());
}

BOOST_AUTO_TEST_CASE(deadlines_in_order_equal_ones_by_arrival) {
    permit_queue queue;
    node a(1, at(3)), b(1), c(1, at(2)), d(1, at(2));
    for (auto* each : {&a, &b, &c, &d})
        queue.push(*each);
    BOOST_TEST((queue.next_deadline() == at(2)));
    BOOST_TEST(queue.pop_expired(at(1)) == nullptr);
    BOOST_TEST(queue.pop_expired(at(2)) == &c);
    BOOST_TEST(queue.pop_expired(at(2)) == &d);
    BOOST_TEST(queue.pop_expired(at(2)) == nullptr);
    queue.remove(a);
    BOOST_TEST((queue.next_deadline() == wait_node::never));
    BOOST_TEST(queue.pop_expired(wait_node::never) == nullptr); // b has no deadline
    queue.remove(b);
}

BOOST_AUTO_TEST_CASE(who_wants_more_than_the_limit_is_taken_out_in_order) {
    permit_queue queue;
    node a(1), b(5), c(2), d(4);
    for (auto* each : {&a, &b, &c, &d})
        queue.push(*each);
    std::vector<std::uint32_t> out;
    const auto take = [&](wait_node& waiter) { out.push_back(waiter.amount); };
    queue.remove_heavier(5, take);
    BOOST_TEST(out.empty());
    queue.remove_heavier(3, take);
    BOOST_TEST(out == (std::vector<std::uint32_t>{5, 4}), boost::test_tools::per_element());
    queue.remove_heavier(1, take);
    BOOST_TEST(out.back() == 2u);
    queue.remove(a);
}

BOOST_AUTO_TEST_CASE(K5_the_steps_of_an_operation_do_not_grow_with_the_queue) {
    constexpr std::size_t n = 16000;
    permit_queue queue;
    std::deque<node> waiters;
    for (std::size_t i = 0; i < n; ++i)
        queue.push(waiters.emplace_back(1, i % 2 ? at(int(i)) : wait_node::never));
    BOOST_TEST(queue.steps() == n);
    for (int i = 0; i < 100; ++i)
        queue.remove_heavier(1, [](wait_node&) {}); // nobody is: nobody is looked at
    BOOST_TEST(queue.steps() == n);
    for (std::size_t i = 0, which = 0; i < n; ++i, which = (which + 7919) % n)
        queue.remove(waiters[which]);
    BOOST_TEST(queue.steps() == 2 * n);
    BOOST_TEST(queue.empty());
}

BOOST_AUTO_TEST_SUITE_END()
