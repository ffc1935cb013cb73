#pragma once

#include "edc/catalogue.hpp"
#include "edc/demo.hpp"
#include "edc/evaluate.hpp"
#include "edc/finding.hpp"

#include <boost/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

namespace app {

/// What the engine says about a save, as the server answers it.
struct verdict {
    boost::json::array findings;
    boost::json::array skipped;
};

inline verdict judge(const edc::study& by, std::string_view form, const edc::study_case& records) {
    verdict to;
    for (const auto* rule : by.rules_of(form)) {
        const auto said = edc::evaluate(*rule, records);
        for (const auto& each : said.findings)
            to.findings.push_back(edc::to_json(each));
        for (const auto& each : said.skips)
            to.skipped.push_back(edc::to_json(each));
    }
    for (const auto& each : by.skips_of(form))
        to.skipped.push_back(edc::to_json(each));
    return to;
}

/// The demo study, its sample saves, and what the engine says about them.
class demo_study {
public:
    demo_study() {
        auto read = edc::load_catalogue({}, std::nullopt);
        if (!read)
            throw std::runtime_error(read.error().message());
        studies_ = std::move(*read);
    }

    const edc::study& study() const { return *studies_.find("DEMO"); }

    /// `vs` or `dm`: the body of a save of that form.
    static std::string sample(const std::string& name) {
        return edc::demo_files().read("samples/" + name + ".json").value();
    }

    verdict judge(std::string_view form, std::string_view body) const {
        const auto save = boost::json::parse(body);
        const auto records = study().read_save(save.at("datasets"));
        if (!records)
            throw std::runtime_error(records.error().message());
        return app::judge(study(), form, *records);
    }

private:
    edc::catalogue studies_;
};

} // namespace app
