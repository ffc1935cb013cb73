#pragma once

#include "store/records.hpp"

#include <corogate/durable/store_thread.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace server {

namespace sql {

// The statements, each run inside a transaction or read of the store thread.
void save_form(corogate::durable::database& db, const form_record& form, bool by_job = false);
bool record_findings(
    corogate::durable::database& db, const std::string& form_id,
    const std::vector<finding_record>& findings
);
std::optional<checked_form> find_form(corogate::durable::database& db, const std::string& id);
std::vector<form_record>
unfinished_forms(corogate::durable::database& db, std::int64_t after, std::size_t limit);
void create_job(corogate::durable::database& db, const job_record& job);
bool start_job(corogate::durable::database& db, const std::string& id, timestamp now);
bool update_progress(
    corogate::durable::database& db, const std::string& id, std::int64_t done, std::int64_t total
);
bool finish_job(
    corogate::durable::database& db, const std::string& id, const job_outcome& outcome,
    timestamp now
);
void create_form_job(
    corogate::durable::database& db, const form_record& form, const job_record& job
);
bool finish_form_job(
    corogate::durable::database& db, const std::string& job_id, const std::string& form_id,
    const std::vector<finding_record>& findings, const job_outcome& outcome, timestamp now
);
cancel_outcome cancel_job(corogate::durable::database& db, const std::string& id, timestamp now);
bool end_cancelled(corogate::durable::database& db, const std::string& id, timestamp now);
bool retry_job(corogate::durable::database& db, const std::string& id);
std::optional<job_record> find_job(corogate::durable::database& db, const std::string& id);
std::vector<job_record>
unfinished_jobs(corogate::durable::database& db, std::int64_t after, std::size_t limit);
std::int64_t count_sites(corogate::durable::database& db, const std::string& study);
std::vector<site_totals> totals_by_site(
    corogate::durable::database& db, const std::string& study,
    const std::optional<std::string>& after, std::size_t limit
);

// lists.cpp
page_of<form_record> list_forms(
    corogate::durable::database& db, const form_filter& which, std::int64_t before,
    std::size_t limit
);
page_of<found_record> list_findings(
    corogate::durable::database& db, const finding_filter& which, std::int64_t before_form,
    std::int64_t before_inner, std::size_t limit
);
page_of<job_record> list_jobs(
    corogate::durable::database& db, const job_filter& which, std::int64_t before, std::size_t limit
);

// rules_and_keys.cpp
std::vector<rule_record> rules_of(corogate::durable::database& db, const std::string& study);
std::vector<rule_record> all_rules(corogate::durable::database& db);
bool put_rule(corogate::durable::database& db, const rule_record& rule);
bool remove_rule(corogate::durable::database& db, const std::string& study, const std::string& id);
std::optional<key_record> find_key(
    corogate::durable::database& db, const std::string& scope, const std::string& key,
    timestamp not_before
);
std::optional<key_record>
use_key(corogate::durable::database& db, const key_record& key, timestamp not_before);
void answer_key(corogate::durable::database& db, const key_record& key);

} // namespace sql

/// How long a used Idempotency-Key is known.
inline constexpr std::chrono::hours key_life{24};

/// The server's forms, findings and background jobs: one file, `corogate.db`, in the data folder,
/// held by this process alone.
///
/// Every `async_*` takes any completion token and completes with `void(std::exception_ptr[, T])`; a
/// call that writes completes after its write is on disk (group commit: see `store_thread`, also
/// for threads, cancellation and the end). Failures are `corogate::durable::store_error`.
///
/// **After a crash** (kill -9 included) the file is as of the last completed write or later.
/// Opening it sets jobs that were running back to queued (`requeued()` says how many); forms
/// without their findings are found by `async_unfinished_forms`. A job may thus run more than once;
/// one outcome is kept.
///
/// Paged calls return at most `limit` records after the given one, in order; fewer means the end.
/// The lists for people (`async_list_*`) go backwards from the newest instead and look at most at
/// 5000 records and 1 MiB of text for a page, so that none holds the store's thread
/// long: a page can be short, or empty, and still have `more`.
class store {
public:
    /// Opens or creates `dir` and its file. Throws `corogate::durable::store_error` with a sentence
    /// for the user.
    explicit store(
        const std::filesystem::path& dir, const corogate::durable::database_options& options = {}
    );

    /// Saves a form as received. An id that is there already: `store_errc::constraint`. -> void
    template <typename Token>
    auto async_save_form(form_record form, Token&& token);

    /// Stores the findings of a form and marks it as checked; findings stored before are replaced,
    /// so a repeated check does no harm. -> bool: false where there is no such form
    template <typename Token>
    auto
    async_record_findings(std::string form_id, std::vector<finding_record> findings, Token&& token);

    /// -> std::optional<checked_form>
    template <typename Token>
    auto async_find_form(std::string id, Token&& token);

    /// Forms that were received and not checked, oldest first, after the sequence number `after`.
    /// -> std::vector<form_record>
    template <typename Token>
    auto async_unfinished_forms(std::int64_t after, std::size_t limit, Token&& token);

    /// Saves a form together with the job that checks it: both or neither. Once stored, the form is
    /// not among the unfinished ones, its job is. -> as async_save_form_once
    template <typename Token>
    auto async_create_form_job(
        form_record form, job_record job, std::optional<key_record> key, Token&& token
    );

    /// Saves a form unless its key was used before. -> std::optional<key_record>: what the key was
    /// used for; then nothing was saved
    template <typename Token>
    auto async_save_form_once(form_record form, std::optional<key_record> key, Token&& token);

    /// Stores a job as queued unless its key was used before. -> as async_save_form_once
    template <typename Token>
    auto async_create_job_once(job_record job, std::optional<key_record> key, Token&& token);

    /// A key that was used within `key_life` before `now`. -> std::optional<key_record>
    template <typename Token>
    auto async_find_key(std::string scope, std::string key, timestamp now, Token&& token);

    /// Stores what was answered to a request with this key. -> void
    template <typename Token>
    auto async_answer_key(key_record key, Token&& token);

    /// -> page_of<form_record>, without data sets, before the sequence number `before`
    template <typename Token>
    auto async_list_forms(form_filter which, std::int64_t before, std::size_t limit, Token&& token);

    /// -> page_of<found_record>, before place `before_inner` of form `before_form`
    template <typename Token>
    auto async_list_findings(
        finding_filter which, std::int64_t before_form, std::int64_t before_inner,
        std::size_t limit, Token&& token
    );

    /// -> page_of<job_record>, without requests and results, before `before`
    template <typename Token>
    auto async_list_jobs(job_filter which, std::int64_t before, std::size_t limit, Token&& token);

    /// Every uploaded rule. -> std::vector<rule_record>
    template <typename Token>
    auto async_all_rules(Token&& token);

    /// Stores a rule in place of one of the same study and id. -> rule_change
    template <typename Token>
    auto async_put_rule(rule_record rule, Token&& token);

    /// -> rule_change
    template <typename Token>
    auto async_remove_rule(std::string study, std::string id, Token&& token);

    /// Stores a job as queued; after this it may be answered with 202. -> void
    template <typename Token>
    auto async_create_job(job_record job, Token&& token);

    /// queued -> running; counts an attempt. -> bool: false where the job is not queued
    template <typename Token>
    auto async_start_job(std::string id, timestamp now, Token&& token);
    /// The same, unless `called_off` is true by then: a run that was cancelled while the job waited
    /// does not start it for a retry that came meanwhile.
    template <typename Token>
    auto async_start_job(
        std::string id, timestamp now, std::shared_ptr<const std::atomic<bool>> called_off,
        Token&& token
    );

    /// -> bool: false where the job is not running
    template <typename Token>
    auto
    async_update_progress(std::string id, std::int64_t done, std::int64_t total, Token&& token);

    /// Ends a queued job at once; marks a running one, which will end as cancelled whatever its
    /// outcome, also after a crash. -> cancel_outcome
    template <typename Token>
    auto async_cancel_job(std::string id, timestamp now, Token&& token);

    /// A running job that was marked -> cancelled. -> bool: false where it is not such a job
    template <typename Token>
    auto async_end_cancelled(std::string id, timestamp now, Token&& token);

    /// failed or cancelled -> queued; attempts are kept. -> bool: false where it is neither
    template <typename Token>
    auto async_retry_job(std::string id, Token&& token);

    /// `async_finish_job` and `async_record_findings` as one: the findings are stored where the
    /// outcome is. -> bool
    template <typename Token>
    auto async_finish_form_job(
        std::string job_id, std::string form_id, std::vector<finding_record> findings,
        job_outcome outcome, timestamp now, Token&& token
    );

    /// queued or running -> a final state; a second outcome is refused, and a job that was told to
    /// end ends as cancelled. -> bool: false where refused. An outcome that is not final:
    /// `store_errc::misuse`.
    template <typename Token>
    auto async_finish_job(std::string id, job_outcome outcome, timestamp now, Token&& token);

    /// -> std::optional<job_record>
    template <typename Token>
    auto async_find_job(std::string id, Token&& token);

    /// Jobs that are queued or running, oldest first, after the sequence number `after`. At start
    /// all of them are queued. -> std::vector<job_record>
    template <typename Token>
    auto async_unfinished_jobs(std::int64_t after, std::size_t limit, Token&& token);

    /// How many sites have checked forms in the study. -> std::int64_t
    template <typename Token>
    auto async_count_sites(std::string study, Token&& token);

    /// Totals of the sites that come after `after` in byte order (nothing: from the first), for the
    /// site analysis. -> std::vector<site_totals>
    template <typename Token>
    auto async_totals_by_site(
        std::string study, std::optional<std::string> after, std::size_t limit, Token&& token
    );

    /// Jobs that opening the file found running and set back to queued.
    [[nodiscard]] std::int64_t requeued() const noexcept { return requeued_; }
    /// Sequence numbers of the last form and of the last job that an earlier process left in the
    /// file; 0: none. What comes after them is this process's own.
    [[nodiscard]] std::int64_t last_earlier_form() const noexcept { return last_earlier_form_; }
    [[nodiscard]] std::int64_t last_earlier_job() const noexcept { return last_earlier_job_; }
    [[nodiscard]] const std::filesystem::path& file() const noexcept { return file_; }
    /// True once only a restart helps. For readiness.
    [[nodiscard]] bool failed() const noexcept { return thread_.failed(); }
    [[nodiscard]] corogate::durable::store_counters counters() const { return thread_.counters(); }

private:
    corogate::durable::database
    open(const std::filesystem::path& dir, const corogate::durable::database_options& options);

    std::filesystem::path file_;
    std::int64_t requeued_ = 0;
    std::int64_t last_earlier_form_ = 0;
    std::int64_t last_earlier_job_ = 0;
    std::int64_t rule_revision_ = 0;         // of the store's thread
    corogate::durable::store_thread thread_; // last: opening sets the others
};

// ---------------------------------------------------------------------------------------------

template <typename Token>
auto store::async_save_form(form_record form, Token&& token) {
    auto call = [form = std::move(form)](corogate::durable::database& db) {
        sql::save_form(db, form);
    };
    return thread_.initiate_transact(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_record_findings(
    std::string form_id, std::vector<finding_record> findings, Token&& token
) {
    auto call = [form_id = std::move(form_id),
                 findings = std::move(findings)](corogate::durable::database& db) {
        return sql::record_findings(db, form_id, findings);
    };
    return thread_.initiate_transact(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_find_form(std::string id, Token&& token) {
    auto call = [id = std::move(id)](corogate::durable::database& db) {
        return sql::find_form(db, id);
    };
    return thread_.initiate_read(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_unfinished_forms(std::int64_t after, std::size_t limit, Token&& token) {
    auto call = [after, limit](corogate::durable::database& db) {
        return sql::unfinished_forms(db, after, limit);
    };
    return thread_.initiate_read(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_create_job(job_record job, Token&& token) {
    auto call = [job = std::move(job)](corogate::durable::database& db) {
        sql::create_job(db, job);
    };
    return thread_.initiate_transact(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_start_job(std::string id, timestamp now, Token&& token) {
    auto call = [id = std::move(id), now](corogate::durable::database& db) {
        return sql::start_job(db, id, now);
    };
    return thread_.initiate_transact(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_update_progress(
    std::string id, std::int64_t done, std::int64_t total, Token&& token
) {
    auto call = [id = std::move(id), done, total](corogate::durable::database& db) {
        return sql::update_progress(db, id, done, total);
    };
    return thread_.initiate_transact(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_finish_job(std::string id, job_outcome outcome, timestamp now, Token&& token) {
    auto call = [id = std::move(id), outcome = std::move(outcome),
                 now](corogate::durable::database& db) {
        return sql::finish_job(db, id, outcome, now);
    };
    return thread_.initiate_transact(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_find_job(std::string id, Token&& token) {
    auto call = [id = std::move(id)](corogate::durable::database& db) {
        return sql::find_job(db, id);
    };
    return thread_.initiate_read(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_unfinished_jobs(std::int64_t after, std::size_t limit, Token&& token) {
    auto call = [after, limit](corogate::durable::database& db) {
        return sql::unfinished_jobs(db, after, limit);
    };
    return thread_.initiate_read(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_count_sites(std::string study, Token&& token) {
    auto call = [study = std::move(study)](corogate::durable::database& db) {
        return sql::count_sites(db, study);
    };
    return thread_.initiate_read(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_totals_by_site(
    std::string study, std::optional<std::string> after, std::size_t limit, Token&& token
) {
    auto call = [study = std::move(study), after = std::move(after),
                 limit](corogate::durable::database& db) {
        return sql::totals_by_site(db, study, after, limit);
    };
    return thread_.initiate_read(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_start_job(
    std::string id, timestamp now, std::shared_ptr<const std::atomic<bool>> called_off,
    Token&& token
) {
    auto call = [id = std::move(id), now,
                 called_off = std::move(called_off)](corogate::durable::database& db) {
        return !called_off->load() && sql::start_job(db, id, now);
    };
    return thread_.initiate_transact(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_cancel_job(std::string id, timestamp now, Token&& token) {
    auto call = [id = std::move(id), now](corogate::durable::database& db) {
        return sql::cancel_job(db, id, now);
    };
    return thread_.initiate_transact(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_end_cancelled(std::string id, timestamp now, Token&& token) {
    auto call = [id = std::move(id), now](corogate::durable::database& db) {
        return sql::end_cancelled(db, id, now);
    };
    return thread_.initiate_transact(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_retry_job(std::string id, Token&& token) {
    auto call = [id = std::move(id)](corogate::durable::database& db) {
        return sql::retry_job(db, id);
    };
    return thread_.initiate_transact(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_finish_form_job(
    std::string job_id, std::string form_id, std::vector<finding_record> findings,
    job_outcome outcome, timestamp now, Token&& token
) {
    auto call = [job_id = std::move(job_id), form_id = std::move(form_id),
                 findings = std::move(findings), outcome = std::move(outcome),
                 now](corogate::durable::database& db) {
        return sql::finish_form_job(db, job_id, form_id, findings, outcome, now);
    };
    return thread_.initiate_transact(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_create_form_job(
    form_record form, job_record job, std::optional<key_record> key, Token&& token
) {
    auto call = [form = std::move(form), job = std::move(job),
                 key = std::move(key)](corogate::durable::database& db) {
        auto used = key ? sql::use_key(db, *key, key->used_at - key_life) : std::nullopt;
        if (!used)
            sql::create_form_job(db, form, job);
        return used;
    };
    return thread_.initiate_transact(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_save_form_once(form_record form, std::optional<key_record> key, Token&& token) {
    auto call = [form = std::move(form), key = std::move(key)](corogate::durable::database& db) {
        auto used = key ? sql::use_key(db, *key, key->used_at - key_life) : std::nullopt;
        if (!used)
            sql::save_form(db, form);
        return used;
    };
    return thread_.initiate_transact(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_create_job_once(job_record job, std::optional<key_record> key, Token&& token) {
    auto call = [job = std::move(job), key = std::move(key)](corogate::durable::database& db) {
        auto used = key ? sql::use_key(db, *key, key->used_at - key_life) : std::nullopt;
        if (!used)
            sql::create_job(db, job);
        return used;
    };
    return thread_.initiate_transact(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_find_key(std::string scope, std::string key, timestamp now, Token&& token) {
    auto call = [scope = std::move(scope), key = std::move(key),
                 now](corogate::durable::database& db) {
        return sql::find_key(db, scope, key, now - key_life);
    };
    return thread_.initiate_read(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_answer_key(key_record key, Token&& token) {
    auto call = [key = std::move(key)](corogate::durable::database& db) {
        sql::answer_key(db, key);
    };
    return thread_.initiate_transact(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_list_forms(
    form_filter which, std::int64_t before, std::size_t limit, Token&& token
) {
    auto call = [which = std::move(which), before, limit](corogate::durable::database& db) {
        return sql::list_forms(db, which, before, limit);
    };
    return thread_.initiate_read(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_list_findings(
    finding_filter which, std::int64_t before_form, std::int64_t before_inner, std::size_t limit,
    Token&& token
) {
    auto call = [which = std::move(which), before_form, before_inner,
                 limit](corogate::durable::database& db) {
        return sql::list_findings(db, which, before_form, before_inner, limit);
    };
    return thread_.initiate_read(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_list_jobs(
    job_filter which, std::int64_t before, std::size_t limit, Token&& token
) {
    auto call = [which = std::move(which), before, limit](corogate::durable::database& db) {
        return sql::list_jobs(db, which, before, limit);
    };
    return thread_.initiate_read(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_all_rules(Token&& token) {
    auto call = [](corogate::durable::database& db) { return sql::all_rules(db); };
    return thread_.initiate_read(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_put_rule(rule_record rule, Token&& token) {
    auto call = [this, rule = std::move(rule)](corogate::durable::database& db) {
        rule_change to;
        to.done = sql::put_rule(db, rule);
        to.rules = sql::rules_of(db, rule.study);
        to.revision = ++rule_revision_;
        return to;
    };
    return thread_.initiate_transact(std::move(call), std::forward<Token>(token));
}

template <typename Token>
auto store::async_remove_rule(std::string study, std::string id, Token&& token) {
    auto call = [this, study = std::move(study),
                 id = std::move(id)](corogate::durable::database& db) {
        rule_change to;
        to.done = sql::remove_rule(db, study, id);
        to.rules = sql::rules_of(db, study);
        to.revision = ++rule_revision_;
        return to;
    };
    return thread_.initiate_transact(std::move(call), std::forward<Token>(token));
}

} // namespace server
