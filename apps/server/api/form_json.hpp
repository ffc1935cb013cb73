#pragma once

#include "store/records.hpp"

#include <boost/json/object.hpp>
#include <vector>

namespace server {

/// A finding as the API answers it: `{rule, dataset, record, values, message, severity}`.
boost::json::object describe(const finding_record& finding);

/// Adds the members `findings` and `skipped`.
void add_findings(boost::json::object& to, const std::vector<finding_record>& from);

/// A form as the API answers it, without data sets and findings.
boost::json::object describe(const form_record& form);

} // namespace server
