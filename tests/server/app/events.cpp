// Server-sent events: of the whole pool, and of one job, as a client reads them.
#include "client.hpp"
#include "durable/scratch_dir.hpp"
#include "http/sse.hpp"
#include "local_server.hpp"

#include <boost/test/unit_test.hpp>
#include <deque>
#include <string>

namespace json = boost::json;
using sse::told;

BOOST_AUTO_TEST_SUITE(events)

namespace {

/// A client that follows a stream.
class follower {
public:
    follower(std::uint16_t port, std::string_view target, std::string_view last_id = {})
        : wire_(port) {
        std::string head = "GET " + std::string(target) +
                           " HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n";
        if (!last_id.empty())
            head += "Last-Event-ID: " + std::string(last_id) + "\r\n";
        wire_.send(head + "\r\n");
        got_ = wire_.read(true);
    }

    const app::reply& answer() const { return got_; }

    /// The next event; name empty where the stream has ended.
    told next() {
        while (events_.empty() && !ended_) {
            const auto chunk = wire_.read_chunk();
            ended_ = chunk.empty();
            text_ += chunk;
            const auto read = sse::read(text_);
            if (read.retry >= 0)
                retry = read.retry;
            events_.assign(
                read.events.begin() + static_cast<std::ptrdiff_t>(taken_), read.events.end()
            );
            taken_ = read.events.size();
        }
        if (events_.empty())
            return {};
        auto one = events_.front();
        events_.pop_front();
        return one;
    }
    told next(std::string_view name) {
        for (;;) {
            auto one = next();
            if (one.name == name || one.name.empty())
                return one;
        }
    }

    long retry = -1;

private:
    raw_client wire_;
    app::reply got_;
    std::string text_;
    std::size_t taken_ = 0;
    std::deque<told> events_;
    bool ended_ = false;
};

json::object value_of(const told& of) { return json::parse(of.data).as_object(); }

struct local {
    explicit local(std::size_t limit = 2)
        : server(edc::load_catalogue({}, std::nullopt).value(), data.path(), options(limit)) {}

    static server::options options(std::size_t limit) {
        server::options to;
        to.limit = limit;
        to.queue_tasks = 10;
        to.task_duration = std::chrono::hours(1);
        return to;
    }
    std::uint16_t port() const { return server.port(); }
    std::string analyse() {
        const auto got =
            app::post(port(), "/v1/analyses", R"({"study": "DEMO", "kind": "site-kri"})");
        BOOST_REQUIRE_EQUAL(got.status, 202);
        return app::text_of(app::object_of(got), "id");
    }

    testing::scratch_dir data;
    app::local_server server;
};

} // namespace

BOOST_AUTO_TEST_CASE(a_stream_of_the_pool_has_the_past_then_the_present) {
    local on;
    follower one(on.port(), "/v1/events");
    BOOST_TEST(one.answer().status == 200);
    BOOST_TEST(one.answer().header("Content-Type") == "text/event-stream");
    BOOST_TEST(one.answer().header("Cache-Control") == "no-store");
    BOOST_TEST(one.answer().header("X-Accel-Buffering") == "no");
    const auto history = one.next();
    BOOST_TEST(one.retry == 2000);
    BOOST_TEST(history.name == "history");
    const auto columns = value_of(history);
    const auto points = columns.at("time").as_array().size();
    BOOST_TEST(points >= 1u);
    for (const auto& column : columns)
        BOOST_TEST(column.value().as_array().size() == points, column.key());
    const auto first = one.next();
    BOOST_TEST(first.name == "state");
    BOOST_TEST(app::text_of(value_of(first), "state") == "accepting");
    const auto second = one.next(); // by itself
    BOOST_TEST(second.name == "state");
    BOOST_TEST(std::stoull(second.id) > std::stoull(first.id));
}

BOOST_AUTO_TEST_CASE(a_change_of_the_limit_is_in_the_next_state) {
    local on;
    follower one(on.port(), "/v1/events");
    BOOST_TEST(value_of(one.next("state")).at("limit") == json::value(2));
    const auto got = app::client(on.port()).patch("/v1/pool", R"({"limit": 7})");
    BOOST_TEST(got.status == 200);
    one.next("state"); // may have been on its way
    BOOST_TEST(value_of(one.next("state")).at("limit") == json::value(7));
}

BOOST_AUTO_TEST_CASE(jobs_tell_what_becomes_of_them) {
    local on;
    follower all(on.port(), "/v1/events");
    const auto id = on.analyse();
    std::string states;
    while (states.find("succeeded") == std::string::npos) {
        const auto job = value_of(all.next("job"));
        BOOST_REQUIRE(app::text_of(job, "id") == id);
        states += app::text_of(job, "state") + " ";
    }
    BOOST_TEST(states.starts_with("queued running "), states);

    // What is told last is what is there.
    follower late(on.port(), "/v1/jobs/" + id + "/events");
    const auto only = late.next();
    BOOST_TEST(only.name == "job");
    BOOST_TEST(app::text_of(value_of(only), "state") == "succeeded");
    BOOST_TEST(value_of(only) == app::object_of(app::get(on.port(), "/v1/jobs/" + id)));
    BOOST_TEST(late.next().name == ""); // the end
    // Also to who has seen it.
    follower again(on.port(), "/v1/jobs/" + id + "/events", only.id);
    BOOST_TEST(app::text_of(value_of(again.next()), "state") == "succeeded");
    BOOST_TEST(again.next().name == "");
    app::problem_of(app::get(on.port(), "/v1/jobs/none/events"), 404, "not-found");
}

BOOST_AUTO_TEST_CASE(a_stream_of_one_job_ends_with_it) {
    local on;
    BOOST_TEST(app::post(on.port(), "/v1/pool/pause").status == 200);
    const auto id = on.analyse();
    const auto other = on.analyse();
    follower one(on.port(), "/v1/jobs/" + id + "/events");
    BOOST_TEST(app::text_of(value_of(one.next()), "state") == "queued");
    BOOST_TEST(app::post(on.port(), "/v1/jobs/" + other + "/cancel").status == 200);
    BOOST_TEST(app::post(on.port(), "/v1/pool/resume").status == 200);
    std::string last;
    for (auto job = one.next(); !job.name.empty(); job = one.next()) {
        BOOST_TEST(job.name == "job");
        BOOST_TEST(app::text_of(value_of(job), "id") == id);
        last = app::text_of(value_of(job), "state");
    }
    BOOST_TEST(last == "succeeded");
    BOOST_TEST(on.server.service().events().streams() == 0u);
}

BOOST_AUTO_TEST_CASE(who_comes_back_hears_of_the_jobs_he_missed) {
    local on;
    std::string last;
    {
        follower one(on.port(), "/v1/events");
        last = one.next("state").id;
    }
    const auto id = on.analyse();
    app::ask_until(on.port(), "/v1/jobs/" + id, [](const app::reply& got) {
        return app::text_of(app::object_of(got), "state") == "succeeded";
    });
    follower back(on.port(), "/v1/events", last);
    const auto first = back.next("job");
    BOOST_TEST(app::text_of(value_of(first), "state") == "queued");
    BOOST_TEST(app::text_of(value_of(back.next("job")), "state") == "running");
    follower unknown(on.port(), "/v1/events", "12"); // of an earlier process, say
    BOOST_TEST(unknown.next().name == "history");
}

BOOST_AUTO_TEST_CASE(there_are_64_streams_at_most) {
    local on;
    std::deque<follower> many;
    for (int i = 0; i < 64; ++i) {
        many.emplace_back(on.port(), "/v1/events");
        BOOST_REQUIRE_EQUAL(many.back().answer().status, 200);
    }
    const auto no = app::get(on.port(), "/v1/events");
    app::problem_of(no, 503, "too-many-streams");
    many.clear();
    // It shows that they are gone when they are written to.
    app::ask_until(on.port(), "/v1/pool", [&](const app::reply&) {
        return on.server.service().events().streams() == 0;
    });
    BOOST_TEST(follower(on.port(), "/v1/events").answer().status == 200);
}

BOOST_AUTO_TEST_CASE(a_drain_by_hand_is_watched_to_its_end) {
    local on;
    BOOST_TEST(app::post(on.port(), "/tasks?count=1").status == 200);
    follower one(on.port(), "/v1/events");
    one.next("state");
    BOOST_TEST(app::post(on.port(), "/v1/pool/drain").status == 202);
    one.next("state");
    BOOST_TEST(app::text_of(value_of(one.next("state")), "state") == "draining");
}

BOOST_AUTO_TEST_CASE(a_process_that_ends_says_so_and_ends_its_streams) {
    testing::scratch_dir data;
    app::server_process server(data.path(), {"--task-duration", "10ms"});
    follower one(server.port(), "/v1/events");
    one.next("state");
    server.signal(SIGTERM);
    std::string last;
    auto heard = one.next();
    for (; heard.name != "reconnect" && !heard.name.empty(); heard = one.next())
        if (heard.name == "state")
            last = app::text_of(value_of(heard), "state");
    BOOST_TEST(heard.name == "reconnect");
    BOOST_TEST((last == "draining" || last == "stopped"), last);
    BOOST_TEST(one.retry >= 1000);
    BOOST_TEST(one.retry <= 5000);
    BOOST_TEST(one.next().name == "");
    BOOST_TEST(server.wait() == 0);
}

BOOST_AUTO_TEST_SUITE_END()
