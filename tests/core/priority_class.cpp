#include <corogate/priority_class.hpp>

#include <boost/test/unit_test.hpp>
#include <sstream>

using namespace corogate;

BOOST_AUTO_TEST_SUITE(priority_class_tests)

BOOST_AUTO_TEST_CASE(names_are_those_of_the_documents_and_parse_back) {
    BOOST_TEST(class_name(priority_class::critical) == "critical");
    BOOST_TEST(class_name(priority_class::interactive) == "interactive");
    BOOST_TEST(class_name(priority_class::normal) == "normal");
    BOOST_TEST(class_name(priority_class::background) == "background");
    for (const auto c : all_priority_classes)
        BOOST_TEST((parse_priority_class(class_name(c)) == c));
    BOOST_TEST(!parse_priority_class("Normal").has_value());
    BOOST_TEST(!parse_priority_class("").has_value());
    BOOST_TEST(class_name(static_cast<priority_class>(9)) == "unknown");
}

BOOST_AUTO_TEST_CASE(writes_itself_by_name) {
    std::ostringstream out;
    out << priority_class::interactive;
    BOOST_TEST(out.str() == "interactive");
}

BOOST_AUTO_TEST_CASE(each_class_outweighs_the_next_and_the_least_urgent_has_a_share) {
    for (std::size_t i = 1; i < priority_class_count; ++i)
        BOOST_TEST(default_class_weights[i - 1] > default_class_weights[i]);
    BOOST_TEST(default_class_weights.back() > 0u);
}

BOOST_AUTO_TEST_SUITE_END()
