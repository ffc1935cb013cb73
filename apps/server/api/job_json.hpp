#pragma once

#include "store/records.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <corogate/http/event_log.hpp>
#include <optional>

namespace server {

/// `2026-11-26T21:40:00.123Z`, or null.
boost::json::value time_or_null(const std::optional<timestamp>& at);

/// A background job as the API answers it.
boost::json::object describe(const job_record& job);

/// The same for lists: without the member `result`, which can be long.
boost::json::object describe_briefly(const job_record& job);

/// As streams tell it: topic is the job's id; the last one where its state is final.
corogate::http::event job_event(const job_record& job);

} // namespace server
