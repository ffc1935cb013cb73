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
///
/// When the client goes meanwhile, the handler gets terminal cancellation, so that what it awaits
/// (its job) is cancelled; the answer, or what it throws then, is dropped, and the request counts
/// as `server_stats::clients_gone` (499 in logs). The same holds for an asynchronous admission
/// hook. Gone is a client whose connection has been reset, or that has closed its sending side: see
/// `server_options::serve_half_closed`. It is looked for about four times a second, so short
/// requests pay nothing for it.
///
/// The cancellation comes from the thread of the connection. A handler that stays there, as
/// awaitables do by default, needs nothing; one that resumes on other threads (by `bind_executor`,
/// say) races with it, so its route must say `route_options::resumes_elsewhere`.
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

    /// The media type of what the route answers when all is well; a request whose `Accept` excludes
    /// it is a 406, before admission. Default: `Accept` is not looked at. Problems are sent as they
    /// are, whatever the client accepts.
    route_options& gives(std::string_view type) {
        gives_ = type;
        return *this;
    }
    const std::string& gives() const noexcept { return gives_; }

    /// The handler (hook, producer of a stream) may resume on threads that are not the server's. It
    /// gets no cancellation then; that its client has gone shows when it has ended.
    route_options& resumes_elsewhere(bool may = true) {
        resumes_elsewhere_ = may;
        return *this;
    }
    bool resumes_elsewhere() const noexcept { return resumes_elsewhere_; }

private:
    std::size_t body_limit_ = 0;
    std::string content_type_;
    std::optional<role> needs_;
    std::string gives_;
    bool resumes_elsewhere_ = false;
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
