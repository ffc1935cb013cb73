#include "edc/study.hpp"

#include "edc/records.hpp"
#include "edc/scope.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace edc {
namespace {

/// The facts a save's table of this name could have.
std::vector<table_facts> possible_facts(const table& shape) {
    if (shape.records() > 0)
        return {facts_of(shape)};
    // No record says which domain this is: try the name, its first two letters, and none.
    const auto& name = shape.name();
    std::vector<std::string> domains{"", name};
    if (name.size() > 2)
        domains.push_back(name.substr(0, 2));
    if (name.size() > 4)
        domains.push_back(name.substr(0, 4));
    if (name.starts_with("SUPP"))
        domains.push_back(name.substr(4));
    else if (name.starts_with("SQ"))
        domains.push_back(name.substr(2));
    std::vector<table_facts> out;
    for (const auto& domain : domains) {
        table guess{name};
        for (const auto& each : shape.columns())
            guess.add_column(each.name, each.type);
        const auto record = guess.add_record();
        for (const auto* key : {"DOMAIN", "RDOMAIN"})
            if (const auto at = guess.index_of(key); at && !domain.empty())
                guess.set(*at, record, domain);
        out.push_back(facts_of(guess));
    }
    return out;
}

bool could_include(
    const scope& where, const std::vector<table_facts>& possible, const environment& env
) {
    return std::any_of(possible.begin(), possible.end(), [&](const table_facts& facts) {
        return in_scope(where, facts, env);
    });
}

} // namespace

study::study(std::string id, study_case seeds, std::shared_ptr<const rule_set> rules)
    : id_(std::move(id))
    , seeds_(std::move(seeds))
    , rules_(std::move(rules)) {
    auto& all = by_form_[std::string{all_forms}];
    for (const auto& each : rules_->rules)
        all.rules.push_back(&each);
    for (const auto& each : rules_->rejected)
        all.skips.push_back(skip_of(each));
    for (const auto& shape : seeds_.tables) {
        forms_.push_back(shape.name());
        auto& form = by_form_[shape.name()];
        const auto possible = possible_facts(shape);
        for (const auto& each : rules_->rules)
            if (could_include(each.where, possible, seeds_.env))
                form.rules.push_back(&each);
        for (const auto& each : rules_->rejected)
            if (!each.where || could_include(*each.where, possible, seeds_.env))
                form.skips.push_back(skip_of(each));
    }
    forms_.emplace_back(all_forms);
}

const study::form_rules& study::of(std::string_view form) const noexcept {
    const auto found = by_form_.find(form);
    return found == by_form_.end() ? none_ : found->second;
}

bool study::has_form(std::string_view form) const noexcept {
    return by_form_.find(form) != by_form_.end();
}

const std::vector<const rule*>& study::rules_of(std::string_view form) const noexcept {
    return of(form).rules;
}

const std::vector<skip>& study::skips_of(std::string_view form) const noexcept {
    return of(form).skips;
}

result<study_case> study::read_save(const boost::json::value& datasets) const {
    return read_records(datasets, seeds_);
}

skip skip_of(const rejected_rule& from) {
    return {from.id, fmt::format("rejected: {}", from.reason)};
}

result<study> load_study(const file_source& from, std::shared_ptr<const rule_set> rules) {
    const folder_of inner{from, "study"};
    const bool nested = !from.has("_datasets.csv") && inner.has("_datasets.csv");
    auto seeds =
        load_case(nested ? static_cast<const file_source&>(inner) : from, missing_table::empty);
    if (!seeds)
        return seeds.error();
    if (seeds->find(study::all_forms) != nullptr)
        return error{fmt::format("{}: no data set may be named ALL", from.label())};
    if (rules == nullptr) {
        rule_set own;
        const folder_of folder{from, "rules"};
        if (!folder.files("").empty() || !folder.folders("").empty()) {
            auto loaded = load_rules(folder);
            if (!loaded)
                return loaded.error();
            own = std::move(*loaded);
        }
        rules = std::make_shared<const rule_set>(std::move(own));
    }
    auto id = seeds->env.study.empty() ? from.base_name() : seeds->env.study;
    if (id.empty())
        return error{fmt::format("{}: the study has no id, give STUDY in _env.json", from.label())};
    return study{std::move(id), std::move(*seeds), std::move(rules)};
}

} // namespace edc
