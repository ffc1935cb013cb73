#include <boost/test/unit_test.hpp>
#include <corogate/http/target.hpp>
#include <string>

namespace http = corogate::http;

BOOST_AUTO_TEST_SUITE(target)

BOOST_AUTO_TEST_CASE(splits_and_decodes_once) {
    http::target one;
    BOOST_TEST(one.assign("/v1/forms/A%201%25?study=S%2F1&note=a+b&empty=&bare&&x=%3D%26") == "");
    BOOST_TEST(one.path() == "/v1/forms/A 1%");
    BOOST_TEST_REQUIRE(one.segments().size() == 3U);
    BOOST_TEST(one.segments()[2] == "A 1%");
    BOOST_TEST(one.query().size() == 5U);
    BOOST_TEST(one.query("study").value() == "S/1");
    BOOST_TEST(one.query("note").value() == "a b");
    BOOST_TEST(one.query("empty").value() == "");
    BOOST_TEST(one.query("bare").value() == "");
    BOOST_TEST(one.query("x").value() == "=&");
    BOOST_TEST(!one.query("y").has_value());
    BOOST_TEST(!one.query("Study").has_value());
}

BOOST_AUTO_TEST_CASE(slashes_make_segments) {
    http::target one;
    BOOST_TEST(one.assign("/") == "");
    BOOST_TEST_REQUIRE(one.segments().size() == 1U);
    BOOST_TEST(one.segments()[0] == "");
    BOOST_TEST(one.assign("/a//b/") == "");
    BOOST_TEST_REQUIRE(one.segments().size() == 4U);
    BOOST_TEST(one.segments()[1] == "");
    BOOST_TEST(one.segments()[3] == "");
    BOOST_TEST(one.path() == "/a//b/");
    // A plus is itself in a path.
    BOOST_TEST(one.assign("/a+b") == "");
    BOOST_TEST(one.segments()[0] == "a+b");
}

BOOST_AUTO_TEST_CASE(refuses_what_is_not_plain_text) {
    const char* bad[] = {
        "",
        "a/b",
        "?a=1",
        "/a%",
        "/a%4",
        "/a%zz",
        "/a%00",
        "/a%0a",
        "/a%7f",
        "/a%2fb",
        "/a%2Fb",
        "/..",
        "/a/../b",
        "/%2e%2e/b",
        "/./b",
        "/a%ff",
        "/a%c0%af",
        "/a%ed%a0%80",
        "/?a=%00",
        "/?a=%",
        "/?a=1&a=2",
        "/?a=1&%61=2",
        "/?a=%c3",
        "/?%00=1",
        "/a%f5%80%80%80",
        "/a%e0%80%80",
    };
    for (const char* text : bad) {
        http::target one;
        BOOST_TEST(one.assign("/before?x=1") == "");
        BOOST_TEST(one.assign(text) != "", "accepted: " << text);
        BOOST_TEST(one.segments().empty());
        BOOST_TEST(one.query().empty());
        BOOST_TEST(one.path() == "");
    }
}

BOOST_AUTO_TEST_CASE(takes_utf8) {
    http::target one;
    BOOST_TEST(one.assign("/%E2%82%AC?ort=M%C3%BCnchen&x=%F0%9F%98%80") == "");
    BOOST_TEST(one.segments()[0] == "\xE2\x82\xAC");
    BOOST_TEST(one.query("ort").value() == "M\xC3\xBCnchen");
    BOOST_TEST(one.query("x").value() == "\xF0\x9F\x98\x80");
}

BOOST_AUTO_TEST_SUITE_END()
