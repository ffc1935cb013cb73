#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <corogate/http/router.hpp>
#include <stdexcept>

namespace http = corogate::http;

namespace {

const http::handler nothing = [](http::request&) -> boost::asio::awaitable<http::response> {
    co_return http::response(204);
};

/// Routes are told apart by their body limit.
http::route_options tag(std::size_t number) { return http::route_options().body_limit(number); }

std::size_t found(const http::router& in, const char* method, const char* target) {
    http::request one(method, target);
    const auto match = in.find(one);
    return match.found == nullptr ? 0 : match.found->options.body_limit();
}

std::string allow(const http::router& in, const char* method, const char* target) {
    http::request one(method, target);
    return std::string(in.find(one).allow);
}

} // namespace

BOOST_AUTO_TEST_SUITE(router)

BOOST_AUTO_TEST_CASE(finds_by_path_then_method) {
    http::router routes;
    routes.add("GET", "/", nothing, tag(1))
        .add("GET", "/v1/forms/{id}", nothing, tag(2))
        .add("POST", "/v1/forms", nothing, tag(3))
        .add("DELETE", "/v1/forms/{id}", nothing, tag(4))
        .add("POST", "/v1/jobs/{id}/cancel", nothing, tag(5));
    BOOST_TEST(found(routes, "GET", "/") == 1U);
    BOOST_TEST(found(routes, "GET", "/v1/forms/17?x=1") == 2U);
    BOOST_TEST(found(routes, "HEAD", "/v1/forms/17") == 2U);
    BOOST_TEST(found(routes, "POST", "/v1/forms") == 3U);
    BOOST_TEST(found(routes, "DELETE", "/v1/forms/x") == 4U);
    BOOST_TEST(found(routes, "POST", "/v1/jobs/9/cancel") == 5U);

    BOOST_TEST(found(routes, "GET", "/v1/forms") == 0U);
    BOOST_TEST(allow(routes, "GET", "/v1/forms") == "OPTIONS, POST");
    BOOST_TEST(allow(routes, "PUT", "/v1/forms/1") == "DELETE, GET, HEAD, OPTIONS");
    BOOST_TEST(found(routes, "HEAD", "/v1/forms") == 0U);
    BOOST_TEST(routes.allow_any() == "DELETE, GET, HEAD, OPTIONS, POST");

    for (const char* path : {"/v1", "/v1/forms/", "/v1/forms/1/2", "/v1//1", "//", "/V1/forms"})
        BOOST_TEST(allow(routes, "GET", path) == "", path);
}

BOOST_AUTO_TEST_CASE(looking_needs_less_than_doing) {
    http::router routes;
    routes.add("GET", "/a/{id}", nothing)
        .add("POST", "/a/{id}", nothing)
        .add("DELETE", "/a/{id}", nothing, http::route_options().needs(http::role::admin))
        .add("GET", "/livez", nothing, http::route_options().needs(http::role::none));
    const auto needs = [&routes](const char* method, const char* target) {
        http::request one(method, target);
        return to_string(routes.find(one).found->needs);
    };
    BOOST_TEST(needs("GET", "/a/1") == "read");
    BOOST_TEST(needs("HEAD", "/a/1") == "read");
    BOOST_TEST(needs("POST", "/a/1") == "submit");
    BOOST_TEST(needs("DELETE", "/a/1") == "admin");
    BOOST_TEST(needs("GET", "/livez") == "none");
    http::request one("GET", "/a/1");
    BOOST_TEST(routes.find(one).found->pattern == "/a/{id}");
}

BOOST_AUTO_TEST_CASE(fills_in_parameters) {
    http::router routes;
    routes.add("GET", "/v1/studies/{study}/forms/{form}", nothing);
    http::request one("GET", "/v1/studies/S%201/forms/AE");
    BOOST_TEST(routes.find(one).found != nullptr);
    BOOST_TEST(one.param("study") == "S 1");
    BOOST_TEST(one.param("form") == "AE");
    BOOST_CHECK_THROW((void)one.param("id"), std::out_of_range);
}

BOOST_AUTO_TEST_CASE(literals_go_before_names) {
    http::router routes;
    routes.add("GET", "/{a}/{b}", nothing, tag(1))
        .add("GET", "/{a}/x", nothing, tag(2))
        .add("GET", "/j/{b}", nothing, tag(3))
        .add("GET", "/j/x", nothing, tag(4));
    BOOST_TEST(found(routes, "GET", "/j/x") == 4U);
    BOOST_TEST(found(routes, "GET", "/j/y") == 3U);
    BOOST_TEST(found(routes, "GET", "/k/x") == 2U);
    BOOST_TEST(found(routes, "GET", "/k/y") == 1U);
}

BOOST_AUTO_TEST_CASE(a_router_lists_its_routes_as_they_were_given) {
    http::router routes;
    BOOST_TEST(routes.routes().empty());
    routes.add("GET", "/a/{id}", nothing).add("POST", "/a/{id}", nothing).add("GET", "/", nothing);
    std::vector<std::string> all;
    for (const http::route* one : routes.routes())
        all.push_back(one->method + " " + one->pattern);
    std::sort(all.begin(), all.end());
    const std::vector<std::string> expected{"GET /", "GET /a/{id}", "POST /a/{id}"};
    BOOST_TEST(all == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(bad_routes_are_refused) {
    http::router routes;
    routes.add("GET", "/a/{id}", nothing);
    BOOST_CHECK_THROW(routes.add("GET", "/a/{id}", nothing), std::invalid_argument);
    BOOST_CHECK_THROW(routes.add("POST", "/a/{other}", nothing), std::invalid_argument);
    BOOST_CHECK_THROW(routes.add("GET", "a", nothing), std::invalid_argument);
    BOOST_CHECK_THROW(routes.add("GET", "", nothing), std::invalid_argument);
    BOOST_CHECK_THROW(routes.add("GET", "/a{id}", nothing), std::invalid_argument);
    BOOST_CHECK_THROW(routes.add("GET", "/{}", nothing), std::invalid_argument);
    BOOST_CHECK_THROW(routes.add("get", "/b", nothing), std::invalid_argument);
    BOOST_CHECK_THROW(routes.add("", "/b", nothing), std::invalid_argument);
    BOOST_CHECK_THROW(routes.add("GET", "/b", http::handler()), std::invalid_argument);
    BOOST_CHECK_THROW(
        routes.add("POST", "/b", http::admit_hook(), http::admitted_handler()),
        std::invalid_argument
    );
    BOOST_TEST(allow(routes, "GET", "/b") == "");
}

BOOST_AUTO_TEST_SUITE_END()
