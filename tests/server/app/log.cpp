#include "log.hpp"

#include "client.hpp"
#include "durable/scratch_dir.hpp"
#include "findings.hpp"
#include "process.hpp"

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace http = corogate::http;
namespace json = boost::json;
using server::log_format;
using server::log_level;
using namespace std::chrono_literals;

namespace {

std::vector<std::string> lines_of(const std::filesystem::path& file) {
    std::ifstream in(file);
    std::vector<std::string> all;
    for (std::string line; std::getline(in, line);)
        all.push_back(line);
    return all;
}

/// What stands behind `key=` in a line without quotes.
std::string value_of(const std::string& line, const std::string& key) {
    const auto at = (" " + line).find(" " + key + "=");
    if (at == std::string::npos)
        return "(no " + key + ")";
    const auto from = at + key.size() + 1;
    return line.substr(from, line.find(' ', from) - from);
}

class one_exchange {
public:
    one_exchange()
        : trace(*http::trace_context::received(
              "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
          ))
        , remote(boost::asio::ip::make_address("192.0.2.7")) {
        who.name = "site-07";
    }
    http::exchange with(unsigned status) const {
        http::exchange made(remote, who, trace);
        made.method = "GET";
        made.route = "/v1/forms/{id}";
        made.status = status;
        made.octets_in = 120;
        made.octets_out = 4567;
        made.took = 1234567ns;
        return made;
    }

    http::identity who;
    http::trace_context trace;
    boost::asio::ip::address remote;
};

} // namespace

BOOST_AUTO_TEST_SUITE(log_tests) // `log` is a function of the system

BOOST_AUTO_TEST_CASE(a_request_is_a_line_of_keys_and_values) {
    const testing::scratch_dir scratch;
    const auto file = scratch / "log";
    {
        server::log log(log_level::info, log_format::text, file);
        const one_exchange given;
        log.request(given.with(200), false);
        log.event(log_level::warning, "a \"quoted\" thing\nhappened");
        const http::identity nobody;
        http::exchange malformed(given.remote, nobody, given.trace);
        malformed.status = 400;
        log.request(malformed, false);
    }
    const auto lines = lines_of(file);
    BOOST_REQUIRE(lines.size() == 3U);
    const std::string& line = lines[0];
    const std::string time = value_of(line, "time"); // 2026-11-26T21:40:00.123Z
    BOOST_TEST(time.size() == 24U);
    BOOST_TEST(time.ends_with("Z"));
    BOOST_TEST(
        line.substr(line.find(" level")) ==
        " level=info event=request trace_id=4bf92f3577b34da6a3ce929d0e0e4736 method=GET "
        "route=/v1/forms/{id} status=200 octets_in=120 octets_out=4567 ms=1.235 "
        "remote=192.0.2.7 token=site-07"
    );
    BOOST_TEST(lines[1].ends_with(
        " level=warning event=message message=\"a \\\"quoted\\\" thing\\u000ahappened\""
    ));
    BOOST_TEST(value_of(lines[2], "method") == "-");
    BOOST_TEST(value_of(lines[2], "route") == "-");
    BOOST_TEST(value_of(lines[2], "token") == "-");
}

BOOST_AUTO_TEST_CASE(json_says_the_same) {
    const testing::scratch_dir scratch;
    const auto file = scratch / "log";
    {
        server::log log(log_level::info, log_format::json, file);
        log.request(one_exchange().with(200), false);
        log.event(log_level::error, "a \"quoted\" thing\nhappened");
    }
    const auto lines = lines_of(file);
    BOOST_REQUIRE(lines.size() == 2U);
    auto request = json::parse(lines[0]).as_object();
    BOOST_TEST(request.at("time").as_string().size() == 24U);
    request.erase("time");
    BOOST_TEST(
        request == json::parse(R"({"level":"info","event":"request",
            "trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","method":"GET","route":"/v1/forms/{id}",
            "status":200,"octets_in":120,"octets_out":4567,"ms":1.235,"remote":"192.0.2.7",
            "token":"site-07"})")
                       .as_object()
    );
    const auto event = json::parse(lines[1]).as_object();
    BOOST_TEST(event.at("level") == "error");
    BOOST_TEST(event.at("message") == "a \"quoted\" thing\nhappened");
}

BOOST_AUTO_TEST_CASE(the_level_decides) {
    const auto written = [](log_level least) {
        const testing::scratch_dir scratch;
        {
            server::log log(least, log_format::text, scratch / "log");
            const one_exchange given;
            log.request(given.with(200), true);  // debug
            log.request(given.with(503), false); // info: a refusal is no fault
            log.event(log_level::warning, "w");
            log.request(given.with(500), true); // error
            log.event(log_level::error, "e");
        }
        std::string all;
        for (const auto& line : lines_of(scratch / "log"))
            all += value_of(line, "level").substr(0, 1);
        return all;
    };
    BOOST_TEST(written(log_level::debug) == "diwee");
    BOOST_TEST(written(log_level::info) == "iwee");
    BOOST_TEST(written(log_level::warning) == "wee");
    BOOST_TEST(written(log_level::error) == "ee");
}

BOOST_AUTO_TEST_CASE(a_slow_disk_costs_lines_and_nobody_waits) {
    // A pipe that nobody reads takes 64 KiB; the test holds its other end.
    const testing::scratch_dir scratch;
    const auto pipe = scratch / "pipe";
    BOOST_REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    const int held = ::open(pipe.c_str(), O_RDWR | O_CLOEXEC);
    BOOST_REQUIRE(held >= 0);
    std::size_t read_lines = 0;
    constexpr std::size_t written_lines = 50'000;
    std::uint64_t dropped = 0;
    std::thread reader;
    {
        server::log log(log_level::info, log_format::text, pipe);
        const one_exchange given;
        for (std::size_t i = 0; i < written_lines; ++i)
            log.request(given.with(200), false);
        dropped = log.dropped();
        BOOST_TEST(dropped > 30'000U); // 8192 wait, some hundred are in the pipe
        reader = std::thread([&] {
            char block[65536];
            for (;;) {
                const auto got = ::read(held, block, sizeof block);
                for (ssize_t i = 0; i < got; ++i) {
                    if (block[i] == '\n')
                        ++read_lines;
                    if (block[i] == '\0') // the test's own mark
                        return;
                }
            }
        });
    } // the rest is written
    BOOST_TEST(::write(held, "\0", 1) == 1);
    reader.join();
    ::close(held);
    BOOST_TEST(read_lines + dropped == written_lines);
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_written_is_one_sentence) {
    const testing::scratch_dir scratch;
    BOOST_CHECK_EXCEPTION(
        server::log(log_level::info, log_format::text, scratch.path()), server::log_error,
        [&](const server::log_error& wrong) {
            return wrong.what() == "the log file " + scratch.path().string() + " cannot be written";
        }
    );
}

BOOST_AUTO_TEST_CASE(a_server_logs_requests_and_nothing_about_persons) {
    const testing::scratch_dir data;
    const auto file = data / "log";
    {
        app::server_process server(
            data.path(),
            {"--log-level", "info", "--log-format", "json", "--log-file", file.string()}
        );
        app::client one(server.port());
        const auto saved = one.post(
            "/v1/forms?study=DEMO&form=VS&site=hidden-site", app::demo_study::sample("vs"),
            "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
        );
        BOOST_TEST(saved.status == 200);
        BOOST_TEST(one.get("/nowhere/hidden-path?subject=hidden-subject").status == 404);
        BOOST_TEST(one.get("/livez").status == 200);
        BOOST_TEST(server.end() == 0);
        BOOST_TEST(server.errors() == "");
    }
    std::vector<std::string> seen;
    for (const auto& line : lines_of(file)) {
        BOOST_TEST(line.find("hidden") == std::string::npos, line);
        const auto fields = json::parse(line).as_object();
        if (fields.at("event") == "request")
            seen.push_back(
                app::text_of(fields, "method") + " " + app::text_of(fields, "route") + " " +
                json::serialize(fields.at("status"))
            );
    }
    // No health: that is for debug.
    BOOST_TEST(
        seen == (std::vector<std::string>{"POST /v1/forms 200", "GET - 404"}),
        boost::test_tools::per_element()
    );
    BOOST_TEST(
        lines_of(file).front().find("4bf92f3577b34da6a3ce929d0e0e4736") != std::string::npos
    );
}

BOOST_AUTO_TEST_SUITE_END()
