#pragma once

#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <corogate/http/identity.hpp>
#include <corogate/http/trace_context.hpp>
#include <cstdint>
#include <string_view>

namespace corogate::http {

/// A request and how it was answered, for logs and counts. Everything in it lives as long as the
/// call that gets it.
///
/// There is no target in it, because targets hold what nobody should find in a log: subjects,
/// search words.
class exchange {
public:
    exchange(
        const boost::asio::ip::address& from, const identity& sender, const trace_context& within
    )
        : remote(from)
        , who(sender)
        , trace(within) {}

    /// What was wrong with a message may be its method: empty where none could be read.
    std::string_view method;
    /// The pattern of the route, `/v1/forms/{id}`; empty where there is no such route.
    std::string_view route;
    /// 499: the client was gone before it had its answer.
    unsigned status = 0;
    std::uint64_t octets_in = 0;  ///< header block and body, as far as they were read
    std::uint64_t octets_out = 0; ///< header block and body of the answer
    /// From the first octet of the request to the last one of the answer.
    std::chrono::nanoseconds took{0};
    const boost::asio::ip::address& remote;
    const identity& who;
    const trace_context& trace;
};

} // namespace corogate::http
