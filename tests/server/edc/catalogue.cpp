#include "edc/catalogue.hpp"

#include "support.hpp"

#include <fstream>
#include <unistd.h>

BOOST_AUTO_TEST_SUITE(catalogue)

namespace {

namespace fs = std::filesystem;

struct folder {
    fs::path root =
        fs::temp_directory_path() / ("corogate-edc-catalogue-" + std::to_string(::getpid()));

    folder() { fs::create_directories(root); }
    ~folder() {
        std::error_code ignored;
        fs::remove_all(root, ignored);
    }

    void write(const std::string& path, const std::string& text) const {
        fs::create_directories((root / path).parent_path());
        std::ofstream{root / path} << text;
    }

    fs::path study(const std::string& name) const {
        write(name + "/_env.json", "{}");
        write(name + "/_datasets.csv", "Filename\nvs\n");
        write(name + "/_variables.csv", "dataset,variable,type\nvs,DOMAIN,Char\n");
        return root / name;
    }
};

constexpr const char* one_rule =
    R"({"Core":{"Id":"R-1"},"Rule Type":"Record Data","Sensitivity":"Record",)"
    R"("Check":{"name":"DOMAIN","operator":"empty"}})";

} // namespace

BOOST_AUTO_TEST_CASE(without_folders_it_is_the_demo) {
    const auto all = edc::load_catalogue({}, std::nullopt);
    BOOST_REQUIRE_MESSAGE(all.has_value(), all.error().message());
    BOOST_TEST(all->ids() == std::vector<std::string>{"DEMO"}, boost::test_tools::per_element());
    BOOST_TEST((all->find("DEMO") != nullptr));
    BOOST_TEST((all->find("demo") == nullptr));
}

BOOST_AUTO_TEST_CASE(several_studies_share_rules) {
    const folder at;
    const auto a = at.study("a");
    const auto b = at.study("b");
    at.write("rules/R-1/rule.json", one_rule);
    const auto all = edc::load_catalogue({a, b}, at.root / "rules");
    BOOST_REQUIRE_MESSAGE(all.has_value(), all.error().message());
    BOOST_TEST(
        all->ids() == (std::vector<std::string>{"a", "b"}), boost::test_tools::per_element()
    );
    BOOST_TEST(all->find("b")->rules_of("VS").size() == 1U);
    // The demo study with other rules.
    const auto demo = edc::load_catalogue({}, at.root / "rules");
    BOOST_REQUIRE(demo.has_value());
    BOOST_TEST(demo->find("DEMO")->rules_of("ALL").size() == 1U);
}

BOOST_AUTO_TEST_CASE(trouble_is_one_sentence) {
    const folder at;
    const auto a = at.study("a");
    BOOST_TEST(
        edc::load_catalogue({a, a}, std::nullopt).error().message() == "the study a is given twice"
    );
    const auto gone = (at.root / "gone").string();
    BOOST_TEST(
        edc::load_catalogue({gone}, std::nullopt).error().message() ==
        gone + ": there is no such folder"
    );
    BOOST_TEST(
        edc::load_catalogue({}, gone).error().message() == gone + ": there is no such folder"
    );
    BOOST_TEST(
        edc::load_catalogue({at.root}, std::nullopt).error().message().find("_env.json") !=
        std::string::npos
    );
    BOOST_TEST(
        edc::load_catalogue({}, at.root).error().message().find("no rule") != std::string::npos
    );
}

BOOST_AUTO_TEST_SUITE_END()
