#pragma once

#include <array>
#include <boost/asio/ip/address.hpp>
#include <corogate/http/identity.hpp>
#include <corogate/http/request.hpp>
#include <corogate/http/response.hpp>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace corogate::http {

/// The tokens cannot be used. `what()` is one clear sentence without an end mark, which names the
/// line and never a token: `line 3 of tokens: 'write' is not a role (read, submit or admin)`.
class access_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Decides what a request may do, by its bearer token (RFC 6750, in the header field alone).
///
/// Tokens are given as text, one a line:
///
///     # name   role    tenant   token
///     site-07  submit  site-07
///     sha256:305e41cc7a7d82e4d5066de9b9fa4f936ab4c0c865ea71882a4a26695f02924d nagios   read    -
///     8qYv3tT0nL5rXk2wJm9c
///
/// A name is 1 to 64 letters, digits, `.`, `_`, `-`, each name once; a tenant 1 to 200 octets
/// without white space, or `-`; a token 16 to 512 of the octets RFC 6750 allows, or its SHA-256 in
/// hex behind `sha256:`. Empty lines and what follows `#` at the start of a line are skipped.
///
/// Of a token only its SHA-256 is kept, and every entry is compared in full, so that the time an
/// answer takes says nothing about which entry was near. (A plain hash suffices because tokens are
/// random; do not use passwords.)
///
/// With tokens, whoever brings none has no role, on the loopback too. Without tokens, connections
/// of this machine have the role admin, and others what `others` says: by default none. Mind that
/// everything that comes through a proxy on this machine is of this machine: give such a server
/// tokens.
///
/// Fill it, then share it: what is const is safe from any number of threads.
class access {
public:
    access();

    /// Adds the tokens of a text; `source` is what messages call it. Throws `access_error`, and
    /// then adds nothing.
    access& add(std::string_view lines, std::string_view source = "the tokens");

    /// Adds the tokens of a file. Refuses one that others can read or that group or others can
    /// write, one larger than 1 MiB, and one without a token.
    access& add_file(const std::filesystem::path& file);

    /// Adds the tokens of an environment variable; there `;` separates lines too. Nothing where the
    /// variable is unset or empty; `access_error` where it has no token.
    access& add_environment(const char* variable);

    /// What connections from elsewhere may do where there are no tokens. Default: nothing.
    access& others(role level);

    std::size_t tokens() const noexcept { return entries_.size(); }

    /// Nothing where the request may do what needs the role `least`, else the answer: 401 with
    /// `WWW-Authenticate`, or 403. Sets `who()` of the request, where it is known.
    std::optional<response> check(request& of, role least) const;

private:
    using digest = std::array<unsigned char, 32>;
    struct entry {
        digest hash;
        identity who;
    };

    static entry read_entry(std::string_view line);
    const identity* find(std::string_view token) const;

    std::vector<entry> entries_;
    identity here_;      // this machine
    identity elsewhere_; // the others
};

/// Whether an address is of this machine, also in the form `::ffff:127.0.0.1`.
bool is_loopback(const boost::asio::ip::address& of) noexcept;

/// Whose share the work of a request counts for: the tenant of its token; else, on a connection of
/// this machine, the one it declares; else its address (of an IPv6 address the first 64 bits, which
/// is what one customer has). So nobody takes the share of somebody else by saying so.
/// A request that came over no connection (in a test) counts as of this machine.
std::string tenant_of(const request& of, std::string_view declared);

} // namespace corogate::http
