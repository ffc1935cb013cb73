#include "worker.hpp"

#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <corogate/http/server.hpp>
#include <iostream>
#include <mutex>
#include <sys/resource.h>

namespace corogate::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using namespace std::chrono_literals;

namespace detail {

void shared_state::report(std::string_view sentence) const noexcept {
    try {
        if (options.on_error())
            options.on_error()(sentence);
        else
            std::cerr << "corogate http: " << sentence << std::endl;
    } catch (...) { // NOLINT: a hook that throws has nobody left to tell
    }
}

void shared_state::load_tls() {
    if (!options.tls())
        return;
    auto made = make_tls_context(*options.tls());
    const std::lock_guard lock(tls_mutex_);
    tls_.swap(made);
}

std::shared_ptr<asio::ssl::context> shared_state::tls() const {
    if (!options.tls())
        return nullptr;
    const std::lock_guard lock(tls_mutex_);
    return tls_;
}

void shared_state::report_stray() noexcept {
    if (!told_of_stray.test_and_set())
        report("a handler has ended on another thread, though its route does not say "
               "resumes_elsewhere: it races with the cancellation for a client that goes");
}

void worker::start() {
    // All phases are long against the sweep, unless somebody (a test) asks for short ones.
    const server_options& options = shared.options;
    auto shortest = std::min(
        {options.header_time(), options.body_time(), options.body_rate_over(), options.idle_time(),
         options.crowded_idle_time(), options.write_time()}
    );
    if (options.tls())
        shortest = std::min(shortest, options.tls()->handshake_time());
    sweep_every_ = std::clamp<std::chrono::milliseconds>(shortest / 4, 5ms, 250ms);
    sweep();
    thread_ = std::thread([this] {
        for (;;) {
            try {
                context.run();
                return;
            } catch (const std::exception& error) {
                shared.report(std::string("a completion handler failed: ") + error.what());
            } catch (...) {
                shared.report("a completion handler failed");
            }
        }
    });
}

void worker::stop() {
    context.stop();
    if (thread_.joinable())
        thread_.join();
}

void worker::begin_closing() {
    closing = true;
    for (auto at = connections.begin(); at != connections.end();)
        (at++)->begin_closing(); // it may leave the list in there
}

std::size_t worker::cut() {
    std::size_t count = 0;
    for (connection& one : connections) {
        one.cut();
        ++count;
    }
    return count;
}

void worker::sweep() {
    refresh_date();
    const auto now = clock::now();
    watched_.clear();
    watched_for_.clear();
    for (auto at = connections.begin(); at != connections.end();) {
        connection& one = *at++; // it may leave the list in here
        if (one.serving()) {
            const short what = shared.options.serve_half_closed() ? 0 : POLLRDHUP;
            watched_.push_back({one.descriptor(), what, 0});
            watched_for_.push_back(&one);
        } else {
            one.expire(now);
        }
    }
    look_for_gone_clients();
    sweep_.expires_at(now + sweep_every_);
    sweep_.async_wait([this](error_code error) {
        if (!error)
            sweep();
    });
}

/// One call for all of them, and none of their octets is touched: what a client has sent ahead
/// stays in the kernel until its turn comes.
void worker::look_for_gone_clients() {
    if (watched_.empty() || ::poll(watched_.data(), watched_.size(), 0) < 0)
        return;
    for (std::size_t i = 0; i < watched_.size(); ++i) {
        if (watched_[i].revents != 0)
            watched_for_[i]->client_has_gone();
        else
            watched_for_[i]->end_refused_stream();
    }
}

void worker::refresh_date() {
    const std::time_t now = std::time(nullptr);
    if (now == date_of_)
        return;
    date_of_ = now;
    // Not strftime: its names depend on the locale.
    constexpr std::string_view days = "SunMonTueWedThuFriSat";
    constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    std::tm parts{};
    gmtime_r(&now, &parts);
    const auto at = [this](std::size_t where, std::string_view text) {
        std::copy(text.begin(), text.end(), date_.begin() + static_cast<std::ptrdiff_t>(where));
    };
    const auto number = [this](std::size_t where, int value, int digits) {
        for (int i = digits - 1; i >= 0; --i, value /= 10)
            date_[where + static_cast<std::size_t>(i)] = static_cast<char>('0' + value % 10);
    };
    at(0, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    at(6, days.substr(static_cast<std::size_t>(parts.tm_wday) * 3, 3));
    number(11, parts.tm_mday, 2);
    at(14, months.substr(static_cast<std::size_t>(parts.tm_mon) * 3, 3));
    number(18, parts.tm_year + 1900, 4);
    number(23, parts.tm_hour, 2);
    number(26, parts.tm_min, 2);
    number(29, parts.tm_sec, 2);
}

} // namespace detail

// ------------------------------------------------------------------------------------------------

listen_error::listen_error(error_code cause, std::string sentence)
    : boost::system::system_error(cause)
    , sentence_(std::make_shared<const std::string>(std::move(sentence))) {}

namespace {

using acceptor = asio::basic_socket_acceptor<tcp, asio::io_context::executor_type>;
using steady_timer = asio::basic_waitable_timer<
    std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
    asio::io_context::executor_type>;

asio::ip::address parse_address(const std::string& text) {
    if (text == "localhost")
        return asio::ip::address_v4::loopback();
    error_code error;
    std::string_view bare = text;
    if (bare.size() > 2 && bare.front() == '[' && bare.back() == ']')
        bare = bare.substr(1, bare.size() - 2);
    const auto address = asio::ip::make_address(std::string(bare), error);
    if (error)
        throw listen_error(error, "'" + text + "' is not an IP address");
    return address;
}

[[noreturn]] void throw_listen_error(error_code cause, const tcp::endpoint& at) {
    const std::string address = at.address().to_string();
    const std::string port = "port " + std::to_string(at.port()) + " on " + address;
    if (cause == asio::error::address_in_use)
        throw listen_error(cause, port + " is already in use");
    if (cause == asio::error::access_denied)
        throw listen_error(cause, "this user may not listen on " + port);
    if (cause == boost::system::errc::address_not_available)
        throw listen_error(cause, address + " is not an address of this machine");
    throw listen_error(cause, "cannot listen on " + port + ": " + cause.message());
}

/// Descriptors left for connections after everything else a process holds.
std::size_t affordable(std::size_t wanted, bool may_raise) {
    constexpr rlim_t others = 64;
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return wanted;
    if (may_raise && limit.rlim_cur < wanted + others) {
        rlimit raised = limit;
        raised.rlim_cur = std::min<rlim_t>(limit.rlim_max, wanted + others);
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    const rlim_t left = limit.rlim_cur > 2 * others ? limit.rlim_cur - others : others;
    return std::min<std::size_t>(wanted, left);
}

} // namespace

/// The listener lives on the first worker; so does everything about closing.
class server::impl {
public:
    explicit impl(server_options options)
        : shared_(std::move(options)) {
        shared_.connection_limit =
            affordable(shared_.options.connections(), shared_.options.raise_descriptor_limit());
        const std::size_t threads = std::max<std::size_t>(shared_.options.threads(), 1);
        for (std::size_t i = 0; i < threads; ++i)
            workers_.push_back(std::make_unique<detail::worker>(shared_));
        accept_pause_.emplace(first().context);
        close_deadline_.emplace(first().context);
        close_deadline_->expires_at(steady_timer::time_point::max());
        listen();
        shared_.connection_ended = [this] { connection_ended(); };
    }

    ~impl() { stop(); }

    void start(router routes) {
        shared_.routes = std::move(routes);
        if (!endpoint_.address().is_unspecified()) {
            const std::string text = endpoint_.address().to_string();
            shared_.site.allow(endpoint_.address().is_v6() ? "[" + text + "]" : text);
        }
        for (const std::string& host : shared_.options.allowed_hosts())
            shared_.site.allow(host);
        const auto ended = [this](std::exception_ptr error) {
            report(error);
            accepting_ = false;
            finish_if_closed();
        };
        accepting_ = true;
        asio::co_spawn(first().context, accept_loop(), ended);
        running_ = true;
        for (auto& one : workers_)
            one->start();
    }

    void stop() {
        {
            const std::lock_guard lock(closers_mutex_);
            running_ = false; // from here on nothing is posted to a context that may go
        }
        for (auto& one : workers_)
            one->stop();
        finish_closing(shared_.connections_open);
    }

    const tcp::endpoint& endpoint() const noexcept { return endpoint_; }

    void reload_tls() { shared_.load_tls(); }

    asio::any_io_executor executor() {
        if (running_)
            return first().context.get_executor();
        return asio::system_executor();
    }

    void stop_accepting() {
        if (running_)
            asio::post(first().context, [this] { close_listener(); });
    }

    void close(std::chrono::nanoseconds deadline, std::function<void(std::size_t)> done) {
        const auto now = std::chrono::steady_clock::now();
        const auto most = steady_timer::time_point::max() - now;
        const auto until = deadline < most ? now + deadline : steady_timer::time_point::max();
        {
            // Either `stop` finds this one, or this one finds that it is too late.
            const std::lock_guard lock(closers_mutex_);
            if (running_) {
                closers_.push_back(std::move(done));
                asio::post(first().context, [this, until] { begin_closing(until); });
                return;
            }
        }
        done(0);
    }

    server_stats stats() const {
        server_stats seen;
        seen.connections_total = connections_total_.load(std::memory_order_relaxed);
        seen.connections_open = shared_.connections_open.load(std::memory_order_relaxed);
        seen.accept_errors = accept_errors_.load(std::memory_order_relaxed);
        seen.connections_refused = connections_refused_.load(std::memory_order_relaxed);
        for (const auto& one : workers_) {
            seen.requests += one->counts.requests.load(std::memory_order_relaxed);
            seen.clients_gone += one->counts.clients_gone.load(std::memory_order_relaxed);
            seen.streams_open += one->counts.streams_open.load(std::memory_order_relaxed);
            for (std::size_t i = 0; i < seen.answers.size(); ++i)
                seen.answers[i] += one->counts.answers[i].load(std::memory_order_relaxed);
        }
        return seen;
    }

private:
    detail::worker& first() noexcept { return *workers_.front(); }

    void listen() {
        const tcp::endpoint wanted(
            parse_address(shared_.options.address()), shared_.options.port()
        );
        acceptor_.emplace(first().context);
        error_code error;
        const auto step = [&](auto&& call) {
            if (!error)
                call();
        };
        step([&] { acceptor_->open(wanted.protocol(), error); });
        step([&] { acceptor_->set_option(asio::socket_base::reuse_address(true), error); });
        step([&] { acceptor_->bind(wanted, error); });
        step([&] { acceptor_->listen(4096, error); });
        step([&] { acceptor_->non_blocking(true, error); });
        step([&] { endpoint_ = acceptor_->local_endpoint(error); });
        if (error)
            throw_listen_error(error, wanted);
    }

    asio::awaitable<void> accept_loop() {
        constexpr auto shortest = 5ms;
        constexpr std::chrono::milliseconds longest = 1s;
        std::chrono::milliseconds pause = shortest;
        for (;;) {
            while (shared_.connections_open >= shared_.connection_limit && acceptor_->is_open()) {
                waiting_for_room_ = true;
                // One may have ended before it could see the flag.
                if (shared_.connections_open >= shared_.connection_limit)
                    co_await wait(1s);
                waiting_for_room_ = false;
            }
            if (!acceptor_->is_open())
                co_return;
            detail::worker& on = *workers_[next_++ % workers_.size()];
            detail::tcp_socket socket(on.context);
            tcp::endpoint remote;
            error_code error;
            co_await acceptor_->async_accept(
                socket, remote, asio::redirect_error(asio::use_awaitable, error)
            );
            if (!error) {
                pause = shortest;
                try {
                    launch(on, std::move(socket), remote);
                } catch (...) { // out of memory: that connection is lost, the listener is not
                    report(std::current_exception());
                }
                continue;
            }
            if (!acceptor_->is_open() || error == asio::error::operation_aborted)
                co_return;
            accept_errors_.fetch_add(1, std::memory_order_relaxed);
            if (error == asio::error::bad_descriptor || error == asio::error::invalid_argument) {
                shared_.report("the listener is broken: " + error.message());
                co_return;
            }
            if (error == asio::error::connection_aborted)
                continue;
            // Out of descriptors or memory: both come back when connections end.
            if (pause == shortest)
                shared_.report("accepting a connection failed: " + error.message());
            co_await wait(pause);
            pause = std::min(2 * pause, longest);
        }
    }

    asio::awaitable<void> wait(std::chrono::milliseconds most) {
        error_code ignored;
        accept_pause_->expires_after(most);
        co_await accept_pause_->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }

    void launch(detail::worker& on, detail::tcp_socket socket, const tcp::endpoint& remote) {
        const std::size_t most = shared_.options.connections_per_address();
        if (most != 0 && !shared_.addresses.enter(remote.address(), most)) {
            connections_refused_.fetch_add(1, std::memory_order_relaxed);
            return;
        }
        auto cancel = std::make_shared<asio::cancellation_signal>();
        std::unique_ptr<detail::connection> made;
        try {
            made = std::make_unique<detail::connection>(
                on, std::move(socket), remote.address(), cancel
            );
        } catch (...) {
            if (most != 0)
                shared_.addresses.leave(remote.address());
            throw;
        }
        connections_total_.fetch_add(1, std::memory_order_relaxed);
        shared_.connections_open.fetch_add(1); // the connection counts itself out
        // Asio goes on using the slot until the completion handler is gone, so that owns it.
        const auto ended = [this, cancel](std::exception_ptr error) { report(error); };
        asio::co_spawn(
            on.context, detail::connection::serve(std::move(made)),
            asio::bind_cancellation_slot(cancel->slot(), ended)
        );
    }

    void report(const std::exception_ptr& error) const noexcept {
        if (!error)
            return;
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& cause) {
            shared_.report(std::string("a connection failed: ") + cause.what());
        } catch (...) {
            shared_.report("a connection failed");
        }
    }

    void connection_ended() {
        const std::size_t left = shared_.connections_open.fetch_sub(1) - 1;
        if (!running_)
            return;
        if (waiting_for_room_)
            asio::post(first().context, [this] { accept_pause_->cancel(); });
        if (closing_ && left == 0)
            asio::post(first().context, [this] { finish_if_closed(); });
    }

    /// What the kernel has accepted has been promised a look.
    void close_listener() {
        error_code error;
        while (acceptor_->is_open() && shared_.connections_open < shared_.connection_limit) {
            detail::worker& on = *workers_[next_++ % workers_.size()];
            detail::tcp_socket socket(on.context);
            tcp::endpoint remote;
            acceptor_->accept(socket, remote, error);
            if (error)
                break;
            launch(on, std::move(socket), remote);
        }
        acceptor_->close(error);
        accept_pause_->cancel();
    }

    void begin_closing(steady_timer::time_point until) {
        if (until < close_deadline_->expiry()) {
            close_deadline_->expires_at(until);
            close_deadline_->async_wait([this](error_code error) {
                if (!error)
                    cut();
            });
        }
        if (!closing_) {
            close_listener();
            closing_ = true;
            for (auto& one : workers_)
                asio::dispatch(one->context, [on = one.get()] { on->begin_closing(); });
        }
        if (cut_)
            finish_closing(shared_.connections_open);
        finish_if_closed();
    }

    /// The accept loop may hold one more connection, until it has seen the end of the listener.
    void finish_if_closed() {
        if (closing_ && !accepting_ && shared_.connections_open == 0)
            finish_closing(0);
    }

    void cut() {
        cut_ = true;
        // Each worker cuts its own and hands the count on; the last one comes back here.
        auto count = std::make_shared<std::atomic<std::size_t>>(0);
        auto left = std::make_shared<std::atomic<std::size_t>>(workers_.size());
        for (auto& one : workers_)
            asio::post(one->context, [this, count, left, on = one.get()] {
                *count += on->cut();
                if (--*left == 0)
                    asio::post(first().context, [this, count] { finish_closing(*count); });
            });
    }

    void finish_closing(std::size_t cut) {
        std::vector<std::function<void(std::size_t)>> waiting;
        {
            const std::lock_guard lock(closers_mutex_);
            waiting.swap(closers_);
        }
        for (auto& done : waiting)
            done(cut);
    }

    detail::shared_state shared_;
    tcp::endpoint endpoint_;
    std::atomic<std::uint64_t> connections_total_{0};
    std::atomic<std::uint64_t> connections_refused_{0};
    std::atomic<std::uint64_t> accept_errors_{0};
    std::atomic<bool> waiting_for_room_{false};
    std::atomic<bool> closing_{false};
    std::atomic<bool> running_{false};
    bool accepting_ = false;
    bool cut_ = false;
    std::size_t next_ = 0;
    std::mutex closers_mutex_;
    std::vector<std::function<void(std::size_t)>> closers_; // who awaits the close
    std::vector<std::unique_ptr<detail::worker>> workers_;
    // Last, so that they go before the contexts they belong to.
    std::optional<acceptor> acceptor_;
    std::optional<steady_timer> accept_pause_;
    std::optional<steady_timer> close_deadline_;
};

server::server(server_options options)
    : impl_(std::make_unique<impl>(std::move(options))) {}

server::~server() = default;

void server::start(router routes) { impl_->start(std::move(routes)); }

asio::ip::address server::address() const { return impl_->endpoint().address(); }

std::uint16_t server::port() const { return impl_->endpoint().port(); }

void server::reload_tls() { impl_->reload_tls(); }

void server::stop_accepting() { impl_->stop_accepting(); }

void server::close(std::chrono::nanoseconds deadline, std::function<void(std::size_t)> done) {
    impl_->close(deadline, std::move(done));
}

asio::any_io_executor server::completion_executor() const { return impl_->executor(); }

void server::stop() { impl_->stop(); }

server_stats server::stats() const { return impl_->stats(); }

} // namespace corogate::http
