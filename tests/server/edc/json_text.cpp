#include "edc/json_text.hpp"

#include "support.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

BOOST_AUTO_TEST_SUITE(json_text)

namespace {

std::string trouble(const std::string& text, std::size_t depth = 64) {
    const auto read = edc::parse_json(text, "t.json", depth);
    return read.has_value() ? "" : read.error().message();
}

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

} // namespace

BOOST_AUTO_TEST_CASE(reads_values) {
    const auto read = edc::parse_json(
        R"( {"a":[1,-2,2.5,true,null,"caf\u00e9"],"b":{"a":1},"c":18446744073709551615} )", "t.json"
    );
    BOOST_REQUIRE(read.has_value());
    BOOST_TEST(read->at("a").as_array().size() == 6U);
    BOOST_TEST(read->at("a").at(2).as_double() == 2.5);
    BOOST_TEST((read->at("a").at(5).as_string() == "caf\xC3\xA9"));
    BOOST_TEST(read->at("b").at("a").as_int64() == 1);
    BOOST_TEST(read->at("c").as_uint64() == 18446744073709551615ULL);
}

BOOST_AUTO_TEST_CASE(a_repeated_key_is_not_dropped_silently) {
    BOOST_TEST(
        trouble("{\"a\":1,\n\"a\":2}") == "t.json, line 2: a key occurs twice in one object"
    );
    BOOST_TEST(trouble(R"({"a":1,"\u0061":2})") != ""); // the same key, spelt otherwise
    BOOST_TEST(trouble(R"({"a":{"a":1},"b":{"a":1}})").empty());
}

BOOST_AUTO_TEST_CASE(hostile_texts_are_one_sentence) {
    BOOST_TEST(trouble("").find("ends too early") != std::string::npos);
    BOOST_TEST(trouble("{\"a\":").find("ends too early") != std::string::npos);
    BOOST_TEST(trouble("{} x").find("text after") != std::string::npos);
    BOOST_TEST(trouble("{a:1}").find("not JSON") != std::string::npos);
    BOOST_TEST(trouble("[1,]").find("not JSON") != std::string::npos);
    BOOST_TEST(trouble("[1e999]").find("too large") != std::string::npos);
    BOOST_TEST(trouble("[\"\xFF\"]").find("not JSON") != std::string::npos);
    BOOST_TEST(trouble(nested(8), 8).empty());
    BOOST_TEST(trouble(nested(9), 8).find("nested too deeply") != std::string::npos);
    BOOST_TEST(trouble(nested(1'000'000)).find("nested too deeply") != std::string::npos);
    BOOST_TEST(trouble(std::string(1'000'000, '[')).find("t.json, line 1") == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
