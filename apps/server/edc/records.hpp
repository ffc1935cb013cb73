#pragma once

#include "edc/error.hpp"
#include "edc/study_case.hpp"

#include <boost/json/fwd.hpp>

#include <cstddef>

namespace edc {

/// Reads the records of one save, `{"VS":[{"VSORRES":"120", ...}, ...], ...}`, against the columns
/// of a study (its tables; their records are not looked at).
///
/// The result has the tables named in the body, in the study's order and with all the study's
/// columns. A missing key, `null` and `""` are null. A number column takes a number or a text that
/// spells one, a boolean column `true`, `false` or their texts, a text column only texts. Anything
/// else is an error whose `field` names the place (`datasets.VS[2].VSORRES`, indexes from 0): an
/// unknown data set or variable, a wrong type, a nested value, more than `max_cells` cells in the
/// filled tables.
result<study_case> read_records(
    const boost::json::value& datasets, const study_case& study, std::size_t max_cells = 1'000'000
);

} // namespace edc
