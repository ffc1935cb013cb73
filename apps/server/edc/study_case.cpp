#include "edc/study_case.hpp"

#include "edc/csv.hpp"
#include "edc/json_text.hpp"
#include "edc/text.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace edc {
namespace {

constexpr std::size_t max_cells = 10'000'000;

struct declared_variable {
    std::string dataset; // lower case
    std::string name;
    column_type type = column_type::text;
};

std::string lower_ascii(std::string_view text) {
    std::string out{text};
    for (char& c : out)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c + 32);
    return out;
}

column_type type_named(std::string_view word) {
    if (word == "Num" || word == "Number")
        return column_type::number;
    if (word == "Boolean")
        return column_type::boolean;
    return column_type::text;
}

result<csv_text> read_file(const file_source& from, const std::string& file, std::size_t cells) {
    auto text = from.read(file);
    if (!text)
        return text.error();
    return read_csv(*text, join_path(from.label(), file), cells);
}

std::optional<std::size_t> position(const csv_record& header, std::string_view name) {
    const auto found = std::find(header.fields.begin(), header.fields.end(), name);
    if (found == header.fields.end())
        return std::nullopt;
    return static_cast<std::size_t>(found - header.fields.begin());
}

result<environment> load_environment(const file_source& from) {
    const std::string file = "_env.json";
    auto text = from.read(file);
    if (!text)
        return text.error();
    const auto name = join_path(from.label(), file);
    auto parsed = parse_json(*text, name, 8);
    if (!parsed)
        return parsed.error();
    if (!parsed->is_object())
        return error{fmt::format("{}: an object is expected", name)};
    environment env;
    const std::pair<const char*, std::string*> known[] = {
        {"PRODUCT", &env.product},   {"VERSION", &env.version}, {"SUBSTANDARD", &env.substandard},
        {"USE_CASE", &env.use_case}, {"STUDY", &env.study},
    };
    for (const auto& [key, place] : known) {
        const auto* value = parsed->get_object().if_contains(key);
        if (value == nullptr)
            continue;
        if (!value->is_string())
            return error{fmt::format("{}: {} must be a text", name, key)};
        *place = std::string{value->get_string().begin(), value->get_string().end()};
    }
    return env;
}

result<std::vector<declared_variable>> load_variables(const file_source& from) {
    const std::string file = "_variables.csv";
    auto csv = read_file(from, file, max_cells);
    if (!csv)
        return csv.error();
    const auto dataset = position(csv->header, "dataset");
    const auto variable = position(csv->header, "variable");
    const auto type = position(csv->header, "type");
    if (!dataset || !variable || !type)
        return error{fmt::format(
            "{}, line {}: the columns dataset, variable and type are expected",
            join_path(from.label(), file), csv->header.line
        )};
    std::vector<declared_variable> out;
    out.reserve(csv->records.size());
    for (const auto& record : csv->records)
        out.push_back(
            {lower_ascii(record.fields[*dataset]), record.fields[*variable],
             type_named(record.fields[*type])}
        );
    return out;
}

/// A filled field as a value of a declared type.
std::optional<cell> converted(std::string&& field, column_type type) {
    switch (type) {
    case column_type::text:
        return cell{std::move(field)};
    case column_type::number:
        // A field of blanks is not null, and no number either.
        if (const auto number = parse_number(field))
            return cell{*number};
        return std::nullopt;
    case column_type::boolean:
        break;
    }
    const auto word = lower_ascii(field);
    if (word == "true" || word == "1")
        return cell{true};
    if (word == "false" || word == "0")
        return cell{false};
    return std::nullopt;
}

result<table> fill(
    csv_text csv, std::string table_name, const std::string& file_key, const std::string& shown,
    const std::vector<declared_variable>& variables
) {
    table out{std::move(table_name)};
    for (std::size_t i = 0; i < csv.records.size(); ++i)
        out.add_record();
    for (std::size_t source = 0; source < csv.header.fields.size(); ++source) {
        const auto& name = csv.header.fields[source];
        if (name.empty())
            continue;
        if (!out.add_column(name, column_type::text))
            return error{
                fmt::format("{}, line {}: the column {} occurs twice", shown, csv.header.line, name)
            };
        const auto declared =
            std::find_if(variables.begin(), variables.end(), [&](const declared_variable& v) {
                return v.name == name && v.dataset == file_key;
            });
        auto type = column_type::text;
        if (declared != variables.end()) {
            type = declared->type;
        } else {
            bool filled = false;
            bool numeric = true;
            for (const auto& record : csv.records) {
                const auto& field = record.fields[source];
                if (field.empty())
                    continue;
                filled = true;
                numeric = numeric && parse_number(field).has_value();
            }
            if (filled && numeric)
                type = column_type::number;
        }
        std::vector<cell> cells(csv.records.size());
        for (std::size_t i = 0; i < csv.records.size(); ++i) {
            auto& field = csv.records[i].fields[source];
            if (field.empty())
                continue;
            auto value = converted(std::move(field), type);
            if (!value)
                return error{fmt::format(
                    "{}, line {}: the value of {} is not a {}", shown, csv.records[i].line, name,
                    name_of(type)
                )};
            cells[i] = std::move(*value);
        }
        out.assign(out.columns().size() - 1, type, std::move(cells));
    }
    return out;
}

} // namespace

const table* study_case::find(std::string_view name) const noexcept {
    for (const auto& each : tables)
        if (each.name() == name)
            return &each;
    return nullptr;
}

result<study_case> load_case(const file_source& from, missing_table policy) {
    study_case out;
    auto env = load_environment(from);
    if (!env)
        return env.error();
    out.env = std::move(*env);
    auto variables = load_variables(from);
    if (!variables)
        return variables.error();
    const auto list = read_file(from, "_datasets.csv", max_cells);
    if (!list)
        return list.error();
    const auto list_name = join_path(from.label(), "_datasets.csv");
    const auto filename = position(list->header, "Filename");
    const auto dataset_name = position(list->header, "Dataset Name");
    if (!filename)
        return error{fmt::format(
            "{}, line {}: the column Filename is expected", list_name, list->header.line
        )};
    std::size_t cells = 0;
    for (const auto& record : list->records) {
        const auto& file = record.fields[*filename];
        if (file.empty())
            return error{fmt::format("{}, line {}: Filename is empty", list_name, record.line)};
        if (file.find_first_of("/\\") != std::string::npos || file == "..")
            return error{fmt::format(
                "{}, line {}: Filename must be a plain file name", list_name, record.line
            )};
        std::string name = dataset_name ? record.fields[*dataset_name] : "";
        if (name.empty())
            name = upper_ascii(file);
        if (out.find(name) != nullptr)
            return error{fmt::format(
                "{}, line {}: the data set {} occurs twice", list_name, record.line, name
            )};
        const auto key = lower_ascii(file);
        const auto csv_name = file + ".csv";
        if (policy == missing_table::empty && !from.has(csv_name)) {
            table bare{name};
            for (const auto& each : *variables)
                if (each.dataset == key && !each.name.empty())
                    bare.add_column(each.name, each.type);
            out.tables.push_back(std::move(bare));
            continue;
        }
        auto csv = read_file(from, csv_name, max_cells - cells);
        if (!csv)
            return csv.error();
        cells += csv->header.fields.size() * (csv->records.size() + 1);
        auto filled = fill(
            std::move(*csv), std::move(name), key, join_path(from.label(), csv_name), *variables
        );
        if (!filled)
            return filled.error();
        out.tables.push_back(std::move(*filled));
    }
    return out;
}

} // namespace edc
