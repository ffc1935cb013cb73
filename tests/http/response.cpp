#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/http/response.hpp>
#include <stdexcept>

namespace http = corogate::http;

BOOST_AUTO_TEST_SUITE(response)

BOOST_AUTO_TEST_CASE(text_and_json) {
    const auto plain = http::response::text(200, "hello");
    BOOST_TEST(plain.status() == 200U);
    BOOST_TEST(plain.body() == "hello");
    BOOST_TEST(plain.header("content-type").value() == "text/plain; charset=utf-8");

    const auto object =
        http::response::json(201, {{"message", "2 tasks submitted successfully"}, {"n", 2}});
    BOOST_TEST(object.status() == 201U);
    BOOST_TEST(object.body() == R"({"message":"2 tasks submitted successfully","n":2})");
    BOOST_TEST(object.header("Content-Type").value() == "application/json");
}

BOOST_AUTO_TEST_CASE(fields_replace_each_other) {
    http::response one;
    BOOST_TEST(one.status() == 200U);
    one.set("Location", "/a").set("location", "/b");
    BOOST_TEST(one.headers().size() == 1U);
    BOOST_TEST(one.header("LOCATION").value() == "/b");
    BOOST_TEST(!one.header("Retry-After").has_value());
    BOOST_TEST(!one.closes());
    BOOST_TEST(one.close().closes());
}

BOOST_AUTO_TEST_CASE(nothing_breaks_the_header) {
    http::response one;
    BOOST_CHECK_THROW(one.set("Location", "/a\r\nX: y"), std::invalid_argument);
    BOOST_CHECK_THROW(one.set("Location", std::string_view("a\0b", 3)), std::invalid_argument);
    BOOST_CHECK_THROW(one.set("Bad Name", "x"), std::invalid_argument);
    BOOST_CHECK_THROW(one.set("", "x"), std::invalid_argument);
    BOOST_CHECK_THROW(one.set("content-length", "3"), std::invalid_argument);
    BOOST_CHECK_THROW(one.set("Transfer-Encoding", "chunked"), std::invalid_argument);
    BOOST_CHECK_THROW(one.set("Connection", "close"), std::invalid_argument);
    BOOST_TEST(one.headers().empty());
    BOOST_CHECK_THROW(http::response(101), std::invalid_argument);
    BOOST_CHECK_THROW(http::response(600), std::invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()
