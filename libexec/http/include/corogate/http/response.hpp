#pragma once

#include <boost/json/fwd.hpp>
#include <corogate/http/body_writer.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace corogate::http {

/// An answer: status, header fields, body.
///
/// The connection adds `Date`, `Server`, `Content-Length` or `Transfer-Encoding`, `Connection` and
/// `X-Content-Type-Options`. Setting one of the framing fields here, a field with octets that would
/// break the header, or a status outside 200...599 throws `std::invalid_argument`.
/// A value: copy and move as you like; one thread at a time.
class response {
public:
    using field = std::pair<std::string, std::string>;

    explicit response(unsigned status = 200);

    static response
    text(unsigned status, std::string body, std::string_view type = "text/plain; charset=utf-8");

    /// `application/json`. The caller includes <boost/json.hpp>.
    static response json(unsigned status, const boost::json::value& body);

    unsigned status() const noexcept { return status_; }

    /// Sets a field, replacing one of that name whatever its case.
    response& set(std::string_view name, std::string_view value);
    std::optional<std::string_view> header(std::string_view name) const noexcept;
    const std::vector<field>& headers() const noexcept { return headers_; }

    response& body(std::string octets, std::string_view content_type);
    const std::string& body() const noexcept { return body_; }

    /// A body that is written piece by piece while it comes about; it replaces `body`. There is no
    /// `Content-Length`; a HEAD request gets the head and does not call `produce`.
    response& stream(stream_body produce, std::string_view content_type);
    /// Empty where the body is `body()`.
    const stream_body& streams() const noexcept { return stream_; }

    /// Ends the connection after this answer.
    response& close() noexcept {
        close_ = true;
        return *this;
    }
    bool closes() const noexcept { return close_; }

private:
    unsigned status_;
    bool close_ = false;
    std::vector<field> headers_;
    std::string body_;
    stream_body stream_;
};

/// The words that go with a status: `Service Unavailable`.
std::string_view status_phrase(unsigned status) noexcept;

} // namespace corogate::http
