#include "edc/rule.hpp"

#include "support.hpp"

BOOST_AUTO_TEST_SUITE(rule)

namespace {

using support::accepted;
using support::reason;
using support::rule_text;

std::string leaf_reason(const std::string& leaf) { return reason(rule_text(leaf)); }

/// Whether the reason says what it should.
void rejects(const std::string& text, const std::string& says) {
    const auto why = reason(text);
    BOOST_TEST(why.find(says) != std::string::npos, text << " gives: " << why);
}

void leaf_rejects(const std::string& leaf, const std::string& says) {
    rejects(rule_text(leaf), says);
}

std::string nested(std::size_t depth) {
    std::string text = R"({"name":"A","operator":"exists"})";
    for (std::size_t i = 1; i < depth; ++i)
        text = "{\"all\":[" + text + "]}";
    return text;
}

} // namespace

BOOST_AUTO_TEST_CASE(reads_everything_it_knows) {
    const auto read = accepted(R"({
      "Authorities": [{"Organization":"X","Standards":[]}], "Description": "d",
      "Executability": "Fully Executable", "Core": {"Id":"T-9","Status":"Published","Version":"1"},
      "Rule Type": "Record Data", "Sensitivity": "Dataset", "Severity": "Warning",
      "Scope": {"Classes":{"Include":["EVENTS"],"Exclude":["FINDINGS"]},
                "Domains":{"Include":["ALL"],"Exclude":["DM"]}, "Use Case":"INDH, PROD"},
      "Match Datasets": [{"Name":"DM","Keys":["USUBJID"],"Join Type":"left"}],
      "Outcome": {"Message":"m","Output Variables":["A","--B"]},
      "Check": {"all":[{"name":"A","operator":"exists"},
                       {"not":{"any":[{"name":"--B","operator":"equal_to","value":2}]}}]}})");
    BOOST_TEST(read.id == "T-9");
    BOOST_TEST(read.message == "m");
    BOOST_TEST(read.severity == "warning");
    BOOST_TEST((read.sensitivity == edc::sensitivity::dataset));
    BOOST_TEST(
        read.where.use_cases == (std::vector<std::string>{"INDH", "PROD"}),
        boost::test_tools::per_element()
    );
    BOOST_TEST(read.where.exclude_domains.size() == 1U);
    BOOST_REQUIRE(read.joins.size() == 1U);
    BOOST_TEST(read.joins[0].keep_unmatched);
    BOOST_TEST(read.leaves.size() == 2U);
    BOOST_TEST(read.output.size() == 2U);
}

BOOST_AUTO_TEST_CASE(defaults) {
    const auto read = accepted(rule_text(
        R"({"all":[{"name":"A","operator":"empty"},{"name":"--B","operator":"equal_to","value":"C"}]})"
    ));
    BOOST_TEST(read.severity == "error");
    // Comparison columns are not output.
    BOOST_TEST(
        read.output == (std::vector<std::string>{"A", "--B"}), boost::test_tools::per_element()
    );
}

BOOST_AUTO_TEST_CASE(unknown_keys_anywhere_are_rejected) {
    const std::string leaf = R"({"name":"A","operator":"exists"})";
    rejects(rule_text(leaf, R"(,"Operations":[])"), "Operations");
    rejects(rule_text(leaf, R"(,"Scope":{"Entities":{}})"), "Entities");
    rejects(rule_text(leaf, R"(,"Scope":{"Data Structures":{}})"), "Data Structures");
    rejects(rule_text(leaf, R"(,"Scope":{"Domains":{"Include Split Datasets":true}})"), "Split");
    rejects(
        rule_text(leaf, R"(,"Match Datasets":[{"Name":"DM","Keys":["A"],"Child":true}])"), "Child"
    );
    leaf_rejects(R"({"name":"A","operator":"exists","within":"B"})", "within");
    leaf_rejects(R"({"all":[{"name":"A","operator":"exists"}],"x":1})", "no other key");
    rejects(
        R"({"Core":{"Id":"T"},"Rule Type":"Record Data","Sensitivity":"Record","Check":)" + leaf +
            R"(,"Outcome":{"Message":"m","Extra":1}})",
        "Extra"
    );
    rejects(
        R"({"Core":{"Id":"T","Owner":"x"},"Rule Type":"Record Data","Sensitivity":"Record","Check":)" +
            leaf + "}",
        "Owner"
    );
}

BOOST_AUTO_TEST_CASE(other_kinds_of_rule_are_rejected) {
    const std::string leaf = R"({"name":"A","operator":"exists"})";
    rejects(rule_text(leaf, "", "Value"), "Sensitivity");
    rejects(
        R"({"Core":{"Id":"T"},"Rule Type":"Dataset Metadata Check","Sensitivity":"Record","Check":)" +
            leaf + "}",
        "Rule Type"
    );
    rejects(rule_text(leaf, R"(,"Severity":"Fatal")"), "Severity");
    rejects(rule_text(leaf, R"(,"Scope":{"Classes":{"Include":["EVENT"]}})"), "EVENT");
    rejects(rule_text(leaf, R"(,"Scope":{"Domains":{"Include":"AE"}})"), "list");
    rejects(rule_text(leaf, R"(,"Scope":{"Use Case":"INDH,,PROD"})"), "empty entry");
    rejects(rule_text(leaf, R"(,"Match Datasets":[{"Name":"SUPP--","Keys":["A"]}])"), "SUPP--");
    rejects(rule_text(leaf, R"(,"Match Datasets":[{"Name":"SUPPAE","Keys":["A"]}])"), "SUPPAE");
    rejects(rule_text(leaf, R"(,"Match Datasets":[{"Name":"RELREC","Keys":["A"]}])"), "RELREC");
    rejects(
        rule_text(leaf, R"(,"Match Datasets":[{"Name":"DM","Keys":["A"],"Join Type":"outer"}])"),
        "outer"
    );
    rejects(rule_text(leaf, R"(,"Match Datasets":[{"Name":"DM","Keys":[]}])"), "Keys");
    rejects("[]", "object");
    rejects("{}", "Core");
    rejects(R"({"Core":{"Id":"T"}})", "Rule Type");
}

BOOST_AUTO_TEST_CASE(every_operator_has_its_shape) {
    // Operators without a value, and what may come with the others.
    for (const char* name :
         {"exists", "not_exists", "empty", "non_empty", "invalid_date", "is_complete_date",
          "is_incomplete_date", "invalid_duration"}) {
        const std::string front = R"({"name":"A","operator":")" + std::string{name} + "\"";
        BOOST_TEST(leaf_reason(front + "}").empty(), name);
        leaf_rejects(front + R"(,"value":"x"})", "takes no value");
    }
    for (const char* name :
         {"equal_to", "not_equal_to", "equal_to_case_insensitive", "not_equal_to_case_insensitive",
          "less_than", "less_than_or_equal_to", "greater_than", "greater_than_or_equal_to",
          "longer_than"}) {
        const std::string front = R"({"name":"A","operator":")" + std::string{name} + "\"";
        BOOST_TEST(leaf_reason(front + R"(,"value":"x"})").empty(), name);
        BOOST_TEST(leaf_reason(front + R"(,"value":5})").empty(), name);
        leaf_rejects(front + "}", "needs a value");
        leaf_rejects(front + R"(,"value":["x"]})", "text or a number");
        leaf_rejects(front + R"(,"value":true})", "text or a number");
        leaf_rejects(front + R"(,"value":null})", "text or a number");
    }
    for (const char* name :
         {"is_contained_by", "is_not_contained_by", "is_contained_by_case_insensitive"}) {
        const std::string front = R"({"name":"A","operator":")" + std::string{name} + "\"";
        BOOST_TEST(leaf_reason(front + R"(,"value":["x",5,""]})").empty(), name);
        leaf_rejects(front + R"(,"value":"x"})", "list");
        leaf_rejects(front + R"(,"value":[]})", "empty list");
        leaf_rejects(front + R"(,"value":[["x"]]})", "neither text nor number");
    }
    for (const char* name :
         {"date_equal_to", "date_not_equal_to", "date_less_than", "date_less_than_or_equal_to",
          "date_greater_than", "date_greater_than_or_equal_to"}) {
        const std::string front = R"({"name":"A","operator":")" + std::string{name} + "\"";
        BOOST_TEST(leaf_reason(front + R"(,"value":"B"})").empty(), name);
        BOOST_TEST(leaf_reason(front + R"(,"value":"B","date_component":"year"})").empty(), name);
        leaf_rejects(front + R"(,"value":2018})", "text");
        leaf_rejects(front + R"(,"value":"B","date_component":"week"})", "week");
    }
    for (const char* name : {"matches_regex", "not_matches_regex"}) {
        const std::string front = R"({"name":"A","operator":")" + std::string{name} + "\"";
        BOOST_TEST(leaf_reason(front + R"(,"value":"^a|b$"})").empty(), name);
        leaf_rejects(front + R"x(,"value":"a(?=b)"})x", "pattern");
        leaf_rejects(front + R"x(,"value":"(a)\\1"})x", "pattern");
        leaf_rejects(front + R"x(,"value":"("})x", "pattern");
        leaf_rejects(front + R"(,"value":"((a{1000}){1000}){1000}"})", "pattern");
        leaf_rejects(front + R"(,"value":5})", "pattern");
        leaf_rejects(front + R"(,"value":"a","prefix":2})", "takes no prefix");
    }
    for (const auto& [name, key] :
         {std::pair{"prefix_matches_regex", "prefix"},
          {"not_prefix_matches_regex", "prefix"},
          {"suffix_matches_regex", "suffix"},
          {"not_suffix_matches_regex", "suffix"}}) {
        const std::string front =
            R"({"name":"A","value":"x","operator":")" + std::string{name} + "\"";
        const std::string option = ",\"" + std::string{key} + "\":";
        BOOST_TEST(leaf_reason(front + option + "2}").empty(), name);
        leaf_rejects(front + "}", "needs");
        leaf_rejects(front + option + "0}", "whole number");
        leaf_rejects(front + option + "1.5}", "whole number");
        leaf_rejects(front + option + "-1}", "whole number");
        leaf_rejects(front + option + "\"2\"}", "whole number");
    }
    for (const char* name : {"starts_with", "ends_with"}) {
        const std::string front = R"({"name":"A","operator":")" + std::string{name} + "\"";
        BOOST_TEST(leaf_reason(front + R"(,"value":"x"})").empty(), name);
        leaf_rejects(front + R"(,"value":5})", "text");
        leaf_rejects(front + R"(,"value":""})", "text");
    }
    for (const char* name : {"is_unique_set", "is_not_unique_set"}) {
        const std::string front = R"({"name":"A","operator":")" + std::string{name} + "\"";
        BOOST_TEST(leaf_reason(front + R"(,"value":"B"})").empty(), name);
        BOOST_TEST(leaf_reason(front + R"(,"value":["B","C"]})").empty(), name);
        leaf_rejects(front + R"(,"value":5})", "list");
        leaf_rejects(front + R"(,"value":[5]})", "text");
        leaf_rejects(front + R"(,"value":"B","value_is_literal":true})", "value_is_literal");
    }
    leaf_rejects(
        R"({"name":"A","operator":"is_inconsistent_across_dataset","value":"B"})",
        "is_inconsistent_across_dataset"
    );
    leaf_rejects(R"({"operator":"exists"})", "needs all, any or not");
    leaf_rejects(R"({"name":"","operator":"exists"})", "empty");
    BOOST_TEST(edc::operator_named("equal_to").has_value());
    BOOST_TEST(!edc::operator_named("equals").has_value());
}

BOOST_AUTO_TEST_CASE(options_go_with_their_operators_only) {
    const std::string equal = R"({"name":"A","operator":"equal_to","value":"B")";
    BOOST_TEST(leaf_reason(equal + R"(,"type_insensitive":true})").empty());
    BOOST_TEST(leaf_reason(equal + R"(,"type_insensitive":true,"round_values":true})").empty());
    BOOST_TEST(leaf_reason(equal + R"(,"value_is_reference":true})").empty());
    leaf_rejects(equal + R"(,"round_values":true})", "round_values");
    leaf_rejects(
        equal + R"(,"value_is_reference":true,"value_is_literal":true})", "value_is_reference"
    );
    leaf_rejects(equal + R"(,"value_is_literal":"yes"})", "true or false");
    leaf_rejects(equal + R"(,"negative":true})", "negative");
    leaf_rejects(equal + R"(,"date_component":"year"})", "date_component");
    leaf_rejects(
        R"({"name":"A","operator":"less_than","value":1,"type_insensitive":true})",
        "type_insensitive"
    );
    leaf_rejects(
        R"({"name":"A","operator":"less_than","value":1,"value_is_reference":true})",
        "value_is_reference"
    );
    BOOST_TEST(leaf_reason(R"({"name":"A","operator":"invalid_duration","negative":false})").empty()
    );
}

BOOST_AUTO_TEST_CASE(size_is_bounded) {
    BOOST_TEST(reason(rule_text(nested(edc::rule::max_depth))).empty());
    rejects(rule_text(nested(edc::rule::max_depth + 1)), "deep");
    const std::string leaf = R"({"name":"A","operator":"exists"})";
    std::string many = "{\"any\":[" + leaf;
    for (std::size_t i = 1; i < edc::rule::max_leaves; ++i)
        many += "," + leaf;
    BOOST_TEST(reason(rule_text(many + "]}")).empty());
    rejects(rule_text(many + "," + leaf + "]}"), "conditions");
    const std::string text(edc::rule::max_text + 1, 'x');
    leaf_rejects(R"({"name":"A","operator":"equal_to","value":")" + text + "\"}", "longer");
    leaf_rejects(R"({"name":"A","operator":"matches_regex","value":")" + text + "\"}", "longer");
    std::string list = "[1";
    for (std::size_t i = 0; i < edc::rule::max_list; ++i)
        list += ",1";
    leaf_rejects(R"({"name":"A","operator":"is_contained_by","value":)" + list + "]}", "more than");
    leaf_rejects(R"({"all":[]})", "at least one");
    leaf_rejects(R"({"not":[]})", "object");
    leaf_rejects("5", "object");
}

BOOST_AUTO_TEST_CASE(a_rejected_rule_keeps_what_is_known_of_it) {
    const auto read = support::parse(rule_text(
        R"({"name":"A","operator":"nonsense"})", R"(,"Scope":{"Domains":{"Include":["VS"]}})"
    ));
    const auto& no = std::get<edc::rejected_rule>(read);
    BOOST_TEST(no.id == "T-1");
    BOOST_REQUIRE(no.where.has_value());
    BOOST_TEST(no.where->include_domains.front() == "VS");
    const auto bare = support::parse("{\"Check\":1}");
    BOOST_TEST(std::get<edc::rejected_rule>(bare).id == "fallback");
    BOOST_TEST(!std::get<edc::rejected_rule>(bare).where.has_value());
}

BOOST_AUTO_TEST_SUITE_END()
