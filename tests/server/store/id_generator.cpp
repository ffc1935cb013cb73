#include "store/id_generator.hpp"

#include <boost/test/unit_test.hpp>

#include <set>
#include <string>

BOOST_AUTO_TEST_SUITE(id_generator)

BOOST_AUTO_TEST_CASE(an_id_is_all_its_bits) {
    std::uint64_t next = 0x0123456789abcdefU;
    server::id_generator ids([&] { return next++; });
    BOOST_TEST(ids.form_id() == "f-0123456789abcdef0123456789abcdf0");
    BOOST_TEST(ids.job_id() == "j-0123456789abcdf10123456789abcdf2");
}

BOOST_AUTO_TEST_CASE(ids_do_not_meet) {
    server::id_generator here;
    server::id_generator there;
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i) {
        seen.insert(here.form_id());
        seen.insert(there.form_id());
    }
    BOOST_TEST(seen.size() == 2000U);
    for (const auto& id : seen) {
        BOOST_REQUIRE(id.size() == 34U);
        BOOST_REQUIRE(id.starts_with("f-"));
        BOOST_REQUIRE(id.find_first_not_of("0123456789abcdef", 2) == std::string::npos);
    }
}

BOOST_AUTO_TEST_SUITE_END()
