#include <boost/test/unit_test.hpp>
#include <corogate/http/request.hpp>
#include <stdexcept>

namespace http = corogate::http;

BOOST_AUTO_TEST_SUITE(request)

BOOST_AUTO_TEST_CASE(hands_out_its_parts) {
    http::request one(
        "POST", "/v1/forms?study=S%201&form=F",
        {{"Host", "localhost"}, {"Content-Type", "application/json"}, {"X-Two", "1"}, {"x-two", "2"}
        },
        "{}"
    );
    BOOST_TEST(one.method() == "POST");
    BOOST_TEST(one.target() == "/v1/forms?study=S%201&form=F");
    BOOST_TEST(one.path() == "/v1/forms");
    BOOST_TEST(one.query("study").value() == "S 1");
    BOOST_TEST(!one.query("site").has_value());
    BOOST_TEST(one.header("content-TYPE").value() == "application/json");
    BOOST_TEST(one.header("X-TWO").value() == "1"); // the first
    BOOST_TEST(!one.header("Accept").has_value());
    BOOST_TEST(one.headers().size() == 4U);
    BOOST_TEST(one.body() == "{}");
    BOOST_TEST(one.take_body() == "{}");
    BOOST_TEST(one.body() == "");
    BOOST_TEST(one.remote_address().is_unspecified());
}

BOOST_AUTO_TEST_CASE(unknown_path_parameter_is_an_error_of_the_program) {
    http::request one("GET", "/");
    BOOST_CHECK_THROW((void)one.param("id"), std::out_of_range);
}

BOOST_AUTO_TEST_CASE(refuses_a_malformed_target) {
    BOOST_CHECK_THROW(http::request("GET", "/?a=1&a=2"), std::invalid_argument);
    BOOST_CHECK_THROW(http::request("GET", ""), std::invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()
