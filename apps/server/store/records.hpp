#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace server {

/// What the store keeps. Plain data; JSON stays text here, made and read by the callers. The
/// constructors are declared so that no record is an aggregate (g++ 12 destroys aggregate
/// temporaries of a `co_await` expression twice). Times are kept to the microsecond.
using timestamp = std::chrono::system_clock::time_point;

enum class form_state : std::uint8_t {
    received = 0, ///< stored, its edit checks have not all ended
    checked = 1,  ///< stored with its findings
};

enum class job_state : std::uint8_t {
    queued = 0,
    running = 1,
    succeeded = 2,
    failed = 3,
    cancelled = 4,
};

/// `received`, `checked`.
const char* to_string(form_state state) noexcept;
/// `queued`, `running`, `succeeded`, `failed`, `cancelled`.
const char* to_string(job_state state) noexcept;
/// True for the states that never change again.
constexpr bool is_final(job_state state) noexcept { return state >= job_state::succeeded; }

/// A saved form (CRF).
class form_record {
public:
    form_record() = default;

    std::string id; ///< see `id_generator`
    std::string study;
    std::string form;
    std::string site;
    std::string subject;
    std::string datasets;         ///< JSON, as saved
    std::int64_t data_points = 0; ///< its values that are not null, counted by the caller
    timestamp saved_at;
    form_state state = form_state::received; ///< set by the store
    std::int64_t sequence = 0;               ///< set by the store: order of saving, from 1
};

/// A finding of an edit check, or (where `skipped` is set) why a rule could not be evaluated.
class finding_record {
public:
    finding_record() = default;

    std::string rule;
    std::optional<std::string> dataset;
    std::optional<std::int64_t> record;
    std::optional<std::string> values; ///< JSON
    std::optional<std::string> message;
    std::optional<std::string> severity;
    std::optional<std::string> skipped;
};

/// A form and, in the order given, its findings.
class checked_form {
public:
    checked_form() = default;

    form_record form;
    std::vector<finding_record> findings;
};

/// A background job, such as an analysis.
class job_record {
public:
    job_record() = default;

    std::string id; ///< see `id_generator`
    std::string kind;
    std::string study;
    std::string request; ///< JSON, as accepted
    timestamp created_at;
    // From here on set by the store.
    job_state state = job_state::queued;
    std::int64_t attempts = 0; ///< how often it was started; above 1 after a crash
    std::int64_t progress_done = 0;
    std::int64_t progress_total = 0;
    std::optional<std::string> result; ///< JSON
    std::optional<std::string> error;
    std::optional<timestamp> started_at; ///< of the last attempt
    std::optional<timestamp> finished_at;
    bool cancelling = false;   ///< it runs and has been told to end
    std::int64_t sequence = 0; ///< order of acceptance, from 1
};

/// What a cancellation met.
enum class cancel_outcome : std::uint8_t {
    unknown = 0,    ///< there is no such job
    cancelled = 1,  ///< it had not been started and never will be
    cancelling = 2, ///< it runs, and whatever its outcome it ends as cancelled
    finished = 3,   ///< it had ended: nothing has changed
};

/// One page of a list, newest first.
template <typename Item>
class page_of {
public:
    page_of() = default;

    std::vector<Item> items;
    bool more = false;      ///< go on after `last`, even where the page is not full
    std::int64_t last = 0;  ///< sequence number of the last record looked at
    std::int64_t inner = 0; ///< of findings: the place of the last one within its form
};

/// Which forms; what is empty or absent does not narrow.
class form_filter {
public:
    form_filter() = default;

    std::optional<std::string> study, form, site, subject;
    std::optional<form_state> state;
};

/// Which findings; skips are none.
class finding_filter {
public:
    finding_filter() = default;

    std::optional<std::string> study, form, site, rule, severity;
};

class job_filter {
public:
    job_filter() = default;

    std::optional<std::string> kind;
    std::optional<job_state> state;
};

/// A finding and the form it is of (without its data sets).
class found_record {
public:
    found_record() = default;

    form_record form;
    finding_record finding;
};

/// A rule that was uploaded, as JSON text.
class rule_record {
public:
    rule_record() = default;

    std::string study;
    std::string id;
    std::string text;
};

/// The uploaded rules of a study as of a change; a larger revision is a later one.
class rule_change {
public:
    rule_change() = default;

    bool done = false; ///< a rule was there (put: replaced, remove: removed)
    std::int64_t revision = 0;
    std::vector<rule_record> rules;
};

/// An Idempotency-Key that was used: for what, and what is to be answered.
class key_record {
public:
    key_record() = default;

    std::string scope; ///< whose key, and of which route
    std::string key;
    std::string digest; ///< of the request
    std::string form;   ///< id of the form it made, or empty
    std::string job;    ///< id of the job it made, or empty
    /// Status and body of the answer where it is known before the work has ended; 0: as the work
    /// says.
    std::int64_t status = 0;
    std::string answer;
    timestamp used_at;
};

/// How a job ended.
class job_outcome {
public:
    job_outcome() = default;

    job_state state = job_state::succeeded; ///< a final one
    std::optional<std::string> result;      ///< JSON
    std::optional<std::string> error;       ///< one sentence
};

/// Totals of one site over the checked forms of a study.
class site_totals {
public:
    site_totals() = default;

    std::string site;
    std::int64_t forms = 0;
    std::int64_t data_points = 0;
    std::int64_t findings = 0; ///< without skips
};

} // namespace server
