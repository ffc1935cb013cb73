#include <corogate/errc.hpp>

#include <boost/test/unit_test.hpp>
#include <set>
#include <string>

using corogate::errc;

BOOST_AUTO_TEST_SUITE(errc_tests)

constexpr errc all[] = {
    errc::queue_full,
    errc::job_too_large,
    errc::draining,
    errc::stopped,
    errc::abandoned,
    errc::cancelled,
    errc::would_deadlock,
    errc::job_exhausted,
    errc::expired,
    errc::displaced,
    errc::spilled,
    errc::no_task,
    errc::timed_out,
    errc::fair_share_exceeded,
    errc::deadline_infeasible,
    errc::memory_pressure
};

BOOST_AUTO_TEST_CASE(every_value_has_a_reason_and_a_sentence_of_its_own) {
    std::set<std::string> reasons;
    std::set<std::string> sentences;
    for (const auto value : all) {
        const boost::system::error_code ec = value;
        BOOST_TEST(ec.category().name() == std::string("corogate"));
        reasons.insert(corogate::reason_name(value));
        sentences.insert(ec.message());
    }
    BOOST_TEST(reasons.size() == std::size(all));
    BOOST_TEST(sentences.size() == std::size(all));
    BOOST_TEST(reasons.count("unknown") == 0u);
    BOOST_TEST(corogate::reason_name(errc::job_too_large) == std::string("job-too-large"));
}

BOOST_AUTO_TEST_CASE(every_value_has_a_prebuilt_exception) {
    static_assert(corogate::detail::errc_count == std::size(all));
    for (const auto value : all) {
        const auto& first = corogate::detail::prebuilt_exception(value);
        BOOST_TEST((first == corogate::detail::prebuilt_exception(value)));
        BOOST_CHECK_EXCEPTION(
            std::rethrow_exception(first), boost::system::system_error,
            [&](const auto& e) { return e.code() == value; }
        );
    }
}

BOOST_AUTO_TEST_SUITE_END()
