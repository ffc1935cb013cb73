// The pool as people see and change it: GET and PATCH /v1/pool, pause, resume, drain.
#include "client.hpp"
#include "durable/scratch_dir.hpp"
#include "local_server.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

namespace json = boost::json;

BOOST_AUTO_TEST_SUITE(pool)

namespace {

server::options with_limit(std::size_t limit, std::size_t queue, std::chrono::milliseconds task) {
    server::options to;
    to.limit = limit;
    to.queue_tasks = queue;
    to.task_duration = task;
    return to;
}

struct local {
    explicit local(const server::options& from = with_limit(2, 10, std::chrono::hours(1)))
        : server(edc::load_catalogue({}, std::nullopt).value(), data.path(), from) {}

    json::object state() { return app::object_of(app::get(server.port(), "/v1/pool")); }
    app::reply post(std::string_view target) { return app::post(server.port(), target); }
    app::reply patch(std::string_view body) {
        return app::client(server.port()).patch("/v1/pool", body);
    }
    template <typename Enough>
    json::object state_when(Enough enough) {
        json::object seen;
        app::ask_until(server.port(), "/v1/pool", [&](const app::reply& got) {
            seen = app::object_of(got);
            return enough(seen);
        });
        return seen;
    }

    testing::scratch_dir data;
    app::local_server server;
};

std::int64_t n(const json::object& of, std::string_view name) {
    return of.at(name).to_number<std::int64_t>();
}

std::string state_in(const app::reply& got) { return app::text_of(app::object_of(got), "state"); }

} // namespace

BOOST_AUTO_TEST_CASE(an_idle_pool_says_so) {
    local on;
    const auto got = app::get(on.server.port(), "/v1/pool");
    BOOST_TEST(got.status == 200);
    BOOST_TEST(got.header("Cache-Control") == "no-store");
    const auto state = app::object_of(got);
    std::vector<std::string> names;
    for (const auto& member : state)
        names.emplace_back(member.key());
    const std::vector<std::string> wanted{"time",          "state",
                                          "version",       "limit",
                                          "adaptive",      "queue_limit",
                                          "running",       "lent",
                                          "waiting",       "oldest_waiting_ms",
                                          "totals",        "refused_by_reason",
                                          "rates",         "queue_wait_ms",
                                          "service_ms",    "tenants",
                                          "running_tasks", "http"};
    BOOST_TEST(names == wanted, boost::test_tools::per_element());
    BOOST_TEST(app::text_of(state, "state") == "accepting");
    BOOST_TEST(app::text_of(state, "version") == COROGATE_VERSION);
    BOOST_TEST(app::text_of(state, "time").size() == 24u);
    BOOST_TEST(n(state, "limit") == 2);
    BOOST_TEST(n(state, "queue_limit") == 10);
    BOOST_TEST(state.at("adaptive") == json::value(false));
    BOOST_TEST(state.at("oldest_waiting_ms").is_null());
    BOOST_TEST(state.at("queue_wait_ms").at("p99").is_null());
    BOOST_TEST(state.at("refused_by_reason").as_object().empty());
    BOOST_TEST(state.at("tenants").as_array().empty());
    BOOST_TEST(n(state.at("http").as_object(), "requests") == 1);
}

BOOST_AUTO_TEST_CASE(what_waits_and_runs_is_told_by_tenant) {
    local on;
    on.post("/tasks?count=2&site=a");
    on.post("/tasks?count=6&site=b");
    const auto state = on.state_when([](const json::object& now) {
        return n(now, "running") == 2 && n(now, "waiting") == 6;
    });
    BOOST_TEST(!state.at("oldest_waiting_ms").is_null());
    const auto& tenants = state.at("tenants").as_array();
    BOOST_REQUIRE_EQUAL(tenants.size(), 2u);
    BOOST_TEST(tenants[0].at("tenant") == json::value("b"));
    BOOST_TEST(tenants[0].at("waiting") == json::value(6));
    BOOST_TEST(tenants[0].at("share") == json::value(0.75));
    BOOST_TEST(tenants[1].at("running") == json::value(2));
    const auto& running = state.at("running_tasks").as_array();
    BOOST_REQUIRE_EQUAL(running.size(), 2u);
    for (const auto& task : running) {
        BOOST_TEST(task.at("name") == json::value("tasks"));
        BOOST_TEST(task.at("tenant") == json::value("a"));
        BOOST_TEST(task.at("stuck") == json::value(false));
        BOOST_TEST(task.at("age_ms").to_number<double>() >= 0);
    }
    const auto& totals = state.at("totals").as_object();
    BOOST_TEST(n(totals, "accepted") == 8);
    BOOST_TEST(n(totals, "completed") == 0);
}

BOOST_AUTO_TEST_CASE(a_refusal_for_capacity_is_overload_for_a_while) {
    local on;
    on.post("/tasks?count=12");
    BOOST_TEST(on.post("/tasks?count=3").status == 503);
    BOOST_TEST(on.post("/tasks?count=13").status == 503); // never fits: no overload of its own
    const auto state = on.state_when([](const json::object& now) {
        return app::text_of(now, "state") == "overloaded";
    });
    const auto& reasons = state.at("refused_by_reason").as_object();
    BOOST_TEST(n(reasons, "queue_full") == 3);
    BOOST_TEST(n(reasons, "job_too_large") == 13);
    BOOST_TEST(reasons.size() == 2u);
    BOOST_TEST(n(state.at("totals").as_object(), "refused") == 16);
    on.state_when([](const json::object& now) { return app::text_of(now, "state") == "accepting"; }
    );
}

BOOST_AUTO_TEST_CASE(limit_and_queue_change_while_it_works) {
    local on;
    on.post("/tasks?count=8");
    const auto got = on.patch(R"({"limit": 5, "queue_tasks": 3})");
    BOOST_TEST(got.status == 200, got.body);
    auto state = app::object_of(got);
    BOOST_TEST(n(state, "limit") == 5);
    BOOST_TEST(n(state, "queue_limit") == 3);
    on.state_when([](const json::object& now) {
        return n(now, "running") == 5 && n(now, "waiting") == 3;
    });
    app::problem_of(on.post("/tasks"), 503, "queue-full");
    BOOST_TEST(on.patch(R"({"queue_tasks": 0})").status == 200);
    state = app::object_of(on.patch(R"({"limit": 8})"));
    BOOST_TEST(n(state, "limit") == 8);
    BOOST_TEST(n(state, "queue_limit") == 0);
}

BOOST_AUTO_TEST_CASE(a_change_that_makes_no_sense_changes_nothing) {
    local on;
    const std::pair<const char*, const char*> bad[] = {
        {R"({"limit": 0})", "limit"},
        {R"({"limit": -1})", "limit"},
        {R"({"limit": 1.5})", "limit"},
        {R"({"limit": 5e0})", "limit"},
        {R"({"limit": 1073741824})", "limit"},
        {R"({"limit": "many"})", "limit"},
        {R"({"limit": null})", "limit"},
        {R"({"limit": "adaptive"})", "limit"}, // started with a fixed one
        {R"({"queue_tasks": -1})", "queue_tasks"},
        {R"({"queue_tasks": "1"})", "queue_tasks"},
        {R"({"queue_tasks": 5, "limit": 0})", "limit"},
        {R"({"limit": 5, "queue_time": 3})", "queue_time"},
        {R"({})", "limit"},
    };
    for (const auto& [body, field] : bad) {
        BOOST_TEST_CONTEXT(body)
        app::problem_of(on.patch(body), 422, "invalid-field", field);
    }
    BOOST_TEST(on.patch("[]").status == 400);
    BOOST_TEST(on.patch("{").status == 400);
    const auto state = on.state();
    BOOST_TEST(n(state, "limit") == 2);
    BOOST_TEST(n(state, "queue_limit") == 10);
}

BOOST_AUTO_TEST_CASE(a_limit_that_finds_itself_can_be_held_and_let_go) {
    auto options = with_limit(64, 100, std::chrono::milliseconds(1));
    options.adaptive = true;
    local on(options);
    BOOST_TEST(on.state().at("adaptive") == json::value(true));
    auto state = app::object_of(on.patch(R"({"limit": 3})"));
    BOOST_TEST(state.at("adaptive") == json::value(false));
    BOOST_TEST(n(state, "limit") == 3);
    state = app::object_of(on.patch(R"({"limit": "adaptive"})"));
    BOOST_TEST(state.at("adaptive") == json::value(true));
}

BOOST_AUTO_TEST_CASE(a_pause_starts_nothing_and_takes_everything) {
    local on(with_limit(2, 10, std::chrono::milliseconds(1)));
    auto got = on.post("/v1/pool/pause");
    BOOST_TEST(got.status == 200);
    BOOST_TEST(state_in(got) == "paused");
    BOOST_TEST(on.post("/tasks?count=4").status == 200);
    BOOST_TEST(n(on.state(), "waiting") == 4);
    BOOST_TEST(app::get(on.server.port(), "/readyz").status == 200);
    got = on.post("/v1/pool/resume");
    BOOST_TEST(got.status == 200);
    on.state_when([](const json::object& now) {
        return n(now.at("totals").as_object(), "completed") == 4;
    });
    BOOST_TEST(app::text_of(on.state(), "state") == "accepting");
    BOOST_TEST(on.post("/v1/pool/resume").status == 200); // again: no effect
}

BOOST_AUTO_TEST_CASE(a_drain_by_hand_finishes_what_was_admitted_and_can_be_taken_back) {
    local on(with_limit(2, 100, std::chrono::milliseconds(1)));
    BOOST_TEST(on.post("/v1/pool/pause").status == 200);
    BOOST_TEST(on.post("/tasks?count=50").status == 200);
    auto got = on.post("/v1/pool/drain"); // which ends the pause
    BOOST_TEST(got.status == 202);
    app::problem_of(on.post("/tasks"), 503, "draining");
    BOOST_TEST(app::get(on.server.port(), "/readyz").status == 503);
    BOOST_TEST(on.post("/v1/pool/drain").status == 202); // again: no effect
    const auto state = on.state_when([](const json::object& now) {
        return app::text_of(now, "state") == "stopped";
    });
    BOOST_TEST(n(state.at("totals").as_object(), "completed") == 50);
    app::ask_until(on.server.port(), "/livez", [&](const app::reply&) {
        return on.post("/v1/pool/resume").status == 200;
    });
    BOOST_TEST(app::text_of(on.state(), "state") == "accepting");
    BOOST_TEST(app::get(on.server.port(), "/readyz").status == 200);
    BOOST_TEST(on.post("/tasks").status == 200);
}

BOOST_AUTO_TEST_CASE(a_drain_under_way_is_not_taken_back) {
    local on;
    BOOST_TEST(on.post("/tasks?count=1").status == 200); // runs for an hour
    BOOST_TEST(state_in(on.post("/v1/pool/drain")) == "draining");
    const auto no = on.post("/v1/pool/resume");
    app::problem_of(no, 409, "draining");
    BOOST_TEST(app::text_of(on.state(), "state") == "draining");
}

BOOST_AUTO_TEST_CASE(other_pages_change_nothing) {
    local on;
    for (const char* target : {"/v1/pool/pause", "/v1/pool/drain"})
        app::problem_of(
            app::post(on.server.port(), target, {}, "Origin: http://evil.example\r\n"), 403,
            "cross-origin"
        );
    BOOST_TEST(app::text_of(on.state(), "state") == "accepting");
}

BOOST_AUTO_TEST_SUITE_END()
