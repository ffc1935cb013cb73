#include "store/store.hpp"

#include "durable/child_process.hpp"
#include "durable/here.hpp"
#include "durable/scratch_dir.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace asio = boost::asio;
namespace durable = corogate::durable;
using testing::here;
using namespace std::chrono_literals;

namespace {

const server::timestamp noon{std::chrono::sys_days(std::chrono::year{2024} / 6 / 7) + 12h};

server::form_record make_form(std::string id, std::string site = "X1", std::int64_t points = 3) {
    server::form_record form;
    form.id = std::move(id);
    form.study = "S";
    form.form = "VS";
    form.site = std::move(site);
    form.subject = "1001";
    form.datasets = R"({"VS":[{"VSORRES":"12\u00e9"}]})";
    form.data_points = points;
    form.saved_at = noon + 123456us;
    return form;
}

server::finding_record make_finding(std::string rule) {
    server::finding_record finding;
    finding.rule = std::move(rule);
    finding.dataset = "VS";
    finding.record = 4;
    finding.values = R"({"VSORRES":null})";
    finding.message = "a message";
    finding.severity = "error";
    return finding;
}

server::finding_record make_skip(std::string rule) {
    server::finding_record finding;
    finding.rule = std::move(rule);
    finding.skipped = "no such column";
    return finding;
}

server::job_record make_job(std::string id) {
    server::job_record job;
    job.id = std::move(id);
    job.kind = "site-kri";
    job.study = "S";
    job.request = R"({"study":"S"})";
    job.created_at = noon;
    return job;
}

struct with_dir {
    testing::scratch_dir scratch;
    std::filesystem::path dir = scratch / "state/corogate";
};

struct with_store : with_dir {
    server::store store{dir};

    void save(server::form_record form) { store.async_save_form(std::move(form), here).get(); }
    bool check(const std::string& id, std::vector<server::finding_record> findings) {
        return store.async_record_findings(id, std::move(findings), here).get();
    }
    void create(const std::string& id) { store.async_create_job(make_job(id), here).get(); }
    bool start(const std::string& id) { return store.async_start_job(id, noon + 1s, here).get(); }
    bool finish(const std::string& id, server::job_state state) {
        server::job_outcome outcome;
        outcome.state = state;
        if (state == server::job_state::succeeded)
            outcome.result = "{}";
        else
            outcome.error = "it failed";
        return store.async_finish_job(id, outcome, noon + 2s, here).get();
    }
};

template <typename Records>
std::vector<std::string> ids_of(const Records& records) {
    std::vector<std::string> ids;
    for (const auto& record : records)
        ids.push_back(record.id);
    return ids;
}

using ids = std::vector<std::string>;

} // namespace

BOOST_AUTO_TEST_SUITE(store)

BOOST_FIXTURE_TEST_CASE(a_form_comes_back_as_it_was_saved, with_store) {
    BOOST_TEST(store.file() == dir / "corogate.db");
    save(make_form("f-1"));
    const auto found = store.async_find_form("f-1", here).get();
    BOOST_REQUIRE(found.has_value());
    BOOST_TEST(found->form.id == "f-1");
    BOOST_TEST(found->form.study == "S");
    BOOST_TEST(found->form.form == "VS");
    BOOST_TEST(found->form.site == "X1");
    BOOST_TEST(found->form.subject == "1001");
    BOOST_TEST(found->form.datasets == R"({"VS":[{"VSORRES":"12\u00e9"}]})");
    BOOST_TEST(found->form.data_points == 3);
    BOOST_TEST((found->form.saved_at == noon + 123456us));
    BOOST_TEST((found->form.state == server::form_state::received));
    BOOST_TEST(found->form.sequence == 1);
    BOOST_TEST(found->findings.empty());
    BOOST_TEST(!store.async_find_form("f-2", here).get().has_value());
}

BOOST_FIXTURE_TEST_CASE(an_id_is_taken_once, with_store) {
    save(make_form("f-1"));
    auto again = store.async_save_form(make_form("f-1", "X2"), here);
    BOOST_CHECK_EXCEPTION(again.get(), durable::store_error, [](const durable::store_error& e) {
        return e.code() == durable::store_errc::constraint;
    });
    BOOST_TEST(store.async_find_form("f-1", here).get()->form.site == "X1");
}

BOOST_FIXTURE_TEST_CASE(findings_keep_their_order_and_their_gaps, with_store) {
    save(make_form("f-1"));
    std::vector<server::finding_record> findings;
    findings.push_back(make_finding("R2"));
    findings.push_back(make_skip("R1"));
    findings.push_back(make_finding("R1"));
    BOOST_TEST(check("f-1", findings));
    const auto found = store.async_find_form("f-1", here).get();
    BOOST_REQUIRE(found.has_value());
    BOOST_TEST((found->form.state == server::form_state::checked));
    BOOST_REQUIRE(found->findings.size() == 3U);
    const auto& first = found->findings[0];
    BOOST_TEST(first.rule == "R2");
    BOOST_TEST(first.dataset.value() == "VS");
    BOOST_TEST(first.record.value() == 4);
    BOOST_TEST(first.values.value() == R"({"VSORRES":null})");
    BOOST_TEST(first.message.value() == "a message");
    BOOST_TEST(first.severity.value() == "error");
    BOOST_TEST(!first.skipped.has_value());
    const auto& second = found->findings[1];
    BOOST_TEST(second.rule == "R1");
    BOOST_TEST(second.skipped.value() == "no such column");
    BOOST_TEST(!second.dataset.has_value());
    BOOST_TEST(!second.record.has_value());
    BOOST_TEST(!second.values.has_value());
    BOOST_TEST(found->findings[2].rule == "R1");
}

BOOST_FIXTURE_TEST_CASE(a_repeated_check_replaces_the_findings, with_store) {
    save(make_form("f-1"));
    BOOST_TEST(check("f-1", {make_finding("R1"), make_finding("R2")}));
    BOOST_TEST(check("f-1", {make_finding("R3")}));
    const auto found = store.async_find_form("f-1", here).get();
    BOOST_REQUIRE(found->findings.size() == 1U);
    BOOST_TEST(found->findings[0].rule == "R3");
    const auto totals = store.async_totals_by_site("S", std::nullopt, 10, here).get();
    BOOST_REQUIRE(totals.size() == 1U);
    BOOST_TEST(totals[0].findings == 1);
}

BOOST_FIXTURE_TEST_CASE(findings_need_their_form, with_store) {
    BOOST_TEST(!check("f-1", {make_finding("R1")}));
}

BOOST_FIXTURE_TEST_CASE(unfinished_forms_come_in_pages_oldest_first, with_store) {
    for (const auto* id : {"f-c", "f-a", "f-d", "f-b"})
        save(make_form(id));
    check("f-a", {});
    auto page = store.async_unfinished_forms(0, 2, here).get();
    BOOST_TEST(ids_of(page) == (ids{"f-c", "f-d"}));
    BOOST_TEST(page[0].datasets == make_form("").datasets);
    page = store.async_unfinished_forms(page.back().sequence, 2, here).get();
    BOOST_TEST(ids_of(page) == ids{"f-b"});
}

BOOST_FIXTURE_TEST_CASE(a_job_goes_its_way, with_store) {
    create("j-1");
    auto job = store.async_find_job("j-1", here).get();
    BOOST_REQUIRE(job.has_value());
    BOOST_TEST((job->state == server::job_state::queued));
    BOOST_TEST(job->kind == "site-kri");
    BOOST_TEST(job->study == "S");
    BOOST_TEST(job->request == R"({"study":"S"})");
    BOOST_TEST((job->created_at == noon));
    BOOST_TEST(job->attempts == 0);
    BOOST_TEST(!job->started_at.has_value());

    BOOST_TEST(!store.async_update_progress("j-1", 1, 9, here).get()); // does not run yet
    BOOST_TEST(start("j-1"));
    BOOST_TEST(!start("j-1"));
    BOOST_TEST(store.async_update_progress("j-1", 4, 9, here).get());
    job = store.async_find_job("j-1", here).get();
    BOOST_TEST((job->state == server::job_state::running));
    BOOST_TEST((job->started_at.value() == noon + 1s));
    BOOST_TEST(job->attempts == 1);
    BOOST_TEST(job->progress_done == 4);
    BOOST_TEST(job->progress_total == 9);
    BOOST_TEST(!job->result.has_value());

    BOOST_TEST(finish("j-1", server::job_state::succeeded));
    job = store.async_find_job("j-1", here).get();
    BOOST_TEST((job->state == server::job_state::succeeded));
    BOOST_TEST(job->result.value() == "{}");
    BOOST_TEST(!job->error.has_value());
    BOOST_TEST((job->finished_at.value() == noon + 2s));
    BOOST_TEST(!store.async_find_job("j-2", here).get().has_value());
}

BOOST_FIXTURE_TEST_CASE(a_job_ends_once, with_store) {
    create("j-1");
    BOOST_TEST(finish("j-1", server::job_state::cancelled)); // never started
    BOOST_TEST(!start("j-1"));
    BOOST_TEST(!finish("j-1", server::job_state::succeeded));
    BOOST_TEST(!store.async_update_progress("j-1", 1, 1, here).get());
    const auto job = store.async_find_job("j-1", here).get();
    BOOST_TEST((job->state == server::job_state::cancelled));
    BOOST_TEST(!job->result.has_value());
    BOOST_TEST(job->error.value() == "it failed");
    BOOST_TEST(!finish("j-2", server::job_state::failed));
}

BOOST_FIXTURE_TEST_CASE(a_job_cannot_end_as_running, with_store) {
    create("j-1");
    BOOST_CHECK_EXCEPTION(
        finish("j-1", server::job_state::running), durable::store_error,
        [](const durable::store_error& e) { return e.code() == durable::store_errc::misuse; }
    );
}

BOOST_FIXTURE_TEST_CASE(unfinished_jobs_come_in_pages_oldest_first, with_store) {
    for (const auto* id : {"j-c", "j-a", "j-d", "j-b"})
        create(id);
    start("j-c");
    finish("j-a", server::job_state::failed);
    auto page = store.async_unfinished_jobs(0, 2, here).get();
    BOOST_TEST(ids_of(page) == (ids{"j-c", "j-d"}));
    page = store.async_unfinished_jobs(page.back().sequence, 2, here).get();
    BOOST_TEST(ids_of(page) == ids{"j-b"});
}

BOOST_FIXTURE_TEST_CASE(running_jobs_are_queued_again_by_opening, with_dir) {
    {
        server::store before(dir);
        BOOST_TEST(before.requeued() == 0);
        for (const auto* id : {"j-queued", "j-running", "j-ended"})
            before.async_create_job(make_job(id), here).get();
        before.async_start_job("j-running", noon, here).get();
        before.async_update_progress("j-running", 5, 9, here).get();
        before.async_start_job("j-ended", noon, here).get();
        before.async_finish_job("j-ended", server::job_outcome(), noon, here).get();
    }
    server::store after(dir);
    BOOST_TEST(after.requeued() == 1);
    const auto jobs = after.async_unfinished_jobs(0, 100, here).get();
    BOOST_TEST(ids_of(jobs) == (ids{"j-queued", "j-running"}));
    for (const auto& job : jobs) {
        BOOST_TEST((job.state == server::job_state::queued));
        BOOST_TEST(job.progress_done == 0);
        BOOST_TEST(!job.started_at.has_value());
    }
    BOOST_TEST(jobs[1].attempts == 1);
    BOOST_TEST(after.async_start_job("j-running", noon, here).get());
    BOOST_TEST(after.async_find_job("j-running", here).get()->attempts == 2);
}

BOOST_FIXTURE_TEST_CASE(totals_are_those_of_checked_forms, with_store) {
    save(make_form("f-1", "B", 10));
    save(make_form("f-2", "B", 5));
    save(make_form("f-3", "A", 7));
    save(make_form("f-4", "C", 100)); // received only
    auto elsewhere = make_form("f-5", "A", 1000);
    elsewhere.study = "T";
    save(elsewhere);
    save(make_form("f-6", "", 2)); // a site without a name is a site
    check("f-1", {make_finding("R1"), make_skip("R2"), make_finding("R3")});
    check("f-2", {make_finding("R1")});
    check("f-3", {});
    check("f-5", {make_finding("R1")});
    check("f-6", {make_skip("R1")});

    BOOST_TEST(store.async_count_sites("S", here).get() == 3);
    BOOST_TEST(store.async_count_sites("none", here).get() == 0);
    const auto first = store.async_totals_by_site("S", std::nullopt, 2, here).get();
    BOOST_REQUIRE(first.size() == 2U);
    BOOST_TEST(first[0].site == "");
    BOOST_TEST(first[0].data_points == 2);
    BOOST_TEST(first[0].findings == 0);
    BOOST_TEST(first[1].site == "A");
    BOOST_TEST(first[1].data_points == 7);
    const auto rest = store.async_totals_by_site("S", first[1].site, 2, here).get();
    BOOST_REQUIRE(rest.size() == 1U);
    BOOST_TEST(rest[0].site == "B");
    BOOST_TEST(rest[0].forms == 2);
    BOOST_TEST(rest[0].data_points == 15);
    BOOST_TEST(rest[0].findings == 3);
    const auto after_empty = store.async_totals_by_site("S", std::string(), 9, here).get();
    BOOST_TEST(after_empty.size() == 2U);
    BOOST_TEST(store.async_totals_by_site("none", std::nullopt, 9, here).get().empty());
}

BOOST_FIXTURE_TEST_CASE(the_site_analysis_reads_no_form, with_dir) {
    {
        const server::store made(dir);
    }
    durable::database db(dir / "corogate.db");
    auto plan = db.query(
        "EXPLAIN QUERY PLAN SELECT site, count(*), sum(data_points), sum(findings) FROM form"
        " WHERE study=?1 AND state=1 AND site>=?2 AND (?3 OR site>?2)"
        " GROUP BY site ORDER BY site LIMIT ?4",
        "S", "", 1, 10
    );
    BOOST_REQUIRE(plan.step());
    BOOST_TEST(
        plan.get<std::string>(3) ==
        "SEARCH form USING COVERING INDEX form_site (study=? AND state=? AND site>?)"
    );
    BOOST_TEST(!plan.step()); // no sorting step
}

BOOST_FIXTURE_TEST_CASE(coroutines_await_it, with_store) {
    asio::io_context context;
    auto body = [this]() -> asio::awaitable<std::size_t> {
        auto form = make_form("f-a-name-too-long-for-the-small-string-space");
        const auto id = form.id;
        co_await store.async_save_form(std::move(form), asio::use_awaitable);
        std::vector<server::finding_record> findings{make_finding("R1"), make_skip("R2")};
        const bool known =
            co_await store.async_record_findings(id, std::move(findings), asio::use_awaitable);
        BOOST_TEST(known);
        co_await store.async_create_job(make_job(id), asio::use_awaitable);
        co_await store.async_start_job(id, noon, asio::use_awaitable);
        server::job_outcome outcome;
        outcome.error = "a sentence too long for the small string space";
        outcome.state = server::job_state::failed;
        co_await store.async_finish_job(id, std::move(outcome), noon, asio::use_awaitable);
        const auto job = co_await store.async_find_job(id, asio::use_awaitable);
        BOOST_TEST(job->error.value() == "a sentence too long for the small string space");
        const auto found = co_await store.async_find_form(id, asio::use_awaitable);
        co_return found->findings.size();
    };
    auto size = asio::co_spawn(context, body, asio::use_future);
    context.run();
    BOOST_TEST(size.get() == 2U);
}

BOOST_FIXTURE_TEST_CASE(a_second_server_is_told_at_start, with_store) {
    durable::database_options at_once;
    at_once.busy_timeout(0ms);
    BOOST_CHECK_EXCEPTION(
        server::store(dir, at_once), durable::store_error,
        [&](const durable::store_error& e) {
            return e.what() ==
                   "the store " + (dir / "corogate.db").string() + " is in use by another process";
        }
    );
}

BOOST_FIXTURE_TEST_CASE(a_file_of_a_newer_server_is_refused, with_dir) {
    {
        const server::store made(dir);
    }
    {
        durable::database db(dir / "corogate.db");
        db.execute("PRAGMA user_version=1000");
    }
    BOOST_CHECK_EXCEPTION(
        server::store{dir}, durable::store_error,
        [](const durable::store_error& e) { return e.code() == durable::store_errc::newer_schema; }
    );
}

BOOST_FIXTURE_TEST_CASE(kill_9_loses_nothing_that_was_answered, with_dir) {
    std::mt19937 random(20240607);
    std::map<std::string, std::set<std::string>> acked; // what was said -> ids
    std::size_t total = 0;
    for (int round = 0; round < 15; ++round) {
        testing::child_process child({STORE_CRASH_SERVER, dir.string()});
        auto lines = child.read_lines(1 + random() % 400);
        BOOST_REQUIRE(!lines.empty());
        for (auto& line : child.kill_and_read())
            lines.push_back(std::move(line));
        for (const auto& line : lines) {
            const auto space = line.find(' ');
            acked[line.substr(0, space)].insert(line.substr(space + 1));
            ++total;
        }

        server::store store(dir);
        for (const auto& id : acked["saved"]) {
            const auto found = store.async_find_form(id, here).get();
            BOOST_REQUIRE(found.has_value());
            if (acked["checked"].contains(id)) {
                BOOST_TEST((found->form.state == server::form_state::checked));
                BOOST_TEST(found->findings.size() == 2U);
            }
            // Findings and mark are one write: never one without the other.
            const bool checked = found->form.state == server::form_state::checked;
            BOOST_TEST(found->findings.size() == (checked ? 2U : 0U));
        }
        for (const auto& id : acked["created"]) {
            const auto job = store.async_find_job(id, here).get();
            BOOST_REQUIRE(job.has_value());
            BOOST_TEST((job->state != server::job_state::running));
            if (acked["started"].contains(id))
                BOOST_TEST(job->attempts == 1);
            if (acked["finished"].contains(id)) {
                BOOST_TEST((job->state == server::job_state::succeeded));
                BOOST_TEST(job->result.value() == R"({"sites":3})");
            }
        }
    }
    BOOST_TEST(!acked["finished"].empty());
    BOOST_TEST_MESSAGE(total << " answered writes, 15 kills, none lost");
}

BOOST_AUTO_TEST_SUITE_END()
