#include "text.hpp"

#include <algorithm>
#include <corogate/http/target.hpp>

namespace corogate::http {
namespace {

int hex_value(char c) noexcept {
    if (detail::is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum class part { path, query };

/// Appends the decoded form; a sentence where there is none.
std::string_view decode(std::string& out, std::string_view raw, part of) {
    const std::size_t from = out.size();
    for (std::size_t i = 0; i < raw.size(); ++i) {
        char c = raw[i];
        if (c == '%') {
            const int high = i + 2 < raw.size() ? hex_value(raw[i + 1]) : -1;
            const int low = i + 2 < raw.size() ? hex_value(raw[i + 2]) : -1;
            if (high < 0 || low < 0)
                return "A percent sign in the target is not followed by two hexadecimal digits.";
            c = static_cast<char>(high * 16 + low);
            if (of == part::path && c == '/')
                return "The path holds an encoded slash.";
            i += 2;
        } else if (c == '+' && of == part::query) {
            c = ' ';
        }
        out += c;
    }
    if (!detail::is_plain_text(std::string_view(out).substr(from)))
        return "The target holds control characters or is not UTF-8.";
    return {};
}

} // namespace

std::string_view target::assign(std::string_view origin_form) {
    text_.clear();
    path_ = {};
    segments_.clear();
    query_.clear();
    // Decoding only shrinks, so no view taken below is moved by a reallocation.
    text_.reserve(origin_form.size());

    const std::size_t mark = origin_form.find('?');
    std::string_view wrong = split_path(origin_form.substr(0, mark));
    if (wrong.empty() && mark != std::string_view::npos)
        wrong = split_query(origin_form.substr(mark + 1));
    if (!wrong.empty()) {
        path_ = {};
        segments_.clear();
        query_.clear();
    }
    return wrong;
}

std::string_view target::split_path(std::string_view raw) {
    if (raw.empty() || raw.front() != '/')
        return "The path does not begin with a slash.";
    for (bool more = true; more;) {
        raw.remove_prefix(1);
        const std::size_t end = std::min(raw.find('/'), raw.size());
        text_ += '/';
        const std::size_t from = text_.size();
        if (const auto wrong = decode(text_, raw.substr(0, end), part::path); !wrong.empty())
            return wrong;
        const std::string_view segment = std::string_view(text_).substr(from);
        if (segment == "." || segment == "..")
            return "The path holds a dot segment.";
        segments_.push_back(segment);
        more = end < raw.size();
        raw.remove_prefix(end);
    }
    path_ = text_;
    return {};
}

std::string_view target::split_query(std::string_view raw) {
    while (!raw.empty()) {
        const std::size_t end = std::min(raw.find('&'), raw.size());
        const std::string_view pair = raw.substr(0, end);
        raw.remove_prefix(std::min(end + 1, raw.size()));
        if (pair.empty())
            continue;
        const std::size_t equals = std::min(pair.find('='), pair.size());
        const std::size_t name_at = text_.size();
        if (const auto wrong = decode(text_, pair.substr(0, equals), part::query); !wrong.empty())
            return wrong;
        const std::size_t value_at = text_.size();
        if (equals < pair.size())
            if (const auto wrong = decode(text_, pair.substr(equals + 1), part::query);
                !wrong.empty())
                return wrong;
        const std::string_view text = text_;
        const parameter found{text.substr(name_at, value_at - name_at), text.substr(value_at)};
        if (query(found.name))
            return "A query parameter is given twice.";
        query_.push_back(found);
    }
    return {};
}

std::optional<std::string_view> target::query(std::string_view name) const noexcept {
    for (const parameter& one : query_)
        if (one.name == name)
            return one.value;
    return std::nullopt;
}

} // namespace corogate::http
