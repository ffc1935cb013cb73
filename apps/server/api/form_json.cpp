#include "api/form_json.hpp"

#include <boost/json.hpp>
#include <utility>

namespace json = boost::json;

namespace server {

json::object describe(const finding_record& f) {
    json::object line;
    line["rule"] = f.rule;
    line["dataset"] = f.dataset.value_or("");
    line["record"] = f.record ? json::value(*f.record) : json::value(nullptr);
    line["values"] = json::parse(f.values.value_or("{}"));
    line["message"] = f.message.value_or("");
    line["severity"] = f.severity.value_or("");
    return line;
}

void add_findings(json::object& to, const std::vector<finding_record>& from) {
    json::array findings;
    json::array skipped;
    for (const auto& f : from) {
        if (f.skipped) {
            json::object line;
            line["rule"] = f.rule;
            line["skipped"] = *f.skipped;
            skipped.push_back(std::move(line));
            continue;
        }
        findings.push_back(describe(f));
    }
    to["findings"] = std::move(findings);
    to["skipped"] = std::move(skipped);
}

json::object describe(const form_record& form) {
    json::object to;
    to["id"] = form.id;
    to["study"] = form.study;
    to["form"] = form.form;
    to["site"] = form.site;
    to["subject"] = form.subject;
    to["state"] = to_string(form.state);
    return to;
}

} // namespace server
