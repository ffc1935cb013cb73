#include "edc/kri.hpp"

#include "edc/csv.hpp"
#include "edc/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace edc {
namespace {

/// Equal rates leave a phi of rounding errors only, many orders of magnitude below this.
constexpr double no_dispersion = 1e-18;

std::optional<std::string> unusable(const kri_options& options) {
    const auto& t = options.thresholds();
    if (t.size() != 2 && t.size() != 4)
        return "two or four thresholds are needed";
    for (std::size_t i = 0; i < t.size(); ++i)
        if (!std::isfinite(t[i]) || (i > 0 && !(t[i - 1] < t[i])))
            return "the thresholds must be numbers in ascending order";
    if (options.accrual() && !std::isfinite(options.accrual_threshold()))
        return "the accrual threshold must be a number";
    return std::nullopt;
}

int flag_of(double score, const std::vector<double>& thresholds) {
    const auto passed = std::upper_bound(thresholds.begin(), thresholds.end(), score);
    const auto bin = static_cast<int>(passed - thresholds.begin());
    return thresholds.size() == 4 ? bin - 2 : bin;
}

double accrued(const kri_score& of, kri_metric metric) {
    switch (metric) {
    case kri_metric::numerator:
        return of.numerator;
    case kri_metric::denominator:
        return of.denominator;
    case kri_metric::difference:
        break;
    }
    return of.denominator - of.numerator;
}

} // namespace

result<kri_result> analyse_kri(const std::vector<kri_count>& counts, const kri_options& options) {
    if (auto why = unusable(options))
        return error{std::move(*why)};

    std::map<std::string, kri_score> sums;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        const auto& each = counts[i];
        if (!std::isfinite(each.numerator) || !std::isfinite(each.denominator) ||
            each.numerator < 0 || each.denominator < 0)
            return error{fmt::format("entry {}: counts must be numbers from 0", i + 1)};
        auto& sum = sums[each.group];
        if (sum.group.empty() && sum.level.empty()) {
            sum.group = each.group;
            sum.level = each.level;
        }
        sum.numerator += each.numerator;
        sum.denominator += each.denominator;
    }

    kri_result out;
    double numerators = 0;
    double denominators = 0;
    for (auto& [group, sum] : sums) {
        if (sum.denominator <= 0)
            continue;
        if (options.type() == kri_type::binary && sum.numerator > sum.denominator)
            return error{fmt::format("group {}: the numerator exceeds the denominator", group)};
        sum.metric = sum.numerator / sum.denominator;
        numerators += sum.numerator;
        denominators += sum.denominator;
        out.groups.push_back(std::move(sum));
    }
    if (out.groups.empty())
        return out;
    if (!std::isfinite(numerators) || !std::isfinite(denominators))
        return error{"the counts are too large to be summed"};

    const double mu = numerators / denominators;
    out.mu = mu;
    const double spread = options.type() == kri_type::rate ? mu : mu * (1 - mu);
    if (spread > 0) {
        double squares = 0;
        for (const auto& each : out.groups) {
            const double z = (each.metric - mu) / std::sqrt(spread / each.denominator);
            squares += z * z;
        }
        out.phi = squares / static_cast<double>(out.groups.size());
    }
    const bool differ = spread > 0 && out.phi > no_dispersion;
    for (auto& each : out.groups) {
        const double score =
            differ ? (each.metric - mu) / std::sqrt(out.phi * (spread / each.denominator)) : 0.0;
        if (options.accrual() && accrued(each, *options.accrual()) < options.accrual_threshold())
            continue;
        each.score = score;
        each.flag = flag_of(score, options.thresholds());
    }
    return out;
}

std::optional<kri_type> kri_type_named(std::string_view word) noexcept {
    if (word == "rate")
        return kri_type::rate;
    if (word == "binary")
        return kri_type::binary;
    return std::nullopt;
}

std::optional<kri_metric> kri_metric_named(std::string_view word) noexcept {
    if (word == "Numerator")
        return kri_metric::numerator;
    if (word == "Denominator")
        return kri_metric::denominator;
    if (word == "Difference")
        return kri_metric::difference;
    return std::nullopt;
}

result<std::vector<kri_count>> read_kri_counts(std::string_view csv, std::string_view name) {
    const auto text = read_csv(csv, name);
    if (!text)
        return text.error();
    const auto& header = text->header.fields;
    const auto position = [&](std::string_view column) -> std::optional<std::size_t> {
        const auto found = std::find(header.begin(), header.end(), column);
        if (found == header.end())
            return std::nullopt;
        return static_cast<std::size_t>(found - header.begin());
    };
    const auto group = position("GroupID");
    const auto level = position("GroupLevel");
    const auto numerator = position("Numerator");
    const auto denominator = position("Denominator");
    if (!group || !numerator || !denominator)
        return error{fmt::format(
            "{}, line {}: the columns GroupID, Numerator and Denominator are expected", name,
            text->header.line
        )};
    std::vector<kri_count> out;
    out.reserve(text->records.size());
    for (const auto& record : text->records) {
        const auto n = parse_number(record.fields[*numerator]);
        const auto d = parse_number(record.fields[*denominator]);
        if (!n || !d || *n < 0 || *d < 0)
            return error{fmt::format(
                "{}, line {}: {} is not a number from 0", name, record.line,
                !n || *n < 0 ? "Numerator" : "Denominator"
            )};
        if (record.fields[*group].empty())
            return error{fmt::format("{}, line {}: GroupID is empty", name, record.line)};
        out.push_back({record.fields[*group], level ? record.fields[*level] : "Site", *n, *d});
    }
    return out;
}

std::string write_kri_csv(const kri_result& from) {
    std::string out = "GroupID,GroupLevel,Numerator,Denominator,Metric,Score,Flag\n";
    for (const auto& each : from.groups)
        out += fmt::format(
            "{},{},{:.17g},{:.17g},{:.17g},{},{}\n", csv_field(each.group), csv_field(each.level),
            each.numerator, each.denominator, each.metric,
            each.score ? fmt::format("{:.17g}", *each.score) : "NA",
            each.flag ? std::to_string(*each.flag) : "NA"
        );
    return out;
}

} // namespace edc
