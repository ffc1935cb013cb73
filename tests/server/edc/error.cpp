#include "edc/error.hpp"

#include "support.hpp"

BOOST_AUTO_TEST_SUITE(error)

BOOST_AUTO_TEST_CASE(keeps_sentence_and_place) {
    const edc::error plain{"a sentence"};
    BOOST_TEST(plain.message() == "a sentence");
    BOOST_TEST(plain.field().empty());
    const edc::error placed{"must be a number", "datasets.VS[2].VSORRES"};
    BOOST_TEST(placed.field() == "datasets.VS[2].VSORRES");
}

BOOST_AUTO_TEST_CASE(a_result_holds_one_or_the_other) {
    const edc::result<int> good = 7;
    const edc::result<int> bad = edc::error{"no"};
    BOOST_TEST(*good == 7);
    BOOST_TEST(!bad.has_value());
    BOOST_TEST(bad.error().message() == "no");
    BOOST_CHECK_THROW((void)bad.value(), std::runtime_error);
}

BOOST_AUTO_TEST_SUITE_END()
