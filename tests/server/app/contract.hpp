#pragma once

#include "client.hpp"
#include "schema.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace app {

/// The OpenAPI document, and which of the answers it describes have been seen.
class contract {
public:
    explicit contract(std::string_view text)
        : document_(boost::json::parse(text))
        , schemas_(document_) {
        for (const auto& [path, item] : at(document_, "paths").as_object())
            for (const auto& [method, operation] : item.as_object())
                if (method != "parameters")
                    operations_[upper(method) + " " + std::string(path)] = &operation;
    }

    const boost::json::value& document() const { return document_; }
    const schema_checker& schemas() const { return schemas_; }

    /// `GET /v1/jobs/{id}`, as the router writes it.
    std::vector<std::string> operations() const {
        std::vector<std::string> all;
        for (const auto& [name, operation] : operations_)
            all.push_back(name);
        return all;
    }

    const boost::json::object& operation(const std::string& name) const {
        return operations_.at(name)->as_object();
    }

    /// The role that an operation needs; empty where it is for everybody.
    std::string role(const std::string& name) const {
        const auto* role = operation(name).if_contains("x-role");
        return role ? std::string(role->as_string()) : std::string();
    }

    bool describes(const std::string& name, int status) const {
        return operation(name).at("responses").as_object().contains(std::to_string(status));
    }

    /// Takes note of an answer. What the document does not say of it fails the test.
    void saw(const std::string& name, const reply& got) {
        BOOST_TEST_CONTEXT(name << " answered " << got.status << ": " << got.body.substr(0, 600)) {
            const auto& responses = operation(name).at("responses").as_object();
            const auto* of = responses.if_contains(std::to_string(got.status));
            if (of) {
                seen_.insert(name + " " + std::to_string(got.status));
                check(resolve(*of), got);
                return;
            }
            const auto& any = resolve(responses.at("default"));
            check(any, got);
            saw_any(any, got);
        }
    }

    /// An answer to something that is not an operation: an unknown path, a malformed message.
    void saw_elsewhere(const reply& got) {
        BOOST_TEST_CONTEXT("answered " << got.status << ": " << got.body.substr(0, 600)) {
            const auto& any = at(document_, "components").at("responses").at("Problem");
            check(any, got);
            saw_any(any, got);
        }
    }

    /// What is described and was not seen, a line each.
    std::vector<std::string> unseen() const {
        std::vector<std::string> missing;
        for (const auto& [name, operation] : operations_)
            for (const auto& [status, answer] : operation->at("responses").as_object())
                if (status != "default" && !seen_.contains(name + " " + std::string(status)))
                    missing.push_back(name + " " + std::string(status));
        for (const auto& [reason, example] : examples_of_any())
            if (!seen_.contains("any " + std::string(reason)))
                missing.push_back("any " + std::string(reason));
        return missing;
    }

private:
    using value = boost::json::value;

    static const value& at(const value& of, std::string_view name) {
        return of.as_object().at(name);
    }

    static std::string upper(std::string_view text) {
        std::string to(text);
        std::transform(to.begin(), to.end(), to.begin(), [](char c) {
            return static_cast<char>(c - 'a' + 'A');
        });
        return to;
    }

    const value& resolve(const value& of) const { return schemas_.resolve(of); }

    const boost::json::object& examples_of_any() const {
        return at(document_, "components")
            .at("responses")
            .at("Problem")
            .at("content")
            .at("application/problem+json")
            .at("examples")
            .as_object();
    }

    /// The answers that no operation describes as its own are those in the examples of `default`.
    void saw_any(const value& any, const reply& got) {
        static_cast<void>(any);
        const auto said = object_of(got);
        const auto reason = text_of(said, "reason");
        const auto* example = examples_of_any().if_contains(reason);
        BOOST_TEST((example != nullptr), "the document does not mention " << reason);
        if (!example)
            return;
        BOOST_TEST(example->at("value").at("status") == value(got.status));
        seen_.insert("any " + reason);
    }

    void check(const value& response, const reply& got) {
        const auto& of = response.as_object();
        if (const auto* headers = of.if_contains("headers"))
            for (const auto& [name, given] : headers->as_object()) {
                const auto& header = resolve(given).as_object();
                const auto* required = header.if_contains("required");
                const auto text = got.header(name);
                if (required && required->as_bool())
                    BOOST_TEST(!text.empty(), "no header field " << name);
                const auto& schema = header.at("schema");
                if (!text.empty() && schema.at("type") == "integer")
                    report(schemas_.faults(value(std::stoll(text)), schema));
            }

        const auto* contents = of.if_contains("content");
        const auto full = got.header("Content-Type");
        const auto type = full.substr(0, full.find(';'));
        if (!contents) {
            BOOST_TEST(got.body.empty());
            return;
        }
        const auto* content = contents->as_object().if_contains(type);
        BOOST_TEST((content != nullptr), "the document says nothing of " << type);
        if (!content || !type.ends_with("json"))
            return;
        boost::json::error_code wrong;
        const auto body = boost::json::parse(got.body, wrong);
        BOOST_TEST(!wrong, "the body is no JSON");
        report(schemas_.faults(body, content->at("schema")));
    }

    static void report(const std::vector<std::string>& faults) {
        for (const auto& fault : faults)
            BOOST_ERROR(fault);
    }

    const value document_;
    const schema_checker schemas_;
    std::map<std::string, const value*> operations_;
    std::set<std::string> seen_;
};

} // namespace app
