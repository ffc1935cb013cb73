#pragma once

#include <corogate/http/request.hpp>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace corogate::http {

/// Bounds of a header block.
class guard_limits {
public:
    guard_limits() {} // user-declared on purpose: not an aggregate

    /// Octets of the whole block, line ends included; more is a 431.
    guard_limits& header(std::size_t octets) { return header_ = octets, *this; }
    /// Octets of the request target; more is a 414.
    guard_limits& target(std::size_t octets) { return target_ = octets, *this; }
    /// Header fields; more is a 431.
    guard_limits& fields(std::size_t count) { return fields_ = count, *this; }
    /// Octets of the method; more is a 501.
    guard_limits& method(std::size_t octets) { return method_ = octets, *this; }

    std::size_t header() const noexcept { return header_; }
    std::size_t target() const noexcept { return target_; }
    std::size_t fields() const noexcept { return fields_; }
    std::size_t method() const noexcept { return method_; }

private:
    std::size_t header_ = 8 * 1024;
    std::size_t target_ = 4 * 1024;
    std::size_t fields_ = 100;
    std::size_t method_ = 24;
};

/// Why a message is refused. `status` 0: it is not. The texts are literals.
struct objection {
    unsigned status = 0;
    std::string_view reason;
    std::string_view detail;

    explicit operator bool() const noexcept { return status != 0; }
};

/// Looks at the raw octets of a header block before any parser sees them.
///
/// Refuses what parsers along a chain read differently: bare CR or LF, NUL and other control
/// characters, folded lines, white space around the request line or before a colon, bad method and
/// target octets, HTTP versions other than 1.0 and 1.1; and what is too large, as soon as that is
/// known. One empty line before the request line is let through.
///
/// Does no I/O and holds no octets: give it all octets received so far, again and again; it goes on
/// where it stopped. One object is for one message at a time (`reset`) and one thread at a time.
class guard {
public:
    explicit guard(const guard_limits& limits = {})
        : limits_(limits) {}

    /// True when the block is complete; then `skipped()` and `size()` say where it is. False while
    /// more octets are needed, or when there is an `objection()`; then read no further.
    bool scan(std::string_view octets);

    const objection& refused() const noexcept { return objection_; }

    /// Octets of the empty line before the block: 0 or 2.
    std::size_t skipped() const noexcept { return skipped_; }
    /// Octets of the block with its closing empty line.
    std::size_t size() const noexcept { return line_ - skipped_; }

    void reset() noexcept;

private:
    bool check_request_line(std::string_view line, bool whole);
    bool check_field_line(std::string_view line);
    bool refuse(unsigned status, std::string_view reason, std::string_view detail);

    guard_limits limits_;
    objection objection_;
    std::size_t skipped_ = 0;
    std::size_t line_ = 0; // start of the line that is not complete yet
    std::size_t seen_ = 0; // no line end before this
    std::size_t fields_ = 0;
    bool got_request_line_ = false;
    bool complete_ = false;
};

/// How the rest of a message is to be read, and whom it is for.
struct framing {
    objection refused;
    /// The target in origin form, or `*`.
    std::string_view target;
    bool chunked = false;
    /// Octets of the body where it is not chunked.
    std::uint64_t content_length = 0;
    /// The client waits for `100 Continue` before it sends the body.
    bool expects_continue = false;
    /// The client expects something that this server does not know: 417.
    bool unknown_expectation = false;

    bool has_body() const noexcept { return chunked || content_length != 0; }
};

/// Looks at the parsed header: methods, target form, Host, Transfer-Encoding and Content-Length.
/// `minor` is the minor version, 0 or 1. An objection means: answer and close.
framing check_head(
    std::string_view method, std::string_view target, int minor,
    const std::vector<header_field>& fields
);

} // namespace corogate::http
