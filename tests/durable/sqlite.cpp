#include <corogate/durable/sqlite.hpp>

#include "durable/child_process.hpp"
#include "durable/scratch_dir.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <limits>
#include <string>
#include <string_view>

namespace durable = corogate::durable;
using durable::store_errc;
using namespace std::string_view_literals;

namespace {

auto is(store_errc code) {
    return [code](const durable::store_error& error) { return error.code() == code; };
}

std::int64_t number(durable::database& db, std::string_view sql) {
    auto row = db.query(sql);
    BOOST_REQUIRE(row.step());
    return row.integer(0);
}

std::string word(durable::database& db, std::string_view sql) {
    auto row = db.query(sql);
    BOOST_REQUIRE(row.step());
    return row.get<std::string>(0);
}

struct with_file {
    testing::scratch_dir dir;
    std::filesystem::path file = dir / "a.db";
};

struct with_database : with_file {
    durable::database db{file};
};

} // namespace

BOOST_AUTO_TEST_SUITE(sqlite)

BOOST_FIXTURE_TEST_CASE(settings_are_the_safe_ones, with_database) {
    BOOST_TEST(word(db, "PRAGMA journal_mode") == "wal");
    BOOST_TEST(word(db, "PRAGMA locking_mode") == "exclusive");
    BOOST_TEST(number(db, "PRAGMA synchronous") == 2); // FULL
    BOOST_TEST(number(db, "PRAGMA foreign_keys") == 1);
    BOOST_TEST(number(db, "PRAGMA auto_vacuum") == 2); // INCREMENTAL
    BOOST_TEST(number(db, "PRAGMA wal_autocheckpoint") == 1000);
    BOOST_TEST(!std::filesystem::exists(file.string() + "-shm"));
}

BOOST_FIXTURE_TEST_CASE(durability_of_the_process_syncs_less, with_file) {
    durable::database db(
        file, durable::database_options().durability(durable::durability::process)
    );
    BOOST_TEST(number(db, "PRAGMA synchronous") == 1); // NORMAL
}

BOOST_FIXTURE_TEST_CASE(values_come_back_as_they_went_in, with_database) {
    db.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, i INT, d REAL, s TEXT, b BLOB) STRICT");
    const std::array bytes{std::byte{0}, std::byte{255}, std::byte{7}};
    const std::string text("a\0'; DROP TABLE t; -- \xc3\xa9", 25);
    constexpr auto lowest = std::numeric_limits<std::int64_t>::min();
    const auto changed = db.run(
        "INSERT INTO t VALUES(?1,?2,?3,?4,?5)", 1, lowest, 0.1, text,
        std::span<const std::byte>(bytes)
    );
    BOOST_TEST(changed == 1);
    BOOST_TEST(db.last_insert_id() == 1);
    auto row = db.query("SELECT i,d,s,b FROM t");
    BOOST_REQUIRE(row.step());
    BOOST_TEST(row.columns() == 4);
    const auto [i, d, s, b] = row.row<std::int64_t, double, std::string, std::vector<std::byte>>();
    BOOST_TEST(i == lowest);
    BOOST_TEST(d == 0.1);
    BOOST_TEST(s == text);
    BOOST_TEST((b == std::vector<std::byte>(bytes.begin(), bytes.end())));
    BOOST_TEST(!row.step());
    BOOST_TEST(!row.step()); // and does not start again
}

BOOST_FIXTURE_TEST_CASE(null_and_empty_are_two_things, with_database) {
    db.execute("CREATE TABLE t(a TEXT, b TEXT, c BLOB, d TEXT, e INT)");
    db.run(
        "INSERT INTO t VALUES(?1,?2,?3,?4,?5)", std::optional<std::string>(), std::string_view(),
        std::span<const std::byte>(), nullptr, std::optional<int>(4)
    );
    auto row = db.query("SELECT * FROM t");
    BOOST_REQUIRE(row.step());
    BOOST_TEST(row.is_null(0));
    BOOST_TEST(!row.get<std::optional<std::string>>(0).has_value());
    BOOST_TEST(row.get<std::optional<std::string>>(1).value() == "");
    BOOST_TEST(row.blob(2).empty());
    BOOST_TEST(!row.is_null(2));
    BOOST_TEST(row.is_null(3));
    BOOST_TEST(row.get<int>(4) == 4);
}

BOOST_FIXTURE_TEST_CASE(a_column_of_another_type_is_an_error, with_database) {
    auto row = db.query("SELECT 'x', NULL, 300, 1.5");
    BOOST_REQUIRE(row.step());
    BOOST_CHECK_EXCEPTION((void)row.integer(0), durable::store_error, is(store_errc::wrong_type));
    BOOST_CHECK_EXCEPTION((void)row.text(1), durable::store_error, is(store_errc::wrong_type));
    BOOST_CHECK_EXCEPTION(
        (void)row.get<std::uint8_t>(2), durable::store_error, is(store_errc::wrong_type)
    );
    BOOST_CHECK_EXCEPTION((void)row.integer(3), durable::store_error, is(store_errc::wrong_type));
    BOOST_TEST(row.real(2) == 300.0);
    BOOST_CHECK_EXCEPTION((void)row.text(9), durable::store_error, is(store_errc::misuse));
    BOOST_TEST(!row.step());
    BOOST_CHECK_EXCEPTION((void)row.text(0), durable::store_error, is(store_errc::misuse));
}

BOOST_FIXTURE_TEST_CASE(misused_statements_are_refused, with_database) {
    const auto refused = is(store_errc::misuse);
    BOOST_CHECK_EXCEPTION((void)db.prepare("SELEC 1"), durable::store_error, refused);
    BOOST_CHECK_EXCEPTION((void)db.prepare("SELECT 1; SELECT 2"), durable::store_error, refused);
    BOOST_CHECK_EXCEPTION((void)db.prepare(" ;"), durable::store_error, refused);
    BOOST_CHECK_EXCEPTION(db.run("SELECT ?1"), durable::store_error, refused);
    BOOST_CHECK_EXCEPTION(db.run("SELECT ?1", 1, 2), durable::store_error, refused);
    BOOST_TEST(number(db, "SELECT 1;") == 1);
}

BOOST_FIXTURE_TEST_CASE(the_same_statement_can_be_in_use_twice, with_database) {
    constexpr auto sql = "WITH n(i) AS (VALUES(1),(2)) SELECT i FROM n WHERE i>=?1"sv;
    int pairs = 0;
    {
        auto outer = db.query(sql, 1);
        while (outer.step()) {
            auto inner = db.query(sql, outer.integer(0));
            while (inner.step())
                ++pairs;
        }
    }
    BOOST_TEST(pairs == 3);
    // Given back with its values cleared and ready to start anew.
    {
        auto first = db.query(sql, 2);
        BOOST_TEST(first.step());
    }
    auto bare = db.prepare(sql);
    BOOST_TEST(!bare.step()); // i >= null
}

BOOST_FIXTURE_TEST_CASE(moved_things_go_on_working, with_database) {
    auto row = db.query("SELECT 1 UNION SELECT 2");
    BOOST_TEST(row.step());
    durable::database moved = std::move(db);
    auto rest = std::move(row);
    BOOST_TEST(rest.step());
    BOOST_TEST(rest.integer(0) == 2);
    rest = moved.query("SELECT 3");
    BOOST_TEST(rest.step());
    BOOST_TEST(rest.integer(0) == 3);
}

BOOST_FIXTURE_TEST_CASE(a_transaction_not_committed_is_undone, with_database) {
    db.execute("CREATE TABLE t(x INT)");
    {
        const durable::transaction work(db);
        db.run("INSERT INTO t VALUES(1)");
        BOOST_TEST(db.in_transaction());
    }
    BOOST_TEST(!db.in_transaction());
    BOOST_TEST(number(db, "SELECT count(*) FROM t") == 0);
    {
        durable::transaction work(db);
        db.run("INSERT INTO t VALUES(1)");
        work.commit();
    }
    BOOST_TEST(number(db, "SELECT count(*) FROM t") == 1);
}

BOOST_FIXTURE_TEST_CASE(a_failed_commit_undoes, with_database) {
    db.execute("CREATE TABLE p(x INTEGER PRIMARY KEY);"
               "CREATE TABLE c(x REFERENCES p(x) DEFERRABLE INITIALLY DEFERRED);");
    {
        durable::transaction work(db);
        db.run("INSERT INTO c VALUES(5)");
        BOOST_TEST(db.breaks_reference());
        BOOST_CHECK_EXCEPTION(work.commit(), durable::store_error, is(store_errc::constraint));
    }
    BOOST_TEST(!db.in_transaction());
    BOOST_TEST(!db.breaks_reference());
    BOOST_TEST(number(db, "SELECT count(*) FROM c") == 0);
}

BOOST_FIXTURE_TEST_CASE(a_savepoint_is_undone_alone, with_database) {
    db.execute("CREATE TABLE t(x INT)");
    durable::transaction work(db);
    db.run("INSERT INTO t VALUES(1)");
    {
        const durable::savepoint step(db);
        db.run("INSERT INTO t VALUES(2)");
        {
            durable::savepoint inner(db);
            db.run("INSERT INTO t VALUES(3)");
            inner.release();
        }
    }
    {
        durable::savepoint step(db);
        db.run("INSERT INTO t VALUES(4)");
        step.release();
    }
    work.commit();
    BOOST_TEST(word(db, "SELECT group_concat(x) FROM t") == "1,4");
}

BOOST_FIXTURE_TEST_CASE(a_read_only_section_refuses_writes, with_database) {
    db.execute("CREATE TABLE t(x INT)");
    {
        const durable::read_only_section section(db);
        BOOST_TEST(number(db, "SELECT count(*) FROM t") == 0);
        BOOST_CHECK_EXCEPTION(
            db.run("INSERT INTO t VALUES(1)"), durable::store_error, is(store_errc::misuse)
        );
        BOOST_CHECK_EXCEPTION(
            db.execute("DROP TABLE t"), durable::store_error, is(store_errc::misuse)
        );
    }
    BOOST_TEST(db.run("INSERT INTO t VALUES(1)") == 1);
}

BOOST_FIXTURE_TEST_CASE(what_was_written_is_there_after_reopening, with_file) {
    {
        durable::database db(file);
        db.execute("CREATE TABLE t(x INT)");
        db.run("INSERT INTO t VALUES(1)");
    }
    BOOST_TEST(!std::filesystem::exists(file.string() + "-wal"));
    durable::database db(file);
    BOOST_TEST(number(db, "SELECT count(*) FROM t") == 1);
}

BOOST_FIXTURE_TEST_CASE(another_process_is_kept_out, with_file) {
    durable::database_options at_once;
    at_once.busy_timeout(std::chrono::milliseconds(0));
    {
        testing::child_process holder({DURABLE_CRASH_WRITER, file.string(), "hold"});
        BOOST_REQUIRE(holder.read_lines(1) == std::vector<std::string>{"open"});
        BOOST_CHECK_EXCEPTION(
            durable::database(file, at_once), durable::store_error, is(store_errc::locked)
        );
    }
    // Killed: the lock went with it.
    BOOST_CHECK_NO_THROW(durable::database(file, at_once));
}

BOOST_FIXTURE_TEST_CASE(migrations_run_once_and_in_order, with_file) {
    constexpr std::array first{"CREATE TABLE t(x INT); INSERT INTO t VALUES(1);"sv};
    constexpr std::array both{first[0], "ALTER TABLE t ADD COLUMN y INT DEFAULT 2"sv};
    {
        durable::database db(file);
        BOOST_TEST(db.schema_version() == 0);
        durable::migrate(db, first);
        durable::migrate(db, first);
        BOOST_TEST(db.schema_version() == 1);
        BOOST_TEST(number(db, "SELECT count(*) FROM t") == 1);
    }
    durable::database db(file);
    durable::migrate(db, both);
    BOOST_TEST(db.schema_version() == 2);
    BOOST_TEST(number(db, "SELECT sum(x+y) FROM t") == 3);
}

BOOST_FIXTURE_TEST_CASE(a_failing_migration_leaves_the_version_before_it, with_database) {
    constexpr std::array broken{
        "CREATE TABLE t(x INT)"sv, "CREATE TABLE u(x INT); INSERT INTO nowhere VALUES(1);"sv
    };
    BOOST_CHECK_THROW(durable::migrate(db, broken), durable::store_error);
    BOOST_TEST(!db.in_transaction());
    BOOST_TEST(db.schema_version() == 1);
    BOOST_TEST(number(db, "SELECT count(*) FROM sqlite_schema") == 1);
    constexpr std::array mended{broken[0], "CREATE TABLE u(x INT)"sv};
    durable::migrate(db, mended);
    BOOST_TEST(db.schema_version() == 2);
}

BOOST_FIXTURE_TEST_CASE(a_file_of_a_newer_program_is_refused, with_database) {
    constexpr std::array newer{"CREATE TABLE t(x INT)"sv, "CREATE TABLE u(x INT)"sv};
    durable::migrate(db, newer);
    constexpr std::array ours{newer[0]};
    BOOST_CHECK_EXCEPTION(
        durable::migrate(db, ours), durable::store_error,
        [&](const durable::store_error& error) {
            return error.code() == store_errc::newer_schema &&
                   error.what() ==
                       "the store " + file.string() +
                           " was written by a newer version of this program (its schema "
                           "is 2, this program knows up to 1)";
        }
    );
    BOOST_TEST(db.schema_version() == 2);
}

BOOST_AUTO_TEST_SUITE_END()
