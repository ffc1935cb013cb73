#include "edc/rule_set.hpp"

#include "edc/json_text.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace edc {
namespace {

/// Reads one file into `into`; true if it was a rule, accepted or not.
result<bool> read_into(
    rule_set& into, std::set<std::string, std::less<>>& ids, const file_source& from,
    const std::string& path, const std::string& fallback_id, bool must_be_rule
) {
    const auto text = from.read(path);
    if (!text)
        return text.error();
    const auto name = join_path(from.label(), path);
    const auto parsed = parse_json(*text, name);
    if (!parsed)
        return parsed.error();
    const auto* object = parsed->if_object();
    const bool looks_like_one =
        object != nullptr && (object->contains("Core") || object->contains("Check"));
    if (!looks_like_one) {
        if (must_be_rule)
            return error{fmt::format("{}: this is not a rule, it has neither Core nor Check", name)
            };
        return false;
    }
    auto read = parse_rule(*parsed, fallback_id);
    if (auto* accepted = std::get_if<rule>(&read)) {
        if (ids.insert(accepted->id).second)
            into.rules.push_back(std::move(*accepted));
        else
            into.rejected.push_back(
                {accepted->id, "another rule has the same id", std::move(accepted->where),
                 "Core.Id", std::move(accepted->source)}
            );
    } else {
        into.rejected.push_back(std::get<rejected_rule>(std::move(read)));
    }
    return true;
}

} // namespace

result<rule_set> load_rules(const file_source& from) {
    rule_set out;
    std::set<std::string, std::less<>> ids;
    bool any = false;
    for (const auto& file : from.files("")) {
        if (!file.ends_with(".json"))
            continue;
        const bool is_rule_file = file == "rule.json";
        const auto read = read_into(
            out, ids, from, file, is_rule_file ? from.base_name() : file.substr(0, file.size() - 5),
            is_rule_file
        );
        if (!read)
            return read.error();
        any = any || *read;
    }
    for (const auto& folder : from.folders("")) {
        const auto file = folder + "/rule.json";
        if (!from.has(file))
            continue;
        const auto read = read_into(out, ids, from, file, folder, true);
        if (!read)
            return read.error();
        any = true;
    }
    if (!any)
        return error{fmt::format("{}: there is no rule in this folder", from.label())};
    return out;
}

result<rule_set> load_rule_file(const file_source& from, std::string_view path) {
    rule_set out;
    std::set<std::string, std::less<>> ids;
    const std::string file{path};
    auto fallback = file.substr(file.rfind('/') + 1);
    if (fallback.ends_with(".json"))
        fallback.resize(fallback.size() - 5);
    const auto read = read_into(out, ids, from, file, fallback, true);
    if (!read)
        return read.error();
    return out;
}

rule_set overlay(const rule_set& files, std::vector<std::variant<rule, rejected_rule>> uploaded) {
    rule_set out = files;
    for (auto& each : uploaded) {
        const std::string id = std::visit([](const auto& one) { return one.id; }, each);
        const auto has_id = [&id](const auto& one) { return one.id == id; };
        std::erase_if(out.rejected, has_id);
        const auto old = std::find_if(out.rules.begin(), out.rules.end(), has_id);
        if (auto* good = std::get_if<rule>(&each)) {
            if (old != out.rules.end())
                *old = std::move(*good);
            else
                out.rules.push_back(std::move(*good));
        } else {
            if (old != out.rules.end())
                out.rules.erase(old);
            out.rejected.push_back(std::move(std::get<rejected_rule>(each)));
        }
    }
    return out;
}

} // namespace edc
