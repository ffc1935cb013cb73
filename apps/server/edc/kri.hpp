#pragma once

#include "edc/error.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace edc {

/// Counts of one subject (or of any part) of a group; groups are sites as a rule.
struct kri_count {
    std::string group;
    std::string level; ///< kind of group, `Site`; a group shows that of its first entry
    double numerator = 0;
    double denominator = 0;
};

enum class kri_type { rate, binary };
enum class kri_metric { numerator, denominator, difference };

/// How to score. Thresholds ascend: four give flags -2, -1, 0, 1, 2; two give 0, 1, 2; the bin is
/// closed on the left. With an accrual metric, groups below its threshold get neither score nor
/// flag.
class kri_options {
public:
    kri_options() {}

    kri_options& type(kri_type value) {
        type_ = value;
        return *this;
    }
    kri_options& thresholds(std::vector<double> values) {
        thresholds_ = std::move(values);
        return *this;
    }
    kri_options& accrual(kri_metric metric, double threshold) {
        accrual_ = metric;
        accrual_threshold_ = threshold;
        return *this;
    }

    kri_type type() const noexcept { return type_; }
    const std::vector<double>& thresholds() const noexcept { return thresholds_; }
    std::optional<kri_metric> accrual() const noexcept { return accrual_; }
    double accrual_threshold() const noexcept { return accrual_threshold_; }

private:
    kri_type type_ = kri_type::rate;
    std::vector<double> thresholds_{-2, -1, 2, 3};
    std::optional<kri_metric> accrual_;
    double accrual_threshold_ = 0;
};

/// One group's result; score and flag are absent (`NA`) below the accrual threshold.
struct kri_score {
    std::string group;
    std::string level;
    double numerator = 0;
    double denominator = 0;
    double metric = 0;
    std::optional<double> score;
    std::optional<int> flag;
};

struct kri_result {
    std::vector<kri_score> groups; ///< ordered by group, byte by byte
    double mu = 0;                 ///< overall rate
    double phi = 0;                ///< over-dispersion
};

/// Site-outlier indicator: the normal approximation of a rate or proportion with over-dispersion.
///
/// Counts are summed by group; groups without denominator are dropped. All scores are 0 where the
/// groups do not differ (mu 0, a proportion of 1, or phi 0 but for rounding). An error names a
/// negative or infinite count, a proportion above one, or unusable options. Pure: the same input,
/// in any order of the groups, gives the same result.
result<kri_result> analyse_kri(const std::vector<kri_count>& counts, const kri_options& options);

std::optional<kri_type> kri_type_named(std::string_view word) noexcept;     // rate, binary
std::optional<kri_metric> kri_metric_named(std::string_view word) noexcept; // Numerator, ...

/// Reads counts from CSV: columns GroupID, Numerator and Denominator are required, GroupLevel may
/// be absent (`Site`), others are not looked at. `name` stands for the file in errors.
result<std::vector<kri_count>> read_kri_counts(std::string_view csv, std::string_view name);

/// `GroupID,GroupLevel,Numerator,Denominator,Metric,Score,Flag`, one line a group, in the order of
/// `kri_result::groups`, numbers with 17 significant digits, `NA` where a value is absent.
std::string write_kri_csv(const kri_result& from);

} // namespace edc
