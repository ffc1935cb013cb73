#include "edc/rule.hpp"

#include "edc/text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <utility>

namespace edc {
namespace {

namespace json = boost::json;

/// What an operator's `value` may be.
enum class operand {
    none,       // no value
    comparison, // text (column or literal) or number
    number,     // text (column or literal) or number, compared as a number
    date,       // text (column or literal)
    list,
    pattern,
    literal, // text, never a column
    columns, // one name or a list of names
};

struct operator_info {
    std::string_view name;
    op what;
    operand takes;
};

constexpr operator_info operators[] = {
    {"exists", op::exists, operand::none},
    {"not_exists", op::not_exists, operand::none},
    {"empty", op::empty, operand::none},
    {"non_empty", op::non_empty, operand::none},
    {"equal_to", op::equal_to, operand::comparison},
    {"not_equal_to", op::not_equal_to, operand::comparison},
    {"equal_to_case_insensitive", op::equal_to_case_insensitive, operand::comparison},
    {"not_equal_to_case_insensitive", op::not_equal_to_case_insensitive, operand::comparison},
    {"less_than", op::less_than, operand::number},
    {"less_than_or_equal_to", op::less_than_or_equal_to, operand::number},
    {"greater_than", op::greater_than, operand::number},
    {"greater_than_or_equal_to", op::greater_than_or_equal_to, operand::number},
    {"is_contained_by", op::is_contained_by, operand::list},
    {"is_not_contained_by", op::is_not_contained_by, operand::list},
    {"is_contained_by_case_insensitive", op::is_contained_by_case_insensitive, operand::list},
    {"matches_regex", op::matches_regex, operand::pattern},
    {"not_matches_regex", op::not_matches_regex, operand::pattern},
    {"prefix_matches_regex", op::prefix_matches_regex, operand::pattern},
    {"not_prefix_matches_regex", op::not_prefix_matches_regex, operand::pattern},
    {"suffix_matches_regex", op::suffix_matches_regex, operand::pattern},
    {"not_suffix_matches_regex", op::not_suffix_matches_regex, operand::pattern},
    {"longer_than", op::longer_than, operand::number},
    {"starts_with", op::starts_with, operand::literal},
    {"ends_with", op::ends_with, operand::literal},
    {"is_unique_set", op::is_unique_set, operand::columns},
    {"is_not_unique_set", op::is_not_unique_set, operand::columns},
    {"invalid_date", op::invalid_date, operand::none},
    {"is_complete_date", op::is_complete_date, operand::none},
    {"is_incomplete_date", op::is_incomplete_date, operand::none},
    {"date_equal_to", op::date_equal_to, operand::date},
    {"date_not_equal_to", op::date_not_equal_to, operand::date},
    {"date_less_than", op::date_less_than, operand::date},
    {"date_less_than_or_equal_to", op::date_less_than_or_equal_to, operand::date},
    {"date_greater_than", op::date_greater_than, operand::date},
    {"date_greater_than_or_equal_to", op::date_greater_than_or_equal_to, operand::date},
    {"invalid_duration", op::invalid_duration, operand::none},
};

const operator_info* info_of(std::string_view name) noexcept {
    for (const auto& each : operators)
        if (each.name == name)
            return &each;
    return nullptr;
}

/// Leaves the reader below; its text is the reason of the rejection. On the way out it learns which
/// part of the rule it is about.
struct rejection {
    std::string reason;
    std::string at;
};

template <class... Args>
[[noreturn]] void reject(fmt::format_string<Args...> text, Args&&... args) {
    throw rejection{fmt::format(text, std::forward<Args>(args)...), {}};
}

/// Runs the reader of one part of the rule.
template <class Read>
decltype(auto) within(std::string_view part, Read read) {
    try {
        return read();
    } catch (rejection& why) {
        const bool index = why.at.starts_with('[');
        why.at = fmt::format("{}{}{}", part, why.at.empty() || index ? "" : ".", why.at);
        throw;
    }
}

std::string_view view(json::string_view text) { return {text.data(), text.size()}; }

/// A key or word of the rule, fit for a message.
std::string shown(std::string_view word) {
    std::string out{first_characters(word, 40)};
    for (char& c : out)
        if (static_cast<unsigned char>(c) < 0x20)
            c = ' ';
    if (out.size() < word.size())
        out += "...";
    return out;
}

void allow_keys(
    const json::object& in, std::string_view what, std::initializer_list<std::string_view> keys
) {
    for (const auto& entry : in) {
        const auto key = view(entry.key());
        if (std::find(keys.begin(), keys.end(), key) == keys.end())
            throw rejection{
                fmt::format("{} has the key {}, which is not implemented", what, shown(key)),
                shown(key)
            };
    }
}

const json::object& object_in(const json::value& value, std::string_view what) {
    const auto* out = value.if_object();
    if (out == nullptr)
        reject("{} must be an object", what);
    return *out;
}

std::string
text_in(const json::value& value, std::string_view what, std::size_t most = rule::max_text) {
    const auto* text = value.if_string();
    if (text == nullptr)
        reject("{} must be a text", what);
    if (text->size() > most)
        reject("{} is longer than {} bytes", what, most);
    return std::string{view(*text)};
}

std::string name_in(const json::value& value, std::string_view what) {
    auto out = text_in(value, what);
    if (out.empty())
        reject("{} is empty", what);
    return out;
}

std::vector<std::string> names_in(const json::value& value, std::string_view what) {
    const auto* list = value.if_array();
    if (list == nullptr)
        reject("{} must be a list of texts", what);
    if (list->size() > rule::max_list)
        reject("{} has more than {} entries", what, rule::max_list);
    std::vector<std::string> out;
    out.reserve(list->size());
    for (const auto& each : *list)
        out.push_back(name_in(each, what));
    return out;
}

bool flag_in(const json::value& value, std::string_view what) {
    if (!value.is_bool())
        reject("{} must be true or false", what);
    return value.get_bool();
}

std::optional<double> number_in(const json::value& value) {
    if (const auto* whole = value.if_int64())
        return static_cast<double>(*whole);
    if (const auto* whole = value.if_uint64())
        return static_cast<double>(*whole);
    if (const auto* number = value.if_double(); number != nullptr && std::isfinite(*number))
        return *number;
    return std::nullopt;
}

bool is_one_of(op what, std::initializer_list<op> list) {
    return std::find(list.begin(), list.end(), what) != list.end();
}

bool is_equality(op what) {
    return is_one_of(
        what, {op::equal_to, op::not_equal_to, op::equal_to_case_insensitive,
               op::not_equal_to_case_insensitive}
    );
}

value_list list_in(const json::value& value, std::string_view operator_name, bool lower_case) {
    const auto* list = value.if_array();
    if (list == nullptr)
        reject("{} needs a list as its value", operator_name);
    if (list->empty())
        reject("{} has an empty list", operator_name);
    if (list->size() > rule::max_list)
        reject("{} has a list of more than {} members", operator_name, rule::max_list);
    value_list out;
    for (const auto& each : *list) {
        if (const auto number = number_in(each)) {
            out.numbers.push_back(*number);
            continue;
        }
        if (!each.is_string())
            reject("{} has a list member that is neither text nor number", operator_name);
        auto text = text_in(each, "a list member");
        if (text.empty())
            out.empties = true;
        else if (text.starts_with("--"))
            out.placeholders.push_back(std::move(text));
        else
            out.texts.insert(lower_case ? lower(text) : std::move(text));
    }
    std::sort(out.numbers.begin(), out.numbers.end());
    return out;
}

std::shared_ptr<const re2::RE2> pattern_in(const std::string& text) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(4 << 20);
    auto out = std::make_shared<const re2::RE2>(text, options);
    if (!out->ok())
        reject("the pattern of a condition cannot be used: {}", shown(out->error()));
    return out;
}

date_mode mode_named(std::string_view word) {
    constexpr std::pair<std::string_view, date_component> components[] = {
        {"year", date_component::year},
        {"month", date_component::month},
        {"day", date_component::day},
        {"hour", date_component::hour},
        {"minute", date_component::minute},
        {"second", date_component::second},
        {"microsecond", date_component::fraction},
    };
    date_mode out;
    if (word == "auto") {
        out.truncate_always = true;
        return out;
    }
    for (const auto& [name, component] : components)
        if (word == name) {
            out.one = component;
            return out;
        }
    reject("the date_component {} is not implemented", shown(word));
}

leaf leaf_in(const json::object& in) {
    allow_keys(
        in, "a condition",
        {"name", "operator", "value", "value_is_literal", "value_is_reference", "type_insensitive",
         "round_values", "date_component", "prefix", "suffix", "negative"}
    );
    const auto* name = in.if_contains("name");
    const auto* operator_value = in.if_contains("operator");
    if (name == nullptr || operator_value == nullptr)
        reject("a condition needs all, any or not, or a name and an operator");
    leaf out;
    out.name = name_in(*name, "the name of a condition");
    const auto operator_name = text_in(*operator_value, "the operator of a condition");
    const auto* info = info_of(operator_name);
    if (info == nullptr)
        reject("the operator {} is not implemented", shown(operator_name));
    out.what = info->what;

    const auto* value = in.if_contains("value");
    if (info->takes == operand::none) {
        if (value != nullptr)
            reject("{} takes no value", operator_name);
    } else if (value == nullptr) {
        reject("{} needs a value", operator_name);
    }
    switch (info->takes) {
    case operand::none:
        break;
    case operand::comparison:
    case operand::number:
        if (const auto number = number_in(*value))
            out.value = *number;
        else if (value->is_string())
            out.value = text_in(*value, "a value");
        else
            reject("{} needs a text or a number as its value", operator_name);
        break;
    case operand::date:
        if (!value->is_string())
            reject("{} needs a text as its value", operator_name);
        out.value = text_in(*value, "a value");
        break;
    case operand::list:
        out.value =
            list_in(*value, operator_name, out.what == op::is_contained_by_case_insensitive);
        break;
    case operand::pattern:
        if (!value->is_string())
            reject("{} needs a pattern as its value", operator_name);
        out.pattern = pattern_in(text_in(*value, "a pattern"));
        break;
    case operand::literal:
        if (!value->is_string() || value->get_string().empty())
            reject("{} needs a text as its value", operator_name);
        out.value = text_in(*value, "a value");
        break;
    case operand::columns:
        if (value->is_string())
            out.value = std::vector<std::string>{name_in(*value, "a column name")};
        else
            out.value = names_in(*value, "a list of columns");
        break;
    }

    const bool has_column_side = info->takes == operand::comparison ||
                                 info->takes == operand::number || info->takes == operand::date;
    if (const auto* option = in.if_contains("value_is_literal")) {
        out.literal = flag_in(*option, "value_is_literal");
        if (out.literal && (info->takes == operand::none || info->takes == operand::columns))
            reject("value_is_literal does not go with {}", operator_name);
    }
    if (const auto* option = in.if_contains("value_is_reference")) {
        out.reference = flag_in(*option, "value_is_reference");
        if (out.reference && (!has_column_side || out.literal || out.what == op::longer_than ||
                              !std::holds_alternative<std::string>(out.value)))
            reject("value_is_reference does not go with this use of {}", operator_name);
    }
    if (const auto* option = in.if_contains("type_insensitive")) {
        out.type_insensitive = flag_in(*option, "type_insensitive");
        if (out.type_insensitive && !is_equality(out.what))
            reject("type_insensitive does not go with {}", operator_name);
    }
    if (const auto* option = in.if_contains("round_values")) {
        out.round = flag_in(*option, "round_values");
        if (out.round && !out.type_insensitive)
            reject("round_values is implemented together with type_insensitive only");
    }
    if (const auto* option = in.if_contains("date_component")) {
        if (info->takes != operand::date)
            reject("date_component does not go with {}", operator_name);
        out.dates = mode_named(text_in(*option, "date_component"));
    }
    if (const auto* option = in.if_contains("negative")) {
        out.negative_duration = flag_in(*option, "negative");
        if (out.what != op::invalid_duration)
            reject("negative does not go with {}", operator_name);
    }
    const auto take_affix = [&](const char* key, bool needed) {
        const auto* option = in.if_contains(key);
        if (needed != (option != nullptr))
            reject("{} {} {}", operator_name, needed ? "needs" : "takes no", key);
        if (!needed)
            return;
        const auto count = number_in(*option);
        if (!count || *count < 1 || *count > 1'000'000 || *count != std::floor(*count))
            reject("{} must be a whole number of characters from 1", key);
        out.affix = static_cast<std::size_t>(*count);
    };
    take_affix(
        "prefix", is_one_of(out.what, {op::prefix_matches_regex, op::not_prefix_matches_regex})
    );
    take_affix(
        "suffix", is_one_of(out.what, {op::suffix_matches_regex, op::not_suffix_matches_regex})
    );
    return out;
}

check_node check_in(const json::value& value, rule& into, std::size_t depth) {
    if (depth > rule::max_depth)
        reject("Check is nested more than {} deep", rule::max_depth);
    const auto& in = object_in(value, "a condition");
    check_node out;
    const std::pair<const char*, check_node::kind> lists[] = {
        {"all", check_node::kind::all},
        {"any", check_node::kind::any},
        {"not", check_node::kind::negation},
    };
    for (const auto& [key, kind] : lists) {
        const auto* inner = in.if_contains(key);
        if (inner == nullptr)
            continue;
        if (in.size() != 1)
            reject("a condition with {} may have no other key", key);
        out.what = kind;
        if (kind == check_node::kind::negation) {
            within(key, [&] { out.children.push_back(check_in(*inner, into, depth + 1)); });
            return out;
        }
        const auto* members = inner->if_array();
        if (members == nullptr || members->empty())
            reject("{} needs a list with at least one condition", key);
        for (std::size_t i = 0; i < members->size(); ++i)
            within(fmt::format("{}[{}]", key, i), [&] {
                out.children.push_back(check_in((*members)[i], into, depth + 1));
            });
        return out;
    }
    out.what = check_node::kind::leaf;
    out.leaf = into.leaves.size();
    if (out.leaf == rule::max_leaves)
        reject("Check has more than {} conditions", rule::max_leaves);
    into.leaves.push_back(leaf_in(in));
    return out;
}

void scope_part(
    const json::object& in, const char* key, std::vector<std::string>& include,
    std::vector<std::string>& exclude
) {
    const auto* part = in.if_contains(key);
    if (part == nullptr)
        return;
    const auto what = fmt::format("Scope.{}", key);
    const auto& lists = object_in(*part, what);
    allow_keys(lists, what, {"Include", "Exclude"});
    if (const auto* list = lists.if_contains("Include"))
        include = names_in(*list, what + ".Include");
    if (const auto* list = lists.if_contains("Exclude"))
        exclude = names_in(*list, what + ".Exclude");
}

scope scope_in(const json::object& in) {
    allow_keys(in, "Scope", {"Classes", "Domains", "Use Case"});
    scope out;
    scope_part(in, "Classes", out.include_classes, out.exclude_classes);
    scope_part(in, "Domains", out.include_domains, out.exclude_domains);
    for (const auto* list : {&out.include_classes, &out.exclude_classes})
        for (const auto& each : *list)
            if (each != "ALL" && !is_known_class(each))
                reject("Scope.Classes names the class {}, which is not known", shown(each));
    if (const auto* cases = in.if_contains("Use Case")) {
        const auto text = text_in(*cases, "Scope.Use Case");
        std::string_view rest = text;
        for (;;) {
            const auto comma = std::min(rest.find(','), rest.size());
            const auto word = trimmed(rest.substr(0, comma));
            if (word.empty())
                reject("Scope.Use Case has an empty entry");
            out.use_cases.emplace_back(word);
            if (comma == rest.size())
                break;
            rest.remove_prefix(comma + 1);
        }
    }
    return out;
}

join join_in(const json::value& value) {
    const auto& in = object_in(value, "an entry of Match Datasets");
    allow_keys(in, "an entry of Match Datasets", {"Name", "Keys", "Join Type"});
    join out;
    const auto* name = in.if_contains("Name");
    const auto* keys = in.if_contains("Keys");
    if (name == nullptr || keys == nullptr)
        reject("an entry of Match Datasets needs Name and Keys");
    out.name = name_in(*name, "Match Datasets.Name");
    if (out.name.find("--") != std::string::npos || out.name.starts_with("SUPP") ||
        out.name.starts_with("SQ") || out.name == "RELREC")
        reject("a join with {} is not implemented", shown(out.name));
    out.keys = names_in(*keys, "Match Datasets.Keys");
    if (out.keys.empty() || out.keys.size() > 16)
        reject("Match Datasets.Keys needs 1 to 16 names");
    if (const auto* type = in.if_contains("Join Type")) {
        const auto word = text_in(*type, "Match Datasets.Join Type");
        if (word == "left")
            out.keep_unmatched = true;
        else if (word != "inner")
            reject("the Join Type {} is not implemented", shown(word));
    }
    return out;
}

const json::value& required(const json::object& in, const char* key) {
    const auto* value = in.if_contains(key);
    if (value == nullptr)
        throw rejection{fmt::format("the rule has no {}", key), key};
    return *value;
}

void read_core(const json::object& in, rule& out, rejected_rule& known) {
    const auto& core = object_in(in.at("Core"), "Core");
    const auto* id = core.if_contains("Id");
    if (id == nullptr)
        reject("Core has no Id");
    within("Id", [&] { out.id = name_in(*id, "Core.Id"); });
    known.id = out.id;
    allow_keys(core, "Core", {"Id", "Status", "Version"});
}

void read_outcome(const json::value& in, rule& out) {
    const auto& outcome = object_in(in, "Outcome");
    allow_keys(outcome, "Outcome", {"Message", "Output Variables"});
    if (const auto* message = outcome.if_contains("Message"))
        within("Message", [&] {
            out.message = text_in(*message, "Outcome.Message", rule::max_message);
        });
    if (const auto* variables = outcome.if_contains("Output Variables"))
        within("Output Variables", [&] {
            out.output = names_in(*variables, "Outcome.Output Variables");
        });
}

void read_rule(const json::object& in, rule& out, rejected_rule& known) {
    // Id and scope first: they say of which forms a rejected rule is missing.
    required(in, "Core");
    within("Core", [&] { read_core(in, out, known); });
    if (const auto* where = in.if_contains("Scope"))
        within("Scope", [&] { out.where = scope_in(object_in(*where, "Scope")); });
    known.where = out.where;

    allow_keys(
        in, "the rule",
        {"Authorities", "Check", "Core", "Description", "Executability", "Match Datasets",
         "Outcome", "Rule Type", "Scope", "Sensitivity", "Severity"}
    );
    const auto& kind = required(in, "Rule Type");
    within("Rule Type", [&] {
        if (const auto type = text_in(kind, "Rule Type"); type != "Record Data")
            reject("the Rule Type {} is not implemented", shown(type));
    });
    const auto& sensitivity_value = required(in, "Sensitivity");
    within("Sensitivity", [&] {
        const auto sense = text_in(sensitivity_value, "Sensitivity");
        if (sense == "Dataset")
            out.sensitivity = sensitivity::dataset;
        else if (sense != "Record")
            reject("the Sensitivity {} is not implemented", shown(sense));
    });
    if (const auto* severity = in.if_contains("Severity"))
        within("Severity", [&] {
            out.severity = lower(text_in(*severity, "Severity"));
            if (out.severity != "error" && out.severity != "warning" && out.severity != "info")
                reject("the Severity {} is not implemented", shown(out.severity));
        });
    if (const auto* joins = in.if_contains("Match Datasets"))
        within("Match Datasets", [&] {
            const auto* list = joins->if_array();
            if (list == nullptr || list->size() > rule::max_joins)
                reject("Match Datasets must be a list of at most {} entries", rule::max_joins);
            for (std::size_t i = 0; i < list->size(); ++i)
                within(fmt::format("[{}]", i), [&] { out.joins.push_back(join_in((*list)[i])); });
        });
    const auto& check = required(in, "Check");
    within("Check", [&] { out.check = check_in(check, out, 1); });
    if (const auto* outcome = in.if_contains("Outcome"))
        within("Outcome", [&] { read_outcome(*outcome, out); });
    if (out.output.empty())
        for (const auto& each : out.leaves)
            out.output.push_back(each.name);
}

} // namespace

std::optional<op> operator_named(std::string_view name) noexcept {
    const auto* info = info_of(name);
    return info == nullptr ? std::nullopt : std::optional<op>{info->what};
}

std::variant<rule, rejected_rule>
parse_rule(const json::value& text, std::string_view fallback_id) {
    rule out;
    out.source = json::serialize(text);
    rejected_rule known{std::string{fallback_id}, {}, std::nullopt};
    try {
        read_rule(object_in(text, "the rule"), out, known);
        return out;
    } catch (rejection& why) {
        known.reason = std::move(why.reason);
        known.field = std::move(why.at);
        known.source = std::move(out.source);
    }
    return known;
}

} // namespace edc
