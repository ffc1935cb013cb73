#pragma once

#include "edc/error.hpp"
#include "edc/file_source.hpp"
#include "edc/rule.hpp"

#include <variant>
#include <vector>

namespace edc {

/// The rules of a folder, in the order of their file names, and those that were rejected.
struct rule_set {
    std::vector<rule> rules;
    std::vector<rejected_rule> rejected;
};

/// Reads `rule.json` of the folder itself and of each folder directly below it, and the other
/// `*.json` files of the folder itself that look like rules (an object with `Core` or `Check`; a
/// list of the rules, say, is passed over). A file that is no JSON is an error; a rule that uses
/// something not implemented, or the id of an earlier one, is rejected. A folder without any rule
/// is an error.
result<rule_set> load_rules(const file_source& from);

/// The same for one file, which must be a rule.
result<rule_set> load_rule_file(const file_source& from, std::string_view path);

/// The rules of the files with those uploaded later over them: one of the same id takes the place
/// of the file's, a new one comes after them.
rule_set overlay(const rule_set& files, std::vector<std::variant<rule, rejected_rule>> uploaded);

} // namespace edc
