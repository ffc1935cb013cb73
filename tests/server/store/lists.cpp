// Pages of lists, jobs that are cancelled and tried again, uploaded rules, used keys.
#include "durable/here.hpp"
#include "durable/scratch_dir.hpp"
#include "store/store.hpp"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <corogate/durable/store_error.hpp>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

using testing::here;
using namespace std::chrono_literals;

namespace {

const server::timestamp noon{std::chrono::sys_days(std::chrono::year{2024} / 6 / 7) + 12h};
constexpr auto newest = std::numeric_limits<std::int64_t>::max();

server::form_record make_form(int n) {
    server::form_record form;
    form.id = "f-" + std::to_string(n);
    form.study = n % 2 ? "S" : "T";
    form.form = n % 3 ? "VS" : "DM";
    form.site = "X" + std::to_string(n % 5);
    form.subject = std::to_string(n % 7);
    form.datasets = "{}";
    form.saved_at = noon;
    return form;
}

server::job_record make_job(std::string id) {
    server::job_record job;
    job.id = std::move(id);
    job.kind = "site-kri";
    job.study = "S";
    job.request = "{}";
    job.created_at = noon;
    return job;
}

server::finding_record make_finding(std::string rule, std::string severity) {
    server::finding_record finding;
    finding.rule = std::move(rule);
    finding.dataset = "VS";
    finding.values = "{}";
    finding.message = "a message";
    finding.severity = std::move(severity);
    return finding;
}

struct with_store {
    testing::scratch_dir dir;
    std::unique_ptr<server::store> kept = std::make_unique<server::store>(dir.path());
    server::store& store() { return *kept; }
    void open_again() {
        kept.reset();
        kept = std::make_unique<server::store>(dir.path());
    }

    /// Forms 1 to n; the odd ones are checked, each with two findings and a skip.
    void fill(int n) {
        for (int i = 1; i <= n; ++i) {
            const auto form = make_form(i);
            store().async_save_form(form, here).get();
            if (i % 2 == 0)
                continue;
            server::finding_record skip;
            skip.rule = "R1";
            skip.skipped = "no such column";
            const std::vector<server::finding_record> found{
                make_finding("R1", "error"), skip, make_finding(i % 3 ? "R2" : "R3", "info")
            };
            store().async_record_findings(form.id, found, here).get();
        }
    }

    std::vector<std::string> forms(const server::form_filter& which, std::size_t limit) {
        std::vector<std::string> ids;
        std::int64_t before = newest;
        for (bool more = true; more;) {
            const auto page = store().async_list_forms(which, before, limit, here).get();
            BOOST_REQUIRE(page.items.size() <= limit);
            BOOST_REQUIRE(page.last < before);
            for (const auto& form : page.items)
                ids.push_back(form.id);
            before = page.last;
            more = page.more;
        }
        return ids;
    }

    std::vector<std::string> findings(const server::finding_filter& which, std::size_t limit) {
        std::vector<std::string> ids;
        std::int64_t form = newest;
        std::int64_t inner = newest;
        for (bool more = true; more;) {
            const auto page = store().async_list_findings(which, form, inner, limit, here).get();
            BOOST_REQUIRE(page.items.size() <= limit);
            for (const auto& one : page.items)
                ids.push_back(one.form.id + " " + one.finding.rule);
            form = page.last;
            inner = page.inner;
            more = page.more;
        }
        return ids;
    }

    server::job_record job(const std::string& id) {
        return store().async_find_job(id, here).get().value();
    }
    void create_running(const std::string& id) {
        store().async_create_job(make_job(id), here).get();
        BOOST_REQUIRE(store().async_start_job(id, noon, here).get());
    }
    bool finish(const std::string& id) {
        server::job_outcome outcome;
        outcome.result = "{}";
        return store().async_finish_job(id, outcome, noon + 1s, here).get();
    }
    server::cancel_outcome cancel(const std::string& id) {
        return store().async_cancel_job(id, noon + 1s, here).get();
    }
};

server::key_record make_key(std::string form, server::timestamp at = noon) {
    server::key_record key;
    key.scope = "POST /v1/forms\n\nX1";
    key.key = "k";
    key.digest = "d";
    key.form = std::move(form);
    key.used_at = at;
    return key;
}

} // namespace

BOOST_AUTO_TEST_SUITE(lists)

// ---- pages ----

BOOST_FIXTURE_TEST_CASE(pages_of_forms_hold_each_form_once_newest_first, with_store) {
    constexpr int all = 40;
    fill(all);
    for (unsigned mask = 0; mask < 32; ++mask) { // every set of filters
        server::form_filter which;
        const auto like = make_form(11);
        if (mask & 1U)
            which.study = like.study;
        if (mask & 2U)
            which.form = like.form;
        if (mask & 4U)
            which.site = like.site;
        if (mask & 8U)
            which.subject = like.subject;
        if (mask & 16U)
            which.state = server::form_state::received;
        std::vector<std::string> expected;
        for (int i = all; i > 0; --i) {
            const auto form = make_form(i);
            if ((!which.study || *which.study == form.study) &&
                (!which.form || *which.form == form.form) &&
                (!which.site || *which.site == form.site) &&
                (!which.subject || *which.subject == form.subject) && (!which.state || i % 2 == 0))
                expected.push_back(form.id);
        }
        for (const std::size_t limit : {1U, 3U, 1000U})
            BOOST_TEST(forms(which, limit) == expected, "mask " << mask << ", limit " << limit);
    }
}

BOOST_FIXTURE_TEST_CASE(pages_of_findings_hold_each_finding_once_and_no_skip, with_store) {
    constexpr int all = 20;
    fill(all);
    for (unsigned mask = 0; mask < 32; ++mask) {
        server::finding_filter which;
        const auto like = make_form(11);
        if (mask & 1U)
            which.study = like.study;
        if (mask & 2U)
            which.form = like.form;
        if (mask & 4U)
            which.site = like.site;
        if (mask & 8U)
            which.rule = "R2";
        if (mask & 16U)
            which.severity = "info";
        std::vector<std::string> expected;
        for (int i = all; i > 0; --i) {
            const auto form = make_form(i);
            if (i % 2 == 0 || (which.study && *which.study != form.study) ||
                (which.form && *which.form != form.form) ||
                (which.site && *which.site != form.site))
                continue;
            if (i % 3 || !which.rule)
                expected.push_back(form.id + (i % 3 ? " R2" : " R3"));
            if (!which.rule && !which.severity)
                expected.push_back(form.id + " R1");
        }
        for (const std::size_t limit : {1U, 3U, 1000U})
            BOOST_TEST(findings(which, limit) == expected, "mask " << mask << ", limit " << limit);
    }
}

BOOST_FIXTURE_TEST_CASE(a_page_looks_at_a_bounded_number_of_forms, with_store) {
    constexpr int all = 5'003;
    std::vector<decltype(store().async_save_form(make_form(1), here))> saves;
    for (int i = 1; i <= all; ++i)
        saves.push_back(store().async_save_form(make_form(i), here));
    for (auto& save : saves)
        save.get();
    server::form_filter nothing;
    nothing.form = "NONE";
    const auto page = store().async_list_forms(nothing, newest, 10, here).get();
    BOOST_TEST(page.items.empty());
    BOOST_TEST(page.more);
    BOOST_TEST(page.last == 4);
    BOOST_TEST(!store().async_list_forms(nothing, page.last, 10, here).get().more);
    // Forms without findings count as well.
    const auto found =
        store().async_list_findings(server::finding_filter(), newest, newest, 10, here).get();
    BOOST_TEST(found.items.empty());
    BOOST_TEST(found.more);
    BOOST_TEST(found.last == 4);
}

BOOST_FIXTURE_TEST_CASE(pages_of_jobs_go_by_state_and_kind_and_leave_results_out, with_store) {
    for (int i = 1; i <= 9; ++i) {
        auto job = make_job("j-" + std::to_string(i));
        if (i % 3 == 0)
            job.kind = "form-checks";
        store().async_create_job(job, here).get();
        if (i % 2)
            BOOST_TEST(finish(job.id));
    }
    const auto ids = [&](server::job_filter which) {
        std::vector<std::string> to;
        std::int64_t before = newest;
        for (bool more = true; more;) {
            const auto page = store().async_list_jobs(which, before, 2, here).get();
            for (const auto& job : page.items) {
                to.push_back(job.id);
                BOOST_TEST(!job.result.has_value());
            }
            before = page.last;
            more = page.more;
        }
        return to;
    };
    using list = std::vector<std::string>;
    server::job_filter which;
    BOOST_TEST(ids(which).size() == 9U);
    which.state = server::job_state::queued;
    BOOST_TEST(ids(which) == (list{"j-8", "j-6", "j-4", "j-2"}));
    which.kind = "form-checks";
    BOOST_TEST(ids(which) == (list{"j-6"}));
    which.state.reset();
    BOOST_TEST(ids(which) == (list{"j-9", "j-6", "j-3"}));
}

// ---- cancelling ----

BOOST_FIXTURE_TEST_CASE(a_cancelled_job_that_waited_never_starts, with_store) {
    store().async_create_job(make_job("j-1"), here).get();
    BOOST_CHECK(cancel("j-1") == server::cancel_outcome::cancelled);
    BOOST_TEST(!store().async_start_job("j-1", noon, here).get());
    BOOST_TEST(!finish("j-1"));
    BOOST_CHECK(cancel("j-1") == server::cancel_outcome::finished);
    BOOST_CHECK(cancel("j-0") == server::cancel_outcome::unknown);
    open_again();
    BOOST_CHECK(job("j-1").state == server::job_state::cancelled);
}

BOOST_FIXTURE_TEST_CASE(of_a_cancellation_and_an_outcome_the_first_one_counts, with_store) {
    create_running("j-1");
    BOOST_CHECK(cancel("j-1") == server::cancel_outcome::cancelling);
    BOOST_TEST(job("j-1").cancelling);
    BOOST_TEST(!finish("j-1")); // it had ended well, and too late
    BOOST_CHECK(job("j-1").state == server::job_state::cancelled);
    BOOST_TEST(!job("j-1").result.has_value());
    BOOST_TEST(!job("j-1").cancelling);
    BOOST_TEST(!store().async_end_cancelled("j-1", noon, here).get());

    create_running("j-2");
    BOOST_TEST(finish("j-2"));
    BOOST_CHECK(cancel("j-2") == server::cancel_outcome::finished);
    BOOST_CHECK(job("j-2").state == server::job_state::succeeded);
}

BOOST_FIXTURE_TEST_CASE(findings_of_a_cancelled_job_are_not_stored, with_store) {
    for (const bool cancelled : {true, false}) {
        const std::string id = cancelled ? "j-1" : "j-2";
        const auto form = make_form(cancelled ? 1 : 2);
        BOOST_TEST(
            !store().async_create_form_job(form, make_job(id), std::nullopt, here).get().has_value()
        );
        BOOST_TEST(store().async_unfinished_forms(0, 10, here).get().empty()); // the job's business
        BOOST_TEST(store().async_start_job(id, noon, here).get());
        if (cancelled)
            BOOST_CHECK(cancel(id) == server::cancel_outcome::cancelling);
        server::job_outcome outcome;
        outcome.result = "{}";
        const std::vector found{make_finding("R1", "error")};
        BOOST_TEST(
            store().async_finish_form_job(id, form.id, found, outcome, noon, here).get() !=
            cancelled
        );
        const auto stored = store().async_find_form(form.id, here).get();
        BOOST_TEST(stored->findings.empty() == cancelled);
        BOOST_TEST((stored->form.state == server::form_state::received) == cancelled);
    }
}

BOOST_FIXTURE_TEST_CASE(a_promised_cancellation_outlives_the_process, with_store) {
    create_running("j-1");
    create_running("j-2");
    BOOST_CHECK(cancel("j-1") == server::cancel_outcome::cancelling);
    open_again();
    BOOST_CHECK(job("j-1").state == server::job_state::cancelled);
    BOOST_TEST(job("j-1").finished_at.has_value());
    BOOST_CHECK(job("j-2").state == server::job_state::queued);
    BOOST_TEST(store().requeued() == 1);
}

BOOST_FIXTURE_TEST_CASE(a_retry_keeps_the_attempts_and_no_earlier_run_starts_it, with_store) {
    create_running("j-1");
    BOOST_TEST(!store().async_retry_job("j-1", here).get());
    server::job_outcome failed;
    failed.state = server::job_state::failed;
    failed.error = "it failed";
    BOOST_TEST(store().async_finish_job("j-1", failed, noon, here).get());
    BOOST_TEST(store().async_retry_job("j-1", here).get());
    const auto again = job("j-1");
    BOOST_CHECK(again.state == server::job_state::queued);
    BOOST_TEST(again.attempts == 1);
    BOOST_TEST(!again.error.has_value());
    const auto called_off = std::make_shared<std::atomic<bool>>(true);
    BOOST_TEST(!store().async_start_job("j-1", noon, called_off, here).get());
    called_off->store(false);
    BOOST_TEST(store().async_start_job("j-1", noon, called_off, here).get());
    BOOST_TEST(job("j-1").attempts == 2);
}

// ---- keys ----

BOOST_FIXTURE_TEST_CASE(a_key_saves_one_form_and_is_known_for_a_day, with_store) {
    const auto save = [&](int n, server::timestamp at) {
        auto form = make_form(n);
        auto key = make_key(form.id, at);
        return store().async_save_form_once(form, key, here).get();
    };
    BOOST_TEST(!save(1, noon).has_value());
    const auto used = save(2, noon + 1h);
    BOOST_REQUIRE(used.has_value());
    BOOST_TEST(used->form == "f-1");
    BOOST_TEST(!store().async_find_form("f-2", here).get().has_value());
    open_again();
    const auto key = make_key("");
    BOOST_TEST(store().async_find_key(key.scope, key.key, noon + 24h, here).get().has_value());
    BOOST_TEST(!store().async_find_key("other", key.key, noon, here).get().has_value());
    BOOST_TEST(!store().async_find_key(key.scope, key.key, noon + 25h, here).get().has_value());
    BOOST_TEST(!save(3, noon + 25h).has_value());
    BOOST_TEST(store().async_find_form("f-3", here).get().has_value());
}

BOOST_FIXTURE_TEST_CASE(a_job_and_its_key_are_stored_together_or_not_at_all, with_store) {
    store().async_create_job(make_job("j-1"), here).get();
    auto key = make_key("f-1");
    key.job = "j-1"; // is there already: the save must fail as a whole
    auto doomed = store().async_create_form_job(make_form(1), make_job("j-1"), key, here);
    BOOST_CHECK_THROW(doomed.get(), corogate::durable::store_error);
    BOOST_TEST(!store().async_find_form("f-1", here).get().has_value());
    BOOST_TEST(!store().async_find_key(key.scope, key.key, noon, here).get().has_value());
}

BOOST_FIXTURE_TEST_CASE(what_was_answered_is_kept_with_the_key, with_store) {
    auto key = make_key("f-1");
    store().async_save_form_once(make_form(1), key, here).get();
    key.status = 202;
    key.answer = "{}";
    store().async_answer_key(key, here).get();
    const auto found = store().async_find_key(key.scope, key.key, noon, here).get();
    BOOST_TEST(found->status == 202);
    BOOST_TEST(found->answer == "{}");
    BOOST_TEST(found->digest == "d");
}

// ---- rules ----

BOOST_FIXTURE_TEST_CASE(uploaded_rules_are_kept_by_study_with_their_order_of_change, with_store) {
    server::rule_record rule;
    rule.study = "S";
    rule.id = "R1";
    rule.text = "{}";
    const auto first = store().async_put_rule(rule, here).get();
    BOOST_TEST(!first.done);
    rule.text = "{\"a\":1}";
    const auto second = store().async_put_rule(rule, here).get();
    BOOST_TEST(second.done);
    BOOST_TEST(second.revision > first.revision);
    BOOST_REQUIRE(second.rules.size() == 1U);
    BOOST_TEST(second.rules.front().text == rule.text);
    rule.study = "T";
    BOOST_TEST(store().async_put_rule(rule, here).get().rules.size() == 1U);
    open_again();
    BOOST_TEST(store().async_all_rules(here).get().size() == 2U);
    BOOST_TEST(store().async_remove_rule("S", "R1", here).get().done);
    BOOST_TEST(!store().async_remove_rule("S", "R1", here).get().done);
    BOOST_TEST(store().async_all_rules(here).get().size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()
