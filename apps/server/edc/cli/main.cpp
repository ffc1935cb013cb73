// corogate-edc: the edit checks and the site-outlier analysis on files.
#include "edc/evaluate.hpp"
#include "edc/kri.hpp"
#include "edc/rule_set.hpp"
#include "edc/study.hpp"
#include "edc/study_case.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>
#include <vector>

namespace {

namespace fs = std::filesystem;

constexpr int bad_input = 2;

int fail(const std::string& sentence) {
    fmt::print(stderr, "corogate-edc: {}\n", sentence);
    return bad_input;
}

int write_out(const std::string& text) {
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    return written && std::fflush(stdout) == 0 ? 0 : fail("the output could not be written");
}

edc::result<edc::rule_set> rules_at(const fs::path& path) {
    std::error_code ignored;
    if (fs::is_directory(path, ignored))
        return edc::load_rules(edc::directory_source{path});
    const auto folder = path.has_parent_path() ? path.parent_path() : fs::path{"."};
    return edc::load_rule_file(edc::directory_source{folder}, path.filename().string());
}

int run_check(const std::string& rule_path, const std::string& data_path) {
    const auto rules = rules_at(rule_path);
    if (!rules)
        return fail(rules.error().message());
    std::error_code ignored;
    if (!fs::is_directory(data_path, ignored))
        return fail(fmt::format("{}: there is no such folder", data_path));
    const auto data = edc::load_case(edc::directory_source{data_path});
    if (!data)
        return fail(data.error().message());
    for (const auto& each : rules->rules) {
        const auto said = edc::evaluate(each, *data);
        std::string lines;
        for (const auto& one : said.findings)
            lines += boost::json::serialize(edc::to_json(one)) + '\n';
        for (const auto& one : said.skips)
            lines += boost::json::serialize(edc::to_json(one)) + '\n';
        if (const int code = write_out(lines); code != 0)
            return code;
    }
    std::string lines;
    for (const auto& each : rules->rejected)
        lines += boost::json::serialize(edc::to_json(edc::skip_of(each))) + '\n';
    return write_out(lines);
}

struct kri_request {
    std::string input;
    std::string type;
    std::vector<double> thresholds;
    std::string metric;
    double least = 0;
    bool has_least = false;
};

int run_kri(const kri_request& asked) {
    edc::kri_options options;
    const auto type = edc::kri_type_named(asked.type);
    if (!type)
        return fail("--type must be rate or binary");
    options.type(*type).thresholds(asked.thresholds);
    if (asked.metric.empty() != !asked.has_least)
        return fail("--accrual-metric and --accrual-threshold go together");
    if (!asked.metric.empty()) {
        const auto metric = edc::kri_metric_named(asked.metric);
        if (!metric)
            return fail("--accrual-metric must be Numerator, Denominator or Difference");
        options.accrual(*metric, asked.least);
    }
    const fs::path path{asked.input};
    const auto folder = path.has_parent_path() ? path.parent_path() : fs::path{"."};
    const auto text = edc::directory_source{folder}.read(path.filename().string());
    if (!text)
        return fail(text.error().message());
    const auto counts = edc::read_kri_counts(*text, asked.input);
    if (!counts)
        return fail(counts.error().message());
    const auto done = edc::analyse_kri(*counts, options);
    if (!done)
        return fail(done.error().message());
    return write_out(edc::write_kri_csv(*done));
}

int run(int argc, char** argv) {
    CLI::App app{
        "Evaluates edit checks and site-outlier indicators on files.\n"
        "Exit code 0 whether or not there are findings, 2 on bad input.",
        "corogate-edc"
    };
    app.set_version_flag("--version", "corogate-edc " COROGATE_VERSION);
    app.require_subcommand(1);

    std::string rule_path;
    std::string data_path;
    auto* check = app.add_subcommand("check", "Print one finding or skip a line as JSON");
    check->add_option("--rule", rule_path, "A rule (rule.json) or a folder of rules")->required();
    check->add_option("--data", data_path, "A folder with the data of one case or study")
        ->required();

    kri_request asked;
    auto* kri = app.add_subcommand("kri", "Score sites and print them as CSV, ordered by GroupID");
    kri->add_option("--input", asked.input, "CSV with GroupID, Numerator, Denominator")->required();
    kri->add_option("--type", asked.type, "rate or binary")->required();
    kri->add_option("--thresholds", asked.thresholds, "Two or four ascending numbers: -2,-1,2,3")
        ->required()
        ->delimiter(',');
    kri->add_option("--accrual-metric", asked.metric, "Numerator, Denominator or Difference");
    auto* least =
        kri->add_option("--accrual-threshold", asked.least, "Sites below get no score (NA)");

    if (argc > 1) {
        const std::string word = argv[1];
        if (!word.starts_with('-') && word != "check" && word != "kri")
            return fail("there is no command of this name (see --help)");
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& wanted) {
        return app.exit(wanted); // help, version
    } catch (const CLI::ParseError& wrong) {
        std::string sentence = wrong.what();
        for (char& c : sentence)
            if (c == '\n')
                c = ' ';
        return fail(sentence + " (see --help)");
    }
    asked.has_least = least->count() > 0;
    return check->parsed() ? run_check(rule_path, data_path) : run_kri(asked);
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::bad_alloc&) {
        return fail("the input needs more memory than there is");
    } catch (const std::exception&) {
        return fail("the input could not be processed");
    }
}
