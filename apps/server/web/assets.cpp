#include "web/assets.hpp"

#include <algorithm>

namespace http = corogate::http;

namespace server::web {

namespace {

/// Scripts, styles, pictures and data from here alone, nothing inline; no text becomes markup
/// (trusted types); no frame around the page, no form to elsewhere.
constexpr std::string_view page_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

/// A file opened by itself (the icon is a document of its own) runs nothing.
constexpr std::string_view file_policy = "default-src 'none'; frame-ancestors 'none'";

/// `-1.6.32.`: a dash, and numbers with dots between and after.
bool has_version(std::string_view name) noexcept {
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    const auto dash = name.rfind('-');
    if (dash == std::string_view::npos)
        return false;
    int numbers = 0;
    for (std::size_t at = dash + 1; at < name.size() && digit(name[at]); ++at) {
        while (at < name.size() && digit(name[at]))
            ++at;
        if (at == name.size() || name[at] != '.')
            return false;
        ++numbers;
    }
    return numbers >= 2;
}

std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

} // namespace

std::string_view media_type_of(std::string_view name) noexcept {
    constexpr std::pair<std::string_view, std::string_view> types[] = {
        {".html", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".json", "application/json"},
        {".txt", "text/plain; charset=utf-8"},
        {".yaml", "application/yaml; charset=utf-8"}
    };
    for (const auto& [end, type] : types)
        if (name.ends_with(end))
            return type;
    return "application/octet-stream";
}

bool names_tag(std::string_view if_none_match, std::string_view etag) noexcept {
    if (trimmed(if_none_match) == "*")
        return true;
    // Our tags hold no comma, so a list may be cut at each.
    while (!if_none_match.empty()) {
        const auto comma = std::min(if_none_match.find(','), if_none_match.size());
        auto one = trimmed(if_none_match.substr(0, comma));
        if (one.starts_with("W/"))
            one.remove_prefix(2);
        if (one == etag)
            return true;
        if_none_match.remove_prefix(std::min(comma + 1, if_none_match.size()));
    }
    return false;
}

asset::asset(const embedded_file& from)
    : name_(from.name)
    , octets_(from.octets)
    , media_type_(media_type_of(from.name))
    , etag_('"' + std::string(from.sha256.substr(0, 32)) + '"')
    , immutable_(has_version(from.name)) {}

http::response asset::answer(const http::request& to) const {
    const auto known = to.header("If-None-Match");
    http::response answer(known && names_tag(*known, etag_) ? 304 : 200);
    if (answer.status() == 200)
        answer.body(std::string(octets_), media_type_);
    answer.set("ETag", etag_);
    answer.set("Cache-Control", immutable_ ? "public, max-age=31536000, immutable" : "no-cache");
    // No other site embeds what is ours, and nobody learns where a reader came from.
    answer.set("Cross-Origin-Resource-Policy", "same-origin");
    answer.set("Referrer-Policy", "no-referrer");
    const bool page = media_type_.starts_with("text/html");
    answer.set("Content-Security-Policy", page ? page_policy : file_policy);
    return answer;
}

asset_table::asset_table(std::span<const embedded_file> files) {
    assets_.reserve(files.size());
    for (const auto& file : files)
        assets_.emplace_back(file);
    std::sort(assets_.begin(), assets_.end(), [](const asset& a, const asset& b) {
        return a.name() < b.name();
    });
}

const asset* asset_table::find(std::string_view name) const noexcept {
    const auto at = std::lower_bound(
        assets_.begin(), assets_.end(), name,
        [](const asset& one, std::string_view wanted) { return one.name() < wanted; }
    );
    return at != assets_.end() && at->name() == name ? &*at : nullptr;
}

} // namespace server::web
