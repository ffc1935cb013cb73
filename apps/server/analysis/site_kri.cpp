#include "analysis/site_kri.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace asio = boost::asio;
namespace json = boost::json;

namespace server {

namespace {

template <typename T>
json::value or_null(const std::optional<T>& value) {
    return value ? json::value(*value) : json::value(nullptr);
}

std::string write_result(const edc::kri_result& from) {
    json::array groups;
    for (const auto& g : from.groups) {
        json::object group;
        group["group"] = g.group;
        group["level"] = g.level;
        group["numerator"] = g.numerator;
        group["denominator"] = g.denominator;
        group["metric"] = g.metric;
        group["score"] = or_null(g.score);
        group["flag"] = or_null(g.flag);
        groups.push_back(std::move(group));
    }
    json::object result;
    result["mu"] = from.mu;
    result["phi"] = from.phi;
    result["groups"] = std::move(groups);
    return json::serialize(result);
}

} // namespace

edc::result<edc::kri_options> read_site_kri(const json::object& request) {
    edc::kri_options options;
    for (const auto& [key, value] : request) {
        if (key == "study" || key == "kind")
            continue;
        if (key == "type") {
            const auto type = value.is_string()
                                  ? edc::kri_type_named(std::string_view(value.get_string()))
                                  : std::nullopt;
            if (!type)
                return edc::error("the type is \"rate\" or \"binary\"", "type");
            options.type(*type);
        } else if (key == "thresholds") {
            const auto* list = value.if_array();
            if (!list || list->empty() || list->size() > 16)
                return edc::error("thresholds are a list of 1 to 16 numbers", "thresholds");
            std::vector<double> numbers;
            for (const auto& entry : *list) {
                if (!entry.is_number())
                    return edc::error("thresholds are a list of 1 to 16 numbers", "thresholds");
                numbers.push_back(entry.to_number<double>());
            }
            options.thresholds(std::move(numbers));
        } else if (key == "accrual") {
            const auto* accrual = value.if_object();
            const auto* metric = accrual ? accrual->if_contains("metric") : nullptr;
            const auto* threshold = accrual ? accrual->if_contains("threshold") : nullptr;
            const auto which = metric && metric->is_string()
                                   ? edc::kri_metric_named(std::string_view(metric->get_string()))
                                   : std::nullopt;
            if (!which || !threshold || !threshold->is_number() || accrual->size() != 2)
                return edc::error(
                    "accrual has a metric (Numerator, Denominator or Difference) and a threshold",
                    "accrual"
                );
            options.accrual(*which, threshold->to_number<double>());
        } else {
            return edc::error("a site-kri analysis has no such option", std::string(key));
        }
    }
    // The analysis itself checks thresholds: on nothing, so that a mistake shows at once.
    if (const auto tried = edc::analyse_kri({}, options); !tried)
        return edc::error(tried.error().message(), "thresholds");
    return options;
}

asio::awaitable<std::string>
site_kri(store& from, const job_record& job, const progress_hook& progress) {
    constexpr std::size_t page = 100;
    const auto options = read_site_kri(json::parse(job.request).as_object());
    if (!options)
        throw std::runtime_error(options.error().message());

    const auto total = co_await from.async_count_sites(job.study, asio::use_awaitable);
    std::vector<edc::kri_count> counts;
    std::optional<std::string> after;
    for (;;) {
        const auto sites =
            co_await from.async_totals_by_site(job.study, after, page, asio::use_awaitable);
        for (const auto& site : sites) {
            edc::kri_count count;
            count.group = site.site;
            count.level = "Site";
            count.numerator = static_cast<double>(site.findings);
            count.denominator = static_cast<double>(site.data_points);
            counts.push_back(std::move(count));
        }
        const auto done = static_cast<std::int64_t>(counts.size());
        co_await from.async_update_progress(
            job.id, done, std::max(total, done), asio::use_awaitable
        );
        if (progress)
            progress(done, std::max(total, done));
        if (sites.size() < page)
            break;
        after = sites.back().site;
    }
    const auto scored = edc::analyse_kri(counts, *options);
    if (!scored)
        throw std::runtime_error(scored.error().message());
    co_return write_result(*scored);
}

} // namespace server
