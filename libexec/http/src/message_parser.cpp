#include "message_parser.hpp"

#include "text.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <limits>

namespace corogate::http::detail {
namespace {

std::string_view plain(boost::beast::string_view text) noexcept {
    return {text.data(), text.size()};
}

} // namespace

message_parser::message_parser(std::vector<header_field>& fields, std::string& body)
    : fields_(fields)
    , body_(body) {
    // The guard has bounded the header, and the body is bounded below, by route.
    header_limit(std::numeric_limits<std::uint32_t>::max());
    body_limit(boost::none);
}

bool message_parser::parse_head(std::string_view block) {
    error_code error;
    const std::size_t taken = put(boost::asio::const_buffer(block.data(), block.size()), error);
    in_body_ = true;
    return !error && is_header_done() && taken == block.size();
}

message_parser::progress message_parser::parse_body(std::string_view octets, std::size_t& taken) {
    constexpr std::size_t slack = 16 * 1024; // for chunk headers
    taken = 0;
    if (is_done())
        return progress::done;
    if (octets.empty())
        return progress::need_more;
    // Beast 1.81 asserts when the last chunk comes in this piece and then one octet more.
    if (chunked() && octets == "0\r\n")
        return progress::need_more;
    error_code error;
    eager(true);
    taken = put(boost::asio::const_buffer(octets.data(), octets.size()), error);
    wire_ += taken;
    if (error == boost::beast::http::error::body_limit)
        return progress::too_large;
    if (error && error != boost::beast::http::error::need_more)
        return progress::malformed;
    // Tiny chunks and long chunk extensions make much traffic of little body.
    if (wire_ > slack + 2 * body_.size())
        return progress::malformed;
    return is_done() ? progress::done : progress::need_more;
}

void message_parser::
    on_request_impl(boost::beast::http::verb, view method, view target, int version, error_code&) {
    method_ = plain(method);
    target_ = plain(target);
    minor_ = version - 10;
}

void message_parser::on_field_impl(
    boost::beast::http::field, view name, view value, error_code& error
) {
    // After the header these are trailers, which could pass for header fields.
    if (in_body_)
        error = boost::beast::http::error::bad_field;
    else
        fields_.push_back({plain(name), plain(value)});
}

std::size_t message_parser::on_body_impl(view octets, error_code& error) {
    if (octets.size() > limit_ - body_.size()) {
        error = boost::beast::http::error::body_limit;
        return 0;
    }
    body_.append(octets.data(), octets.size());
    return octets.size();
}

void message_parser::on_chunk_header_impl(
    std::uint64_t octets, view extensions, error_code& error
) {
    // Beast lets line ends through where they are quoted; others would end the line there.
    if (!std::all_of(extensions.begin(), extensions.end(), is_value_char))
        error = boost::beast::http::error::bad_chunk_extension;
    else if (octets > limit_ - body_.size()) // known before they come
        error = boost::beast::http::error::body_limit;
}

std::size_t message_parser::on_chunk_body_impl(std::uint64_t, view octets, error_code& error) {
    return on_body_impl(octets, error);
}

} // namespace corogate::http::detail
