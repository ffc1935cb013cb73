#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <corogate/http/event_log.hpp>
#include <corogate/http/request.hpp>
#include <corogate/http/response.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace corogate::http {

/// How an event_hub keeps and sends.
class event_hub_options {
public:
    using duration = std::chrono::milliseconds;

    event_hub_options() {} // user-declared on purpose: not an aggregate

    /// What clients that come back, or read slowly, can still get. Default 512 events, 1 MiB.
    event_hub_options& keep(std::size_t events, std::size_t octets) {
        return events_ = events, octets_ = octets, *this;
    }
    /// Streams open at a time. Default 64.
    event_hub_options& streams(std::size_t count) { return streams_ = count, *this; }
    /// After how long without an event a comment says that the stream lives. Default 15 s.
    event_hub_options& heartbeat(duration every) { return heartbeat_ = every, *this; }
    /// After how long a client is to come back whose stream broke. Default 2 s.
    event_hub_options& retry(duration after) { return retry_ = after, *this; }
    /// The number of the first event; see event_log. Default 1.
    event_hub_options& first(std::uint64_t number) { return first_ = number, *this; }

    std::size_t events() const noexcept { return events_; }
    std::size_t octets() const noexcept { return octets_; }
    std::size_t streams() const noexcept { return streams_; }
    duration heartbeat() const noexcept { return heartbeat_; }
    duration retry() const noexcept { return retry_; }
    std::uint64_t first() const noexcept { return first_; }

private:
    std::size_t events_ = 512;
    std::size_t octets_ = 1024 * 1024;
    std::size_t streams_ = 64;
    duration heartbeat_ = std::chrono::seconds(15);
    duration retry_ = std::chrono::seconds(2);
    std::uint64_t first_ = 1;
};

/// Says all there is to know at present, to a client that has just come or has missed events. One
/// that is `last` ends the stream. Awaited on the stream's executor.
using opening = std::function<boost::asio::awaitable<std::vector<event>>()>;

/// Writes octets of a stream; false: no more can be written. As `body_writer::write`.
using stream_sink = std::function<boost::asio::awaitable<bool>(std::string)>;

class event_stream;

/// Tells any number of HTTP clients what happens: server-sent events.
///
/// Events are published from any thread, numbered, and kept in one bounded log; a stream has a
/// place in that log and no queue of its own, so that a slow client costs nothing and delays
/// nobody. It skips what was replaced meanwhile (`event::newest_only`), and starts afresh, with its
/// opening, where the log has lost what it had to send. A client that comes back with
/// `Last-Event-ID` goes on behind that event where the log still reaches so far, else it starts
/// afresh.
///
/// Thread safety: all members from any thread. Streams may outlive the hub; what they still have to
/// say they say before that, after `close`.
class event_hub {
public:
    explicit event_hub(const event_hub_options& options = {});
    event_hub(const event_hub&) = delete;
    event_hub& operator=(const event_hub&) = delete;
    /// As `close`.
    ~event_hub();

    void publish(event what);

    /// The answer to a request for a stream: of one topic or, where that is empty, of everything.
    /// 503 `too-many-streams` where there are as many as there may be, or the hub is closed.
    /// `resumes` false: `Last-Event-ID` is not looked at.
    response answer(const request& from, std::string topic, opening fresh, bool resumes = true);

    /// A stream that somebody else writes; null where `answer` says 503. `came_from`: the
    /// `Last-Event-ID`, if any.
    std::shared_ptr<event_stream> open(
        std::string topic, opening fresh, std::optional<std::string_view> came_from = std::nullopt
    );

    /// Ends the streams that are open, each with an event `reconnect` and a `retry` of its own
    /// between half of `event_hub_options::retry` and two and a half times that, so that not all
    /// come back at once. New ones may come.
    void send_away();
    /// The same, and no new ones may come.
    void close();

    std::size_t streams() const;
    /// Those that follow everything.
    std::size_t watchers() const;
    std::uint64_t newest() const;

private:
    friend class event_stream;
    struct state;

    std::shared_ptr<state> state_;
};

/// One client's place in the log. It counts as a stream until it is destroyed.
class event_stream {
public:
    event_stream(
        std::shared_ptr<event_hub::state> hub, std::string topic, opening fresh,
        std::optional<std::uint64_t> came_from
    );
    event_stream(const event_stream&) = delete;
    event_stream& operator=(const event_stream&) = delete;
    ~event_stream();

    /// Writes until an event is the last one, the hub sends the stream away, the sink says no, or
    /// the coroutine is cancelled (then it says farewell). Once. The coroutine's executor runs one
    /// handler at a time.
    static boost::asio::awaitable<void>
    serve(std::shared_ptr<event_stream> self, stream_sink write);

private:
    friend class event_hub;
    struct batch;

    enum class why { news, silence, cancelled };

    batch gather();
    boost::asio::awaitable<why> wait();
    std::string farewell();

    const std::shared_ptr<event_hub::state> hub_;
    const std::string topic_;
    const opening fresh_;
    // Guarded by the hub's mutex.
    std::optional<std::uint64_t> seen_; // number of the event it has come to
    std::uint64_t farewells_ = 0;       // when it came
    std::function<void()> wake_;        // set while it waits
};

} // namespace corogate::http
