// Every published rule on every published case: the findings must be the expected ones, exactly.
#include "support.hpp"

#include "edc/rule_set.hpp"
#include "edc/study.hpp"
#include "edc/text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <tuple>

BOOST_AUTO_TEST_SUITE(core_cases)

namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

using row = std::tuple<std::string, std::string, std::string, std::string>;
using rows = std::multiset<row>;

json::value read_json(const fs::path& path) {
    std::ifstream in{path, std::ios::binary};
    std::string text{std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
    auto parsed = edc::parse_json(text, path.string());
    BOOST_REQUIRE_MESSAGE(parsed.has_value(), parsed.error().message());
    return std::move(*parsed);
}

std::string text(const json::value& value) {
    return {value.as_string().begin(), value.as_string().end()};
}

/// The form in which values are compared: numbers as numbers; null, blanks and `nan` alike.
std::string mapped(std::optional<std::string> value) {
    if (!value || edc::trimmed(*value).empty() || edc::lower(*value) == "nan")
        return "<null>";
    if (const auto number = edc::parse_number(*value))
        return edc::number_text(*number);
    return *value;
}

rows expected_rows(const json::value& from) {
    rows out;
    for (const auto& each : from.at("findings").as_array()) {
        const auto& record = each.at("record");
        for (const auto& value : each.at("values").as_object())
            out.emplace(
                text(each.at("dataset")), record.is_null() ? "" : json::serialize(record),
                std::string{value.key().begin(), value.key().end()},
                mapped(value.value().is_null() ? std::nullopt : std::optional{text(value.value())})
            );
    }
    return out;
}

rows found_rows(const std::vector<edc::finding>& from) {
    rows out;
    for (const auto& each : from)
        for (const auto& [name, value] : each.values)
            out.emplace(
                each.dataset, each.record ? std::to_string(*each.record) : "", name, mapped(value)
            );
    return out;
}

std::string shown(const rows& of) {
    std::ostringstream out;
    for (const auto& [dataset, record, name, value] : of)
        out << "\n    " << dataset << " " << record << " " << name << " = " << value;
    return out.str();
}

/// A whole case as the body of a save.
json::value as_body(const edc::study_case& data) {
    json::object out;
    for (const auto& table : data.tables) {
        json::array records;
        for (std::size_t i = 0; i < table.records(); ++i) {
            json::object record;
            for (const auto& column : table.columns()) {
                const auto& cell = column.cells[i];
                if (const auto* number = std::get_if<double>(&cell))
                    record[column.name] = *number;
                else if (const auto* truth = std::get_if<bool>(&cell))
                    record[column.name] = *truth;
                else if (const auto* words = std::get_if<std::string>(&cell))
                    record[column.name] = *words;
            }
            records.push_back(std::move(record));
        }
        out[table.name()] = std::move(records);
    }
    return out;
}

struct tally {
    std::size_t cases = 0;
    std::size_t equal = 0;
    std::size_t saved_equal = 0;
    std::size_t findings = 0;
    std::size_t skips = 0;
};

} // namespace

BOOST_AUTO_TEST_CASE(every_published_case) {
    const auto folder = support::published("the test of the published cases");
    if (!folder)
        return;
    const auto core = *folder / "core";
    std::map<std::string, tally> tallies; // by tier, joins apart
    std::vector<std::string> different;

    const auto manifest = read_json(core / "manifest.json");
    for (const auto& entry : manifest.at("rules").as_array()) {
        const auto id = text(entry.at("id"));
        const bool joins = !entry.at("joins").as_array().empty();
        const auto group = (joins ? "joins, tier " : "tier ") + json::serialize(entry.at("tier"));
        auto& count = tallies[group];

        const auto rules = edc::load_rules(edc::directory_source{core / id});
        BOOST_REQUIRE_MESSAGE(rules.has_value(), rules.error().message());
        for (const auto& each : rules->rejected)
            BOOST_ERROR(id + " is rejected: " + each.reason);
        if (rules->rules.size() != 1)
            continue;
        const auto& rule = rules->rules.front();
        BOOST_TEST(rule.id == id);

        for (const char* kind : {"positive", "negative"}) {
            std::error_code none;
            for (fs::directory_iterator at{core / id / "cases" / kind, none}, end;
                 !none && at != end; ++at) {
                ++count.cases;
                const auto name = id + " " + kind + "/" + at->path().filename().string();
                const edc::directory_source source{at->path() / "data"};
                const auto data = edc::load_case(source);
                BOOST_REQUIRE_MESSAGE(data.has_value(), name + ": " + data.error().message());
                const auto said = edc::evaluate(rule, *data);
                const auto expected = expected_rows(read_json(at->path() / "expected.json"));
                const auto found = found_rows(said.findings);
                count.findings += said.findings.size();
                count.skips += said.skips.size();
                if (found == expected) {
                    ++count.equal;
                } else {
                    different.push_back(name);
                    BOOST_TEST_MESSAGE(
                        name << "\n  expected" << shown(expected) << "\n  found" << shown(found)
                    );
                }

                // The same records as a save of the study that the folder describes.
                auto set = std::make_shared<edc::rule_set>();
                set->rules.push_back(rule);
                const auto study = edc::load_study(source, set);
                BOOST_REQUIRE(study.has_value());
                const auto save = study->read_save(as_body(*data));
                BOOST_REQUIRE_MESSAGE(
                    save.has_value(),
                    name + ": " + save.error().message() + " " + save.error().field()
                );
                const auto& listed = study->rules_of(edc::study::all_forms);
                BOOST_REQUIRE(listed.size() == 1);
                const auto saved = edc::evaluate(*listed.front(), *save);
                bool same = saved.skips.size() == said.skips.size() &&
                            saved.findings.size() == said.findings.size();
                for (std::size_t i = 0; same && i < saved.findings.size(); ++i)
                    same = json::serialize(edc::to_json(saved.findings[i])) ==
                           json::serialize(edc::to_json(said.findings[i]));
                for (std::size_t i = 0; same && i < saved.skips.size(); ++i)
                    same = saved.skips[i].why == said.skips[i].why;
                count.saved_equal += same ? 1U : 0U;
                BOOST_TEST(same, name + ": the save differs");

                // A form whose data set has findings must know the rule before the records.
                for (const auto& each : said.findings)
                    for (const auto& table : data->tables)
                        if (table.name() == each.dataset)
                            BOOST_TEST(study->rules_of(table.name()).size() == 1U, name);
            }
        }
    }

    std::size_t cases = 0;
    for (const auto& [group, count] : tallies) {
        cases += count.cases;
        std::cout << group << ": " << count.equal << " of " << count.cases << " cases equal, "
                  << count.saved_equal << " equal as saves, " << count.findings << " findings, "
                  << count.skips << " skips\n";
    }
    BOOST_TEST(cases == 469U);
    // One published result prints null as text; see section 5 of the folder's README.
    const std::vector<std::string> known{"CORE-000200 negative/02"};
    BOOST_TEST(different == known, boost::test_tools::per_element());
}

/// The one difference is a way of printing: it vanishes if the text `null` is read as a blank.
BOOST_AUTO_TEST_CASE(the_known_difference_is_one_of_printing) {
    const auto folder = support::published("the test of the known difference");
    if (!folder)
        return;
    const auto at = *folder / "core" / "CORE-000200";
    const auto rules = edc::load_rules(edc::directory_source{at});
    BOOST_REQUIRE(rules.has_value() && rules->rules.size() == 1);
    const auto which = at / "cases" / "negative" / "02";
    const auto data = edc::load_case(edc::directory_source{which / "data"});
    BOOST_REQUIRE(data.has_value());
    rows expected;
    for (auto [dataset, record, name, value] : expected_rows(read_json(which / "expected.json")))
        expected.emplace(dataset, record, name, value == "null" ? "<null>" : value);
    const auto found = found_rows(edc::evaluate(rules->rules.front(), *data).findings);
    BOOST_TEST((found == expected), shown(found));
}

BOOST_AUTO_TEST_SUITE_END()
