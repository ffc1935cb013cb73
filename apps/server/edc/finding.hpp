#pragma once

#include <boost/json/fwd.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace edc {

/// A violation: of one record, or of a data set as a whole (no record number).
struct finding {
    std::string rule;
    std::string dataset;
    std::optional<std::size_t> record; ///< from 1
    /// Output variables in order; null values are absent, `Not in dataset` stands for an absent
    /// column.
    std::vector<std::pair<std::string, std::optional<std::string>>> values;
    std::string message;
    std::string severity;
};

/// Something that could not be evaluated, and why. Never the same as "no finding".
struct skip {
    std::string rule;
    std::string why;
};

/// What one rule said about one case.
struct outcome {
    std::vector<finding> findings;
    std::vector<skip> skips;
    std::size_t tables = 0;    ///< evaluated: in scope and with records
    std::size_t records = 0;   ///< evaluated
    std::size_t undecided = 0; ///< of these: the answer hangs on a column that is absent
};

/// `{"rule","dataset","record","values":{VARIABLE: text|null},"message","severity"}`
boost::json::object to_json(const finding& from);

/// `{"rule","skipped":"why"}`
boost::json::object to_json(const skip& from);

} // namespace edc
