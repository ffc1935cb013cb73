#include "edc/csv.hpp"

#include "edc/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace edc {
namespace {

/// The scanner behind read_csv: one pass, position and line in its members.
class scanner {
public:
    scanner(std::string_view text, std::string_view name)
        : text_(text)
        , name_(name) {}

    bool at_end() const { return at_ >= text_.size(); }

    /// Skips a line end if one is here; CR counts only in front of LF.
    bool take_line_end() {
        if (at_end())
            return false;
        std::size_t length = 0;
        if (text_[at_] == '\n')
            length = 1;
        else if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n')
            length = 2;
        if (length == 0)
            return false;
        at_ += length;
        ++line_;
        return true;
    }

    /// One record; the scanner stands on its first character.
    result<csv_record> take_record() {
        csv_record record;
        record.line = line_;
        for (;;) {
            auto field = take_field();
            if (!field)
                return field.error();
            record.fields.push_back(std::move(*field));
            if (at_end() || take_line_end())
                return record;
            ++at_; // the comma
        }
    }

private:
    bool at_line_end() const {
        return text_[at_] == '\n' ||
               (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n');
    }

    result<std::string> take_field() {
        if (!at_end() && text_[at_] == '"')
            return take_quoted();
        const auto begin = at_;
        while (!at_end() && text_[at_] != ',' && !at_line_end())
            ++at_;
        return {boost::system::in_place_value, text_.substr(begin, at_ - begin)};
    }

    result<std::string> take_quoted() {
        const auto opened = line_;
        std::string out;
        ++at_;
        for (;;) {
            const auto quote = text_.find('"', at_);
            if (quote == std::string_view::npos)
                return error{fmt::format(
                    "{}, line {}: a quoted field is opened and never closed", name_, opened
                )};
            const auto piece = text_.substr(at_, quote - at_);
            line_ += static_cast<std::size_t>(std::count(piece.begin(), piece.end(), '\n'));
            out += piece;
            at_ = quote + 1;
            if (at_end() || text_[at_] != '"')
                break;
            out += '"';
            ++at_;
        }
        if (!at_end() && text_[at_] != ',' && !at_line_end())
            return error{fmt::format(
                "{}, line {}: there is text between a closing quote and the next comma", name_,
                line_
            )};
        return {boost::system::in_place_value, std::move(out)};
    }

    std::string_view text_;
    std::string_view name_;
    std::size_t at_ = 0;
    std::size_t line_ = 1;
};

} // namespace

result<csv_text> read_csv(std::string_view text, std::string_view name, std::size_t max_cells) {
    if (text.substr(0, 3) == "\xEF\xBB\xBF")
        text.remove_prefix(3);
    if (!is_utf8(text)) {
        // Name the first bad line: whole lines can be judged alone, a line break is never part of a
        // longer sequence.
        std::size_t line = 1;
        std::string_view rest = text;
        for (;; ++line) {
            const auto end = std::min(rest.find('\n'), rest.size());
            if (!is_utf8(rest.substr(0, end)) || end == rest.size())
                break;
            rest.remove_prefix(end + 1);
        }
        return error{fmt::format("{}, line {}: the text is not UTF-8", name, line)};
    }

    scanner from{text, name};
    csv_text out;
    bool have_header = false;
    std::size_t cells = 0;
    while (!from.at_end()) {
        if (from.take_line_end())
            continue;
        auto record = from.take_record();
        if (!record)
            return record.error();
        if (!have_header) {
            out.header = std::move(*record);
            have_header = true;
            cells = out.header.fields.size();
        } else {
            const auto width = out.header.fields.size();
            if (record->fields.size() > width)
                return error{fmt::format(
                    "{}, line {}: the record has {} fields, the header only {}", name, record->line,
                    record->fields.size(), width
                )};
            cells += width;
            if (cells <= max_cells) {
                record->fields.resize(width);
                out.records.push_back(std::move(*record));
            }
        }
        if (cells > max_cells)
            return error{fmt::format("{}: there are more than {} fields", name, max_cells)};
    }
    if (!have_header)
        return error{fmt::format("{}: the file is empty, a header line is expected", name)};
    return out;
}

std::string csv_field(std::string_view text) {
    const bool blank_end = !text.empty() && (text.front() == ' ' || text.back() == ' ');
    if (!blank_end && text.find_first_of(",\"\r\n") == std::string_view::npos)
        return std::string{text};
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"')
            out += '"';
        out += c;
    }
    out += '"';
    return out;
}

} // namespace edc
