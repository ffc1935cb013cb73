#include "edc/kri.hpp"

#include "edc/csv.hpp"
#include "edc/text.hpp"
#include "support.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>

BOOST_AUTO_TEST_SUITE(kri)

namespace {

namespace fs = std::filesystem;

std::string file(const fs::path& path) {
    std::ifstream in{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
}

/// A CSV file as rows by column name.
using row = std::map<std::string, std::string>;

std::vector<row> rows_of(const fs::path& path) {
    const auto read = edc::read_csv(file(path), path.filename().string());
    BOOST_REQUIRE_MESSAGE(read.has_value(), read.error().message());
    std::vector<row> out;
    for (const auto& record : read->records) {
        row one;
        for (std::size_t i = 0; i < record.fields.size(); ++i)
            one[read->header.fields[i]] = record.fields[i];
        out.push_back(std::move(one));
    }
    return out;
}

double number(const std::string& text) { return edc::parse_number(text).value(); }

std::vector<double> list(const std::string& text) {
    std::vector<double> out;
    for (std::size_t at = 0; at <= text.size();) {
        const auto comma = std::min(text.find(',', at), text.size());
        out.push_back(number(text.substr(at, comma - at)));
        at = comma + 1;
    }
    return out;
}

struct tally {
    std::size_t scores = 0;
    std::size_t flags = 0;
    std::size_t na = 0;
    double largest = 0;
};

/// Compares every published row with ours.
void compare(const std::vector<row>& published, const edc::kri_result& ours, tally& count) {
    std::map<std::string, const edc::kri_score*> by_group;
    for (const auto& each : ours.groups)
        by_group[each.group] = &each;
    BOOST_TEST(by_group.size() == published.size());
    for (const auto& each : published) {
        const auto found = by_group.find(each.at("GroupID"));
        BOOST_REQUIRE(found != by_group.end());
        const auto& mine = *found->second;
        BOOST_TEST(mine.level == each.at("GroupLevel"));
        BOOST_TEST(mine.numerator == number(each.at("Numerator")));
        BOOST_TEST(mine.denominator == number(each.at("Denominator")));
        BOOST_TEST(std::abs(mine.metric - number(each.at("Metric"))) < 1e-9);
        if (each.at("Score") == "NA") {
            BOOST_TEST(!mine.score.has_value());
            BOOST_TEST(!mine.flag.has_value());
            BOOST_TEST(each.at("Flag") == "NA");
            ++count.na;
            continue;
        }
        BOOST_REQUIRE(mine.score.has_value());
        const double off = std::abs(*mine.score - number(each.at("Score")));
        BOOST_TEST(off < 1e-9);
        count.largest = std::max(count.largest, off);
        ++count.scores;
        BOOST_TEST(std::to_string(mine.flag.value()) == each.at("Flag"));
        ++count.flags;
    }
}

edc::kri_count of(const char* group, double n, double d) { return {group, "Site", n, d}; }

} // namespace

BOOST_AUTO_TEST_CASE(published_summary) {
    const auto folder = support::published("the test of the published summary");
    if (!folder)
        return;
    const auto input = *folder / "kri" / "analyticsInput.csv";
    const auto counts = edc::read_kri_counts(file(input), "analyticsInput.csv");
    BOOST_REQUIRE_MESSAGE(counts.has_value(), counts.error().message());
    BOOST_TEST(counts->size() == 763U);
    const auto options = edc::kri_options{}
                             .type(edc::kri_type::rate)
                             .thresholds({-2, -1, 2, 3})
                             .accrual(edc::kri_metric::denominator, 30);
    const auto done = edc::analyse_kri(*counts, options);
    BOOST_REQUIRE(done.has_value());
    BOOST_TEST(std::abs(done->mu - 0.08206964592392298) < 1e-15);
    BOOST_TEST(std::abs(done->phi - 1.2215631861009784) < 1e-12);
    BOOST_TEST(done->groups.size() == 145U);
    tally count;
    compare(rows_of(*folder / "kri" / "analyticsSummary.csv"), *done, count);
    BOOST_TEST(count.na == 20U);
    std::map<int, int> flags;
    for (const auto& each : done->groups)
        if (each.flag)
            ++flags[*each.flag];
    BOOST_TEST(flags[0] == 101);
    BOOST_TEST(flags[-1] == 21);
    BOOST_TEST(flags[1] == 3);
    std::cout << "kri summary: " << count.scores << " scores, largest difference " << count.largest
              << "\n";
}

BOOST_AUTO_TEST_CASE(published_indicators) {
    const auto folder = support::published("the test of the published indicators");
    if (!folder)
        return;
    std::map<std::string, row> metrics;
    for (auto& each : rows_of(*folder / "kri" / "reportingMetrics.csv"))
        metrics[each.at("MetricID")] = each;
    std::map<std::pair<std::string, std::string>, std::vector<row>> groups;
    for (auto& each : rows_of(*folder / "kri" / "reportingResults.csv"))
        groups[{each.at("MetricID"), each.at("SnapshotDate")}].push_back(each);
    BOOST_TEST(metrics.size() == 13U);
    BOOST_TEST(groups.size() == 39U);
    tally count;
    std::size_t other_model = 0;
    std::size_t equal_rates = 0;
    for (const auto& [key, published] : groups) {
        const auto& metric = metrics.at(key.first);
        const auto type = edc::kri_type_named(metric.at("AnalysisType"));
        if (!type) { // another model, not this formula
            BOOST_TEST(metric.at("Model") == "Identity");
            other_model += published.size();
            continue;
        }
        std::vector<edc::kri_count> counts;
        for (const auto& each : published)
            counts.push_back(
                {each.at("GroupID"), each.at("GroupLevel"), number(each.at("Numerator")),
                 number(each.at("Denominator"))}
            );
        const auto options = edc::kri_options{}
                                 .type(*type)
                                 .thresholds(list(metric.at("Threshold")))
                                 .accrual(
                                     edc::kri_metric_named(metric.at("AccrualMetric")).value(),
                                     number(metric.at("AccrualThreshold"))
                                 );
        const auto done = edc::analyse_kri(counts, options);
        BOOST_REQUIRE_MESSAGE(done.has_value(), done.error().message());
        const auto before = count.scores;
        compare(published, *done, count);
        if (key.first == "Analysis_kri0008") {
            equal_rates += count.scores - before;
            BOOST_TEST(done->phi < 1e-20);
        }
    }
    BOOST_TEST(other_model == 20U);
    BOOST_TEST(equal_rates == 269U);
    BOOST_TEST(count.scores == 2216U + 269U);
    BOOST_TEST(count.na == 864U);
    std::cout << "kri indicators: " << count.scores << " scores and flags, " << count.na
              << " NA, largest difference " << count.largest << "; " << other_model
              << " rows of another model left out\n";
}

BOOST_AUTO_TEST_CASE(the_formula_by_hand) {
    // rate: mu = 6/40 = 0.15; v = 0.15/d; z0 = (m - mu)/sqrt(v)
    const auto done = edc::analyse_kri(
        {of("B", 4, 10), of("A", 1, 20), of("C", 1, 10)}, edc::kri_options{}.thresholds({1, 2})
    );
    BOOST_REQUIRE(done.has_value());
    BOOST_REQUIRE(done->groups.size() == 3U);
    BOOST_TEST(done->groups[0].group == "A"); // ordered by group
    BOOST_TEST(std::abs(done->mu - 0.15) < 1e-15);
    const double za = (0.05 - 0.15) / std::sqrt(0.15 / 20);
    const double zb = (0.4 - 0.15) / std::sqrt(0.15 / 10);
    const double zc = (0.1 - 0.15) / std::sqrt(0.15 / 10);
    const double phi = (za * za + zb * zb + zc * zc) / 3;
    BOOST_TEST(std::abs(done->phi - phi) < 1e-12);
    BOOST_TEST(std::abs(done->groups[0].score.value() - za / std::sqrt(phi)) < 1e-12);
    BOOST_TEST(std::abs(done->groups[1].score.value() - zb / std::sqrt(phi)) < 1e-12);
    BOOST_TEST(done->groups[1].flag.value() == 1);
    // binary differs by the factor 1 - mu, which the over-dispersion takes out again.
    const auto binary = edc::analyse_kri(
        {of("A", 1, 20), of("B", 4, 10), of("C", 1, 10)},
        edc::kri_options{}.type(edc::kri_type::binary).thresholds({1, 2})
    );
    BOOST_REQUIRE(binary.has_value());
    BOOST_TEST(std::abs(binary->phi - phi / 0.85) < 1e-12);
}

BOOST_AUTO_TEST_CASE(bins_are_closed_on_the_left) {
    // Two equal sites around mu with z = -1 and 1 after over-dispersion.
    const std::vector<edc::kri_count> two{of("A", 1, 10), of("B", 3, 10)};
    const auto flags = [&](std::vector<double> thresholds) {
        const auto done =
            edc::analyse_kri(two, edc::kri_options{}.thresholds(std::move(thresholds)));
        return std::pair{done.value().groups[0].flag.value(), done.value().groups[1].flag.value()};
    };
    const auto done = edc::analyse_kri(two, edc::kri_options{});
    const double low = done.value().groups[0].score.value();
    const double high = done.value().groups[1].score.value();
    BOOST_TEST((flags({low, -0.5, 0.5, high}) == std::pair{-1, 2}));
    BOOST_TEST(
        (flags({std::nextafter(low, 0), -0.5, 0.5, std::nextafter(high, 9)}) == std::pair{-2, 1})
    );
    BOOST_TEST((flags({high, 2}) == std::pair{0, 1}));
    BOOST_TEST((flags({-2, high}) == std::pair{1, 2}));
}

BOOST_AUTO_TEST_CASE(groups_that_do_not_differ_score_zero) {
    const auto all_zero = [](std::vector<edc::kri_count> counts, edc::kri_type type) {
        const auto done = edc::analyse_kri(counts, edc::kri_options{}.type(type));
        BOOST_REQUIRE(done.has_value());
        for (const auto& each : done->groups) {
            BOOST_TEST(each.score.value() == 0);
            BOOST_TEST(each.flag.value() == 0);
        }
    };
    all_zero({of("A", 0, 10), of("B", 0, 20)}, edc::kri_type::rate);
    all_zero({of("A", 0, 10), of("B", 0, 20)}, edc::kri_type::binary);
    all_zero({of("A", 10, 10), of("B", 20, 20)}, edc::kri_type::binary);
    // Equal rates with rounding errors: phi is not exactly 0.
    all_zero(
        {of("A", 1, 3), of("B", 7, 21), of("C", 0.1, 0.3), of("D", 1e5, 3e5)}, edc::kri_type::rate
    );
    all_zero({of("A", 3, 7)}, edc::kri_type::rate);
}

BOOST_AUTO_TEST_CASE(groups_without_denominator_are_dropped_first) {
    const auto done =
        edc::analyse_kri({of("A", 1, 10), of("Z", 5, 0), of("B", 2, 10)}, edc::kri_options{});
    BOOST_REQUIRE(done.has_value());
    BOOST_TEST(done->groups.size() == 2U);
    BOOST_TEST(std::abs(done->mu - 0.15) < 1e-15);
    BOOST_TEST(edc::analyse_kri({}, edc::kri_options{}).value().groups.empty());
    BOOST_TEST(edc::analyse_kri({of("A", 0, 0)}, edc::kri_options{}).value().groups.empty());
}

BOOST_AUTO_TEST_CASE(accrual_hides_small_groups_after_scoring) {
    const std::vector<edc::kri_count> counts{of("A", 1, 10), of("B", 9, 30), of("C", 3, 29)};
    const auto whole = edc::analyse_kri(counts, edc::kri_options{}).value();
    const auto hidden = [&](edc::kri_metric metric, double least) {
        const auto done =
            edc::analyse_kri(counts, edc::kri_options{}.accrual(metric, least)).value();
        BOOST_TEST(done.phi == whole.phi); // all groups count
        std::string out;
        for (const auto& each : done.groups)
            out += each.score ? '+' : '-';
        return out;
    };
    BOOST_TEST(hidden(edc::kri_metric::denominator, 30) == "-+-"); // 30 is not below 30
    BOOST_TEST(hidden(edc::kri_metric::numerator, 3) == "-++");
    BOOST_TEST(hidden(edc::kri_metric::difference, 21) == "-++");
}

BOOST_AUTO_TEST_CASE(counts_are_summed_by_group) {
    const auto done =
        edc::analyse_kri({of("A", 1, 4), of("B", 2, 5), of("A", 0, 6)}, edc::kri_options{});
    BOOST_TEST(done.value().groups[0].denominator == 10);
    BOOST_TEST(done.value().groups[0].metric == 0.1);
}

BOOST_AUTO_TEST_CASE(unusable_input_is_one_sentence) {
    const auto trouble = [](std::vector<edc::kri_count> counts, const edc::kri_options& options) {
        const auto done = edc::analyse_kri(counts, options);
        return done.has_value() ? "" : done.error().message();
    };
    const std::vector<edc::kri_count> fine{of("A", 1, 10)};
    BOOST_TEST(
        trouble(fine, edc::kri_options{}.thresholds({1, 2, 3})) ==
        "two or four thresholds are needed"
    );
    BOOST_TEST(
        trouble(fine, edc::kri_options{}.thresholds({2, 1})).find("ascending") != std::string::npos
    );
    BOOST_TEST(
        trouble(fine, edc::kri_options{}.thresholds({1, 1})).find("ascending") != std::string::npos
    );
    BOOST_TEST(
        trouble(fine, edc::kri_options{}.thresholds({1, NAN})).find("ascending") !=
        std::string::npos
    );
    BOOST_TEST(
        trouble({of("A", -1, 10)}, edc::kri_options{}) == "entry 1: counts must be numbers from 0"
    );
    BOOST_TEST(trouble({of("A", NAN, 10)}, edc::kri_options{}) != "");
    BOOST_TEST(trouble({of("A", 1e308, 1e308), of("B", 1e308, 1e308)}, edc::kri_options{}) != "");
    BOOST_TEST(
        trouble({of("A", 11, 10)}, edc::kri_options{}.type(edc::kri_type::binary)) ==
        "group A: the numerator exceeds the denominator"
    );
    BOOST_TEST(trouble({of("A", 11, 10)}, edc::kri_options{}).empty()); // a rate may
}

BOOST_AUTO_TEST_CASE(csv_in_and_out) {
    const auto read = edc::read_kri_counts(
        "SubjectID,GroupID,GroupLevel,Numerator,Denominator,Metric\n"
        "s1,0X8799,Site,1,4,0.25\ns2,\"a,b\",Site,2,3,NA\n",
        "in.csv"
    );
    BOOST_REQUIRE(read.has_value());
    BOOST_TEST(read->at(1).group == "a,b");
    const auto done =
        edc::analyse_kri(*read, edc::kri_options{}.accrual(edc::kri_metric::denominator, 4));
    const auto text = edc::write_kri_csv(done.value());
    BOOST_TEST(
        text.find(
            "GroupID,GroupLevel,Numerator,Denominator,Metric,Score,Flag\n0X8799,Site,1,4,0.25,-"
        ) == 0U
    );
    BOOST_TEST(text.find("\"a,b\",Site,2,3,0.66666666666666663,NA,NA\n") != std::string::npos);
    BOOST_TEST(
        edc::read_kri_counts("GroupID,Numerator,Denominator\nA,1,2\n", "x").value()[0].level ==
        "Site"
    );
    const auto trouble = [](const char* csv) {
        return edc::read_kri_counts(csv, "in.csv").error().message();
    };
    BOOST_TEST(
        trouble("GroupID,Numerator\nA,1\n") ==
        "in.csv, line 1: the columns GroupID, Numerator and Denominator are expected"
    );
    BOOST_TEST(
        trouble("GroupID,Numerator,Denominator\nA,NA,2\n") ==
        "in.csv, line 2: Numerator is not a number from 0"
    );
    BOOST_TEST(
        trouble("GroupID,Numerator,Denominator\nA,1,-2\n") ==
        "in.csv, line 2: Denominator is not a number from 0"
    );
    BOOST_TEST(
        trouble("GroupID,Numerator,Denominator\n,1,2\n") == "in.csv, line 2: GroupID is empty"
    );
}

BOOST_AUTO_TEST_SUITE_END()
