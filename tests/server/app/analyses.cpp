// Analyses: accepted at once, run in the background, and the same as the engine computes.
#include "analysis/site_kri.hpp"

#include "client.hpp"
#include "durable/scratch_dir.hpp"
#include "edc/kri.hpp"
#include "findings.hpp"
#include "local_server.hpp"

#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>
#include <map>
#include <string>

namespace asio = boost::asio;
namespace json = boost::json;

BOOST_AUTO_TEST_SUITE(analyses)

namespace {

struct demo_server {
    testing::scratch_dir data;
    app::demo_study demo;
    app::local_server local{edc::load_catalogue({}, std::nullopt).value(), data.path()};

    app::reply ask(std::string_view body) { return app::post(local.port(), "/v1/analyses", body); }

    json::object run_to_end(const app::reply& accepted) {
        const auto got =
            app::ask_until(local.port(), accepted.header("Location"), [](const app::reply& one) {
                const auto state = app::text_of(app::object_of(one), "state");
                return state != "queued" && state != "running";
            });
        return app::object_of(got);
    }
};

/// A VS form of `good` records within range and `bad` ones far out of it.
std::string vs_form(int good, int bad) {
    json::array records;
    for (int i = 0; i < good + bad; ++i) {
        json::object one;
        one["STUDYID"] = "DEMO";
        one["DOMAIN"] = "VS";
        one["USUBJID"] = "1";
        one["VSSEQ"] = i + 1;
        one["VISIT"] = "V" + std::to_string(i);
        one["VSTESTCD"] = "PULSE";
        one["VSORRES"] = i < good ? "70" : "700";
        one["VSORRESU"] = "beats/min";
        one["VSSTRESN"] = i < good ? 70 : 700;
        records.push_back(std::move(one));
    }
    json::object datasets;
    datasets["VS"] = std::move(records);
    json::object body;
    body["subject"] = "1";
    body["datasets"] = std::move(datasets);
    return json::serialize(body);
}

/// Values that are not null: the denominator.
double points_of(std::string_view body) {
    double points = 0;
    const auto save = json::parse(body);
    for (const auto& table : save.at("datasets").as_object())
        for (const auto& record : table.value().as_array())
            for (const auto& value : record.as_object())
                points += !value.value().is_null();
    return points;
}

} // namespace

BOOST_FIXTURE_TEST_CASE(the_result_is_that_of_the_engine_over_the_saved_forms, demo_server) {
    const struct {
        const char* site;
        int good;
        int bad;
    } forms[] = {{"0X1", 40, 1}, {"0X2", 30, 2},  {"0X2", 25, 0},
                 {"0X3", 10, 9}, {"0X10", 60, 3}, {"0X4", 3, 0}};
    std::map<std::string, edc::kri_count> by_site;
    for (const auto& [site, good, bad] : forms) {
        const auto body = vs_form(good, bad);
        const auto target = std::string("/v1/forms?study=DEMO&form=VS&site=") + site;
        const auto saved = app::object_of(app::post(local.port(), target, body));
        BOOST_REQUIRE(saved.contains("findings"));
        auto& count = by_site[site];
        count.group = site;
        count.level = "Site";
        count.numerator += static_cast<double>(demo.judge("VS", body).findings.size());
        count.denominator += points_of(body);
        BOOST_TEST(
            saved.at("findings").as_array().size() == demo.judge("VS", body).findings.size()
        );
    }
    std::vector<edc::kri_count> counts;
    for (const auto& [site, count] : by_site)
        counts.push_back(count);
    edc::kri_options options;
    options.thresholds({-2, -1, 2, 3}).accrual(edc::kri_metric::denominator, 50);
    const auto expected = edc::analyse_kri(counts, options);
    BOOST_REQUIRE(expected.has_value());
    BOOST_TEST(expected->phi > 0);

    const auto accepted = ask(
        R"({"study":"DEMO","kind":"site-kri","type":"rate","thresholds":[-2,-1,2,3],
            "accrual":{"metric":"Denominator","threshold":50}})"
    );
    BOOST_REQUIRE_MESSAGE(accepted.status == 202, accepted.body);
    const auto promised = app::object_of(accepted);
    BOOST_TEST(accepted.header("Location") == "/v1/jobs/" + app::text_of(promised, "id"));
    BOOST_TEST(app::text_of(promised, "state") == "queued");
    BOOST_TEST(promised.at("result").is_null());

    const auto job = run_to_end(accepted);
    BOOST_TEST(app::text_of(job, "state") == "succeeded", json::serialize(job));
    BOOST_TEST(app::text_of(job, "kind") == "site-kri");
    BOOST_TEST(app::text_of(job, "study") == "DEMO");
    BOOST_TEST(job.at("attempts") == json::value(1));
    BOOST_TEST(job.at("progress").at("done") == json::value(5));
    BOOST_TEST(job.at("progress").at("total") == json::value(5));
    for (const char* time : {"created_at", "started_at", "finished_at"})
        BOOST_TEST(app::text_of(job, time).ends_with("Z"), time);

    const auto& result = job.at("result");
    BOOST_TEST(result.at("mu").to_number<double>() == expected->mu);
    BOOST_TEST(result.at("phi").to_number<double>() == expected->phi);
    const auto& groups = result.at("groups").as_array();
    BOOST_REQUIRE(groups.size() == expected->groups.size());
    std::size_t without_score = 0;
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const auto& want = expected->groups[i];
        const auto& got = groups[i];
        BOOST_TEST(got.at("group") == json::value(want.group));
        BOOST_TEST(got.at("level") == "Site");
        BOOST_TEST(got.at("numerator").to_number<double>() == want.numerator);
        BOOST_TEST(got.at("denominator").to_number<double>() == want.denominator);
        BOOST_TEST(got.at("metric").to_number<double>() == want.metric);
        BOOST_TEST(got.at("score").is_null() == !want.score.has_value());
        BOOST_TEST(got.at("flag").is_null() == !want.flag.has_value());
        if (want.score) {
            BOOST_TEST(got.at("score").to_number<double>() == *want.score);
            BOOST_TEST(got.at("flag").to_number<int>() == *want.flag);
        } else {
            ++without_score;
        }
    }
    BOOST_TEST(without_score == 1U); // 0X4, below the accrual threshold
    const auto no_store = app::get(local.port(), accepted.header("Location"));
    BOOST_TEST(no_store.header("Cache-Control") == "no-store");
}

BOOST_FIXTURE_TEST_CASE(more_sites_than_a_page, demo_server) {
    app::client one(local.port());
    const auto body = vs_form(1, 0);
    for (int i = 0; i < 205; ++i)
        BOOST_REQUIRE(
            one.post("/v1/forms?study=DEMO&form=VS&site=X" + std::to_string(i), body).status == 200
        );
    const auto job = run_to_end(ask(R"({"study":"DEMO","kind":"site-kri"})"));
    BOOST_TEST(app::text_of(job, "state") == "succeeded");
    BOOST_TEST(job.at("result").at("groups").as_array().size() == 205U);
    BOOST_TEST(job.at("progress").at("done") == json::value(205));
    for (const auto& group : job.at("result").at("groups").as_array()) // equal rates: no outlier
        BOOST_TEST(group.at("score").to_number<double>() == 0.0);
}

BOOST_FIXTURE_TEST_CASE(an_analysis_of_nothing_succeeds, demo_server) {
    const auto job = run_to_end(ask(R"({"study":"DEMO","kind":"site-kri"})"));
    BOOST_TEST(app::text_of(job, "state") == "succeeded");
    BOOST_TEST(job.at("result").at("groups").as_array().empty());
}

BOOST_FIXTURE_TEST_CASE(what_is_wrong_with_a_request_is_named, demo_server) {
    app::problem_of(ask(R"({"study":"NONE","kind":"site-kri"})"), 404, "not-found", "study");
    app::problem_of(ask("{"), 400, "invalid-json");
    app::problem_of(ask("[]"), 400, "invalid-json");
    app::problem_of(ask(""), 400, "invalid-json");
    const struct {
        const char* body;
        const char* field;
    } bad[] = {
        {R"({"kind":"site-kri"})", "study"},
        {R"({"study":5,"kind":"site-kri"})", "study"},
        {R"({"study":"DEMO"})", "kind"},
        {R"({"study":"DEMO","kind":"other"})", "kind"},
        {R"({"study":"DEMO","kind":"site-kri","type":"odd"})", "type"},
        {R"({"study":"DEMO","kind":"site-kri","type":7})", "type"},
        {R"({"study":"DEMO","kind":"site-kri","thresholds":7})", "thresholds"},
        {R"({"study":"DEMO","kind":"site-kri","thresholds":[]})", "thresholds"},
        {R"({"study":"DEMO","kind":"site-kri","thresholds":["1","2"]})", "thresholds"},
        {R"({"study":"DEMO","kind":"site-kri","thresholds":[3,2]})", "thresholds"},
        {R"({"study":"DEMO","kind":"site-kri","thresholds":[1,2,3]})", "thresholds"},
        {R"({"study":"DEMO","kind":"site-kri","accrual":{"metric":"Numerator"}})", "accrual"},
        {R"({"study":"DEMO","kind":"site-kri","accrual":{"metric":"X","threshold":1}})", "accrual"},
        {R"({"study":"DEMO","kind":"site-kri","colour":"red"})", "colour"},
    };
    for (const auto& [body, field] : bad)
        BOOST_TEST_CONTEXT(body)
    app::problem_of(ask(body), 422, "invalid-field", field);
    // None of them is a job.
    BOOST_TEST(local.service().store().async_unfinished_jobs(0, 1, asio::use_future).get().empty());
    BOOST_TEST(local.service().pool().stats().reserved == 0U);
}

BOOST_FIXTURE_TEST_CASE(an_unknown_job_is_404, demo_server) {
    app::problem_of(app::get(local.port(), "/v1/jobs/j-0"), 404, "not-found", "id");
    app::problem_of(app::post(local.port(), "/v1/jobs/j-0"), 405, "method-not-allowed");
}

BOOST_AUTO_TEST_CASE(a_full_pool_refuses_an_analysis_and_stores_none) {
    testing::scratch_dir data;
    server::options few;
    few.limit = 1;
    few.queue_tasks = 0;
    few.task_duration = std::chrono::hours(1);
    app::local_server local(edc::load_catalogue({}, std::nullopt).value(), data.path(), few);
    BOOST_TEST(app::post(local.port(), "/tasks").status == 200);
    const auto no =
        app::post(local.port(), "/v1/analyses", R"({"study":"DEMO","kind":"site-kri"})");
    app::problem_of(no, 503, "queue-full");
    auto& store = local.service().store();
    BOOST_TEST(store.async_unfinished_jobs(0, 1, asio::use_future).get().empty());
}

BOOST_AUTO_TEST_CASE(a_job_that_a_crash_interrupted_runs_again_at_start) {
    testing::scratch_dir data;
    {
        server::store earlier(data.path());
        server::job_record job;
        job.kind = "site-kri";
        job.study = "DEMO";
        job.request = R"({"study":"DEMO","kind":"site-kri"})";
        job.created_at = std::chrono::system_clock::now();
        for (const char* id : {"j-1", "j-2"}) {
            job.id = id;
            earlier.async_create_job(job, asio::use_future).get();
        }
        BOOST_TEST(earlier.async_start_job("j-1", job.created_at, asio::use_future).get());
    }
    app::local_server local(edc::load_catalogue({}, std::nullopt).value(), data.path());
    local.service().recover();
    for (const auto& [id, attempts] : {std::pair("j-1", 2), std::pair("j-2", 1)}) {
        const auto target = std::string("/v1/jobs/") + id;
        const auto got = app::ask_until(local.port(), target, [](const app::reply& one) {
            return app::text_of(app::object_of(one), "state") == "succeeded";
        });
        BOOST_TEST(app::object_of(got).at("attempts") == json::value(attempts), id);
    }
}

BOOST_AUTO_TEST_CASE(what_this_process_accepted_is_not_taken_up_a_second_time) {
    testing::scratch_dir data;
    {
        server::store earlier(data.path());
        server::job_record job;
        job.id = "j-1";
        job.kind = "site-kri";
        job.study = "DEMO";
        job.request = R"({"study":"DEMO","kind":"site-kri"})";
        earlier.async_create_job(job, asio::use_future).get();
        BOOST_TEST(earlier.last_earlier_job() == 0);
    }
    server::options one_at_a_time;
    one_at_a_time.limit = 1;
    one_at_a_time.task_duration = std::chrono::hours(1);
    app::local_server local(
        edc::load_catalogue({}, std::nullopt).value(), data.path(), one_at_a_time
    );
    BOOST_TEST(local.service().store().last_earlier_job() == 1);
    BOOST_TEST(app::post(local.port(), "/tasks").status == 200);
    const auto fresh =
        app::post(local.port(), "/v1/analyses", R"({"study":"DEMO","kind":"site-kri"})");
    BOOST_TEST(fresh.status == 202);
    // A start takes up what is unfinished while requests come in already.
    local.service().recover();
    app::ask_until(local.port(), "/metrics", [](const app::reply& got) {
        return app::metric(got.body, "corogate_tasks_accepted_total") >= 3;
    });
    const auto left =
        local.service().async_drain(std::chrono::milliseconds(1), asio::use_future).get();
    BOOST_TEST(left.still_running == 1U); // the task
    BOOST_TEST(left.abandoned == 2U);     // j-1 and the fresh one, once
}

BOOST_AUTO_TEST_SUITE_END()
