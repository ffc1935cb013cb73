#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace edc {

/// One value of a record: null, a number, a truth value or a text. An empty text is stored as null
/// by every loader; a text of blanks is neither null nor empty.
using cell = std::variant<std::monostate, double, bool, std::string>;

/// Null, or a text without characters.
bool is_empty(const cell& value) noexcept;

/// The value as findings print it; nothing for null.
std::optional<std::string> text_of(const cell& value);

enum class column_type { text, number, boolean };

std::string_view name_of(column_type type) noexcept;

struct column {
    std::string name;
    column_type type = column_type::text;
    std::vector<cell> cells; ///< one a record
};

/// A data set: named, typed columns of equal length.
///
/// Records are numbered from 1 in messages and from 0 here. A table put together from several ones
/// (a split data set, a join) remembers where each record came from: `dataset_of` and `number_of`
/// answer for it. Column names are unique and kept verbatim, blanks included. Once filled, a table
/// is only read, which any number of threads may do at once.
class table {
public:
    explicit table(std::string name = {})
        : name_(std::move(name)) {}

    const std::string& name() const noexcept { return name_; }
    std::size_t records() const noexcept { return records_; }
    const std::vector<column>& columns() const noexcept { return columns_; }

    /// The column of that name, or null.
    const column* find(std::string_view name) const noexcept;

    /// The table and the number (from 1) under which findings report a record.
    const std::string& dataset_of(std::size_t record) const noexcept;
    std::size_t number_of(std::size_t record) const noexcept;

    /// Adds a column, null in the records there are. False if the name is taken.
    bool add_column(std::string name, column_type type);

    /// Adds a record of nulls and answers its index.
    std::size_t add_record();

    /// Adds a record of nulls that findings report as record `number` of `dataset`.
    std::size_t add_record(const std::string& dataset, std::size_t number);

    void set(std::size_t column_index, std::size_t record, cell value) {
        columns_[column_index].cells[record] = std::move(value);
    }

    std::optional<std::size_t> index_of(std::string_view name) const noexcept;

    /// Gives a column its final type and cells; for loaders. `cells` has one entry a record.
    void assign(std::size_t column_index, column_type type, std::vector<cell> cells);

private:
    struct origin {
        std::uint32_t dataset = 0;
        std::uint32_t number = 0;
    };

    std::string name_;
    std::size_t records_ = 0;
    std::vector<column> columns_;
    std::map<std::string, std::size_t, std::less<>> index_;
    std::vector<std::string> datasets_; // what `origin::dataset` counts
    std::vector<origin> origins_;       // empty: every record is this table's own
};

} // namespace edc
