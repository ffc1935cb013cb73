#include "connection.hpp"

#include "accept.hpp"
#include "request_access.hpp"
#include "text.hpp"
#include "worker.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
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

/// What awaits of the application end with once it has been cancelled.
bool is_cancellation(const std::exception* error) noexcept {
    const auto* system = dynamic_cast<const boost::system::system_error*>(error);
    return system != nullptr &&
           (system->code() == asio::error::operation_aborted || system->code() == errc::cancelled);
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

connection::connection(
    worker& on, tcp_socket socket, const asio::ip::address& remote, signal cancel
)
    : on_(on)
    , socket_(std::move(socket), on.shared.tls())
    , input_(std::max(least_full_buffer, 2 * on.shared.options.limits().header()))
    , guard_(on.shared.options.limits())
    , cancel_(std::move(cancel)) {
    request_access::remote(request_, remote);
}

connection::~connection() {
    // Before anyone hears of the end: the descriptor must be free again by then.
    error_code ignored;
    socket_.close(ignored);
    if (on_.shared.options.connections_per_address() != 0)
        on_.shared.addresses.leave(request_.remote_address());
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
    since_ = clock::now();
    deadline_ = since_ + most;
}

void connection::expire(clock::time_point now) {
    const server_options& options = on_.shared.options;
    if (phase_ == phase::idle && !fresh_ && on_.shared.crowded())
        deadline_ = std::min(deadline_, since_ + options.crowded_idle_time());
    if (phase_ == phase::body && now >= metered_until_) {
        const auto stretch = options.body_rate_over();
        const auto least = static_cast<std::uint64_t>(stretch.count()) * options.body_rate() / 1000;
        if (metered_ < least)
            deadline_ = now;
        metered_ = 0;
        metered_until_ = now + stretch;
    }
    if (now < deadline_)
        return;
    timed_out_ = true;
    error_code ignored;
    // Until the next phase this stays so and is done again: TLS swallows a cancellation that meets
    // a read of the wire which has just completed.
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
    case phase::stream:
        break;
    }
}

void connection::enter_body() {
    const server_options& options = on_.shared.options;
    enter(phase::body, options.body_time());
    metered_ = 0;
    metered_until_ =
        options.body_rate() == 0 ? clock::time_point::max() : since_ + options.body_rate_over();
}

void connection::cancel_application() {
    if (cancelled_ || (route_ != nullptr && route_->options.resumes_elsewhere()))
        return;
    cancelled_ = true;
    const signal kept = cancel_; // the connection may end in here
    kept->emit(asio::cancellation_type::terminal);
}

void connection::client_has_gone() {
    gone_ = true;
    stream_open_ = false;
    cancel_application();
}

void connection::end_refused_stream() {
    if (phase_ == phase::stream && !stream_open_)
        cancel_application();
}

void connection::begin_closing() {
    if (phase_ == phase::stream) {
        stream_open_ = false;
        cancel_application();
        return;
    }
    if (phase_ != phase::idle)
        return;
    error_code error;
    if (fresh_)
        // Its first request may be on the way, and was promised an answer by the accept.
        deadline_ = std::min(deadline_, clock::now() + first_request_while_closing);
    else if (socket_.available(error) == 0)
        // Not closed: the read may have the next request already, though nobody has seen it yet.
        expire(deadline_ = clock::now());
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
    // A cancellation is for the application; what the connection itself awaits goes on.
    co_await asio::this_coro::throw_if_cancelled(false);
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
    ++served_;
    keep_alive_ = keep_alive_ && lasts();
    worker::counters::count(on_.counts.requests);

    // The order of the checks decides which answer a request with several faults gets; the body is
    // not looked at before the work is admitted.
    std::optional<response> no = check_route();
    if (!no && route_->run_admitted) {
        enter(phase::handler);
        no = co_await admit();
        if (gone_)
            co_return leave_gone_client();
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
    if (gone_)
        co_return leave_gone_client();
    keep_alive_ = keep_alive_ && !answer.closes();
    if (answer.streams())
        co_return co_await stream(answer);
    if (!co_await write(answer))
        co_return next::close;
    co_return keep_alive_ ? next::go_on : next::linger;
}

bool connection::lasts() const {
    const server_options& options = on_.shared.options;
    return served_ < options.requests_per_connection() && since_ - born_ < options.connection_age();
}

connection::next connection::leave_gone_client() {
    worker::counters::count(on_.counts.clients_gone);
    return next::close;
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
    const bool open = match.found->needs == role::none &&
                      (request_.method() == "GET" || request_.method() == "HEAD");
    if (!open && !request_.who().by_token)
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
    if (const auto accept = request_.header("Accept");
        accept && !options.gives().empty() && !accepts(*accept, options.gives()))
        return problem(
            406, "not-acceptable", "This path answers with " + options.gives() + " only."
        );
    if (framing_.content_length > options.body_limit())
        return problem(413, "body-too-large", "The body is larger than this path takes.").close();
    return std::nullopt;
}

asio::awaitable<std::optional<response>> connection::admit() {
    std::optional<response> no;
    if (route_->async_admit)
        co_await asio::this_coro::throw_if_cancelled(true);
    try {
        boost::system::result<job, response> decision = internal_error();
        if (route_->admit)
            decision = route_->admit(request_);
        else
            decision = co_await route_->async_admit(request_);
        if (decision)
            job_ = std::move(*decision);
        else
            no = std::move(decision).error();
    } catch (const std::exception& error) {
        no = report("an admission hook failed", &error);
    } catch (...) {
        no = report("an admission hook failed", nullptr);
    }
    if (route_->async_admit) {
        co_await asio::this_coro::throw_if_cancelled(false);
        if (!at_home())
            co_await come_home();
        co_await asio::this_coro::reset_cancellation_state();
    }
    co_return no;
}

asio::awaitable<response> connection::call_handler() {
    response answer;
    co_await asio::this_coro::throw_if_cancelled(true);
    try {
        if (route_->run_admitted) {
            auto answering = route_->run_admitted(request_, std::move(job_));
            answer = co_await std::move(answering);
        } else {
            auto answering = route_->run(request_);
            answer = co_await std::move(answering);
        }
    } catch (const std::exception& error) {
        answer = report("a handler failed", &error);
    } catch (...) {
        answer = report("a handler failed", nullptr);
    }
    co_await asio::this_coro::throw_if_cancelled(false);
    if (!at_home())
        co_await come_home();
    // What the handler may have set there is not for the next one.
    co_await asio::this_coro::reset_cancellation_state();
    co_return answer;
}

/// Tells the error hook, unless it is what the client's leaving had to bring about.
response connection::report(std::string what, const std::exception* why) const {
    if (cancelled_ && is_cancellation(why))
        return internal_error();
    if (why != nullptr)
        what.append(": ").append(why->what());
    on_.shared.report(what);
    return internal_error();
}

bool connection::at_home() const noexcept {
    return on_.context.get_executor().running_in_this_thread();
}

asio::any_io_executor connection::executor() { return on_.context.get_executor(); }

/// The application may have ended on a thread of its own choice; the rest belongs to this one.
asio::awaitable<void> connection::come_home() {
    if (!route_->options.resumes_elsewhere())
        on_.shared.report_stray();
    const auto home = on_.context.get_executor();
    co_await asio::dispatch(asio::bind_executor(home, asio::use_awaitable));
}

// ------------------------------------------------------------------------------------------------

asio::awaitable<connection::next> connection::stream(const response& answer) {
    chunked_ = parser_->minor() > 0;
    keep_alive_ = keep_alive_ && chunked_; // else the end of the connection is that of the body
    if (!co_await write(answer))
        co_return next::close;
    if (has_body(answer)) {
        worker::counters::count(on_.counts.streams_open);
        const bool whole = co_await produce(answer.streams());
        worker::counters::uncount(on_.counts.streams_open);
        if (gone_)
            co_return leave_gone_client();
        if (!whole || (chunked_ && !co_await write_octets("0\r\n\r\n", {})))
            co_return next::close;
    }
    keep_alive_ = keep_alive_ && !on_.closing;
    co_return keep_alive_ ? next::go_on : next::linger;
}

/// False where the body is not whole.
asio::awaitable<bool> connection::produce(const stream_body& body) {
    body_writer to(*this);
    bool whole = true;
    written_ = true;
    stream_open_ = !on_.closing;
    enter(phase::stream);
    try {
        auto producing = body(to);
        co_await std::move(producing);
    } catch (const std::exception& error) {
        whole = cancelled_ && is_cancellation(&error);
        report("a stream failed", &error);
    } catch (...) {
        whole = false;
        report("a stream failed", nullptr);
    }
    co_await asio::this_coro::throw_if_cancelled(false);
    if (!at_home())
        co_await come_home();
    co_await asio::this_coro::reset_cancellation_state();
    stream_open_ = false;
    if (!written_)
        whole = false;
    co_return whole;
}

asio::awaitable<bool> connection::write_piece(std::string octets) {
    if (!at_home())
        co_await come_home();
    if (octets.empty() || gone_ || !written_)
        co_return stream_open_;
    output_.clear();
    if (chunked_) {
        append_number(octets.size(), 16);
        output_ += "\r\n";
        octets += "\r\n";
    }
    if (octets.size() <= small_body) {
        output_ += octets;
        octets.clear();
    }
    const std::size_t size = output_.size() + octets.size();
    written_ = co_await write_octets(output_, octets);
    if (written_)
        octets_out_ += size;
    enter(phase::stream);
    if (!written_ || on_.closing)
        stream_open_ = false;
    co_return stream_open_;
}

// ------------------------------------------------------------------------------------------------

asio::awaitable<connection::next> connection::read_body() {
    parser_->body_limit_is(route_->options.body_limit());
    enter_body();
    if (framing_.expects_continue && input_.empty()) {
        constexpr std::string_view go_ahead = "HTTP/1.1 100 Continue\r\n\r\n";
        if (!co_await write_octets(go_ahead, {}))
            co_return next::close;
        enter_body();
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
    if (drop && (framing_.chunked || framing_.expects_continue || framing_.unknown_expectation ||
                 framing_.content_length > droppable))
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
    enter_body();
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
    metered_ += got;
    co_return got;
}

void connection::append_number(std::uint64_t value, int base) {
    char digits[24];
    output_.append(digits, std::to_chars(std::begin(digits), std::end(digits), value, base).ptr);
}

bool connection::has_body(const response& answer) const noexcept {
    return request_.method() != "HEAD" && answer.status() != 204 && answer.status() != 304;
}

void connection::render(const response& answer) {
    output_.clear();
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
    if (answer.streams()) {
        if (chunked_ && answer.status() != 204 && answer.status() != 304)
            output_ += "Transfer-Encoding: chunked\r\n";
    } else if (answer.status() != 204 && answer.status() != 304) {
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
    std::string_view body = has_body(answer) ? std::string_view(answer.body()) : std::string_view();
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

namespace corogate::http {

boost::asio::awaitable<bool> body_writer::write(std::string octets) {
    return connection_.write_piece(std::move(octets));
}

bool body_writer::open() const noexcept { return connection_.stream_open(); }

boost::asio::any_io_executor body_writer::get_executor() const { return connection_.executor(); }

} // namespace corogate::http
