#pragma once

#include <arpa/inet.h>
#include <cerrno>
#include <cstdint>
#include <netinet/in.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <utility>

/// A blocking client that sends octets as they are. Waits 20 s at most for anything, then throws.
class raw_client {
public:
    struct reply {
        int status = 0;
        std::string head;
        std::string body;

        /// The value of a field, empty where it is absent. The name as the server writes it.
        std::string header(std::string_view name) const {
            const std::string key = "\r\n" + std::string(name) + ": ";
            const std::size_t at = head.find(key);
            if (at == std::string::npos)
                return {};
            const std::size_t from = at + key.size();
            return head.substr(from, head.find("\r\n", from) - from);
        }
    };

    raw_client()
        : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        if (socket_ < 0)
            throw std::runtime_error("no socket");
    }
    explicit raw_client(std::uint16_t port)
        : raw_client() {
        connect(port);
    }
    raw_client(raw_client&& other) noexcept
        : socket_(std::exchange(other.socket_, -1))
        , input_(std::move(other.input_)) {}
    virtual ~raw_client() {
        if (socket_ >= 0)
            ::close(socket_);
    }

    void connect(std::uint16_t port) {
        const timeval most{20, 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
            throw std::runtime_error("cannot connect");
    }

    /// What the server no longer takes is dropped: it may have closed already.
    void send(std::string_view octets) {
        while (!octets.empty()) {
            const auto sent = send_some(octets.data(), octets.size());
            if (sent <= 0)
                return;
            octets.remove_prefix(static_cast<std::size_t>(sent));
        }
    }

    /// Sends what the kernel takes within a fifth of a second; 0 where that is nothing.
    std::size_t send_some(std::string_view octets) {
        const timeval most{0, 200'000};
        ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
        const auto sent = ::send(socket_, octets.data(), octets.size(), MSG_NOSIGNAL);
        return sent < 0 ? 0 : static_cast<std::size_t>(sent);
    }

    /// The next answer; status 0 where the server closed instead. `to_head`: it has no body.
    reply read(bool to_head = false) {
        reply got;
        std::size_t end = 0;
        while ((end = input_.find("\r\n\r\n")) == std::string::npos)
            if (!receive()) {
                if (!input_.empty())
                    throw std::runtime_error("half an answer: " + input_);
                return got;
            }
        got.head = input_.substr(0, end + 2);
        input_.erase(0, end + 4);
        if (!got.head.starts_with("HTTP/1.1 "))
            throw std::runtime_error("not an answer: " + got.head);
        got.status = std::stoi(got.head.substr(9, 3));
        const std::string length = got.header("Content-Length");
        const std::size_t size = length.empty() || to_head ? 0 : std::stoul(length);
        while (input_.size() < size)
            if (!receive())
                throw std::runtime_error("half a body");
        got.body = input_.substr(0, size);
        input_.erase(0, size);
        return got;
    }

    reply ask(std::string_view octets) {
        send(octets);
        return read();
    }

    /// The next chunk of a body in chunks, as the server sent it; empty: the last one. Behind
    /// `read(true)`. Throws where the server closes before it is whole.
    std::string read_chunk() {
        const std::string size = take_until("\r\n");
        const std::size_t octets = std::stoul(size, nullptr, 16);
        while (input_.size() < octets + 2)
            if (!receive())
                throw std::runtime_error("half a chunk");
        const std::string chunk = input_.substr(0, octets);
        if (input_.substr(octets, 2) != "\r\n")
            throw std::runtime_error("not a chunk: " + input_);
        input_.erase(0, octets + 2);
        return chunk;
    }

    /// All octets up to the close.
    std::string read_all() {
        while (receive())
            ;
        return std::exchange(input_, {});
    }

    void leave() { ::close(std::exchange(socket_, -1)); }

    /// Leaves with a reset.
    void reset() {
        const linger at_once{1, 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        leave();
    }

    /// Waits for the server to close and says whether it did so without a further octet. A reset
    /// is no close: it can cost the client an answer.
    bool closed() { return input_.empty() && !receive(); }

    /// Tells the server that nothing more comes.
    void finish() { ::shutdown(socket_, SHUT_WR); }

protected:
    // As the functions of the system; another kind of wire has others.
    virtual ssize_t send_some(const char* from, std::size_t octets) {
        return ::send(socket_, from, octets, MSG_NOSIGNAL);
    }
    virtual ssize_t receive_some(char* into, std::size_t octets) {
        return ::recv(socket_, into, octets, 0);
    }
    int socket() const noexcept { return socket_; }

private:
    std::string take_until(std::string_view mark) {
        std::size_t end = 0;
        while ((end = input_.find(mark)) == std::string::npos)
            if (!receive())
                throw std::runtime_error("closed in the middle");
        const std::string taken = input_.substr(0, end);
        input_.erase(0, end + mark.size());
        return taken;
    }

    bool receive() {
        char octets[4096];
        const auto got = receive_some(octets, sizeof octets);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            throw std::runtime_error("the server says nothing and does not close");
        if (got < 0)
            throw std::runtime_error("the server reset the connection");
        if (got == 0)
            return false;
        input_.append(octets, static_cast<std::size_t>(got));
        return true;
    }

    int socket_;
    std::string input_;
};
