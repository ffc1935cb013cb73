#include "edc/csv.hpp"

#include "support.hpp"

BOOST_AUTO_TEST_SUITE(csv)

namespace {

std::vector<std::string> first(const std::string& text) {
    const auto read = edc::read_csv(text, "t.csv");
    BOOST_REQUIRE_MESSAGE(read.has_value(), read.error().message());
    BOOST_REQUIRE(!read->records.empty());
    return read->records.front().fields;
}

std::string trouble(const std::string& text, std::size_t most = 1000) {
    const auto read = edc::read_csv(text, "t.csv", most);
    return read.has_value() ? "" : read.error().message();
}

using fields = std::vector<std::string>;

} // namespace

BOOST_AUTO_TEST_CASE(the_dialect) {
    BOOST_TEST(first("A,B\n1,2\n") == (fields{"1", "2"}), boost::test_tools::per_element());
    BOOST_TEST(first("A,B\n1,2") == (fields{"1", "2"}), boost::test_tools::per_element());
    BOOST_TEST(first("A,B\r\n1,2\r\n") == (fields{"1", "2"}), boost::test_tools::per_element());
    BOOST_TEST(
        first("A,B\n\"x,\"\"y\"\"\",\"a\nb\"\n") == (fields{"x,\"y\"", "a\nb"}),
        boost::test_tools::per_element()
    );
    BOOST_TEST(first("A,B\n  ,\" \"\n") == (fields{"  ", " "}), boost::test_tools::per_element());
    BOOST_TEST(first("A,B,C\n1\n") == (fields{"1", "", ""}), boost::test_tools::per_element());
    BOOST_TEST(first("A,B\n\"\",\n") == (fields{"", ""}), boost::test_tools::per_element());
    BOOST_TEST(first("A\n5\" tube\n") == (fields{"5\" tube"}), boost::test_tools::per_element());
    BOOST_TEST(
        first("\xEF\xBB\xBF"
              "A\n\xC3\xA9\n") == (fields{"\xC3\xA9"}),
        boost::test_tools::per_element()
    );
}

BOOST_AUTO_TEST_CASE(header_names_are_verbatim_and_blank_lines_are_no_records) {
    const auto read = edc::read_csv("A ,,B\n\n1,2,3\n\n\n4,5,6\n\n", "t.csv");
    BOOST_REQUIRE(read.has_value());
    BOOST_TEST(read->header.fields == (fields{"A ", "", "B"}), boost::test_tools::per_element());
    BOOST_REQUIRE(read->records.size() == 2U);
    BOOST_TEST(read->records[1].line == 6U);
}

BOOST_AUTO_TEST_CASE(lines_are_physical_ones) {
    const auto read = edc::read_csv("A,B\n\"x\n\ny\",1\n2,3\n", "t.csv");
    BOOST_REQUIRE(read.has_value());
    BOOST_REQUIRE(read->records.size() == 2U);
    BOOST_TEST(read->records[1].line == 5U);
}

BOOST_AUTO_TEST_CASE(errors_name_file_and_line) {
    BOOST_TEST(
        trouble("A,B\n1,2\n1,2,3\n") == "t.csv, line 3: the record has 3 fields, the header only 2"
    );
    BOOST_TEST(
        trouble("A\n\"open\n1\n") == "t.csv, line 2: a quoted field is opened and never closed"
    );
    BOOST_TEST(
        trouble("A,B\n\"x\"y,1\n") ==
        "t.csv, line 2: there is text between a closing quote and the next comma"
    );
    BOOST_TEST(trouble("A\nok\n\xFF\n") == "t.csv, line 3: the text is not UTF-8");
    BOOST_TEST(trouble("") == "t.csv: the file is empty, a header line is expected");
    BOOST_TEST(trouble("\n\n") == "t.csv: the file is empty, a header line is expected");
}

BOOST_AUTO_TEST_CASE(padding_cannot_exhaust_memory) {
    // 500 columns, 1000 records of one character: half a million cells out of 3 kB.
    std::string hostile(499, ',');
    hostile += '\n';
    for (int i = 0; i < 1000; ++i)
        hostile += "1\n";
    BOOST_TEST(trouble(hostile, 100'000) == "t.csv: there are more than 100000 fields");
    BOOST_TEST(trouble(hostile, 1'000'000).empty());
}

BOOST_AUTO_TEST_CASE(fields_are_quoted_where_needed) {
    BOOST_TEST(edc::csv_field("0X8799") == "0X8799");
    BOOST_TEST(edc::csv_field("a,b") == "\"a,b\"");
    BOOST_TEST(edc::csv_field("say \"x\"") == "\"say \"\"x\"\"\"");
    BOOST_TEST(edc::csv_field("a\nb") == "\"a\nb\"");
    BOOST_TEST(edc::csv_field(" a") == "\" a\"");
    for (const std::string text : {"a,b", "q\"q", "l\nl", " b ", "\xC3\xA9"})
        BOOST_TEST(first("A,B\n" + edc::csv_field(text) + ",x\n")[0] == text);
}

BOOST_AUTO_TEST_SUITE_END()
