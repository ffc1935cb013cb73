#include "store/job_row.hpp"
#include "store/store.hpp"
#include "store/times.hpp"

#include <string_view>

namespace server::sql {

namespace durable = corogate::durable;

namespace {

/// Of a page: rows looked at, whether they fit the filter or not, and octets of text.
constexpr std::size_t most_looked_at = 5'000;
constexpr std::size_t most_text = 1024 * 1024;

bool fits(const std::optional<std::string>& wanted, std::string_view is) {
    return !wanted || *wanted == is;
}

/// Goes through the rows of a page until it is full. `read` gives an item or nothing, and notes
/// where it was in the page.
template <typename Item, typename Read>
page_of<Item> read_page(durable::statement& rows, std::size_t limit, Read read) {
    page_of<Item> page;
    std::size_t looked_at = 0;
    std::size_t text = 0;
    while (rows.step()) {
        // One row further than the page shows: so that the last page says that it is the last.
        if (page.items.size() == limit || looked_at == most_looked_at || text >= most_text) {
            page.more = true;
            break;
        }
        ++looked_at;
        if (auto item = read(page, text))
            page.items.push_back(std::move(*item));
    }
    return page;
}

void read_form_columns(const durable::statement& row, form_record& form) {
    form.sequence = row.integer(0);
    form.id = row.text(1);
    form.study = row.text(2);
    form.form = row.text(3);
    form.site = row.text(4);
    form.subject = row.text(5);
}

} // namespace

// The index is named: a page must come in order without sorting what the filter leaves. Of several
// filters the one that leaves least has the index; the others are looked at row by row.

page_of<form_record> list_forms(
    durable::database& db, const form_filter& which, std::int64_t before, std::size_t limit
) {
    constexpr auto columns = "SELECT seq,id,study,form,site,subject,state,saved_at,data_points";
    const auto rows_of = [&] {
        using text = std::string;
        if (which.subject)
            return db.query(
                text(columns) + " FROM form INDEXED BY form_by_subject"
                                " WHERE seq<?1 AND subject=?2 ORDER BY seq DESC",
                before, *which.subject
            );
        if (which.site)
            return db.query(
                text(columns) + " FROM form INDEXED BY form_by_site"
                                " WHERE seq<?1 AND site=?2 ORDER BY seq DESC",
                before, *which.site
            );
        if (which.state == form_state::received)
            return db.query(
                text(columns) + " FROM form INDEXED BY form_unfinished"
                                " WHERE seq<?1 AND state=0 ORDER BY seq DESC",
                before
            );
        if (which.study)
            return db.query(
                text(columns) + " FROM form INDEXED BY form_by_study"
                                " WHERE seq<?1 AND study=?2 ORDER BY seq DESC",
                before, *which.study
            );
        return db.query(text(columns) + " FROM form WHERE seq<?1 ORDER BY seq DESC", before);
    };
    auto rows = rows_of();
    const auto read = [&](page_of<form_record>& page, std::size_t&) -> std::optional<form_record> {
        page.last = rows.integer(0);
        const auto state = static_cast<form_state>(rows.get<std::uint8_t>(6));
        if (!fits(which.study, rows.text(2)) || !fits(which.form, rows.text(3)) ||
            !fits(which.site, rows.text(4)) || !fits(which.subject, rows.text(5)) ||
            which.state.value_or(state) != state)
            return std::nullopt;
        form_record form;
        read_form_columns(rows, form);
        form.state = state;
        form.saved_at = from_micros(rows.integer(7));
        form.data_points = rows.integer(8);
        return form;
    };
    return read_page<form_record>(rows, limit, read);
}

page_of<found_record> list_findings(
    durable::database& db, const finding_filter& which, std::int64_t before_form,
    std::int64_t before_inner, std::size_t limit
) {
    constexpr auto columns = "SELECT f.seq,f.id,f.study,f.form,f.site,f.subject,n.seq,n.rule,"
                             "n.dataset,n.record,n.vals,n.message,n.severity";
    // By form: a form without findings gives one row, so that every form looked at counts.
    constexpr auto of_form = " LEFT JOIN finding n ON n.form=f.seq AND n.skipped IS NULL"
                             " AND n.seq<CASE f.seq WHEN ?1 THEN ?2 ELSE 9223372036854775807 END"
                             " WHERE f.seq<=?1";
    constexpr auto order = " ORDER BY f.seq DESC, n.seq DESC";
    const auto rows_of = [&] {
        using text = std::string;
        if (which.rule)
            return db.query(
                text(columns) + " FROM finding n INDEXED BY finding_by_rule"
                                " CROSS JOIN form f ON f.seq=n.form"
                                " WHERE n.rule=?3 AND n.skipped IS NULL AND (n.form,n.seq)<(?1,?2)"
                                " ORDER BY n.form DESC, n.seq DESC",
                before_form, before_inner, *which.rule
            );
        if (which.site)
            return db.query(
                text(columns) + " FROM form f INDEXED BY form_by_site" + of_form +
                    " AND f.site=?3" + order,
                before_form, before_inner, *which.site
            );
        if (which.study)
            return db.query(
                text(columns) + " FROM form f INDEXED BY form_by_study" + of_form +
                    " AND f.study=?3" + order,
                before_form, before_inner, *which.study
            );
        return db.query(
            text(columns) + " FROM form f" + of_form + order, before_form, before_inner
        );
    };
    auto rows = rows_of();
    const auto read = [&](page_of<found_record>& page,
                          std::size_t& octets) -> std::optional<found_record> {
        page.last = rows.integer(0);
        page.inner = rows.is_null(6) ? 0 : rows.integer(6);
        if (rows.is_null(6) || !fits(which.study, rows.text(2)) ||
            !fits(which.form, rows.text(3)) || !fits(which.site, rows.text(4)) ||
            !fits(which.rule, rows.text(7)))
            return std::nullopt;
        if (which.severity && (rows.is_null(12) || *which.severity != rows.text(12)))
            return std::nullopt;
        found_record found;
        read_form_columns(rows, found.form);
        auto& f = found.finding;
        f.rule = rows.text(7);
        f.dataset = rows.get<std::optional<std::string>>(8);
        f.record = rows.get<std::optional<std::int64_t>>(9);
        f.values = rows.get<std::optional<std::string>>(10);
        f.message = rows.get<std::optional<std::string>>(11);
        f.severity = rows.get<std::optional<std::string>>(12);
        octets += f.values.value_or("").size() + f.message.value_or("").size();
        return found;
    };
    return read_page<found_record>(rows, limit, read);
}

page_of<job_record>
list_jobs(durable::database& db, const job_filter& which, std::int64_t before, std::size_t limit) {
    // The last columns lie behind the result, which can be long: they are read where there is none.
    const std::string columns = std::string("SELECT ") + job_columns +
                                ",CASE state WHEN 3 THEN error END,"
                                "CASE state WHEN 1 THEN cancelling ELSE 0 END";
    const auto rows_of = [&] {
        if (which.state)
            return db.query(
                columns + " FROM job INDEXED BY job_by_state"
                          " WHERE seq<?1 AND state=?2 ORDER BY seq DESC",
                before, static_cast<std::int64_t>(*which.state)
            );
        if (which.kind)
            return db.query(
                columns + " FROM job INDEXED BY job_by_kind"
                          " WHERE seq<?1 AND kind=?2 ORDER BY seq DESC",
                before, *which.kind
            );
        return db.query(columns + " FROM job WHERE seq<?1 ORDER BY seq DESC", before);
    };
    auto rows = rows_of();
    const auto read = [&](page_of<job_record>& page,
                          std::size_t& octets) -> std::optional<job_record> {
        page.last = rows.integer(0);
        if (!fits(which.kind, rows.text(4)))
            return std::nullopt;
        job_record job = read_job_columns(rows);
        job.error = rows.get<std::optional<std::string>>(11);
        job.cancelling = rows.integer(12) != 0;
        octets += job.error.value_or("").size();
        return job;
    };
    return read_page<job_record>(rows, limit, read);
}

} // namespace server::sql
