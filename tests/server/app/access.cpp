// Who gets in: addresses, tokens, TLS, as a user gives them.
#include "client.hpp"
#include "durable/scratch_dir.hpp"
#include "findings.hpp"
#include "http/tls_client.hpp"
#include "local_server.hpp"
#include "process.hpp"

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

constexpr const char* save_vs = "/v1/forms?study=DEMO&form=VS&site=site-07";
constexpr const char* viewer = "Authorization: Bearer viewer-secret-token\r\n";
constexpr const char* site = "Authorization: Bearer site-07-secret-token\r\n";

std::filesystem::path token_file(const testing::scratch_dir& in) {
    const auto file = in / "tokens";
    std::ofstream(file) << "viewer  read   -       viewer-secret-token\n"
                           "site-07 submit site-07 site-07-secret-token\n";
    std::filesystem::permissions(
        file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write
    );
    return file;
}

raw_client::reply
ask(raw_client& of, const std::string& line, const std::string& fields = {},
    const std::string& body = {}) {
    const std::string length =
        body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return of.ask(line + " HTTP/1.1\r\nHost: localhost\r\n" + length + fields + "\r\n" + body);
}

/// Starts the program, which must refuse to; one sentence on standard error, status 2.
std::string refused(const testing::scratch_dir& data, std::vector<std::string> more) {
    const auto got = app::run(app::server_process::command(data.path(), std::move(more)));
    BOOST_TEST(got.status == 2);
    BOOST_TEST(got.out == "");
    BOOST_TEST(std::count(got.err.begin(), got.err.end(), '\n') == 1, got.err);
    return got.err;
}

} // namespace

BOOST_AUTO_TEST_SUITE(access_tests) // `access` is a function of the system

BOOST_AUTO_TEST_CASE(with_tokens_each_does_what_its_role_allows) {
    const testing::scratch_dir data;
    const auto vs = app::demo_study::sample("vs");
    app::server_process server(data.path(), {"--tokens", token_file(data).string()});
    raw_client client(server.port());
    BOOST_TEST(ask(client, "GET /livez").status == 200);
    // Health, and pages that hold no data; a page has to load before it can ask for a token.
    for (const char* open : {"/metrics", "/", "/assets/app.js", "/openapi.json", "/docs"})
        BOOST_TEST(ask(client, std::string("GET ") + open).status == 200, open);
    const auto without = ask(client, std::string("POST ") + save_vs, {}, vs);
    BOOST_TEST(without.status == 401);
    BOOST_TEST(without.header("WWW-Authenticate") == "Bearer realm=\"corogate\"");
    BOOST_TEST(ask(client, std::string("POST ") + save_vs, viewer, vs).status == 403);
    const auto saved = ask(client, std::string("POST ") + save_vs, site, vs);
    BOOST_TEST(saved.status == 200);
    const auto id = app::text_of(app::object_of(saved), "id");
    BOOST_TEST(ask(client, "GET /v1/forms/" + id, viewer).status == 200);
    BOOST_TEST(ask(client, "GET /v1/forms/" + id).status == 401);
    BOOST_TEST(server.end() == 0);
    BOOST_TEST(server.errors() == "");
}

BOOST_AUTO_TEST_CASE(tokens_come_from_the_environment_too) {
    const testing::scratch_dir data;
    ::setenv("COROGATE_TOKENS", "viewer read - viewer-secret-token", 1);
    app::server_process server(data.path());
    raw_client client(server.port());
    BOOST_TEST(ask(client, "GET /v1/forms/f-1").status == 401);
    BOOST_TEST(ask(client, "GET /v1/forms/f-1", viewer).status == 404);
    ::setenv("COROGATE_TOKENS", "viewer read - short", 1);
    BOOST_TEST(
        refused(data, {}) == "corogate-server: line 1 of COROGATE_TOKENS: a token is 16 to 512 "
                             "letters, digits or one of "
                             "-._~+/=\n"
    );
    ::unsetenv("COROGATE_TOKENS");
}

BOOST_AUTO_TEST_CASE(an_open_door_must_be_meant) {
    const testing::scratch_dir data;
    const auto tokens = token_file(data).string();
    const self_signed pair(data.path(), "localhost");
    const std::vector<std::string> tls{
        "--tls-certificate", pair.certificate.string(), "--tls-key", pair.key.string()
    };
    BOOST_TEST(
        refused(data, {"--address", "0.0.0.0"}) ==
        "corogate-server: listening on 0.0.0.0 without TLS and tokens: whoever reaches it may "
        "bring "
        "work and read everything, and whoever listens on the way can read along; give "
        "--tls-certificate, --tls-key and --tokens, or --insecure\n"
    );
    BOOST_TEST(
        refused(data, {"--address", "::", "--tokens", tokens}) ==
        "corogate-server: listening on :: without TLS: whoever listens on the way can read tokens "
        "and data; give --tls-certificate and --tls-key, or --insecure\n"
    );
    auto without_tokens = tls;
    without_tokens.insert(without_tokens.end(), {"--address", "0.0.0.0"});
    BOOST_TEST(
        refused(data, without_tokens) ==
        "corogate-server: listening on 0.0.0.0 without tokens: whoever reaches it may bring work "
        "and read everything; give --tokens, or --insecure\n"
    );

    app::server_process meant(data.path(), {"--address", "0.0.0.0", "--insecure"}, "0.0.0.0:");
    BOOST_TEST(app::get(meant.port(), "/livez").status == 200);
    BOOST_TEST(meant.end() == 0);
    const auto said = meant.errors();
    BOOST_TEST(
        said == "corogate-server: warning: listening on 0.0.0.0 without TLS and tokens: whoever "
                "reaches it may bring work and read everything, and whoever listens on the way can "
                "read along\n"
    );

    auto safe = tls;
    safe.insert(safe.end(), {"--address", "0.0.0.0", "--tokens", tokens});
    app::server_process closed(data.path(), safe, "https://0.0.0.0:");
    BOOST_TEST(closed.end() == 0);
    BOOST_TEST(closed.errors() == "");
}

BOOST_AUTO_TEST_CASE(tls_from_two_files_and_a_new_certificate_on_sighup) {
    const testing::scratch_dir data;
    const self_signed pair(data.path(), "first");
    app::server_process server(
        data.path(), {"--tls-certificate", pair.certificate.string(), "--tls-key",
                      pair.key.string(), "--monitor-port", "0", "--log-level", "info"}
    );
    const std::uint16_t monitor = server.monitor_port();
    {
        tls_client client(server.port());
        BOOST_TEST(client.peer() == "first");
        BOOST_TEST(ask(client, "POST /tasks").status == 200);
        BOOST_TEST(ask(client, "GET /livez").status == 200);
        tls_client looking(monitor);
        BOOST_TEST(ask(looking, "GET /metrics").status == 200);
    }
    const self_signed next(data.path(), "second");
    std::filesystem::rename(next.certificate, pair.certificate);
    std::filesystem::rename(next.key, pair.key);
    server.signal(SIGHUP);
    const auto until = std::chrono::steady_clock::now() + app::longest_wait;
    while (tls_client(server.port()).peer() != "second")
        BOOST_REQUIRE((std::chrono::steady_clock::now() < until));
    std::filesystem::remove(pair.key);
    server.signal(SIGHUP);
    while (server.errors().find("the certificate from before stays") == std::string::npos)
        BOOST_REQUIRE((std::chrono::steady_clock::now() < until));
    BOOST_TEST(tls_client(server.port()).peer() == "second");
    BOOST_TEST(server.end() == 0);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_used_is_one_sentence) {
    const testing::scratch_dir data;
    const auto tokens = token_file(data);
    std::filesystem::permissions(
        tokens, std::filesystem::perms::others_read, std::filesystem::perm_options::add
    );
    BOOST_TEST(
        refused(data, {"--tokens", tokens.string()}) ==
        "corogate-server: the token file " + tokens.string() +
            " is open to others; only its owner may have it (chmod 600)\n"
    );
    const auto none = (data / "none").string();
    BOOST_TEST(
        refused(data, {"--tls-certificate", none, "--tls-key", none}) ==
        "corogate-server: the certificate " + none + " cannot be read\n"
    );
    BOOST_TEST(
        refused(data, {"--log-file", data.path().string()}) ==
        "corogate-server: the log file " + data.path().string() + " cannot be written\n"
    );
}

BOOST_AUTO_TEST_SUITE_END()
