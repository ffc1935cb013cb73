#pragma once

#include <corogate/http/request.hpp>
#include <string>
#include <string_view>

namespace corogate::http::detail {

/// How the connection and the router fill in a request.
struct request_access {
    static std::string& head(request& of) { return of.head_; }
    static std::string& body(request& of) { return of.body_; }
    static std::vector<header_field>& fields(request& of) { return of.fields_; }
    static std::vector<http::target::parameter>& params(request& of) { return of.params_; }
    static void method(request& of, std::string_view name) { of.method_ = name; }
    static void remote(request& of, const boost::asio::ip::address& who) { of.remote_ = who; }
    static void who(request& of, const identity& found) { of.who_ = &found; }

    static std::string_view assign_target(request& of, std::string_view origin_form) {
        of.raw_target_ = origin_form;
        return of.target_.assign(origin_form);
    }

    /// For the next request of the same connection; keeps the memory, unless it is much.
    static void reset(request& of) {
        constexpr std::size_t much = 64 * 1024;
        of.head_.clear();
        of.method_ = {};
        of.raw_target_ = {};
        of.who_ = nullptr;
        of.trace_.reset();
        of.left_.reset();
        of.fields_.clear();
        of.params_.clear();
        if (of.body_.capacity() > much)
            of.body_ = std::string();
        of.body_.clear();
    }
};

} // namespace corogate::http::detail
