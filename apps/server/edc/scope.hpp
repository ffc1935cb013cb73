#pragma once

#include "edc/study_case.hpp"
#include "edc/table.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace edc {

/// Which tables a rule is meant for. An empty list restricts nothing.
struct scope {
    std::vector<std::string> include_classes;
    std::vector<std::string> exclude_classes;
    std::vector<std::string> include_domains;
    std::vector<std::string> exclude_domains;
    std::vector<std::string> use_cases;
};

/// What scope and `--` need to know about a table.
struct table_facts {
    std::string name;
    std::optional<std::string> domain; ///< `DOMAIN` of the first record
    std::string base_name;             ///< tables with the same one belong together
    bool supplemental = false;
    std::optional<std::string> related_domain; ///< of a supplemental table
    bool associated_persons = false;
    std::string prefix;      ///< what `--` stands for
    std::string table_class; ///< EVENTS, FINDINGS, ...; empty if unknown
};

table_facts facts_of(const table& of);

/// True if the rule is to be evaluated on a table of these facts: use case (product TIG only), then
/// domains, then classes.
bool in_scope(const scope& rule_scope, const table_facts& facts, const environment& env);

/// Tables with one base name, evaluated together at the place of the first.
struct table_group {
    table_facts facts;              ///< of the first table
    std::vector<std::size_t> parts; ///< indexes into the case: one, or several to concatenate
};

/// The groups of a case, in order. If the first table bears the base name itself, the others of its
/// group are left out.
std::vector<table_group> group_tables(const study_case& data);

/// The tables of a group in one: union of the columns, missing cells null, every record under its
/// own table's name and number.
table concatenated(const study_case& data, const table_group& group);

/// The classes a rule may name (without ALL).
bool is_known_class(std::string_view name) noexcept;

} // namespace edc
