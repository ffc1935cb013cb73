#pragma once

#include "store/records.hpp"
#include "store/times.hpp"

#include <corogate/durable/sqlite.hpp>
#include <cstdint>

namespace server::sql {

/// The columns of a job that every look at one begins with, in this order.
inline constexpr auto job_columns =
    "seq,id,state,attempts,kind,study,progress_done,progress_total,created_at,started_at,"
    "finished_at";

/// Reads them; what follows them begins at column 11.
inline job_record read_job_columns(const corogate::durable::statement& row) {
    job_record job;
    job.sequence = row.integer(0);
    job.id = row.text(1);
    job.state = static_cast<job_state>(row.get<std::uint8_t>(2));
    job.attempts = row.integer(3);
    job.kind = row.text(4);
    job.study = row.text(5);
    job.progress_done = row.integer(6);
    job.progress_total = row.integer(7);
    job.created_at = from_micros(row.integer(8));
    if (!row.is_null(9))
        job.started_at = from_micros(row.integer(9));
    if (!row.is_null(10))
        job.finished_at = from_micros(row.integer(10));
    return job;
}

} // namespace server::sql
