#include "edc/records.hpp"

#include "support.hpp"

#include <boost/json/value.hpp>

BOOST_AUTO_TEST_SUITE(records)

namespace {

edc::study_case shape() {
    return support::make_case(
        {support::make_table("DM", {{"DOMAIN", "SEX"}}),
         support::make_table("VS", {{"DOMAIN", "VSSEQ#", "VSORRES", "VSBLFL?"}})}
    );
}

edc::result<edc::study_case> read(const std::string& body, std::size_t most = 1000) {
    return edc::read_records(support::json(body), shape(), most);
}

std::pair<std::string, std::string> trouble(const std::string& body, std::size_t most = 1000) {
    const auto got = read(body, most);
    BOOST_REQUIRE_MESSAGE(!got.has_value(), body);
    return {got.error().field(), got.error().message()};
}

} // namespace

BOOST_AUTO_TEST_CASE(reads_a_save) {
    const auto got = read(
        R"({"VS":[{"DOMAIN":"VS","VSSEQ":"2.50","VSORRES":"120","VSBLFL":true},
                  {"VSSEQ":3,"VSORRES":"","VSBLFL":"false"},{"VSORRES":null}],"DM":[]})"
    );
    BOOST_REQUIRE_MESSAGE(got.has_value(), got.error().message());
    BOOST_TEST(got->env.product == "SDTMIG");
    BOOST_REQUIRE(got->tables.size() == 2U);
    BOOST_TEST(got->tables[0].name() == "DM"); // the study's order
    BOOST_TEST(got->tables[0].records() == 0U);
    const auto& vs = got->tables[1];
    BOOST_TEST(vs.columns().size() == 4U); // all the study's columns
    BOOST_TEST(std::get<double>(vs.find("VSSEQ")->cells[0]) == 2.5);
    BOOST_TEST(std::get<double>(vs.find("VSSEQ")->cells[1]) == 3.0);
    BOOST_TEST(std::get<bool>(vs.find("VSBLFL")->cells[0]));
    BOOST_TEST(!std::get<bool>(vs.find("VSBLFL")->cells[1]));
    for (const std::size_t record : {1U, 2U})
        BOOST_TEST(std::holds_alternative<std::monostate>(vs.find("VSORRES")->cells[record]));
    BOOST_TEST(read("{}").value().tables.empty());
}

BOOST_AUTO_TEST_CASE(errors_name_the_field) {
    const std::tuple<const char*, const char*, const char*> lines[] = {
        {"[]", "datasets", "datasets must be an object of lists of records"},
        {R"({"AE":[]})", "datasets.AE", "the study has no data set of this name"},
        {R"({"VS":{}})", "datasets.VS", "datasets.VS must be a list of records"},
        {R"({"VS":[{},5]})", "datasets.VS[1]", "datasets.VS[1] must be an object"},
        {R"({"VS":[{},{},{"VSX":1}]})", "datasets.VS[2].VSX", "VS has no variable of this name"},
        {R"({"VS":[{"VSSEQ":"x"}]})", "datasets.VS[0].VSSEQ",
         "datasets.VS[0].VSSEQ must be a number"},
        {R"({"VS":[{"VSSEQ":"  "}]})", "datasets.VS[0].VSSEQ",
         "datasets.VS[0].VSSEQ must be a number"},
        {R"({"VS":[{"VSSEQ":true}]})", "datasets.VS[0].VSSEQ",
         "datasets.VS[0].VSSEQ must be a number"},
        {R"({"VS":[{"VSORRES":120}]})", "datasets.VS[0].VSORRES",
         "datasets.VS[0].VSORRES must be a text"},
        {R"({"VS":[{"VSORRES":["x"]}]})", "datasets.VS[0].VSORRES",
         "datasets.VS[0].VSORRES must be a text"},
        {R"({"VS":[{"VSBLFL":"Y"}]})", "datasets.VS[0].VSBLFL",
         "datasets.VS[0].VSBLFL must be true or false"},
        {R"({"VS":[{"VSBLFL":1}]})", "datasets.VS[0].VSBLFL",
         "datasets.VS[0].VSBLFL must be true or false"},
    };
    for (const auto& [body, field, message] : lines) {
        const auto got = trouble(body);
        BOOST_TEST(got.first == field, body);
        BOOST_TEST(got.second == message, body);
    }
}

BOOST_AUTO_TEST_CASE(values_and_odd_names_are_not_repeated) {
    const auto got = trouble(R"({"VS":[{"VSSEQ":"Jane Doe"}]})");
    BOOST_TEST(got.second.find("Jane") == std::string::npos);
    BOOST_TEST(trouble(R"({"VS":[{"a\nb":1}]})").first == "datasets.VS[0].?");
}

BOOST_AUTO_TEST_CASE(small_bodies_cannot_become_huge_tables) {
    std::string body = "{\"VS\":[{}";
    for (int i = 0; i < 300; ++i)
        body += ",{}";
    body += "]}";
    BOOST_TEST(trouble(body).second == "the save has too many records");
    BOOST_TEST(read(body, 10'000).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
