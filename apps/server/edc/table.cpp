#include "edc/table.hpp"

#include "edc/text.hpp"

#include <algorithm>

namespace edc {

bool is_empty(const cell& value) noexcept {
    if (std::holds_alternative<std::monostate>(value))
        return true;
    const auto* text = std::get_if<std::string>(&value);
    return text != nullptr && text->empty();
}

std::optional<std::string> text_of(const cell& value) {
    if (const auto* text = std::get_if<std::string>(&value))
        return *text;
    if (const auto* number = std::get_if<double>(&value))
        return number_text(*number);
    if (const auto* truth = std::get_if<bool>(&value))
        return *truth ? "true" : "false";
    return std::nullopt;
}

std::string_view name_of(column_type type) noexcept {
    switch (type) {
    case column_type::number:
        return "number";
    case column_type::boolean:
        return "boolean";
    case column_type::text:
        break;
    }
    return "text";
}

std::optional<std::size_t> table::index_of(std::string_view name) const noexcept {
    const auto found = index_.find(name);
    if (found == index_.end())
        return std::nullopt;
    return found->second;
}

const column* table::find(std::string_view name) const noexcept {
    const auto at = index_of(name);
    return at ? &columns_[*at] : nullptr;
}

const std::string& table::dataset_of(std::size_t record) const noexcept {
    return origins_.empty() ? name_ : datasets_[origins_[record].dataset];
}

std::size_t table::number_of(std::size_t record) const noexcept {
    return origins_.empty() ? record + 1 : origins_[record].number;
}

bool table::add_column(std::string name, column_type type) {
    if (!index_.emplace(name, columns_.size()).second)
        return false;
    columns_.push_back(column{std::move(name), type, std::vector<cell>(records_)});
    return true;
}

std::size_t table::add_record() {
    for (column& each : columns_)
        each.cells.emplace_back();
    return records_++;
}

std::size_t table::add_record(const std::string& dataset, std::size_t number) {
    auto known = std::find(datasets_.begin(), datasets_.end(), dataset);
    if (known == datasets_.end())
        known = datasets_.insert(known, dataset);
    origins_.push_back(
        {static_cast<std::uint32_t>(known - datasets_.begin()), static_cast<std::uint32_t>(number)}
    );
    return add_record();
}

void table::assign(std::size_t column_index, column_type type, std::vector<cell> cells) {
    columns_[column_index].type = type;
    columns_[column_index].cells = std::move(cells);
    columns_[column_index].cells.resize(records_);
}

} // namespace edc
