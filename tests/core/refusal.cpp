#include <corogate/refusal.hpp>

#include <boost/system/result.hpp>
#include <boost/test/unit_test.hpp>

using namespace std::chrono_literals;
using corogate::errc;
using corogate::refusal;

BOOST_AUTO_TEST_SUITE(refusal_tests)

BOOST_AUTO_TEST_CASE(only_what_can_change_is_worth_a_retry) {
    BOOST_TEST(refusal(errc::queue_full, 20ms).retryable());
    BOOST_TEST(refusal(errc::draining, 0ms).retryable());
    BOOST_TEST(!refusal(errc::job_too_large, 0ms).retryable());
    BOOST_TEST(!refusal(errc::stopped, 0ms).retryable());
}

BOOST_AUTO_TEST_CASE(the_value_of_a_refused_result_throws_its_reason) {
    const boost::system::result<int, refusal> no = refusal(errc::queue_full, 20ms);
    BOOST_CHECK_EXCEPTION(no.value(), boost::system::system_error, [](const auto& e) {
        return e.code() == errc::queue_full;
    });
    BOOST_TEST((no.error().retry_after() == 20ms));
}

BOOST_AUTO_TEST_SUITE_END()
