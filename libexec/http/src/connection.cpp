#include "connection.hpp"

#include "request_access.hpp"
#include "text.hpp"
#include "worker.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <corogate/http/problem.hpp>
#include <cstring>

namespace corogate::http::detail {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using namespace std::chrono_literals;

constexpr std::size_t first_buffer = 4 * 1024;
constexpr std::size_t least_full_buffer = 16 * 1024;
constexpr std::size_t droppable = 256 * 1024; // of a body nobody wants
constexpr std::size_t small_body = 8 * 1024;  // copied behind the head: one piece to write
constexpr auto linger_time = 1s;
constexpr auto first_request_while_closing = 1s;

/// A media type without its parameters.
std::string_view media_type(std::string_view field) noexcept {
    field = field.substr(0, field.find(';'));
    while (!field.empty() && (field.back() == ' ' || field.back() == '\t'))
        field.remove_suffix(1);
    return field;
}

response internal_error() {
    return problem(500, "internal-error", "The server failed to answer this request.");
}

} // namespace

void input_buffer::consume(std::size_t octets) noexcept {
    begin_ += octets;
    if (begin_ == end_)
        begin_ = end_ = 0;
}

asio::mutable_buffer input_buffer::prepare() {
    if (capacity_ - end_ < first_buffer / 2 && end_ - begin_ < most_) {
        const std::size_t held = end_ - begin_;
        if (capacity_ < most_ && capacity_ - held < first_buffer / 2) {
            const std::size_t larger = std::min(most_, std::max(first_buffer, 4 * capacity_));
            std::unique_ptr<char[]> grown(new char[larger]);
            std::copy_n(data_.get() + begin_, held, grown.get());
            data_ = std::move(grown);
            capacity_ = larger;
        } else {
            std::memmove(data_.get(), data_.get() + begin_, held);
        }
        begin_ = 0;
        end_ = held;
    }
    return {data_.get() + end_, capacity_ - end_};
}

connection::connection(worker& on, tcp_socket socket, const asio::ip::address& remote)
    : on_(on)
    , socket_(std::move(socket), on.shared.tls())
    , input_(std::max(least_full_buffer, 2 * on.shared.options.limits().header()))
    , guard_(on.shared.options.limits()) {
    request_access::remote(request_, remote);
}

connection::~connection() {
    // Before anyone hears of the end: the descriptor must be free again by then.
    error_code ignored;
    socket_.close(ignored);
    on_.shared.connection_ended();
}

asio::awaitable<void> connection::serve(std::unique_ptr<connection> self) {
    self->on_.connections.push_back(*self);
    co_await self->run();
}

void connection::enter(phase which) {
    phase_ = which;
    deadline_ = clock::time_point::max();
    timed_out_ = false;
}

void connection::enter(phase which, clock::duration most) {
    enter(which);
    deadline_ = clock::now() + most;
}

void connection::expire(clock::time_point now) {
    if (now < deadline_)
        return;
    deadline_ = clock::time_point::max();
    timed_out_ = true;
    error_code ignored;
    switch (phase_) {
    case phase::idle: // a read that has just got the next request is not undone by this
    case phase::head:
    case phase::body: // the coroutine answers 408
        socket_.cancel(ignored);
        break;
    case phase::write:
        socket_.set_option(asio::socket_base::linger(true, 0), ignored); // reset, not FIN
        [[fallthrough]];
    case phase::handshake:
    case phase::linger:
        socket_.close(ignored);
        break;
    case phase::handler:
        break;
    }
}

void connection::begin_closing() {
    if (phase_ != phase::idle)
        return;
    error_code error;
    if (fresh_)
        // Its first request may be on the way, and was promised an answer by the accept.
        deadline_ = std::min(deadline_, clock::now() + first_request_while_closing);
    else if (socket_.available(error) == 0)
        // Not closed: the read may have the next request already, though nobody has seen it yet.
        socket_.cancel(error);
}

void connection::cut() noexcept {
    error_code ignored;
    socket_.close(ignored);
}

// ------------------------------------------------------------------------------------------------

asio::awaitable<void> connection::run() {
    error_code ignored;
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
    if (socket_.secure() && !co_await shake_hands())
        co_return;
    next then = next::go_on;
    while (then == next::go_on) {
        then = co_await serve_one();
        tell();
    }
    // A TLS stream that just ends could have been cut by anybody.
    if (then == next::linger || (socket_.secure() && socket_.is_open()))
        co_await linger();
}

asio::awaitable<bool> connection::shake_hands() {
    enter(phase::handshake, on_.shared.options.tls()->handshake_time());
    error_code error;
    co_await socket_.async_handshake(asio::redirect_error(asio::use_awaitable, error));
    co_return !error && !timed_out_;
}

asio::awaitable<connection::next> connection::serve_one() {
    next then = co_await read_head();
    if (then != next::go_on)
        co_return then;
    fresh_ = false;
    worker::counters::count(on_.counts.requests);

    // The order of the checks decides which answer a request with several faults gets; the body is
    // not looked at before the work is admitted.
    std::optional<response> no = check_route();
    if (!no && route_->run_admitted) {
        enter(phase::handler);
        no = co_await admit();
    }
    if (no)
        co_return co_await refuse(std::move(*no));

    if (framing_.has_body()) {
        then = co_await read_body();
        if (then != next::go_on)
            co_return then;
        octets_in_ += request_.body().size();
    }
    enter(phase::handler);
    const response answer = co_await call_handler();
    co_await come_home();
    keep_alive_ = keep_alive_ && !answer.closes();
    if (!co_await write(answer))
        co_return next::close;
    co_return keep_alive_ ? next::go_on : next::linger;
}

asio::awaitable<connection::next> connection::read_head() {
    const server_options& options = on_.shared.options;
    guard_.reset();
    request_access::reset(request_);
    keep_alive_ = true;
    route_ = nullptr;
    answered_ = 0;
    octets_in_ = octets_out_ = 0;
    if (on_.shared.options.on_answer())
        began_ = clock::now();
    if (!input_.empty())
        enter(phase::head, options.header_time());
    else
        enter(phase::idle, fresh_ ? options.header_time() : options.idle_time());
    if (on_.closing && input_.empty()) {
        error_code error;
        if (!fresh_ && socket_.available(error) == 0)
            co_return next::close;
        begin_closing();
    }

    while (!guard_.scan(input_.view())) {
        if (guard_.refused())
            co_return co_await object(guard_.refused());
        const std::size_t got = co_await read_some();
        if (got == 0) {
            // Whoever has sent nothing, or has left, needs no answer.
            if (!timed_out_ || phase_ != phase::head || !socket_.is_open())
                co_return next::close;
            const objection late = {
                408, "request-timeout", "The header block did not arrive in time."
            };
            co_return co_await object(late);
        }
        if (phase_ == phase::idle) {
            enter(phase::head, options.header_time());
            began_ = deadline_ - options.header_time();
        }
    }

    // The fields point into the block, so it gets a place of its own.
    std::string& head = request_access::head(request_);
    head = input_.view().substr(guard_.skipped(), guard_.size());
    input_.consume(guard_.skipped() + guard_.size());
    octets_in_ = guard_.size();

    auto& fields = request_access::fields(request_);
    parser_.emplace(fields, request_access::body(request_));
    const bool parsed = parser_->parse_head(head);
    request_access::method(request_, parser_->method());
    if (!parsed) {
        const objection malformed = {400, "bad-request", "The header block is malformed."};
        co_return co_await object(malformed);
    }
    framing_ = check_head(parser_->method(), parser_->target(), parser_->minor(), fields);
    if (framing_.refused)
        co_return co_await object(framing_.refused);
    keep_alive_ = parser_->keep_alive();
    co_return next::go_on;
}

std::optional<response> connection::check_route() {
    route_ = nullptr;
    const router& routes = on_.shared.routes;
    if (framing_.target == "*")
        return response(204).set("Allow", routes.allow_any());
    if (const auto wrong = request_access::assign_target(request_, framing_.target); !wrong.empty())
        return problem(400, "bad-target", wrong);

    const router::match match = routes.find(request_);
    if (match.found == nullptr && match.allow.empty())
        return problem(404, "not-found", "There is nothing at this path.");
    if (match.found == nullptr && request_.method() == "OPTIONS")
        return response(204).set("Allow", match.allow);
    if (match.found == nullptr) {
        const problem no(405, "method-not-allowed", "This path does not know this method.");
        return no.to_response().set("Allow", match.allow);
    }
    route_ = match.found;
    if (auto denied = on_.shared.options.access()->check(request_, match.found->needs))
        return denied;
    // A foreign page cannot know a token, and what carries one is meant.
    if (!request_.who().by_token)
        if (const auto foreign = on_.shared.site.check(request_))
            return *foreign;
    if (framing_.unknown_expectation)
        return problem(
            417, "expectation-unknown", "The only expectation this server knows is 100-continue."
        );

    const route_options& options = match.found->options;
    if (framing_.has_body() && !options.content_type().empty()) {
        const std::string_view given = media_type(request_.header("Content-Type").value_or(""));
        if (!equals_ignoring_case(given, options.content_type()))
            return problem(
                415, "media-type", "The body must be sent as " + options.content_type() + "."
            );
    }
    if (framing_.content_length > options.body_limit())
        return problem(413, "body-too-large", "The body is larger than this path takes.").close();
    return std::nullopt;
}

asio::awaitable<std::optional<response>> connection::admit() {
    std::string failure;
    try {
        boost::system::result<job, response> decision = internal_error();
        if (route_->admit)
            decision = route_->admit(request_);
        else
            decision = co_await route_->async_admit(request_);
        co_await come_home();
        if (!decision)
            co_return std::move(decision).error();
        job_ = std::move(*decision);
        co_return std::nullopt;
    } catch (const std::exception& error) {
        failure = std::string("an admission hook failed: ") + error.what();
    } catch (...) {
        failure = "an admission hook failed";
    }
    co_await come_home();
    on_.shared.report(failure);
    co_return internal_error();
}

/// A handler may have ended on a thread of its own choice; the rest belongs to this one.
asio::awaitable<void> connection::come_home() {
    const auto home = on_.context.get_executor();
    if (!home.running_in_this_thread())
        co_await asio::dispatch(asio::bind_executor(home, asio::use_awaitable));
}

asio::awaitable<response> connection::call_handler() {
    std::string failure;
    try {
        if (route_->run_admitted) {
            auto answering = route_->run_admitted(request_, std::move(job_));
            co_return co_await std::move(answering);
        }
        auto answering = route_->run(request_);
        co_return co_await std::move(answering);
    } catch (const std::exception& error) {
        failure = std::string("a handler failed: ") + error.what();
    } catch (...) {
        failure = "a handler failed";
    }
    on_.shared.report(failure);
    co_return internal_error();
}

// ------------------------------------------------------------------------------------------------

asio::awaitable<connection::next> connection::read_body() {
    parser_->body_limit_is(route_->options.body_limit());
    enter(phase::body, on_.shared.options.body_time());
    if (framing_.expects_continue && input_.empty()) {
        constexpr std::string_view go_ahead = "HTTP/1.1 100 Continue\r\n\r\n";
        if (!co_await write_octets(go_ahead, {}))
            co_return next::close;
        enter(phase::body, on_.shared.options.body_time());
    }
    objection why;
    for (;;) {
        std::size_t taken = 0;
        const auto progress = parser_->parse_body(input_.view(), taken);
        input_.consume(taken);
        if (progress == message_parser::progress::done)
            co_return next::go_on;
        if (progress == message_parser::progress::too_large) {
            why = {413, "body-too-large", "The body is larger than this path takes."};
            break;
        }
        if (progress == message_parser::progress::malformed || input_.full()) {
            why = {400, "bad-body", "The chunked body is malformed or has trailers."};
            break;
        }
        if (co_await read_some() == 0) {
            if (!timed_out_ || !socket_.is_open())
                co_return next::close;
            why = {408, "request-timeout", "The body did not arrive in time."};
            break;
        }
    }
    job_ = job(); // its places are free before the answer says so
    co_return co_await object(why);
}

/// Answers a request whose body nobody has read, and stays connected where the body is small.
asio::awaitable<connection::next> connection::refuse(response answer) {
    const bool drop = framing_.has_body();
    // A client that waits for 100 may send the body or not: its next octets would be ambiguous.
    if (drop &&
        (framing_.chunked || framing_.expects_continue || framing_.content_length > droppable))
        keep_alive_ = false;
    keep_alive_ = keep_alive_ && !answer.closes();
    if (!co_await write(answer))
        co_return next::close;
    if (!keep_alive_)
        co_return next::linger;
    if (drop)
        co_return co_await drop_body(framing_.content_length);
    co_return next::go_on;
}

asio::awaitable<connection::next> connection::drop_body(std::uint64_t octets) {
    enter(phase::body, on_.shared.options.body_time());
    for (;;) {
        const auto now =
            static_cast<std::size_t>(std::min<std::uint64_t>(octets, input_.view().size()));
        input_.consume(now);
        octets -= now;
        if (octets == 0)
            co_return next::go_on;
        // Too late or gone: the answer is out, so there is nothing left to say.
        if (co_await read_some() == 0)
            co_return next::close;
    }
}

/// Tells of the exchange that has ended, if there was one.
void connection::tell() noexcept {
    const auto& hook = on_.shared.options.on_answer();
    if (!hook || (octets_in_ == 0 && answered_ == 0))
        return;
    constexpr unsigned client_gone = 499;
    try {
        exchange done(request_.remote_address(), request_.who(), request_.trace());
        done.method = request_.method();
        if (route_)
            done.route = route_->pattern;
        done.status = answered_ ? answered_ : client_gone;
        done.octets_in = octets_in_;
        done.octets_out = octets_out_;
        done.took = clock::now() - began_;
        hook(done);
    } catch (...) { // NOLINT: a log that fails does not end a connection
    }
}

/// Answers a message that cannot be trusted; nothing after it on this connection is read as one.
asio::awaitable<connection::next> connection::object(objection why) {
    if (octets_in_ == 0)
        octets_in_ = input_.view().size();
    const response answer = problem(why.status, why.reason, why.detail).close();
    keep_alive_ = false;
    if (!co_await write(answer))
        co_return next::close;
    co_return next::linger;
}

/// Closing with unread input would make the kernel reset the connection, and the client would lose
/// the answer: so say that no more comes, and drop what arrives for a short while.
asio::awaitable<void> connection::linger() {
    error_code ignored;
    enter(phase::linger, linger_time);
    if (socket_.secure())
        co_await socket_.async_end(asio::redirect_error(asio::use_awaitable, ignored));
    socket_.shutdown(asio::socket_base::shutdown_send, ignored);
    std::size_t dropped = input_.view().size();
    input_.consume(dropped);
    while (dropped < droppable) {
        const std::size_t got = co_await read_some();
        if (got == 0)
            break;
        dropped += got;
        input_.consume(got);
    }
}

// ------------------------------------------------------------------------------------------------

/// Zero: the end of the stream, an error, or the deadline.
asio::awaitable<std::size_t> connection::read_some() {
    error_code error;
    const asio::mutable_buffer room = input_.prepare();
    const std::size_t got = co_await socket_.async_read_some(
        asio::mutable_buffers_1(room), asio::redirect_error(asio::use_awaitable, error)
    );
    // The deadline may have passed while the read was already done; only a new request, whose
    // own time begins with it, may still go on.
    if (error || (timed_out_ && phase_ != phase::idle))
        co_return 0;
    input_.commit(got);
    co_return got;
}

void connection::render(const response& answer) {
    output_.clear();
    char number[24];
    const auto append_number = [&](std::uint64_t value) {
        const auto end = std::to_chars(std::begin(number), std::end(number), value).ptr;
        output_.append(number, end);
    };
    output_ += "HTTP/1.1 ";
    append_number(answer.status());
    output_ += ' ';
    output_ += status_phrase(answer.status());
    output_ += "\r\n";
    output_ += on_.date_line();
    output_ += "Server: corogate\r\nX-Content-Type-Options: nosniff\r\n";
    for (const auto& [name, value] : answer.headers()) {
        output_ += name;
        output_ += ": ";
        output_ += value;
        output_ += "\r\n";
    }
    if (answer.status() != 204 && answer.status() != 304) {
        output_ += "Content-Length: ";
        append_number(answer.body().size() + trace_member_.size());
        output_ += "\r\n";
    }
    if (!keep_alive_)
        output_ += "Connection: close\r\n";
    else if (parser_ && parser_->minor() == 0)
        output_ += "Connection: keep-alive\r\n";
    output_ += "\r\n";
}

asio::awaitable<bool> connection::write(const response& answer) {
    worker::counters::count(on_.counts.answers[std::min(answer.status() / 100, 5U)]);
    if (on_.closing)
        keep_alive_ = false;
    // A problem says which trace it belongs to, whoever made it.
    trace_member_.clear();
    if (answer.status() >= 400 && answer.body().ends_with('}') &&
        answer.body().size() <= small_body &&
        answer.header("Content-Type") == "application/problem+json") {
        trace_member_ = R"(,"trace_id":")";
        trace_member_ += request_.trace().trace_id();
        trace_member_ += '"';
    }
    render(answer);
    const bool without_body =
        request_.method() == "HEAD" || answer.status() == 204 || answer.status() == 304;
    std::string_view body = without_body ? std::string_view() : answer.body();
    if (body.size() <= small_body) {
        output_ += body;
        if (!body.empty() && !trace_member_.empty())
            output_.insert(output_.size() - 1, trace_member_);
        body = {};
    }
    const std::size_t size = output_.size() + body.size();
    if (!co_await write_octets(output_, body))
        co_return false;
    answered_ = answer.status();
    octets_out_ = size;
    co_return true;
}

asio::awaitable<bool> connection::write_octets(std::string_view first, std::string_view second) {
    const auto most = on_.shared.options.write_time();
    enter(phase::write, most);
    for (;;) {
        const std::array<asio::const_buffer, 2> pieces = {
            asio::const_buffer(first.data(), first.size()),
            asio::const_buffer(second.data(), second.size()),
        };
        error_code error;
        // Nearly always the kernel takes it all at once, which saves a round through the reactor.
        std::size_t written = socket_.write_some(pieces, error);
        if (error == asio::error::would_block || error == asio::error::try_again)
            written = co_await socket_.async_write_some(
                pieces, asio::redirect_error(asio::use_awaitable, error)
            );
        if (error)
            co_return false;
        const std::size_t of_first = std::min(written, first.size());
        first.remove_prefix(of_first);
        second.remove_prefix(written - of_first);
        if (first.empty() && second.empty())
            co_return true;
        enter(phase::write, most);
    }
}

} // namespace corogate::http::detail
