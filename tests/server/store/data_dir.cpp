#include "store/data_dir.hpp"

#include "durable/scratch_dir.hpp"

#include <corogate/durable/store_error.hpp>

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <string>

BOOST_AUTO_TEST_SUITE(data_dir)

BOOST_AUTO_TEST_CASE(the_state_folder_of_the_user_is_the_default) {
    using server::default_data_dir;
    BOOST_TEST(default_data_dir("/state", "/home/u").value() == "/state/corogate");
    BOOST_TEST(default_data_dir(nullptr, "/home/u").value() == "/home/u/.local/state/corogate");
    BOOST_TEST(default_data_dir("", "/home/u").value() == "/home/u/.local/state/corogate");
    BOOST_TEST(default_data_dir("state", "/home/u").value() == "/home/u/.local/state/corogate");
    BOOST_TEST(!default_data_dir(nullptr, nullptr).has_value());
    BOOST_TEST(!default_data_dir("", "").has_value());
    BOOST_TEST(!default_data_dir(nullptr, "u").has_value());
}

BOOST_AUTO_TEST_CASE(missing_folders_are_made_for_the_user_alone) {
    const testing::scratch_dir dir;
    const auto deep = dir / "a/b/c";
    server::prepare_data_dir(deep);
    server::prepare_data_dir(deep);                  // again
    server::prepare_data_dir(deep / "." / "d" / ""); // with a trailing slash
    BOOST_TEST(std::filesystem::is_directory(deep / "d"));
    using std::filesystem::perms;
    for (const auto* name : {"a", "a/b", "a/b/c", "a/b/c/d"})
        BOOST_TEST(
            ((std::filesystem::status(dir / name).permissions() &
              (perms::group_all | perms::others_all)) == perms::none)
        );
}

BOOST_AUTO_TEST_CASE(a_folder_that_cannot_be_is_named) {
    const testing::scratch_dir dir;
    std::ofstream(dir / "file") << "x";
    for (const auto& path : {dir / "file", dir / "file/below"}) {
        BOOST_CHECK_EXCEPTION(
            server::prepare_data_dir(path), corogate::durable::store_error,
            [&](const corogate::durable::store_error& error) {
                const std::string text = error.what();
                return text.starts_with("the data folder " + path.string() + " cannot be used: ");
            }
        );
    }
    BOOST_CHECK_THROW(server::prepare_data_dir(""), corogate::durable::store_error);
}

BOOST_AUTO_TEST_SUITE_END()
