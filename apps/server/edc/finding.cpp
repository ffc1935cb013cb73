#include "edc/finding.hpp"

#include <boost/json/object.hpp>

namespace edc {

boost::json::object to_json(const finding& from) {
    boost::json::object values;
    for (const auto& [name, text] : from.values) {
        if (text)
            values[name] = *text;
        else
            values[name] = nullptr;
    }
    boost::json::object out;
    out["rule"] = from.rule;
    out["dataset"] = from.dataset;
    if (from.record)
        out["record"] = *from.record;
    else
        out["record"] = nullptr;
    out["values"] = std::move(values);
    out["message"] = from.message;
    out["severity"] = from.severity;
    return out;
}

boost::json::object to_json(const skip& from) {
    boost::json::object out;
    out["rule"] = from.rule;
    out["skipped"] = from.why;
    return out;
}

} // namespace edc
