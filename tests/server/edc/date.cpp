#include "edc/date.hpp"

#include "support.hpp"

BOOST_AUTO_TEST_SUITE(date)

using edc::partial_date;

BOOST_AUTO_TEST_CASE(validity_completeness_and_precision) {
    struct line {
        const char* text;
        bool invalid;
        bool complete;
        std::size_t precision;
    };
    const line lines[] = {
        {"2018", false, false, 1},
        {"2018-07", false, false, 2},
        {"2018-07-03", false, true, 3},
        {"2018-07-03T10", false, true, 4},
        {"2018-07-03T10:05+02:00", false, true, 5},
        {"2018-07-03T10:05:30", false, true, 6},
        {"2018-07-03T10:05:30.25", false, true, 7},
        {"2018-07-03T10:05:30Z", false, true, 6},
        {"2018-07-03T10-05:00", false, true, 4},
        {"2003---15", false, false, 1},
        {"2013----14", false, false, 1},
        {"2003--12", false, false, 2},
        {"2003-12-15T-:15", false, false, 3},
        {"2003-12-15T10:-:30", false, false, 4},
        {"--12-15", false, false, 0},
        {"-----T07:15", false, false, 0},
        {"----T07:15", false, false, 0},
        {"--------T07", false, false, 0},
        {"2003-12-15/2003-12-20", false, false, 3},
        {"2003-12-15T10:00/2003-12-20", false, false, 5},
        {"2003-02-30/2003-03", false, false, 3}, // with `/` the calendar is not checked
        {"20180703", true, true, 0},
        {"2018-07-03 10:05", true, true, 0},
        {"20180703T10:05:30.5Z", true, true, 0},
        {"2018-02-30", true, false, 0},
        {"2018-13", true, false, 0},
        {"2003-20", true, false, 0},
        {"2018-7-3", true, false, 0},
        {"2018T10:05", true, false, 0},
        {"2018-07-03T", true, false, 0},
        {"2018-07-03T24:00", true, false, 0},
        {"2018-07-03T10:60", true, false, 0},
        {"2018-07-03T10:05:30.", true, false, 0},
        {"2018-07-03T10:05+25:00", true, false, 0},
        {"03JUL2018", true, false, 0},
        {" 2018-07-03", true, false, 0},
        {"2018-07-03 ", true, false, 0},
        {"-2018", true, false, 0},
        {"0000", true, false, 0},
        {"", true, false, 0},
        {"UNK", true, false, 0},
        {"/", true, false, 0},
        {"2018/", true, false, 0},
        {"2018-13--/2019", true, false, 0},
        {"---T07:15", true, false, 0},
        {"---------T07:15", true, false, 0},
        {"2018/2019/2020", true, false, 0},
        {"201807", true, false, 0},
        {"2018-0703", true, false, 0},
        {"2016-02-29", false, true, 3},
        {"2018-02-29", true, false, 0},
    };
    for (const auto& each : lines) {
        const auto parsed = partial_date::parse(each.text);
        BOOST_TEST(parsed.has_value() == !each.invalid, each.text);
        BOOST_TEST(edc::is_complete_date(each.text) == each.complete, each.text);
        if (parsed)
            BOOST_TEST(parsed->precision() == each.precision, each.text);
    }
}

BOOST_AUTO_TEST_CASE(offsets_are_converted_before_truncation) {
    const auto day = [](const char* a, const char* b) {
        return partial_date::compare(*partial_date::parse(a), *partial_date::parse(b), 3);
    };
    BOOST_TEST(day("2018-07-03T01:00+02:00", "2018-07-02") == 0);
    BOOST_TEST(day("2018-12-31T23:30-01:00", "2019-01-01") == 0);
    BOOST_TEST(day("2016-02-28T23:00-01:00", "2016-02-29") == 0);
    const auto hour = [](const char* a, const char* b) {
        return partial_date::compare(*partial_date::parse(a), *partial_date::parse(b), 4);
    };
    BOOST_TEST(hour("2018-07-03T10+05:30", "2018-07-03T04") == 0);
}

BOOST_AUTO_TEST_CASE(fractions_compare_as_decimals) {
    const auto all = [](const char* a, const char* b) {
        return partial_date::compare(*partial_date::parse(a), *partial_date::parse(b), 7);
    };
    BOOST_TEST(all("2018-07-03T10:05:30.25", "2018-07-03T10:05:30.250") == 0);
    BOOST_TEST(all("2018-07-03T10:05:30.25", "2018-07-03T10:05:30.3") < 0);
    BOOST_TEST(all("2018-07-03T10:05:30.0", "2018-07-03T10:05:30.01") < 0);
}

BOOST_AUTO_TEST_CASE(components_are_known_or_not) {
    const auto gap = *partial_date::parse("2003---15T10:-:05");
    BOOST_TEST(gap.knows(edc::date_component::year));
    BOOST_TEST(!gap.knows(edc::date_component::month));
    BOOST_TEST(gap.knows(edc::date_component::day));
    BOOST_TEST(!gap.knows(edc::date_component::minute));
    BOOST_TEST(gap.knows(edc::date_component::second));
    BOOST_TEST(!gap.knows(edc::date_component::fraction));
}

BOOST_AUTO_TEST_CASE(no_text_is_too_odd) {
    for (std::size_t length = 0; length < 40; ++length) {
        BOOST_TEST(!edc::is_complete_date(std::string(length, '-')));
        (void)partial_date::parse(std::string(length, '-'));
        (void)partial_date::parse(std::string(length, '/'));
        (void)partial_date::parse("2018" + std::string(length, '-') + "T");
    }
    BOOST_TEST(!partial_date::parse(std::string(100'000, '-')).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
