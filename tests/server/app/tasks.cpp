// POST /tasks on the real program: what fits, what does not, and how many run.
#include "client.hpp"
#include "durable/scratch_dir.hpp"
#include "process.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <string>

BOOST_AUTO_TEST_SUITE(tasks)

namespace {

constexpr const char* accepted_total = "corogate_tasks_accepted_total";
constexpr const char* completed_total = "corogate_tasks_total{outcome=\"completed\"}";

/// The server: 5 run, 100 wait, and none ends while a test looks.
struct five_and_hundred {
    testing::scratch_dir data;
    app::server_process server{
        data.path(), {"--limit", "5", "--queue", "100", "--task-duration", "1h"}
    };

    app::reply ask(const std::string& target) { return app::post(server.port(), target); }
    std::uint64_t metric(const char* series) {
        return app::metric(app::get(server.port(), "/metrics").body, series);
    }
};

void accepts(const app::reply& got, const std::string& message) {
    BOOST_TEST(got.status == 200, got.body);
    BOOST_TEST(got.header("Content-Type") == "application/json");
    BOOST_TEST(got.body == "{\"message\":\"" + message + "\"}");
}

} // namespace

BOOST_FIXTURE_TEST_CASE(
    an_idle_server_takes_its_whole_capacity_and_not_one_more, five_and_hundred
) {
    const auto over = app::problem_of(ask("/tasks?count=106"), 503, "job-too-large");
    BOOST_TEST(over.at("retryable") == boost::json::value(false));
    BOOST_TEST(over.at("executed") == boost::json::value(false));
    BOOST_TEST(metric(accepted_total) == 0U);

    accepts(ask("/tasks?count=105"), "105 tasks submitted successfully");
    const auto busy = app::ask_until(server.port(), "/metrics", [](const app::reply& got) {
        return app::metric(got.body, "corogate_running_tasks") == 5;
    });
    BOOST_TEST(app::metric(busy.body, "corogate_waiting_tasks") == 100U);
    BOOST_TEST(app::metric(busy.body, "corogate_running_tasks_peak") == 5U);
    BOOST_TEST(app::metric(busy.body, "corogate_limit_tasks") == 5U);
    BOOST_TEST(app::metric(busy.body, "corogate_queue_limit_tasks") == 100U);

    for (const char* target : {"/tasks", "/tasks?count=1", "/tasks?count=105"}) {
        const auto full = app::problem_of(ask(target), 503, "queue-full");
        BOOST_TEST(full.at("retryable") == boost::json::value(true));
        BOOST_TEST(full.at("executed") == boost::json::value(false));
    }
    // Too large stays too large, and a saturated pool does not hinder the rest.
    app::problem_of(ask("/tasks?count=106"), 503, "job-too-large");
    BOOST_TEST(app::get(server.port(), "/livez").status == 200);
    BOOST_TEST(app::get(server.port(), "/readyz").status == 200);
    BOOST_TEST(metric(accepted_total) == 105U);
    BOOST_TEST(
        metric("corogate_jobs_total{kind=\"tasks\",outcome=\"refused\",reason=\"queue-full\"}") ==
        3U
    );
    BOOST_TEST(
        metric("corogate_jobs_total{kind=\"tasks\",outcome=\"refused\",reason=\"job-too-large\"}"
        ) == 2U
    );
}

BOOST_FIXTURE_TEST_CASE(all_or_nothing, five_and_hundred) {
    accepts(ask("/tasks?count=100"), "100 tasks submitted successfully");
    app::problem_of(ask("/tasks?count=6"), 503, "queue-full");
    BOOST_TEST(metric(accepted_total) == 100U);
    accepts(ask("/tasks?count=4"), "4 tasks submitted successfully");
    accepts(ask("/tasks"), "1 tasks submitted successfully");
    app::problem_of(ask("/tasks"), 503, "queue-full");
    BOOST_TEST(metric(accepted_total) == 105U);
}

BOOST_FIXTURE_TEST_CASE(the_count_is_an_integer_from_1_to_a_million, five_and_hundred) {
    for (const char* bad :
         {"0", "-1", "1000001", "abc", "1.5", "", "1%20", "%201", "+1", "1e3", "0x1", "1,2", "1;",
          "99999999999999999999999", "-0", "%EF%BC%91"}) {
        const auto got = ask(std::string("/tasks?count=") + bad);
        BOOST_TEST_CONTEXT("count=" << bad)
        app::problem_of(got, 400, "invalid-query", "count");
    }
    BOOST_TEST(metric("corogate_tasks_submitted_total") == 0U);
    // In the allowed range, so it is understood; here it never fits.
    app::problem_of(ask("/tasks?count=1000000"), 503, "job-too-large");
    accepts(ask("/tasks?count=1"), "1 tasks submitted successfully");
    accepts(ask("/tasks"), "1 tasks submitted successfully");
}

BOOST_AUTO_TEST_CASE(a_million_at_once) {
    testing::scratch_dir data;
    app::server_process server(
        data.path(), {"--limit", "64", "--queue", "1000000", "--task-duration", "1h"}
    );
    accepts(
        app::post(server.port(), "/tasks?count=1000000"), "1000000 tasks submitted successfully"
    );
    const auto got = app::get(server.port(), "/metrics");
    BOOST_TEST(app::metric(got.body, accepted_total) == 1'000'000U);
    BOOST_TEST(app::metric(got.body, "corogate_running_tasks_peak") <= 64U);
}

BOOST_AUTO_TEST_CASE(never_more_than_the_limit_run_and_all_of_them_do) {
    testing::scratch_dir data;
    app::server_process server(
        data.path(), {"--limit", "5", "--queue", "100", "--task-duration", "10ms"}
    );
    accepts(app::post(server.port(), "/tasks?count=105"), "105 tasks submitted successfully");
    std::uint64_t most = 0;
    const auto done = app::ask_until(server.port(), "/metrics", [&](const app::reply& got) {
        most = std::max(most, app::metric(got.body, "corogate_running_tasks"));
        return app::metric(got.body, completed_total) == 105;
    });
    BOOST_TEST(most >= 1U);
    BOOST_TEST(most <= 5U);
    BOOST_TEST(app::metric(done.body, "corogate_running_tasks_peak") == 5U);
    BOOST_TEST(app::metric(done.body, "corogate_running_tasks") == 0U);
    BOOST_TEST(app::metric(done.body, "corogate_waiting_tasks") == 0U);
    // The whole capacity is free again.
    accepts(app::post(server.port(), "/tasks?count=105"), "105 tasks submitted successfully");
}

BOOST_FIXTURE_TEST_CASE(other_pages_and_other_methods_start_nothing, five_and_hundred) {
    const auto port = std::to_string(server.port());
    app::problem_of(
        app::post(server.port(), "/tasks", {}, "Origin: http://evil.example\r\n"), 403,
        "cross-origin"
    );
    app::problem_of(
        app::post(server.port(), "/tasks", {}, "Sec-Fetch-Site: cross-site\r\n"), 403, "cross-site"
    );
    const auto fields = "Origin: http://127.0.0.1:" + port + "\r\n";
    accepts(app::post(server.port(), "/tasks", {}, fields), "1 tasks submitted successfully");
    raw_client rebound(server.port());
    app::problem_of(
        rebound.ask(
            "POST /tasks HTTP/1.1\r\nHost: evil.example:" + port + "\r\nContent-Length: 0\r\n\r\n"
        ),
        403, "host-not-allowed"
    );
    const auto wrong = app::get(server.port(), "/tasks");
    app::problem_of(wrong, 405, "method-not-allowed");
    BOOST_TEST(wrong.header("Allow").find("POST") != std::string::npos);
    app::problem_of(app::post(server.port(), "/task"), 404, "not-found");
    app::problem_of(app::post(server.port(), "/tasks", "a body"), 413, "body-too-large");
    BOOST_TEST(metric(accepted_total) == 1U);
}

// ---- whose work, and until when ----

BOOST_AUTO_TEST_CASE(with_wait_the_answer_comes_when_the_tasks_have_ended) {
    testing::scratch_dir data;
    app::server_process server(data.path(), {"--limit", "5", "--task-duration", "1ms"});
    accepts(app::post(server.port(), "/tasks?count=24&wait=1&site=a"), "24 tasks completed");
    const auto got = app::get(server.port(), "/metrics");
    BOOST_TEST(app::metric(got.body, completed_total) == 24U);
    BOOST_TEST(app::metric(got.body, "corogate_tenants") <= 1U);
}

BOOST_FIXTURE_TEST_CASE(who_holds_most_gives_way_and_is_told_so, five_and_hundred) {
    accepts(ask("/tasks?count=5"), "5 tasks submitted successfully"); // run for an hour
    const auto waiting = [this](std::uint64_t n) {
        app::ask_until(server.port(), "/metrics", [n](const app::reply& got) {
            return app::metric(got.body, "corogate_waiting_tasks") == n;
        });
    };
    app::client first(server.port());
    app::client second(server.port());
    first.wire().send(first.post_head("/tasks?count=40&wait=1&site=large", 0));
    waiting(40);
    second.wire().send(second.post_head("/tasks?count=60&wait=1&site=large", 0));
    waiting(100);
    // His own newer work does not displace his older.
    app::problem_of(ask("/tasks?count=1&wait=1&site=large"), 503, "queue-full");
    app::client other(server.port());
    other.wire().send(other.post_head("/tasks?count=10&wait=1&site=small", 0));
    const auto gone = second.wire().read();
    const auto no = app::problem_of(gone, 429, "displaced");
    BOOST_TEST(!gone.header("Retry-After").empty());
    BOOST_TEST(no.at("executed") == boost::json::value(false));
    waiting(50);
    BOOST_TEST(metric("corogate_tasks_total{outcome=\"displaced\"}") == 60U);
    BOOST_TEST(metric("corogate_tenants") == 2U);
}

BOOST_FIXTURE_TEST_CASE(work_that_its_client_gives_little_time_ends_in_time, five_and_hundred) {
    accepts(ask("/tasks?count=5"), "5 tasks submitted successfully");
    for (const char* given :
         {"X-Request-Timeout-Ms: 60\r\n", "grpc-timeout: 60m\r\n",
          "x-envoy-expected-rq-timeout-ms: 1\r\n"}) { // at least 50 ms
        const auto late = app::post(server.port(), "/tasks?count=3&wait=1", {}, given);
        BOOST_TEST(late.status == 504, late.body);
        BOOST_TEST(app::text_of(app::object_of(late), "reason") == "deadline-exceeded");
    }
    BOOST_TEST(metric("corogate_tasks_total{outcome=\"expired\"}") == 9U);
    BOOST_TEST(metric("corogate_waiting_tasks") == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
