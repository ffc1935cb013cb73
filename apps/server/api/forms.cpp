#include "api/form_json.hpp"
#include "api/idempotency.hpp"
#include "api/input.hpp"
#include "api/job_json.hpp"
#include "api/paging.hpp"
#include "api/routes.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <charconv>
#include <corogate/durable/store_error.hpp>
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
class save_target {
public:
    save_target() = default;

    std::shared_ptr<const edc::study> study; // with the rules in force when it was admitted
    std::string form;
    std::string site;
    std::string tenant;
    std::optional<key_record> key;
    bool asynchronous = false; // `Prefer: respond-async`
    std::chrono::milliseconds wait{0};
    std::optional<key_record> used; // the key was used before: no work is admitted
};

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

bool is_word(std::string_view text, std::string_view word) {
    return std::equal(text.begin(), text.end(), word.begin(), word.end(), [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
    });
}

/// RFC 7240: `Prefer: respond-async, wait=2`, in one field or in several. A preference is no
/// demand: what makes no sense is passed over.
void read_preferences(const http::request& from, save_target& into) {
    for (const auto& [name, value] : from.headers()) {
        if (!is_word(name, "prefer"))
            continue;
        for (std::string_view rest = value; !rest.empty();) {
            const auto comma = std::min(rest.find(','), rest.size());
            auto one = rest.substr(0, comma);
            rest.remove_prefix(std::min(comma + 1, rest.size()));
            one = trimmed(one.substr(0, one.find(';')));
            const auto equals = std::min(one.find('='), one.size());
            const auto key = trimmed(one.substr(0, equals));
            const auto given = trimmed(one.substr(std::min(equals + 1, one.size())));
            if (is_word(key, "respond-async") && equals == one.size())
                into.asynchronous = true;
            unsigned seconds = 0;
            const auto* end = given.data() + given.size();
            const auto [stopped, ec] = std::from_chars(given.data(), end, seconds);
            if (is_word(key, "wait") && ec == std::errc() && stopped == end)
                into.wait = std::chrono::seconds(std::min(seconds, 30U));
        }
    }
}

input<save_target> read_target(const service& with, const http::request& from) {
    save_target to;
    const auto study = required_query(from, "study");
    if (!study)
        return study.error();
    to.study = with.studies()->share(*study);
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
    to.tenant = http::tenant_of(from, to.site);
    auto key = read_key(from, "POST /v1/forms", to.tenant);
    if (!key)
        return key.error();
    to.key = std::move(*key);
    read_preferences(from, to);
    return to;
}

/// What the body of a save says.
class save_body {
public:
    save_body() = default;

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

form_record form_of(service& with, const save_target& target, save_body& body) {
    form_record form;
    form.id = with.ids().form_id();
    form.study = target.study->id();
    form.form = target.form;
    form.site = target.site;
    form.subject = body.subject;
    form.datasets = std::move(body.datasets);
    form.data_points = body.data_points;
    form.saved_at = std::chrono::system_clock::now();
    return form;
}

http::response saved(form_record form, const std::vector<finding_record>& found) {
    form.state = form_state::checked;
    json::object answer = describe(form);
    add_findings(answer, found);
    return http::response::json(200, answer);
}

asio::awaitable<http::response> save_and_wait(
    service& with, save_target target, save_body body, std::optional<key_record> key,
    corogate::job place
) {
    form_record form = form_of(with, target, body);
    if (key)
        key->form = form.id;
    auto used = co_await with.store().async_save_form_once(form, key, asio::use_awaitable);
    if (used)
        co_return co_await answer_again(with, std::move(*used), key->digest);

    form_to_check checks;
    checks.id = form.id;
    checks.form = form.form;
    checks.site = form.site;
    checks.tenant = target.tenant;
    checks.study = target.study;
    checks.records = body.records;
    std::vector<finding_record> found;
    try {
        found = co_await evaluate_form(checks, place);
        co_await with.store().async_record_findings(form.id, found, asio::use_awaitable);
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
    } catch (const corogate::durable::store_error&) {
        with.check_later(form.id);
        http::problem no(
            503, "abandoned",
            "The form is stored; its findings could not be, and its checks are done again."
        );
        co_return no.id(form.id).retryable(false).to_response();
    }
    co_return saved(std::move(form), found);
}

/// Hears of the findings while the client waits for them; used on the handler's thread alone.
class awaited_findings {
public:
    explicit awaited_findings(const asio::any_io_executor& home)
        : timer(home) {}

    asio::steady_timer timer;
    std::optional<std::vector<finding_record>> found;
};

/// `Prefer: respond-async`: form and job are on disk before anything is answered.
asio::awaitable<http::response> save_as_job(
    service& with, save_target target, save_body body, std::optional<key_record> key,
    corogate::job place
) {
    form_record form = form_of(with, target, body);
    job_record job;
    job.id = with.ids().job_id();
    job.kind = form_checks_kind;
    job.study = form.study;
    json::object request;
    request["form_id"] = form.id;
    job.request = json::serialize(request);
    job.created_at = form.saved_at;
    const std::string answer = json::serialize(describe(job));
    if (key) {
        key->form = form.id;
        key->job = job.id;
        if (target.wait.count() == 0) {
            key->status = 202;
            key->answer = answer;
        }
    }
    auto used = co_await with.store().async_create_form_job(form, job, key, asio::use_awaitable);
    if (used)
        co_return co_await answer_again(with, std::move(*used), key->digest);
    with.tell(job);

    form_to_check checks;
    checks.id = form.id;
    checks.form = form.form;
    checks.site = form.site;
    checks.tenant = target.tenant;
    checks.study = target.study;
    checks.records = body.records;
    if (target.wait.count() == 0) {
        with.start_form_checks(job, std::move(checks), std::move(place));
        co_return accepted(job.id, answer, true);
    }
    const auto awaited = std::make_shared<awaited_findings>(co_await asio::this_coro::executor);
    findings_hook done = [awaited](const std::vector<finding_record>& found) {
        asio::post(awaited->timer.get_executor(), [awaited, found] {
            awaited->found = found;
            awaited->timer.cancel();
        });
    };
    awaited->timer.expires_after(target.wait);
    with.start_form_checks(job, std::move(checks), std::move(place), std::move(done));
    if (!awaited->found) {
        boost::system::error_code ended;
        co_await awaited->timer.async_wait(asio::redirect_error(asio::use_awaitable, ended));
    }
    if (awaited->found)
        co_return saved(std::move(form), *awaited->found);
    if (key) {
        key->status = 202;
        key->answer = answer;
        co_await with.store().async_answer_key(*key, asio::use_awaitable);
    }
    co_return accepted(job.id, answer, true);
}

asio::awaitable<service::admission>
admit_save(service& with, const save_target& target, std::chrono::nanoseconds time) {
    corogate::job_options who;
    who.tenant(target.tenant)
        .priority(corogate::priority_class::interactive)
        .name("form " + target.form);
    if (!target.asynchronous) // what was promised is done, however late
        who.deadline(time);
    co_return co_await with.async_admit(
        job_kind::form, target.study->rules_of(target.form).size(), std::move(who)
    );
}

asio::awaitable<http::response> save_form(service& with, http::request& from, corogate::job place) {
    save_target target = *from.left<save_target>();
    std::optional<key_record> key = std::move(target.key);
    if (key)
        key->digest = digest_of(from);
    if (target.used)
        co_return co_await answer_again(with, std::move(*target.used), key->digest);
    auto body = read_body(target, from);
    if (!body)
        co_return body.error();
    if (target.asynchronous)
        co_return co_await save_as_job(
            with, std::move(target), std::move(*body), std::move(key), std::move(place)
        );
    co_return co_await save_and_wait(
        with, std::move(target), std::move(*body), std::move(key), std::move(place)
    );
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

input<form_filter> read_form_filter(const http::request& from) {
    form_filter to;
    for (const auto& [name, into] :
         {std::pair("study", &to.study), std::pair("form", &to.form), std::pair("site", &to.site),
          std::pair("subject", &to.subject)}) {
        auto value = read_filter(from, name);
        if (!value)
            return value.error();
        *into = std::move(*value);
    }
    if (const auto state = from.query("state")) {
        for (const auto known : {form_state::received, form_state::checked})
            if (*state == to_string(known))
                to.state = known;
        if (!to.state)
            return wrong_query("state", "state is \"received\" or \"checked\"");
    }
    return to;
}

asio::awaitable<http::response> list_forms(service& with, http::request& from) {
    const auto page = read_page_request(from, 'f', {"study", "form", "site", "subject", "state"});
    if (!page)
        co_return page.error();
    auto which = read_form_filter(from);
    if (!which)
        co_return which.error();
    const auto got = co_await with.store().async_list_forms(
        std::move(*which), page->before, page->limit, asio::use_awaitable
    );
    json::array forms;
    for (const auto& form : got.items) {
        json::object one = describe(form);
        one["saved_at"] = time_or_null(form.saved_at);
        one["data_points"] = form.data_points;
        forms.push_back(std::move(one));
    }
    std::optional<std::string> next;
    if (got.more)
        next = write_cursor('f', got.last);
    co_return list_answer("forms", std::move(forms), std::move(next));
}

asio::awaitable<http::response> list_findings(service& with, http::request& from) {
    const auto page = read_page_request(from, 'n', {"study", "form", "site", "rule", "severity"});
    if (!page)
        co_return page.error();
    finding_filter which;
    for (const auto& [name, into] :
         {std::pair("study", &which.study), std::pair("form", &which.form),
          std::pair("site", &which.site), std::pair("rule", &which.rule),
          std::pair("severity", &which.severity)}) {
        auto value = read_filter(from, name);
        if (!value)
            co_return value.error();
        *into = std::move(*value);
    }
    if (which.severity && *which.severity != "error" && *which.severity != "warning" &&
        *which.severity != "info")
        co_return wrong_query("severity", "severity is \"error\", \"warning\" or \"info\"");
    const auto got = co_await with.store().async_list_findings(
        std::move(which), page->before, page->before_inner, page->limit, asio::use_awaitable
    );
    json::array findings;
    for (const auto& one : got.items) {
        json::object line;
        line["form_id"] = one.form.id;
        line["study"] = one.form.study;
        line["form"] = one.form.form;
        line["site"] = one.form.site;
        line["subject"] = one.form.subject;
        for (const auto& member : describe(one.finding))
            line[member.key()] = member.value();
        findings.push_back(std::move(line));
    }
    std::optional<std::string> next;
    if (got.more)
        next = write_cursor('n', got.last, got.inner);
    co_return list_answer("findings", std::move(findings), std::move(next));
}

} // namespace

void add_form_routes(http::router& to, service& with) {
    // Admission needs the target alone: n is the number of the form's rules.
    auto admit = [&with](const http::request& from) -> asio::awaitable<service::admission> {
        auto target = read_target(with, from);
        if (!target)
            co_return target.error();
        if (target->key) {
            const auto& key = *target->key;
            target->used = co_await with.store().async_find_key(
                key.scope, key.key, key.used_at, asio::use_awaitable
            );
        }
        const auto kept = std::make_shared<const save_target>(std::move(*target));
        from.leave(kept);
        if (kept->used)
            co_return corogate::job();
        co_return co_await admit_save(with, *kept, time_given(from, with.settings().save_time));
    };
    auto save = [&with](http::request& from, corogate::job job) {
        return save_form(with, from, std::move(job));
    };
    auto get = [&with](http::request& from) { return get_form(with, from); };
    auto list = [&with](http::request& from) { return list_forms(with, from); };
    auto findings = [&with](http::request& from) { return list_findings(with, from); };
    constexpr std::size_t body = 8 * 1024 * 1024;
    to.add("POST", "/v1/forms", admit, save, http::route_options().body_limit(body));
    to.add("GET", "/v1/forms", list);
    to.add("GET", "/v1/forms/{id}", get);
    to.add("GET", "/v1/findings", findings);
}

} // namespace server
