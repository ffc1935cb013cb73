#pragma once

#include "edc/error.hpp"
#include "edc/file_source.hpp"
#include "edc/table.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace edc {

/// The standard under which data are checked (`_env.json`).
struct environment {
    std::string product; ///< SDTMIG, SENDIG, TIG, in any letter case
    std::string version;
    std::string substandard; ///< TIG only
    std::string use_case;    ///< TIG only
    std::string study;       ///< our own key `STUDY`: a study's id, where the folder's name is none
};

/// Tables that are checked together, in their order, and the standard they follow.
struct study_case {
    environment env;
    std::vector<table> tables;

    /// The table of that name, or null.
    const table* find(std::string_view name) const noexcept;
};

enum class missing_table {
    error, ///< a case: every named table must be there
    empty, ///< a study: a data set without seed records has its declared columns and no record
};

/// Reads a case folder: `_env.json`, `_datasets.csv`, `_variables.csv` and one CSV file a table.
///
/// Column types come from `_variables.csv` (`Num`, `Number`, `Boolean`; every other word is text);
/// an undeclared column is numeric if all its filled cells spell numbers. Errors name file and
/// line. At most ten million cells altogether.
result<study_case> load_case(const file_source& from, missing_table policy = missing_table::error);

} // namespace edc
