#include "text.hpp"

#include <algorithm>
#include <corogate/http/same_site.hpp>

namespace corogate::http {
namespace {

struct authority {
    std::string_view host;
    std::string_view port;
};

authority split(std::string_view text) noexcept {
    const std::size_t bracket = text.rfind(']');
    const std::size_t from = bracket == std::string_view::npos ? 0 : bracket;
    const std::size_t colon = text.find(':', from);
    if (colon == std::string_view::npos)
        return {text, {}};
    return {text.substr(0, colon), text.substr(colon + 1)};
}

/// Whether the page that sent the request came from the host it now talks to.
bool same_origin(std::string_view origin, std::string_view host) noexcept {
    std::string_view default_port;
    constexpr std::string_view plain = "http://";
    constexpr std::string_view secure = "https://";
    if (detail::equals_ignoring_case(origin.substr(0, plain.size()), plain)) {
        origin.remove_prefix(plain.size());
        default_port = "80";
    } else if (detail::equals_ignoring_case(origin.substr(0, secure.size()), secure)) {
        origin.remove_prefix(secure.size());
        default_port = "443";
    } else {
        return false; // "null" and other schemes
    }
    authority page = split(origin);
    authority here = split(host);
    if (page.port.empty())
        page.port = default_port;
    if (here.port.empty())
        here.port = default_port;
    return page.port == here.port && detail::equals_ignoring_case(page.host, here.host);
}

bool changes_state(std::string_view method) noexcept {
    return method == "POST" || method == "PUT" || method == "PATCH" || method == "DELETE";
}

} // namespace

same_site::same_site()
    : hosts_{"localhost", "127.0.0.1", "[::1]"} {}

same_site& same_site::allow(std::string_view host) {
    hosts_.push_back(detail::lower(host));
    return *this;
}

std::optional<problem> same_site::check(const request& of) const {
    if (!changes_state(of.method()) && !of.header("Host"))
        return std::nullopt; // HTTP/1.0, so no browser
    const std::string_view host = of.header("Host").value_or("");
    const std::string_view name = split(host).host;
    const bool known = std::any_of(hosts_.begin(), hosts_.end(), [&](const std::string& one) {
        return detail::equals_ignoring_case(one, name) || detail::equals_ignoring_case(one, host);
    });
    if (name.empty() || !known)
        return problem(
            403, "host-not-allowed",
            "The Host of this request is not on the list of hosts that this server answers to."
        );
    if (!changes_state(of.method()))
        return std::nullopt;
    const auto site = of.header("Sec-Fetch-Site");
    if (site && detail::equals_ignoring_case(*site, "cross-site"))
        return problem(
            403, "cross-site", "A page of another site may not change anything on this server."
        );
    const auto origin = of.header("Origin");
    if (origin && !same_origin(*origin, host))
        return problem(
            403, "cross-origin", "A page of another origin may not change anything on this server."
        );
    return std::nullopt;
}

} // namespace corogate::http
