#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <cstddef>
#include <memory>
#include <utility>

namespace corogate::http::detail {

using tcp_socket =
    boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

/// A TCP socket, or TLS over one; has what the connection uses of a socket. Plain, it does what the
/// socket does and costs a comparison.
class transport {
public:
    using error_code = boost::system::error_code;

    /// Plain where there is no context.
    transport(tcp_socket socket, const std::shared_ptr<boost::asio::ssl::context>& tls)
        : socket_(std::move(socket)) {
        if (tls)
            tls_ = std::make_unique<boost::asio::ssl::stream<tcp_socket&>>(socket_, *tls);
    }

    bool secure() const noexcept { return tls_ != nullptr; }

    tcp_socket::native_handle_type native_handle() { return socket_.native_handle(); }

    bool is_open() const noexcept { return socket_.is_open(); }
    void cancel(error_code& error) { socket_.cancel(error); }
    void close(error_code& error) { socket_.close(error); }
    void non_blocking(bool mode, error_code& error) { socket_.non_blocking(mode, error); }
    void shutdown(boost::asio::socket_base::shutdown_type what, error_code& error) {
        socket_.shutdown(what, error);
    }
    template <typename Option>
    void set_option(const Option& option, error_code& error) {
        socket_.set_option(option, error);
    }

    /// Octets that have come and nobody has read; secure: of the wire.
    std::size_t available(error_code& error) const { return socket_.available(error); }

    /// At once, or `would_block`; secure always that, because half a record cannot be taken back.
    template <typename Buffers>
    std::size_t write_some(const Buffers& from, error_code& error) {
        if (!tls_)
            return socket_.write_some(from, error);
        error = boost::asio::error::would_block;
        return 0;
    }

    template <typename Buffers, typename Token>
    auto async_read_some(const Buffers& into, Token&& token) {
        return boost::asio::async_initiate<Token, void(error_code, std::size_t)>(
            [](auto handler, transport* self, const Buffers& buffers) {
                if (self->tls_ && !self->ended_)
                    self->tls_->async_read_some(buffers, std::move(handler));
                else
                    self->socket_.async_read_some(buffers, std::move(handler));
            },
            token, this, into
        );
    }

    template <typename Buffers, typename Token>
    auto async_write_some(const Buffers& from, Token&& token) {
        return boost::asio::async_initiate<Token, void(error_code, std::size_t)>(
            [](auto handler, transport* self, const Buffers& buffers) {
                if (self->tls_)
                    self->tls_->async_write_some(buffers, std::move(handler));
                else
                    self->socket_.async_write_some(buffers, std::move(handler));
            },
            token, this, from
        );
    }

    /// Secure only: before the first octet.
    template <typename Token>
    auto async_handshake(Token&& token) {
        return tls_->async_handshake(
            boost::asio::ssl::stream_base::server, std::forward<Token>(token)
        );
    }

    /// Secure only: says that nothing more comes, and waits until the other side has said so too.
    /// What is read from now on is of the wire.
    template <typename Token>
    auto async_end(Token&& token) {
        ended_ = true;
        return tls_->async_shutdown(std::forward<Token>(token));
    }

private:
    tcp_socket socket_;
    std::unique_ptr<boost::asio::ssl::stream<tcp_socket&>> tls_;
    bool ended_ = false;
};

} // namespace corogate::http::detail
