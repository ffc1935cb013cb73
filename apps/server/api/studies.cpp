#include "api/input.hpp"
#include "api/routes.hpp"
#include "edc/json_text.hpp"

#include <algorithm>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <corogate/http/problem.hpp>
#include <memory>
#include <string>
#include <utility>
#include <variant>

namespace asio = boost::asio;
namespace http = corogate::http;
namespace json = boost::json;

namespace server {

namespace {

input<std::shared_ptr<const edc::study>>
read_study(const service& with, const http::request& from) {
    auto study = with.studies()->share(from.param("study"));
    if (!study)
        return unknown("study", "this server has no such study").to_response();
    return study;
}

/// The rule of that id in a set, whether it can be evaluated or not: its text, else null.
const std::string* find_rule(const edc::rule_set& in, std::string_view id) {
    for (const auto& rule : in.rules)
        if (rule.id == id)
            return &rule.source;
    for (const auto& rule : in.rejected)
        if (rule.id == id)
            return &rule.source;
    return nullptr;
}

/// Where a rule that is in force comes from: an uploaded one has another text than the files'.
const char* origin_of(const edc::study* files, std::string_view id, const std::string& text) {
    const auto* theirs = files ? find_rule(files->rules(), id) : nullptr;
    return theirs && *theirs == text ? "files" : "uploaded";
}

asio::awaitable<http::response> list_studies(service& with, http::request&) {
    const auto studies = with.studies();
    json::array list;
    for (const auto& id : studies->ids()) {
        const auto* study = studies->find(id);
        json::object one;
        one["id"] = id;
        json::array forms;
        for (const auto& form : study->forms())
            forms.emplace_back(form);
        one["forms"] = std::move(forms);
        one["rules"] = study->rules().rules.size();
        list.push_back(std::move(one));
    }
    json::object to;
    to["studies"] = std::move(list);
    co_return http::response::json(200, to);
}

asio::awaitable<http::response> get_study(service& with, http::request& from) {
    const auto study = read_study(with, from);
    if (!study)
        co_return study.error();
    json::object to;
    to["id"] = (*study)->id();
    json::array forms;
    for (const auto& form : (*study)->forms()) {
        json::object one;
        one["form"] = form;
        one["rules"] = (*study)->rules_of(form).size();
        forms.push_back(std::move(one));
    }
    to["forms"] = std::move(forms);
    to["rules"] = (*study)->rules().rules.size();
    co_return http::response::json(200, to);
}

asio::awaitable<http::response> list_rules(service& with, http::request& from) {
    const auto study = read_study(with, from);
    if (!study)
        co_return study.error();
    const auto* files = with.study_of_files((*study)->id());
    json::array rules;
    for (const auto& rule : (*study)->rules().rules) {
        json::object one;
        one["id"] = rule.id;
        one["severity"] = rule.severity;
        one["message"] = rule.message;
        one["origin"] = origin_of(files, rule.id, rule.source);
        rules.push_back(std::move(one));
    }
    for (const auto& rule : (*study)->rules().rejected) {
        json::object one;
        one["id"] = rule.id;
        one["rejected"] = rule.reason;
        one["origin"] = origin_of(files, rule.id, rule.source);
        rules.push_back(std::move(one));
    }
    json::object to;
    to["rules"] = std::move(rules);
    co_return http::response::json(200, to);
}

http::response no_such_rule() {
    return unknown("rule", "the study has no such rule").to_response();
}

asio::awaitable<http::response> get_rule(service& with, http::request& from) {
    const auto study = read_study(with, from);
    if (!study)
        co_return study.error();
    const auto* text = find_rule((*study)->rules(), from.param("rule"));
    if (!text)
        co_return no_such_rule();
    co_return http::response::text(200, *text, "application/json");
}

/// The text to keep, or what is wrong with it.
input<std::string> read_rule(const http::request& from, const std::string& id) {
    auto body = json_body(from);
    if (!body)
        return body.error();
    const json::value whole(std::move(*body));
    const auto read = edc::parse_rule(whole, id);
    if (const auto* no = std::get_if<edc::rejected_rule>(&read))
        return wrong_field(no->field, no->reason).to_response();
    const auto& rule = std::get<edc::rule>(read);
    if (rule.id != id)
        return wrong_field("Core.Id", "the rule has another id than the path").to_response();
    return input<std::string>(boost::system::in_place_value, rule.source);
}

asio::awaitable<http::response> put_rule(service& with, http::request& from) {
    const auto study = read_study(with, from);
    if (!study)
        co_return study.error();
    std::string id(from.param("rule"));
    if (id.size() > 200) {
        http::problem no(400, "invalid-path", "the id of a rule has 1 to 200 octets");
        co_return no.field("rule").executed(false).to_response();
    }
    auto text = read_rule(from, id);
    if (!text)
        co_return text.error();
    const std::string kept = *text;
    const bool known = find_rule((*study)->rules(), id) != nullptr;
    const bool replaced = co_await with.async_put_rule((*study)->id(), id, std::move(*text));
    auto answer = http::response::text(replaced || known ? 200 : 201, kept, "application/json");
    if (answer.status() == 201)
        answer.set("Location", from.target().substr(0, from.target().find('?')));
    co_return answer;
}

asio::awaitable<http::response> delete_rule(service& with, http::request& from) {
    const auto study = read_study(with, from);
    if (!study)
        co_return study.error();
    std::string id(from.param("rule"));
    if (co_await with.async_remove_rule((*study)->id(), id))
        co_return http::response(204);
    const auto* files = with.study_of_files((*study)->id());
    if (!files || !find_rule(files->rules(), id))
        co_return no_such_rule();
    http::problem no(
        409, "rule-of-files", "The rule is one of the study's files, which the server only reads."
    );
    co_return no.executed(false).to_response();
}

} // namespace

void add_study_routes(http::router& to, service& with) {
    constexpr std::size_t body = 256 * 1024;
    const auto admin = http::route_options().needs(http::role::admin);
    auto studies = [&with](http::request& from) { return list_studies(with, from); };
    auto study = [&with](http::request& from) { return get_study(with, from); };
    auto rules = [&with](http::request& from) { return list_rules(with, from); };
    auto rule = [&with](http::request& from) { return get_rule(with, from); };
    auto put = [&with](http::request& from) { return put_rule(with, from); };
    auto remove = [&with](http::request& from) { return delete_rule(with, from); };
    to.add("GET", "/v1/studies", studies);
    to.add("GET", "/v1/studies/{study}", study);
    to.add("GET", "/v1/studies/{study}/rules", rules);
    to.add("GET", "/v1/studies/{study}/rules/{rule}", rule);
    to.add(
        "PUT", "/v1/studies/{study}/rules/{rule}", put, http::route_options(admin).body_limit(body)
    );
    to.add("DELETE", "/v1/studies/{study}/rules/{rule}", remove, admin);
}

} // namespace server
