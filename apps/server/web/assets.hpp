#pragma once

#include <corogate/http/request.hpp>
#include <corogate/http/response.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace server::web {

/// A file compiled into the program; `sha256` is of its octets, in hexadecimal.
struct embedded_file {
    std::string_view name;
    std::string_view octets;
    std::string_view sha256;
};

/// The files of the page, of its kept library, and the sample saves of the demo study.
std::span<const embedded_file> embedded_files() noexcept;

/// One file as browsers get it.
///
/// The entity tag is the hash of the content. A file whose name holds a version (`uplot-1.6.32.js`)
/// never changes and may be kept for a year; every other one is asked for again each time, and
/// answered 304 where the browser has it.
class asset {
public:
    explicit asset(const embedded_file& from);

    std::string_view name() const noexcept { return name_; }
    std::string_view octets() const noexcept { return octets_; }
    std::string_view media_type() const noexcept { return media_type_; }
    const std::string& etag() const noexcept { return etag_; }
    bool immutable() const noexcept { return immutable_; }

    /// 200 with the octets, or 304 where `If-None-Match` of the request names them; with the policy
    /// that keeps a page to scripts, styles and data from here, and any other file from running.
    corogate::http::response answer(const corogate::http::request& to) const;

private:
    std::string_view name_;
    std::string_view octets_;
    std::string_view media_type_;
    std::string etag_;
    bool immutable_;
};

/// The type that goes with the end of a file's name; `application/octet-stream` for an unknown one.
std::string_view media_type_of(std::string_view name) noexcept;

/// Whether an `If-None-Match` field fits the entity tag: one of its list does, weakly compared, or
/// it is `*`.
bool names_tag(std::string_view if_none_match, std::string_view etag) noexcept;

/// Files by name. Immutable once made; safe to read from many threads.
class asset_table {
public:
    /// The views in `files` outlive the table.
    explicit asset_table(std::span<const embedded_file> files);

    /// Null where there is none of that name.
    const asset* find(std::string_view name) const noexcept;

private:
    std::vector<asset> assets_; // by name
};

} // namespace server::web
