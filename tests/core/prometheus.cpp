#include <corogate/prometheus.hpp>

#include <boost/test/unit_test.hpp>
#include <iomanip>
#include <limits>
#include <locale>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using corogate::labelled_pool_stats;
using corogate::pool_stats;
using corogate::prometheus_format;
using corogate::prometheus_labels;
using corogate::prometheus_writer;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(prometheus_tests)

BOOST_AUTO_TEST_CASE(a_family_is_described_once_and_holds_its_samples) {
    std::ostringstream to;
    prometheus_writer out(to);
    out.gauge("forms_open", "Forms that somebody edits.");
    out.sample(3, {{"study", "A"}});
    out.sample(5, {{"study", "B"}, {"site", "7"}});
    out.counter("saves_total", "Saves.");
    out.sample(12u);
    out.finish();
    BOOST_TEST(to.str() == R"(# HELP forms_open Forms that somebody edits.
# TYPE forms_open gauge
forms_open{study="A"} 3
forms_open{study="B",site="7"} 5
# HELP saves_total Saves.
# TYPE saves_total counter
saves_total 12
)");
}

BOOST_AUTO_TEST_CASE(labels_and_help_are_escaped) {
    std::ostringstream to;
    prometheus_writer out(to);
    out.gauge("x", "one\ntwo \\ \"three\"");
    out.sample(1, {{"path", "C:\\dir\n\"q\""}, {"name", "Müller,}{"}});
    BOOST_TEST(to.str() == R"(# HELP x one\ntwo \\ "three"
# TYPE x gauge
x{path="C:\\dir\n\"q\"",name="Müller,}{"} 1
)");
}

BOOST_AUTO_TEST_CASE(common_labels_come_first_in_every_sample) {
    std::ostringstream to;
    prometheus_writer out(to, {{"job", "a"}});
    out.gauge("x", "X.");
    out.sample(1);
    out.sample(2, {{"b", "c"}});
    BOOST_TEST(to.str() == "# HELP x X.\n# TYPE x gauge\nx{job=\"a\"} 1\nx{job=\"a\",b=\"c\"} 2\n");
}

std::string value_of(auto number) {
    std::ostringstream to;
    // What a user may have done to the stream does not show.
    to << std::hex << std::showpos << std::setprecision(2) << std::setw(20) << std::setfill('*');
    prometheus_writer out(to);
    out.gauge("x", "X.");
    out.sample(number);
    const auto text = to.str();
    const auto last = text.rfind("\nx ") + 3;
    return text.substr(last, text.size() - last - 1);
}

BOOST_AUTO_TEST_CASE(numbers_are_exact) {
    BOOST_TEST(value_of(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
    BOOST_TEST(value_of(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
    BOOST_TEST(value_of(static_cast<unsigned char>(65)) == "65");
    BOOST_TEST(value_of('A') == "65");
    BOOST_TEST(value_of(true) == "1");
    BOOST_TEST(value_of(false) == "0");
    BOOST_TEST(value_of(0.1) == "0.1");
    BOOST_TEST(value_of(1.0) == "1");
    BOOST_TEST(value_of(1.5f) == "1.5");
    BOOST_TEST(value_of(1e300) == "1e+300");
    BOOST_TEST(value_of(std::numeric_limits<double>::denorm_min()) == "5e-324");
    BOOST_TEST(value_of(-std::numeric_limits<double>::max()) == "-1.7976931348623157e+308");
    BOOST_TEST(value_of(std::numeric_limits<double>::infinity()) == "+Inf");
    BOOST_TEST(value_of(-std::numeric_limits<double>::infinity()) == "-Inf");
    BOOST_TEST(value_of(std::numeric_limits<double>::quiet_NaN()) == "NaN");
}

BOOST_AUTO_TEST_CASE(the_locale_of_the_stream_does_not_matter) {
    struct grouping : std::numpunct<char> {
        char do_thousands_sep() const override { return '.'; }
        char do_decimal_point() const override { return ','; }
        std::string do_grouping() const override { return "\3"; }
    };
    std::ostringstream to;
    to.imbue(std::locale(std::locale::classic(), new grouping));
    prometheus_writer out(to);
    out.gauge("x", "X.");
    out.sample(1234567);
    out.sample(0.5);
    BOOST_TEST(to.str().ends_with("\nx 1234567\nx 0.5\n"));
}

BOOST_AUTO_TEST_CASE(misuse_is_a_message) {
    std::ostringstream to;
    prometheus_writer out(to);
    BOOST_CHECK_THROW(out.sample(1), std::logic_error);
    for (const char* bad : {"", "7x", "a-b", "a b", "\xc3\xa4"}) {
        BOOST_CHECK_THROW(out.gauge(bad, ""), std::invalid_argument);
        BOOST_CHECK_THROW(prometheus_labels({{bad, "x"}}), std::invalid_argument);
    }
    BOOST_CHECK_THROW(prometheus_labels({{"a:b", "x"}}), std::invalid_argument);
    out.gauge("a:b_7", "");
    BOOST_CHECK_THROW(out.counter("saves", ""), std::invalid_argument);
    BOOST_TEST(to.str() == "# HELP a:b_7 \n# TYPE a:b_7 gauge\n");
}

BOOST_AUTO_TEST_CASE(a_histogram_has_buckets_infinity_sum_and_count) {
    std::ostringstream to;
    prometheus_writer out(to);
    out.histogram("wait_seconds", "Wait.");
    const prometheus_writer::bucket buckets[] = {
        {0.1, 3}, {1, 5}, {std::numeric_limits<double>::infinity(), 6}
    };
    out.sample(buckets, 12.5, 6, {{"class", "normal"}});
    out.sample(std::span<const prometheus_writer::bucket>(), 0, 0);
    BOOST_TEST(to.str() == R"(# HELP wait_seconds Wait.
# TYPE wait_seconds histogram
wait_seconds_bucket{class="normal",le="0.1"} 3
wait_seconds_bucket{class="normal",le="1"} 5
wait_seconds_bucket{class="normal",le="+Inf"} 6
wait_seconds_sum{class="normal"} 12.5
wait_seconds_count{class="normal"} 6
wait_seconds_bucket{le="+Inf"} 0
wait_seconds_sum 0
wait_seconds_count 0
)");
}

BOOST_AUTO_TEST_CASE(durations_are_written_in_seconds) {
    corogate::histogram recorded;
    recorded.record(100us); // on a bound: counted by it
    recorded.record(3ms);
    recorded.record(2s, 10);
    std::ostringstream to;
    prometheus_writer out(to);
    out.histogram("service_seconds", "Service time.");
    const double bounds[] = {0.0001, 0.001, 0.01, 10};
    out.sample(recorded.snapshot(), {}, bounds);
    BOOST_TEST(to.str() == R"(# HELP service_seconds Service time.
# TYPE service_seconds histogram
service_seconds_bucket{le="0.0001"} 1
service_seconds_bucket{le="0.001"} 1
service_seconds_bucket{le="0.01"} 2
service_seconds_bucket{le="10"} 12
service_seconds_bucket{le="+Inf"} 12
service_seconds_sum 20.0031
service_seconds_count 12
)");
    BOOST_TEST(std::ranges::is_sorted(prometheus_writer::latency_bounds));
}

BOOST_AUTO_TEST_CASE(openmetrics_differs_in_three_places) {
    std::ostringstream to;
    prometheus_writer out(to, {}, prometheus_format::openmetrics);
    out.counter("saves_total", "Say \"save\".");
    out.sample(1);
    out.histogram("wait_seconds", "Wait.");
    const prometheus_writer::bucket buckets[] = {{0.5, 3}, {1, 5}, {1e30, 5}};
    out.sample(buckets, 2, 5);
    out.finish();
    BOOST_TEST(to.str() == R"(# HELP saves Say \"save\".
# TYPE saves counter
saves_total 1
# HELP wait_seconds Wait.
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.5"} 3
wait_seconds_bucket{le="1.0"} 5
wait_seconds_bucket{le="1e+30"} 5
wait_seconds_bucket{le="+Inf"} 5
wait_seconds_sum 2
wait_seconds_count 5
# EOF
)");
}

pool_stats some_stats() {
    pool_stats s;
    s.submitted = 100;
    s.refused = 10;
    s.accepted = 90;
    s.completed = 50;
    s.failed = 4;
    s.cancelled = 3;
    s.expired = 11;
    s.displaced = 12;
    s.spilled = 13;
    s.lent = 1;
    s.runners = 14;
    s.tenants = 15;
    s.jobs_admitted = 16;
    s.jobs_refused = 17;
    s.paused = true;
    s.abandoned = 2;
    s.waiting = 24;
    s.running = 7;
    s.running_peak = 8;
    s.reserved = 5;
    s.waiting_submitters = 6;
    s.permits_used = 7;
    s.limit = 9;
    s.queue_tasks = 4096;
    return s;
}

BOOST_AUTO_TEST_CASE(the_books_of_a_pool) {
    std::ostringstream to;
    corogate::write_prometheus(to, some_stats());
    const auto text = to.str();
    for (const char* line : {
             "# TYPE corogate_running_tasks gauge",
             "corogate_running_tasks 7",
             "corogate_running_tasks_peak 8",
             "corogate_waiting_tasks 24",
             "corogate_waiting_submitters 6",
             "corogate_reserved_places 5",
             "corogate_permits_used 7",
             "corogate_limit_tasks 9",
             "corogate_queue_limit_tasks 4096",
             "# HELP corogate_tasks_submitted_total Tasks offered: refused or accepted.",
             "# TYPE corogate_tasks_submitted_total counter",
             "corogate_tasks_submitted_total 100",
             "corogate_tasks_accepted_total 90",
             "corogate_tasks_total{outcome=\"completed\"} 50",
             "corogate_tasks_total{outcome=\"failed\"} 4",
             "corogate_tasks_total{outcome=\"cancelled\"} 3",
             "corogate_tasks_total{outcome=\"abandoned\"} 2",
             "corogate_tasks_total{outcome=\"expired\"} 11",
             "corogate_tasks_total{outcome=\"displaced\"} 12",
             "corogate_tasks_total{outcome=\"spilled\"} 13",
             "corogate_permits_lent 1",
             "corogate_runners 14",
             "corogate_tenants 15",
             "corogate_paused 1",
             "corogate_pool_jobs_total{outcome=\"admitted\"} 16",
             "corogate_pool_jobs_total{outcome=\"refused\"} 17",
             "corogate_tasks_total{outcome=\"refused\"} 10",
         })
        BOOST_TEST(("\n" + text).find("\n" + std::string(line) + "\n") != std::string::npos, line);
}

/// Reads the exposition back: family by sample name, and that the format's rules hold.
std::map<std::string, std::string> series_in(const std::string& text) {
    std::map<std::string, std::string> series;
    std::set<std::string> families;
    std::string family;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string first, second, name;
        words >> first;
        if (first == "#") {
            words >> second >> name;
            if (second == "HELP")
                BOOST_TEST(families.insert(name).second, "described twice: " << name);
            else
                BOOST_TEST(name == family.assign(name));
            family = name;
            continue;
        }
        BOOST_TEST(first.substr(0, first.find('{')) == family, line);
        words >> second;
        BOOST_TEST(series.emplace(first, second).second, "twice: " << first);
    }
    return series;
}

BOOST_AUTO_TEST_CASE(several_pools_share_their_families) {
    std::vector<labelled_pool_stats> pools{
        {some_stats(), {{"pool", "cpu"}}}, {some_stats(), {{"pool", "io"}}}
    };
    pools[1].stats.completed = 51;
    std::ostringstream to;
    prometheus_writer out(to);
    corogate::write_prometheus(out, pools);
    auto series = series_in(to.str());
    BOOST_TEST(series["corogate_tasks_total{pool=\"cpu\",outcome=\"completed\"}"] == "50");
    BOOST_TEST(series["corogate_tasks_total{pool=\"io\",outcome=\"completed\"}"] == "51");
    std::ostringstream alone;
    corogate::write_prometheus(alone, some_stats(), {{"pool", "cpu"}});
    BOOST_TEST(2 * series_in(alone.str()).size() == series.size());
}

BOOST_AUTO_TEST_CASE(the_timings_of_several_pools) {
    corogate::histogram wait;
    wait.record(3ms, 7);
    std::vector<corogate::labelled_pool_timings> pools(2);
    pools[0].labels.add("pool", "cpu");
    pools[1].labels.add("pool", "io");
    pools[1].timings.queue_wait = wait.snapshot();
    std::ostringstream to;
    prometheus_writer out(to);
    corogate::write_prometheus(out, pools);
    const auto text = to.str();
    const auto has = [&](const std::string& line) {
        return text.find("\n" + line + "\n") != std::string::npos;
    };
    BOOST_TEST(has("# TYPE corogate_queue_wait_seconds histogram"));
    BOOST_TEST(has("corogate_queue_wait_seconds_count{pool=\"cpu\"} 0"));
    BOOST_TEST(has("corogate_queue_wait_seconds_bucket{pool=\"io\",le=\"0.0025\"} 0"));
    BOOST_TEST(has("corogate_queue_wait_seconds_bucket{pool=\"io\",le=\"0.005\"} 7"));
    BOOST_TEST(has("corogate_queue_wait_seconds_sum{pool=\"io\"} 0.021"));
    BOOST_TEST(has("corogate_scheduling_delay_seconds_count{pool=\"io\"} 0"));
    BOOST_TEST(has("corogate_service_time_seconds_count{pool=\"io\"} 0"));
}

BOOST_AUTO_TEST_CASE(no_family_is_torn_apart) {
    std::set<std::string_view> seen;
    std::string_view last;
    for (const auto& row : corogate::detail::pool_metrics) {
        if (row.name == last)
            continue;
        BOOST_TEST(seen.insert(row.name).second, row.name);
        BOOST_TEST(!row.help.empty(), row.name);
        last = row.name;
    }
}

BOOST_AUTO_TEST_SUITE_END()
