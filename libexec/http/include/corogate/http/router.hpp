#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/system/result.hpp>
#include <corogate/http/identity.hpp>
#include <corogate/http/request.hpp>
#include <corogate/http/response.hpp>
#include <corogate/job.hpp>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace corogate::http {

/// Answers a request whose body has been read. It runs on a thread of the server, which serves
/// other connections as well: it awaits, it never blocks. What it throws becomes a 500 without
/// details and goes to the server's error hook.
using handler = std::function<boost::asio::awaitable<response>(request&)>;

/// Decides after the header block and before the body whether the work is taken: the reserved job,
/// or the answer that says no (`from_refusal`, a 404 problem, ...). Called on a thread of the
/// server; must not block. `request::body()` is still empty.
using admit_hook = std::function<boost::system::result<job, response>(const request&)>;

/// The same where the decision takes a moment: `task_pool::async_admit`, which judges by tenant.
using async_admit_hook =
    std::function<boost::asio::awaitable<boost::system::result<job, response>>(const request&)>;

/// Answers a request that was admitted. The job is the handler's; dropping it returns its places.
using admitted_handler = std::function<boost::asio::awaitable<response>(request&, job)>;

/// What a route takes.
class route_options {
public:
    route_options() {} // user-declared on purpose: not an aggregate

    /// Octets of body, at most; more is a 413. Default 0: the route takes no body.
    route_options& body_limit(std::size_t octets) {
        body_limit_ = octets;
        return *this;
    }
    std::size_t body_limit() const noexcept { return body_limit_; }

    /// The media type of the body, without parameters; another one is a 415. Default: any.
    route_options& content_type(std::string_view type) {
        content_type_ = type;
        return *this;
    }
    const std::string& content_type() const noexcept { return content_type_; }

    /// The least role of who may use the route; see `access`. Default: read for GET and HEAD,
    /// submit for other methods.
    route_options& needs(role least) {
        needs_ = least;
        return *this;
    }
    role needs(std::string_view method) const noexcept {
        return needs_.value_or(method == "GET" || method == "HEAD" ? role::read : role::submit);
    }

private:
    std::size_t body_limit_ = 0;
    std::string content_type_;
    std::optional<role> needs_;
};

/// One method of one path.
struct route {
    std::string method;
    std::string pattern;
    route_options options;
    role needs = role::admin;      // as the options say, or the method
    handler run;                   // either this,
    admit_hook admit;              // or one of these two
    async_admit_hook async_admit;  //
    admitted_handler run_admitted; // and this
};

/// Finds the route of a request by path, then by method.
///
/// A pattern is a path whose segments are literal or `{name}`; `{name}` stands for one segment that
/// is not empty. Where two patterns fit, a literal segment goes before a name. HEAD is answered by
/// the GET route unless it has one of its own, OPTIONS by 204 and `Allow`.
///
/// `add` throws `std::invalid_argument` on a bad pattern, a method that is not upper-case letters,
/// an empty handler, or a route that exists. Fill it, then give it to the server; `find` is const
/// and safe from any number of threads.
class router {
public:
    router&
    add(std::string_view method, std::string_view pattern, handler run, route_options options = {});
    router&
    add(std::string_view method, std::string_view pattern, admit_hook admit, admitted_handler run,
        route_options options = {});
    router&
    add(std::string_view method, std::string_view pattern, async_admit_hook admit,
        admitted_handler run, route_options options = {});

    struct match {
        /// Null where the path is unknown, or where it has no such method.
        const route* found = nullptr;
        /// The methods of the path, as for `Allow`; empty where the path is unknown.
        std::string_view allow;
    };

    /// Looks up method and path of the request and fills in its `param`s.
    match find(request& of) const;

    /// The methods of all paths, as for `Allow`.
    std::string_view allow_any() const noexcept { return allow_any_; }

    /// All routes, as long as none is added; for documents and tests.
    std::vector<const route*> routes() const;

private:
    struct segment {
        std::string text; // the literal, or the name
        bool named;
    };
    struct resource {
        std::vector<segment> segments;
        std::string shape; // 'l' or 'n' a segment: sorts literals first
        std::vector<route> routes;
        std::string allow;
    };

    resource& resource_for(std::string_view pattern);
    router& insert(std::string_view pattern, route entry);

    std::vector<resource> resources_;
    std::string allow_any_ = "OPTIONS";
};

} // namespace corogate::http
