#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <concepts>
#include <corogate/histogram.hpp>
#include <corogate/pool_stats.hpp>
#include <corogate/pool_timings.hpp>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace corogate {

/// Labels of one series, in the order given. Values may be any UTF-8; names are letters, digits and
/// `_`, not a digit first, else std::invalid_argument. A name occurs once; `le` is the histogram's.
class prometheus_labels {
public:
    prometheus_labels() = default;
    prometheus_labels(std::initializer_list<std::pair<std::string_view, std::string_view>> labels) {
        for (const auto& [name, value] : labels)
            add(name, value);
    }

    prometheus_labels& add(std::string_view name, std::string_view value);

    /// As the format has it, without the braces: `pool="cpu",site="a\"b"`.
    const std::string& text() const noexcept { return text_; }

private:
    std::string text_;
};

/// What a scraper asked for. The two differ in the names of counter families, in bounds such as
/// `1.0`, and in a last line.
enum class prometheus_format {
    text,       ///< `text/plain; version=0.0.4; charset=utf-8`
    openmetrics ///< `application/openmetrics-text; version=1.0.0; charset=utf-8`
};

/// Writes metrics in the Prometheus text exposition format.
///
///     corogate::prometheus_writer out(stream);
///     out.gauge("forms_open", "Forms that somebody edits.");
///     out.sample(3, {{"study", "A"}});
///     out.sample(5, {{"study", "B"}});
///     out.finish();
///
/// A family is begun once and holds all samples until the next; the format wants every sample of a
/// family together. Names that the format does not allow, and counters whose name does not end in
/// `_total`, throw std::invalid_argument. The stream's locale and flags do not matter; its errors
/// are the caller's to look at. Not thread-safe.
class prometheus_writer {
public:
    /// `common` goes into every sample, before its own labels.
    explicit prometheus_writer(
        std::ostream& to, prometheus_labels common = {},
        prometheus_format format = prometheus_format::text
    )
        : to_(to)
        , common_(std::move(common))
        , format_(format) {}

    /// A number that only grows (until the process restarts).
    void counter(std::string_view name, std::string_view help) { family(name, "counter", help); }
    /// A number that goes up and down.
    void gauge(std::string_view name, std::string_view help) { family(name, "gauge", help); }
    /// A distribution. Times are in seconds and the name says so: `..._seconds`.
    void histogram(std::string_view name, std::string_view help) {
        family(name, "histogram", help);
    }

    /// One series of the counter or gauge begun last. Integers are written exactly, other numbers
    /// with the digits that bring them back.
    template <typename Number>
        requires std::is_arithmetic_v<Number>
    void sample(Number value, const prometheus_labels& labels = {}) {
        line({}, labels.text(), {}, number(value).view());
    }

    struct bucket {
        double upper;           ///< bound, itself included; rising
        std::uint64_t up_to_it; ///< how many values do not exceed it, those of lower buckets too
    };
    /// One series of the histogram begun last: its buckets, `+Inf`, sum and count.
    void sample(
        std::span<const bucket> buckets, double sum, std::uint64_t count,
        const prometheus_labels& labels = {}
    );
    /// The same from durations, in seconds. `bounds` in seconds, rising; a bound counts up to the
    /// end of the snapshot's own bucket, which is wider by less than 1/16.
    void sample(
        const histogram_snapshot& durations, const prometheus_labels& labels = {},
        std::span<const double> bounds = latency_bounds
    );

    /// 100 us to 60 s, about three to a decade.
    static constexpr double latency_bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                                0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                                1,      2.5,     5,      10,    30,     60};

    /// Ends the exposition: OpenMetrics has a last line.
    void finish() {
        if (format_ == prometheus_format::openmetrics)
            put("# EOF\n");
    }

private:
    /// A number as text.
    class number {
    public:
        template <typename Number>
        explicit number(Number value);
        std::string_view view() const noexcept { return {text_, length_}; }
        /// OpenMetrics: a bound always looks like a floating point number.
        void as_bound();

    private:
        char text_[32];
        std::size_t length_ = 0;
    };

    void family(std::string_view name, std::string_view type, std::string_view help);
    void line(
        std::string_view suffix, std::string_view labels, std::string_view bound,
        std::string_view value
    );
    void put(std::string_view text) {
        to_.write(text.data(), static_cast<std::streamsize>(text.size()));
    }

    std::ostream& to_;
    prometheus_labels common_;
    prometheus_format format_;
    std::string name_;
};

/// The books of one pool as families `corogate_...`, for a pool that is alone in its exposition.
void write_prometheus(
    std::ostream& to, const pool_stats& stats, const prometheus_labels& labels = {}
);

/// The books of a pool among several. Their labels tell them apart.
struct labelled_pool_stats {
    pool_stats stats;
    prometheus_labels labels;
};
/// The books of several pools: each family once, with a series for each pool.
void write_prometheus(prometheus_writer& to, std::span<const labelled_pool_stats> pools);

/// The distributions of a pool among several; a snapshot is 5 KB each.
struct labelled_pool_timings {
    pool_timings timings;
    prometheus_labels labels;
};
/// How long tasks waited and ran, as histograms `corogate_..._seconds` with `latency_bounds`.
void write_prometheus(prometheus_writer& to, std::span<const labelled_pool_timings> pools);

// ---------------------------------------------------------------------------------------------

namespace detail {

/// Backslash, newline and, in label values, the quote.
inline std::string prometheus_escaped(std::string_view text, bool quote) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text)
        if (c == '\n')
            out += "\\n";
        else if (c == '\\' || (quote && c == '"'))
            (out += '\\') += c;
        else
            out += c;
    return out;
}

/// `colon`: metric names may have it, label names may not.
inline bool prometheus_name(std::string_view name, bool colon) noexcept {
    const auto letter = [colon](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':');
    };
    const auto allowed = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
    return !name.empty() && letter(name.front()) && std::ranges::all_of(name, allowed);
}

} // namespace detail

inline prometheus_labels& prometheus_labels::add(std::string_view name, std::string_view value) {
    if (!detail::prometheus_name(name, false))
        throw std::invalid_argument("not a Prometheus label name: " + std::string(name));
    if (!text_.empty())
        text_ += ',';
    text_.append(name).append("=\"").append(detail::prometheus_escaped(value, true)) += '"';
    return *this;
}

template <typename Number>
prometheus_writer::number::number(Number value) {
    const auto write = [this](auto... v) {
        const auto end = std::to_chars(text_, text_ + sizeof text_, v...).ptr;
        length_ = static_cast<std::size_t>(end - text_);
    };
    const auto say = [this](std::string_view word) { length_ = word.copy(text_, sizeof text_); };
    if constexpr (std::same_as<Number, bool>)
        write(value ? 1 : 0);
    else if constexpr (std::integral<Number>)
        write(+value);
    else if (std::isnan(value))
        say("NaN");
    else if (std::isinf(value))
        say(value > 0 ? "+Inf" : "-Inf");
    else
        write(static_cast<double>(value), std::chars_format::general);
}

inline void prometheus_writer::number::as_bound() {
    if (view().find_first_not_of("-0123456789") == std::string_view::npos)
        length_ += std::string_view(".0").copy(text_ + length_, 2);
}

inline void
prometheus_writer::family(std::string_view name, std::string_view type, std::string_view help) {
    constexpr std::string_view total = "_total";
    if (!detail::prometheus_name(name, true))
        throw std::invalid_argument("not a Prometheus metric name: " + std::string(name));
    if (type == "counter" && !name.ends_with(total))
        throw std::invalid_argument("a counter's name ends in _total: " + std::string(name));
    name_ = name;
    const bool open = format_ == prometheus_format::openmetrics;
    if (open && type == "counter")
        name.remove_suffix(total.size());
    std::string text = "# HELP ";
    text.append(name) += ' ';
    text.append(detail::prometheus_escaped(help, open)).append("\n# TYPE ").append(name) += ' ';
    put(text.append(type) += '\n');
}

inline void prometheus_writer::line(
    std::string_view suffix, std::string_view labels, std::string_view bound, std::string_view value
) {
    if (name_.empty())
        throw std::logic_error("a Prometheus sample before its family");
    std::string text = name_;
    text += suffix;
    char before = '{';
    const auto add = [&](std::string_view part) {
        if (!part.empty()) {
            text += std::exchange(before, ',');
            text += part;
        }
    };
    add(common_.text());
    add(labels);
    if (!bound.empty()) {
        add("le=\"");
        text.append(bound) += '"';
    }
    if (before == ',')
        text += '}';
    (text += ' ').append(value) += '\n';
    put(text);
}

inline void prometheus_writer::sample(
    std::span<const bucket> buckets, double sum, std::uint64_t count,
    const prometheus_labels& labels
) {
    for (const auto& [upper, up_to_it] : buckets) {
        number bound(upper);
        if (bound.view() == "+Inf")
            continue; // that is the count
        if (format_ == prometheus_format::openmetrics)
            bound.as_bound();
        line("_bucket", labels.text(), bound.view(), number(up_to_it).view());
    }
    line("_bucket", labels.text(), "+Inf", number(count).view());
    line("_sum", labels.text(), {}, number(sum).view());
    line("_count", labels.text(), {}, number(count).view());
}

inline void prometheus_writer::sample(
    const histogram_snapshot& durations, const prometheus_labels& labels,
    std::span<const double> bounds
) {
    using seconds = std::chrono::duration<double>;
    std::vector<bucket> buckets;
    buckets.reserve(bounds.size());
    for (const double bound : bounds) {
        // Rounded: 0.0001 s is a little less than 100 us.
        const auto ns = std::chrono::round<std::chrono::nanoseconds>(seconds(bound));
        buckets.push_back({bound, durations.count_up_to(ns)});
    }
    sample(buckets, seconds(durations.sum()).count(), durations.count(), labels);
}

namespace detail {

/// One series of every pool. Rows of one family stand together; the first one describes it.
struct pool_metric {
    enum kind { counter, gauge };
    using number = std::uint64_t;
    kind type;
    std::string_view name;
    std::string_view help;
    number (*value)(const pool_stats&);
    std::string_view outcome = {}; ///< its label, where the family has one
};

inline constexpr pool_metric pool_metrics[] = {
    {pool_metric::gauge, "corogate_running_tasks", "Tasks that have started and not ended.",
     [](auto& s) { return pool_metric::number(s.running); }},
    {pool_metric::gauge, "corogate_running_tasks_peak", "Most tasks that ever ran at once.",
     [](auto& s) { return pool_metric::number(s.running_peak); }},
    {pool_metric::gauge, "corogate_waiting_tasks", "Admitted tasks that wait for a permit.",
     [](auto& s) { return pool_metric::number(s.waiting); }},
    {pool_metric::gauge, "corogate_waiting_submitters", "Callers suspended until a place is free.",
     [](auto& s) { return pool_metric::number(s.waiting_submitters); }},
    {pool_metric::gauge, "corogate_reserved_places",
     "Places of jobs whose tasks have not come yet.",
     [](auto& s) { return pool_metric::number(s.reserved); }},
    {pool_metric::gauge, "corogate_permits_used", "Permits that tasks hold: running and not lent.",
     [](auto& s) { return pool_metric::number(s.permits_used); }},
    {pool_metric::gauge, "corogate_permits_lent",
     "Permits of tasks that wait for other work on the pool.",
     [](auto& s) { return pool_metric::number(s.lent); }},
    {pool_metric::gauge, "corogate_limit_tasks", "Permits: tasks that may run at once.",
     [](auto& s) { return pool_metric::number(s.limit); }},
    {pool_metric::gauge, "corogate_queue_limit_tasks", "Places in the queue.",
     [](auto& s) { return pool_metric::number(s.queue_tasks); }},
    {pool_metric::gauge, "corogate_runners", "Coroutines that run tasks, idle ones too.",
     [](auto& s) { return pool_metric::number(s.runners); }},
    {pool_metric::gauge, "corogate_tenants", "Tenants told apart at present.",
     [](auto& s) { return pool_metric::number(s.tenants); }},
    {pool_metric::gauge, "corogate_paused", "Whether starting of tasks is paused.",
     [](auto& s) { return pool_metric::number(s.paused); }},
    {pool_metric::counter, "corogate_tasks_submitted_total", "Tasks offered: refused or accepted.",
     [](auto& s) { return pool_metric::number(s.submitted); }},
    {pool_metric::counter, "corogate_tasks_accepted_total", "Tasks promised to run.",
     [](auto& s) { return pool_metric::number(s.accepted); }},
    {pool_metric::counter, "corogate_tasks_total", "Tasks by how they ended.",
     [](auto& s) { return pool_metric::number(s.completed); }, "completed"},
    {pool_metric::counter, "corogate_tasks_total", "",
     [](auto& s) { return pool_metric::number(s.failed); }, "failed"},
    {pool_metric::counter, "corogate_tasks_total", "",
     [](auto& s) { return pool_metric::number(s.cancelled); }, "cancelled"},
    {pool_metric::counter, "corogate_tasks_total", "",
     [](auto& s) { return pool_metric::number(s.expired); }, "expired"},
    {pool_metric::counter, "corogate_tasks_total", "",
     [](auto& s) { return pool_metric::number(s.displaced); }, "displaced"},
    {pool_metric::counter, "corogate_tasks_total", "",
     [](auto& s) { return pool_metric::number(s.spilled); }, "spilled"},
    {pool_metric::counter, "corogate_tasks_total", "",
     [](auto& s) { return pool_metric::number(s.abandoned); }, "abandoned"},
    {pool_metric::counter, "corogate_tasks_total", "",
     [](auto& s) { return pool_metric::number(s.refused); }, "refused"},
    {pool_metric::counter, "corogate_tasks_would_refuse_total",
     "Tasks that a dry run let in and would have refused.",
     [](auto& s) { return pool_metric::number(s.would_refuse); }},
    {pool_metric::counter, "corogate_pool_jobs_total", "Jobs by the answer to them.",
     [](auto& s) { return pool_metric::number(s.jobs_admitted); }, "admitted"},
    {pool_metric::counter, "corogate_pool_jobs_total", "",
     [](auto& s) { return pool_metric::number(s.jobs_refused); }, "refused"},
};

} // namespace detail

inline void write_prometheus(prometheus_writer& to, std::span<const labelled_pool_stats> pools) {
    const auto rows = std::span(detail::pool_metrics);
    for (auto row = rows.begin(); row != rows.end();) {
        const auto first = row;
        if (first->type == detail::pool_metric::counter)
            to.counter(first->name, first->help);
        else
            to.gauge(first->name, first->help);
        row = std::find_if(row, rows.end(), [&](const auto& r) { return r.name != first->name; });
        for (const auto& [stats, labels] : pools)
            for (auto each = first; each != row; ++each) {
                auto own = labels;
                if (!each->outcome.empty())
                    own.add("outcome", each->outcome);
                to.sample(each->value(stats), own);
            }
    }
}

inline void write_prometheus(prometheus_writer& to, std::span<const labelled_pool_timings> pools) {
    struct row {
        std::string_view name, help;
        histogram_snapshot pool_timings::* value;
    };
    static constexpr row rows[] = {
        {"corogate_queue_wait_seconds", "From admission to start.", &pool_timings::queue_wait},
        {"corogate_scheduling_delay_seconds", "Of a ready runner, until it gets a thread.",
         &pool_timings::scheduling_delay},
        {"corogate_service_time_seconds", "From start to end, suspensions included.",
         &pool_timings::service_time},
    };
    for (const auto& [name, help, value] : rows) {
        to.histogram(name, help);
        for (const auto& [timings, labels] : pools)
            to.sample(timings.*value, labels);
    }
}

inline void
write_prometheus(std::ostream& to, const pool_stats& stats, const prometheus_labels& labels) {
    prometheus_writer writer(to);
    const labelled_pool_stats one{stats, labels};
    write_prometheus(writer, std::span(&one, 1));
    writer.finish();
}

} // namespace corogate
