#include <corogate/durable/store_thread.hpp>

#include "durable/child_process.hpp"
#include "durable/faulty_vfs.hpp"
#include "durable/here.hpp"
#include "durable/scratch_dir.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>

#include <future>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace asio = boost::asio;
namespace durable = corogate::durable;
using durable::store_errc;
using durable::store_error;
using testing::here;

namespace {

constexpr auto schema = "CREATE TABLE t(id INTEGER PRIMARY KEY, body TEXT);"
                        "CREATE TABLE c(t REFERENCES t(id) DEFERRABLE INITIALLY DEFERRED);";

auto is(store_errc code) {
    return [code](const store_error& error) { return error.code() == code; };
}

auto insert(std::int64_t id, std::size_t size = 1) {
    return [id, size](durable::database& db) {
        db.run("INSERT INTO t VALUES(?1,?2)", id, std::string(size, 'x'));
    };
}

std::set<std::int64_t> ids_in(durable::database& db) {
    std::set<std::int64_t> ids;
    auto rows = db.query("SELECT id FROM t");
    while (rows.step())
        ids.insert(rows.integer(0));
    return ids;
}

std::string integrity(durable::database& db) {
    auto row = db.query("PRAGMA integrity_check");
    return row.step() ? row.get<std::string>(0) : "no answer";
}

/// Keeps the store thread busy inside one call until `release`, so that what is queued meanwhile is
/// one batch.
class held_thread {
public:
    explicit held_thread(durable::store_thread& store) {
        auto hold = [started = &started_, gate = gate_.get_future().share()](durable::database&) {
            started->set_value();
            gate.wait();
        };
        done_.emplace(store.async_read(std::move(hold), here));
        started_.get_future().wait();
    }
    void release() {
        gate_.set_value();
        done_->get();
    }

private:
    std::promise<void> started_;
    std::promise<void> gate_;
    std::optional<testing::outcome<void>> done_;
};

struct with_file {
    testing::scratch_dir dir;
    std::filesystem::path file = dir / "a.db";

    durable::database open(const durable::database_options& options = {}) const {
        durable::database db(file, options);
        if (db.schema_version() == 0)
            durable::migrate(db, std::vector<std::string_view>{schema});
        return db;
    }
};

struct with_store : with_file {
    durable::store_thread store{open()};

    std::set<std::int64_t> stored() { return store.async_read(ids_in, here).get(); }
};

} // namespace

BOOST_AUTO_TEST_SUITE(store_thread)

BOOST_FIXTURE_TEST_CASE(a_lone_call_is_one_commit, with_store) {
    store.async_transact(insert(1), here).get();
    const auto counters = store.counters();
    BOOST_TEST(counters.commits == 1U);
    BOOST_TEST(counters.transactions == 1U);
    BOOST_TEST((stored() == std::set<std::int64_t>{1}));
}

BOOST_FIXTURE_TEST_CASE(what_is_queued_is_one_commit, with_store) {
    held_thread held(store);
    std::vector<testing::outcome<void>> calls;
    for (int id = 1; id <= 100; ++id)
        calls.push_back(store.async_transact(insert(id), here));
    BOOST_TEST(store.counters().waiting == 100U);
    held.release();
    for (auto& call : calls)
        call.get();
    const auto counters = store.counters();
    BOOST_TEST(counters.commits == 1U);
    BOOST_TEST(counters.transactions == 100U);
    BOOST_TEST(counters.largest_batch == 100U);
    BOOST_TEST(counters.waiting == 0U);
    BOOST_TEST(stored().size() == 100U);
}

BOOST_FIXTURE_TEST_CASE(a_batch_is_bounded, with_file) {
    durable::store_thread store(open(), 10);
    held_thread held(store);
    std::vector<testing::outcome<void>> calls;
    for (int id = 1; id <= 25; ++id)
        calls.push_back(store.async_transact(insert(id), here));
    held.release();
    for (auto& call : calls)
        call.get();
    BOOST_TEST(store.counters().commits == 3U);
    BOOST_TEST(store.counters().largest_batch == 10U);
}

BOOST_FIXTURE_TEST_CASE(results_and_exceptions_reach_their_callers, with_store) {
    auto answer = [](durable::database&) { return std::string("yes"); };
    BOOST_TEST(store.async_transact(answer, here).get() == "yes");
    auto fails = [](durable::database&) -> int { throw std::out_of_range("mine"); };
    auto failed = store.async_transact(fails, here);
    BOOST_CHECK_THROW(failed.get(), std::out_of_range);
    auto failed_read = store.async_read(fails, here);
    BOOST_CHECK_THROW(failed_read.get(), std::out_of_range);
}

BOOST_FIXTURE_TEST_CASE(a_failing_call_is_undone_alone, with_store) {
    held_thread held(store);
    auto before = store.async_transact(insert(1), here);
    auto fails = [](durable::database& db) {
        insert(2)(db);
        throw std::runtime_error("no");
    };
    auto between = store.async_transact(fails, here);
    auto twice = store.async_transact(insert(1), here);
    auto after = store.async_transact(insert(3), here);
    held.release();
    before.get();
    BOOST_CHECK_THROW(between.get(), std::runtime_error);
    BOOST_CHECK_EXCEPTION(twice.get(), store_error, is(store_errc::constraint));
    after.get();
    BOOST_TEST((stored() == std::set<std::int64_t>{1, 3}));
    const auto counters = store.counters();
    BOOST_TEST(counters.commits == 1U);
    BOOST_TEST(counters.transactions == 2U);
    BOOST_TEST(counters.failed == 2U);
}

BOOST_FIXTURE_TEST_CASE(only_failing_calls_make_no_commit, with_store) {
    auto fails = [](durable::database& db) {
        insert(2)(db);
        throw std::runtime_error("no");
    };
    auto call = store.async_transact(fails, here);
    BOOST_CHECK_THROW(call.get(), std::runtime_error);
    BOOST_TEST(stored().empty());
    BOOST_TEST(store.counters().commits == 0U);
    store.async_transact(insert(1), here).get();
}

BOOST_FIXTURE_TEST_CASE(a_deferred_breach_of_one_does_not_fail_the_batch, with_store) {
    held_thread held(store);
    auto before = store.async_transact(insert(1), here);
    auto orphan = [](durable::database& db) { db.run("INSERT INTO c VALUES(99)"); };
    auto between = store.async_transact(orphan, here);
    auto after = store.async_transact(insert(3), here);
    held.release();
    before.get();
    BOOST_CHECK_EXCEPTION(between.get(), store_error, is(store_errc::constraint));
    after.get();
    BOOST_TEST((stored() == std::set<std::int64_t>{1, 3}));
}

BOOST_FIXTURE_TEST_CASE(a_failed_commit_fails_all_and_stops_the_store, with_file) {
    testing::faulty_vfs vfs;
    durable::store_thread store(open(durable::database_options().vfs(vfs.name)));
    store.async_transact(insert(1), here).get();
    held_thread held(store);
    std::vector<testing::outcome<void>> calls;
    for (int id = 2; id <= 11; ++id)
        calls.push_back(store.async_transact(insert(id), here));
    vfs.fail_syncs(true);
    held.release();
    for (auto& call : calls)
        BOOST_CHECK_EXCEPTION(call.get(), store_error, is(store_errc::io));
    BOOST_TEST(store.failed());
    BOOST_TEST(store.counters().commits == 1U);
    BOOST_TEST(store.counters().failed == 10U);
    // The device is well again, but what it lost meanwhile is not known: no write any more.
    vfs.fail_syncs(false);
    auto later = store.async_transact(insert(12), here);
    BOOST_CHECK_EXCEPTION(later.get(), store_error, is(store_errc::stopped));
    BOOST_TEST((store.async_read(ids_in, here).get() == std::set<std::int64_t>{1}));
}

BOOST_FIXTURE_TEST_CASE(a_full_disk_fails_calls_and_is_recovered_from, with_file) {
    testing::faulty_vfs vfs;
    durable::store_thread store(open(durable::database_options().vfs(vfs.name)));
    store.async_transact(insert(1), here).get();
    held_thread held(store);
    std::vector<testing::outcome<void>> calls;
    for (int id = 2; id <= 11; ++id)
        calls.push_back(store.async_transact(insert(id), here));
    vfs.fill_disk(true);
    held.release();
    for (auto& call : calls)
        BOOST_CHECK_EXCEPTION(call.get(), store_error, is(store_errc::full));
    BOOST_TEST(!store.failed());
    vfs.fill_disk(false);
    store.async_transact(insert(12), here).get();
    BOOST_TEST((store.async_read(ids_in, here).get() == std::set<std::int64_t>{1, 12}));
    BOOST_TEST(store.async_read(integrity, here).get() == "ok");
}

BOOST_FIXTURE_TEST_CASE(a_call_too_large_for_the_disk_tells_the_truth_to_all, with_store) {
    auto bound = [](durable::database& db) { db.execute("PRAGMA max_page_count=40"); };
    store.async_transact(bound, here).get();
    held_thread held(store);
    std::vector<testing::outcome<void>> calls;
    for (int id = 1; id <= 9; ++id)
        calls.push_back(store.async_transact(insert(id, id == 5 ? 1000000 : 100), here));
    held.release();
    std::set<std::int64_t> told;
    for (std::size_t i = 0; i < calls.size(); ++i) {
        try {
            calls[i].get();
            told.insert(static_cast<std::int64_t>(i) + 1);
        } catch (const store_error& error) {
            BOOST_TEST((error.code() == store_errc::full));
        }
    }
    BOOST_TEST(!told.contains(5));
    BOOST_TEST(told.contains(9)); // after it, things go on
    BOOST_TEST((stored() == told));
}

BOOST_FIXTURE_TEST_CASE(calls_undone_with_the_whole_transaction_are_told, with_store) {
    held_thread held(store);
    auto before = store.async_transact(insert(1), here);
    // Stands for SQLite undoing everything by itself.
    auto undoes = [](durable::database& db) { db.run("ROLLBACK"); };
    auto between = store.async_transact(undoes, here);
    auto after = store.async_transact(insert(3), here);
    held.release();
    BOOST_CHECK_THROW(before.get(), store_error);
    BOOST_CHECK_THROW(between.get(), store_error);
    after.get();
    BOOST_TEST((stored() == std::set<std::int64_t>{3}));
}

BOOST_FIXTURE_TEST_CASE(a_read_sees_the_writes_before_it_and_cannot_write, with_store) {
    held_thread held(store);
    auto write = store.async_transact(insert(1), here);
    auto read = store.async_read(ids_in, here);
    auto cheat = store.async_read(insert(2), here);
    held.release();
    BOOST_TEST((read.get() == std::set<std::int64_t>{1}));
    BOOST_CHECK_EXCEPTION(cheat.get(), store_error, is(store_errc::misuse));
    write.get();
    BOOST_TEST((stored() == std::set<std::int64_t>{1}));
}

BOOST_FIXTURE_TEST_CASE(completions_are_posted_to_the_associated_executor, with_store) {
    asio::io_context context;
    std::thread::id ran_on;
    std::thread::id completed_on;
    auto call = [&](durable::database&) { ran_on = std::this_thread::get_id(); };
    store.async_transact(call, asio::bind_executor(context, [&](const std::exception_ptr& error) {
                             BOOST_TEST(!error);
                             completed_on = std::this_thread::get_id();
                         }));
    // The store thread has ended the call, yet nothing has completed without the context.
    store.async_transact(insert(1), here).get();
    BOOST_TEST((completed_on == std::thread::id()));
    context.run();
    BOOST_TEST((completed_on == std::this_thread::get_id()));
    BOOST_TEST((ran_on != std::this_thread::get_id()));
}

BOOST_FIXTURE_TEST_CASE(a_pending_call_is_work_for_its_context, with_store) {
    asio::io_context context;
    held_thread held(store);
    bool completed = false;
    store.async_transact(insert(1), asio::bind_executor(context, [&](const std::exception_ptr&) {
                             completed = true;
                         }));
    std::promise<void> running;
    std::thread runner([&] {
        running.set_value();
        context.run(); // returns at once if the call were not counted as work
    });
    running.get_future().wait();
    held.release();
    runner.join();
    BOOST_TEST(completed);
}

BOOST_FIXTURE_TEST_CASE(coroutines_await_it, with_store) {
    asio::io_context context;
    auto body = [this]() -> asio::awaitable<std::string> {
        auto text = std::make_shared<std::string>("kept alive by the closure alone");
        auto write = [text](durable::database& db) {
            db.run("INSERT INTO t VALUES(?1,?2)", 1, *text);
            return std::make_unique<std::string>(*text); // move-only
        };
        auto echoed = co_await store.async_transact(corogate::take(write), asio::use_awaitable);
        BOOST_TEST(*echoed == *text);
        BOOST_TEST(text.use_count() == 1);

        auto fails = [text](durable::database&) { throw std::runtime_error(*text); };
        std::string caught;
        try {
            co_await store.async_transact(corogate::take(fails), asio::use_awaitable);
        } catch (const std::runtime_error& error) {
            caught = error.what();
        }
        BOOST_TEST(caught == *text);

        auto read = [text](durable::database& db) { return ids_in(db); };
        auto outcome =
            co_await store.async_read(corogate::take(read), asio::as_tuple(asio::use_awaitable));
        BOOST_TEST(!std::get<0>(outcome));
        BOOST_TEST((std::get<1>(outcome) == std::set<std::int64_t>{1}));
        co_return *text;
    };
    auto result = asio::co_spawn(context, body, asio::use_future);
    context.run();
    BOOST_TEST(result.get() == "kept alive by the closure alone");
}

BOOST_FIXTURE_TEST_CASE(other_tokens_work_too, with_store) {
    store.async_transact(insert(1), asio::detached);
    auto later = store.async_transact(insert(2), asio::deferred);
    store.async_transact(insert(3), here).get();
    BOOST_TEST((stored() == std::set<std::int64_t>{1, 3})); // deferred: not begun
    std::move(later)(here).get();
    BOOST_TEST(store.async_read(ids_in, asio::use_future).get().size() == 3U);
    BOOST_TEST((stored() == std::set<std::int64_t>{1, 2, 3}));
}

BOOST_FIXTURE_TEST_CASE(a_cancelled_call_that_waits_is_dropped, with_store) {
    asio::io_context context;
    asio::cancellation_signal signal;
    held_thread held(store);
    std::exception_ptr outcome;
    store.async_transact(
        insert(1),
        asio::bind_executor(
            context,
            asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e) { outcome = e; })
        )
    );
    signal.emit(asio::cancellation_type::terminal);
    held.release();
    context.run();
    BOOST_REQUIRE(outcome);
    BOOST_CHECK_EXCEPTION(
        std::rethrow_exception(outcome), boost::system::system_error,
        [](const boost::system::system_error& error) {
            return error.code() == asio::error::operation_aborted;
        }
    );
    BOOST_TEST(stored().empty());
    BOOST_TEST(store.counters().cancelled == 1U);
    BOOST_TEST(store.counters().commits == 0U);
}

BOOST_FIXTURE_TEST_CASE(a_cancel_after_the_call_ran_changes_nothing, with_store) {
    asio::io_context context;
    asio::cancellation_signal signal;
    bool failed = true;
    store.async_transact(
        insert(1),
        asio::bind_executor(
            context, asio::bind_cancellation_slot(
                         signal.slot(), [&](const std::exception_ptr& e) { failed = e != nullptr; }
                     )
        )
    );
    store.async_transact(insert(2), here).get();
    signal.emit(asio::cancellation_type::terminal);
    context.run();
    BOOST_TEST(!failed);
    BOOST_TEST(stored().size() == 2U);
}

BOOST_FIXTURE_TEST_CASE(the_destructor_runs_what_is_queued, with_file) {
    asio::io_context context;
    int completed = 0;
    {
        durable::store_thread store(open(), 4);
        held_thread held(store);
        for (int id = 1; id <= 10; ++id)
            store.async_transact(
                insert(id),
                asio::bind_executor(
                    context, [&](const std::exception_ptr& error) { completed += error ? 0 : 1; }
                )
            );
        held.release();
    }
    auto db = open();
    BOOST_TEST(ids_in(db).size() == 10U);
    context.run();
    BOOST_TEST(completed == 10);
}

BOOST_FIXTURE_TEST_CASE(many_threads_write_and_read_at_once, with_store) {
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int n = 0; n < 4; ++n)
        threads.emplace_back([&, n] {
            for (int i = 0; i < 50; ++i) {
                const std::int64_t id = n * 1000 + i;
                store.async_transact(insert(id), here).get();
                if (!store.async_read(ids_in, here).get().contains(id))
                    ++wrong;
            }
        });
    for (auto& thread : threads)
        thread.join();
    BOOST_TEST(wrong == 0);
    BOOST_TEST(stored().size() == 200U);
    BOOST_TEST(store.counters().transactions == 200U);
}

namespace {

std::vector<std::int64_t> numbers(const std::vector<std::string>& lines) {
    std::vector<std::int64_t> result;
    for (const auto& line : lines)
        result.push_back(std::stoll(line));
    return result;
}

/// How many of `acked` the file does not hold; it must be sound.
std::size_t missing(const std::filesystem::path& file, const std::vector<std::int64_t>& acked) {
    durable::database db(file);
    BOOST_TEST(integrity(db) == "ok");
    std::size_t lost = 0;
    for (const auto id : acked) {
        auto row = db.query("SELECT 1 FROM written WHERE id=?1", id);
        lost += row.step() ? 0U : 1U;
    }
    return lost;
}

} // namespace

BOOST_FIXTURE_TEST_CASE(kill_9_loses_no_acknowledged_write, with_file) {
    std::mt19937 random(20240607); // the kill falls after this many acknowledgements
    std::vector<std::int64_t> acked;
    for (int round = 0; round < 25; ++round) {
        testing::child_process writer({DURABLE_CRASH_WRITER, file.string(), "write"});
        const auto before = acked.size();
        for (const auto id : numbers(writer.read_lines(1 + random() % 1500)))
            acked.push_back(id);
        for (const auto id : numbers(writer.kill_and_read()))
            acked.push_back(id);
        BOOST_REQUIRE(acked.size() > before); // it did write
        BOOST_TEST(missing(file, acked) == 0U);
    }
    BOOST_TEST_MESSAGE(acked.size() << " acknowledged writes, 25 kills, none lost");
}

// The control: an acknowledgement before the COMMIT does lose writes, and this test would see it.
BOOST_FIXTURE_TEST_CASE(kill_9_loses_what_is_acknowledged_too_early, with_file) {
    testing::child_process writer({DURABLE_CRASH_WRITER, file.string(), "early", "200"});
    auto acked = numbers(writer.read_lines(200));
    BOOST_REQUIRE(acked.size() == 200U);
    writer.kill_and_read();
    BOOST_TEST(missing(file, acked) > 0U);
}

BOOST_AUTO_TEST_SUITE_END()
