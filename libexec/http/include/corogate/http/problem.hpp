#pragma once

#include <chrono>
#include <corogate/http/response.hpp>
#include <corogate/refusal.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace corogate::http {

/// An answer that says what went wrong, for people and for programs (RFC 9457,
/// `application/problem+json`, never cached).
///
/// Members written: `type`, `title`, `status`, `detail`, `reason`, and those set below. `reason` is
/// a short kebab-case word a program can compare; `detail` is one sentence for people and holds no
/// personal data and nothing the client sent. 429 and 503 always carry `Retry-After` (whole
/// seconds, at least 1) and `retry_after_ms`.
/// Converts to `response`, so a handler returns it as it is.
class problem {
public:
    problem(unsigned status, std::string_view reason, std::string_view detail);

    /// Default: `urn:corogate:problem:<reason>`.
    problem& type(std::string_view uri);
    /// Default: the words that go with the status.
    problem& title(std::string_view words);
    /// Which part of the request is meant: `count`, `/datasets/VS/0/VSDTC`.
    problem& field(std::string_view where);
    /// The resource that is there all the same: a form that was stored and not checked.
    problem& id(std::string_view of);
    /// Whether anything of the request was carried out. Left out where not set.
    problem& executed(bool yes);
    problem& executed_unknown();
    /// Whether the same request can succeed later.
    problem& retryable(bool yes);
    problem& retry_after(std::chrono::milliseconds wait);
    /// Ends the connection after the answer.
    problem& close();

    unsigned status() const noexcept { return status_; }
    std::string_view reason() const noexcept { return reason_; }

    response to_response() const;
    operator response() const { return to_response(); } // NOLINT: meant to convert

private:
    unsigned status_;
    std::string reason_;
    std::string detail_;
    std::string type_;
    std::string title_;
    std::string field_;
    std::string id_;
    std::string executed_;
    std::optional<bool> retryable_;
    std::optional<std::chrono::milliseconds> retry_after_;
    bool close_ = false;
};

/// The answer to a request that the pool refused: 503, `reason` as in `reason_name(errc)`,
/// `executed: false`, `retryable`, and a retry hint (1 s where the refusal knows none). While
/// draining, and after, it also ends the connection.
response from_refusal(const refusal& no);

} // namespace corogate::http
