#pragma once

#include "edc/date.hpp"
#include "edc/error.hpp"
#include "edc/scope.hpp"

#include <boost/json/fwd.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <variant>
#include <vector>

namespace re2 {
class RE2;
}

namespace edc {

enum class op {
    exists,
    not_exists,
    empty,
    non_empty,
    equal_to,
    not_equal_to,
    equal_to_case_insensitive,
    not_equal_to_case_insensitive,
    less_than,
    less_than_or_equal_to,
    greater_than,
    greater_than_or_equal_to,
    is_contained_by,
    is_not_contained_by,
    is_contained_by_case_insensitive,
    matches_regex,
    not_matches_regex,
    prefix_matches_regex,
    not_prefix_matches_regex,
    suffix_matches_regex,
    not_suffix_matches_regex,
    longer_than,
    starts_with,
    ends_with,
    is_unique_set,
    is_not_unique_set,
    invalid_date,
    is_complete_date,
    is_incomplete_date,
    date_equal_to,
    date_not_equal_to,
    date_less_than,
    date_less_than_or_equal_to,
    date_greater_than,
    date_greater_than_or_equal_to,
    invalid_duration,
};

/// The members of a list operand, by type. Texts are lower case for the case-insensitive operator.
struct value_list {
    std::unordered_set<std::string> texts;
    std::vector<double> numbers;           ///< sorted
    bool empties = false;                  ///< `""` is listed
    std::vector<std::string> placeholders; ///< members with a leading `--`, to be completed
};

/// How a date comparison treats its sides; `one` compares a single component.
struct date_mode {
    bool truncate_always = false;
    std::optional<date_component> one;
};

/// One condition on one variable. Texts may begin with `--`, which stands for a table's prefix.
struct leaf {
    std::string name;
    op what = op::exists;
    std::variant<std::monostate, double, std::string, value_list, std::vector<std::string>> value;
    bool literal = false;   ///< the text value is never a column
    bool reference = false; ///< the column `value` holds the name of the column to compare with
    bool type_insensitive = false;
    bool round = false;
    std::size_t affix = 0; ///< characters of `prefix` / `suffix`
    bool negative_duration = true;
    date_mode dates;
    std::shared_ptr<const re2::RE2> pattern; ///< its matching is const and safe from many threads
};

/// The condition tree; bounded by `rule::max_depth` and `rule::max_leaves`.
struct check_node {
    enum class kind { all, any, negation, leaf };
    kind what = kind::all;
    std::vector<check_node> children; ///< one for negation, none for a leaf
    std::size_t leaf = 0;             ///< index into rule::leaves
};

/// An entry of `Match Datasets`.
struct join {
    std::string name;
    std::vector<std::string> keys;
    bool keep_unmatched = false; ///< `Join Type: left`
};

enum class sensitivity { record, dataset };

/// A rule of the CORE language, read and validated. Immutable; any number of threads may evaluate
/// it.
///
/// `parse_rule` takes every operator of `../shared/edc/README.md`, tiers 1 to 5, and joins.
/// Whatever else occurs (an unknown key, operator, option or shape, a pattern RE2 cannot take,
/// something beyond the bounds) makes the rule a `rejected_rule` with a reason: no part of a rule
/// is ever ignored. One key is ours: `Severity` (`error`, `warning`, `info`), `error` where it is
/// absent.
struct rule {
    static constexpr std::size_t max_depth = 16;
    static constexpr std::size_t max_leaves = 64;
    static constexpr std::size_t max_text = 2'000; ///< bytes of a name, text or pattern
    static constexpr std::size_t max_message = 10'000;
    static constexpr std::size_t max_list = 4'096;
    static constexpr std::size_t max_joins = 8;

    std::string id;
    std::string message;
    std::string severity = "error";
    edc::sensitivity sensitivity = sensitivity::record;
    scope where;
    std::vector<join> joins;
    check_node check;
    std::vector<leaf> leaves;        ///< in document order
    std::vector<std::string> output; ///< output variables, `--` not yet replaced
    std::string source;              ///< the rule as it was read, JSON
};

/// A rule that cannot be evaluated here, and why. `where` is its scope if that could be read.
struct rejected_rule {
    std::string id;
    std::string reason;
    std::optional<scope> where;
    std::string field{};  ///< which part of the rule is meant: `Check.all[1]`; empty: the whole
    std::string source{}; ///< the rule as it was read, JSON
};

/// `fallback_id` names a rule that has no readable `Core.Id`.
std::variant<rule, rejected_rule>
parse_rule(const boost::json::value& text, std::string_view fallback_id);

/// The operator of that name.
std::optional<op> operator_named(std::string_view name) noexcept;

} // namespace edc
