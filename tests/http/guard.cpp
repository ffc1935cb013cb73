#include "message_reader.hpp"
#include "raw_client.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <corogate/http/guard.hpp>
#include <corogate/http/server.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace http = corogate::http;

namespace {

/// What the guard says about a header block that arrives whole, and octet by octet: the same.
unsigned scan(const std::string& octets, const http::guard_limits& limits = {}) {
    http::guard whole(limits);
    whole.scan(octets);
    http::guard slow(limits);
    for (std::size_t n = 1; n <= octets.size() && !slow.refused(); ++n)
        if (slow.scan(std::string_view(octets).substr(0, n)))
            break;
    BOOST_TEST(slow.refused().status == whole.refused().status);
    BOOST_TEST(slow.refused().reason == whole.refused().reason);
    if (!whole.refused())
        BOOST_TEST(slow.size() == whole.size());
    return whole.refused().status;
}

/// Sends octets to a server whose routes tell what they got, and returns `statuses[/c]` as it is
/// written in the tables: the statuses answered, and whether the connection was closed after them.
std::string probe(std::uint16_t port, const std::string& octets) {
    raw_client client(port);
    client.send(octets);
    // Answered if and only if the connection is still open and in step.
    client.send("GET /probe HTTP/1.1\r\nHost: localhost\r\n\r\n");
    std::string seen;
    for (;;) {
        const auto got = client.read();
        if (got.status == 0)
            return seen + "/c";
        if (got.body == "probe")
            return seen;
        if (!seen.empty())
            seen += ',';
        seen += std::to_string(got.status);
    }
}

/// The same without a server: how many messages the guard and the parser let through, and with
/// which status the next one is refused.
std::string read_alone(std::string octets, std::size_t piece) {
    message_reader reader([](std::string_view method) -> std::size_t {
        return method == "POST" ? 100 : 0;
    });
    octets += "GET /probe HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (std::size_t at = 0; at < octets.size(); at += piece)
        reader.feed(std::string_view(octets).substr(at, piece));
    std::string seen = std::to_string(reader.messages().size()) + " read";
    if (reader.refused() != 0)
        seen += ", " + std::to_string(reader.refused());
    return seen;
}

/// What `read_alone` has to say where a server answers so. The answers of routes tell that their
/// message was read.
std::string without_routes(std::string answered) {
    const bool closed = answered.ends_with("/c");
    if (closed)
        answered.resize(answered.size() - 2);
    auto count = std::count(answered.begin(), answered.end(), ',') + 1;
    const std::string last = answered.substr(answered.rfind(',') + 1);
    if (!closed || last == "417")                   // the parser alone takes any expectation
        return std::to_string(count + 1) + " read"; // the probe
    if (last == "200")
        return std::to_string(count) + " read";
    return std::to_string(count - 1) + " read, " + last;
}

boost::asio::awaitable<http::response> echo(http::request& request) {
    co_return http::response::text(200, "got " + request.body());
}

boost::asio::awaitable<http::response> answer_probe(http::request&) {
    co_return http::response::text(200, "probe");
}

/// A server with `GET /`, `POST /` (100 octets at most) and `GET /probe`.
struct running_server {
    http::server server{http::server_options()};

    running_server() {
        http::router routes;
        routes.add("GET", "/", echo)
            .add("POST", "/", echo, http::route_options().body_limit(100))
            .add("GET", "/probe", answer_probe);
        server.start(std::move(routes));
    }
};

std::string get(const std::string& fields, const std::string& line = "GET / HTTP/1.1") {
    return line + "\r\n" + fields + "\r\n";
}

std::string post(const std::string& fields, const std::string& body = "") {
    return "POST / HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n" + body;
}

} // namespace

BOOST_AUTO_TEST_SUITE(guard)

BOOST_AUTO_TEST_CASE(finds_the_end_of_the_block) {
    const std::string block = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    http::guard one;
    BOOST_TEST(!one.scan(""));
    BOOST_TEST(!one.scan("\r"));
    BOOST_TEST(!one.scan("\r\n"));
    BOOST_TEST(!one.scan("\r\n" + block.substr(0, block.size() - 1)));
    BOOST_TEST(!one.refused());
    BOOST_TEST(one.scan("\r\n" + block + "the next one"));
    BOOST_TEST(one.skipped() == 2U);
    BOOST_TEST(one.size() == block.size());
    one.reset();
    BOOST_TEST(one.scan(block + block));
    BOOST_TEST(one.skipped() == 0U);
    BOOST_TEST(one.size() == block.size());
}

BOOST_AUTO_TEST_CASE(limits_are_exact) {
    http::guard_limits limits;
    const std::string line = "GET / HTTP/1.1\r\n";
    const auto block_of = [&](std::size_t size) {
        const std::string field = "A: ";
        return line + field + std::string(size - line.size() - field.size() - 4, 'x') + "\r\n\r\n";
    };
    limits.header(200);
    BOOST_TEST(block_of(200).size() == 200U);
    BOOST_TEST(scan(block_of(200), limits) == 0U);
    BOOST_TEST(scan("\r\n" + block_of(200), limits) == 0U);
    BOOST_TEST(scan(block_of(201), limits) == 431U);
    BOOST_TEST(scan(block_of(500), limits) == 431U);

    limits = {};
    limits.target(10);
    BOOST_TEST(scan("GET /123456789 HTTP/1.1\r\n\r\n", limits) == 0U);
    BOOST_TEST(scan("GET /1234567890 HTTP/1.1\r\n\r\n", limits) == 414U);
    limits.header(20); // a long target is a 414 also where it bursts the block
    BOOST_TEST(scan("GET /" + std::string(100, 'x') + " HTTP/1.1\r\n\r\n", limits) == 414U);

    limits = {};
    limits.fields(3);
    BOOST_TEST(scan(line + "A:\r\nB:\r\nC:\r\n\r\n", limits) == 0U);
    BOOST_TEST(scan(line + "A:\r\nB:\r\nC:\r\nD:\r\n\r\n", limits) == 431U);

    limits = {};
    limits.method(3);
    BOOST_TEST(scan("GET / HTTP/1.1\r\n\r\n", limits) == 0U);
    BOOST_TEST(scan("POST / HTTP/1.1\r\n\r\n", limits) == 501U);
}

BOOST_AUTO_TEST_CASE(refuses_as_soon_as_it_can) {
    http::guard one;
    BOOST_TEST(!one.scan("\x16\x03\x01")); // a TLS hello
    BOOST_TEST(one.refused().status == 400U);
    one.reset();
    BOOST_TEST(!one.scan("GET /" + std::string(4096, 'x')));
    BOOST_TEST(one.refused().status == 414U);
    one.reset();
    BOOST_TEST(!one.scan(std::string(25, 'X')));
    BOOST_TEST(one.refused().status == 501U);
    one.reset();
    BOOST_TEST(!one.scan("GET / HTTP/1.1\r\nA: " + std::string(8192, 'x')));
    BOOST_TEST(one.refused().status == 431U);
    BOOST_TEST(!one.scan("GET / HTTP/1.1\r\nA: b\r\n\r\n")); // stays refused
}

BOOST_AUTO_TEST_CASE(refuses_by_itself_what_the_parser_would_refuse_too) {
    const std::string line = "GET / HTTP/1.1\r\n";
    for (const std::string& field :
         {std::string("A: \x01"), std::string("A: b\rc"), std::string("A: \0", 4),
          std::string("A: \x7F"), std::string("A : b"), std::string("A\xFF: b"),
          std::string("A: b\r\n c"), std::string("A")})
        BOOST_TEST(scan(line + field + "\r\n\r\n") == 400U);
    BOOST_TEST(scan(line + "A: \xFF\tb\r\n\r\n") == 0U);
}

BOOST_AUTO_TEST_CASE(head_of_a_message) {
    const std::vector<http::header_field> host = {{"Host", "example.org:80"}};
    auto head = http::check_head("GET", "http://example.org:80/a?b", 1, host);
    BOOST_TEST(head.refused.status == 0U);
    BOOST_TEST(head.target == "/a?b");
    BOOST_TEST(!head.has_body());
    head = http::check_head("GET", "http://EXAMPLE.org:80", 1, host);
    BOOST_TEST(head.target == "/");
    head = http::check_head("OPTIONS", "*", 1, host);
    BOOST_TEST(head.refused.status == 0U);
    BOOST_TEST(head.target == "*");
    head = http::check_head("POST", "/", 1, {{"host", "h"}, {"content-LENGTH", "012"}});
    BOOST_TEST(head.content_length == 12U);
    BOOST_TEST(head.has_body());
    head = http::check_head(
        "POST", "/", 1, {{"host", "h"}, {"Content-Length", "1"}, {"EXPECT", "100-Continue"}}
    );
    BOOST_TEST(head.expects_continue);
    head = http::check_head(
        "POST", "/", 0, {{"host", "h"}, {"Content-Length", "1"}, {"Expect", "100-continue"}}
    );
    BOOST_TEST(!head.expects_continue);
    head = http::check_head("POST", "/", 1, {{"host", "h"}, {"Expect", "100-continue"}});
    BOOST_TEST(!head.expects_continue); // there is no body to wait with
    head = http::check_head("POST", "/", 1, {{"host", "h"}, {"Expect", "tea"}});
    BOOST_TEST(head.unknown_expectation);
    head = http::check_head("POST", "/", 1, {{"host", "h"}, {"transfer-encoding", "Chunked"}});
    BOOST_TEST(head.chunked);
    BOOST_TEST(http::check_head("GET", "", 1, host).refused.status == 400U);
}

/// Raw octets to a real socket: what is answered, and whether the connection survives.
BOOST_AUTO_TEST_CASE(table) {
    const running_server on;
    const std::string host = "Host: localhost\r\n";
    const std::string smuggled = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const std::string chunked = "Transfer-Encoding: chunked\r\n";
    const std::string no_chunks = "0\r\n\r\n";
    const std::string nul(1, '\0');

    const struct {
        const char* name;
        std::string octets;
        const char* expected;
    } rows[] = {
        {"plain GET", get(host), "200"},
        {"two at once", get(host) + get(host), "200,200"},
        {"body by length", post("Content-Length: 3\r\n", "abc"), "200"},
        {"body in chunks", post(chunked, "1;x=y\r\na\r\n2\r\nbc\r\n0\r\n\r\n"), "200"},
        {"no body at all", post(""), "200"},
        {"one leading empty line", "\r\n" + get(host), "200"},

        // the request line
        {"two leading empty lines", "\r\n\r\n" + get(host), "400/c"},
        {"leading space", " " + get(host), "400/c"},
        {"bare LF after the line", "GET / HTTP/1.1\n" + host + "\r\n", "400/c"},
        {"bare CR in the line", "GET /\r HTTP/1.1\r\n" + host + "\r\n", "400/c"},
        {"no version", get(host, "GET /"), "400/c"},
        {"space at the end", get(host, "GET / "), "400/c"},
        {"two spaces", get(host, "GET  / HTTP/1.1"), "400/c"},
        {"tab for a space", get(host, "GET\t/ HTTP/1.1"), "400/c"},
        {"space in the target", get(host, "GET /a b HTTP/1.1"), "400/c"},
        {"lower-case protocol", get(host, "GET / http/1.1"), "400/c"},
        {"HTTP/1.1 with more", get(host, "GET / HTTP/1.1x"), "400/c"},
        {"HTTP/1.10", get(host, "GET / HTTP/1.10"), "400/c"},
        {"HTTP/0.9", get(host, "GET / HTTP/0.9"), "505/c"},
        {"HTTP/1.2", get(host, "GET / HTTP/1.2"), "505/c"},
        {"HTTP/2.0 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505/c"},
        {"method of 25 octets", get(host, std::string(25, 'A') + " / HTTP/1.1"), "501/c"},
        {"method of 5000 octets", get(host, std::string(5000, 'A') + " / HTTP/1.1"), "501/c"},
        {"unknown method", get(host, "BREW / HTTP/1.1"), "501/c"},
        {"lower-case method", get(host, "get / HTTP/1.1"), "501/c"},
        {"method with a colon", get(host, "G:T / HTTP/1.1"), "400/c"},
        {"CONNECT", get(host, "CONNECT localhost:80 HTTP/1.1"), "501/c"},
        {"TRACE", get(host, "TRACE / HTTP/1.1"), "405"},

        {"empty line of LF alone", "\n" + get(host), "400/c"},
        {"CR before the line", "\r" + get(host), "400/c"},
        {"method alone", "GET\r\n" + host + "\r\n", "400/c"},
        {"no target", get(host, "GET  HTTP/1.1"), "400/c"},
        {"no method", get(host, " / HTTP/1.1"), "400/c"},
        {"NUL in the method", get(host, "G" + nul + "T / HTTP/1.1"), "400/c"},
        {"octet above ASCII in the method", get(host, "G\xC3T / HTTP/1.1"), "400/c"},
        {"HTTP/01.1", get(host, "GET / HTTP/01.1"), "400/c"},
        {"HTTP/1.1 and a space", get(host, "GET / HTTP/1.1 "), "400/c"},
        {"HTTP/1,1", get(host, "GET / HTTP/1,1"), "400/c"},
        {"HTTP/9.9", get(host, "GET / HTTP/9.9"), "505/c"},
        {"CONNECT in origin form", get(host, "CONNECT / HTTP/1.1"), "501/c"},

        // the target
        {"absolute form", get(host, "GET http://localhost/ HTTP/1.1"), "200"},
        {"absolute form of another host", get(host, "GET http://other/ HTTP/1.1"), "400/c"},
        {"absolute form, other scheme", get(host, "GET ftp://localhost/ HTTP/1.1"), "400/c"},
        {"asterisk for OPTIONS", get(host, "OPTIONS * HTTP/1.1"), "204"},
        {"asterisk for GET", get(host, "GET * HTTP/1.1"), "400/c"},
        {"no slash", get(host, "GET index HTTP/1.1"), "400/c"},
        {"fragment", get(host, "GET /#a HTTP/1.1"), "400/c"},
        {"octet above ASCII", get(host, "GET /\xFF HTTP/1.1"), "400/c"},
        {"DEL", get(host, "GET /\x7F HTTP/1.1"), "400/c"},
        {"NUL", get(host, "GET /" + nul + " HTTP/1.1"), "400/c"},
        {"encoded NUL", get(host, "GET /%00 HTTP/1.1"), "400"},
        {"dot segments", get(host, "GET /../etc HTTP/1.1"), "400"},
        {"query key twice", get(host, "GET /?a=1&a=2 HTTP/1.1"), "400"},
        {"target of 4096", get(host, "GET /?" + std::string(4094, 'a') + " HTTP/1.1"), "200"},
        {"target of 4097", get(host, "GET /?" + std::string(4095, 'a') + " HTTP/1.1"), "414/c"},
        {"target of 20000", get(host, "GET /?" + std::string(20000, 'a') + " HTTP/1.1"), "414/c"},

        {"absolute form, no host", get(host, "GET http:/// HTTP/1.1"), "400/c"},
        {"absolute form with a user", get(host, "GET http://a@localhost/ HTTP/1.1"), "400/c"},
        {"absolute form of OPTIONS", get(host, "OPTIONS http://localhost/ HTTP/1.1"), "204"},
        {"absolute form in HTTP/1.0 without Host",
         get("Connection: keep-alive\r\n", "GET http://localhost/ HTTP/1.0"), "400/c"},
        {"authority form", get(host, "GET localhost:80 HTTP/1.1"), "400/c"},
        {"encoded slash", get(host, "GET /a%2Fb HTTP/1.1"), "400"},
        {"broken percent", get(host, "GET /%4 HTTP/1.1"), "400"},

        // header fields
        {"bare LF after a field", get("Host: localhost\n"), "400/c"},
        {"bare LF ends the block", "GET / HTTP/1.1\r\nHost: localhost\r\n\n", "400/c"},
        {"bare CR in a value", get(host + "A: b\rc\r\n"), "400/c"},
        {"NUL in a value", get(host + "A: b" + nul + "\r\n"), "400/c"},
        {"control character in a value", get(host + "A: \x01\r\n"), "400/c"},
        {"space before the colon", get(host + "A : b\r\n"), "400/c"},
        {"space in a name", get(host + "A B: c\r\n"), "400/c"},
        {"no name", get(host + ": b\r\n"), "400/c"},
        {"no colon", get(host + "A\r\n"), "400/c"},
        {"folded line", get(host + "A: b\r\n c\r\n"), "400/c"},
        {"folded by tab", get(host + "A: b\r\n\tc\r\n"), "400/c"},
        {"first line folded", get(" A: b\r\n" + host), "400/c"},
        {"folded Transfer-Encoding", post("Transfer-Encoding:\r\n chunked\r\n", no_chunks), "400/c"
        },
        {"octets above ASCII in a value", get(host + "A: \xC3\xBC\r\n"), "200"},
        {"empty value", get(host + "A:\r\n"), "200"},
        {"header of 9000", get(host + "A: " + std::string(9000, 'x') + "\r\n"), "431/c"},
        {"header of 100000", get(host + "A: " + std::string(100000, 'x') + "\r\n"), "431/c"},
        {"101 fields", get([&] {
             std::string all = host;
             for (int i = 0; i < 100; ++i)
                 all += "A: b\r\n";
             return all;
         }()),
         "431/c"},

        {"100 fields", get([&] {
             std::string all = host;
             for (int i = 0; i < 99; ++i)
                 all += "A: b\r\n";
             return all;
         }()),
         "200"},
        {"header of 8192", get(host + "A: " + std::string(8192 - 40, 'x') + "\r\n"), "200"},
        {"header of 8193", get(host + "A: " + std::string(8193 - 40, 'x') + "\r\n"), "431/c"},
        {"vertical tab in a name", get(host + "A\x0B: b\r\n"), "400/c"},
        {"DEL in a value", get(host + "A: \x7F\r\n"), "400/c"},
        {"folded Host", get("Host:\r\n localhost\r\n"), "400/c"},
        {"folded line of blanks", get(host + "A: b\r\n \r\n"), "400/c"},

        // Host
        {"no Host", get(""), "400/c"},
        {"no Host in HTTP/1.0", get("Connection: keep-alive\r\n", "GET / HTTP/1.0"), "200"},
        {"two Hosts", get(host + host), "400/c"},
        {"two Hosts in HTTP/1.0", get(host + host, "GET / HTTP/1.0"), "400/c"},
        {"empty Host", get("Host:\r\n"), "400/c"},
        {"Host with a path", get("Host: localhost/a\r\n"), "400/c"},
        {"Host with a user", get("Host: a@localhost\r\n"), "400/c"},
        {"Host with a space", get("Host: local host\r\n"), "400/c"},
        {"Host with a bad port", get("Host: localhost:80a\r\n"), "400/c"},
        {"Host with an empty port", get("Host: localhost:\r\n"), "400/c"},
        {"Host as IPv6", get("Host: [::1]:80\r\n"), "200"},
        {"Host as broken IPv6", get("Host: [::1\r\n"), "400/c"},
        {"list of Hosts", get("Host: a, b\r\n"), "400/c"},

        {"Host with a port of 6 digits", get("Host: localhost:123456\r\n"), "400/c"},
        {"Host as IPv6 with more", get("Host: [::1]x\r\n"), "400/c"},
        {"Host with percent", get("Host: local%68ost\r\n"), "400/c"},
        {"Host with a fragment", get("Host: localhost#\r\n"), "400/c"},

        // framing
        {"TE in capitals", post("TRANSFER-ENCODING: CHUNKED\r\n", no_chunks), "200"},
        {"TE with blanks around", post("Transfer-Encoding: \t chunked \t\r\n", no_chunks), "200"},
        {"TE chunked, chunked", post("Transfer-Encoding: chunked, chunked\r\n", no_chunks), "501/c"
        },
        {"TE with an empty element", post("Transfer-Encoding: , chunked\r\n", no_chunks), "501/c"},
        {"TE with a vertical tab", post("Transfer-Encoding: chunked\x0B\r\n", no_chunks), "400/c"},
        {"TE with NUL", post("Transfer-Encoding: chunked" + nul + "\r\n", no_chunks), "400/c"},
        {"TE, space before colon", post("Transfer-Encoding : chunked\r\n", no_chunks), "400/c"},
        {"TE by underscore is no TE", post("Transfer_Encoding: chunked\r\n", no_chunks), "200,400/c"
        },
        {"TE in HTTP/1.0, unknown",
         "POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n" + smuggled, "400/c"},
        {"TE and CL in HTTP/1.0",
         "POST / HTTP/1.0\r\n" + host + chunked + "Content-Length: 5\r\n\r\n" + no_chunks, "400/c"},
        {"TE of a GET", get(host + "Transfer-Encoding: identity\r\n"), "501/c"},
        {"body by length in HTTP/1.0",
         "POST / HTTP/1.0\r\n" + host + "Connection: keep-alive\r\nContent-Length: 1\r\n\r\na",
         "200"},
        {"body is a request", post("Content-Length: 35\r\n", smuggled), "200"},
        {"CL with blanks around", post("Content-Length: \t3 \t\r\n", "abc"), "200"},
        {"CL, space before colon", post("Content-Length : 3\r\n", "abc"), "400/c"},
        {"CL with a comma", post("Content-Length: 3,\r\n", "abc"), "400/c"},
        {"CL as a fraction", post("Content-Length: 3.0\r\n", "abc"), "400/c"},
        {"CL in hexadecimal", post("Content-Length: a\r\n", "0123456789"), "400/c"},
        {"CL of 18 digits", post("Content-Length: 999999999999999999\r\n", "a"), "413/c"},
        {"CL of 19 digits", post("Content-Length: 9223372036854775807\r\n", "a"), "400/c"},
        {"CL of 20 digits, small", post("Content-Length: 00000000000000000003\r\n", "abc"), "400/c"
        },
        {"TE xchunked, body is a request", post("Transfer-Encoding: xchunked\r\n", smuggled),
         "501/c"},
        {"TE gzip, body is a request", post("Transfer-Encoding: gzip\r\n", smuggled), "501/c"},
        {"TE chunked, identity", post("Transfer-Encoding: chunked, identity\r\n", smuggled), "501/c"
        },
        {"TE gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", no_chunks), "501/c"},
        {"TE identity", post("Transfer-Encoding: identity\r\n", smuggled), "501/c"},
        {"TE empty", post("Transfer-Encoding:\r\n", smuggled), "501/c"},
        {"TE chunked;q=1", post("Transfer-Encoding: chunked;q=1\r\n", no_chunks), "501/c"},
        {"TE quoted", post("Transfer-Encoding: \"chunked\"\r\n", no_chunks), "501/c"},
        {"TE twice", post(chunked + chunked, no_chunks), "400/c"},
        {"TE twice, one unknown", post("Transfer-Encoding: x\r\n" + chunked, no_chunks), "400/c"},
        {"TE identity then CL", post("Transfer-Encoding: identity\r\nContent-Length: 3\r\n", "abc"),
         "400/c"},
        {"TE then CL", post(chunked + "Content-Length: 5\r\n", no_chunks), "400/c"},
        {"CL then TE", post("Content-Length: 5\r\n" + chunked, no_chunks), "400/c"},
        {"TE in HTTP/1.0",
         "POST / HTTP/1.0\r\n" + host + "Connection: keep-alive\r\n" + chunked + "\r\n" + no_chunks,
         "400/c"},
        {"CL twice, equal", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), "400/c"},
        {"CL twice, differing", post("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd"), "400/c"
        },
        {"CL as a list", post("Content-Length: 5, 5\r\n", "abcde"), "400/c"},
        {"CL +5", post("Content-Length: +5\r\n", "abcde"), "400/c"},
        {"CL -1", post("Content-Length: -1\r\n"), "400/c"},
        {"CL 0x5", post("Content-Length: 0x5\r\n", "abcde"), "400/c"},
        {"CL 5 5", post("Content-Length: 5 5\r\n", "abcde"), "400/c"},
        {"CL empty", post("Content-Length:\r\n"), "400/c"},
        {"CL beyond 64 bits", post("Content-Length: 18446744073709551617\r\n", "a"), "400/c"},
        {"CL of a GET without a body", get(host + "Content-Length: 0\r\n"), "200"},
        {"body for a GET", get(host + "Content-Length: 3\r\n") + "abc", "413/c"},
        {"chunked GET, empty", get(host + chunked) + no_chunks, "200"},
        {"chunked GET, not empty", get(host + chunked) + "1\r\na\r\n0\r\n\r\n", "413/c"},

        // bodies
        {"100 octets", post("Content-Length: 100\r\n", std::string(100, 'x')), "200"},
        {"101 octets", post("Content-Length: 101\r\n", std::string(101, 'x')), "413/c"},
        {"100 octets in chunks", post(chunked, "64\r\n" + std::string(100, 'x') + "\r\n0\r\n\r\n"),
         "200"},
        {"101 octets in chunks", post(chunked, "65\r\n" + std::string(101, 'x') + "\r\n0\r\n\r\n"),
         "413/c"},
        {"chunk size of 2^64", post(chunked, "10000000000000000\r\na\r\n0\r\n\r\n"), "400/c"},
        {"chunk size negative", post(chunked, "-1\r\na\r\n0\r\n\r\n"), "400/c"},
        {"chunk size missing", post(chunked, "\r\na\r\n0\r\n\r\n"), "400/c"},
        {"chunk longer than said", post(chunked, "1\r\nab\r\n0\r\n\r\n"), "400/c"},
        {"chunk ends with LF", post(chunked, "1\na\r\n0\r\n\r\n"), "400/c"},
        {"trailers", post(chunked, "1\r\na\r\n0\r\nHost: b\r\nAuthorization: c\r\n\r\n"), "400/c"},
        {"chunk extension of 32 KB",
         post(chunked, "1;x=" + std::string(32 * 1024, 'y') + "\r\na\r\n0\r\n\r\n"), "400/c"},

        {"chunk extension of 100",
         post(chunked, "1;" + std::string(100, 'y') + "\r\na\r\n0\r\n\r\n"), "200"},
        {"chunk extension, quoted", post(chunked, "1;a=\"b;\\\"c\"\r\na\r\n0\r\n\r\n"), "200"},
        {"extension of the last chunk", post(chunked, "1\r\na\r\n0;a=b\r\n\r\n"), "200"},
        {"extension of 32 KB of the last chunk",
         post(chunked, "1\r\na\r\n0;x=" + std::string(32 * 1024, 'y') + "\r\n\r\n"), "400/c"},
        {"chunk extension with LF", post(chunked, "1;a\nb\r\na\r\n0\r\n\r\n"), "400/c"},
        {"chunk extension with LF in quotes", post(chunked, "1;a=\"\n\"\r\na\r\n0\r\n\r\n"), "400/c"
        },
        {"extension of the last chunk with LF in quotes",
         post(chunked, "1\r\na\r\n0;a=\"\n\"\r\n\r\n"), "400/c"},
        {"chunk extension with CR LF in quotes", post(chunked, "1;a=\"\r\n\"\r\na\r\n0\r\n\r\n"),
         "400/c"},
        {"chunk extension with CR", post(chunked, "1;a\rb\r\na\r\n0\r\n\r\n"), "400/c"},
        {"chunk extension with NUL", post(chunked, "1;a" + nul + "\r\na\r\n0\r\n\r\n"), "400/c"},
        {"chunk size with 0x", post(chunked, "0x1\r\na\r\n0\r\n\r\n"), "400/c"},
        {"chunk size with a plus", post(chunked, "+1\r\na\r\n0\r\n\r\n"), "400/c"},
        {"chunk size after a space", post(chunked, " 1\r\na\r\n0\r\n\r\n"), "400/c"},
        {"chunk size before a space", post(chunked, "1 \r\na\r\n0\r\n\r\n"), "400/c"},
        {"chunk size with zeros in front", post(chunked, "0001\r\na\r\n0\r\n\r\n"), "200"},
        {"chunk size of 17 digits", post(chunked, "00000000000000001\r\na\r\n0\r\n\r\n"), "200"},
        {"chunk size of 2^64 - 1", post(chunked, "ffffffffffffffff\r\na\r\n0\r\n\r\n"), "413/c"},
        {"chunk shorter than said", post(chunked, "3\r\na\r\n0\r\n\r\n"), "400/c"},
        {"chunk data ends with LF", post(chunked, "1\r\na\n0\r\n\r\n"), "400/c"},
        {"chunk data ends with CR", post(chunked, "1\r\na\r0\r\n\r\n"), "400/c"},
        {"last chunk ends with LF", post(chunked, "1\r\na\r\n0\n\r\n"), "400/c"},
        {"one trailer", post(chunked, "1\r\na\r\n0\r\nA: b\r\n\r\n"), "400/c"},
        {"trailer without a colon", post(chunked, "1\r\na\r\n0\r\nA\r\n\r\n"), "400/c"},
        {"folded trailer", post(chunked, "1\r\na\r\n0\r\n A: b\r\n\r\n"), "400/c"},
        {"request after the chunks", post(chunked, "1\r\na\r\n0\r\n\r\n") + get(host), "200,200"},

        // connection
        {"Upgrade is not followed", get(host + "Connection: Upgrade\r\nUpgrade: h2c\r\n"), "200"},
        {"close among others", get(host + "Connection: TE, close\r\n"), "200/c"},
        {"HTTP/1.0 without Host closes", get("", "GET / HTTP/1.0"), "200/c"},
        {"two expectations", post("Expect: 100-continue\r\nExpect: 100-continue\r\n"), "417"},
        {"expectations as a list", post("Expect: 100-continue, tea\r\n"), "417"},
        {"expectation without a body", post("Expect: 100-continue\r\n"), "200"},
        {"expectation in HTTP/1.0",
         "POST / HTTP/1.0\r\n" + host + "Connection: keep-alive\r\nExpect: tea\r\n\r\n", "200"},
        {"close", get(host + "Connection: close\r\n"), "200/c"},
        {"HTTP/1.0 closes", get(host, "GET / HTTP/1.0"), "200/c"},
        {"HTTP/1.0 keep-alive", get(host + "Connection: keep-alive\r\n", "GET / HTTP/1.0"), "200"},
        {"unknown expectation", post("Expect: tea\r\nContent-Length: 1\r\n", "a"), "417/c"},
    };
    for (const auto& row : rows)
        BOOST_TEST_CONTEXT(row.name) {
            BOOST_TEST(probe(on.server.port(), row.octets) == row.expected);
            // The same however the octets arrive.
            for (const std::size_t piece : {row.octets.size(), std::size_t{1}, std::size_t{7}})
                BOOST_TEST(read_alone(row.octets, piece) == without_routes(row.expected));
        }
}

BOOST_AUTO_TEST_SUITE_END()
