#include <corogate/detail/inbox.hpp>

#include <boost/test/unit_test.hpp>

namespace {
struct node {
    int value = 0;
    node* next = nullptr;
};
} // namespace

BOOST_AUTO_TEST_SUITE(inbox_tests)

BOOST_AUTO_TEST_CASE(everything_comes_out_once_oldest_first_chains_included) {
    corogate::detail::inbox<node> box;
    node n[4];
    for (int i = 0; i < 4; ++i)
        n[i].value = i;
    box.push(&n[0]);
    n[2].next = &n[1];
    box.push(&n[2], &n[1]);
    box.push(&n[3]);
    int expected = 0;
    for (node* at = box.take_all(); at; at = at->next)
        BOOST_TEST(at->value == expected++);
    BOOST_TEST(expected == 4);
    BOOST_TEST(box.empty());
    BOOST_TEST(box.take_all() == nullptr);
}

BOOST_AUTO_TEST_SUITE_END()
