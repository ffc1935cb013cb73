#include "edc/evaluate.hpp"

#include "edc/date.hpp"
#include "edc/duration.hpp"
#include "edc/text.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

namespace edc {
namespace {

constexpr std::size_t max_joined_cells = 5'000'000;

/// A leading `--` completed with the table's prefix.
std::string completed(const std::string& name, const std::string& prefix) {
    return name.starts_with("--") ? prefix + name.substr(2) : name;
}

/// `--` beside a letter or digit stands for the prefix; alone it is a dash.
std::string completed_message(const std::string& text, const std::string& prefix) {
    const auto is_word = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    };
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dashes = text[i] == '-' && i + 1 < text.size() && text[i + 1] == '-';
        const bool beside =
            (i > 0 && is_word(text[i - 1])) || (i + 2 < text.size() && is_word(text[i + 2]));
        if (dashes && beside) {
            out += prefix;
            ++i;
        } else {
            out += text[i];
        }
    }
    return out;
}

/// A cell as part of a key: type and content; the two empties are one.
void append_key(std::string& key, const cell& value) {
    if (is_empty(value)) {
        key += "0;";
        return;
    }
    const auto text = *text_of(value);
    key += static_cast<char>('0' + value.index());
    key += std::to_string(text.size());
    key += ':';
    key += text;
    key += ';';
}

std::optional<double> number_of(const cell& value) {
    if (const auto* number = std::get_if<double>(&value))
        return *number;
    if (const auto* text = std::get_if<std::string>(&value))
        return parse_number(*text);
    return std::nullopt;
}

std::optional<partial_date> date_of(const cell& value) {
    const auto* text = std::get_if<std::string>(&value);
    return text == nullptr ? std::nullopt : partial_date::parse(*text);
}

bool equal(const leaf& how, const cell& a, const cell& b, bool ignore_case) {
    if (how.type_insensitive) {
        auto left = comparable_text(*text_of(a), how.round);
        auto right = comparable_text(*text_of(b), how.round);
        return ignore_case ? lower(left) == lower(right) : left == right;
    }
    if (ignore_case) {
        const auto* left = std::get_if<std::string>(&a);
        const auto* right = std::get_if<std::string>(&b);
        if (left != nullptr && right != nullptr)
            return lower(*left) == lower(*right);
    }
    return a == b; // type and content
}

bool dates_hold(const leaf& how, const partial_date& a, const partial_date& b) {
    const auto in_order = [&](int order) {
        switch (how.what) {
        case op::date_equal_to:
            return order == 0;
        case op::date_not_equal_to:
            return order != 0;
        case op::date_less_than:
            return order < 0;
        case op::date_less_than_or_equal_to:
            return order <= 0;
        case op::date_greater_than:
            return order > 0;
        default:
            return order >= 0;
        }
    };
    if (how.dates.one) {
        const auto which = *how.dates.one;
        return a.knows(which) && b.knows(which) &&
               in_order(partial_date::compare_component(a, b, which));
    }
    const auto least = std::min(a.precision(), b.precision());
    if (least == 0)
        return false;
    const bool same_precision = a.precision() == b.precision();
    if (!same_precision && !how.dates.truncate_always) {
        if (how.what == op::date_equal_to)
            return false;
        if (how.what == op::date_not_equal_to)
            return true;
    }
    return in_order(partial_date::compare(a, b, least));
}

bool in_list(const value_list& list, const cell& value) {
    if (is_empty(value))
        return list.empties;
    if (const auto* text = std::get_if<std::string>(&value))
        return list.texts.contains(*text);
    if (const auto* number = std::get_if<double>(&value))
        return std::binary_search(list.numbers.begin(), list.numbers.end(), *number);
    return false;
}

/// What a record says about a condition; `unknown` is false, and counted.
enum class truth { no, yes, unknown };

truth truth_of(bool value) { return value ? truth::yes : truth::no; }

/// One leaf, its names looked up in one table.
class bound_leaf {
public:
    bound_leaf(const leaf& how, const table& in, const std::string& prefix)
        : how_(how)
        , in_(in)
        , name_(completed(how.name, prefix))
        , left_(in.find(name_)) {
        if (how.what == op::is_unique_set || how.what == op::is_not_unique_set) {
            bind_set(prefix);
            return;
        }
        if (const auto* number = std::get_if<double>(&how.value)) {
            literal_ = *number;
        } else if (const auto* text = std::get_if<std::string>(&how.value)) {
            const auto word = completed(*text, prefix);
            const bool never_column =
                how.literal || how.what == op::starts_with || how.what == op::ends_with;
            right_ = never_column ? nullptr : in.find(word);
            literal_ = word;
            literal_date_ = partial_date::parse(word);
        } else if (const auto* list = std::get_if<value_list>(&how.value)) {
            list_ = list;
            if (!list->placeholders.empty()) {
                own_list_ = *list;
                for (const auto& each : list->placeholders) {
                    const auto word = completed(each, prefix);
                    own_list_.texts.insert(
                        how.what == op::is_contained_by_case_insensitive ? lower(word) : word
                    );
                }
                list_ = nullptr; // own_list_, wherever this object moves
            }
        }
    }

    /// The column whose absence leaves the condition undecided; empty if there is none.
    std::string missing() const {
        if (how_.what == op::exists || how_.what == op::not_exists)
            return {};
        if (how_.what == op::is_unique_set || how_.what == op::is_not_unique_set)
            return set_known_ ? std::string{} : name_;
        if (left_ == nullptr)
            return name_;
        return how_.reference && right_ == nullptr ? std::get<std::string>(literal_)
                                                   : std::string{};
    }

    truth at(std::size_t record) const {
        switch (how_.what) {
        case op::exists:
            return truth_of(left_ != nullptr);
        case op::not_exists:
            return truth_of(left_ == nullptr);
        case op::is_unique_set:
            return set_known_ ? truth_of(!repeated_[record]) : truth::unknown;
        case op::is_not_unique_set:
            return set_known_ ? truth_of(repeated_[record]) : truth::unknown;
        default:
            break;
        }
        if (left_ == nullptr)
            return truth::unknown;
        const cell& value = left_->cells[record];
        const auto* text = std::get_if<std::string>(&value);
        const bool none = is_empty(value);
        switch (how_.what) {
        case op::empty:
            return truth_of(none);
        case op::non_empty:
            return truth_of(!none);
        case op::is_contained_by:
            return truth_of(in_list(list(), value));
        case op::is_not_contained_by:
            return truth_of(!in_list(list(), value));
        case op::is_contained_by_case_insensitive:
            return truth_of(!none && text != nullptr && list().texts.contains(lower(*text)));
        case op::matches_regex:
        case op::not_matches_regex:
        case op::prefix_matches_regex:
        case op::not_prefix_matches_regex:
        case op::suffix_matches_regex:
        case op::not_suffix_matches_regex:
            return truth_of(!none && pattern_holds(*text_of(value)));
        case op::starts_with:
            return truth_of(
                !none && text != nullptr && text->starts_with(std::get<std::string>(literal_))
            );
        case op::ends_with:
            return truth_of(
                !none && text != nullptr && text->ends_with(std::get<std::string>(literal_))
            );
        case op::invalid_date:
            return truth_of(text == nullptr || !partial_date::parse(*text));
        case op::is_complete_date:
            return truth_of(text != nullptr && edc::is_complete_date(*text));
        case op::is_incomplete_date:
            return truth_of(text == nullptr || !edc::is_complete_date(*text));
        case op::invalid_duration:
            return truth_of(text == nullptr || !is_duration(*text, how_.negative_duration));
        case op::longer_than:
            return longer(none ? nullptr : text, record);
        default:
            return compared(value, record);
        }
    }

private:
    const value_list& list() const { return list_ != nullptr ? *list_ : own_list_; }

    void bind_set(const std::string& prefix) {
        std::vector<const column*> columns;
        std::set<std::string> seen;
        const auto add = [&](const std::string& name) {
            const auto* found = in_.find(name);
            if (found != nullptr && seen.insert(name).second)
                columns.push_back(found);
        };
        add(name_);
        for (const auto& each : std::get<std::vector<std::string>>(how_.value))
            add(completed(each, prefix));
        set_known_ = !columns.empty();
        if (!set_known_)
            return;
        std::unordered_map<std::string, std::size_t> first;
        repeated_.assign(in_.records(), false);
        for (std::size_t i = 0; i < in_.records(); ++i) {
            std::string key;
            for (const auto* each : columns)
                append_key(key, each->cells[i]);
            const auto [known, is_new] = first.emplace(std::move(key), i);
            if (!is_new) {
                repeated_[known->second] = true;
                repeated_[i] = true;
            }
        }
    }

    bool pattern_holds(const std::string& text) const {
        std::string_view part = text;
        auto anchor = re2::RE2::UNANCHORED;
        bool wanted = true;
        switch (how_.what) {
        case op::not_matches_regex:
            wanted = false;
            [[fallthrough]];
        case op::matches_regex:
            anchor = re2::RE2::ANCHOR_START; // of the call: the pattern may have a top-level `|`
            break;
        case op::not_prefix_matches_regex:
            wanted = false;
            [[fallthrough]];
        case op::prefix_matches_regex:
            part = first_characters(part, how_.affix);
            break;
        case op::not_suffix_matches_regex:
            wanted = false;
            [[fallthrough]];
        default:
            part = last_characters(part, how_.affix);
            break;
        }
        const re2::StringPiece input{part.data(), part.size()};
        return how_.pattern->Match(input, 0, input.size(), anchor, nullptr, 0) == wanted;
    }

    truth longer(const std::string* text, std::size_t record) const {
        if (text == nullptr)
            return truth::no;
        std::optional<double> most;
        if (right_ != nullptr) {
            const cell& value = right_->cells[record];
            if (const auto* other = std::get_if<std::string>(&value))
                most = static_cast<double>(length_of(*other));
            else if (const auto* number = std::get_if<double>(&value))
                most = *number;
            else
                return truth::no;
        } else {
            most = number_of(literal_);
            if (!most)
                return truth::unknown; // a name of no column, and no number either
        }
        return truth_of(static_cast<double>(length_of(*text)) > *most);
    }

    /// Equality, order and dates: the operators with a right side.
    truth compared(const cell& value, std::size_t record) const {
        const column* side = right_;
        if (how_.reference) {
            if (side == nullptr)
                return truth::unknown;
            const auto name = text_of(side->cells[record]);
            side = name ? in_.find(*name) : nullptr;
            if (side == nullptr)
                return truth::unknown;
        }
        const cell& other = side != nullptr ? side->cells[record] : literal_;
        const bool a_empty = is_empty(value);
        const bool b_empty = is_empty(other);
        switch (how_.what) {
        case op::equal_to:
        case op::equal_to_case_insensitive:
            return truth_of(
                !a_empty && !b_empty &&
                equal(how_, value, other, how_.what == op::equal_to_case_insensitive)
            );
        case op::not_equal_to:
        case op::not_equal_to_case_insensitive:
            if (a_empty || b_empty)
                return truth_of(a_empty != b_empty);
            return truth_of(
                !equal(how_, value, other, how_.what == op::not_equal_to_case_insensitive)
            );
        case op::less_than:
        case op::less_than_or_equal_to:
        case op::greater_than:
        case op::greater_than_or_equal_to:
            return truth_of(ordered(number_of(value), number_of(other)));
        default:
            break;
        }
        const auto a = date_of(value);
        if (!a)
            return truth::no;
        if (side == nullptr)
            return truth_of(literal_date_ && dates_hold(how_, *a, *literal_date_));
        const auto b = date_of(other);
        return truth_of(b && dates_hold(how_, *a, *b));
    }

    bool ordered(std::optional<double> a, std::optional<double> b) const {
        if (!a || !b)
            return false;
        switch (how_.what) {
        case op::less_than:
            return *a < *b;
        case op::less_than_or_equal_to:
            return *a <= *b;
        case op::greater_than:
            return *a > *b;
        default:
            return *a >= *b;
        }
    }

    const leaf& how_;
    const table& in_;
    std::string name_;
    const column* left_;
    const column* right_ = nullptr;
    cell literal_;
    std::optional<partial_date> literal_date_;
    const value_list* list_ = nullptr;
    value_list own_list_;
    bool set_known_ = false;
    std::vector<bool> repeated_;
};

/// The answer for a record (an undecided leaf counts as false) and the bounds between which it
/// could lie if absent columns were there. Bounds that differ mean: not decided.
struct verdict {
    bool value = false;
    bool low = false;
    bool high = false;
};

verdict walk(const check_node& node, const std::vector<bound_leaf>& leaves, std::size_t record) {
    switch (node.what) {
    case check_node::kind::leaf: {
        const truth is = leaves[node.leaf].at(record);
        return {is == truth::yes, is == truth::yes, is != truth::no};
    }
    case check_node::kind::negation: {
        const auto inner = walk(node.children.front(), leaves, record);
        return {!inner.value, !inner.high, !inner.low};
    }
    case check_node::kind::all: {
        verdict out{true, true, true};
        for (const auto& each : node.children) {
            const auto one = walk(each, leaves, record);
            out = {out.value && one.value, out.low && one.low, out.high && one.high};
            if (!out.high)
                break; // nothing left to decide
        }
        return out;
    }
    case check_node::kind::any:
        break;
    }
    verdict out;
    for (const auto& each : node.children) {
        const auto one = walk(each, leaves, record);
        out = {out.value || one.value, out.low || one.low, out.high || one.high};
        if (out.low)
            break;
    }
    return out;
}

/// The first table that a `Match Datasets` name means.
const table* partner_named(const study_case& data, const std::string& name) {
    for (const auto& each : data.tables) {
        const auto facts = facts_of(each);
        if (facts.domain == name || facts.name == name || facts.base_name == name)
            return &each;
    }
    return nullptr;
}

bool mentions(const rule& what, const std::string& prefix, const std::string& name) {
    const auto is_it = [&](const std::string& word) { return completed(word, prefix) == name; };
    for (const auto& each : what.leaves) {
        if (is_it(each.name))
            return true;
        if (const auto* text = std::get_if<std::string>(&each.value);
            text != nullptr && is_it(*text))
            return true;
        if (const auto* list = std::get_if<std::vector<std::string>>(&each.value))
            if (std::any_of(list->begin(), list->end(), is_it))
                return true;
    }
    return std::any_of(what.output.begin(), what.output.end(), is_it);
}

struct joined {
    std::optional<table> made;
    std::string trouble;
};

joined join_tables(
    const table& left, const table& right, const join& how, const rule& what,
    const std::string& prefix
) {
    std::vector<const column*> left_keys;
    std::vector<const column*> right_keys;
    std::set<std::string> key_names;
    for (const auto& each : how.keys) {
        const auto name = completed(each, prefix);
        const auto* ours = left.find(name);
        const auto* theirs = right.find(name);
        if (ours == nullptr || theirs == nullptr)
            return {
                std::nullopt, fmt::format(
                                  "the join of {} with {} needs the column {} in both", left.name(),
                                  how.name, name
                              )
            };
        left_keys.push_back(ours);
        right_keys.push_back(theirs);
        key_names.insert(name);
    }
    const auto key_at = [](const std::vector<const column*>& keys, std::size_t record) {
        std::string key;
        for (const auto* each : keys)
            append_key(key, each->cells[record]);
        return key;
    };
    std::unordered_map<std::string, std::vector<std::size_t>> partners;
    for (std::size_t i = 0; i < right.records(); ++i)
        partners[key_at(right_keys, i)].push_back(i);

    constexpr auto nobody = static_cast<std::size_t>(-1);
    std::vector<std::pair<std::size_t, std::size_t>> pairs;
    const auto width = left.columns().size() + right.columns().size();
    const auto most = max_joined_cells / std::max<std::size_t>(width, 1);
    for (std::size_t i = 0; i < left.records(); ++i) {
        const auto found = partners.find(key_at(left_keys, i));
        if (found == partners.end()) {
            if (how.keep_unmatched)
                pairs.emplace_back(i, nobody);
        } else {
            for (const auto partner : found->second) {
                pairs.emplace_back(i, partner);
                if (pairs.size() > most)
                    break;
            }
        }
        if (pairs.size() > most)
            return {
                std::nullopt,
                fmt::format("the join of {} with {} is too large", left.name(), how.name)
            };
    }

    table out{left.name()};
    for (const auto& [ours, theirs] : pairs)
        out.add_record(left.dataset_of(ours), left.number_of(ours));
    const auto add = [&](const std::string& name, const column& from, bool from_left) {
        if (!out.add_column(name, from.type))
            return;
        std::vector<cell> cells(pairs.size());
        for (std::size_t i = 0; i < pairs.size(); ++i) {
            const auto source = from_left ? pairs[i].first : pairs[i].second;
            if (source != nobody)
                cells[i] = from.cells[source];
        }
        out.assign(out.columns().size() - 1, from.type, std::move(cells));
    };
    for (const auto& each : left.columns())
        add(each.name, each, true);
    for (const auto& each : right.columns()) {
        if (key_names.contains(each.name))
            continue;
        if (left.find(each.name) == nullptr) {
            add(each.name, each, false);
        } else if (const auto qualified = how.name + '.' + each.name;
                   mentions(what, prefix, qualified)) {
            add(qualified, each, false);
        }
    }
    return {std::move(out), {}};
}

/// Evaluates a rule on one prepared table.
void evaluate_table(const rule& what, const table& in, const std::string& prefix, outcome& into) {
    std::vector<bound_leaf> leaves;
    leaves.reserve(what.leaves.size());
    for (const auto& each : what.leaves)
        leaves.emplace_back(each, in, prefix);

    std::vector<std::string> output;
    for (const auto& each : what.output) {
        auto name = completed(each, prefix);
        if (std::find(output.begin(), output.end(), name) == output.end())
            output.push_back(std::move(name));
    }
    const auto message = completed_message(what.message, prefix);
    const auto report = [&](std::size_t record) {
        finding out;
        out.rule = what.id;
        out.message = message;
        out.severity = what.severity;
        out.values.reserve(output.size());
        for (const auto& name : output) {
            const auto* found = in.find(name);
            out.values.emplace_back(
                name, found == nullptr ? std::optional<std::string>{"Not in dataset"}
                                       : text_of(found->cells[record])
            );
        }
        return out;
    };

    std::size_t undecided = 0;
    std::optional<std::size_t> first;
    std::set<std::string> violated;
    for (std::size_t i = 0; i < in.records(); ++i) {
        const auto is = walk(what.check, leaves, i);
        undecided += is.low != is.high ? 1U : 0U;
        if (!is.value)
            continue;
        if (what.sensitivity == sensitivity::dataset) {
            first = first ? first : std::optional{i};
            violated.insert(in.dataset_of(i));
            continue;
        }
        auto out = report(i);
        out.dataset = in.dataset_of(i);
        out.record = in.number_of(i);
        into.findings.push_back(std::move(out));
    }
    if (first) {
        auto out = report(*first);
        out.dataset = fmt::format("{}", fmt::join(violated, ", "));
        into.findings.push_back(std::move(out));
    }
    ++into.tables;
    into.records += in.records();
    into.undecided += undecided;
    if (undecided == 0)
        return;
    std::vector<std::string> missing;
    for (const auto& each : leaves) {
        auto name = each.missing();
        if (!name.empty() && std::find(missing.begin(), missing.end(), name) == missing.end())
            missing.push_back(std::move(name));
    }
    const std::string why = missing.empty()
                                ? fmt::format("{} has values that name no column", in.name())
                                : fmt::format("{} has no {}", in.name(), fmt::join(missing, ", "));
    into.skips.push_back(
        {what.id,
         fmt::format("{}: {} of {} records could not be decided", why, undecided, in.records())}
    );
}

} // namespace

outcome evaluate(const rule& what, const study_case& data) {
    outcome out;
    for (const auto& group : group_tables(data)) {
        if (!in_scope(what.where, group.facts, data.env))
            continue;
        const table* in = &data.tables[group.parts.front()];
        std::optional<table> made;
        if (group.parts.size() > 1) {
            made = concatenated(data, group);
            in = &*made;
        }
        bool usable = true;
        for (const auto& each : what.joins) {
            const auto* partner = partner_named(data, each.name);
            if (partner == nullptr || each.name == group.facts.base_name)
                continue; // no join, evaluated as it is
            auto next = join_tables(*in, *partner, each, what, group.facts.prefix);
            if (!next.made) {
                if (in->records() > 0)
                    out.skips.push_back({what.id, std::move(next.trouble)});
                usable = false;
                break;
            }
            made = std::move(next.made);
            in = &*made;
        }
        if (usable && in->records() > 0)
            evaluate_table(what, *in, group.facts.prefix, out);
    }
    return out;
}

} // namespace edc
