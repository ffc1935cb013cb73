#pragma once

#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <corogate/http/access.hpp>
#include <corogate/http/exchange.hpp>
#include <corogate/http/guard.hpp>
#include <corogate/http/router.hpp>
#include <corogate/http/tls.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace corogate::http {

/// Where and how a server listens.
class server_options {
public:
    using duration = std::chrono::milliseconds;
    using error_hook = std::function<void(std::string_view)>;
    using answer_hook = std::function<void(const exchange&)>;

    server_options() {} // user-declared on purpose: not an aggregate

    /// An IP address, or `localhost` for 127.0.0.1, which is the default.
    server_options& address(std::string_view text) { return address_ = text, *this; }
    /// 0, the default, takes a free one; `server::port()` says which.
    server_options& port(std::uint16_t number) { return port_ = number, *this; }
    /// Threads, each with an I/O context of its own. Default 1.
    server_options& threads(std::size_t count) { return threads_ = count, *this; }
    /// A further host that requests may name; see `same_site`.
    server_options& allow_host(std::string_view host) {
        return allowed_hosts_.emplace_back(host), *this;
    }
    /// Connections open at a time; further ones wait in the backlog. Never more than the process
    /// has file descriptors for. Default 10000.
    server_options& connections(std::size_t count) { return connections_ = count, *this; }
    /// Whether to raise the process's soft limit of file descriptors (towards the hard one) where
    /// it is too low for `connections`. Default: yes.
    server_options& raise_descriptor_limit(bool may) { return raise_descriptors_ = may, *this; }
    /// Connections open at a time from one client address, of IPv6 from one /64; a further one is
    /// closed at once. Behind a proxy all clients have one address. Default 0: no bound.
    server_options& connections_per_address(std::size_t count) {
        return connections_per_address_ = count, *this;
    }
    /// Requests a connection serves; the last answer closes it. Default 1000.
    server_options& requests_per_connection(std::size_t count) {
        return requests_per_connection_ = count, *this;
    }
    /// Age at which a connection is closed, after an answer. Default 1 h.
    server_options& connection_age(duration most) { return connection_age_ = most, *this; }
    /// Whether a client that has closed its sending side, and may still read, is served to the end.
    /// Few clients do so and stay; a client that went away looks the same until it resets the
    /// connection. Default no: it counts as gone once its request takes longer than a moment.
    server_options& serve_half_closed(bool may) { return serve_half_closed_ = may, *this; }
    server_options& limits(const guard_limits& of) { return limits_ = of, *this; }
    /// From the first octet to the end of the header block. Default 5 s.
    server_options& header_time(duration most) { return header_time_ = most, *this; }
    /// From the end of the header block to the end of the body. Default 60 s.
    server_options& body_time(duration most) { return body_time_ = most, *this; }
    /// Octets of a body that must come in each stretch of time until it has ended; fewer are a 408.
    /// 0: only `body_time` counts. Default 16 KiB/s over 10 s.
    server_options& body_rate(std::size_t octets_per_second, duration over) {
        body_rate_ = octets_per_second;
        body_rate_over_ = over;
        return *this;
    }
    /// Between two requests of a connection. Default 60 s.
    server_options& idle_time(duration most) { return idle_time_ = most, *this; }
    /// The same while more than 80 % of `connections` are open. Default 15 s.
    server_options& crowded_idle_time(duration most) { return crowded_idle_time_ = most, *this; }
    /// Without progress while writing an answer. Default 10 s.
    server_options& write_time(duration most) { return write_time_ = most, *this; }
    /// Who may do what. Default: connections of this machine everything, others nothing but what
    /// needs no role. Not null.
    server_options& access(std::shared_ptr<const http::access> of) {
        return access_ = std::move(of), *this;
    }
    /// Speaks TLS and nothing else. Default: plain.
    server_options& tls(tls_options of) { return tls_ = std::move(of), *this; }
    /// Told in one sentence what went wrong inside (a handler threw, accepting failed). Called on
    /// threads of the server; must not throw. Default: a line on standard error.
    server_options& on_error(error_hook hook) { return on_error_ = std::move(hook), *this; }

    /// Called once a request, when its answer is out or its client is gone; for refused and
    /// malformed ones too. On threads of the server; must not block and not throw. Default: none.
    server_options& on_answer(answer_hook hook) { return on_answer_ = std::move(hook), *this; }

    const std::string& address() const noexcept { return address_; }
    std::uint16_t port() const noexcept { return port_; }
    std::size_t threads() const noexcept { return threads_; }
    const std::vector<std::string>& allowed_hosts() const noexcept { return allowed_hosts_; }
    std::size_t connections() const noexcept { return connections_; }
    bool raise_descriptor_limit() const noexcept { return raise_descriptors_; }
    std::size_t connections_per_address() const noexcept { return connections_per_address_; }
    std::size_t requests_per_connection() const noexcept { return requests_per_connection_; }
    duration connection_age() const noexcept { return connection_age_; }
    bool serve_half_closed() const noexcept { return serve_half_closed_; }
    const guard_limits& limits() const noexcept { return limits_; }
    duration header_time() const noexcept { return header_time_; }
    duration body_time() const noexcept { return body_time_; }
    std::size_t body_rate() const noexcept { return body_rate_; }
    duration body_rate_over() const noexcept { return body_rate_over_; }
    duration idle_time() const noexcept { return idle_time_; }
    duration crowded_idle_time() const noexcept { return crowded_idle_time_; }
    duration write_time() const noexcept { return write_time_; }
    const std::shared_ptr<const http::access>& access() const noexcept { return access_; }
    const std::optional<tls_options>& tls() const noexcept { return tls_; }
    const error_hook& on_error() const noexcept { return on_error_; }
    const answer_hook& on_answer() const noexcept { return on_answer_; }

private:
    std::string address_ = "127.0.0.1";
    std::uint16_t port_ = 0;
    std::size_t threads_ = 1;
    std::vector<std::string> allowed_hosts_;
    std::size_t connections_ = 10000;
    bool raise_descriptors_ = true;
    std::size_t connections_per_address_ = 0;
    std::size_t requests_per_connection_ = 1000;
    duration connection_age_ = std::chrono::hours(1);
    bool serve_half_closed_ = false;
    guard_limits limits_;
    duration header_time_ = std::chrono::seconds(5);
    duration body_time_ = std::chrono::seconds(60);
    std::size_t body_rate_ = 16 * 1024;
    duration body_rate_over_ = std::chrono::seconds(10);
    duration idle_time_ = std::chrono::seconds(60);
    duration crowded_idle_time_ = std::chrono::seconds(15);
    duration write_time_ = std::chrono::seconds(10);
    std::shared_ptr<const http::access> access_ = std::make_shared<const http::access>();
    std::optional<tls_options> tls_;
    error_hook on_error_;
    answer_hook on_answer_;
};

/// The server cannot listen. `what()` is one clear sentence without an end mark:
/// `port 8080 on 127.0.0.1 is already in use`. `code()` is the cause.
class listen_error : public boost::system::system_error {
public:
    listen_error(boost::system::error_code cause, std::string sentence);
    const char* what() const noexcept override { return sentence_->c_str(); }

private:
    std::shared_ptr<const std::string> sentence_; // shared: copying an exception must not throw
};

/// Counts since the start, each read on its own.
struct server_stats {
    std::uint64_t connections_total = 0;
    std::uint64_t connections_open = 0;
    std::uint64_t accept_errors = 0;
    /// Closed at once: too many from one address.
    std::uint64_t connections_refused = 0;
    std::uint64_t requests = 0;
    /// Requests whose client had gone before there was an answer.
    std::uint64_t clients_gone = 0;
    /// Answers that are being streamed.
    std::uint64_t streams_open = 0;
    /// By the first digit of the status: `answers[2]` is 200...299.
    std::array<std::uint64_t, 6> answers{};
};

/// An HTTP/1.1 server on threads of its own.
///
/// The constructor listens, so that a port in use shows before anything else is built; `start`
/// begins to accept. Handlers run on the server's threads and await work elsewhere, so a saturated
/// task pool still gets its refusals out at once.
///
/// Shutting down: leave the listener open while the pool drains (admission hooks answer 503), then
/// `async_close`, then `stop`. After `stop` no hook and no handler is called any more. A handler
/// that was cut stays suspended until the server is destroyed: whatever it awaits (the task pool)
/// must be gone by then or never complete. So declare the server *before* the pool, and `stop` it
/// before the pool goes.
///
/// Thread safety: `stats`, `port`, `reload_tls`, `async_close`, `stop_accepting` from any thread;
/// `start` and `stop` one at a time, not from a thread of the server.
class server {
public:
    /// Throws `listen_error` and `tls_error`.
    explicit server(server_options options);
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    /// As `stop`, and destroys what was cut.
    ~server();

    /// Once.
    void start(router routes);

    boost::asio::ip::address address() const;
    std::uint16_t port() const;

    /// Reads certificate and key again, for the connections to come; those that are open keep
    /// theirs. Throws `tls_error`; then nothing has changed. No effect without TLS.
    void reload_tls();

    /// Takes what waits in the backlog, then closes the listener. Open connections live on.
    void stop_accepting();

    /// Closes gracefully: stops accepting, closes idle connections, tells open streams to end, lets
    /// requests in flight finish and ends their connections; after `deadline` cuts the rest.
    /// Completes with the number of connections that were cut (0: graceful) and runs the handler
    /// through its executor, by default a thread of the server. Several calls share the earliest
    /// deadline. Signature: void(std::size_t).
    template <class Token>
    auto async_close(std::chrono::nanoseconds deadline, Token&& token);

    /// Ends the threads at once. Again: no effect.
    void stop();

    server_stats stats() const;

private:
    class impl;

    void close(std::chrono::nanoseconds deadline, std::function<void(std::size_t)> done);
    boost::asio::any_io_executor completion_executor() const;

    std::unique_ptr<impl> impl_;
};

// ------------------------------------------------------------------------------------------------

template <class Token>
auto server::async_close(std::chrono::nanoseconds deadline, Token&& token) {
    namespace asio = boost::asio;
    auto initiate = [](auto complete, server* self, std::chrono::nanoseconds within) {
        auto executor = asio::prefer(
            asio::any_io_executor(
                asio::get_associated_executor(complete, self->completion_executor())
            ),
            asio::execution::outstanding_work.tracked
        );
        // std::function wants a copyable target; the completion handler may be move-only.
        auto kept = std::make_shared<std::decay_t<decltype(complete)>>(std::move(complete));
        auto done = [kept, executor](std::size_t cut) {
            asio::post(executor, [kept, cut] { std::move (*kept)(cut); });
        };
        self->close(within, std::move(done));
    };
    return asio::async_initiate<Token, void(std::size_t)>(initiate, token, this, deadline);
}

} // namespace corogate::http
