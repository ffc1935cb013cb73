#include "text.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <corogate/http/response.hpp>
#include <stdexcept>

namespace corogate::http {
namespace {

bool is_framing_field(std::string_view name) noexcept {
    for (std::string_view one :
         {"connection", "content-length", "date", "server", "transfer-encoding", "trailer",
          "upgrade", "keep-alive"})
        if (detail::equals_ignoring_case(one, name))
            return true;
    return false;
}

} // namespace

response::response(unsigned status)
    : status_(status) {
    if (status < 200 || status > 599)
        throw std::invalid_argument("the status of an answer is not within 200...599");
}

response response::text(unsigned status, std::string body, std::string_view type) {
    response answer(status);
    answer.body(std::move(body), type);
    return answer;
}

response response::json(unsigned status, const boost::json::value& body) {
    return text(status, boost::json::serialize(body), "application/json");
}

response& response::set(std::string_view name, std::string_view value) {
    if (!detail::is_token(name))
        throw std::invalid_argument("the name of a header field is not a token");
    if (is_framing_field(name))
        throw std::invalid_argument("this header field belongs to the connection");
    if (!std::all_of(value.begin(), value.end(), detail::is_value_char))
        throw std::invalid_argument("the value of a header field holds control characters");
    for (field& one : headers_)
        if (detail::equals_ignoring_case(one.first, name)) {
            one.second = value;
            return *this;
        }
    headers_.emplace_back(name, value);
    return *this;
}

std::optional<std::string_view> response::header(std::string_view name) const noexcept {
    for (const field& one : headers_)
        if (detail::equals_ignoring_case(one.first, name))
            return one.second;
    return std::nullopt;
}

response& response::body(std::string octets, std::string_view content_type) {
    set("Content-Type", content_type);
    body_ = std::move(octets);
    stream_ = nullptr;
    return *this;
}

response& response::stream(stream_body produce, std::string_view content_type) {
    if (!produce)
        throw std::invalid_argument("a stream without a producer");
    set("Content-Type", content_type);
    body_.clear();
    stream_ = std::move(produce);
    return *this;
}

std::string_view status_phrase(unsigned status) noexcept {
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 303:
        return "See Other";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 406:
        return "Not Acceptable";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 410:
        return "Gone";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 415:
        return "Unsupported Media Type";
    case 417:
        return "Expectation Failed";
    case 422:
        return "Unprocessable Content";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Other";
    }
}

} // namespace corogate::http
