#include "text.hpp"

#include <algorithm>
#include <array>
#include <corogate/http/guard.hpp>

namespace corogate::http {
namespace {

using detail::equals_ignoring_case;
using detail::is_digit;

constexpr std::array<std::string_view, 8> known_methods = {
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE",
};

bool is_target_char(char c) noexcept { return c > 0x20 && c < 0x7f && c != '#'; }

/// host [":" port]; the host is a name, an IPv4 address or an IPv6 address in brackets.
bool is_authority(std::string_view text) noexcept {
    std::string_view port;
    if (!text.empty() && text.front() == '[') {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos || end < 3)
            return false;
        for (char c : text.substr(1, end - 1))
            if (!is_digit(c) && !(detail::to_lower(c) >= 'a' && detail::to_lower(c) <= 'f') &&
                c != ':' && c != '.')
                return false;
        port = text.substr(end + 1);
    } else {
        const std::size_t end = std::min(text.find(':'), text.size());
        if (end == 0)
            return false;
        for (char c : text.substr(0, end))
            if (!is_digit(c) && !detail::is_alpha(c) && c != '.' && c != '-' && c != '_')
                return false;
        port = text.substr(end);
    }
    if (port.empty())
        return true;
    if (port.front() != ':' || port.size() < 2 || port.size() > 6)
        return false;
    port.remove_prefix(1);
    return std::all_of(port.begin(), port.end(), is_digit);
}

} // namespace

void guard::reset() noexcept {
    objection_ = {};
    skipped_ = line_ = seen_ = fields_ = 0;
    got_request_line_ = complete_ = false;
}

bool guard::refuse(unsigned status, std::string_view reason, std::string_view detail) {
    objection_ = {status, reason, detail};
    return false;
}

bool guard::scan(std::string_view octets) {
    while (!complete_ && !objection_) {
        const std::size_t end = octets.find('\n', std::max(seen_, line_));
        if (end == std::string_view::npos) {
            seen_ = octets.size();
            const std::string_view begun = octets.substr(line_);
            if (!got_request_line_ && !check_request_line(begun, false))
                return false;
            if (octets.size() - skipped_ >= limits_.header())
                return refuse(431, "header-too-large", "The header block is too large.");
            return false;
        }
        if (end + 1 - skipped_ > limits_.header()) {
            // A target that is too long on its own deserves its own status.
            const std::string_view begun = octets.substr(line_, limits_.header());
            if (!got_request_line_ && !check_request_line(begun, false))
                return false;
            return refuse(431, "header-too-large", "The header block is too large.");
        }
        std::string_view line = octets.substr(line_, end - line_);
        if (line.empty() || line.back() != '\r')
            return refuse(400, "bad-line-end", "A line of the header does not end with CR LF.");
        line.remove_suffix(1);
        const bool first = line_ == 0;
        line_ = end + 1;
        if (line.empty()) {
            if (got_request_line_) {
                complete_ = true;
            } else if (first) {
                skipped_ = line_;
            } else {
                return refuse(400, "bad-request-line", "The request line is empty.");
            }
        } else if (!got_request_line_) {
            got_request_line_ = true;
            check_request_line(line, true);
        } else {
            check_field_line(line);
        }
    }
    return complete_;
}

bool guard::check_request_line(std::string_view line, bool whole) {
    const auto bad = [this] {
        return refuse(400, "bad-request-line", "The request line is malformed.");
    };
    const auto method_of = line.substr(0, line.find(' '));
    const bool method_ends = method_of.size() < line.size();
    // The CR of an empty line whose LF is still on its way.
    if (!whole && line == "\r")
        return true;
    for (char c : method_of.substr(0, limits_.method() + 1))
        if (!detail::is_token_char(c))
            return bad();
    if (method_of.size() > limits_.method())
        return refuse(501, "method-unknown", "The method is not one this server knows.");
    if (whole && (method_of.empty() || !method_ends))
        return bad();
    if (!method_ends)
        return true;
    if (method_of.empty())
        return bad();

    line.remove_prefix(method_of.size() + 1);
    const auto target = line.substr(0, line.find(' '));
    const bool target_ends = target.size() < line.size();
    if (target.size() > limits_.target())
        return refuse(414, "target-too-long", "The request target is too long.");
    if (!whole)
        return true;
    if (target.empty() || !target_ends ||
        !std::all_of(target.begin(), target.end(), is_target_char))
        return bad();

    line.remove_prefix(target.size() + 1);
    constexpr std::string_view protocol = "HTTP/";
    if (line.size() != 8 || line.substr(0, 5) != protocol || !is_digit(line[5]) || line[6] != '.' ||
        !is_digit(line[7]))
        return bad();
    if (line[5] != '1' || (line[7] != '0' && line[7] != '1'))
        return refuse(
            505, "version-not-supported", "This server speaks HTTP/1.1 and HTTP/1.0 only."
        );
    return true;
}

bool guard::check_field_line(std::string_view line) {
    if (++fields_ > limits_.fields())
        return refuse(431, "too-many-fields", "The header has too many fields.");
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !detail::is_token(line.substr(0, colon)))
        return refuse(400, "bad-field", "A header field is malformed or folded.");
    const std::string_view value = line.substr(colon + 1);
    if (!std::all_of(value.begin(), value.end(), detail::is_value_char))
        return refuse(400, "bad-field", "A header field holds control characters.");
    return true;
}

// ------------------------------------------------------------------------------------------------

namespace {

/// What the fields say about the message, as counts and values.
struct survey {
    int hosts = 0;
    int lengths = 0;
    int codings = 0;
    std::string_view host;
    std::string_view length;
    std::string_view coding;
    std::string_view expect;
    bool expects = false;
};

survey look_over(const std::vector<header_field>& fields) noexcept {
    survey seen;
    for (const header_field& one : fields) {
        switch (one.name.size()) { // spares most comparisons
        case 4:
            if (equals_ignoring_case(one.name, "host"))
                ++seen.hosts, seen.host = one.value;
            break;
        case 6:
            if (equals_ignoring_case(one.name, "expect")) {
                // Twice is more than this server knows.
                seen.expect = seen.expects ? std::string_view("twice") : one.value;
                seen.expects = true;
            }
            break;
        case 14:
            if (equals_ignoring_case(one.name, "content-length"))
                ++seen.lengths, seen.length = one.value;
            break;
        case 17:
            if (equals_ignoring_case(one.name, "transfer-encoding"))
                ++seen.codings, seen.coding = one.value;
            break;
        default:
            break;
        }
    }
    return seen;
}

objection check_framing(const survey& seen, int minor, framing& into) {
    if (seen.codings > 0) {
        if (seen.lengths > 0)
            return {
                400, "ambiguous-length", "Transfer-Encoding and Content-Length do not go together."
            };
        if (minor == 0)
            return {400, "bad-transfer-encoding", "HTTP/1.0 has no Transfer-Encoding."};
        if (seen.codings > 1)
            return {400, "bad-transfer-encoding", "Transfer-Encoding is given twice."};
        if (!equals_ignoring_case(seen.coding, "chunked"))
            return {
                501, "transfer-encoding-unknown",
                "The only Transfer-Encoding this server knows is chunked."
            };
        into.chunked = true;
        return {};
    }
    if (seen.lengths == 0)
        return {};
    // 18 digits stay below 2^63; a body of that length is beyond any limit.
    if (seen.lengths > 1 || seen.length.empty() || seen.length.size() > 18 ||
        !std::all_of(seen.length.begin(), seen.length.end(), is_digit))
        return {400, "bad-content-length", "Content-Length is not one decimal number."};
    for (char digit : seen.length)
        into.content_length = into.content_length * 10 + static_cast<unsigned>(digit - '0');
    return {};
}

/// Accepts `/path`, `http://host/path` and, for OPTIONS, `*`.
objection check_target(
    std::string_view method, std::string_view target, std::string_view host, framing& into
) {
    into.target = target;
    if (target.starts_with('/'))
        return {};
    if (target == "*" && method == "OPTIONS")
        return {};
    constexpr std::string_view plain = "http://";
    constexpr std::string_view secure = "https://";
    std::size_t scheme = 0;
    if (equals_ignoring_case(target.substr(0, plain.size()), plain))
        scheme = plain.size();
    else if (equals_ignoring_case(target.substr(0, secure.size()), secure))
        scheme = secure.size();
    else
        return {400, "bad-target", "The request target is malformed."};
    target.remove_prefix(scheme);
    const std::string_view authority = target.substr(0, target.find_first_of("/?"));
    // The rest of the server goes by Host, so the two must not differ.
    if (!is_authority(authority) || !equals_ignoring_case(authority, host))
        return {
            400, "bad-target", "The host in the request target is not the Host of the request."
        };
    into.target = target.substr(authority.size());
    if (into.target.empty())
        into.target = "/";
    if (!into.target.starts_with('/'))
        return {400, "bad-target", "The request target is malformed."};
    return {};
}

} // namespace

framing check_head(
    std::string_view method, std::string_view target, int minor,
    const std::vector<header_field>& fields
) {
    framing result;
    const survey seen = look_over(fields);
    result.refused = check_framing(seen, minor, result);
    if (result.refused)
        return result;
    // HTTP/1.0 knew no Host.
    if (seen.hosts > 1 || (seen.hosts == 0 && minor > 0) ||
        (seen.hosts == 1 && !is_authority(seen.host))) {
        result.refused = {400, "bad-host", "The request needs one well-formed Host."};
        return result;
    }
    if (std::find(known_methods.begin(), known_methods.end(), method) == known_methods.end()) {
        result.refused = {501, "method-unknown", "The method is not one this server knows."};
        return result;
    }
    result.refused = check_target(method, target, seen.host, result);
    if (result.refused)
        return result;
    if (seen.expects && minor > 0) {
        if (equals_ignoring_case(seen.expect, "100-continue"))
            result.expects_continue = result.has_body();
        else
            result.unknown_expectation = true;
    }
    return result;
}

} // namespace corogate::http
