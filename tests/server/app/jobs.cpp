// Lists, saves as jobs, jobs cancelled and tried again, Idempotency-Key, rules: over HTTP.
#include "client.hpp"
#include "durable/scratch_dir.hpp"
#include "findings.hpp"
#include "local_server.hpp"

#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace asio = boost::asio;
namespace json = boost::json;

BOOST_AUTO_TEST_SUITE(jobs)

namespace {

constexpr const char* analysis = R"({"study":"DEMO","kind":"site-kri"})";

server::options one_at_a_time() {
    server::options to;
    to.limit = 1;
    to.task_duration = std::chrono::hours(1);
    return to;
}

struct demo_server {
    testing::scratch_dir data;
    app::demo_study demo;
    std::unique_ptr<app::local_server> local;

    demo_server() { open({}); }
    void open(const server::options& from) {
        local.reset();
        local = std::make_unique<app::local_server>(
            edc::load_catalogue({}, std::nullopt).value(), data.path(), from
        );
    }
    std::uint16_t port() const { return local->port(); }

    app::reply
    ask(std::string_view method, std::string_view target, std::string_view body = {},
        std::string_view fields = {}) {
        app::client one(port());
        auto head = one.post_head(target, body.size(), fields);
        head.replace(0, 4, method);
        return one.wire().ask(head + std::string(body));
    }
    app::reply save(std::string_view fields = {}, std::string_view form = "VS") {
        return ask(
            "POST", "/v1/forms?study=DEMO&form=" + std::string(form) + "&site=S-01",
            app::demo_study::sample(form == "VS" ? "vs" : "dm"), fields
        );
    }
    json::object job(const std::string& location) {
        return app::object_of(app::get(port(), location));
    }
    json::object wait_for(const std::string& location, std::string_view state) {
        return app::object_of(app::ask_until(port(), location, [&](const app::reply& one) {
            return app::text_of(app::object_of(one), "state") == state;
        }));
    }
    std::size_t count(const std::string& target, const char* name) {
        return app::object_of(app::get(port(), target)).at(name).as_array().size();
    }
    /// Takes the one place there is, for as long as the test.
    void occupy() { BOOST_TEST(app::post(port(), "/tasks").status == 200); }
};

} // namespace

// ---- lists ----

BOOST_FIXTURE_TEST_CASE(a_list_is_read_to_its_end_by_its_cursors, demo_server) {
    for (int i = 0; i < 5; ++i)
        BOOST_TEST(save({}, i % 2 ? "DM" : "VS").status == 200);
    std::set<std::string> ids;
    std::string after;
    int pages = 0;
    for (bool more = true; more; ++pages) {
        const auto page = app::object_of(app::get(port(), "/v1/forms?study=DEMO&limit=2" + after));
        for (const auto& form : page.at("forms").as_array()) {
            BOOST_TEST(ids.insert(app::text_of(form.as_object(), "id")).second);
            BOOST_TEST(!form.as_object().contains("datasets"));
        }
        more = page.at("next").is_string();
        after = "&after=" + app::text_of(page, "next");
    }
    BOOST_TEST(ids.size() == 5U);
    BOOST_TEST(pages == 3);

    BOOST_TEST(count("/v1/forms?form=DM&site=S-01&state=checked", "forms") == 2U);
    BOOST_TEST(count("/v1/forms?site=S-02", "forms") == 0U);
    const auto dm = demo.judge("DM", app::demo_study::sample("dm")).findings;
    const auto vs = demo.judge("VS", app::demo_study::sample("vs")).findings;
    const auto all = app::object_of(app::get(port(), "/v1/findings"));
    BOOST_TEST(all.at("findings").as_array().size() == 2 * dm.size() + 3 * vs.size());
    for (const auto& member :
         {"form_id", "study", "form", "site", "subject", "rule", "dataset", "record", "values",
          "message", "severity"})
        BOOST_TEST(all.at("findings").at(0).as_object().contains(member), member);
    BOOST_TEST(count("/v1/findings?rule=DEMO-001&severity=error", "findings") == 2U);
}

BOOST_FIXTURE_TEST_CASE(a_query_that_makes_no_sense_is_400_and_named, demo_server) {
    for (const auto& [target, field] :
         {std::pair("/v1/forms?limit=0", "limit"),
          {"/v1/forms?limit=1001", "limit"},
          {"/v1/jobs?limit=1x", "limit"},
          {"/v1/jobs?limit=", "limit"},
          {"/v1/forms?after=", "after"},
          {"/v1/forms?after=j1", "after"},
          {"/v1/forms?after=f-1", "after"},
          {"/v1/forms?after=f01", "after"},
          {"/v1/forms?after=f1.1", "after"},
          {"/v1/findings?after=n1", "after"},
          {"/v1/findings?after=n1.", "after"},
          {"/v1/jobs?after=jffffffffffffffffff", "after"},
          {"/v1/forms?state=queued", "state"},
          {"/v1/jobs?state=done", "state"},
          {"/v1/findings?severity=bad", "severity"},
          {"/v1/forms?sites=1", "sites"},
          {"/v1/jobs?kind=", "kind"},
          {"/v1/findings?%3Cb%3E=1", "query"}})
        BOOST_TEST_CONTEXT(target)
    app::problem_of(app::get(port(), target), 400, "invalid-query", field);
}

// ---- saves as jobs ----

BOOST_FIXTURE_TEST_CASE(a_save_may_be_answered_before_its_checks, demo_server) {
    const auto got = save("Prefer: respond-async\r\n");
    BOOST_REQUIRE_MESSAGE(got.status == 202, got.body);
    BOOST_TEST(got.header("Preference-Applied") == "respond-async");
    BOOST_TEST(!got.header("Retry-After").empty());
    const auto location = got.header("Location");
    BOOST_TEST(app::text_of(app::object_of(got), "kind") == "form-checks");
    const auto done = wait_for(location, "succeeded");
    const auto expected = demo.judge("VS", app::demo_study::sample("vs"));
    BOOST_TEST(done.at("result").at("findings") == json::value(expected.findings));
    BOOST_TEST(done.at("result").at("skipped") == json::value(expected.skipped));
    BOOST_TEST(done.at("progress").at("done") == done.at("progress").at("total"));
    const auto form = std::string(std::string_view(done.at("result").at("form_id").as_string()));
    BOOST_TEST(app::text_of(job("/v1/forms/" + form), "state") == "checked");
    const auto result = app::get(port(), location + "/result");
    BOOST_TEST(result.status == 200);
    BOOST_TEST(json::parse(result.body) == done.at("result"));
}

BOOST_FIXTURE_TEST_CASE(a_save_that_is_checked_within_its_wait_is_answered_as_ever, demo_server) {
    for (const char* fields :
         {"Prefer: respond-async, wait=30\r\n",
          "prefer: Wait=30;x=1\r\nPrefer: nonsense=1, Respond-Async\r\n"}) {
        const auto got = save(fields);
        BOOST_REQUIRE_MESSAGE(got.status == 200, got.body);
        const auto expected = demo.judge("VS", app::demo_study::sample("vs"));
        BOOST_TEST(app::object_of(got).at("findings") == json::value(expected.findings));
        BOOST_TEST(app::text_of(app::object_of(got), "state") == "checked");
    }
}

BOOST_FIXTURE_TEST_CASE(a_start_takes_up_the_saves_that_were_promised, demo_server) {
    open(one_at_a_time());
    occupy();
    const auto slow = save("Prefer: respond-async, wait=1\r\n"); // and is not done in time
    BOOST_REQUIRE_MESSAGE(slow.status == 202, slow.body);
    const auto promised = save("Prefer: respond-async\r\n");
    BOOST_REQUIRE_MESSAGE(promised.status == 202, promised.body);
    app::problem_of(
        app::get(port(), promised.header("Location") + "/result"), 409, "job-not-finished"
    );
    open({}); // the checks never ran
    local->service().recover();
    for (const auto& one : {slow, promised})
        BOOST_TEST(
            wait_for(one.header("Location"), "succeeded").at("result").at("findings") ==
            json::value(demo.judge("VS", app::demo_study::sample("vs")).findings)
        );
    BOOST_TEST(count("/v1/forms?state=received", "forms") == 0U);
}

// ---- cancel and retry ----

BOOST_FIXTURE_TEST_CASE(a_running_job_that_nobody_runs_can_be_cancelled, demo_server) {
    auto& service = local->service();
    server::job_record job;
    job.id = service.ids().job_id();
    job.kind = "site-kri";
    job.study = "DEMO";
    job.request = analysis;
    job.created_at = std::chrono::system_clock::now();
    service.store().async_create_job(job, asio::use_future).get();
    BOOST_TEST(service.store().async_start_job(job.id, job.created_at, asio::use_future).get());

    const auto location = "/v1/jobs/" + job.id;
    BOOST_TEST(ask("POST", location + "/cancel").status == 200);
    BOOST_TEST(app::text_of(this->job(location), "state") == "cancelled");
    BOOST_TEST(ask("POST", location + "/retry").status == 202);
    wait_for(location, "succeeded");
}

BOOST_FIXTURE_TEST_CASE(a_drain_by_hand_leaves_late_checks_to_its_end, demo_server) {
    auto& service = local->service();
    server::form_record form;
    form.id = service.ids().form_id();
    form.study = "DEMO";
    form.form = "VS";
    form.site = "S-01";
    form.subject = "DEMO-01-003";
    const auto body = json::parse(app::demo_study::sample("vs"));
    form.datasets = json::serialize(body.at("datasets"));
    form.saved_at = std::chrono::system_clock::now();
    service.store().async_save_form(form, asio::use_future).get();

    BOOST_TEST(ask("POST", "/v1/pool/drain").status / 100 == 2);
    service.check_later("f-0"); // there is no such form: the next one is checked all the same
    service.check_later(form.id);
    const auto target = "/v1/forms/" + form.id;
    BOOST_TEST(app::text_of(job(target), "state") == "received");
    app::ask_until(port(), "/v1/pool/resume", [&](const app::reply&) {
        return ask("POST", "/v1/pool/resume").status == 200;
    });
    wait_for(target, "checked");
}

BOOST_FIXTURE_TEST_CASE(a_job_that_waits_is_cancelled_and_runs_when_tried_again, demo_server) {
    open(one_at_a_time());
    occupy();
    const auto location = ask("POST", "/v1/analyses", analysis).header("Location");
    const auto cancelled = ask("DELETE", location);
    BOOST_TEST(cancelled.status == 200, cancelled.body);
    BOOST_TEST(app::text_of(app::object_of(cancelled), "state") == "cancelled");
    app::problem_of(ask("POST", location + "/cancel"), 409, "job-finished");
    app::problem_of(app::get(port(), location + "/result"), 409, "job-cancelled");
    app::problem_of(ask("DELETE", "/v1/jobs/j-0"), 404, "not-found", "id");
    app::problem_of(ask("POST", "/v1/jobs/j-0/retry"), 404, "not-found", "id");

    const auto again = ask("POST", location + "/retry");
    BOOST_TEST(again.status == 202, again.body);
    BOOST_TEST(again.header("Location") == location);
    app::problem_of(ask("POST", location + "/retry"), 409, "job-not-ended");
    open({});
    local->service().recover();
    const auto done = wait_for(location, "succeeded");
    BOOST_TEST(done.at("attempts") == json::value(1)); // the cancelled run never started
    app::problem_of(ask("POST", location + "/retry"), 409, "job-not-ended");
}

BOOST_FIXTURE_TEST_CASE(checks_that_run_are_cancelled_and_done_when_tried_again, demo_server) {
    open(one_at_a_time());
    occupy();
    const auto location = save("Prefer: respond-async\r\n").header("Location");
    wait_for(location, "running"); // it has its places, and waits behind the task
    const auto told = ask("POST", location + "/cancel");
    BOOST_TEST(told.status == 200, told.body);
    const auto ended = wait_for(location, "cancelled");
    BOOST_TEST(!ended.contains("cancelling"));
    BOOST_TEST(count("/v1/forms?state=received", "forms") == 1U);
    BOOST_TEST(count("/v1/findings", "findings") == 0U);

    open({});
    BOOST_TEST(ask("POST", location + "/retry").status == 202);
    const auto done = wait_for(location, "succeeded");
    BOOST_TEST(done.at("attempts") == json::value(2));
    BOOST_TEST(count("/v1/findings", "findings") != 0U);
}

BOOST_FIXTURE_TEST_CASE(a_job_ends_once_however_it_meets_its_cancellation, demo_server) {
    BOOST_TEST(save().status == 200);
    for (int i = 0; i < 40; ++i) {
        const auto location = ask("POST", "/v1/analyses", analysis).header("Location");
        for (int wait = 0; wait < i % 8; ++wait)
            app::get(port(), location);
        const auto told = ask("DELETE", location);
        BOOST_TEST((told.status == 200 || told.status == 409));
        const auto ended = wait_for(location, told.status == 200 ? "cancelled" : "succeeded");
        BOOST_TEST(ended.at("result").is_null() == (told.status == 200));
        if (told.status == 200) {
            BOOST_TEST(ask("POST", location + "/retry").status == 202);
            wait_for(location, "succeeded");
        }
    }
}

// ---- Idempotency-Key ----

BOOST_FIXTURE_TEST_CASE(a_save_with_a_key_is_done_once_and_answered_again, demo_server) {
    const char* key = "Idempotency-Key: 7c4a\r\n";
    const auto first = save(key);
    BOOST_REQUIRE_MESSAGE(first.status == 200, first.body);
    const auto promised = save("Idempotency-Key: p\r\nPrefer: respond-async\r\n");
    BOOST_REQUIRE_MESSAGE(promised.status == 202, promised.body);
    const auto job = ask("POST", "/v1/analyses", analysis, key); // another route, another key
    BOOST_REQUIRE_MESSAGE(job.status == 202, job.body);
    wait_for(promised.header("Location"), "succeeded");
    for (const bool restarted : {false, true}) {
        if (restarted)
            open({});
        const auto again = save(key);
        BOOST_TEST(again.status == 200);
        BOOST_TEST(again.body == first.body);
        const auto same_job = ask("POST", "/v1/analyses", analysis, key);
        BOOST_TEST(same_job.status == 202);
        BOOST_TEST(same_job.body == job.body);
        BOOST_TEST(same_job.header("Location") == job.header("Location"));
        const auto same_promise = save("Idempotency-Key: p\r\nPrefer: respond-async\r\n");
        BOOST_TEST(same_promise.status == 202);
        BOOST_TEST(same_promise.body == promised.body);
        app::problem_of(save(key, "DM"), 422, "idempotency-key-reused", "Idempotency-Key");
        app::problem_of(
            ask("POST", "/v1/analyses", R"({"study":"DEMO","kind":"site-kri","type":"binary"})",
                key),
            422, "idempotency-key-reused", "Idempotency-Key"
        );
    }
    BOOST_TEST(count("/v1/forms", "forms") == 2U);
    BOOST_TEST(count("/v1/jobs", "jobs") == 2U);

    // A repeated answer needs no place; what is refused is not remembered.
    local->service().async_drain(std::chrono::seconds(10), asio::use_future).get();
    BOOST_TEST(save(key).body == first.body);
    BOOST_TEST(save("Idempotency-Key: new\r\n").status == 503);
    open({});
    BOOST_TEST(save("Idempotency-Key: new\r\n").status == 200);
    BOOST_TEST(count("/v1/forms", "forms") == 3U);
}

BOOST_FIXTURE_TEST_CASE(a_save_that_is_wrong_leaves_its_key_free, demo_server) {
    const char* key = "Idempotency-Key: k\r\n";
    const char* target = "/v1/forms?study=DEMO&form=VS&site=S-01";
    BOOST_TEST(ask("POST", target, "{}", key).status == 422);
    BOOST_TEST(save(key).status == 200);
    const std::string longest(255, 'k');
    BOOST_TEST(save("Idempotency-Key: " + longest + "\r\n").status == 200);
    for (const auto& bad : {std::string(), longest + "k", std::string("two words")})
        app::problem_of(
            save("Idempotency-Key: " + bad + "\r\n"), 400, "invalid-header", "Idempotency-Key"
        );
}

BOOST_FIXTURE_TEST_CASE(a_key_whose_first_request_is_under_way_is_409, demo_server) {
    open(one_at_a_time());
    occupy();
    const std::string target = "/v1/forms?study=DEMO&form=VS&site=S-01";
    const auto body = app::demo_study::sample("vs");
    app::client first(port());
    first.wire().send(first.post_head(target, body.size(), "Idempotency-Key: k\r\n") + body);
    app::ask_until(port(), "/v1/forms", [](const app::reply& got) {
        return !app::object_of(got).at("forms").as_array().empty();
    });
    const auto second = save("Idempotency-Key: k\r\n");
    app::problem_of(second, 409, "request-in-progress");
    const auto forms = app::object_of(app::get(port(), "/v1/forms")).at("forms").as_array();
    BOOST_REQUIRE(forms.size() == 1U);
    BOOST_TEST(
        second.header("Location") == "/v1/forms/" + app::text_of(forms.at(0).as_object(), "id")
    );
}

// ---- studies and rules ----

BOOST_FIXTURE_TEST_CASE(rules_are_read_uploaded_and_taken_back, demo_server) {
    const std::string rules = "/v1/studies/DEMO/rules";
    const auto all = count(rules, "rules");
    BOOST_TEST(all == demo.study().rules().rules.size());
    BOOST_TEST(app::text_of(job("/v1/studies/DEMO"), "id") == "DEMO");
    BOOST_TEST(count("/v1/studies", "studies") == 1U);
    app::problem_of(app::get(port(), "/v1/studies/NONE"), 404, "not-found", "study");
    app::problem_of(app::get(port(), rules + "/NONE"), 404, "not-found", "rule");

    const auto text = app::get(port(), rules + "/DEMO-001").body;
    auto changed = json::parse(text).as_object();
    changed["Core"].as_object()["Id"] = "NEW-1";
    changed["Severity"] = "warning";
    const auto uploaded = json::serialize(changed);

    // A save that was admitted keeps the rules of then.
    app::client early(port());
    const auto dm = app::demo_study::sample("dm");
    early.wire().send(early.post_head("/v1/forms?study=DEMO&form=DM&site=1", dm.size()));
    app::ask_until(port(), "/metrics", [](const app::reply& got) {
        return app::metric(
                   got.body, R"(corogate_jobs_total{kind="form",outcome="accepted",reason=""})"
               ) == 1;
    });
    const auto created = ask("PUT", rules + "/NEW-1", uploaded);
    BOOST_TEST(created.status == 201, created.body);
    BOOST_TEST(created.header("Location") == rules + "/NEW-1");
    BOOST_TEST(ask("PUT", rules + "/NEW-1", uploaded).status == 200);
    early.wire().send(dm);
    const auto before = demo.judge("DM", dm).findings;
    BOOST_TEST(app::object_of(early.wire().read()).at("findings") == json::value(before));
    BOOST_TEST(
        app::object_of(save({}, "DM")).at("findings").as_array().size() == before.size() + 1
    );
    BOOST_TEST(count("/v1/findings?rule=NEW-1&severity=warning", "findings") == 1U);

    open({}); // it is kept
    BOOST_TEST(json::parse(app::get(port(), rules + "/NEW-1").body) == json::value(changed));
    BOOST_TEST(count(rules, "rules") == all + 1);
    BOOST_TEST(ask("DELETE", rules + "/NEW-1").status == 204);
    app::problem_of(ask("DELETE", rules + "/NEW-1"), 404, "not-found", "rule");
    app::problem_of(ask("DELETE", rules + "/DEMO-001"), 409, "rule-of-files");

    // Over one of the files, which comes back.
    changed["Core"].as_object()["Id"] = "DEMO-001";
    BOOST_TEST(ask("PUT", rules + "/DEMO-001", json::serialize(changed)).status == 200);
    BOOST_TEST(count("/v1/findings?severity=warning", "findings") == 1U);
    BOOST_TEST(save({}, "DM").status == 200);
    BOOST_TEST(count("/v1/findings?severity=warning", "findings") == 2U);
    BOOST_TEST(ask("DELETE", rules + "/DEMO-001").status == 204);
    BOOST_TEST(app::get(port(), rules + "/DEMO-001").body == text);
}

BOOST_FIXTURE_TEST_CASE(a_rule_that_is_wrong_changes_nothing_and_its_fault_is_named, demo_server) {
    const std::string target = "/v1/studies/DEMO/rules/DEMO-001";
    const auto text = app::get(port(), target).body;
    const auto with = [&](auto change) {
        auto rule = json::parse(text).as_object();
        change(rule);
        return ask("PUT", target, json::serialize(rule));
    };
    app::problem_of(
        with([](json::object& r) { r["Rule Type"] = "Other"; }), 422, "invalid-field", "Rule Type"
    );
    app::problem_of(
        with([](json::object& r) { r["Core"].as_object()["Id"] = "OTHER"; }), 422, "invalid-field",
        "Core.Id"
    );
    app::problem_of(
        with([](json::object& r) { r["Check"].at("all").at(0).as_object()["operator"] = "like"; }),
        422, "invalid-field", "Check.all[0]"
    );
    app::problem_of(
        with([](json::object& r) { r.erase("Sensitivity"); }), 422, "invalid-field", "Sensitivity"
    );
    app::problem_of(with([](json::object& r) { r["Extra"] = 1; }), 422, "invalid-field", "Extra");
    app::problem_of(ask("PUT", target, "{"), 400, "invalid-json");
    app::problem_of(ask("PUT", "/v1/studies/NONE/rules/R", text), 404, "not-found", "study");
    BOOST_TEST(app::get(port(), target).body == text);
}

BOOST_AUTO_TEST_SUITE_END()
