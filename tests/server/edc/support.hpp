#pragma once

#include "edc/evaluate.hpp"
#include "edc/file_source.hpp"
#include "edc/json_text.hpp"
#include "edc/rule.hpp"
#include "edc/study_case.hpp"

#include <boost/json/value.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

/// Shared by the tests of this folder.
namespace support {

/// The folder with published rules and cases, where it is there; else says that `what` is left out.
inline std::optional<std::filesystem::path> published(const std::string& what) {
    std::filesystem::path at;
    if (const char* given = std::getenv("COROGATE_EDC"))
        at = given;
    else if (const char* source = std::getenv("COROGATE_SOURCE_DIR"))
        at = std::filesystem::path{source} / ".." / "shared" / "edc";
    std::error_code ignored;
    if (!at.empty() && std::filesystem::is_directory(at, ignored))
        return at;
    const auto text = "skipped: " + what + " needs the folder ../shared/edc or COROGATE_EDC";
    BOOST_TEST_MESSAGE(text);
    std::cerr << text << '\n';
    return std::nullopt;
}

inline boost::json::value json(const std::string& text) {
    auto parsed = edc::parse_json(text, "test");
    BOOST_REQUIRE_MESSAGE(parsed.has_value(), parsed.error().message());
    return std::move(*parsed);
}

/// A table from rows of texts; the first row has the names. A name that ends in `#` is a number
/// column, in `?` a boolean one. Empty texts are null.
inline edc::table
make_table(const std::string& name, const std::vector<std::vector<std::string>>& rows) {
    edc::table out{name};
    for (auto heading : rows.front()) {
        auto type = edc::column_type::text;
        if (heading.ends_with('#'))
            type = edc::column_type::number;
        else if (heading.ends_with('?'))
            type = edc::column_type::boolean;
        if (type != edc::column_type::text)
            heading.pop_back();
        out.add_column(heading, type);
    }
    for (std::size_t i = 1; i < rows.size(); ++i) {
        const auto record = out.add_record();
        for (std::size_t c = 0; c < rows[i].size(); ++c) {
            const auto& text = rows[i][c];
            if (text.empty())
                continue;
            switch (out.columns()[c].type) {
            case edc::column_type::text:
                out.set(c, record, text);
                break;
            case edc::column_type::number:
                out.set(c, record, std::stod(text));
                break;
            case edc::column_type::boolean:
                out.set(c, record, text == "true");
                break;
            }
        }
    }
    return out;
}

inline edc::study_case make_case(std::vector<edc::table> tables) {
    edc::study_case out;
    out.env.product = "SDTMIG";
    out.env.version = "3-4";
    out.tables = std::move(tables);
    return out;
}

/// A rule around a check; `more` are further members, each with a comma in front.
inline std::string rule_text(
    const std::string& check, const std::string& more = {}, const std::string& sense = "Record"
) {
    return R"({"Core":{"Id":"T-1"},"Rule Type":"Record Data","Sensitivity":")" + sense +
           R"(","Outcome":{"Message":"--TEST is wrong"},"Check":)" + check + more + "}";
}

inline std::variant<edc::rule, edc::rejected_rule> parse(const std::string& text) {
    return edc::parse_rule(json(text), "fallback");
}

inline edc::rule accepted(const std::string& text) {
    auto read = parse(text);
    if (const auto* no = std::get_if<edc::rejected_rule>(&read))
        BOOST_FAIL("rejected: " + no->reason);
    return std::get<edc::rule>(std::move(read));
}

/// Why a rule is rejected; empty if it is not.
inline std::string reason(const std::string& text) {
    const auto read = parse(text);
    const auto* no = std::get_if<edc::rejected_rule>(&read);
    return no == nullptr ? "" : no->reason;
}

inline edc::outcome run(const std::string& rule, const edc::study_case& data) {
    return edc::evaluate(accepted(rule), data);
}

/// Record numbers of the findings of one check on one table.
inline std::vector<std::size_t> hits(const std::string& check, const edc::table& on) {
    std::vector<std::size_t> out;
    for (const auto& each : run(rule_text(check), make_case({on})).findings)
        out.push_back(each.record.value_or(0));
    return out;
}

using numbers = std::vector<std::size_t>;

} // namespace support
