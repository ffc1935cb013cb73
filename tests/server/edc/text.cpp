#include "edc/text.hpp"

#include "support.hpp"

#include <string>

BOOST_AUTO_TEST_SUITE(text)

BOOST_AUTO_TEST_CASE(utf8_is_judged_strictly) {
    BOOST_TEST(edc::is_utf8(""));
    BOOST_TEST(edc::is_utf8("caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"));
    BOOST_TEST(!edc::is_utf8("\xC3"));             // cut off
    BOOST_TEST(!edc::is_utf8("\x80"));             // continuation alone
    BOOST_TEST(!edc::is_utf8("\xC0\xAF"));         // overlong
    BOOST_TEST(!edc::is_utf8("\xED\xA0\x80"));     // surrogate
    BOOST_TEST(!edc::is_utf8("\xF5\x80\x80\x80")); // beyond Unicode
}

BOOST_AUTO_TEST_CASE(length_counts_code_points) {
    BOOST_TEST(edc::length_of("") == 0U);
    BOOST_TEST(edc::length_of("caf\xC3\xA9") == 4U);
    BOOST_TEST(edc::length_of("\xF0\x9F\x98\x80") == 1U);
    BOOST_TEST(edc::first_characters("\xC3\xA9t\xC3\xA9", 2) == "\xC3\xA9t");
    BOOST_TEST(edc::first_characters("ab", 9) == "ab");
    BOOST_TEST(edc::last_characters("\xC3\xA9t\xC3\xA9", 2) == "t\xC3\xA9");
    BOOST_TEST(edc::last_characters("ab", 0).empty());
}

BOOST_AUTO_TEST_CASE(lower_case_goes_beyond_ascii) {
    BOOST_TEST(edc::lower("ABC xyz 1") == "abc xyz 1");
    BOOST_TEST(edc::lower("\xC3\x89T\xC3\x89 \xCE\xA9") == "\xC3\xA9t\xC3\xA9 \xCF\x89");
    BOOST_TEST(edc::lower("\xFFZ") == "\xFFz"); // not UTF-8: kept
    BOOST_TEST(edc::upper_ascii("dm\xC3\xA9") == "DM\xC3\xA9");
}

BOOST_AUTO_TEST_CASE(numbers_are_decimal) {
    for (const auto& [words, value] :
         {std::pair{"12", 12.0},
          {"-1.50", -1.5},
          {"+3", 3.0},
          {".5", 0.5},
          {"5.", 5.0},
          {" 7 ", 7.0},
          {"1e3", 1000.0},
          {"1E-2", 0.01}})
        BOOST_TEST(edc::parse_number(words).value_or(-99) == value, words);
    for (const char* words :
         {"", " ", "abc", "0x10", "nan", "inf", "1,5", "1_000", "--1", "1e", "e5", ".", "12a",
          "1 2", "1e999"})
        BOOST_TEST(!edc::parse_number(words).has_value(), words);
}

BOOST_AUTO_TEST_CASE(numbers_print_shortest) {
    BOOST_TEST(edc::number_text(12) == "12");
    BOOST_TEST(edc::number_text(-0.0) == "0");
    BOOST_TEST(edc::number_text(1.5) == "1.5");
    BOOST_TEST(edc::number_text(0.1) == "0.1");
    BOOST_TEST(edc::number_text(1e15) == "1000000000000000");
    BOOST_TEST(edc::number_text(1e300) == "1e+300");
}

BOOST_AUTO_TEST_CASE(comparable_texts_ignore_how_a_number_is_written) {
    for (const char* words : {"200", "200.00", "0200", "+200", " 200 ", "2e2", "2.00E+2"})
        BOOST_TEST(edc::comparable_text(words, false) == "200", words);
    BOOST_TEST(edc::comparable_text("1.50", false) == "1.5");
    BOOST_TEST(edc::comparable_text("-0.050", false) == "-0.05");
    BOOST_TEST(edc::comparable_text("0.000", false) == "0");
    BOOST_TEST(edc::comparable_text("-0", false) == "0");
    BOOST_TEST(edc::comparable_text("  two words ", false) == "two words");
    // Longer than a double: still different.
    BOOST_TEST(
        edc::comparable_text("12345678901234567891", false) !=
        edc::comparable_text("12345678901234567892", false)
    );
    BOOST_TEST(edc::comparable_text("1e999999999999", false) == "1e999999999999");
    BOOST_TEST(edc::comparable_text("1e900000", false).size() < 20U); // no gigabyte of zeros
}

BOOST_AUTO_TEST_CASE(rounding_takes_ties_to_even) {
    BOOST_TEST(edc::comparable_text("2.5", true) == "2");
    BOOST_TEST(edc::comparable_text("3.5", true) == "4");
    BOOST_TEST(edc::comparable_text("200.4", true) == "200");
    BOOST_TEST(edc::comparable_text("two", true) == "two");
}

BOOST_AUTO_TEST_SUITE_END()
