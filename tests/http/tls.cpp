#include "tls_client.hpp"

#include "durable/scratch_dir.hpp"

#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <corogate/http/server.hpp>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace http = corogate::http;
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr const char* plain_get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A server that speaks TLS, with a certificate made for it.
class secure_server {
public:
    explicit secure_server(
        const std::function<void(http::tls_options&, http::server_options&)>& with = {}
    )
        : pair(scratch.path(), "first") {
        http::tls_options tls(pair.certificate, pair.key);
        http::server_options options;
        if (with)
            with(tls, options);
        server.emplace(options.tls(tls));
        http::router routes;
        const http::handler hello = [](http::request&) -> asio::awaitable<http::response> {
            co_return http::response::text(200, "hello");
        };
        const http::handler echo = [](http::request& from) -> asio::awaitable<http::response> {
            co_return http::response::text(200, from.take_body());
        };
        routes.add("GET", "/", hello)
            .add("POST", "/echo", echo, http::route_options().body_limit(8 * 1024 * 1024));
        server->start(std::move(routes));
    }

    std::uint16_t port() const { return server->port(); }

    testing::scratch_dir scratch;
    self_signed pair;
    std::optional<http::server> server;
};

bool connects(std::uint16_t port, const tls_wishes& wishes) {
    try {
        return tls_client(port, wishes).ask(plain_get).status == 200;
    } catch (const std::runtime_error&) {
        return false;
    }
}

std::string refused(const http::tls_options& options) {
    try {
        http::server made{http::server_options().tls(options)};
        return "accepted";
    } catch (const http::tls_error& wrong) {
        return wrong.what();
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(tls)

BOOST_AUTO_TEST_CASE(answers_over_tls_and_keeps_the_connection) {
    secure_server server;
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        tls_wishes wishes;
        wishes.least = wishes.most = version;
        tls_client client(server.port(), wishes);
        BOOST_TEST(client.version() == (version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2"));
        BOOST_TEST(client.peer() == "first");
        for (int i = 0; i < 3; ++i)
            BOOST_TEST(client.ask(plain_get).body == "hello");
        client.send(std::string(plain_get) + plain_get);
        BOOST_TEST(client.read().body == "hello");
        BOOST_TEST(client.read().body == "hello");
    }
    BOOST_TEST(server.server->stats().requests == 10U);
}

BOOST_AUTO_TEST_CASE(large_bodies_arrive_whole_both_ways) {
    secure_server server;
    tls_client client(server.port());
    std::string body(3'000'000, ' ');
    for (std::size_t i = 0; i < body.size(); ++i)
        body[i] = static_cast<char>('a' + i * 7919 % 26);
    for (int i = 0; i < 2; ++i) {
        const auto got = client.ask(
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
            std::to_string(body.size()) + "\r\n\r\n" + body
        );
        BOOST_TEST(got.status == 200);
        BOOST_TEST((got.body == body));
    }
}

BOOST_AUTO_TEST_CASE(old_and_weak_forms_are_refused) {
    secure_server server;
    const auto offers = [](int least, int most, const char* ciphers) {
        tls_wishes wishes;
        wishes.least = least;
        wishes.most = most;
        wishes.ciphers = ciphers;
        return wishes;
    };
    const char* const all = "ALL:@SECLEVEL=0";
    BOOST_TEST(connects(server.port(), offers(TLS1_VERSION, TLS1_3_VERSION, all)));
    BOOST_TEST(!connects(server.port(), offers(TLS1_VERSION, TLS1_1_VERSION, all)));
    for (const char* strong :
         {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
          "ECDHE-ECDSA-CHACHA20-POLY1305"})
        BOOST_TEST(connects(server.port(), offers(TLS1_2_VERSION, TLS1_2_VERSION, strong)), strong);
    for (const char* weak :
         {"ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-CCM",
          "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0"})
        BOOST_TEST(!connects(server.port(), offers(TLS1_2_VERSION, TLS1_2_VERSION, weak)), weak);
}

BOOST_AUTO_TEST_CASE(the_only_protocol_is_http_1_1) {
    secure_server server;
    tls_wishes wishes;
    wishes.alpn = "\x02h2\x08http/1.1";
    BOOST_TEST(tls_client(server.port(), wishes).protocol() == "http/1.1");
    wishes.alpn = "\x02h2";
    BOOST_TEST(!connects(server.port(), wishes));
    BOOST_TEST(tls_client(server.port()).protocol() == "");
}

BOOST_AUTO_TEST_CASE(keys_are_not_agreed_on_again_and_sessions_not_resumed) {
    secure_server server;
    tls_wishes old;
    old.most = TLS1_2_VERSION;
    tls_client client(server.port(), old);
    BOOST_TEST(client.ask(plain_get).status == 200);
    SSL_renegotiate(client.native());
    client.send(plain_get);
    BOOST_CHECK_THROW(client.ask(plain_get).status == 200 || client.closed(), std::runtime_error);

    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        tls_wishes wishes;
        wishes.least = wishes.most = version;
        tls_client one(server.port(), wishes);
        BOOST_TEST(one.ask(plain_get).status == 200);
        BOOST_TEST(SSL_SESSION_is_resumable(SSL_get0_session(one.native())) == 0, version);
    }
}

BOOST_AUTO_TEST_CASE(an_end_is_said_inside_the_stream) {
    secure_server server([](auto&, auto& options) { options.idle_time(50ms); });
    tls_client asked(server.port());
    BOOST_TEST(
        asked.ask("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").status == 200
    );
    BOOST_TEST(asked.closed());
    BOOST_TEST(asked.ended_in_order());

    tls_client idle(server.port());
    BOOST_TEST(idle.ask(plain_get).status == 200);
    BOOST_TEST(idle.closed());
    BOOST_TEST(idle.ended_in_order());

    tls_client malformed(server.port());
    BOOST_TEST(malformed.ask("GET / HTTP/1.1\n\n" + std::string(50'000, 'x')).status == 400);
    BOOST_TEST(malformed.closed());
    BOOST_TEST(malformed.ended_in_order());
}

BOOST_AUTO_TEST_CASE(plain_http_is_answered_by_closing) {
    secure_server server;
    raw_client client(server.port());
    client.send(plain_get);
    std::string said;
    try {
        const auto got = client.read();
        BOOST_TEST(got.status == 0);
    } catch (const std::runtime_error& not_http) { // an alert of TLS, or a reset
        said = not_http.what();
        BOOST_TEST(said.find("HTTP/1.1") == std::string::npos);
    }
    BOOST_TEST(server.server->stats().requests == 0U);
    BOOST_TEST(connects(server.port(), {}));
}

BOOST_AUTO_TEST_CASE(a_handshake_has_its_time) {
    secure_server server([](auto& tls, auto&) { tls.handshake_time(50ms); });
    raw_client silent(server.port());
    BOOST_TEST(silent.closed());
    raw_client half(server.port());
    half.send(std::string_view("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11));
    BOOST_TEST(half.closed());
    BOOST_TEST(connects(server.port(), {}));
}

BOOST_AUTO_TEST_CASE(closing_is_graceful_for_tls_too) {
    secure_server server;
    tls_client idle(server.port());
    BOOST_TEST(idle.ask(plain_get).status == 200);
    auto cut = server.server->async_close(10s, asio::use_future);
    BOOST_TEST(idle.closed());
    BOOST_TEST(idle.ended_in_order());
    BOOST_TEST(cut.get() == 0U);
}

BOOST_AUTO_TEST_CASE(a_new_certificate_is_for_new_connections) {
    secure_server server;
    tls_client before(server.port());
    BOOST_TEST(before.ask(plain_get).status == 200);

    const self_signed next(server.scratch.path(), "second");
    std::filesystem::rename(next.certificate, server.pair.certificate);
    BOOST_CHECK_EXCEPTION(
        server.server->reload_tls(), http::tls_error,
        [&server](const http::tls_error& wrong) {
            BOOST_TEST(
                wrong.what() == "the key " + server.pair.key.string() +
                                    " does not belong to the certificate " +
                                    server.pair.certificate.string()
            );
            return true;
        }
    );
    BOOST_TEST(tls_client(server.port()).peer() == "first");

    std::filesystem::rename(next.key, server.pair.key);
    server.server->reload_tls();
    tls_client after(server.port());
    BOOST_TEST(after.peer() == "second");
    BOOST_TEST(after.ask(plain_get).status == 200);
    BOOST_TEST(before.ask(plain_get).status == 200);
}

BOOST_AUTO_TEST_CASE(a_bad_file_is_one_sentence) {
    const testing::scratch_dir scratch;
    const self_signed pair(scratch.path(), "good");
    const auto junk = scratch / "junk";
    std::ofstream(junk) << "no PEM at all\n";
    std::filesystem::permissions(
        junk, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write
    );
    const auto missing = scratch / "missing";
    BOOST_TEST(refused({pair.certificate, pair.key}) == "accepted");
    BOOST_TEST(
        refused({missing, pair.key}) == "the certificate " + missing.string() + " cannot be read"
    );
    BOOST_TEST(
        refused({junk, pair.key}) == "the certificate " + junk.string() + " is no PEM certificate"
    );
    BOOST_TEST(
        refused({pair.certificate, missing}) ==
        "the key " + missing.string() + " cannot be read: No such file or directory"
    );
    BOOST_TEST(
        refused({pair.certificate, junk}) ==
        "the key " + junk.string() + " is no PEM key without a pass phrase"
    );
    std::filesystem::permissions(
        pair.key, std::filesystem::perms::others_read, std::filesystem::perm_options::add
    );
    BOOST_TEST(
        refused({pair.certificate, pair.key}) ==
        "the key " + pair.key.string() +
            " is open to others; only its owner may have it (chmod 600)"
    );
}

BOOST_AUTO_TEST_SUITE_END()
