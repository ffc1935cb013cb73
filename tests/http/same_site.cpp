#include <boost/test/unit_test.hpp>
#include <corogate/http/same_site.hpp>
#include <string>
#include <vector>

namespace http = corogate::http;

namespace {

struct sample {
    const char* method;
    const char* host;
    const char* origin;
    const char* fetch_site;
    const char* reason; // null: passes
};

std::string outcome(const http::same_site& guard, const sample& one) {
    const std::string host = one.host == nullptr ? "" : one.host;
    const std::string origin = one.origin == nullptr ? "" : one.origin;
    const std::string site = one.fetch_site == nullptr ? "" : one.fetch_site;
    http::request request(
        one.method, "/tasks",
        {{one.host == nullptr ? "X-A" : "Host", host},
         {one.origin == nullptr ? "X-B" : "Origin", origin},
         {one.fetch_site == nullptr ? "X-C" : "Sec-Fetch-Site", site}}
    );
    const auto no = guard.check(request);
    if (!no)
        return "passes";
    BOOST_TEST(no->status() == 403U);
    return std::string(no->reason());
}

} // namespace

BOOST_AUTO_TEST_SUITE(same_site)

BOOST_AUTO_TEST_CASE(table) {
    http::same_site guard;
    guard.allow("EDC.example.org").allow("lab.example.org:8443");
    const sample samples[] = {
        {"POST", "localhost", nullptr, nullptr, nullptr},
        {"POST", "LocalHost:8080", nullptr, nullptr, nullptr},
        {"PUT", "127.0.0.1:8080", nullptr, nullptr, nullptr},
        {"PATCH", "[::1]", nullptr, nullptr, nullptr},
        {"DELETE", "[::1]:9000", nullptr, nullptr, nullptr},
        {"POST", "edc.example.org:1", nullptr, nullptr, nullptr},
        {"POST", "lab.example.org:8443", nullptr, nullptr, nullptr},
        // the same origin
        {"POST", "localhost:8080", "http://localhost:8080", "same-origin", nullptr},
        {"POST", "localhost:8080", "https://LOCALHOST:8080", nullptr, nullptr},
        {"POST", "localhost", "http://localhost", nullptr, nullptr},
        {"POST", "localhost", "http://localhost:80", nullptr, nullptr},
        {"POST", "localhost:443", "https://localhost", nullptr, nullptr},
        {"POST", "[::1]:8080", "http://[::1]:8080", nullptr, nullptr},
        {"POST", "localhost:8080", nullptr, "none", nullptr},
        // links from elsewhere may be followed; reading under a foreign name is rebinding
        {"GET", "localhost", "http://evil.example", "cross-site", nullptr},
        {"GET", "evil.example", "http://evil.example", "same-origin", "host-not-allowed"},
        {"HEAD", nullptr, nullptr, nullptr, nullptr},
        {"HEAD", "", nullptr, nullptr, "host-not-allowed"},
        // hosts
        {"POST", nullptr, nullptr, nullptr, "host-not-allowed"},
        {"POST", "", nullptr, nullptr, "host-not-allowed"},
        {"POST", "evil.example", nullptr, nullptr, "host-not-allowed"},
        {"POST", "evil.example:8080", "http://evil.example:8080", nullptr, "host-not-allowed"},
        {"POST", "localhost.evil.example", nullptr, nullptr, "host-not-allowed"},
        {"POST", "lab.example.org", nullptr, nullptr, "host-not-allowed"},
        {"POST", "lab.example.org:8444", nullptr, nullptr, "host-not-allowed"},
        {"POST", "[::2]:8080", nullptr, nullptr, "host-not-allowed"},
        // origins
        {"POST", "localhost:8080", "http://evil.example", nullptr, "cross-origin"},
        {"POST", "localhost:8080", "http://localhost:8081", nullptr, "cross-origin"},
        {"POST", "localhost:8080", "http://localhost", nullptr, "cross-origin"},
        {"POST", "localhost:8080", "http://127.0.0.1:8080", nullptr, "cross-origin"},
        {"POST", "localhost:8080", "null", nullptr, "cross-origin"},
        {"POST", "localhost:8080", "", nullptr, "cross-origin"},
        {"POST", "localhost:8080", "ftp://localhost:8080", nullptr, "cross-origin"},
        {"DELETE", "localhost:8080", "http://localhost:8080", "cross-site", "cross-site"},
        {"PUT", "localhost:8080", nullptr, "cross-site", "cross-site"},
    };
    for (const sample& one : samples)
        BOOST_TEST_CONTEXT(
            one.method << ' ' << (one.host != nullptr ? one.host : "(no host)") << ' '
                       << (one.origin != nullptr ? one.origin : "(no origin)")
        )
    BOOST_TEST(outcome(guard, one) == (one.reason != nullptr ? one.reason : "passes"));
}

BOOST_AUTO_TEST_SUITE_END()
