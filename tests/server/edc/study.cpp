#include "edc/study.hpp"

#include "edc/json_text.hpp"
#include "support.hpp"

#include <boost/json/object.hpp>

BOOST_AUTO_TEST_SUITE(study)

namespace {

using files = std::map<std::string, std::string, std::less<>>;
using names = std::vector<std::string>;

std::string
rule_named(const std::string& id, const std::string& scope, const std::string& op = "exists") {
    return R"({"Core":{"Id":")" + id +
           R"("},"Rule Type":"Record Data","Sensitivity":"Record","Scope":)" + scope +
           R"(,"Check":{"name":"DOMAIN","operator":")" + op + "\"}}";
}

files base() {
    return {
        {"_env.json", R"({"PRODUCT":"SDTMIG","VERSION":"3-4"})"},
        {"_datasets.csv", "Filename,Label\ndm,\nvs,\nlbch,\nsuppae,\nxx,\n"},
        {"_variables.csv",
         "dataset,variable,label,type,length\n"
         "dm,DOMAIN,,Char,2\ndm,SEX,,Char,1\nvs,DOMAIN,,Char,2\nvs,VSORRES,,Num,8\n"
         "lbch,DOMAIN,,Char,2\nlbch,LBTESTCD,,Char,8\n"
         "suppae,RDOMAIN,,Char,2\nxx,DOMAIN,,Char,2\nxx,XXTERM,,Char,9\n"},
        {"vs.csv", "DOMAIN,VSORRES\nVS,1\n"},
        {"rules/DM/rule.json", rule_named("R-DM", R"({"Domains":{"Include":["DM"]}})")},
        {"rules/VS/rule.json", rule_named("R-VS", R"({"Domains":{"Include":["VS"]}})")},
        {"rules/LB/rule.json", rule_named("R-LB", R"({"Domains":{"Include":["LB"]}})")},
        {"rules/FIND/rule.json", rule_named("R-FIND", R"({"Classes":{"Include":["FINDINGS"]}})")},
        {"rules/EVENT/rule.json", rule_named("R-EVENT", R"({"Classes":{"Include":["EVENTS"]}})")},
        {"rules/SUPP/rule.json", rule_named("R-SUPP", R"({"Domains":{"Include":["SUPP--"]}})")},
        {"rules/BAD/rule.json", rule_named("R-BAD", R"({"Domains":{"Include":["VS"]}})", "odd")},
    };
}

edc::study load(files from) {
    auto read = edc::load_study(edc::memory_source{"demo-1", std::move(from)}, nullptr);
    BOOST_REQUIRE_MESSAGE(read.has_value(), read.error().message());
    return std::move(*read);
}

names ids(const std::vector<const edc::rule*>& rules) {
    names out;
    for (const auto* each : rules)
        out.push_back(each->id);
    return out;
}

} // namespace

BOOST_AUTO_TEST_CASE(forms_are_data_sets) {
    const auto one = load(base());
    BOOST_TEST(one.id() == "demo-1");
    BOOST_TEST(
        one.forms() == (names{"DM", "VS", "LBCH", "SUPPAE", "XX", "ALL"}),
        boost::test_tools::per_element()
    );
    BOOST_TEST(one.has_form("VS"));
    BOOST_TEST(one.has_form("ALL"));
    BOOST_TEST(!one.has_form("vs"));
    BOOST_TEST(!one.has_form("AE"));
    BOOST_TEST(one.rules_of("AE").empty());
}

BOOST_AUTO_TEST_CASE(the_rules_of_a_form_are_known_before_its_records) {
    const auto one = load(base());
    BOOST_TEST(ids(one.rules_of("DM")) == (names{"R-DM"}), boost::test_tools::per_element());
    BOOST_TEST(
        ids(one.rules_of("VS")) == (names{"R-FIND", "R-VS"}), boost::test_tools::per_element()
    );
    // No seed record: LB is what LBCH could be.
    BOOST_TEST(
        ids(one.rules_of("LBCH")) == (names{"R-FIND", "R-LB"}), boost::test_tools::per_element()
    );
    BOOST_TEST(ids(one.rules_of("SUPPAE")) == (names{"R-SUPP"}), boost::test_tools::per_element());
    BOOST_TEST(ids(one.rules_of("XX")) == (names{"R-EVENT"}), boost::test_tools::per_element());
    BOOST_TEST(one.rules_of("ALL").size() == 6U);
}

BOOST_AUTO_TEST_CASE(rejected_rules_are_skips_of_their_forms) {
    const auto one = load(base());
    BOOST_TEST(one.rules().rejected.size() == 1U);
    BOOST_TEST(one.skips_of("DM").empty());
    BOOST_REQUIRE(one.skips_of("VS").size() == 1U);
    BOOST_TEST(one.skips_of("VS")[0].rule == "R-BAD");
    BOOST_TEST(one.skips_of("VS")[0].why == "rejected: the operator odd is not implemented");
    BOOST_TEST(one.skips_of("ALL").size() == 1U);
}

BOOST_AUTO_TEST_CASE(saves_have_the_studys_columns) {
    const auto one = load(base());
    const auto save =
        one.read_save(support::json(R"({"VS":[{"VSORRES":"7"}],"DM":[{"SEX":"F"}]})"));
    BOOST_REQUIRE(save.has_value());
    BOOST_REQUIRE(save->tables.size() == 2U);
    BOOST_TEST(save->tables[0].name() == "DM");
    BOOST_TEST(std::get<double>(save->tables[1].find("VSORRES")->cells[0]) == 7.0);
    BOOST_TEST(one.read_save(support::json(R"({"AE":[]})")).error().field() == "datasets.AE");
}

BOOST_AUTO_TEST_CASE(pointers_survive_a_move) {
    auto one = load(base());
    const auto moved = std::move(one);
    BOOST_TEST(ids(moved.rules_of("DM")) == (names{"R-DM"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(ids_and_layouts) {
    auto named = base();
    named["_env.json"] = R"({"PRODUCT":"SDTMIG","VERSION":"3-4","STUDY":"S-77"})";
    BOOST_TEST(load(named).id() == "S-77");
    files nested;
    for (const auto& [path, text] : base())
        nested[path.starts_with("rules/") ? path : "study/" + path] = text;
    const auto one = load(nested);
    BOOST_TEST(one.id() == "demo-1");
    BOOST_TEST(one.rules().rules.size() == 6U);
    files without = base();
    std::erase_if(without, [](const auto& each) { return each.first.starts_with("rules/"); });
    BOOST_TEST(load(without).rules().rules.empty());
    auto all = base();
    all["_datasets.csv"] = "Filename\nall\n";
    BOOST_TEST(
        edc::load_study(edc::memory_source{"x", all}, nullptr).error().message() ==
        "x: no data set may be named ALL"
    );
}

BOOST_AUTO_TEST_SUITE_END()
