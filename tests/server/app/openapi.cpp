// The OpenAPI document and the server say the same: every route is described and nothing else is,
// every status that is described is given at least once, and every answer fits its schema.
#include "openapi/routes.hpp"

#include "client.hpp"
#include "contract.hpp"
#include "durable/scratch_dir.hpp"
#include "findings.hpp"
#include "local_server.hpp"

#include <boost/test/unit_test.hpp>
#include <corogate/errc.hpp>
#include <corogate/http/access.hpp>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace http = corogate::http;
namespace json = boost::json;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(openapi)

namespace {

app::contract document() { return app::contract(server::openapi_document()); }

/// What can be part of a request, with what it needs where it has no more than that.
class question {
public:
    question(std::string operation, std::string target)
        : operation_(std::move(operation))
        , target_(std::move(target)) {}

    question& body(std::string text) { return body_ = std::move(text), *this; }
    question& type(std::string media) { return type_ = std::move(media), *this; }
    question& field(const std::string& line) { return fields_ += line + "\r\n", *this; }
    /// Announces a body of that size and sends none of it.
    question& announces(std::size_t octets) { return announced_ = octets, *this; }

    const std::string& operation() const { return operation_; }

    std::string text(std::uint16_t port) const {
        const auto method = operation_.substr(0, operation_.find(' '));
        std::string all = method + " " + target_ +
                          " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) + "\r\n" + fields_;
        if (method != "GET")
            all += "Content-Length: " + std::to_string(announced_ ? announced_ : body_.size()) +
                   "\r\n";
        if (!body_.empty() || announced_)
            all += "Content-Type: " + type_ + "\r\n";
        return all + "\r\n" + body_;
    }

private:
    std::string operation_;
    std::string target_;
    std::string body_;
    std::string type_ = "application/json";
    std::string fields_;
    std::size_t announced_ = 0;
};

/// A server of the demo study, and what it answers, noted.
class witness {
public:
    explicit witness(
        app::contract& notes, const server::options& from = {},
        const http::server_options& wire = {}
    )
        : notes_(notes)
        , server_(edc::load_catalogue({}, std::nullopt).value(), data_.path(), from, wire) {}

    app::reply ask(const question& of, int status) {
        raw_client wire(server_.port());
        return read(wire, of, status);
    }

    app::reply ask(const question& of) {
        auto got = raw_client(server_.port()).ask(of.text(server_.port()));
        notes_.saw(of.operation(), got);
        return got;
    }

    /// Sends and leaves the answer for later.
    std::unique_ptr<raw_client> send(const question& of) {
        auto wire = std::make_unique<raw_client>(server_.port());
        wire->send(of.text(server_.port()));
        return wire;
    }

    app::reply read(raw_client& from, const question& of, int status) {
        auto got = from.ask(of.text(server_.port()));
        note(of, got, status);
        return got;
    }

    void note(const question& of, const app::reply& got, int status) {
        BOOST_TEST(
            got.status == status, of.operation()
                                      << " was to answer " << status << ": " << got.head << got.body
        );
        notes_.saw(of.operation(), got);
    }

    /// What is no operation.
    void send_raw(const std::string& octets, int status) {
        const auto got = raw_client(server_.port()).ask(octets);
        BOOST_TEST(got.status == status, octets.substr(0, 60) << ": " << got.head << got.body);
        notes_.saw_elsewhere(got);
    }

    std::uint16_t port() const { return server_.port(); }
    app::local_server& local() { return server_; }
    app::contract& notes() { return notes_; }

private:
    testing::scratch_dir data_;
    app::contract& notes_;
    app::local_server server_;
};

std::string replace(std::string in, std::string_view what, std::string_view by) {
    if (const auto at = in.find(what); at != std::string::npos)
        in.replace(at, what.size(), by);
    return in;
}

/// The path of an operation, with something in place of its names.
std::string path_of(const std::string& operation, std::string_view study = "DEMO") {
    auto path = operation.substr(operation.find(' ') + 1);
    for (const auto* name : {"{id}", "{rule}", "{name}"})
        path = replace(path, name, "none");
    return replace(path, "{study}", study);
}

const std::string save_target = "/v1/forms?study=DEMO&form=VS&site=01";
const std::string analysis = R"({"study":"DEMO","kind":"site-kri"})";

question save() {
    return question("POST /v1/forms", save_target).body(app::demo_study::sample("vs"));
}
question analyse() { return question("POST /v1/analyses", "/v1/analyses").body(analysis); }

std::string id_of(const app::reply& from) { return app::text_of(app::object_of(from), "id"); }

std::string rule_text(std::string_view id) {
    return replace(edc::demo_files().read("rules/DEMO-005/rule.json").value(), "DEMO-005", id);
}

// ---- what every operation has in common ----

void malformed_targets(witness& of) {
    for (const auto& name : of.notes().operations())
        of.ask(question(name, path_of(name) + "?a=%zz"), 400);
}

void things_that_are_not_there(witness& of) {
    for (const auto& name : of.notes().operations()) {
        if (!of.notes().describes(name, 404) || name.find('{') == std::string::npos)
            continue;
        question asked(name, path_of(name, "NONE"));
        if (name.starts_with("PUT"))
            asked.body(rule_text("none"));
        of.ask(asked, 404);
    }
}

void pages(witness& of) {
    for (const auto& [name, target] : std::vector<std::pair<std::string, std::string>>{
             {"GET /", "/"},
             {"GET /assets/{name}", "/assets/app.js"},
             {"GET /assets/{name}", "/assets/app.css"},
             {"GET /openapi.json", "/openapi.json"},
             {"GET /docs", "/docs"},
             {"GET /docs/{name}", "/docs/docs.js"},
             {"GET /docs/{name}", "/docs/docs.css"}
         }) {
        const auto got = of.ask(question(name, target), 200);
        question again(name, target);
        of.ask(again.field("If-None-Match: " + got.header("ETag")), 304);
    }
}

void tokens(app::contract& notes) {
    http::access list;
    list.add("reader read - 0123456789abcdef0123456789abcdef");
    http::server_options wire;
    wire.access(std::make_shared<const http::access>(std::move(list)));
    witness of(notes, {}, wire);
    for (const auto& name : notes.operations()) {
        const auto role = notes.role(name);
        if (role.empty())
            continue;
        of.ask(question(name, path_of(name)), 401);
        question known(name, path_of(name));
        known.field("Authorization: Bearer 0123456789abcdef0123456789abcdef");
        if (role != "read")
            of.ask(known, 403);
    }
    question unknown("GET /v1/forms/{id}", "/v1/forms/none");
    of.ask(unknown.field("Authorization: Bearer 0123456789abcdef0123456789abcdee"), 401);
}

// ---- forms, findings, studies ----

void forms(witness& of) {
    const auto saved = id_of(of.ask(save(), 200));
    of.ask(question("GET /v1/forms/{id}", "/v1/forms/" + saved), 200);
    of.ask(save().field("Prefer: respond-async"), 202);
    of.ask(save().body("{"), 400);
    of.ask(question("POST /v1/forms", "/v1/forms?study=NONE&form=VS&site=01").body("{}"), 404);
    of.ask(save().body("").announces(9 * 1024 * 1024), 413);
    of.ask(save().body("{}"), 422);
    of.ask(save().field("Sec-Fetch-Site: cross-site"), 403);
    for (const auto* filter : {"", "?limit=1", "?study=DEMO&form=VS&site=01&state=checked"})
        of.ask(question("GET /v1/forms", std::string("/v1/forms") + filter), 200);
    of.ask(question("GET /v1/forms", "/v1/forms?limit=0"), 400);
    for (const auto* filter : {"", "?limit=1", "?study=DEMO&form=VS&site=01&rule=DEMO-005"})
        of.ask(question("GET /v1/findings", std::string("/v1/findings") + filter), 200);
    of.ask(question("GET /v1/findings", "/v1/findings?limit=1001"), 400);
}

void studies(witness& of) {
    of.ask(question("GET /v1/studies", "/v1/studies"), 200);
    of.ask(question("GET /v1/studies/{study}", "/v1/studies/DEMO"), 200);
    const std::string rules = "/v1/studies/DEMO/rules";
    of.ask(question("GET /v1/studies/{study}/rules", rules), 200);
    const std::string one = "/v1/studies/{study}/rules/{rule}";
    of.ask(question("GET " + one, rules + "/DEMO-005"), 200);
    of.ask(question("PUT " + one, rules + "/X-1").body(rule_text("X-1")), 201);
    of.ask(question("PUT " + one, rules + "/X-1").body(rule_text("X-1")), 200);
    of.ask(question("PUT " + one, rules + "/X-1").body("{"), 400);
    of.ask(question("PUT " + one, rules + "/X-1").body("{}"), 422);
    of.ask(question("GET " + one, rules + "/X-1"), 200);
    of.ask(question("DELETE " + one, rules + "/X-1"), 204);
    of.ask(question("DELETE " + one, rules + "/DEMO-005"), 409);
}

// ---- jobs and the pool ----

void jobs(witness& of) {
    const auto at = [](const std::string& id, const std::string& more = {}) {
        return "/v1/jobs/" + id + more;
    };
    of.ask(question("POST /v1/pool/pause", "/v1/pool/pause"), 200);
    const auto first = id_of(of.ask(analyse(), 202));
    of.ask(question("GET /v1/jobs/{id}", at(first)), 200);
    of.ask(question("GET /v1/jobs/{id}/result", at(first, "/result")), 409);
    of.ask(question("POST /v1/jobs/{id}/retry", at(first, "/retry")), 409);
    of.ask(question("POST /v1/jobs/{id}/cancel", at(first, "/cancel")), 200);
    of.ask(question("POST /v1/jobs/{id}/cancel", at(first, "/cancel")), 409);
    of.ask(question("DELETE /v1/jobs/{id}", at(first)), 409);
    of.ask(question("GET /v1/jobs/{id}/result", at(first, "/result")), 409);
    const auto second = id_of(of.ask(analyse(), 202));
    of.ask(question("DELETE /v1/jobs/{id}", at(second)), 200);
    of.ask(question("POST /v1/jobs/{id}/retry", at(first, "/retry")), 202);
    of.ask(question("POST /v1/pool/resume", "/v1/pool/resume"), 200);
    app::ask_until(of.port(), at(first), [](const app::reply& got) {
        return app::text_of(app::object_of(got), "state") == "succeeded";
    });
    of.ask(question("GET /v1/jobs/{id}", at(first)), 200);
    of.ask(question("GET /v1/jobs/{id}/result", at(first, "/result")), 200);
    of.ask(question("GET /v1/jobs/{id}/events", at(first, "/events")), 200);
    for (const auto* filter : {"", "?limit=1", "?state=cancelled", "?kind=form-checks"})
        of.ask(question("GET /v1/jobs", std::string("/v1/jobs") + filter), 200);
    of.ask(question("GET /v1/jobs", "/v1/jobs?state=lost"), 400);
    of.ask(analyse().body("{"), 400);
    of.ask(analyse().body(R"({"study":"NONE","kind":"site-kri"})"), 404);
    of.ask(analyse().body("").announces(65 * 1024), 413);
    of.ask(analyse().body("{}"), 422);
}

void keys(witness& of) {
    const std::string key = "Idempotency-Key: k-1";
    const auto first = of.ask(analyse().field(key), 202);
    BOOST_TEST(id_of(of.ask(analyse().field(key), 202)) == id_of(first));
    question other = analyse().field(key);
    of.ask(other.body(R"({"study":"DEMO","kind":"site-kri","type":"binary"})"), 422);

    // The first one is under way as long as the pool stands still.
    of.ask(question("POST /v1/pool/pause", "/v1/pool/pause"), 200);
    const auto slow = save().field("Idempotency-Key: k-2");
    auto waiting = of.send(slow);
    app::ask_until(of.port(), "/metrics", [](const app::reply& got) {
        return app::metric(got.body, "corogate_waiting_tasks") > 0;
    });
    of.ask(slow, 409);
    of.ask(question("POST /v1/pool/resume", "/v1/pool/resume"), 200);
    of.note(slow, waiting->read(), 200);
}

void pool(witness& of) {
    of.ask(question("GET /v1/pool", "/v1/pool"), 200);
    const auto change = [](std::string text) {
        return question("PATCH /v1/pool", "/v1/pool").body(std::move(text));
    };
    of.ask(change(R"({"limit":"adaptive"})"), 200);
    of.ask(change(R"({"limit":8,"queue_tasks":100})"), 200);
    of.ask(change("["), 400);
    of.ask(change(R"({"limit":0})"), 422);
}

void streams(witness& of) {
    const auto job = id_of(of.ask(analyse(), 202));
    const std::string events = "/v1/jobs/" + job + "/events";
    std::deque<std::unique_ptr<raw_client>> open;
    const question watch("GET /v1/events", "/v1/events");
    for (int i = 0; i < 64; ++i) {
        open.push_back(of.send(watch));
        of.note(watch, open.back()->read(), 200);
    }
    of.ask(watch, 503);
    of.ask(question("GET /v1/jobs/{id}/events", events), 503);
}

// ---- refusals ----

/// One task runs for an hour, and so many may wait.
server::options one_runs(std::size_t queue) {
    server::options from;
    from.limit = 1;
    from.queue_tasks = queue;
    from.task_duration = 1h;
    return from;
}

void wait_until_waiting(const witness& of, std::uint64_t tasks) {
    app::ask_until(of.port(), "/metrics", [tasks](const app::reply& got) {
        return app::metric(got.body, "corogate_waiting_tasks") == tasks;
    });
}

void no_room(app::contract& notes) {
    witness of(notes, one_runs(39));
    of.ask(question("POST /tasks", "/tasks?count=41"), 503); // more than there is
    of.ask(question("POST /tasks", "/tasks?wait=1").field("X-Request-Timeout-Ms: 50"), 504);
    of.ask(question("POST /tasks", "/tasks?site=02"), 200);
    // Stored, and not checked in time.
    of.ask(save().field("X-Request-Timeout-Ms: 200"), 504);
}

/// Beside the work of somebody else the queue is full of the work of those who ask for more.
void your_own_work(app::contract& notes) {
    {
        witness of(notes, one_runs(10));
        of.ask(question("POST /tasks", "/tasks?site=02&count=2"), 200);
        of.ask(question("POST /tasks", "/tasks?site=01&count=9"), 200);
        of.ask(question("POST /tasks", "/tasks?site=01"), 429);
    }
    {
        witness of(notes, one_runs(4)); // of which background work may have half
        of.ask(question("POST /tasks", "/tasks?site=02&count=2"), 200);
        wait_until_waiting(of, 1);
        const auto given_up = id_of(of.ask(analyse(), 202));
        of.ask(question("DELETE /v1/jobs/{id}", "/v1/jobs/" + given_up), 200);
        wait_until_waiting(of, 1);
        // The longer others wait, the less background work is let in.
        app::reply last;
        for (int i = 0; i < 3 && last.status != 429; ++i)
            last = of.ask(analyse());
        BOOST_TEST(last.status == 429, last.body);
        of.ask(question("POST /v1/jobs/{id}/retry", "/v1/jobs/" + given_up + "/retry"), 429);
    }
    {
        witness of(notes, one_runs(12));
        of.ask(question("POST /tasks", "/tasks?site=02&count=2"), 200);
        const auto patient = save().field("X-Request-Timeout-Ms: 30000");
        const auto first = of.send(patient);
        const auto second = of.send(patient);
        wait_until_waiting(of, 11);
        of.ask(patient, 429);
    }
}

void draining(app::contract& notes) {
    witness of(notes, one_runs(10));
    of.ask(question("GET /readyz", "/readyz"), 200);
    of.ask(question("POST /tasks", "/tasks"), 200); // as long as it runs the drain does not end
    const auto given_up = id_of(of.ask(analyse(), 202));
    of.ask(question("DELETE /v1/jobs/{id}", "/v1/jobs/" + given_up), 200);
    of.ask(question("POST /v1/pool/drain", "/v1/pool/drain"), 202);
    of.ask(question("POST /v1/pool/resume", "/v1/pool/resume"), 409);
    of.ask(question("POST /v1/jobs/{id}/retry", "/v1/jobs/" + given_up + "/retry"), 503);
    of.ask(question("GET /readyz", "/readyz"), 503);
    of.ask(question("GET /livez", "/livez"), 200);
    of.ask(save(), 503);
    of.ask(analyse(), 503);
    of.ask(question("POST /tasks", "/tasks"), 503);
}

// ---- what any path may answer ----

void messages(app::contract& notes) {
    http::server_options wire;
    wire.header_time(300ms);
    witness of(notes, {}, wire);
    const std::string host = "Host: localhost\r\n";
    of.send_raw("GET /nothing HTTP/1.1\r\n" + host + "\r\n", 404);
    of.send_raw("PATCH /livez HTTP/1.1\r\n" + host + "\r\n", 405);
    of.send_raw("GET /livez HTTP/1.1\r\n", 408); // and no more
    of.send_raw("GET /livez HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\n", 413);
    of.send_raw("GET /" + std::string(5000, 'a') + " HTTP/1.1\r\n" + host + "\r\n", 414);
    of.send_raw("GET /livez HTTP/1.1\r\n" + host + "Expect: more\r\n\r\n", 417);
    of.send_raw(
        "GET /livez HTTP/1.1\r\n" + host + "A: " + std::string(9000, 'a') + "\r\n\r\n", 431
    );
    of.send_raw("SPRINT /livez HTTP/1.1\r\n" + host + "\r\n", 501);
    of.send_raw("GET /livez HTTP/2.0\r\n" + host + "\r\n", 505);
}

void a_handler_that_fails(app::contract& notes) {
    http::server_options wire;
    wire.on_error([](std::string_view) {});
    http::server front(wire);
    http::router routes;
    const http::handler fails = [](http::request&) -> boost::asio::awaitable<http::response> {
        throw std::runtime_error("a secret");
        co_return http::response();
    };
    routes.add("GET", "/", fails);
    front.start(std::move(routes));
    const auto got = app::get(front.port(), "/");
    BOOST_TEST(got.status == 500);
    notes.saw_elsewhere(got);
    front.stop();
}

} // namespace

BOOST_AUTO_TEST_CASE(the_document_describes_every_route_and_no_other) {
    auto notes = document();
    witness of(notes);
    std::set<std::string> known;
    for (const auto& [name, role] : of.local().routes())
        known.insert(name + " for " + std::string(http::to_string(role)));
    std::set<std::string> described;
    for (const auto& name : notes.operations()) {
        const auto role = notes.role(name);
        described.insert(name + " for " + (role.empty() ? "none" : role));
    }
    BOOST_TEST(known == described, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(operations_for_everybody_ask_for_no_token) {
    const auto notes = document();
    for (const auto& name : notes.operations()) {
        const auto* security = notes.operation(name).if_contains("security");
        const bool open = security && security->as_array().empty();
        BOOST_TEST(open == notes.role(name).empty(), name);
    }
}

BOOST_AUTO_TEST_CASE(its_examples_fit_its_schemas) {
    const auto notes = document();
    std::size_t examples = 0;
    const auto check = [&](const json::value& example, const json::object& content) {
        ++examples;
        for (const auto& fault : notes.schemas().faults(example, content.at("schema")))
            BOOST_ERROR(fault << " in " << example);
    };
    const auto walk = [&](const auto& self, const json::value& of) -> void {
        if (const auto* object = of.if_object()) {
            if (const auto* example = object->if_contains("example");
                example && object->contains("schema"))
                check(*example, *object);
            if (const auto* all = object->if_contains("examples"); all && all->is_object())
                for (const auto& [name, one] : all->as_object())
                    check(one.at("value"), *object);
            for (const auto& [name, member] : *object)
                self(self, member);
        } else if (const auto* array = of.if_array()) {
            for (const auto& member : *array)
                self(self, member);
        }
    };
    walk(walk, notes.document());
    BOOST_TEST(examples > 40U);
}

BOOST_AUTO_TEST_CASE(it_knows_the_reasons_of_the_pool) {
    const auto notes = document();
    std::set<std::string> reasons;
    for (int value = 1; value <= corogate::detail::errc_count; ++value)
        reasons.insert(corogate::reason_name(static_cast<corogate::errc>(value)));
    const auto& listed = notes.document().at_pointer("/components/schemas/RefusalReason/enum");
    for (const auto& one : listed.as_array())
        BOOST_TEST(reasons.contains(std::string(one.as_string())), one);
}

BOOST_AUTO_TEST_CASE(every_status_that_is_described_is_given_and_every_answer_is_described) {
    auto notes = document();
    {
        server::options from;
        from.limit = 8;
        from.adaptive = true;
        from.queue_tasks = 100;
        from.task_duration = 1ms;
        witness of(notes, from);
        malformed_targets(of);
        things_that_are_not_there(of);
        pages(of);
        forms(of);
        studies(of);
        jobs(of);
        keys(of);
        pool(of);
        of.ask(question("POST /tasks", "/tasks?count=3"), 200);
        of.ask(question("POST /tasks", "/tasks?count=3&wait=1&site=01"), 200);
        of.ask(question("POST /tasks", "/tasks?count=0"), 400);
        of.ask(question("GET /livez", "/livez"), 200);
        of.ask(question("GET /startupz", "/startupz"), 200);
        of.ask(question("GET /metrics", "/metrics"), 200);
        streams(of);
    }
    tokens(notes);
    no_room(notes);
    your_own_work(notes);
    draining(notes);
    messages(notes);
    a_handler_that_fails(notes);
    for (const auto& line : notes.unseen())
        BOOST_ERROR("described and not seen: " << line);
}

BOOST_AUTO_TEST_SUITE_END()
