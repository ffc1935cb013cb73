#pragma once

// Saves over HTTP/1.1: a few connections that are kept open, one request at a time on each.

#include "contestants.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace overload {

/// What a server answered; the status is 0 where the connection broke.
struct reply {
    int status = 0;
    std::string head;
    std::string body;

    /// The value of a header field, empty where it is absent.
    std::string_view header(std::string_view name) const {
        const std::string key = "\r\n" + std::string(name) + ": ";
        const auto at = head.find(key);
        if (at == head.npos)
            return {};
        const auto from = at + key.size();
        return std::string_view(head).substr(from, head.find("\r\n", from) - from);
    }
    /// The value of a member of a flat JSON object, without quotes; empty where it is absent.
    std::string_view member(std::string_view name) const {
        const std::string key = '"' + std::string(name) + "\":";
        const auto at = body.find(key);
        if (at == body.npos)
            return {};
        std::string_view rest = std::string_view(body).substr(at + key.size());
        if (!rest.empty() && rest.front() == '"')
            return rest.substr(1, rest.find('"', 1) - 1);
        return rest.substr(0, rest.find_first_of(",}"));
    }
};

inline std::int64_t number_in(std::string_view text) {
    std::int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

/// Connections to one server, used by one thread.
class http_connections {
public:
    using heard = std::function<void(const reply&)>;

    http_connections(asio::io_context& loop, const std::string& target, std::size_t most)
        : loop_(loop)
        , host_(target)
        , most_(most) {
        const auto colon = target.rfind(':');
        if (colon == target.npos)
            throw std::invalid_argument("a target is host:port, not " + target);
        asio::ip::tcp::resolver resolver(loop);
        const auto found = resolver.resolve(target.substr(0, colon), target.substr(colon + 1));
        at_ = found.begin()->endpoint();
    }

    /// Opens so many now, so that no row pays for it.
    void open(std::size_t n) {
        while (all_.size() < std::min(n, most_))
            idle_.push_back(&make());
    }

    /// Sends a request, whole, on an idle connection or a new one.
    void ask(std::string request, heard to) {
        connection* on = nullptr;
        if (!idle_.empty()) {
            on = idle_.front(); // in turn, so that none is idle for long
            idle_.pop_front();
        } else if (all_.size() < most_) {
            on = &make();
        } else {
            throw std::runtime_error("the generator has too few connections");
        }
        most_busy_ = std::max(most_busy_, all_.size() - idle_.size());
        on->request = std::move(request);
        on->to = std::move(to);
        on->again = true;
        write(*on);
    }

    const std::string& host() const noexcept { return host_; }
    std::size_t opened() const noexcept { return opened_; }
    std::size_t most_busy() const noexcept { return most_busy_; }
    std::size_t sent_again() const noexcept { return sent_again_; }

private:
    struct connection {
        explicit connection(asio::io_context& loop)
            : socket(loop) {}
        asio::ip::tcp::socket socket;
        std::string request;
        std::string input;
        heard to;
        bool again = false; // where the server has closed it meanwhile
    };

    connection& make() {
        auto& made = *all_.emplace_back(std::make_unique<connection>(loop_));
        connect(made);
        return made;
    }
    void connect(connection& c) {
        ++opened_;
        c.socket = asio::ip::tcp::socket(loop_);
        c.socket.connect(at_);
        c.socket.set_option(asio::ip::tcp::no_delay(true));
        c.input.clear();
    }

    void write(connection& c) {
        asio::async_write(
            c.socket, asio::buffer(c.request),
            [this, &c](boost::system::error_code ec, std::size_t) { ec ? broke(c) : read_head(c); }
        );
    }
    void read_head(connection& c) {
        asio::async_read_until(
            c.socket, asio::dynamic_buffer(c.input), "\r\n\r\n",
            [this, &c](boost::system::error_code ec, std::size_t size) {
                if (ec) {
                    broke(c);
                    return;
                }
                reply got;
                got.head = c.input.substr(0, size);
                got.status = static_cast<int>(number_in(std::string_view(got.head).substr(9, 3)));
                const auto length =
                    static_cast<std::size_t>(number_in(got.header("Content-Length")));
                read_body(c, std::move(got), size, size + length);
            }
        );
    }
    void read_body(connection& c, reply got, std::size_t head, std::size_t whole) {
        if (c.input.size() >= whole) {
            got.body = c.input.substr(head, whole - head);
            c.input.erase(0, whole);
            answered_on(c, got);
            return;
        }
        const std::size_t lacking = whole - c.input.size();
        asio::async_read(
            c.socket, asio::dynamic_buffer(c.input), asio::transfer_exactly(lacking),
            [this, &c, got = std::move(got), head,
             whole](boost::system::error_code ec, std::size_t) mutable {
                ec ? broke(c) : read_body(c, std::move(got), head, whole);
            }
        );
    }
    void answered_on(connection& c, const reply& got) {
        const heard to = std::move(c.to);
        if (got.header("Connection") == "close")
            connect(c);
        idle_.push_back(&c);
        to(got);
    }
    /// A server may close a connection between two requests: once, on a new one, the request is
    /// sent again, unless something of an answer was there.
    void broke(connection& c) {
        const bool answer_began = !c.input.empty();
        connect(c);
        if (std::exchange(c.again, false) && !answer_began) {
            ++sent_again_;
            write(c);
            return;
        }
        const heard to = std::move(c.to);
        idle_.push_back(&c);
        to(reply());
    }

    asio::io_context& loop_;
    std::string host_;
    asio::ip::tcp::endpoint at_;
    std::size_t most_;
    std::size_t opened_ = 0;
    std::size_t most_busy_ = 0;
    std::size_t sent_again_ = 0;
    std::vector<std::unique_ptr<connection>> all_;
    std::deque<connection*> idle_;
};

/// Saves as simulated tasks of a server: `POST /tasks?count=24&wait=1&site=site-7`.
class over_http final : public contestant {
public:
    explicit over_http(http_connections& through)
        : through_(through) {}

    void save(const order& what, answered to) override {
        std::string request = "POST /tasks?count=" + std::to_string(what.tasks) +
                              "&wait=1&site=" + std::string(what.tenant) +
                              " HTTP/1.1\r\nHost: " + through_.host() +
                              "\r\nX-Request-Timeout-Ms: ";
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(what.left).count();
        request +=
            std::to_string(std::max<std::int64_t>(left, 1)) + "\r\nContent-Length: 0\r\n\r\n";
        through_.ask(std::move(request), [this, to = std::move(to)](const reply& got) {
            to(read(got));
        });
    }

    /// Refusals without a `Retry-After`; there should be none.
    std::size_t without_hint() const noexcept { return without_hint_; }

private:
    answer read(const reply& got) {
        if (got.status == 200)
            return {outcome::done};
        if (got.status == 504)
            return {outcome::expired, corogate::errc::expired};
        if (got.status != 429 && got.status != 503) {
            std::fprintf(stderr, "a save was answered %d\n", got.status);
            return {outcome::failed};
        }
        if (got.header("Retry-After").empty())
            ++without_hint_;
        auto why = corogate::errc::queue_full;
        for (int i = 1; i <= corogate::detail::errc_count; ++i)
            if (corogate::reason_name(static_cast<corogate::errc>(i)) == got.member("reason"))
                why = static_cast<corogate::errc>(i);
        const std::chrono::milliseconds hint(number_in(got.member("retry_after_ms")));
        const auto how = why == corogate::errc::displaced ? outcome::displaced : outcome::refused;
        return {how, why, hint};
    }

    http_connections& through_;
    std::size_t without_hint_ = 0;
};

} // namespace overload
