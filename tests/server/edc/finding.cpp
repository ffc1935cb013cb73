#include "edc/finding.hpp"

#include "support.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

BOOST_AUTO_TEST_SUITE(finding)

BOOST_AUTO_TEST_CASE(as_json) {
    edc::finding one;
    one.rule = "T-1";
    one.dataset = "VS";
    one.record = 3;
    one.values = {{"VSORRES", "720"}, {"VSSTAT", std::nullopt}};
    one.message = "say \"no\"";
    one.severity = "error";
    BOOST_TEST(
        boost::json::serialize(edc::to_json(one)) ==
        R"({"rule":"T-1","dataset":"VS","record":3,"values":{"VSORRES":"720","VSSTAT":null},)"
        R"("message":"say \"no\"","severity":"error"})"
    );
    one.record.reset();
    BOOST_TEST(edc::to_json(one).at("record").is_null());
    BOOST_TEST(
        boost::json::serialize(edc::to_json(edc::skip{"T-2", "why"})) ==
        R"({"rule":"T-2","skipped":"why"})"
    );
}

BOOST_AUTO_TEST_SUITE_END()
