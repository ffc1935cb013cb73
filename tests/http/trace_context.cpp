#include <boost/test/unit_test.hpp>
#include <corogate/http/request.hpp>
#include <corogate/http/trace_context.hpp>
#include <set>
#include <string>

namespace http = corogate::http;
using http::trace_context;

namespace {

const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string parent = "00f067aa0ba902b7";
const std::string valid = "00-" + trace + "-" + parent + "-01";

bool taken(const std::string& text) { return trace_context::received(text).has_value(); }

} // namespace

BOOST_AUTO_TEST_SUITE(trace_context_tests)

BOOST_AUTO_TEST_CASE(a_trace_goes_on_in_a_span_of_its_own) {
    const auto got = trace_context::received(valid);
    BOOST_REQUIRE(got.has_value());
    BOOST_TEST(got->trace_id() == trace);
    BOOST_TEST(got->parent_id() == parent);
    BOOST_TEST(got->span_id() != parent);
    BOOST_TEST(got->sampled());
    BOOST_TEST(got->traceparent() == "00-" + trace + "-" + std::string(got->span_id()) + "-01");
    const auto again = trace_context::received(got->traceparent());
    BOOST_REQUIRE(again.has_value());
    BOOST_TEST(again->parent_id() == got->span_id());
    BOOST_TEST(trace_context::received(valid)->span_id() != got->span_id());
}

BOOST_AUTO_TEST_CASE(of_the_flags_the_lowest_bit_counts) {
    const auto flags = [](const char* two) {
        const auto got = trace_context::received("00-" + trace + "-" + parent + "-" + two);
        return std::string(got->sampled() ? "sampled " : "") + got->traceparent().substr(53);
    };
    BOOST_TEST(flags("00") == "00");
    BOOST_TEST(flags("01") == "sampled 01");
    BOOST_TEST(flags("02") == "00");
    BOOST_TEST(flags("ff") == "sampled 01");
    BOOST_TEST(flags("fe") == "00");
    BOOST_TEST(flags("0b") == "sampled 01");
}

BOOST_AUTO_TEST_CASE(what_is_no_traceparent_is_not_one) {
    BOOST_TEST(taken(valid));
    for (std::size_t i = 0; i < valid.size(); ++i) {
        BOOST_TEST(!taken(valid.substr(0, i)), i);
        for (const char wrong : {'g', 'A', ' ', '.'}) {
            std::string text = valid;
            text[i] = wrong;
            BOOST_TEST(!taken(text), text);
        }
    }
    BOOST_TEST(!taken("00-" + std::string(32, '0') + "-" + parent + "-01"));
    BOOST_TEST(!taken("00-" + trace + "-" + std::string(16, '0') + "-01"));
    BOOST_TEST(!taken("ff-" + trace + "-" + parent + "-01"));
    BOOST_TEST(!taken(valid + "-"));
    BOOST_TEST(!taken(valid + "-00"));
    BOOST_TEST(!taken(valid + "0"));
}

BOOST_AUTO_TEST_CASE(later_versions_keep_the_fields_that_are_known) {
    const std::string later = "cc-" + trace + "-" + parent + "-01";
    BOOST_TEST(taken(later));
    BOOST_TEST(taken(later + "-what-the-future-brings"));
    BOOST_TEST(!taken(later + ".what"));
    BOOST_TEST(trace_context::received(later)->traceparent().starts_with("00-" + trace));
}

BOOST_AUTO_TEST_CASE(fresh_ones_are_well_formed_and_differ) {
    std::set<std::string> ids;
    for (int i = 0; i < 1000; ++i) {
        const trace_context one = trace_context::fresh();
        BOOST_REQUIRE(taken(one.traceparent()));
        BOOST_TEST(one.parent_id().empty());
        BOOST_TEST(!one.sampled());
        ids.emplace(one.trace_id());
        ids.emplace(one.span_id());
    }
    BOOST_TEST(ids.size() == 2000U);
}

BOOST_AUTO_TEST_CASE(a_request_has_one_and_keeps_it) {
    const http::request given("GET", "/", {{"TraceParent", valid}});
    BOOST_TEST(given.trace().trace_id() == trace);
    BOOST_TEST(given.trace().span_id() == given.trace().span_id());
    for (const char* useless : {"", "00-x", "ff-"}) {
        const http::request other("GET", "/", {{"traceparent", useless}});
        BOOST_TEST(other.trace().parent_id().empty());
        BOOST_TEST(other.trace().trace_id() == other.trace().trace_id());
    }
    // Two of them mean nothing.
    const http::request both("GET", "/", {{"traceparent", valid}, {"traceparent", valid}});
    BOOST_TEST(both.trace().parent_id().empty());
}

BOOST_AUTO_TEST_SUITE_END()
