#include <corogate/durable/store_error.hpp>

#include <corogate/durable/sqlite.hpp>

#include "durable/scratch_dir.hpp"

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <functional>
#include <string>

namespace durable = corogate::durable;
using durable::store_errc;

namespace {

durable::store_error error_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const durable::store_error& e) {
        return e;
    }
    BOOST_FAIL("no store_error was thrown");
    return {store_errc::misuse, ""};
}

durable::store_error error_of_opening(const std::filesystem::path& file) {
    durable::database_options options;
    options.busy_timeout(std::chrono::milliseconds(0));
    return error_of([&] { const durable::database db(file, options); });
}

void write_file(const std::filesystem::path& file, const std::string& text) {
    std::ofstream(file, std::ios::binary) << text;
}

} // namespace

BOOST_AUTO_TEST_SUITE(store_error)

BOOST_AUTO_TEST_CASE(holds_what_it_was_given) {
    const durable::store_error error(store_errc::full, "the disk is full", 13);
    BOOST_TEST((error.code() == store_errc::full));
    BOOST_TEST(error.native() == 13);
    BOOST_TEST(error.what() == std::string("the disk is full"));
    BOOST_TEST(error.retryable());
    BOOST_TEST(!durable::store_error(store_errc::corrupt, "x").retryable());
}

BOOST_AUTO_TEST_CASE(a_missing_folder_is_named) {
    const testing::scratch_dir dir;
    const auto file = dir / "none/here.db";
    const auto error = error_of_opening(file);
    BOOST_TEST((error.code() == store_errc::cannot_open));
    BOOST_TEST(
        error.what() ==
        "the store " + file.string() + " cannot be opened: No such file or directory"
    );
}

BOOST_AUTO_TEST_CASE(a_folder_is_not_a_file) {
    const testing::scratch_dir dir;
    BOOST_TEST((error_of_opening(dir.path()).code() == store_errc::cannot_open));
}

BOOST_AUTO_TEST_CASE(a_text_file_is_not_a_store) {
    const testing::scratch_dir dir;
    const auto file = dir / "notes.db";
    write_file(file, std::string(5000, 'n'));
    const auto error = error_of_opening(file);
    BOOST_TEST((error.code() == store_errc::not_a_store));
    BOOST_TEST(error.what() == "the file " + file.string() + " is not a store of this program");
    BOOST_TEST(std::filesystem::file_size(file) == 5000U);
}

BOOST_AUTO_TEST_CASE(a_database_of_somebody_else_is_left_alone) {
    const testing::scratch_dir dir;
    const auto file = dir / "other.db";
    {
        durable::database db(file, durable::database_options().application_id(7));
        db.execute("CREATE TABLE t(x)");
    }
    BOOST_TEST((error_of_opening(file).code() == store_errc::not_a_store));
    durable::database again(file, durable::database_options().application_id(7));
    auto row = again.query("SELECT count(*) FROM t");
    BOOST_TEST(row.step());
}

BOOST_AUTO_TEST_CASE(a_held_file_is_locked) {
    const testing::scratch_dir dir;
    const auto file = dir / "a.db";
    const durable::database holder(file);
    const auto error = error_of_opening(file);
    BOOST_TEST((error.code() == store_errc::locked));
    BOOST_TEST(error.what() == "the store " + file.string() + " is in use by another process");
    BOOST_TEST(error.retryable());
}

BOOST_AUTO_TEST_CASE(damage_is_reported) {
    const testing::scratch_dir dir;
    const auto file = dir / "a.db";
    {
        durable::database db(file);
        db.execute("CREATE TABLE t(x TEXT)");
        for (int i = 0; i < 1000; ++i)
            db.run("INSERT INTO t VALUES(?1)", std::string(100, 'x'));
    }
    {
        std::fstream raw(file, std::ios::in | std::ios::out | std::ios::binary);
        const std::string page(4096, '\xa5');
        for (int n = 3; n < 20; ++n)
            raw.seekp(n * 4096).write(page.data(), 4096);
    }
    durable::database db(file);
    const auto error = error_of([&] {
        auto rows = db.query("SELECT x FROM t");
        rows.run();
    });
    BOOST_TEST((error.code() == store_errc::corrupt));
    BOOST_TEST(error.what() == "the store " + file.string() + " is damaged");
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_said_to_be_full) {
    const testing::scratch_dir dir;
    durable::database db(dir / "a.db");
    db.execute("CREATE TABLE t(x TEXT); PRAGMA max_page_count=10;");
    const auto error =
        error_of([&] { db.run("INSERT INTO t VALUES(?1)", std::string(100000, 'x')); });
    BOOST_TEST((error.code() == store_errc::full));
    BOOST_TEST(error.retryable());
}

BOOST_AUTO_TEST_CASE(a_read_only_connection_is_said_to_be_read_only) {
    const testing::scratch_dir dir;
    durable::database db(dir / "a.db");
    db.execute("CREATE TABLE t(x TEXT); PRAGMA query_only=1;");
    BOOST_TEST((error_of([&] {
                    db.run("INSERT INTO t VALUES('a')");
                }).code() == store_errc::read_only));
}

BOOST_AUTO_TEST_CASE(a_broken_rule_of_the_schema_names_the_rule_and_no_value) {
    const testing::scratch_dir dir;
    durable::database db(dir / "a.db");
    db.execute("CREATE TABLE t(x TEXT UNIQUE)");
    db.run("INSERT INTO t VALUES(?1)", "secret");
    const auto error = error_of([&] { db.run("INSERT INTO t VALUES(?1)", "secret"); });
    BOOST_TEST((error.code() == store_errc::constraint));
    BOOST_TEST(
        error.what() ==
        std::string("the schema of the store forbids this write: UNIQUE constraint failed: t.x")
    );
}

BOOST_AUTO_TEST_SUITE_END()
