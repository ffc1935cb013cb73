#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace corogate::http {

/// A request target in origin form (`/v1/forms?study=S`), split and percent-decoded once.
///
/// What it lets through is text: valid UTF-8 without control characters, no encoded slash in the
/// path, no `.` or `..` segment, no query key twice. Decoded keys and segments are compared octet
/// by octet. In the query `+` is a space.
///
/// All views point into this object and live until the next `assign`. Not copyable for that reason.
/// One object is for one thread at a time; `assign` reuses its memory.
class target {
public:
    struct parameter {
        std::string_view name;
        std::string_view value;
    };

    target() = default;
    target(const target&) = delete;
    target& operator=(const target&) = delete;

    /// Takes a new target apart. Empty when it is well formed, else a sentence for the client (a
    /// literal; nothing of the input is in it); then the object holds no path and no query.
    std::string_view assign(std::string_view origin_form);

    /// The decoded path: `/v1/forms/A 1`.
    std::string_view path() const noexcept { return path_; }

    /// The decoded path between its slashes; `/` is one empty segment.
    const std::vector<std::string_view>& segments() const noexcept { return segments_; }

    /// The decoded query, in the order given. A key without `=` has an empty value.
    const std::vector<parameter>& query() const noexcept { return query_; }

    /// One value of the query; nothing where the key is absent.
    std::optional<std::string_view> query(std::string_view name) const noexcept;

private:
    std::string_view split_path(std::string_view raw);
    std::string_view split_query(std::string_view raw);

    std::string text_;
    std::string_view path_;
    std::vector<std::string_view> segments_;
    std::vector<parameter> query_;
};

} // namespace corogate::http
