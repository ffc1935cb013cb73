#pragma once

#include "message_parser.hpp"
#include "transport.hpp"

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/intrusive/list_hook.hpp>
#include <chrono>
#include <corogate/http/guard.hpp>
#include <corogate/http/request.hpp>
#include <corogate/http/response.hpp>
#include <corogate/http/router.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace corogate::http::detail {

class worker;

/// Octets received and not yet consumed, in one piece.
class input_buffer {
public:
    explicit input_buffer(std::size_t most)
        : most_(most) {}

    std::string_view view() const noexcept { return {data_.get() + begin_, end_ - begin_}; }
    bool empty() const noexcept { return begin_ == end_; }
    bool full() const noexcept { return end_ - begin_ == most_; }
    void consume(std::size_t octets) noexcept;

    /// Room behind the octets, moving or growing them where there is little. Not when full.
    boost::asio::mutable_buffer prepare();
    void commit(std::size_t octets) noexcept { end_ += octets; }

private:
    std::unique_ptr<char[]> data_;
    std::size_t most_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

/// One TCP connection: reads a request, has it answered, writes the answer, and again.
///
/// One coroutine, on one thread, so nothing here is locked. Deadlines are a time point that the
/// worker's sweep looks at; there is no timer an operation.
class connection : public boost::intrusive::list_base_hook<
                       boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
public:
    using clock = std::chrono::steady_clock;

    using signal = std::shared_ptr<boost::asio::cancellation_signal>;

    /// `cancel` is the signal that the coroutine of `serve` gets.
    connection(
        worker& on, tcp_socket socket, const boost::asio::ip::address& remote, signal cancel
    );
    ~connection();

    static boost::asio::awaitable<void> serve(std::unique_ptr<connection> self);

    /// Acts on a deadline that has passed.
    void expire(clock::time_point now);
    void begin_closing();
    void cut() noexcept;

    /// Whether the application is at work for this connection, so that its client is watched.
    bool serving() const noexcept { return phase_ == phase::handler || phase_ == phase::stream; }
    int descriptor() { return socket_.native_handle(); }
    /// Tells the application so, which may end the connection at once.
    void client_has_gone();
    /// Cancels the producer of a stream whose writes are refused, but which awaits something else.
    void end_refused_stream();

    // For `body_writer`.
    boost::asio::awaitable<bool> write_piece(std::string octets);
    bool stream_open() const noexcept { return stream_open_; }
    boost::asio::any_io_executor executor();

private:
    enum class phase {
        handshake, // of TLS
        idle,      // nothing of the next request has come
        head,      // part of a header block has come
        body,      // the body is being read
        handler,   // the application has it; no deadline here
        stream,    // the application produces the body; no deadline here
        write,     // an answer is being written
        linger,    // the last answer is out; what still comes is dropped
    };

    /// What to do after a step.
    enum class next { go_on, linger, close };

    boost::asio::awaitable<void> run();
    boost::asio::awaitable<bool> shake_hands();
    boost::asio::awaitable<next> serve_one();
    boost::asio::awaitable<next> read_head();
    boost::asio::awaitable<next> read_body();
    boost::asio::awaitable<next> drop_body(std::uint64_t octets);
    boost::asio::awaitable<next> refuse(response answer);
    boost::asio::awaitable<next> object(objection why);
    boost::asio::awaitable<response> call_handler();
    boost::asio::awaitable<next> stream(const response& answer);
    boost::asio::awaitable<bool> produce(const stream_body& body);
    next leave_gone_client();
    boost::asio::awaitable<bool> write(const response& answer);
    boost::asio::awaitable<bool> write_octets(std::string_view first, std::string_view second);
    boost::asio::awaitable<void> linger();
    boost::asio::awaitable<std::size_t> read_some();

    std::optional<response> check_route();
    boost::asio::awaitable<std::optional<response>> admit();
    boost::asio::awaitable<void> come_home();
    void render(const response& answer);
    void tell() noexcept;
    bool at_home() const noexcept;
    void cancel_application();
    response report(std::string what, const std::exception* why) const;
    bool lasts() const; // this connection, for another request
    bool has_body(const response& answer) const noexcept;
    void append_number(std::uint64_t value, int base = 10);
    void enter_body();
    void enter(phase which); // without a deadline
    void enter(phase which, clock::duration most);

    worker& on_;
    transport socket_;
    input_buffer input_;
    std::string output_; // the head of an answer, or all of it
    guard guard_;
    request request_;
    std::optional<message_parser> parser_;
    framing framing_;
    const route* route_ = nullptr;
    job job_;
    phase phase_ = phase::idle;
    clock::time_point since_{}; // begin of the phase
    clock::time_point deadline_ = clock::time_point::max();
    clock::time_point metered_until_ = clock::time_point::max();
    std::size_t metered_ = 0; // octets of the body that came in this stretch
    const clock::time_point born_ = clock::now();
    std::size_t served_ = 0;
    signal cancel_;
    std::atomic<bool> stream_open_{false}; // read by producers on other threads
    bool chunked_ = false;                 // the stream
    bool written_ = true;                  // all of the stream so far
    bool gone_ = false;                    // the client
    bool cancelled_ = false;               // the application
    bool timed_out_ = false;
    bool keep_alive_ = true;
    bool fresh_ = true; // no request has come yet
    // For the one who is told of each exchange.
    clock::time_point began_{};
    std::uint64_t octets_in_ = 0; // 0: there is nothing to tell of
    std::uint64_t octets_out_ = 0;
    unsigned answered_ = 0;    // 0: not yet
    std::string trace_member_; // what is added to a problem
};

} // namespace corogate::http::detail
