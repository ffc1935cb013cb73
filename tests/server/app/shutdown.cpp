// How the program ends: drained, out of time, told twice, killed; and what is there afterwards.
#include "client.hpp"
#include "durable/scratch_dir.hpp"
#include "findings.hpp"
#include "process.hpp"

#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <exception>
#include <iostream>
#include <map>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

namespace json = boost::json;

BOOST_AUTO_TEST_SUITE(shutdown_tests) // `shutdown` is a function of the system

namespace {

constexpr const char* save_vs = "/v1/forms?study=DEMO&form=VS&site=";
constexpr std::size_t rules_of_vs = 5;
constexpr const char* an_analysis = R"({"study":"DEMO","kind":"site-kri"})";

const std::vector<std::string> none;

/// What one client was answered.
struct tally {
    std::map<std::string, json::value> forms; // findings by id
    std::vector<std::string> jobs;            // where to ask for them
    std::uint64_t tasks = 0;
    std::uint64_t refused = 0;
    bool told_draining = false;
    std::vector<std::string> wrong;
};

/// Clients that save forms, submit tasks and ask for analyses until the server drains or dies.
class load {
public:
    explicit load(std::uint16_t port)
        : tallies_(clients)
        , body_(app::demo_study::sample("vs")) {
        for (std::size_t i = 0; i < clients; ++i)
            threads_.emplace_back([this, port, i] { work(port, i, tallies_[i]); });
    }

    /// Waits until `count` more requests were accepted.
    void accepted(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i)
            if (!accepted_.try_acquire_for(app::longest_wait))
                throw std::runtime_error("the server accepts nothing more");
    }

    /// Waits until `count` more forms were saved.
    void saved(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i)
            if (!saved_.try_acquire_for(app::longest_wait))
                throw std::runtime_error("the server saves nothing more");
    }

    /// From now on a broken connection is no surprise.
    void about_to_kill() { killed_ = true; }

    /// All that was answered, when every client has ended.
    tally join() {
        for (auto& thread : threads_)
            thread.join();
        tally all;
        all.told_draining = true;
        for (auto& one : tallies_) {
            all.forms.merge(one.forms);
            all.jobs.insert(all.jobs.end(), one.jobs.begin(), one.jobs.end());
            all.tasks += one.tasks;
            all.refused += one.refused;
            all.told_draining = all.told_draining && one.told_draining;
            all.wrong.insert(all.wrong.end(), one.wrong.begin(), one.wrong.end());
        }
        return all;
    }

private:
    static constexpr std::size_t clients = 6;

    void work(std::uint16_t port, std::size_t which, tally& to) {
        try {
            app::client one(port);
            while (ask(one, which, to)) {
            }
        } catch (const std::exception& e) {
            if (!killed_)
                to.wrong.emplace_back(e.what());
        }
    }

    /// One request; false where it was the last.
    bool ask(app::client& one, std::size_t which, tally& to) {
        app::reply got;
        switch (which) {
        case 0:
        case 1:
            got = one.post("/tasks?count=3");
            break;
        case 2:
            got = one.post("/v1/analyses", an_analysis);
            break;
        default:
            got = one.post(save_vs + std::to_string(which), body_);
        }
        if (got.status == 503 || got.status == 429) {
            const auto reason = app::text_of(app::object_of(got), "reason");
            const bool later = reason == "queue-full" || reason == "fair-share-exceeded";
            to.told_draining = reason == "draining";
            to.refused += later;
            if (reason != "draining" && !later)
                to.wrong.push_back(got.body);
            return later;
        }
        if (got.status == 202) {
            to.jobs.push_back(got.header("Location"));
        } else if (got.status == 200 && which < 2) {
            to.tasks += 3;
        } else if (got.status == 200) {
            auto form = app::object_of(got);
            to.forms[app::text_of(form, "id")] = form.at("findings");
            saved_.release();
        } else {
            if (got.status != 0 || !killed_)
                to.wrong.push_back("status " + std::to_string(got.status) + ": " + got.body);
            return false;
        }
        accepted_.release();
        return true;
    }

    std::vector<tally> tallies_;
    const std::string body_;
    std::counting_semaphore<> accepted_{0};
    std::counting_semaphore<> saved_{0};
    std::atomic<bool> killed_{false};
    std::vector<std::thread> threads_;
};

/// A save that is admitted and whose body the server waits for: the drain waits with it.
class held_save {
public:
    explicit held_save(std::uint16_t port)
        : client_(port)
        , body_(app::demo_study::sample("vs")) {
        client_.wire().send(client_.post_head(
            save_vs + std::string("held"), body_.size(), "Expect: 100-continue\r\n"
        ));
        BOOST_REQUIRE(client_.wire().read().status == 100);
    }
    app::reply finish() { return client_.wire().ask(body_); }

private:
    app::client client_;
    std::string body_;
};

/// Every answered form is there, with the findings that were answered.
std::size_t missing_forms(std::uint16_t port, const std::map<std::string, json::value>& answered) {
    app::client one(port);
    std::size_t missing = 0;
    for (const auto& [id, findings] : answered) {
        const auto got = one.get("/v1/forms/" + id);
        const bool there = got.status == 200 && app::object_of(got).at("findings") == findings;
        if (!there)
            BOOST_TEST_MESSAGE("form " << id << ": " << got.status << ' ' << got.body);
        missing += !there;
    }
    return missing;
}

std::size_t count_lines(const std::string& text, std::string_view with) {
    std::size_t count = 0;
    for (auto at = text.find(with); at != std::string::npos; at = text.find(with, at + 1))
        ++count;
    return count;
}

} // namespace

// ---- drained ----

BOOST_AUTO_TEST_CASE(a_drain_under_load_loses_nothing) {
    testing::scratch_dir data;
    app::server_process server(
        data.path(), {"--limit", "8", "--queue", "64", "--threads", "2", "--task-duration", "20ms"}
    );
    held_save held(server.port()); // so that the drain lasts as long as this test looks at it
    load clients(server.port());
    clients.accepted(150);
    clients.saved(10);
    server.signal(SIGTERM);
    server.line_with("draining");
    auto answered = clients.join();
    BOOST_TEST(answered.wrong == none, boost::test_tools::per_element());
    BOOST_TEST(answered.told_draining); // each of them, on the open connection

    // The listener is open: new connections are told so too, work is refused, questions are not.
    const auto ready = app::get(server.port(), "/readyz");
    BOOST_TEST(ready.status == 503);
    BOOST_TEST(ready.body == "draining\n");
    BOOST_TEST(app::get(server.port(), "/livez").status == 200);
    const auto vs = app::demo_study::sample("vs");
    for (const auto& no :
         {app::post(server.port(), "/tasks"), app::post(server.port(), "/v1/analyses", an_analysis),
          app::post(server.port(), save_vs + std::string("new"), vs)})
        app::problem_of(no, 503, "draining");
    BOOST_TEST(missing_forms(server.port(), answered.forms) == 0U);
    const auto metrics = app::get(server.port(), "/metrics").body;
    BOOST_TEST(app::metric(metrics, "corogate_ready") == 0U);
    BOOST_TEST(app::metric(metrics, "corogate_running_tasks_peak") <= 8U);

    const auto last = held.finish();
    BOOST_TEST(last.status == 200, last.body);
    answered.forms[app::text_of(app::object_of(last), "id")] = app::object_of(last).at("findings");
    BOOST_TEST(server.wait() == 0);
    const auto ran = answered.tasks + rules_of_vs * answered.forms.size() + answered.jobs.size();
    const auto line = server.line_with("in all");
    BOOST_TEST(
        line.ends_with("in all " + std::to_string(ran) + " completed, 0 failed"),
        line << "; accepted: " << ran
    );
    BOOST_TEST(server.errors() == "");
    std::cout << "drained: " << answered.tasks << " tasks, " << answered.forms.size() << " forms, "
              << answered.jobs.size() << " analyses accepted and done, " << answered.refused
              << " requests refused\n";

    // What was answered is there for the next one, and nothing is left to do.
    app::server_process next(data.path());
    BOOST_TEST(missing_forms(next.port(), answered.forms) == 0U);
    app::client one(next.port());
    for (const auto& job : answered.jobs)
        BOOST_TEST(app::text_of(app::object_of(one.get(job)), "state") == "succeeded", job);
    BOOST_TEST(next.end() == 0);
    BOOST_TEST(next.output().find("in all 0 completed, 0 failed") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_idle_server_ends_at_once_with_either_signal) {
    for (const int signal : {SIGTERM, SIGINT}) {
        testing::scratch_dir data;
        app::server_process server(data.path());
        app::client idle(server.port());
        BOOST_TEST(idle.get("/readyz").status == 200);
        server.signal(signal);
        BOOST_TEST(server.wait() == 0);
        BOOST_TEST(server.output().find("drained 0 tasks") != std::string::npos);
        BOOST_TEST(server.errors() == "");
        BOOST_TEST(idle.wire().closed());
    }
}

// ---- out of time ----

BOOST_AUTO_TEST_CASE(what_a_drain_has_no_time_for_is_listed) {
    testing::scratch_dir data;
    app::server_process server(
        data.path(),
        {"--limit", "2", "--queue", "20", "--task-duration", "1h", "--drain-timeout", "100ms"}
    );
    BOOST_TEST(app::post(server.port(), "/tasks?count=6").status == 200);
    app::ask_until(server.port(), "/metrics", [](const app::reply& got) {
        return app::metric(got.body, "corogate_running_tasks") == 2;
    });
    held_save held(server.port());
    BOOST_TEST(server.end() == 3);
    const auto said = server.errors();
    BOOST_TEST(said.find("abandoned: 4 tasks that were waiting\n") != std::string::npos, said);
    BOOST_TEST(said.find("abandoned: 2 tasks that were running\n") != std::string::npos, said);
    BOOST_TEST(said.find("abandoned: 5 places of requests") != std::string::npos, said);
    BOOST_TEST(server.output().find("in all 0 completed, 0 failed") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_save_and_an_analysis_that_are_abandoned_are_done_at_the_next_start) {
    testing::scratch_dir data;
    const app::demo_study demo;
    const auto vs = app::demo_study::sample("vs");
    app::server_process server(
        data.path(),
        {"--limit", "1", "--queue", "20", "--task-duration", "1h", "--drain-timeout", "100ms"}
    );
    BOOST_TEST(app::post(server.port(), "/tasks").status == 200);
    const auto job = app::post(server.port(), "/v1/analyses", an_analysis);
    BOOST_REQUIRE(job.status == 202);
    app::client saving(server.port());
    saving.wire().send(saving.post_head(save_vs + std::string("1"), vs.size()) + vs);
    app::ask_until(server.port(), "/metrics", [](const app::reply& got) {
        return app::metric(got.body, "corogate_waiting_tasks") == 1 + rules_of_vs;
    });
    server.signal(SIGTERM);
    // The form is on disk, its findings are not: no 200, and no silence either.
    const auto told = app::problem_of(saving.wire().read(), 503, "abandoned");
    const auto id = app::text_of(told, "id");
    BOOST_TEST(server.wait() == 3);
    const auto said = server.errors();
    BOOST_TEST(said.find("the checks of form " + id) != std::string::npos, said);
    BOOST_TEST(count_lines(said, "abandoned: site-kri job j-") == 1U, said);

    app::server_process next(data.path());
    const auto checked = [](const app::reply& got) {
        const auto state = app::text_of(app::object_of(got), "state");
        return state == "checked" || state == "succeeded";
    };
    const auto form = app::ask_until(next.port(), "/v1/forms/" + id, checked);
    BOOST_TEST(app::object_of(form).at("findings") == json::value(demo.judge("VS", vs).findings));
    app::ask_until(next.port(), job.header("Location"), checked);
    BOOST_TEST(next.end() == 0);
}

// ---- told twice ----

BOOST_AUTO_TEST_CASE(a_second_signal_ends_it_with_128_and_its_number) {
    const struct {
        int first;
        int second;
        int status;
    } pairs[] = {{SIGTERM, SIGTERM, 143}, {SIGINT, SIGINT, 130}, {SIGTERM, SIGINT, 130}};
    for (const auto& [first, second, status] : pairs) {
        testing::scratch_dir data;
        app::server_process server(data.path(), {"--task-duration", "1h"});
        BOOST_TEST(app::post(server.port(), "/tasks").status == 200);
        server.signal(first);
        server.line_with("draining");
        server.signal(second);
        BOOST_TEST(server.wait() == status);
    }
}

// ---- does not start ----

namespace {

void refuses_to_start(const app::ended& of, std::string_view says) {
    BOOST_TEST(of.status == 2);
    BOOST_TEST(of.out == "");
    BOOST_TEST(of.err.starts_with("corogate-server: "), of.err);
    BOOST_TEST(of.err.find(says) != std::string::npos, of.err);
    BOOST_TEST(std::count(of.err.begin(), of.err.end(), '\n') == 1, of.err);
}

} // namespace

BOOST_AUTO_TEST_CASE(a_start_that_cannot_be_is_one_sentence_and_2) {
    testing::scratch_dir data, other;
    app::server_process server(data.path());
    const auto start = [](const std::filesystem::path& in, std::vector<std::string> more) {
        return app::run(app::server_process::command(in, std::move(more)));
    };
    const auto port = std::to_string(server.port());
    refuses_to_start(start(other.path(), {"--port", port}), "port " + port);
    refuses_to_start(start(other.path(), {"--monitor-port", port}), "port " + port);
    refuses_to_start(start(data.path(), {}), "use");
    refuses_to_start(start(data.path() / "corogate.db", {}), "corogate.db");
    refuses_to_start(start(other.path(), {"--study", (other / "gone").string()}), "gone");
    refuses_to_start(start(other.path(), {"--rules", (other / "gone").string()}), "gone");
    // The one that runs has noticed nothing.
    BOOST_TEST(app::get(server.port(), "/readyz").status == 200);
    BOOST_TEST(server.end() == 0);
}

// ---- killed ----

BOOST_AUTO_TEST_CASE(kill_9_loses_nothing_that_was_answered) {
    testing::scratch_dir data;
    std::map<std::string, json::value> forms;
    std::vector<std::string> jobs;
    const std::vector<std::string> options{"--limit",         "8",  "--queue", "64",
                                           "--task-duration", "1ms"};
    constexpr int rounds = 10;
    for (int round = 0; round < rounds; ++round) {
        app::server_process server(data.path(), options);
        BOOST_TEST(missing_forms(server.port(), forms) == 0U, "round " << round);
        load clients(server.port());
        clients.accepted(40);
        clients.saved(5);
        clients.about_to_kill();
        server.signal(SIGKILL);
        BOOST_TEST(server.wait() == -SIGKILL);
        auto answered = clients.join();
        BOOST_TEST(answered.wrong == none, boost::test_tools::per_element());
        BOOST_TEST(!answered.forms.empty());
        forms.merge(answered.forms);
        jobs.insert(jobs.end(), answered.jobs.begin(), answered.jobs.end());
    }
    app::server_process server(data.path(), options);
    BOOST_TEST(missing_forms(server.port(), forms) == 0U);
    for (const auto& job : jobs)
        app::ask_until(server.port(), job, [](const app::reply& got) {
            if (got.status != 200)
                throw std::runtime_error("a job that was answered is lost: " + got.body);
            return app::text_of(app::object_of(got), "state") == "succeeded";
        });
    BOOST_TEST(server.end() == 0);
    std::cout << rounds << " times killed: " << forms.size() << " forms and " << jobs.size()
              << " jobs answered, all there\n";
}

// ---- a port for monitoring ----

BOOST_AUTO_TEST_CASE(metrics_move_to_the_monitor_port) {
    testing::scratch_dir data;
    app::server_process server(
        data.path(), {"--monitor-port", "0", "--task-duration", "1h", "--drain-timeout", "1h"}
    );
    const auto monitor = server.monitor_port();
    BOOST_TEST(monitor != server.port());
    BOOST_TEST(app::get(server.port(), "/metrics").status == 404);
    const auto got = app::get(monitor, "/metrics");
    BOOST_TEST(got.status == 200);
    BOOST_TEST(got.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8");
    BOOST_TEST(app::metric(got.body, "corogate_ready") == 1U);
    BOOST_TEST(app::metric(got.body, "corogate_http_requests_total") == 1U); // of the main port
    for (const auto port : {server.port(), monitor}) {
        BOOST_TEST(app::get(port, "/livez").status == 200);
        BOOST_TEST(app::get(port, "/readyz").status == 200);
    }
    BOOST_TEST(app::post(monitor, "/tasks").status == 404);
    // It goes on answering while the server drains.
    BOOST_TEST(app::post(server.port(), "/tasks").status == 200);
    server.signal(SIGTERM);
    server.line_with("draining");
    const auto draining = app::get(monitor, "/metrics");
    BOOST_TEST(app::metric(draining.body, "corogate_ready") == 0U);
    BOOST_TEST(app::get(monitor, "/readyz").status == 503);
}

BOOST_AUTO_TEST_SUITE_END()
