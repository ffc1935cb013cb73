#pragma once

#include <corogate/http/problem.hpp>
#include <corogate/http/request.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace corogate::http {

/// Keeps foreign web pages from reading and changing state through the browser of somebody who can
/// reach this server (cross-site requests, DNS rebinding).
///
/// Every request needs a `Host` from the list: under a name of its own, a rebound page could read
/// what it asks for. (Reading in HTTP/1.0 without one passes: that is no browser.) POST, PUT, PATCH
/// and DELETE also need no `Sec-Fetch-Site: cross-site`, and, where an `Origin` is sent, the origin
/// that `Host` names. Anything else is a 403 problem.
///
/// The server asks it for all but requests with a token, which no foreign page knows, and reading
/// what needs no role.
///
/// The list starts as localhost, 127.0.0.1 and [::1]. Fill it, then share it: `check` is const and
/// safe from any number of threads.
class same_site {
public:
    same_site();

    /// Adds a host: `example.org` and `[2001:db8::1]` fit with any port or none,
    /// `example.org:8443` only with that port. Case does not matter.
    same_site& allow(std::string_view host);

    /// Nothing where the request may go on, else the answer.
    std::optional<problem> check(const request& of) const;

private:
    std::vector<std::string> hosts_; // lower case
};

} // namespace corogate::http
