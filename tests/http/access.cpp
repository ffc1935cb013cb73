#include "durable/scratch_dir.hpp"
#include "raw_client.hpp"

#include <boost/test/unit_test.hpp>
#include <corogate/http/access.hpp>
#include <corogate/http/server.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

namespace http = corogate::http;
namespace asio = boost::asio;
using http::role;

namespace {

// The SHA-256 of site-07-secret-token, as sha256sum prints it.
constexpr const char* site_07 =
    "site-07 submit site-07 "
    "sha256:305e41cc7a7d82e4d5066de9b9fa4f936ab4c0c865ea71882a4a26695f02924d\n";

const std::string lines = std::string("# name role tenant token\n\n  # indented\n") + site_07 +
                          "viewer\tread -  viewer-secret-token \r\n"
                          "boss admin - boss.secret~token+/==";

std::string refused(std::string_view text) {
    http::access list;
    try {
        list.add(text, "tokens");
    } catch (const http::access_error& wrong) {
        BOOST_TEST(list.tokens() == 0U);
        return wrong.what();
    }
    return "accepted";
}

/// What a server with this list answers to one request.
class doorkeeper {
public:
    explicit doorkeeper(http::access list) {
        http::server_options options;
        options.access(std::make_shared<const http::access>(std::move(list)));
        server_ = std::make_unique<http::server>(options);
        http::router routes;
        const http::handler who = [](http::request& from) -> asio::awaitable<http::response> {
            const http::identity& one = from.who();
            co_return http::response::text(
                200, one.name + "/" + std::string(to_string(one.level)) + "/" +
                         http::tenant_of(from, "declared") + (one.by_token ? "/token" : "/place")
            );
        };
        routes.add("GET", "/look", who)
            .add("POST", "/bring", who)
            .add("PUT", "/rule", who, http::route_options().needs(role::admin).body_limit(1000))
            .add("GET", "/livez", who, http::route_options().needs(role::none));
        server_->start(std::move(routes));
    }

    raw_client::reply
    ask(const std::string& line, const std::string& fields = {},
        const std::string& host = "localhost") const {
        raw_client client(server_->port());
        return client.ask(line + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n");
    }

private:
    std::unique_ptr<http::server> server_;
};

std::string bearer(const std::string& token) { return "Authorization: Bearer " + token + "\r\n"; }

} // namespace

BOOST_AUTO_TEST_SUITE(access_tests) // `access` is a function of the system

BOOST_AUTO_TEST_CASE(roles_have_an_order_and_names) {
    BOOST_TEST((role::none < role::read && role::read < role::submit && role::submit < role::admin)
    );
    for (const role one : {role::none, role::read, role::submit, role::admin})
        BOOST_TEST((http::role_named(to_string(one)) == one));
    BOOST_TEST(!http::role_named("Admin").has_value());
    BOOST_TEST(!http::role_named("").has_value());
}

BOOST_AUTO_TEST_CASE(a_token_has_a_name_a_role_and_perhaps_a_tenant) {
    http::access list;
    list.add(lines);
    BOOST_TEST(list.tokens() == 3U);
    const doorkeeper door(std::move(list));
    const auto ask = [&door](const char* line, const std::string& token) {
        return door.ask(line, bearer(token));
    };
    BOOST_TEST(ask("GET /look", "site-07-secret-token").body == "site-07/submit/site-07/token");
    BOOST_TEST(ask("POST /bring", "site-07-secret-token").body == "site-07/submit/site-07/token");
    BOOST_TEST(ask("PUT /rule", "site-07-secret-token").status == 403);
    // No tenant of its own, and this test is of this machine.
    BOOST_TEST(ask("GET /look", "viewer-secret-token").body == "viewer/read/declared/token");
    BOOST_TEST(ask("POST /bring", "viewer-secret-token").status == 403);
    BOOST_TEST(ask("PUT /rule", "boss.secret~token+/==").body == "boss/admin/declared/token");
}

BOOST_AUTO_TEST_CASE(no_is_said_as_the_standard_wants_it) {
    const doorkeeper door(http::access().add(lines));
    const auto without = door.ask("GET /look");
    BOOST_TEST(without.status == 401);
    BOOST_TEST(without.header("WWW-Authenticate") == "Bearer realm=\"corogate\"");
    BOOST_TEST(without.header("Content-Type") == "application/problem+json");
    BOOST_TEST(without.header("Cache-Control") == "no-store");
    BOOST_TEST(without.body.find("\"reason\":\"token-missing\"") != std::string::npos);
    BOOST_TEST(without.body.find("\"executed\":false") != std::string::npos);

    const std::string unknown = "Bearer realm=\"corogate\", error=\"invalid_token\"";
    for (const std::string& fields :
         {bearer("site-07-secret-tokem"), bearer("site-07-secret-toke"), bearer("short"),
          bearer("site-07-secret-token and-more"), bearer(std::string(600, 'a')),
          std::string("Authorization: Bearer\r\n"), std::string("Authorization: \r\n"),
          std::string("Authorization: Basic c2l0ZS0wNy1zZWNyZXQtdG9rZW4=\r\n"),
          std::string("Authorization: site-07-secret-token\r\n"),
          // The hash of a token is no token.
          bearer("305e41cc7a7d82e4d5066de9b9fa4f936ab4c0c865ea71882a4a26695f02924d"),
          // Whoever sends two means which?
          bearer("site-07-secret-token") + bearer("boss.secret~token+/==")}) {
        const auto got = door.ask("GET /look", fields);
        BOOST_TEST(got.status == 401, fields);
        BOOST_TEST(got.header("WWW-Authenticate") == unknown, fields);
        BOOST_TEST(got.body.find("secret") == std::string::npos);
    }
    // The scheme is a word whatever its case, and a token in the target is none.
    BOOST_TEST(
        door.ask("GET /look", "authorization: bEARER  viewer-secret-token\r\n").status == 200
    );
    BOOST_TEST(door.ask("GET /look?access_token=viewer-secret-token").status == 401);

    const auto too_low = door.ask("POST /bring", bearer("viewer-secret-token"));
    BOOST_TEST(too_low.status == 403);
    BOOST_TEST(
        too_low.header("WWW-Authenticate") ==
        "Bearer realm=\"corogate\", error=\"insufficient_scope\", scope=\"submit\""
    );
}

BOOST_AUTO_TEST_CASE(the_token_is_asked_for_before_the_body_and_after_the_path) {
    const doorkeeper door(http::access().add(lines));
    BOOST_TEST(door.ask("GET /nowhere").status == 404);
    BOOST_TEST(door.ask("DELETE /rule").status == 405);
    BOOST_TEST(door.ask("OPTIONS /rule").status == 204);
    BOOST_TEST(door.ask("PUT /rule", "Content-Length: 999999\r\n").status == 401);
    BOOST_TEST(
        door.ask("PUT /rule", "Content-Length: 5\r\nExpect: 100-continue\r\n").status == 401
    );
    BOOST_TEST(
        door.ask("PUT /rule", bearer("boss.secret~token+/==") + "Content-Length: 999999\r\n")
            .status == 413
    );
    // A probe brings no token, or a stale one.
    BOOST_TEST(door.ask("GET /livez").status == 200);
    BOOST_TEST(door.ask("GET /livez", bearer("stale-stale-stale-stale")).status == 200);
}

BOOST_AUTO_TEST_CASE(a_token_is_worth_more_than_a_host_on_the_list) {
    const doorkeeper with(http::access().add(lines));
    const std::string elsewhere = "edc.example.org:8443";
    BOOST_TEST(with.ask("POST /bring", bearer("site-07-secret-token"), elsewhere).status == 200);
    const doorkeeper without{http::access()};
    const auto no = without.ask("POST /bring", {}, elsewhere);
    BOOST_TEST(no.status == 403);
    BOOST_TEST(no.body.find("host-not-allowed") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(without_tokens_the_machine_itself_may_everything) {
    const doorkeeper door{http::access()};
    BOOST_TEST(door.ask("PUT /rule").body == "/admin/declared/place");
    // Nobody is known by a token here, so none is wrong.
    BOOST_TEST(door.ask("GET /look", bearer("whatever-whatever")).status == 200);
}

BOOST_AUTO_TEST_CASE(without_tokens_others_may_what_was_said) {
    const auto status = [](const http::access& list, const char* from, role least) {
        http::request one("GET", "/");
        one.come_from(asio::ip::make_address(from));
        const auto no = list.check(one, least);
        return no ? no->status() : 200U;
    };
    const http::access closed;
    for (const char* here : {"127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"})
        BOOST_TEST(status(closed, here, role::admin) == 200U, here);
    for (const char* there : {"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "0.0.0.0", "::"}) {
        BOOST_TEST(status(closed, there, role::none) == 200U, there);
        BOOST_TEST(status(closed, there, role::read) == 403U, there);
    }
    http::access open;
    open.others(role::submit);
    BOOST_TEST(status(open, "192.0.2.1", role::submit) == 200U);
    BOOST_TEST(status(open, "192.0.2.1", role::admin) == 403U);
    // With tokens the place counts for nothing.
    open.add(lines);
    BOOST_TEST(status(open, "127.0.0.1", role::read) == 401U);
    BOOST_TEST(status(open, "192.0.2.1", role::read) == 401U);
}

BOOST_AUTO_TEST_CASE(nobody_takes_a_share_by_saying_so) {
    const auto tenant = [](const char* from) {
        http::request one("GET", "/");
        one.come_from(asio::ip::make_address(from));
        return http::tenant_of(one, "site-07");
    };
    BOOST_TEST(tenant("127.0.0.1") == "site-07");
    BOOST_TEST(tenant("::1") == "site-07");
    BOOST_TEST(tenant("::ffff:127.0.0.1") == "site-07");
    BOOST_TEST(tenant("192.0.2.1") == "192.0.2.1");
    BOOST_TEST(tenant("::ffff:192.0.2.1") == "192.0.2.1");
    // One customer has 2^64 addresses of IPv6, which are one share.
    BOOST_TEST(tenant("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64");
    BOOST_TEST(tenant("2001:db8:1:2::9") == "2001:db8:1:2::/64");

    // The token decides, wherever it comes from.
    http::access list;
    list.add(lines);
    http::request one("POST", "/", {{"Authorization", "Bearer site-07-secret-token"}});
    one.come_from(asio::ip::make_address("192.0.2.1"));
    BOOST_TEST(!list.check(one, role::submit).has_value());
    BOOST_TEST(http::tenant_of(one, "site-99") == "site-07");
}

BOOST_AUTO_TEST_CASE(a_bad_line_is_named_and_its_token_is_not) {
    BOOST_TEST(refused("a read -") == "line 1 of tokens: a token line is: name role tenant token");
    BOOST_TEST(
        refused("a read - 0123456789abcdef more").starts_with("line 1 of tokens: a token line is")
    );
    BOOST_TEST(
        refused("\n\na/b read - 0123456789abcdef") ==
        "line 3 of tokens: a name is 1 to 64 letters, digits, '.', '_' or '-'"
    );
    for (const char* role : {"write", "none", "Admin"})
        BOOST_TEST(
            refused("a " + std::string(role) + " - 0123456789abcdef") ==
            "line 1 of tokens: a role is read, submit or admin"
        );
    BOOST_TEST(
        refused("a read \x01 0123456789abcdef") ==
        "line 1 of tokens: a tenant is 1 to 200 octets of text, or '-' for none"
    );
    for (const char* token : {"0123456789abcde", "0123456789abcde\"", "0123456789abcdef:"})
        BOOST_TEST(
            refused("a read - " + std::string(token)) ==
            "line 1 of tokens: a token is 16 to 512 letters, digits or one of -._~+/="
        );
    for (const char* hash : {"", "00", "zz"})
        BOOST_TEST(
            refused("a read - sha256:" + std::string(hash)) ==
            "line 1 of tokens: behind 'sha256:' stand 64 hexadecimal digits"
        );
    BOOST_TEST(
        refused("a read - 0123456789abcdef\na admin - 0123456789abcdeF") ==
        "line 2 of tokens: the name 'a' is there already"
    );
    BOOST_TEST(
        refused(site_07 + std::string("b admin - site-07-secret-token")) ==
        "line 2 of tokens: this is the token of 'site-07'"
    );
}

BOOST_AUTO_TEST_CASE(a_token_file_is_its_owners_alone) {
    using std::filesystem::perms;
    const testing::scratch_dir scratch;
    const auto file = scratch / "tokens";
    std::ofstream(file) << lines;
    const auto loaded = [&file](perms mode) -> std::string {
        std::filesystem::permissions(file, mode);
        try {
            http::access list;
            list.add_file(file);
            return std::to_string(list.tokens());
        } catch (const http::access_error& wrong) {
            return wrong.what();
        }
    };
    const perms own = perms::owner_read | perms::owner_write;
    BOOST_TEST(loaded(own) == "3");
    BOOST_TEST(loaded(own | perms::group_read) == "3");
    const std::string no = "the token file " + file.string() +
                           " is open to others; only its owner may have it (chmod 600)";
    for (const perms more : {perms::others_read, perms::others_write, perms::group_write})
        BOOST_TEST(loaded(own | more) == no);

    http::access list;
    const auto message = [&list](const std::filesystem::path& from) -> std::string {
        try {
            list.add_file(from);
            return "accepted";
        } catch (const http::access_error& wrong) {
            return wrong.what();
        }
    };
    BOOST_TEST(
        message(scratch / "none") == "the token file " + (scratch / "none").string() +
                                         " cannot be read: No such file or directory"
    );
    BOOST_TEST(message(scratch.path()).ends_with(" is a folder"));
    std::ofstream(scratch / "empty") << "# nothing yet\n";
    std::filesystem::permissions(scratch / "empty", own);
    BOOST_TEST(message(scratch / "empty").ends_with("/empty has no token"));
}

BOOST_AUTO_TEST_CASE(the_environment_has_lines_too) {
    const char* const variable = "COROGATE_HTTP_TEST_TOKENS";
    ::unsetenv(variable);
    BOOST_TEST(http::access().add_environment(variable).tokens() == 0U);
    ::setenv(variable, "a read - 0123456789abcdef; b submit site-1 fedcba9876543210\n#c", 1);
    BOOST_TEST(http::access().add_environment(variable).tokens() == 2U);
    ::setenv(variable, "a read - short", 1);
    try {
        http::access().add_environment(variable);
        BOOST_ERROR("accepted");
    } catch (const http::access_error& wrong) {
        BOOST_TEST(
            wrong.what() == std::string("line 1 of ") + variable +
                                ": a token is 16 to 512 letters, digits or one of -._~+/="
        );
    }
    ::unsetenv(variable);
}

BOOST_AUTO_TEST_SUITE_END()
