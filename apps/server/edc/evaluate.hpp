#pragma once

#include "edc/finding.hpp"
#include "edc/rule.hpp"
#include "edc/study_case.hpp"

namespace edc {

/// Evaluates one rule on all tables of a case that are in its scope.
///
/// A condition tree that is true for a record is a finding. The walk is bounded by the rule's size
/// times the records; patterns match in linear time; a join that grows beyond five million cells is
/// not made. Pure: no I/O, no clock, no shared state, so that any number of threads may evaluate
/// rules on the same data at once.
///
/// A condition on a column that a table does not have is false. Where that decided the answer for a
/// record (the other conditions left it open), a skip line says so for the table: it is not a pass.
/// A rule in scope of no table says nothing.
outcome evaluate(const rule& what, const study_case& data);

} // namespace edc
