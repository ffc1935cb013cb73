#include <corogate/pool_options.hpp>

#include <boost/test/unit_test.hpp>
#include <stdexcept>

using corogate::pool_options;

BOOST_AUTO_TEST_SUITE(pool_options_tests)

BOOST_AUTO_TEST_CASE(defaults_are_the_documented_ones) {
    const pool_options options;
    BOOST_TEST(options.threads() >= 1u);
    BOOST_TEST(options.limit() == 64u);
    BOOST_TEST(options.queue_tasks() == 4096u);
    BOOST_TEST((options.overflow() == corogate::overflow_policy::reject));
}

BOOST_AUTO_TEST_CASE(L4_invalid_values_are_refused_with_a_sentence) {
    BOOST_CHECK_THROW(pool_options{}.threads(0), std::invalid_argument);
    BOOST_CHECK_THROW(pool_options{}.limit(0), std::invalid_argument);
    BOOST_CHECK_THROW(pool_options{}.limit(std::size_t(-1)), std::invalid_argument);
    BOOST_CHECK_THROW(pool_options{}.queue_tasks(std::size_t(1) << 31), std::invalid_argument);
    BOOST_CHECK_NO_THROW(pool_options{}.queue_tasks(0));
}

BOOST_AUTO_TEST_SUITE_END()
