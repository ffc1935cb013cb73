#include "edc/scope.hpp"

#include "support.hpp"

BOOST_AUTO_TEST_SUITE(scope)

namespace {

using support::make_case;
using support::make_table;
using names = std::vector<std::string>;

edc::table of_domain(const std::string& name, const std::string& domain, names more = {}) {
    names heading{"DOMAIN"};
    heading.insert(heading.end(), more.begin(), more.end());
    return make_table(name, {heading, {domain}});
}

edc::table supplemental(const std::string& name, const std::string& related) {
    return make_table(name, {{"RDOMAIN", "QNAM"}, {related, "X"}});
}

struct wanted {
    names include_domains{};
    names exclude_domains{};
    names include_classes{};
    names exclude_classes{};
    names use_cases{};
};

bool covers(const wanted& w, const edc::table& of, const edc::environment& env = {}) {
    edc::scope s;
    s.include_domains = w.include_domains;
    s.exclude_domains = w.exclude_domains;
    s.include_classes = w.include_classes;
    s.exclude_classes = w.exclude_classes;
    s.use_cases = w.use_cases;
    return edc::in_scope(s, edc::facts_of(of), env);
}

} // namespace

BOOST_AUTO_TEST_CASE(facts) {
    const auto vs = edc::facts_of(of_domain("VS", "VS"));
    BOOST_TEST(vs.base_name == "VS");
    BOOST_TEST(vs.prefix == "VS");
    BOOST_TEST(vs.table_class == "FINDINGS");

    const auto split = edc::facts_of(of_domain("LBCH", "LB"));
    BOOST_TEST(split.base_name == "LB");
    BOOST_TEST(split.prefix == "LB"); // the domain, not the name

    const auto bare = edc::facts_of(make_table("RELREC", {{"USUBJID"}, {"1"}}));
    BOOST_TEST(!bare.domain.has_value());
    BOOST_TEST(bare.base_name == "RELREC");
    BOOST_TEST(bare.prefix.empty());
    BOOST_TEST(bare.table_class == "RELATIONSHIP");

    // The first record decides; without one, or with a null there, there is no domain.
    BOOST_TEST(!edc::facts_of(make_table("XX", {{"DOMAIN"}})).domain.has_value());
    BOOST_TEST(!edc::facts_of(make_table("XX", {{"DOMAIN"}, {""}, {"XX"}})).domain.has_value());

    const auto supp = edc::facts_of(supplemental("SUPPLB", "LB"));
    BOOST_TEST(supp.supplemental);
    BOOST_TEST(supp.base_name == "SUPPLB");
    BOOST_TEST(supp.prefix.empty());
    BOOST_TEST(supp.table_class == "RELATIONSHIP");
    BOOST_TEST(edc::facts_of(supplemental("SQAPMH", "APMH")).base_name == "SQAPMH");
    BOOST_TEST(edc::facts_of(supplemental("SQAPMH", "APMH")).associated_persons);
}

BOOST_AUTO_TEST_CASE(associated_persons) {
    const auto by_domain = edc::facts_of(of_domain("APMH", "APMH"));
    BOOST_TEST(by_domain.associated_persons);
    BOOST_TEST(by_domain.prefix == "MH");
    BOOST_TEST(by_domain.table_class == "EVENTS"); // of the prefix
    const auto by_column = edc::facts_of(of_domain("POOL", "DM", {"APID"}));
    BOOST_TEST(by_column.associated_persons);
    BOOST_TEST(by_column.prefix == "DM"); // two characters stay
    BOOST_TEST(!edc::facts_of(of_domain("AP", "AP")).associated_persons);
    BOOST_TEST(!edc::facts_of(of_domain("APXYZ", "APXYZ")).associated_persons);
}

BOOST_AUTO_TEST_CASE(classes_are_detected_from_columns) {
    const auto detected = [](names columns) {
        return edc::facts_of(of_domain("XX", "XX", std::move(columns))).table_class;
    };
    BOOST_TEST(detected({"XXTERM"}) == "EVENTS");
    BOOST_TEST(detected({"XXTRT"}) == "INTERVENTIONS");
    BOOST_TEST(detected({"XXQNAM"}) == "RELATIONSHIP");
    BOOST_TEST(detected({"XXTESTCD"}) == "FINDINGS");
    BOOST_TEST(detected({"XXTESTCD", "XXOBJ"}) == "FINDINGS ABOUT");
    BOOST_TEST(detected({"YYTERM"}).empty());
    // The table of classes comes first.
    BOOST_TEST(edc::facts_of(of_domain("DM", "DM", {"DMTERM"})).table_class == "SPECIAL PURPOSE");
}

BOOST_AUTO_TEST_CASE(domains) {
    const auto vs = of_domain("VS", "VS");
    BOOST_TEST(covers({}, vs));
    BOOST_TEST(covers({.include_domains = {"VS"}}, vs));
    BOOST_TEST(covers({.include_domains = {"ALL"}}, vs));
    BOOST_TEST(!covers({.include_domains = {"LB"}}, vs));
    BOOST_TEST(!covers({.include_domains = {"SUPP--"}}, vs));
    BOOST_TEST(covers({.include_domains = {"LBCH"}}, of_domain("LBCH", "LB"))); // by name
    BOOST_TEST(covers({.include_domains = {"LB"}}, of_domain("LBCH", "LB")));
    BOOST_TEST(!covers({.include_domains = {"ALL"}, .exclude_domains = {"VS"}}, vs));
    BOOST_TEST(covers({.exclude_domains = {"DM"}}, vs));
    // The four markers act as one.
    for (const char* marker : {"SUPP--", "SQ--", "AP--", "APFA--"}) {
        BOOST_TEST(covers({.include_domains = {marker}}, supplemental("SUPPLB", "LB")));
        BOOST_TEST(covers({.include_domains = {marker}}, of_domain("APMH", "APMH")));
        BOOST_TEST(!covers({.exclude_domains = {marker}}, of_domain("APMH", "APMH")));
    }
    // Excluded by base name; that does not include.
    BOOST_TEST(!covers({.exclude_domains = {"SUPPLB"}}, supplemental("SUPPLBX", "LB")));
    BOOST_TEST(!covers({.include_domains = {"SUPPLB"}}, supplemental("SUPPLBX", "LB")));
}

BOOST_AUTO_TEST_CASE(class_lists) {
    const auto vs = of_domain("VS", "VS");
    const auto fa = of_domain("FA", "FA");
    const auto odd = of_domain("XX", "XX");
    BOOST_TEST(covers({.include_classes = {"FINDINGS"}}, vs));
    BOOST_TEST(!covers({.include_classes = {"EVENTS"}}, vs));
    BOOST_TEST(covers({.include_classes = {"FINDINGS"}}, fa)); // and FINDINGS ABOUT
    BOOST_TEST(!covers({.include_classes = {"FINDINGS ABOUT"}}, vs));
    BOOST_TEST(!covers({.exclude_classes = {"FINDINGS"}}, fa));
    BOOST_TEST(!covers({.include_classes = {"FINDINGS"}}, odd));
    BOOST_TEST(covers({.include_classes = {"ALL"}}, odd));
    BOOST_TEST(covers({.exclude_classes = {"FINDINGS"}}, odd)); // unknown: not excluded
    BOOST_TEST(!covers({.exclude_classes = {"FINDINGS"}}, vs));
    BOOST_TEST(covers({.include_classes = {"ALL"}, .exclude_classes = {"FINDINGS"}}, vs)
    ); // not looked at
}

BOOST_AUTO_TEST_CASE(use_cases_count_for_tig_only) {
    edc::environment tig;
    tig.product = "tig";
    tig.substandard = "SDTM";
    tig.use_case = "INDH";
    edc::environment sdtm;
    sdtm.product = "SDTMIG";
    const auto vs = of_domain("VS", "VS");
    const auto es = of_domain("ES", "ES");
    const auto odd = of_domain("XX", "XX");
    const wanted indh{.use_cases = {"INDH"}};
    const wanted prod{.use_cases = {"PROD"}};
    const wanted both{.use_cases = {"INDH", "PROD"}};
    BOOST_TEST(covers(prod, vs, sdtm));
    BOOST_TEST(covers(indh, vs, tig));
    BOOST_TEST(!covers(prod, vs, tig));
    BOOST_TEST(covers(prod, es, tig));
    BOOST_TEST(covers(both, es, tig)); // one of the rule's use cases is enough
    BOOST_TEST(!covers(indh, es, tig));
    // A custom domain goes by the case's own use case.
    BOOST_TEST(covers(indh, odd, tig));
    BOOST_TEST(!covers(prod, odd, tig));
    // A supplemental table by its related domain.
    BOOST_TEST(covers(indh, supplemental("SUPPVS", "VS"), tig));
    BOOST_TEST(!covers(indh, supplemental("SUPPES", "ES"), tig));
    tig.substandard = "SEND";
    BOOST_TEST(!covers(indh, vs, tig));
    BOOST_TEST(covers({.use_cases = {"NONCLIN"}}, vs, tig));
    BOOST_TEST(covers({}, vs, tig));
}

BOOST_AUTO_TEST_CASE(split_tables_are_one) {
    const auto data = make_case(
        {of_domain("AE", "AE"), make_table("LBCH", {{"DOMAIN", "A"}, {"LB", "1"}, {"LB", "2"}}),
         of_domain("DM", "DM"), make_table("LBHE", {{"DOMAIN", "B#"}, {"LB", "7"}})}
    );
    const auto groups = edc::group_tables(data);
    BOOST_REQUIRE(groups.size() == 3U);
    BOOST_TEST(groups[1].facts.name == "LBCH");
    BOOST_REQUIRE(groups[1].parts.size() == 2U);
    const auto one = edc::concatenated(data, groups[1]);
    BOOST_TEST(one.records() == 3U);
    BOOST_TEST(one.columns().size() == 3U);
    BOOST_TEST(one.dataset_of(1) == "LBCH");
    BOOST_TEST(one.number_of(1) == 2U);
    BOOST_TEST(one.dataset_of(2) == "LBHE");
    BOOST_TEST(one.number_of(2) == 1U);
    BOOST_TEST(edc::is_empty(one.find("B")->cells[0]));
    BOOST_TEST(edc::is_empty(one.find("A")->cells[2]));
    BOOST_TEST(std::get<double>(one.find("B")->cells[2]) == 7.0);
}

BOOST_AUTO_TEST_CASE(a_table_that_bears_the_base_name_stands_alone) {
    const auto data = make_case({of_domain("LB", "LB"), of_domain("LBHE", "LB")});
    const auto groups = edc::group_tables(data);
    BOOST_REQUIRE(groups.size() == 1U);
    BOOST_TEST(groups[0].parts.size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()
