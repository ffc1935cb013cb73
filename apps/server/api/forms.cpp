#include "api/input.hpp"
#include "api/routes.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <corogate/http/access.hpp>
#include <corogate/http/problem.hpp>
#include <memory>
#include <utility>

namespace asio = boost::asio;
namespace http = corogate::http;
namespace json = boost::json;

namespace server {

namespace {

/// What the target of a save says: enough to admit it.
struct save_target {
    const edc::study* study = nullptr;
    std::string form;
    std::string site;
};

input<save_target> read_target(const service& with, const http::request& from) {
    save_target to;
    const auto study = required_query(from, "study");
    if (!study)
        return study.error();
    to.study = with.studies().find(*study);
    if (!to.study)
        return unknown("study", "this server has no such study").to_response();
    auto form = required_query(from, "form");
    if (!form)
        return form.error();
    if (!to.study->has_form(*form))
        return unknown("form", "the study has no such form").to_response();
    auto site = required_query(from, "site");
    if (!site)
        return site.error();
    to.form = std::move(*form);
    to.site = std::move(*site);
    return to;
}

/// What the body of a save says.
struct save_body {
    std::string subject;
    std::string datasets; // as JSON, for the store
    std::shared_ptr<const edc::study_case> records;
    std::int64_t data_points = 0;
};

std::int64_t count_data_points(const edc::study_case& records) {
    std::int64_t points = 0;
    for (const auto& table : records.tables)
        for (const auto& column : table.columns())
            for (const auto& cell : column.cells)
                points += !edc::is_empty(cell);
    return points;
}

input<save_body> read_body(const save_target& target, const http::request& from) {
    auto body = json_body(from);
    if (!body)
        return body.error();
    for (const auto& member : *body)
        if (member.key() != "subject" && member.key() != "datasets")
            return wrong_field(member.key(), "a save has no such member").to_response();
    save_body to;
    auto subject = required_text(*body, "subject");
    if (!subject)
        return subject.error();
    to.subject = std::move(*subject);
    const json::value* datasets = body->if_contains("datasets");
    if (!datasets)
        return wrong_field("datasets", "the member is missing").to_response();
    auto records = target.study->read_save(*datasets);
    if (!records)
        return wrong_field(records.error().field(), records.error().message()).to_response();
    if (target.form != edc::study::all_forms && !records->find(target.form))
        return wrong_field("datasets", "the form's own data set is missing").to_response();
    to.data_points = count_data_points(*records);
    to.records = std::make_shared<const edc::study_case>(std::move(*records));
    to.datasets = json::serialize(*datasets);
    return to;
}

void add_findings(json::object& to, const std::vector<finding_record>& from) {
    json::array findings;
    json::array skipped;
    for (const auto& f : from) {
        json::object line;
        line["rule"] = f.rule;
        if (f.skipped) {
            line["skipped"] = *f.skipped;
            skipped.push_back(std::move(line));
            continue;
        }
        line["dataset"] = f.dataset.value_or("");
        line["record"] = f.record ? json::value(*f.record) : json::value(nullptr);
        line["values"] = json::parse(f.values.value_or("{}"));
        line["message"] = f.message.value_or("");
        line["severity"] = f.severity.value_or("");
        findings.push_back(std::move(line));
    }
    to["findings"] = std::move(findings);
    to["skipped"] = std::move(skipped);
}

json::object describe(const form_record& form) {
    json::object to;
    to["id"] = form.id;
    to["study"] = form.study;
    to["form"] = form.form;
    to["site"] = form.site;
    to["subject"] = form.subject;
    to["state"] = to_string(form.state);
    return to;
}

asio::awaitable<http::response> save_form(service& with, http::request& from, corogate::job job) {
    auto target = read_target(with, from);
    if (!target)
        co_return target.error();
    auto body = read_body(*target, from);
    if (!body)
        co_return body.error();

    form_record form;
    form.id = with.ids().form_id();
    form.study = target->study->id();
    form.form = target->form;
    form.site = target->site;
    form.subject = body->subject;
    form.datasets = std::move(body->datasets);
    form.data_points = body->data_points;
    form.saved_at = std::chrono::system_clock::now();
    co_await with.store().async_save_form(form, asio::use_awaitable);

    std::vector<finding_record> found;
    try {
        found = co_await check_form(
            with, form.id, *target->study, form.form, body->records, std::move(job)
        );
    } catch (const boost::system::system_error& e) {
        using corogate::errc;
        const bool late = e.code() == errc::expired || e.code() == asio::error::operation_aborted;
        if (late || e.code() == errc::displaced) {
            with.check_later(form.id);
            http::problem no(
                late ? 504 : 429, late ? "deadline-exceeded" : "displaced",
                "The form is stored; its checks did not end in the time given, and are done when "
                "there is room for them."
            );
            co_return no.id(form.id).retryable(false).to_response();
        }
        if (e.code() != errc::abandoned && e.code() != errc::stopped)
            throw;
        http::problem no(
            503, "abandoned",
            "The form is stored; the service stopped before its checks had ended, and does them at "
            "its next start."
        );
        co_return no.id(form.id).retryable(false).close().to_response();
    }
    form.state = form_state::checked;
    json::object answer = describe(form);
    add_findings(answer, found);
    co_return http::response::json(200, answer);
}

asio::awaitable<http::response> get_form(service& with, http::request& from) {
    std::string id(from.param("id"));
    const auto stored = co_await with.store().async_find_form(id, asio::use_awaitable);
    if (!stored)
        co_return unknown("id", "there is no such form").to_response();
    json::object answer = describe(stored->form);
    answer["datasets"] = json::parse(stored->form.datasets);
    add_findings(answer, stored->findings);
    co_return http::response::json(200, answer);
}

} // namespace

void add_form_routes(http::router& to, service& with) {
    // Admission needs the target alone: n is the number of the form's rules.
    auto admit = [&with](const http::request& from) -> asio::awaitable<service::admission> {
        const auto target = read_target(with, from);
        if (!target)
            co_return target.error();
        corogate::job_options who;
        who.tenant(http::tenant_of(from, target->site))
            .priority(corogate::priority_class::interactive)
            .deadline(time_given(from, with.settings().save_time))
            .name("form " + target->form);
        co_return co_await with.async_admit(
            job_kind::form, target->study->rules_of(target->form).size(), std::move(who)
        );
    };
    auto save = [&with](http::request& from, corogate::job job) {
        return save_form(with, from, std::move(job));
    };
    auto get = [&with](http::request& from) { return get_form(with, from); };
    constexpr std::size_t body = 8 * 1024 * 1024;
    to.add("POST", "/v1/forms", admit, save, http::route_options().body_limit(body));
    to.add("GET", "/v1/forms/{id}", get);
}

} // namespace server
