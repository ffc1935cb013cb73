#pragma once

#include "store/records.hpp"

#include <corogate/durable/store_thread.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace server {

namespace sql {

// The statements, each run inside a transaction or read of the store thread.
void save_form(corogate::durable::database& db, const form_record& form);
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
std::optional<job_record> find_job(corogate::durable::database& db, const std::string& id);
std::vector<job_record>
unfinished_jobs(corogate::durable::database& db, std::int64_t after, std::size_t limit);
std::int64_t count_sites(corogate::durable::database& db, const std::string& study);
std::vector<site_totals> totals_by_site(
    corogate::durable::database& db, const std::string& study,
    const std::optional<std::string>& after, std::size_t limit
);

} // namespace sql

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

    /// Stores a job as queued; after this it may be answered with 202. -> void
    template <typename Token>
    auto async_create_job(job_record job, Token&& token);

    /// queued -> running; counts an attempt. -> bool: false where the job is not queued
    template <typename Token>
    auto async_start_job(std::string id, timestamp now, Token&& token);

    /// -> bool: false where the job is not running
    template <typename Token>
    auto
    async_update_progress(std::string id, std::int64_t done, std::int64_t total, Token&& token);

    /// queued or running -> a final state; a second outcome is refused. -> bool: false where
    /// refused. An outcome that is not final: `store_errc::misuse`.
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

} // namespace server
