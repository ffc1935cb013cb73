#pragma once

#include "edc/error.hpp"
#include "edc/finding.hpp"
#include "edc/rule_set.hpp"
#include "edc/study_case.hpp"

#include <boost/json/fwd.hpp>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace edc {

/// A study: its forms, their variables and the rules that check them. Immutable, so that any number
/// of threads may read it.
///
/// **Forms.** One form a data set, under the data set's name (`VS`), and one more, `ALL`, for a
/// save that carries every data set at once. A save of any form may carry other data sets of the
/// study beside its own (rules that join need them): they are checked by the same rules.
///
/// **Rules of a form** are known before any record is: `rules_of(F)` are the rules whose scope
/// could include data set F, judged by its name, its columns, and its seed records where the study
/// has some (for `DOMAIN`); `rules_of("ALL")` are all rules. Each gives one `evaluate(rule, save)`.
/// A rule in the list may turn out to be in scope of nothing in the save; then it says nothing. So
/// one save of `ALL` with the tables of a case gives what `corogate-edc check` prints for the case,
/// skip lines included, and a save of F with only its own records gives the findings that the
/// command line gives on that table.
///
/// **Order.** Tables of a save are in the study's order whatever the order in the body, and have
/// all the study's columns.
class study {
public:
    static constexpr std::string_view all_forms = "ALL";

    study(std::string id, study_case seeds, std::shared_ptr<const rule_set> rules);

    const std::string& id() const noexcept { return id_; }
    const environment& env() const noexcept { return seeds_.env; }

    /// The data sets with their columns, and the records the study came with.
    const study_case& seeds() const noexcept { return seeds_; }
    const rule_set& rules() const noexcept { return *rules_; }

    /// The same study under other rules.
    study with_rules(std::shared_ptr<const rule_set> rules) const {
        return study(id_, seeds_, std::move(rules));
    }

    /// Data sets in order, `ALL` last.
    const std::vector<std::string>& forms() const noexcept { return forms_; }
    bool has_form(std::string_view form) const noexcept;

    /// Empty for an unknown form. The pointers live as long as the study.
    const std::vector<const rule*>& rules_of(std::string_view form) const noexcept;

    /// One skip a rejected rule that the form would have needed: add them to each save's findings.
    const std::vector<skip>& skips_of(std::string_view form) const noexcept;

    /// The records of a save as tables to evaluate; see read_records for errors.
    result<study_case> read_save(const boost::json::value& datasets) const;

private:
    struct form_rules {
        std::vector<const rule*> rules;
        std::vector<skip> skips;
    };

    const form_rules& of(std::string_view form) const noexcept;

    std::string id_;
    study_case seeds_;
    std::shared_ptr<const rule_set> rules_;
    std::vector<std::string> forms_;
    std::map<std::string, form_rules, std::less<>> by_form_;
    form_rules none_;
};

/// Reads a study folder: `_env.json`, `_datasets.csv`, `_variables.csv`, and the tables that have
/// seed records. The id is `STUDY` of `_env.json`, else the folder's name. If the folder has no
/// `_datasets.csv` but a folder `study`, that is read (the layout of the demo study).
/// `rules` null: the folder's own `rules`, if it has one, else no rules.
result<study> load_study(const file_source& from, std::shared_ptr<const rule_set> rules);

/// The skip line of a rejected rule.
skip skip_of(const rejected_rule& from);

} // namespace edc
