#include "edc/rule_set.hpp"

#include "support.hpp"

BOOST_AUTO_TEST_SUITE(rule_set)

namespace {

std::string rule_named(const std::string& id, const std::string& op = "exists") {
    return R"({"Core":{"Id":")" + id +
           R"("},"Rule Type":"Record Data","Sensitivity":"Record","Check":{"name":"A","operator":")" +
           op + "\"}}";
}

} // namespace

BOOST_AUTO_TEST_CASE(a_folder_of_rules) {
    const edc::memory_source from{
        "rules",
        {{"manifest.json", R"({"rules":[]})"},
         {"list.json", "[1]"},
         {"notes.txt", "not JSON"},
         {"extra.json", rule_named("X-1")},
         {"B/rule.json", rule_named("B-1")},
         {"B/cases/1/rule.json", rule_named("DEEP")},
         {"B/expected.json", "not JSON, not read"},
         {"C/rule.json", rule_named("C-1", "unheard_of")},
         {"D/rule.json", rule_named("B-1")}}
    };
    const auto read = edc::load_rules(from);
    BOOST_REQUIRE_MESSAGE(read.has_value(), read.error().message());
    BOOST_REQUIRE(read->rules.size() == 2U);
    BOOST_TEST(read->rules[0].id == "X-1");
    BOOST_TEST(read->rules[1].id == "B-1");
    BOOST_REQUIRE(read->rejected.size() == 2U);
    BOOST_TEST(read->rejected[0].id == "C-1");
    BOOST_TEST(read->rejected[0].reason == "the operator unheard_of is not implemented");
    BOOST_TEST(read->rejected[1].reason == "another rule has the same id");
}

BOOST_AUTO_TEST_CASE(the_folder_of_one_rule) {
    const edc::memory_source from{
        "R", {{"rule.json", rule_named("R-1")}, {"cases/1/_env.json", "{}"}}
    };
    const auto read = edc::load_rules(from);
    BOOST_REQUIRE(read.has_value());
    BOOST_TEST(read->rules.size() == 1U);
    const auto one = edc::load_rule_file(from, "rule.json");
    BOOST_REQUIRE(one.has_value());
    BOOST_TEST(one->rules.front().id == "R-1");
}

BOOST_AUTO_TEST_CASE(bad_files_are_errors) {
    const auto trouble = [](std::map<std::string, std::string, std::less<>> files) {
        const auto read = edc::load_rules(edc::memory_source{"rules", std::move(files)});
        return read.has_value() ? "" : read.error().message();
    };
    BOOST_TEST(trouble({}) == "rules: there is no rule in this folder");
    BOOST_TEST(trouble({{"x.json", "{}"}}) == "rules: there is no rule in this folder");
    BOOST_TEST(trouble({{"A/rule.json", "{"}}).find("rules/A/rule.json, line 1") == 0U);
    BOOST_TEST(trouble({{"A/rule.json", "{}"}}).find("not a rule") != std::string::npos);
    const auto missing = edc::load_rule_file(edc::memory_source{"m", {}}, "rule.json");
    BOOST_TEST(missing.error().message() == "m/rule.json: there is no such file");
}

BOOST_AUTO_TEST_SUITE_END()
