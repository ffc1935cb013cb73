#pragma once

#include "address_counts.hpp"
#include "connection.hpp"
#include "tls_context.hpp"

#include <array>
#include <atomic>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <corogate/http/router.hpp>
#include <corogate/http/same_site.hpp>
#include <corogate/http/server.hpp>
#include <ctime>
#include <memory>
#include <mutex>
#include <poll.h>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace corogate::http::detail {

/// What all connections of a server share. Read-only once the server has started, but for counts
/// and the certificate.
struct shared_state {
    explicit shared_state(server_options of)
        : options(std::move(of)) {
        load_tls();
    }

    void report(std::string_view sentence) const noexcept;

    /// A handler has ended on a thread where it must not be; said once.
    void report_stray() noexcept;
    /// Reads the certificate again, for the connections to come. Throws `tls_error`; then the old
    /// one stays. From any thread.
    void load_tls();
    /// Null where the server is plain.
    std::shared_ptr<boost::asio::ssl::context> tls() const;

    const server_options options;
    router routes;
    same_site site;
    std::function<void()> connection_ended; // from any thread of the server

    std::size_t connection_limit = 0;
    std::atomic<std::size_t> connections_open{0};
    std::atomic_flag told_of_stray;
    address_counts addresses; // used only where connections are bounded by address

    /// More than 80 % of the connections are taken.
    bool crowded() const noexcept {
        return connections_open.load(std::memory_order_relaxed) > connection_limit / 5 * 4;
    }

private:
    mutable std::mutex tls_mutex_;
    std::shared_ptr<boost::asio::ssl::context> tls_;
};

/// One thread with its I/O context and its connections. Everything but `context` and the counters
/// belongs to that thread.
class worker {
public:
    using clock = std::chrono::steady_clock;

    explicit worker(shared_state& of)
        : shared(of)
        , sweep_(context) {
        refresh_date();
    }

    void start();
    void stop();

    /// Closes idle connections; the others end after their answer.
    void begin_closing();
    /// Closes every socket. Handlers that are under way stay suspended. Returns how many.
    std::size_t cut();

    std::string_view date_line() const noexcept { return {date_.data(), date_.size()}; }

    /// Counted by one thread, read by others.
    struct counters {
        std::atomic<std::uint64_t> requests{0};
        std::atomic<std::uint64_t> clients_gone{0};
        std::atomic<std::uint64_t> streams_open{0};
        std::array<std::atomic<std::uint64_t>, 6> answers{};
        static void count(std::atomic<std::uint64_t>& of) noexcept {
            of.store(of.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        }
        static void uncount(std::atomic<std::uint64_t>& of) noexcept {
            of.store(of.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
        }
    };

    shared_state& shared;
    boost::intrusive::list<connection, boost::intrusive::constant_time_size<false>> connections;
    bool closing = false;
    counters counts;
    boost::asio::io_context context{1}; // after the list: its coroutines leave the list at the end

private:
    void sweep();
    void look_for_gone_clients();
    void refresh_date();

    boost::asio::basic_waitable_timer<
        clock, boost::asio::wait_traits<clock>, boost::asio::io_context::executor_type>
        sweep_;
    std::chrono::milliseconds sweep_every_{250};
    std::vector<pollfd> watched_;
    std::vector<connection*> watched_for_; // of each of them
    std::time_t date_of_ = 0;
    std::array<char, 37> date_{}; // "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    std::thread thread_;
};

} // namespace corogate::http::detail
