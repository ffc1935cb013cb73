#pragma once

#include "edc/error.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace edc {

/// One record of a CSV text and the physical line (from 1) on which it begins.
struct csv_record {
    std::vector<std::string> fields;
    std::size_t line = 0;
};

/// A CSV text: first record the header, the rest padded to its length.
struct csv_text {
    csv_record header;
    std::vector<csv_record> records;
};

/// Reads CSV: UTF-8 (a byte order mark is skipped), commas, `"` with doubled quotes, line breaks
/// inside quotes, LF or CRLF ends, the last line end optional. Lines without any character are not
/// records; a shorter record is padded with empty fields; a longer one is an error. Fields are
/// verbatim, blanks included. `name` stands for the file in messages, which name the line too.
/// Bounded: at most `max_cells` fields after padding. Quoted and unquoted empty fields are the
/// same.
result<csv_text>
read_csv(std::string_view text, std::string_view name, std::size_t max_cells = 10'000'000);

/// Writes one field, quoted only where the reader needs it (comma, quote, line break, blanks at an
/// end).
std::string csv_field(std::string_view text);

} // namespace edc
