#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>

namespace corogate::http {

namespace detail {
class connection;
}

/// Writes the body of an answer piece by piece, for an answer made by `response::stream`.
///
/// Each piece goes out at once, as a chunk; a client of HTTP/1.0 gets it as it is, and the end of
/// the connection as the end of the body. A client that takes nothing for `write_time` is cut.
///
/// Thread safety: `open` from any thread while the producer runs; the rest by the producer alone.
class body_writer {
public:
    body_writer(const body_writer&) = delete;
    body_writer& operator=(const body_writer&) = delete;

    /// Sends octets (none: no effect) and completes when the kernel has them. False: write no
    /// more, because the client is gone or stalls, or because the server closes; only in the last
    /// case have these octets still been sent, so that a last word is possible. One at a time.
    boost::asio::awaitable<bool> write(std::string octets);

    /// False as soon as there is no use in writing more.
    bool open() const noexcept;

    /// The executor of the connection's thread.
    boost::asio::any_io_executor get_executor() const;

private:
    friend class detail::connection;
    explicit body_writer(detail::connection& on)
        : connection_(on) {}

    detail::connection& connection_;
};

/// Produces such a body; called after the head has been sent, with a writer that lives until the
/// coroutine has ended, as does the request. There is no deadline on it.
///
/// When the client goes or the server begins to close while it awaits something else than a write,
/// it gets terminal cancellation, once: what it awaits ends with `operation_aborted`, and it
/// should return soon (a stream that does not is cut at the deadline of `async_close`). Later
/// awaits do not throw by themselves. So it has to stay on the thread of the connection, as
/// awaitables do by default; one that does not needs `route_options::resumes_elsewhere`.
/// What it throws ends the connection in the middle of the body and goes to the server's error
/// hook, unless it is the answer to that cancellation, which ends the body properly.
using stream_body = std::function<boost::asio::awaitable<void>(body_writer&)>;

} // namespace corogate::http
