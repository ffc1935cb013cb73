#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <corogate/http/request.hpp>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace corogate::http::detail {

/// Beast's parser, filling in a request without an allocation a field.
///
/// First the whole header block in one piece, which must stay where it is (the fields point into
/// it); then the body in pieces. For one message.
class message_parser final : public boost::beast::http::basic_parser<true> {
public:
    enum class progress { need_more, done, malformed, too_large };

    message_parser(std::vector<header_field>& fields, std::string& body);

    /// The complete block; false where Beast finds it malformed.
    bool parse_head(std::string_view block);

    std::string_view method() const noexcept { return method_; }
    std::string_view target() const noexcept { return target_; }
    int minor() const noexcept { return minor_; }

    void body_limit_is(std::size_t octets) noexcept { limit_ = octets; }

    /// Takes what it can of the octets and adds it to the body; `taken` says how many.
    progress parse_body(std::string_view octets, std::size_t& taken);

private:
    using error_code = boost::beast::error_code;
    using view = boost::beast::string_view;

    void
    on_request_impl(boost::beast::http::verb, view method, view target, int version, error_code&)
        override;
    void on_response_impl(int, view, int, error_code&) override {}
    void
    on_field_impl(boost::beast::http::field, view name, view value, error_code& error) override;
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(view octets, error_code& error) override;
    void on_chunk_header_impl(std::uint64_t octets, view extensions, error_code& error) override;
    std::size_t on_chunk_body_impl(std::uint64_t, view octets, error_code& error) override;
    void on_finish_impl(error_code&) override {}

    std::vector<header_field>& fields_;
    std::string& body_;
    std::string_view method_;
    std::string_view target_;
    int minor_ = 1;
    std::size_t limit_ = 0;
    std::size_t wire_ = 0; // octets of the body as sent, framing included
    bool in_body_ = false;
};

} // namespace corogate::http::detail
