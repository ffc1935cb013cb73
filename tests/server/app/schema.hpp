#pragma once

#include <boost/json.hpp>
#include <cmath>
#include <regex>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace app {

/// Checks values against the schemas of an OpenAPI 3.1 document: the part of JSON Schema 2020-12
/// that the document uses. A keyword that it does not know throws: nothing passes unchecked.
class schema_checker {
public:
    using value = boost::json::value;
    using object = boost::json::object;

    explicit schema_checker(const value& document)
        : document_(document) {}

    /// What a reference stands for; anything else is itself.
    const value& resolve(const value& of) const {
        const auto* here = of.if_object();
        const auto* reference = here ? here->if_contains("$ref") : nullptr;
        if (!reference)
            return of;
        std::string pointer(reference->as_string());
        if (!pointer.starts_with("#/"))
            throw std::invalid_argument("a reference to elsewhere: " + pointer);
        return resolve(document_.at_pointer(pointer.substr(1)));
    }

    /// What is wrong with the value, a line each; none where it fits.
    std::vector<std::string> faults(const value& of, const value& schema) const {
        std::vector<std::string> found;
        check(of, schema, "", found);
        return found;
    }

private:
    using lines = std::vector<std::string>;

    void check(const value& of, const value& given, const std::string& where, lines& to) const {
        const auto say = [&](const std::string& what) {
            to.push_back("at " + (where.empty() ? "the top" : where) + ": " + what);
        };
        const value& resolved = resolve(given);
        if (resolved.is_bool()) {
            if (!resolved.as_bool())
                say("nothing is allowed here");
            return;
        }
        const object& schema = resolved.as_object();
        for (const auto& [key, wants] : schema)
            check_keyword(of, schema, key, wants, where, say, to);
    }

    template <typename Say>
    void check_keyword(
        const value& of, const object& schema, std::string_view key, const value& wants,
        const std::string& where, const Say& say, lines& to
    ) const {
        static const std::set<std::string_view> notes{"description", "default", "example"};
        if (notes.contains(key))
            return;
        if (key == "type") {
            if (!has_type(of, wants))
                say("not of type " + serialize(wants) + ": " + serialize(of));
        } else if (key == "enum") {
            const auto& all = wants.as_array();
            if (std::find(all.begin(), all.end(), of) == all.end())
                say("not one of " + serialize(wants) + ": " + serialize(of));
        } else if (key == "const") {
            if (of != wants)
                say("not " + serialize(wants));
        } else if (key == "anyOf") {
            lines best;
            for (const auto& one : wants.as_array()) {
                lines tried;
                check(of, one, where, tried);
                if (tried.empty())
                    return;
                best.insert(best.end(), tried.begin(), tried.end());
            }
            say("fits none of its alternatives");
            to.insert(to.end(), best.begin(), best.end());
        } else if (key == "required") {
            for (const auto& name : wants.as_array())
                if (of.is_object() && !of.as_object().contains(name.as_string()))
                    say("no member " + serialize(name));
        } else if (key == "properties") {
            if (of.is_object())
                for (const auto& [name, one] : wants.as_object())
                    if (const auto* member = of.as_object().if_contains(name))
                        check(*member, one, where + "/" + std::string(name), to);
        } else if (key == "additionalProperties") {
            const auto* known = schema.if_contains("properties");
            if (of.is_object())
                for (const auto& [name, member] : of.as_object())
                    if (!known || !known->as_object().contains(name))
                        check(member, wants, where + "/" + std::string(name), to);
        } else if (key == "items") {
            if (of.is_array())
                for (std::size_t i = 0; i < of.as_array().size(); ++i)
                    check(of.as_array()[i], wants, where + "/" + std::to_string(i), to);
        } else if (key == "minProperties") {
            if (of.is_object() && of.as_object().size() < wants.to_number<std::size_t>())
                say("too few members");
        } else if (key == "minItems" || key == "maxItems") {
            if (of.is_array())
                compare(of.as_array().size(), key, wants, say);
        } else if (key == "minLength" || key == "maxLength") {
            if (of.is_string()) // of ASCII texts
                compare(of.as_string().size(), key, wants, say);
        } else if (key == "minimum" || key == "maximum") {
            if (of.is_number())
                compare(of.to_number<double>(), key, wants, say);
        } else if (key == "pattern") {
            if (of.is_string() &&
                !std::regex_search(
                    std::string(of.as_string()), std::regex(std::string(wants.as_string()))
                ))
                say("does not look like " + serialize(wants) + ": " + serialize(of));
        } else if (key == "format") {
            check_format(of, wants.as_string(), say);
        } else {
            throw std::invalid_argument("a keyword that is not checked: " + std::string(key));
        }
    }

    template <typename Number, typename Say>
    static void compare(Number has, std::string_view key, const value& bound, const Say& say) {
        const auto number = static_cast<double>(has);
        const auto wanted = bound.to_number<double>();
        if (key.starts_with("min") ? number < wanted : number > wanted)
            say(std::string(key) + " is " + serialize(bound) + ", here are " +
                std::to_string(number));
    }

    template <typename Say>
    static void check_format(const value& of, std::string_view format, const Say& say) {
        static const std::regex time(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)");
        static const std::regex uri(R"([a-z]+:\S+)");
        if (format != "date-time" && format != "uri")
            throw std::invalid_argument("a format that is not checked: " + std::string(format));
        if (of.is_string() &&
            !std::regex_match(std::string(of.as_string()), format == "uri" ? uri : time))
            say("not of the format " + std::string(format) + ": " + serialize(of));
    }

    static bool has_type(const value& of, const value& wants) {
        if (const auto* list = wants.if_array())
            return std::any_of(list->begin(), list->end(), [&](const value& one) {
                return has_type(of, one);
            });
        const std::string_view type = wants.as_string();
        if (type == "string")
            return of.is_string();
        if (type == "boolean")
            return of.is_bool();
        if (type == "null")
            return of.is_null();
        if (type == "object")
            return of.is_object();
        if (type == "array")
            return of.is_array();
        if (type == "number")
            return of.is_number();
        if (type == "integer")
            return of.is_int64() || of.is_uint64() ||
                   (of.is_double() && of.as_double() == std::floor(of.as_double()));
        throw std::invalid_argument("an unknown type: " + std::string(type));
    }

    const value& document_;
};

} // namespace app
