#include "edc/study_case.hpp"

#include "support.hpp"

BOOST_AUTO_TEST_SUITE(study_case)

namespace {

using files = std::map<std::string, std::string, std::less<>>;

files whole() {
    return {
        {"_env.json", R"({"PRODUCT":"TIG","VERSION":"1-0","SUBSTANDARD":"SDTM","USE_CASE":"INDH"})"
        },
        {"_datasets.csv", "Filename,Label\nvs,Vital signs\ndm,Demographics\n"},
        {"_variables.csv", "dataset,variable,label,type,length\n"
                           "VS,DOMAIN,,Char,2\nvs,VSSEQ,,Num,8\nvs,VSORRES,,a label,9\n"
                           "vs,VSBLFL,,Boolean,1\ndm,DOMAIN,,Char,2\n"},
        {"vs.csv", "DOMAIN,VSSEQ,VSORRES,VSBLFL,VSX,VSY,\nVS,1,120,true,5,a,ignored\n"
                   "VS,2.50,  ,,,b,\nVS\n"},
        {"dm.csv", "DOMAIN,SEX\nDM,\"\"\n"},
    };
}

edc::result<edc::study_case>
load(files from, edc::missing_table policy = edc::missing_table::error) {
    return edc::load_case(edc::memory_source{"case", std::move(from)}, policy);
}

std::string trouble(files from) {
    const auto read = load(std::move(from));
    return read.has_value() ? "" : read.error().message();
}

std::string trouble(const char* file, const char* text) {
    auto from = whole();
    from[file] = text;
    return trouble(std::move(from));
}

} // namespace

BOOST_AUTO_TEST_CASE(a_whole_case) {
    const auto read = load(whole());
    BOOST_REQUIRE_MESSAGE(read.has_value(), read.error().message());
    BOOST_TEST(read->env.product == "TIG");
    BOOST_TEST(read->env.substandard == "SDTM");
    BOOST_TEST(read->env.use_case == "INDH");
    BOOST_REQUIRE(read->tables.size() == 2U);
    BOOST_TEST(read->tables[0].name() == "VS"); // in the order of _datasets.csv
    const auto& vs = *read->find("VS");
    BOOST_TEST(vs.records() == 3U);
    BOOST_TEST(vs.columns().size() == 6U); // the nameless column is not one
    BOOST_TEST((vs.find("VSSEQ")->type == edc::column_type::number));
    BOOST_TEST(std::get<double>(vs.find("VSSEQ")->cells[1]) == 2.5);
    BOOST_TEST((vs.find("VSORRES")->type == edc::column_type::text)); // "a label" is no type
    BOOST_TEST(std::get<std::string>(vs.find("VSORRES")->cells[0]) == "120");
    BOOST_TEST(std::get<std::string>(vs.find("VSORRES")->cells[1]) == "  "); // blanks are a text
    BOOST_TEST(std::get<bool>(vs.find("VSBLFL")->cells[0]));
    BOOST_TEST(edc::is_empty(vs.find("VSORRES")->cells[2])); // padded
    // Undeclared: a number if all filled cells are.
    BOOST_TEST((vs.find("VSX")->type == edc::column_type::number));
    BOOST_TEST((vs.find("VSY")->type == edc::column_type::text));
    BOOST_TEST(edc::is_empty(read->find("DM")->find("SEX")->cells[0])); // quoted and empty: null
    BOOST_TEST((read->find("AE") == nullptr));
}

BOOST_AUTO_TEST_CASE(a_name_of_its_own) {
    auto from = whole();
    from["_datasets.csv"] = "Filename,Dataset Name,Label\nvs,VSX,one\ndm,,two\n";
    const auto read = load(from);
    BOOST_REQUIRE(read.has_value());
    BOOST_TEST(read->tables[0].name() == "VSX");
    BOOST_TEST(read->tables[1].name() == "DM");
    // Types are found by file name.
    BOOST_TEST((read->tables[0].find("VSSEQ")->type == edc::column_type::number));
}

BOOST_AUTO_TEST_CASE(a_table_may_be_missing_from_a_study) {
    auto from = whole();
    from.erase("vs.csv");
    BOOST_TEST(trouble(from) == "case/vs.csv: there is no such file");
    const auto read = load(from, edc::missing_table::empty);
    BOOST_REQUIRE(read.has_value());
    BOOST_TEST(read->find("VS")->records() == 0U);
    BOOST_TEST(read->find("VS")->columns().size() == 4U);
}

BOOST_AUTO_TEST_CASE(errors_name_file_and_line) {
    auto from = whole();
    from.erase("_env.json");
    BOOST_TEST(trouble(from) == "case/_env.json: there is no such file");
    BOOST_TEST(trouble("_env.json", "[]") == "case/_env.json: an object is expected");
    BOOST_TEST(trouble("_env.json", "{\"PRODUCT\":1}") == "case/_env.json: PRODUCT must be a text");
    BOOST_TEST(trouble("_env.json", "{").find("case/_env.json, line 1") == 0U);
    BOOST_TEST(
        trouble("_datasets.csv", "File\nvs\n") ==
        "case/_datasets.csv, line 1: the column Filename is expected"
    );
    BOOST_TEST(
        trouble("_datasets.csv", "Filename\n../vs\n") ==
        "case/_datasets.csv, line 2: Filename must be a plain file name"
    );
    BOOST_TEST(
        trouble("_datasets.csv", "Filename\nvs\nVS\n") ==
        "case/_datasets.csv, line 3: the data set VS occurs twice"
    );
    BOOST_TEST(
        trouble("_datasets.csv", "Filename,Label\n,x\n") ==
        "case/_datasets.csv, line 2: Filename is empty"
    );
    BOOST_TEST(
        trouble("_variables.csv", "dataset,name\n") ==
        "case/_variables.csv, line 1: the columns dataset, variable and type are expected"
    );
    BOOST_TEST(
        trouble("vs.csv", "VSSEQ\n1\nabc\n") ==
        "case/vs.csv, line 3: the value of VSSEQ is not a number"
    );
    BOOST_TEST(
        trouble("vs.csv", "VSSEQ,DOMAIN\n  ,VS\n") ==
        "case/vs.csv, line 2: the value of VSSEQ is not a number"
    );
    BOOST_TEST(
        trouble("vs.csv", "VSBLFL\nmaybe\n") ==
        "case/vs.csv, line 2: the value of VSBLFL is not a boolean"
    );
    BOOST_TEST(
        trouble("vs.csv", "VSSEQ,VSSEQ\n1,2\n") ==
        "case/vs.csv, line 1: the column VSSEQ occurs twice"
    );
}

BOOST_AUTO_TEST_SUITE_END()
