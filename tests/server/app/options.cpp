#include "options.hpp"

#include "process.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <string>
#include <variant>
#include <vector>

using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(options)

namespace {

std::variant<server::options, server::leave> read(std::vector<std::string> words) {
    std::vector<const char*> arguments{"corogate-server"};
    for (const auto& word : words)
        arguments.push_back(word.c_str());
    return server::read_options(static_cast<int>(arguments.size()), arguments.data());
}

server::options accepted(std::vector<std::string> words) {
    auto got = read(std::move(words));
    if (const auto* no = std::get_if<server::leave>(&got))
        BOOST_FAIL(no->text);
    return std::get<server::options>(got);
}

/// One sentence that names the option, and status 2.
void refused(std::vector<std::string> words, const std::string& says) {
    const auto shown = words.empty() ? std::string() : words.front() + " ...";
    const auto got = read(std::move(words));
    const auto* no = std::get_if<server::leave>(&got);
    BOOST_REQUIRE_MESSAGE(no, shown << " is taken");
    BOOST_TEST(no->status == 2);
    BOOST_TEST(no->text.starts_with("corogate-server: "), no->text);
    BOOST_TEST(no->text.find(says) != std::string::npos, no->text);
    BOOST_TEST(std::count(no->text.begin(), no->text.end(), '\n') == 1, no->text);
    BOOST_TEST(no->text.ends_with("\n"));
}

} // namespace

BOOST_AUTO_TEST_CASE(durations) {
    using server::read_duration;
    BOOST_TEST((read_duration("250ms") == 250ms));
    BOOST_TEST((read_duration("2s") == 2s));
    BOOST_TEST((read_duration("1m") == 1min));
    BOOST_TEST((read_duration("1h") == 1h));
    BOOST_TEST((read_duration("0s") == 0ms));
    BOOST_TEST((read_duration("168h") == 168h));
    for (const char* bad :
         {"", "s", "2", "2 s", " 2s", "2s ", "2S", "-1s", "+2s", "1.5s", "2sec", "1d", "169h",
          "604800001ms", "99999999999999999999s", "9223372036854775807h", "0x2s", "ms2"})
        BOOST_TEST(!read_duration(bad).has_value(), bad);
}

BOOST_AUTO_TEST_CASE(what_the_help_promises_is_the_default) {
    const auto none = accepted({});
    BOOST_TEST(none.port == 8080);
    BOOST_TEST(!none.monitor_port.has_value());
    BOOST_TEST(none.limit == 64U);
    BOOST_TEST(none.adaptive);
    BOOST_TEST(none.queue_tasks == 4096U);
    BOOST_TEST(none.threads == 0U);
    BOOST_TEST(none.io_threads == 1U);
    BOOST_TEST((none.task_duration == 2s));
    BOOST_TEST((none.drain_timeout == 30s));
    BOOST_TEST(none.data.empty());
    BOOST_TEST(none.studies.empty());
    BOOST_TEST(!none.rules.has_value());
    BOOST_TEST(none.address == "127.0.0.1");
    BOOST_TEST(!none.insecure);
    BOOST_TEST(!none.tokens.has_value());
    BOOST_TEST(!none.tls_certificate.has_value());
    BOOST_TEST((none.log_least == server::log_level::warning));
    BOOST_TEST((none.log_as == server::log_format::text));
    BOOST_TEST(!none.log_file.has_value());
}

BOOST_AUTO_TEST_CASE(every_option_is_read) {
    const auto all = accepted(
        {"--port",
         "0",
         "--monitor-port=9100",
         "--limit",
         "5",
         "--queue",
         "0",
         "--threads",
         "3",
         "--io-threads",
         "2",
         "--task-duration",
         "20ms",
         "--drain-timeout=1m",
         "--data",
         "d",
         "--study",
         "s1",
         "--study",
         "s2",
         "--rules",
         "r",
         "--allow-host",
         "example.org",
         "--allow-host",
         "example.net:8443",
         "--address",
         "::1",
         "--tokens",
         "t",
         "--tls-certificate",
         "c",
         "--tls-key",
         "k",
         "--insecure",
         "--log-level",
         "debug",
         "--log-format=json",
         "--log-file",
         "l"}
    );
    BOOST_TEST(all.address == "::1");
    BOOST_TEST(all.tokens.value() == "t");
    BOOST_TEST(all.tls_certificate.value() == "c");
    BOOST_TEST(all.tls_key.value() == "k");
    BOOST_TEST(all.insecure);
    BOOST_TEST((all.log_least == server::log_level::debug));
    BOOST_TEST((all.log_as == server::log_format::json));
    BOOST_TEST(all.log_file.value() == "l");
    BOOST_TEST(accepted({"--address", "localhost"}).address == "127.0.0.1");
    BOOST_TEST(all.port == 0);
    BOOST_TEST(all.monitor_port.value() == 9100);
    BOOST_TEST(all.limit == 5U);
    BOOST_TEST(!all.adaptive);
    BOOST_TEST(all.queue_tasks == 0U);
    BOOST_TEST(all.threads == 3U);
    BOOST_TEST(all.io_threads == 2U);
    BOOST_TEST((all.task_duration == 20ms));
    BOOST_TEST((all.drain_timeout == 1min));
    BOOST_TEST(all.data == "d");
    BOOST_TEST((all.studies == std::vector<std::filesystem::path>{"s1", "s2"}));
    BOOST_TEST(all.rules.value() == "r");
    BOOST_TEST((all.allowed_hosts == std::vector<std::string>{"example.org", "example.net:8443"}));
}

BOOST_AUTO_TEST_CASE(every_mistake_is_one_sentence) {
    for (const char* bad : {"65536", "-1", "http", "80 ", "8e1", ""})
        refused({"--port", bad}, "--port wants a port number");
    refused({"--monitor-port", "x"}, "--monitor-port wants a port number");
    for (const char* bad : {"0", "-5", "1.5", "five", "1073741824", "99999999999999999999"})
        refused({"--limit", bad}, "--limit wants a number of tasks from 1");
    refused({"--queue", "-1"}, "--queue wants a number of tasks from 0");
    refused({"--threads", "0"}, "--threads wants a number from 1 to 1024");
    refused({"--threads", "1025"}, "--threads wants a number from 1 to 1024");
    refused({"--io-threads", "65"}, "--io-threads wants a number from 1 to 64");
    refused({"--task-duration", "2"}, "--task-duration wants a duration");
    refused({"--drain-timeout", "soon"}, "--drain-timeout wants a duration");
    refused({"--port"}, "--port");
    refused({"--colour"}, "--colour");
    refused({"stray"}, "stray");
    refused({"--rules", "a", "--rules", "b"}, "--rules is given more than once");
    refused({"--port", "1", "--port", "1"}, "--port is given more than once");
    refused({"--data=a", "--data=b"}, "--data is given more than once");
    for (const char* bad : {"example.org", "127.0.0.1:80", "", "1.2.3"})
        refused({"--address", bad}, "--address wants an IP address, or localhost");
    refused({"--tls-certificate", "c"}, "--tls-certificate and --tls-key go together");
    refused({"--tls-key", "k"}, "--tls-certificate and --tls-key go together");
    refused({"--log-level", "loud"}, "--log-level wants error, warning, info or debug");
    refused({"--log-format", "xml"}, "--log-format wants text or json");
    refused({"--tokens", ""}, "--tokens wants a file");
    // A token on the command line is for every eye on the machine.
    refused({"--token", "0123456789abcdef"}, "--token");
}

BOOST_AUTO_TEST_CASE(help_and_version) {
    const auto help = std::get<server::leave>(read({"--help"}));
    BOOST_TEST(help.status == 0);
    for (const char* name :
         {"--port",       "--monitor-port",  "--limit",         "--queue",      "--threads",
          "--io-threads", "--task-duration", "--drain-timeout", "--data",       "--study",
          "--rules",      "--allow-host",    "--address",       "--tokens",     "--tls-certificate",
          "--tls-key",    "--insecure",      "--log-level",     "--log-format", "--log-file",
          "--version"})
        BOOST_TEST(help.text.find(name) != std::string::npos, name);
    const auto version = std::get<server::leave>(read({"--version"}));
    BOOST_TEST(version.status == 0);
    BOOST_TEST(version.text == "corogate-server " COROGATE_VERSION "\n");
}

BOOST_AUTO_TEST_CASE(the_program_says_it_on_the_right_stream) {
    const auto version = app::run({COROGATE_SERVER, "--version"});
    BOOST_TEST(version.status == 0);
    BOOST_TEST(version.out == "corogate-server " COROGATE_VERSION "\n");
    BOOST_TEST(version.err.empty());
    const auto wrong = app::run({COROGATE_SERVER, "--limit", "none"});
    BOOST_TEST(wrong.status == 2);
    BOOST_TEST(wrong.out.empty());
    BOOST_TEST(std::count(wrong.err.begin(), wrong.err.end(), '\n') == 1, wrong.err);
}

BOOST_AUTO_TEST_SUITE_END()
