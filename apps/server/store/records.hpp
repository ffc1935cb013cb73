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
    std::int64_t sequence = 0; ///< order of acceptance, from 1
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
