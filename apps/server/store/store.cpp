#include "store/store.hpp"

#include "store/data_dir.hpp"
#include "store/job_row.hpp"
#include "store/times.hpp"

#include <array>
#include <limits>

namespace server {

namespace durable = corogate::durable;

namespace {

using namespace std::string_view_literals;
using sql::from_micros;
using sql::to_micros;

// `form` carries the totals of its findings, and the index all that the site analysis asks for, so
// that the analysis never reads the large rows.
constexpr std::array schema{
    R"(
CREATE TABLE form(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, state INT NOT NULL,
  study TEXT NOT NULL, form TEXT NOT NULL, site TEXT NOT NULL, subject TEXT NOT NULL,
  saved_at INT NOT NULL, data_points INT NOT NULL, findings INT NOT NULL DEFAULT 0,
  datasets TEXT NOT NULL) STRICT;
CREATE INDEX form_unfinished ON form(seq) WHERE state=0;
CREATE INDEX form_site ON form(study, state, site, data_points, findings);
CREATE TABLE finding(
  form INT NOT NULL REFERENCES form(seq), seq INT NOT NULL, rule TEXT NOT NULL, dataset TEXT,
  record INT, vals TEXT, message TEXT, severity TEXT, skipped TEXT,
  PRIMARY KEY(form, seq)) STRICT, WITHOUT ROWID;
CREATE TABLE job(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, state INT NOT NULL,
  attempts INT NOT NULL DEFAULT 0, kind TEXT NOT NULL, study TEXT NOT NULL,
  progress_done INT NOT NULL DEFAULT 0, progress_total INT NOT NULL DEFAULT 0,
  created_at INT NOT NULL, started_at INT, finished_at INT,
  request TEXT NOT NULL, result TEXT, error TEXT) STRICT;
CREATE INDEX job_unfinished ON job(seq) WHERE state<=1;
)"sv,
    // Lists: each of these ends with the row's seq, so that a page is read in order. A form that a
    // job checks is the job's business after a restart. Keys live a day.
    R"(
ALTER TABLE form ADD COLUMN by_job INT NOT NULL DEFAULT 0;
CREATE INDEX form_by_study ON form(study);
CREATE INDEX form_by_site ON form(site);
CREATE INDEX form_by_subject ON form(subject);
CREATE INDEX finding_by_rule ON finding(rule, form, seq) WHERE skipped IS NULL;
ALTER TABLE job ADD COLUMN cancelling INT NOT NULL DEFAULT 0;
CREATE INDEX job_by_state ON job(state);
CREATE INDEX job_by_kind ON job(kind);
CREATE TABLE rule(
  study TEXT NOT NULL, id TEXT NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY(study, id)) STRICT, WITHOUT ROWID;
CREATE TABLE used_key(
  scope TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, form TEXT NOT NULL,
  job TEXT NOT NULL, status INT NOT NULL, answer TEXT NOT NULL, used_at INT NOT NULL,
  PRIMARY KEY(scope, key)) STRICT;
CREATE INDEX used_key_age ON used_key(used_at);
)"sv,
};

/// SQLite reads a negative limit as none.
std::int64_t row_limit(std::size_t limit) {
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    return std::in_range<std::int64_t>(limit) ? static_cast<std::int64_t>(limit) : most;
}

form_record read_form(const durable::statement& row) {
    form_record form;
    form.sequence = row.integer(0);
    form.id = row.text(1);
    form.state = static_cast<form_state>(row.get<std::uint8_t>(2));
    form.study = row.text(3);
    form.form = row.text(4);
    form.site = row.text(5);
    form.subject = row.text(6);
    form.saved_at = from_micros(row.integer(7));
    form.data_points = row.integer(8);
    form.datasets = row.text(9);
    return form;
}

job_record read_job(const durable::statement& row) {
    job_record job = sql::read_job_columns(row);
    job.request = row.text(11);
    job.result = row.get<std::optional<std::string>>(12);
    job.error = row.get<std::optional<std::string>>(13);
    job.cancelling = row.integer(14) != 0;
    return job;
}

} // namespace

const char* to_string(form_state state) noexcept {
    return state == form_state::checked ? "checked" : "received";
}

const char* to_string(job_state state) noexcept {
    switch (state) {
    case job_state::queued:
        return "queued";
    case job_state::running:
        return "running";
    case job_state::succeeded:
        return "succeeded";
    case job_state::failed:
        return "failed";
    case job_state::cancelled:
        return "cancelled";
    }
    return "unknown";
}

namespace sql {

void save_form(durable::database& db, const form_record& form, bool by_job) {
    db.run(
        "INSERT INTO form(id,state,study,form,site,subject,saved_at,data_points,datasets,by_job)"
        " VALUES(?1,0,?2,?3,?4,?5,?6,?7,?8,?9)",
        form.id, form.study, form.form, form.site, form.subject, to_micros(form.saved_at),
        form.data_points, form.datasets, by_job
    );
}

bool record_findings(
    durable::database& db, const std::string& form_id, const std::vector<finding_record>& findings
) {
    auto row = db.query("SELECT seq FROM form WHERE id=?1", form_id);
    if (!row.step())
        return false;
    const auto form = row.integer(0);
    db.run("DELETE FROM finding WHERE form=?1", form);
    std::int64_t sequence = 0;
    std::int64_t found = 0;
    auto insert =
        db.prepare("INSERT INTO finding(form,seq,rule,dataset,record,vals,message,severity,skipped)"
                   " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)");
    for (const auto& f : findings) {
        insert.reset();
        insert.bind_all(
            form, ++sequence, f.rule, f.dataset, f.record, f.values, f.message, f.severity,
            f.skipped
        );
        insert.run();
        found += f.skipped ? 0 : 1;
    }
    db.run("UPDATE form SET state=1, findings=?2 WHERE seq=?1", form, found);
    return true;
}

std::optional<checked_form> find_form(durable::database& db, const std::string& id) {
    auto row = db.query(
        "SELECT seq,id,state,study,form,site,subject,saved_at,data_points,datasets"
        " FROM form WHERE id=?1",
        id
    );
    if (!row.step())
        return std::nullopt;
    checked_form result;
    result.form = read_form(row);
    auto rows = db.query(
        "SELECT rule,dataset,record,vals,message,severity,skipped"
        " FROM finding WHERE form=?1 ORDER BY seq",
        result.form.sequence
    );
    while (rows.step()) {
        auto& f = result.findings.emplace_back();
        f.rule = rows.text(0);
        f.dataset = rows.get<std::optional<std::string>>(1);
        f.record = rows.get<std::optional<std::int64_t>>(2);
        f.values = rows.get<std::optional<std::string>>(3);
        f.message = rows.get<std::optional<std::string>>(4);
        f.severity = rows.get<std::optional<std::string>>(5);
        f.skipped = rows.get<std::optional<std::string>>(6);
    }
    return result;
}

std::vector<form_record>
unfinished_forms(durable::database& db, std::int64_t after, std::size_t limit) {
    auto rows = db.query(
        "SELECT seq,id,state,study,form,site,subject,saved_at,data_points,datasets"
        " FROM form WHERE state=0 AND by_job=0 AND seq>?1 ORDER BY seq LIMIT ?2",
        after, row_limit(limit)
    );
    std::vector<form_record> result;
    while (rows.step())
        result.push_back(read_form(rows));
    return result;
}

void create_job(durable::database& db, const job_record& job) {
    db.run(
        "INSERT INTO job(id,state,kind,study,request,created_at) VALUES(?1,0,?2,?3,?4,?5)", job.id,
        job.kind, job.study, job.request, to_micros(job.created_at)
    );
}

bool start_job(durable::database& db, const std::string& id, timestamp now) {
    return db.run(
               "UPDATE job SET state=1, attempts=attempts+1, started_at=?2, progress_done=0"
               " WHERE id=?1 AND state=0",
               id, to_micros(now)
           ) == 1;
}

cancel_outcome cancel_job(durable::database& db, const std::string& id, timestamp now) {
    if (db.run(
            "UPDATE job SET state=4, finished_at=?2 WHERE id=?1 AND state=0", id, to_micros(now)
        ) == 1)
        return cancel_outcome::cancelled;
    if (db.run("UPDATE job SET cancelling=1 WHERE id=?1 AND state=1", id) == 1)
        return cancel_outcome::cancelling;
    auto row = db.query("SELECT 1 FROM job WHERE id=?1", id);
    return row.step() ? cancel_outcome::finished : cancel_outcome::unknown;
}

bool end_cancelled(durable::database& db, const std::string& id, timestamp now) {
    return db.run(
               "UPDATE job SET state=4, cancelling=0, finished_at=?2"
               " WHERE id=?1 AND state=1 AND cancelling=1",
               id, to_micros(now)
           ) == 1;
}

bool retry_job(durable::database& db, const std::string& id) {
    return db.run(
               "UPDATE job SET state=0, cancelling=0, progress_done=0, started_at=NULL,"
               " finished_at=NULL, result=NULL, error=NULL WHERE id=?1 AND state IN (3,4)",
               id
           ) == 1;
}

bool update_progress(
    durable::database& db, const std::string& id, std::int64_t done, std::int64_t total
) {
    return db.run(
               "UPDATE job SET progress_done=?2, progress_total=?3 WHERE id=?1 AND state=1", id,
               done, total
           ) == 1;
}

bool finish_job(
    durable::database& db, const std::string& id, const job_outcome& outcome, timestamp now
) {
    if (!is_final(outcome.state))
        throw durable::store_error(
            durable::store_errc::misuse, "a job can only end as succeeded, failed or cancelled"
        );
    // Of a cancellation and an outcome the first one counts.
    if (end_cancelled(db, id, now))
        return false;
    return db.run(
               "UPDATE job SET state=?2, result=?3, error=?4, finished_at=?5"
               " WHERE id=?1 AND state<=1",
               id, static_cast<std::int64_t>(outcome.state), outcome.result, outcome.error,
               to_micros(now)
           ) == 1;
}

void create_form_job(durable::database& db, const form_record& form, const job_record& job) {
    save_form(db, form, true);
    create_job(db, job);
}

bool finish_form_job(
    durable::database& db, const std::string& job_id, const std::string& form_id,
    const std::vector<finding_record>& findings, const job_outcome& outcome, timestamp now
) {
    if (!finish_job(db, job_id, outcome, now))
        return false;
    db.run("UPDATE job SET progress_done=progress_total WHERE id=?1", job_id);
    return record_findings(db, form_id, findings);
}

std::optional<job_record> find_job(durable::database& db, const std::string& id) {
    auto row = db.query(
        std::string("SELECT ") + job_columns +
            ",request,result,error,cancelling FROM job WHERE id=?1",
        id
    );
    if (!row.step())
        return std::nullopt;
    return read_job(row);
}

std::vector<job_record>
unfinished_jobs(durable::database& db, std::int64_t after, std::size_t limit) {
    auto rows = db.query(
        std::string("SELECT ") + job_columns +
            ",request,result,error,cancelling FROM job WHERE state<=1 AND seq>?1 ORDER BY seq"
            " LIMIT ?2",
        after, row_limit(limit)
    );
    std::vector<job_record> result;
    while (rows.step())
        result.push_back(read_job(rows));
    return result;
}

std::int64_t count_sites(durable::database& db, const std::string& study) {
    auto row = db.query("SELECT count(DISTINCT site) FROM form WHERE study=?1 AND state=1", study);
    return row.step() ? row.integer(0) : 0;
}

std::vector<site_totals> totals_by_site(
    durable::database& db, const std::string& study, const std::optional<std::string>& after,
    std::size_t limit
) {
    // Every text is >= the empty one, so the first page needs no statement of its own; the index
    // answers both comparisons.
    auto rows = db.query(
        "SELECT site, count(*), sum(data_points), sum(findings) FROM form"
        " WHERE study=?1 AND state=1 AND site>=?2 AND (?3 OR site>?2)"
        " GROUP BY site ORDER BY site LIMIT ?4",
        study, after.value_or(std::string()), !after.has_value(), row_limit(limit)
    );
    std::vector<site_totals> result;
    while (rows.step()) {
        auto& totals = result.emplace_back();
        totals.site = rows.text(0);
        totals.forms = rows.integer(1);
        totals.data_points = rows.integer(2);
        totals.findings = rows.integer(3);
    }
    return result;
}

} // namespace sql

store::store(const std::filesystem::path& dir, const durable::database_options& options)
    : thread_(open(dir, options)) {}

durable::database
store::open(const std::filesystem::path& dir, const durable::database_options& options) {
    prepare_data_dir(dir);
    file_ = dir / "corogate.db";
    durable::database db(file_, options);
    durable::migrate(db, schema);
    // A cancellation that was promised is kept.
    db.run(
        "UPDATE job SET state=4, cancelling=0, finished_at=?1 WHERE state=1 AND cancelling=1",
        to_micros(std::chrono::system_clock::now())
    );
    // The file is ours alone: what is marked as running was running in a process that has died.
    requeued_ = db.run("UPDATE job SET state=0, started_at=NULL, progress_done=0 WHERE state=1");
    const auto last = [&db](const char* sql) {
        auto row = db.query(sql);
        return row.step() ? row.integer(0) : 0;
    };
    last_earlier_form_ = last("SELECT coalesce(max(seq),0) FROM form");
    last_earlier_job_ = last("SELECT coalesce(max(seq),0) FROM job");
    return db;
}

} // namespace server
