#include "edc/file_source.hpp"

#include "support.hpp"

#include <fstream>
#include <unistd.h>

BOOST_AUTO_TEST_SUITE(file_source)

namespace {

using names = std::vector<std::string>;

/// The same questions to every kind of source.
void ask(const edc::file_source& from) {
    BOOST_TEST(from.files("") == names{"a.txt"}, boost::test_tools::per_element());
    BOOST_TEST(from.folders("") == (names{"sub", "sub2"}), boost::test_tools::per_element());
    BOOST_TEST(from.files("sub") == (names{"b.txt", "c.txt"}), boost::test_tools::per_element());
    BOOST_TEST(from.files("none").empty());
    BOOST_TEST(from.folders("sub2") == names{"deep"}, boost::test_tools::per_element());
    BOOST_TEST(from.has("sub/b.txt"));
    BOOST_TEST(!from.has("sub"));
    BOOST_TEST(!from.has("b.txt"));
    BOOST_TEST(from.read("sub/b.txt").value() == "bee");
    BOOST_TEST(!from.read("sub/x.txt").has_value());
    const edc::folder_of part{from, "sub"};
    BOOST_TEST(part.base_name() == "sub");
    BOOST_TEST(part.files("") == (names{"b.txt", "c.txt"}), boost::test_tools::per_element());
    BOOST_TEST(part.read("b.txt").value() == "bee");
    BOOST_TEST(!part.has("../a.txt"));
}

} // namespace

BOOST_AUTO_TEST_CASE(memory) {
    ask(edc::memory_source{
        "mem",
        {{"a.txt", "ay"}, {"sub/b.txt", "bee"}, {"sub/c.txt", "cee"}, {"sub2/deep/d.txt", "dee"}}
    });
}

BOOST_AUTO_TEST_CASE(directory) {
    namespace fs = std::filesystem;
    const auto root =
        fs::temp_directory_path() / ("corogate-edc-source-" + std::to_string(::getpid()));
    fs::create_directories(root / "sub2" / "deep");
    fs::create_directories(root / "sub");
    const auto write = [&](const char* name, const char* text) {
        std::ofstream{root / name} << text;
    };
    write("a.txt", "ay");
    write("sub/b.txt", "bee");
    write("sub/c.txt", "cee");
    write("sub2/deep/d.txt", "dee");
    const edc::directory_source from{root};
    ask(from);
    BOOST_TEST(from.base_name() == root.filename().string());
    // Nothing outside the folder.
    const edc::directory_source inner{root / "sub"};
    BOOST_TEST(!inner.has("../a.txt"));
    BOOST_TEST(!inner.read("../a.txt").has_value());
    BOOST_TEST(!inner.read((root / "a.txt").string()).has_value());
    BOOST_TEST(inner.files("..").empty());
    fs::remove_all(root);
}

BOOST_AUTO_TEST_SUITE_END()
