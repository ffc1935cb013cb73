#include "edc/evaluate.hpp"

#include "support.hpp"

#include <thread>

BOOST_AUTO_TEST_SUITE(evaluate)

namespace {

using support::hits;
using support::make_case;
using support::make_table;
using support::numbers;
using support::rule_text;
using support::run;

std::string
leaf(const std::string& op, const std::string& value = {}, const std::string& more = {}) {
    return R"({"name":"A","operator":")" + op + "\"" +
           (value.empty() ? "" : ",\"value\":" + value) + more + "}";
}

/// A table with the text column A of these values.
edc::table texts(const std::vector<std::string>& values) {
    std::vector<std::vector<std::string>> rows{{"A"}};
    for (const auto& each : values)
        rows.push_back({each});
    return make_table("XX", rows);
}

void check(const std::string& condition, const edc::table& on, const numbers& expected) {
    const auto found = hits(condition, on);
    BOOST_TEST(found == expected, condition);
    BOOST_TEST(found == expected, boost::test_tools::per_element());
}

} // namespace

BOOST_AUTO_TEST_CASE(presence) {
    const auto on = texts({"x", "", "  "});
    check(leaf("exists"), on, {1, 2, 3});
    check(leaf("not_exists"), on, {});
    check(leaf("empty"), on, {2}); // blanks are not empty
    check(leaf("non_empty"), on, {1, 3});
    const auto without = make_table("XX", {{"B"}, {"x"}, {"y"}});
    check(leaf("exists"), without, {});
    check(leaf("not_exists"), without, {1, 2});
}

BOOST_AUTO_TEST_CASE(equality_and_empties) {
    const auto on =
        make_table("XX", {{"A", "B"}, {"x", "x"}, {"x", "y"}, {"x", ""}, {"", "x"}, {"", ""}});
    check(leaf("equal_to", "\"B\""), on, {1});           // two empties are not equal
    check(leaf("not_equal_to", "\"B\""), on, {2, 3, 4}); // nor different
    check(leaf("equal_to", "\"x\""), on, {1, 2, 3});
    check(leaf("not_equal_to", "\"x\""), on, {4, 5});
    check(leaf("equal_to", "\"\""), on, {});
    check(leaf("not_equal_to", "\"\""), on, {1, 2, 3});
    check(leaf("equal_to_case_insensitive", "\"B\""), on, {1});
    check(leaf("not_equal_to_case_insensitive", "\"B\""), on, {2, 3, 4});
}

BOOST_AUTO_TEST_CASE(letter_case) {
    const auto on = texts({"Yes", "YES", "\xC3\x89t\xC3\xA9", "no", ""});
    check(leaf("equal_to", "\"Yes\""), on, {1});
    check(leaf("equal_to_case_insensitive", "\"yes\""), on, {1, 2});
    check(leaf("equal_to_case_insensitive", "\"\xC3\xA9T\xC3\x89\""), on, {3});
    check(leaf("not_equal_to_case_insensitive", "\"yes\""), on, {3, 4, 5});
}

BOOST_AUTO_TEST_CASE(columns_literals_and_types) {
    const auto on = make_table(
        "XX", {{"A", "Y", "N#"}, {"Y", "q", "200"}, {"q", "q", "5"}, {"200", "", "200"}}
    );
    check(leaf("equal_to", "\"Y\""), on, {2}); // a column is called Y
    check(leaf("equal_to", "\"Y\"", ",\"value_is_literal\":true"), on, {1});
    check(leaf("equal_to", "\"Z\""), on, {}); // no such column: the text Z
    check(leaf("equal_to", "200"), on, {});   // a text is not a number
    check(leaf("equal_to", "\"N\""), on, {});
    check(leaf("not_equal_to", "200"), on, {1, 2, 3});
    check(leaf("equal_to", "200", ",\"type_insensitive\":true"), on, {3});
    check(leaf("equal_to", "\"N\"", ",\"type_insensitive\":true"), on, {3});
    check(R"({"name":"N","operator":"equal_to","value":200})", on, {1, 3});
    check(R"({"name":"N","operator":"equal_to","value":"200"})", on, {});
}

BOOST_AUTO_TEST_CASE(type_insensitive_and_rounding) {
    const auto on = texts({"200.00", " 200 ", "2e2", "200.4", "abc", "  abc", ""});
    const std::string option = ",\"type_insensitive\":true";
    check(leaf("equal_to", "200", option), on, {1, 2, 3});
    check(leaf("equal_to", "\"abc\"", option), on, {5, 6});
    check(leaf("equal_to", "200", option + ",\"round_values\":true"), on, {1, 2, 3, 4});
    check(leaf("not_equal_to", "200", option), on, {4, 5, 6, 7});
    check(leaf("equal_to_case_insensitive", "\"ABC\"", option), on, {5, 6});
}

BOOST_AUTO_TEST_CASE(references) {
    const auto on = make_table(
        "XX", {{"A", "R", "B", "C"},
               {"1", "B", "1", "2"},
               {"2", "C", "1", "2"},
               {"1", "C", "1", "2"},
               {"1", "nowhere", "1", "2"},
               {"1", "", "1", "2"}}
    );
    const auto condition = leaf("equal_to", "\"R\"", ",\"value_is_reference\":true");
    check(condition, on, {1, 2});
    const auto said = run(rule_text(condition), make_case({on}));
    BOOST_TEST(said.undecided == 2U);
    BOOST_REQUIRE(said.skips.size() == 1U);
    BOOST_TEST(
        said.skips[0].why ==
        "XX has values that name no column: 2 of 5 records could not be decided"
    );
}

BOOST_AUTO_TEST_CASE(order_is_numeric) {
    const auto on = texts({"9", "10", "abc", "", " ", "-1", "1e1"});
    check(leaf("less_than", "10"), on, {1, 6});
    check(leaf("less_than_or_equal_to", "10"), on, {1, 2, 6, 7});
    check(leaf("greater_than", "9"), on, {2, 7});
    check(leaf("greater_than_or_equal_to", "\"9\""), on, {1, 2, 7});
    check(leaf("less_than", "\"abc\""), on, {}); // neither column nor number
    const auto two =
        make_table("XX", {{"A#", "B"}, {"5", "10"}, {"5", ""}, {"", "10"}, {"5", "x"}});
    check(leaf("less_than", "\"B\""), two, {1});
    check(leaf("greater_than_or_equal_to", "\"B\""), two, {});
}

BOOST_AUTO_TEST_CASE(containment) {
    const auto on =
        make_table("XX", {{"A", "N#"}, {"Y", "1"}, {"y", "2"}, {"", ""}, {"1", "1"}, {" ", "3"}});
    check(leaf("is_contained_by", R"(["Y","N"])"), on, {1});
    check(leaf("is_not_contained_by", R"(["Y","N"])"), on, {2, 3, 4, 5}); // an empty one is not
    check(leaf("is_contained_by", R"([1])"), on, {});                     // type counts
    check(leaf("is_contained_by", R"(["Y",""])"), on, {1, 3});            // unless listed
    check(leaf("is_not_contained_by", R"(["Y",""])"), on, {2, 4, 5});
    check(leaf("is_contained_by_case_insensitive", R"(["Y",""])"), on, {1, 2});
    check(R"({"name":"N","operator":"is_contained_by","value":[1,3]})", on, {1, 4, 5});
    check(R"({"name":"N","operator":"is_contained_by","value":["1"]})", on, {});
    check(R"({"name":"N","operator":"is_contained_by_case_insensitive","value":["1"]})", on, {});
}

BOOST_AUTO_TEST_CASE(patterns) {
    const auto on = texts({"abc", "xabc", "ab", "", "12", "12x"});
    check(leaf("matches_regex", R"("b")"), on, {});            // not anywhere
    check(leaf("matches_regex", R"("a")"), on, {1, 3});        // from the start, not the whole
    check(leaf("not_matches_regex", R"("a")"), on, {2, 5, 6}); // null is false
    check(leaf("matches_regex", R"("x|b")"), on, {2});         // both branches at the start
    check(leaf("matches_regex", R"("\\d+$")"), on, {5});
    check(leaf("matches_regex", R"x("(?i:ABC)")x"), on, {1});
    check(leaf("not_matches_regex", R"x("^-?(\\d+(\\.\\d+)?$)|(\\.\\d+$)")x"), on, {1, 2, 3, 6});
    // A text whose second branch would match only further on.
    check(leaf("matches_regex", R"("^z|c$")"), on, {});
    const auto figures = make_table("XX", {{"A#"}, {"12"}, {"1.5"}, {"0.1"}, {""}});
    check(leaf("matches_regex", R"("^12$")"), figures, {1}); // no decimal point
    check(leaf("matches_regex", R"("^1\\.5$")"), figures, {2});
    check(leaf("matches_regex", R"("^0\\.1$")"), figures, {3});
    check(leaf("not_matches_regex", R"("^12$")"), figures, {2, 3});
}

BOOST_AUTO_TEST_CASE(patterns_at_the_ends_are_searched_anywhere_there) {
    const auto on = texts(
        {"xAPy", "APxy", "xyAP", "AP", "",
         "\xC3\xA9"
         "AP"}
    );
    check(leaf("prefix_matches_regex", R"("AP")", ",\"prefix\":3"), on, {1, 2, 4, 6});
    check(leaf("not_prefix_matches_regex", R"("AP")", ",\"prefix\":3"), on, {3});
    check(leaf("suffix_matches_regex", R"("AP")", ",\"suffix\":3"), on, {1, 3, 4, 6});
    check(leaf("not_suffix_matches_regex", R"("AP")", ",\"suffix\":3"), on, {2});
    check(leaf("prefix_matches_regex", R"("P$")", ",\"prefix\":2"), on, {2, 4});
}

BOOST_AUTO_TEST_CASE(lengths_and_ends) {
    const auto on = make_table(
        "XX", {{"A", "B", "N#"},
               {"abc", "ab", "3"},
               {"abcd", "", "3"},
               {"", "x", "0"},
               {"\xC3\xA9t\xC3\xA9", "xyz", "2"}}
    );
    check(leaf("longer_than", "3"), on, {2}); // not on equal length; code points
    check(leaf("longer_than", "\"B\""), on, {1});
    check(leaf("longer_than", "\"N\""), on, {2, 4});
    check(leaf("longer_than", "\"3\""), on, {2});
    check(R"({"name":"N","operator":"longer_than","value":0})", on, {}); // not a text
    BOOST_TEST(run(rule_text(leaf("longer_than", "\"GONE\"")), make_case({on})).skips.size() == 1U);
    check(leaf("starts_with", "\"ab\""), on, {1, 2});
    check(leaf("ends_with", "\"cd\""), on, {2});
    check(leaf("starts_with", "\"B\""), on, {}); // a literal, though B is a column
}

BOOST_AUTO_TEST_CASE(uniqueness) {
    const auto on = make_table(
        "XX", {{"A", "B", "N#"},
               {"1", "x", "1"},
               {"1", "x", "2"},
               {"1", "y", "1"},
               {"", "x", "1"},
               {"", "x", "1"},
               {"2", "", ""}}
    );
    check(leaf("is_not_unique_set", "\"B\""), on, {1, 2, 4, 5}); // empties are values
    check(leaf("is_unique_set", "\"B\""), on, {3, 6});
    check(leaf("is_not_unique_set", R"(["B","N"])"), on, {4, 5});
    check(leaf("is_not_unique_set", R"(["B","GONE"])"), on, {1, 2, 4, 5}); // absent: left out
    check(R"({"name":"GONE","operator":"is_not_unique_set","value":["A","B"]})", on, {1, 2, 4, 5});
    check(R"({"name":"GONE","operator":"is_not_unique_set","value":["GONE2"]})", on, {});
    check(R"({"name":"GONE","operator":"is_unique_set","value":["GONE2"]})", on, {});
    // A number and a text of the same digits differ.
    const auto mixed = make_table("LBX", {{"DOMAIN", "A"}, {"LB", "1"}});
    const auto other = make_table("LBY", {{"DOMAIN", "A#"}, {"LB", "1"}});
    BOOST_TEST(run(rule_text(leaf("is_not_unique_set", "\"DOMAIN\"")), make_case({mixed, other}))
                   .findings.empty());
}

BOOST_AUTO_TEST_CASE(dates_of_their_own) {
    const auto on =
        texts({"2018-07-03", "2018-07", "20180703", "2018-02-30", "", "2003---15", "UNK"});
    check(leaf("invalid_date"), on, {3, 4, 5, 7}); // null is invalid
    check(leaf("is_complete_date"), on, {1, 3});
    check(leaf("is_incomplete_date"), on, {2, 4, 5, 6, 7}); // null is incomplete
    const auto figures = make_table("XX", {{"A#"}, {"2018"}, {""}});
    check(leaf("invalid_date"), figures, {1, 2});
}

BOOST_AUTO_TEST_CASE(dates_compared) {
    // a, b, and the answers of: equal, not equal, less, less or equal, greater, greater or equal
    const std::tuple<const char*, const char*, const char*> lines[] = {
        {"2018-11-06T12:00", "2018-11-06", "fTfTfT"},
        {"2018-11-06", "2018-11-06", "TffTfT"},
        {"2018-11", "2018-11-06", "fTfTfT"},
        {"2018", "2019-01-01", "fTTTff"},
        {"2018-07-03T10:05", "2018-07-03T10:06:30", "fTTTff"},
        {"2018-07-03T10:05Z", "2018-07-03T12:05+02:00", "TffTfT"},
        {"2003---15", "2003-12-01", "fTfTfT"},
        {"2003-12-15/2003-12-20", "2003-12-15", "TffTfT"},
        {"2018-07-03", "", "ffffff"},
        {"2018-07-03", "UNK", "ffffff"},
        {"", "2018-07-03", "ffffff"},
        {"-----T07:15", "2003-12-15", "ffffff"},
        {"2019-01-01", "2018", "fTffTT"},
    };
    const char* operators[] = {"date_equal_to",     "date_not_equal_to",
                               "date_less_than",    "date_less_than_or_equal_to",
                               "date_greater_than", "date_greater_than_or_equal_to"};
    for (const auto& [a, b, answers] : lines) {
        const auto on = make_table("XX", {{"A", "B"}, {a, b}});
        for (std::size_t i = 0; i < 6; ++i) {
            const bool expected = answers[i] == 'T';
            BOOST_TEST(
                hits(leaf(operators[i], "\"B\""), on).size() == (expected ? 1U : 0U),
                a << " " << operators[i] << " " << b
            );
            // The same with a literal on the right.
            const auto literal = leaf(
                operators[i], std::string{"\""}.append(b).append("\""), ",\"value_is_literal\":true"
            );
            BOOST_TEST(hits(literal, on).size() == (expected ? 1U : 0U), a << " literal " << b);
        }
    }
}

BOOST_AUTO_TEST_CASE(date_components) {
    const auto on = make_table(
        "XX", {{"A", "B"},
               {"2018-11-06T12:00", "2018-11-06"},
               {"2017-11-05", "2018-11-06"},
               {"2018", "2018-11"}}
    );
    check(leaf("date_equal_to", "\"B\"", ",\"date_component\":\"auto\""), on, {1, 3});
    check(leaf("date_not_equal_to", "\"B\"", ",\"date_component\":\"auto\""), on, {2});
    check(leaf("date_equal_to", "\"B\"", ",\"date_component\":\"month\""), on, {1, 2});
    check(leaf("date_less_than", "\"B\"", ",\"date_component\":\"day\""), on, {2});
    check(leaf("date_equal_to", "\"B\"", ",\"date_component\":\"hour\""), on, {});
}

BOOST_AUTO_TEST_CASE(durations) {
    const auto on = texts({"P1D", "-P1D", "1D", ""});
    check(leaf("invalid_duration"), on, {3, 4});
    check(leaf("invalid_duration", "", ",\"negative\":false"), on, {2, 3, 4});
}

BOOST_AUTO_TEST_CASE(every_leaf_on_an_absent_column_is_false) {
    const auto on = make_table("XX", {{"B"}, {"x"}});
    for (const char* op :
         {"empty", "non_empty", "invalid_date", "is_complete_date", "is_incomplete_date",
          "invalid_duration"})
        check(leaf(op), on, {});
    for (const char* op :
         {"equal_to", "not_equal_to", "equal_to_case_insensitive", "not_equal_to_case_insensitive",
          "less_than", "greater_than_or_equal_to", "longer_than", "starts_with", "ends_with",
          "matches_regex", "not_matches_regex", "date_equal_to", "date_not_equal_to"})
        check(leaf(op, "\"B\""), on, {});
    check(leaf("is_contained_by", "[\"x\"]"), on, {});
    check(leaf("is_not_contained_by", "[\"x\"]"), on, {});
    // The record is still evaluated by the other leaves.
    check(R"({"any":[)" + leaf("empty") + R"(,{"name":"B","operator":"non_empty"}]})", on, {1});
    // And two-valued: the negation of false is true.
    check(R"({"not":)" + leaf("empty") + "}", on, {1});
}

BOOST_AUTO_TEST_CASE(an_answer_that_hangs_on_an_absent_column_is_a_skip) {
    const auto on = make_table("VS", {{"DOMAIN", "B"}, {"VS", "x"}, {"VS", ""}});
    const auto skips = [&](const std::string& condition) {
        return run(rule_text(condition), make_case({on})).skips;
    };
    const std::string absent = R"({"name":"--GONE","operator":"empty"})";
    const std::string full = R"({"name":"B","operator":"non_empty"})";
    const auto both = skips("{\"all\":[" + full + "," + absent + "]}");
    BOOST_REQUIRE(both.size() == 1U);
    BOOST_TEST(both[0].rule == "T-1");
    BOOST_TEST(both[0].why == "VS has no VSGONE: 1 of 2 records could not be decided");
    BOOST_TEST(skips("{\"any\":[" + full + "," + absent + "]}").size() == 1U); // record 2
    // Decided by the other side: no skip.
    BOOST_TEST(
        skips("{\"all\":[{\"name\":\"--GONE\",\"operator\":\"exists\"}," + absent + "]}").empty()
    );
    BOOST_TEST(skips("{\"any\":[{\"name\":\"B\",\"operator\":\"exists\"}," + absent + "]}").empty()
    );
    BOOST_TEST(skips("{\"not\":" + absent + "}").size() == 1U);
    BOOST_TEST(skips(full).empty());
    // A negated unknown leaves the others their say.
    check("{\"all\":[{\"not\":" + absent + "}," + full + "]}", on, {1});
}

BOOST_AUTO_TEST_CASE(trees) {
    const auto on = make_table("XX", {{"A", "B"}, {"1", "1"}, {"1", ""}, {"", "1"}, {"", ""}});
    const std::string a = R"({"name":"A","operator":"non_empty"})";
    const std::string b = R"({"name":"B","operator":"non_empty"})";
    check("{\"all\":[" + a + "," + b + "]}", on, {1});
    check("{\"any\":[" + a + "," + b + "]}", on, {1, 2, 3});
    check("{\"not\":{\"any\":[" + a + "," + b + "]}}", on, {4});
    check("{\"all\":[{\"any\":[" + a + "," + b + "]},{\"not\":" + a + "}]}", on, {3});
}

BOOST_AUTO_TEST_CASE(findings_say_what_they_saw) {
    const auto on = make_table(
        "VS", {{"DOMAIN", "VSORRES", "VSSEQ#"}, {"VS", "", "1.5"}, {"VS", "x", "2"}, {"VS", "", ""}}
    );
    const auto text = rule_text(
        R"({"all":[{"name":"--ORRES","operator":"empty"},{"name":"--SEQ","operator":"exists"},{"name":"--ORRES","operator":"empty"},{"name":"--GONE","operator":"not_exists"}]})"
    );
    const auto said = run(text, make_case({on}));
    BOOST_REQUIRE(said.findings.size() == 2U);
    const auto& one = said.findings[0];
    BOOST_TEST(one.rule == "T-1");
    BOOST_TEST(one.dataset == "VS");
    BOOST_TEST(one.record.value() == 1U);
    BOOST_TEST(one.message == "VSTEST is wrong");
    BOOST_TEST(one.severity == "error");
    BOOST_REQUIRE(one.values.size() == 3U); // no repeats
    BOOST_TEST(one.values[0].first == "VSORRES");
    BOOST_TEST(!one.values[0].second.has_value());
    BOOST_TEST(one.values[1].second.value() == "1.5");
    BOOST_TEST(one.values[2].second.value() == "Not in dataset");
    BOOST_TEST(said.tables == 1U);
    BOOST_TEST(said.records == 3U);
}

BOOST_AUTO_TEST_CASE(dashes_in_messages) {
    const auto on = make_table("VS", {{"DOMAIN"}, {"VS"}});
    const auto message = [&](const std::string& text) {
        const auto rule =
            R"({"Core":{"Id":"T"},"Rule Type":"Record Data","Sensitivity":"Record","Outcome":{"Message":")" +
            text + R"("},"Check":{"name":"DOMAIN","operator":"exists"}})";
        return run(rule, make_case({on})).findings.at(0).message;
    };
    BOOST_TEST(message("--ORRES and (--STAT)") == "VSORRES and (VSSTAT)");
    BOOST_TEST(message("SUPP-- too") == "SUPPVS too");
    BOOST_TEST(message("a -- b") == "a -- b");
    BOOST_TEST(message("a-b --") == "a-b --");
}

BOOST_AUTO_TEST_CASE(dataset_sensitivity_reports_once) {
    const auto on = make_table("VS", {{"DOMAIN", "A"}, {"VS", "x"}, {"VS", ""}, {"VS", ""}});
    const auto said =
        run(rule_text(R"({"name":"A","operator":"empty"})", "", "Dataset"), make_case({on}));
    BOOST_REQUIRE(said.findings.size() == 1U);
    BOOST_TEST(!said.findings[0].record.has_value());
    BOOST_TEST(said.findings[0].dataset == "VS");
    // Of concatenated tables: the names with a violating record.
    const auto split = make_case(
        {make_table("LBHE", {{"DOMAIN", "A"}, {"LB", ""}}),
         make_table("LBCH", {{"DOMAIN", "A"}, {"LB", ""}}),
         make_table("LBUR", {{"DOMAIN", "A"}, {"LB", "x"}})}
    );
    const auto both = run(rule_text(R"({"name":"A","operator":"empty"})", "", "Dataset"), split);
    BOOST_REQUIRE(both.findings.size() == 1U);
    BOOST_TEST(both.findings[0].dataset == "LBCH, LBHE");
}

BOOST_AUTO_TEST_CASE(split_tables_are_evaluated_as_one) {
    const auto data = make_case(
        {make_table("LBCH", {{"DOMAIN", "A"}, {"LB", "1"}, {"LB", "2"}}),
         make_table("LBHE", {{"DOMAIN", "A"}, {"LB", "2"}})}
    );
    const auto said =
        run(rule_text(R"({"name":"A","operator":"is_not_unique_set","value":"DOMAIN"})"), data);
    BOOST_REQUIRE(said.findings.size() == 2U); // only together are they not unique
    BOOST_TEST(said.findings[0].dataset == "LBCH");
    BOOST_TEST(said.findings[0].record.value() == 2U);
    BOOST_TEST(said.findings[1].dataset == "LBHE");
    BOOST_TEST(said.findings[1].record.value() == 1U);
    // A table under the base name stands alone.
    const auto alone = make_case(
        {make_table("LB", {{"DOMAIN", "A"}, {"LB", "1"}}),
         make_table("LBHE", {{"DOMAIN", "A"}, {"LB", ""}})}
    );
    BOOST_TEST(run(rule_text(R"({"name":"A","operator":"empty"})"), alone).findings.empty());
}

BOOST_AUTO_TEST_CASE(no_records_no_findings) {
    const auto data = make_case({make_table("VS", {{"DOMAIN"}})});
    const auto said = run(rule_text(leaf("not_exists")), data);
    BOOST_TEST(said.findings.empty());
    BOOST_TEST(said.skips.empty());
    BOOST_TEST(said.tables == 0U);
}

BOOST_AUTO_TEST_CASE(joins) {
    const auto ae = make_table(
        "AE", {{"DOMAIN", "USUBJID", "AESEQ#", "EPOCH"},
               {"AE", "1", "1", "a"},
               {"AE", "2", "2", "a"},
               {"AE", "3", "3", "a"},
               {"AE", "", "4", "a"}}
    );
    const auto se = make_table(
        "SE", {{"DOMAIN", "USUBJID", "EPOCH", "ETCD"},
               {"SE", "1", "a", "X"},
               {"SE", "1", "b", "Y"},
               {"SE", "2", "b", "X"},
               {"SE", "", "b", "N"}}
    );
    const auto found = [&](const std::string& check, const std::string& join, bool with_se = true) {
        numbers out;
        auto data = with_se ? make_case({ae, se}) : make_case({ae});
        const auto rule = rule_text(
            check, R"(,"Scope":{"Domains":{"Include":["AE"]}},"Match Datasets":[)" + join + "]"
        );
        for (const auto& each : run(rule, data).findings)
            out.push_back(*each.record);
        return out;
    };
    const std::string inner = R"({"Name":"SE","Keys":["USUBJID"]})";
    const std::string left = R"({"Name":"SE","Keys":["USUBJID"],"Join Type":"left"})";
    // Record 3 has no partner and is not evaluated; null keys match; record 1 has two partners.
    const std::string any = R"({"name":"AESEQ","operator":"exists"})";
    BOOST_TEST(found(any, inner) == (numbers{1, 1, 2, 4}), boost::test_tools::per_element());
    BOOST_TEST(found(any, left) == (numbers{1, 1, 2, 3, 4}), boost::test_tools::per_element());
    // A right column under its name; a clashing one only qualified.
    BOOST_TEST(
        found(R"({"name":"ETCD","operator":"equal_to","value":"X"})", inner) == (numbers{1, 2}),
        boost::test_tools::per_element()
    );
    BOOST_TEST(found(R"({"name":"EPOCH","operator":"equal_to","value":"b"})", inner).empty());
    BOOST_TEST(
        found(R"({"name":"SE.EPOCH","operator":"equal_to","value":"b"})", inner) ==
            (numbers{1, 2, 4}),
        boost::test_tools::per_element()
    );
    BOOST_TEST(
        found(R"({"name":"EPOCH","operator":"equal_to","value":"SE.EPOCH"})", inner) ==
            (numbers{1}),
        boost::test_tools::per_element()
    );
    // The table is not there: no join, its columns are absent.
    BOOST_TEST(found(any, inner, false) == (numbers{1, 2, 3, 4}), boost::test_tools::per_element());
    BOOST_TEST(found(R"({"name":"ETCD","operator":"exists"})", inner, false).empty());
    // The table itself: no join.
    BOOST_TEST(found(any, R"({"Name":"AE","Keys":["USUBJID"]})").size() == 4U);
}

BOOST_AUTO_TEST_CASE(a_join_without_its_key_is_a_skip) {
    const auto data = make_case(
        {make_table("AE", {{"DOMAIN", "USUBJID"}, {"AE", "1"}}),
         make_table("SE", {{"DOMAIN"}, {"SE"}})}
    );
    const auto said = run(
        rule_text(
            R"({"name":"USUBJID","operator":"exists"})",
            R"(,"Scope":{"Domains":{"Include":["AE"]}},"Match Datasets":[{"Name":"SE","Keys":["USUBJID"]}])"
        ),
        data
    );
    BOOST_TEST(said.findings.empty());
    BOOST_REQUIRE(said.skips.size() == 1U);
    BOOST_TEST(said.skips[0].why == "the join of AE with SE needs the column USUBJID in both");
}

BOOST_AUTO_TEST_CASE(a_join_cannot_exhaust_memory) {
    std::vector<std::vector<std::string>> rows{{"DOMAIN", "K"}};
    for (int i = 0; i < 5000; ++i)
        rows.push_back({"AE", "same"});
    auto left = make_table("AE", rows);
    rows[0] = {"DOM", "K"};
    const auto data = make_case({left, make_table("SE", rows)});
    const auto said = run(
        rule_text(
            R"({"name":"K","operator":"exists"})",
            R"(,"Scope":{"Domains":{"Include":["AE"]}},"Match Datasets":[{"Name":"SE","Keys":["K"]}])"
        ),
        data
    );
    BOOST_REQUIRE(said.skips.size() == 1U);
    BOOST_TEST(said.skips[0].why == "the join of AE with SE is too large");
}

BOOST_AUTO_TEST_CASE(hostile_patterns_take_linear_time) {
    const auto on = texts({std::string(20'000, 'a') + "!"});
    check(leaf("matches_regex", R"x("(a+)+$")x"), on, {});
    check(leaf("matches_regex", R"("(a|aa)*b")"), on, {});
}

BOOST_AUTO_TEST_CASE(many_threads_may_read_one_case) {
    std::vector<std::vector<std::string>> rows{{"DOMAIN", "A"}};
    for (int i = 0; i < 200; ++i)
        rows.push_back({"VS", i % 3 == 0 ? "" : std::string{"x"}.append(std::to_string(i % 7))});
    const auto data = make_case({make_table("VS", rows)});
    const auto rule = support::accepted(rule_text(
        R"({"any":[{"name":"A","operator":"empty"},{"name":"A","operator":"matches_regex","value":"x[35]"}]})"
    ));
    const auto expected = edc::evaluate(rule, data).findings.size();
    BOOST_TEST(expected > 67U);
    std::vector<std::size_t> found(4);
    {
        std::vector<std::thread> threads;
        for (auto& each : found)
            threads.emplace_back([&each, &rule, &data] {
                for (int i = 0; i < 20; ++i)
                    each = edc::evaluate(rule, data).findings.size();
            });
        for (auto& each : threads)
            each.join();
    }
    for (const auto each : found)
        BOOST_TEST(each == expected);
}

BOOST_AUTO_TEST_SUITE_END()
