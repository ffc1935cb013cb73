#include "store/records.hpp"

#include <boost/test/unit_test.hpp>

#include <string_view>
#include <type_traits>

BOOST_AUTO_TEST_SUITE(records)

BOOST_AUTO_TEST_CASE(states_have_names) {
    using namespace std::string_view_literals;
    BOOST_TEST(to_string(server::form_state::received) == "received"sv);
    BOOST_TEST(to_string(server::form_state::checked) == "checked"sv);
    BOOST_TEST(to_string(server::job_state::queued) == "queued"sv);
    BOOST_TEST(to_string(server::job_state::running) == "running"sv);
    BOOST_TEST(to_string(server::job_state::succeeded) == "succeeded"sv);
    BOOST_TEST(to_string(server::job_state::failed) == "failed"sv);
    BOOST_TEST(to_string(server::job_state::cancelled) == "cancelled"sv);
}

BOOST_AUTO_TEST_CASE(three_states_are_final) {
    BOOST_TEST(!is_final(server::job_state::queued));
    BOOST_TEST(!is_final(server::job_state::running));
    BOOST_TEST(is_final(server::job_state::succeeded));
    BOOST_TEST(is_final(server::job_state::failed));
    BOOST_TEST(is_final(server::job_state::cancelled));
}

BOOST_AUTO_TEST_CASE(no_record_is_an_aggregate) {
    // g++ 12 destroys aggregate temporaries of a co_await expression twice.
    static_assert(!std::is_aggregate_v<server::form_record>);
    static_assert(!std::is_aggregate_v<server::finding_record>);
    static_assert(!std::is_aggregate_v<server::checked_form>);
    static_assert(!std::is_aggregate_v<server::job_record>);
    static_assert(!std::is_aggregate_v<server::job_outcome>);
    static_assert(!std::is_aggregate_v<server::site_totals>);
    BOOST_TEST(true);
}

BOOST_AUTO_TEST_SUITE_END()
