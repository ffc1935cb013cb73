#include "edc/demo.hpp"

#include "edc/study.hpp"
#include "support.hpp"

#include <boost/json/object.hpp>

#include <set>

BOOST_AUTO_TEST_SUITE(demo)

namespace {

edc::study load() {
    auto read = edc::load_study(edc::demo_files(), nullptr);
    BOOST_REQUIRE_MESSAGE(read.has_value(), read.error().message());
    return std::move(*read);
}

using line = std::tuple<std::string, std::string, std::size_t>;

std::set<line> found(const edc::study& in, std::string_view form, const edc::study_case& data) {
    std::set<line> out;
    for (const auto* rule : in.rules_of(form)) {
        const auto said = edc::evaluate(*rule, data);
        BOOST_TEST(said.skips.empty());
        for (const auto& each : said.findings)
            out.emplace(each.rule, each.dataset, each.record.value_or(0));
    }
    return out;
}

} // namespace

BOOST_AUTO_TEST_CASE(every_rule_is_accepted_and_has_a_form) {
    const auto one = load();
    BOOST_TEST(one.id() == "DEMO");
    BOOST_TEST(one.rules().rejected.empty());
    BOOST_TEST(one.rules().rules.size() == 13U);
    BOOST_TEST(one.rules_of("DM").size() == 4U);
    BOOST_TEST(one.rules_of("VS").size() == 5U);
    BOOST_TEST(one.rules_of("LB").size() == 1U);
    BOOST_TEST(one.rules_of("AE").size() == 3U);
    BOOST_TEST(one.rules_of("ALL").size() == 13U);
}

BOOST_AUTO_TEST_CASE(the_seed_records_hold_the_storys_mistakes) {
    const auto one = load();
    const std::set<line> expected{
        {"DEMO-001", "DM", 4}, {"DEMO-002", "DM", 6}, {"DEMO-003", "DM", 6}, {"DEMO-004", "DM", 5},
        {"DEMO-005", "VS", 4}, {"DEMO-006", "VS", 7}, {"DEMO-007", "VS", 6}, {"DEMO-008", "VS", 8},
        {"DEMO-010", "LB", 2}, {"DEMO-011", "AE", 2}, {"DEMO-012", "AE", 3}, {"DEMO-013", "AE", 4}
    };
    BOOST_TEST((found(one, "ALL", one.seeds()) == expected));
}

BOOST_AUTO_TEST_CASE(the_sample_saves) {
    const auto one = load();
    const auto sample = [&](const char* path) {
        const auto body = support::json(edc::demo_files().read(path).value());
        auto save = one.read_save(body.at("datasets"));
        BOOST_REQUIRE_MESSAGE(save.has_value(), save.error().message());
        return std::move(*save);
    };
    BOOST_TEST(
        (found(one, "VS", sample("samples/vs.json")) ==
         std::set<line>{{"DEMO-005", "VS", 2}, {"DEMO-006", "VS", 3}})
    );
    BOOST_TEST(
        (found(one, "DM", sample("samples/dm.json")) == std::set<line>{{"DEMO-001", "DM", 1}})
    );
}

BOOST_AUTO_TEST_CASE(a_test_recorded_twice) {
    const auto one = load();
    const auto save = one.read_save(support::json(
        R"({"VS":[{"USUBJID":"1","VISIT":"V1","VSTESTCD":"TEMP","VSORRES":"36.8","VSORRESU":"C","VSSTRESN":36.8,"DOMAIN":"VS"},
                  {"USUBJID":"1","VISIT":"V1","VSTESTCD":"TEMP","VSORRES":"36.9","VSORRESU":"C","VSSTRESN":36.9,"DOMAIN":"VS"}]})"
    ));
    BOOST_REQUIRE(save.has_value());
    BOOST_TEST(
        (found(one, "VS", *save) == std::set<line>{{"DEMO-009", "VS", 1}, {"DEMO-009", "VS", 2}})
    );
}

BOOST_AUTO_TEST_CASE(the_folder_is_what_is_embedded) {
    const char* source = std::getenv("COROGATE_SOURCE_DIR");
    if (source == nullptr) {
        std::cerr << "skipped: COROGATE_SOURCE_DIR is not set\n";
        return;
    }
    const edc::directory_source disk{std::filesystem::path{source} / "apps/server/studies/demo"};
    for (const char* path :
         {"study/dm.csv", "study/_env.json", "rules/DEMO-001/rule.json", "samples/vs.json"})
        BOOST_TEST(disk.read(path).value() == edc::demo_files().read(path).value(), path);
    BOOST_TEST(
        disk.folders("rules") == edc::demo_files().folders("rules"),
        boost::test_tools::per_element()
    );
}

BOOST_AUTO_TEST_SUITE_END()
