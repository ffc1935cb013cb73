#pragma once

#include "edc/error.hpp"
#include "edc/kri.hpp"
#include "store/store.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/json/fwd.hpp>
#include <cstdint>
#include <functional>
#include <string>

namespace server {

/// Told how much is done, and of how much.
using progress_hook = std::function<void(std::int64_t done, std::int64_t total)>;

/// The options of a `site-kri` request: `type` (`rate`, the default, or `binary`), `thresholds`,
/// `accrual` (`{"metric": "Denominator", "threshold": 30}`). Unknown members are errors.
edc::result<edc::kri_options> read_site_kri(const boost::json::object& request);

/// The site-outlier indicator over a study's checked forms: findings (numerator) by data points
/// (denominator), a group for each site. Reads the totals page by page and stores its progress, in
/// sites, of which it also tells `progress`. Returns the result as JSON text.
boost::asio::awaitable<std::string>
site_kri(store& from, const job_record& job, const progress_hook& progress = {});

} // namespace server
