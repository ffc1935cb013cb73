#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/http/problem.hpp>

namespace http = corogate::http;
using namespace std::chrono_literals;

namespace {

boost::json::object document(const http::response& of) {
    BOOST_TEST(of.header("Content-Type").value() == "application/problem+json");
    BOOST_TEST(of.header("Cache-Control").value() == "no-store");
    return boost::json::parse(of.body()).as_object();
}

} // namespace

BOOST_AUTO_TEST_SUITE(problem)

BOOST_AUTO_TEST_CASE(the_least_it_says) {
    const http::response answer = http::problem(404, "no-such-form", "There is no such form.");
    BOOST_TEST(answer.status() == 404U);
    BOOST_TEST(!answer.header("Retry-After").has_value());
    BOOST_TEST(!answer.closes());
    BOOST_TEST(
        answer.body() ==
        R"({"type":"urn:corogate:problem:no-such-form","title":"Not Found","status":404,)"
        R"("detail":"There is no such form.","reason":"no-such-form"})"
    );
    document(answer);
}

BOOST_AUTO_TEST_CASE(all_it_can_say) {
    http::problem one(422, "wrong-type", "The value is not a number.");
    one.type("https://example.org/p").title("Wrong").field("/datasets/VS/0/VSSTRESN");
    one.executed_unknown().retryable(true).retry_after(1ms).close();
    const http::response answer = one;
    BOOST_TEST(answer.closes());
    BOOST_TEST(answer.header("Retry-After").value() == "1");
    const auto members = document(answer);
    BOOST_TEST(members.at("type").as_string() == "https://example.org/p");
    BOOST_TEST(members.at("title").as_string() == "Wrong");
    BOOST_TEST(members.at("field").as_string() == "/datasets/VS/0/VSSTRESN");
    BOOST_TEST(members.at("executed").as_string() == "unknown");
    BOOST_TEST(members.at("retryable").as_bool());
    BOOST_TEST(members.at("retry_after_ms").as_int64() == 1);
}

BOOST_AUTO_TEST_CASE(retry_after_is_whole_seconds_and_never_0) {
    const auto after = [](std::chrono::milliseconds wait) {
        return http::problem(429, "r", "d").retry_after(wait).to_response();
    };
    BOOST_TEST(after(0ms).header("Retry-After").value() == "1");
    BOOST_TEST(after(-5ms).header("Retry-After").value() == "1");
    BOOST_TEST(after(1000ms).header("Retry-After").value() == "1");
    BOOST_TEST(after(1001ms).header("Retry-After").value() == "2");
    BOOST_TEST(after(90s).header("Retry-After").value() == "90");
    BOOST_TEST(document(after(-5ms)).at("retry_after_ms").as_int64() == 0);
    BOOST_TEST(document(after(1001ms)).at("retry_after_ms").as_int64() == 1001);
    // 429 and 503 never go without it.
    for (unsigned status : {429U, 503U})
        BOOST_TEST(
            http::problem(status, "r", "d").to_response().header("Retry-After").value() == "1"
        );
}

BOOST_AUTO_TEST_CASE(text_is_escaped) {
    const http::response answer = http::problem(400, "r", "a \"quote\", a \\ and\n\x01 \xC3\xBC");
    BOOST_TEST(document(answer).at("detail").as_string() == "a \"quote\", a \\ and\n\x01 \xC3\xBC");
    // Text that is not UTF-8 stays a valid document.
    const http::response odd = http::problem(
        400, "r",
        "a\xFF"
        "b"
    );
    BOOST_TEST(document(odd).at("detail").as_string() == "ab");
}

BOOST_AUTO_TEST_CASE(refusals) {
    struct {
        corogate::errc why;
        const char* reason;
        bool retryable;
        bool closes;
    } const cases[] = {
        {corogate::errc::queue_full, "queue-full", true, false},
        {corogate::errc::job_too_large, "job-too-large", false, false},
        {corogate::errc::draining, "draining", true, true},
        {corogate::errc::stopped, "stopped", false, true},
    };
    for (const auto& one : cases) {
        const auto answer = http::from_refusal(corogate::refusal(one.why, 2500ms));
        BOOST_TEST_CONTEXT(one.reason) {
            BOOST_TEST(answer.status() == 503U);
            BOOST_TEST(answer.header("Retry-After").value() == "3");
            BOOST_TEST(answer.closes() == one.closes);
            const auto members = document(answer);
            BOOST_TEST(members.at("reason").as_string() == one.reason);
            BOOST_TEST(members.at("executed").as_bool() == false);
            BOOST_TEST(members.at("retryable").as_bool() == one.retryable);
            BOOST_TEST(members.at("retry_after_ms").as_int64() == 2500);
            BOOST_TEST(members.at("status").as_int64() == 503);
        }
    }
    const auto unknown = http::from_refusal(corogate::refusal(corogate::errc::queue_full, 0ms));
    BOOST_TEST(unknown.header("Retry-After").value() == "1");
}

BOOST_AUTO_TEST_SUITE_END()
