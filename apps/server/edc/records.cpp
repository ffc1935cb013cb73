#include "edc/records.hpp"

#include "edc/text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <fmt/format.h>

#include <cmath>
#include <string>
#include <utility>

namespace edc {
namespace {

namespace json = boost::json;

std::string_view view(json::string_view text) { return {text.data(), text.size()}; }

/// Names of a body go into messages only if they look like names: the rest could be anything.
std::string shown(std::string_view name) {
    if (name.empty() || name.size() > 40)
        return "?";
    for (const char c : name)
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e)
            return "?";
    return std::string{name};
}

std::string_view kind_of(column_type type) {
    switch (type) {
    case column_type::number:
        return "a number";
    case column_type::boolean:
        return "true or false";
    case column_type::text:
        break;
    }
    return "a text";
}

/// The value as a cell of that type; nothing if it does not fit.
std::optional<cell> converted(const json::value& value, column_type type) {
    if (value.is_null())
        return cell{};
    if (const auto* text = value.if_string()) {
        const auto content = view(*text);
        if (content.empty())
            return cell{};
        switch (type) {
        case column_type::text:
            return cell{std::string{content}};
        case column_type::number:
            if (const auto number = parse_number(content))
                return cell{*number};
            return std::nullopt;
        case column_type::boolean:
            if (content == "true" || content == "false")
                return cell{content == "true"};
            return std::nullopt;
        }
    }
    if (const auto* truth = value.if_bool())
        return type == column_type::boolean ? std::optional<cell>{*truth} : std::nullopt;
    if (type != column_type::number)
        return std::nullopt;
    if (const auto* whole = value.if_int64())
        return cell{static_cast<double>(*whole)};
    if (const auto* whole = value.if_uint64())
        return cell{static_cast<double>(*whole)};
    if (const auto* number = value.if_double(); number != nullptr && std::isfinite(*number))
        return cell{*number};
    return std::nullopt;
}

} // namespace

result<study_case>
read_records(const json::value& datasets, const study_case& study, std::size_t max_cells) {
    const auto* body = datasets.if_object();
    if (body == nullptr)
        return error{"datasets must be an object of lists of records", "datasets"};
    for (const auto& entry : *body)
        if (study.find(view(entry.key())) == nullptr)
            return error{
                "the study has no data set of this name", "datasets." + shown(view(entry.key()))
            };

    study_case out;
    out.env = study.env;
    std::size_t cells = 0;
    for (const auto& shape : study.tables) {
        const auto* value = body->if_contains(shape.name());
        if (value == nullptr)
            continue;
        const auto place = "datasets." + shape.name();
        const auto* records = value->if_array();
        if (records == nullptr)
            return error{fmt::format("{} must be a list of records", place), place};
        cells += records->size() * (shape.columns().size() + 1);
        if (cells > max_cells)
            return error{"the save has too many records", place};

        table filled{shape.name()};
        for (const auto& each : shape.columns())
            filled.add_column(each.name, each.type);
        for (std::size_t i = 0; i < records->size(); ++i) {
            const auto record_place = fmt::format("{}[{}]", place, i);
            const auto* record = (*records)[i].if_object();
            if (record == nullptr)
                return error{fmt::format("{} must be an object", record_place), record_place};
            const auto at = filled.add_record();
            for (const auto& entry : *record) {
                const auto name = view(entry.key());
                const auto field = record_place + '.' + shown(name);
                const auto index = filled.index_of(name);
                if (!index)
                    return error{
                        fmt::format("{} has no variable of this name", shape.name()), field
                    };
                const auto type = filled.columns()[*index].type;
                auto converted_value = converted(entry.value(), type);
                if (!converted_value)
                    return error{fmt::format("{} must be {}", field, kind_of(type)), field};
                filled.set(*index, at, std::move(*converted_value));
            }
        }
        out.tables.push_back(std::move(filled));
    }
    return out;
}

} // namespace edc
