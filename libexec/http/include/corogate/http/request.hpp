#pragma once

#include <boost/asio/ip/address.hpp>
#include <corogate/http/identity.hpp>
#include <corogate/http/target.hpp>
#include <corogate/http/trace_context.hpp>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace corogate::http {

namespace detail {
struct request_access;
}

/// A header field as it was received, without the white space around its value.
struct header_field {
    std::string_view name;
    std::string_view value;
};

/// One request, as a handler sees it. The connection owns it.
///
/// Everything it hands out is a view into it and lives until the handler has returned; so a handler
/// takes what it wants to keep by copying (or moving the body out). While an admission hook runs
/// the body has not been read and is empty.
///
/// Thread safety: one thread at a time; a handler that goes to another thread and returns may read
/// it there.
class request {
public:
    request() = default;
    request(const request&) = delete;
    request& operator=(const request&) = delete;

    /// For tests of handlers and routes: a request that came over no connection. Throws
    /// `std::invalid_argument` where the target is not well formed.
    request(
        std::string_view method, std::string_view target,
        std::initializer_list<header_field> headers = {}, std::string body = {}
    );

    /// For tests: as if it had come from there.
    request& come_from(const boost::asio::ip::address& there) { return remote_ = there, *this; }

    /// `GET`, `POST`, ... (upper case; case matters).
    std::string_view method() const noexcept { return method_; }

    /// The target in origin form, as received, still percent-encoded.
    std::string_view target() const noexcept { return raw_target_; }

    /// The decoded path.
    std::string_view path() const noexcept { return target_.path(); }
    const std::vector<std::string_view>& path_segments() const noexcept {
        return target_.segments();
    }

    /// The decoded query; a key appears once.
    const std::vector<http::target::parameter>& query() const noexcept { return target_.query(); }
    std::optional<std::string_view> query(std::string_view name) const noexcept {
        return target_.query(name);
    }

    /// The part of the path that stands for `{name}` in the pattern of the route. Throws
    /// `std::out_of_range` where the pattern has no such name.
    std::string_view param(std::string_view name) const;

    /// The first field of this name, whatever its case.
    std::optional<std::string_view> header(std::string_view name) const noexcept;
    const std::vector<header_field>& headers() const noexcept { return fields_; }

    const std::string& body() const noexcept { return body_; }
    std::string take_body() noexcept { return std::move(body_); }

    /// Who is at the other end of the connection; unspecified in a request made for a test.
    const boost::asio::ip::address& remote_address() const noexcept { return remote_; }

    /// Who sends it, as `access` found out. Where nobody looked (a route that needs no role, a
    /// request made for a test): somebody without name, tenant and role.
    const identity& who() const noexcept { return who_ ? *who_ : nobody(); }

    /// The trace it belongs to: the one of its `traceparent`, or a fresh one.
    const trace_context& trace() const;

    /// What an admission hook has found out and the handler goes on with; it goes with the request.
    void leave(std::shared_ptr<const void> found) const { left_ = std::move(found); }
    /// What the hook left, which must have been a T; null where it left nothing.
    template <typename T>
    std::shared_ptr<const T> left() const {
        return std::static_pointer_cast<const T>(left_);
    }

private:
    static const identity& nobody() noexcept;

    friend struct detail::request_access;

    std::string head_; // the header block; method, target and fields point into it
    std::string_view method_;
    std::string_view raw_target_;
    http::target target_;
    std::vector<header_field> fields_;
    std::vector<http::target::parameter> params_;
    std::string body_;
    boost::asio::ip::address remote_;
    const identity* who_ = nullptr;              // of the access list, which outlives the request
    mutable std::optional<trace_context> trace_; // found when somebody asks
    mutable std::shared_ptr<const void> left_;
};

} // namespace corogate::http
