#pragma once

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <utility>

namespace corogate::http {

/// TLS for a server: 1.2 and 1.3, ephemeral elliptic-curve keys, AES-GCM and ChaCha20 only; no
/// renegotiation, no compression, no session resumption, no early data; ALPN `http/1.1`.
class tls_options {
public:
    using duration = std::chrono::milliseconds;

    /// Two PEM files: the certificate with the chain up to its root, its own first, and its private
    /// key, without a pass phrase. A key file that others can read, or that its group or others can
    /// write, is refused. They are read when the server is made, and by `server::reload_tls`.
    tls_options(std::filesystem::path certificate, std::filesystem::path key)
        : certificate_(std::move(certificate))
        , key_(std::move(key)) {}

    /// From the accept to the end of the handshake. Default 10 s.
    tls_options& handshake_time(duration most) { return handshake_time_ = most, *this; }

    const std::filesystem::path& certificate() const noexcept { return certificate_; }
    const std::filesystem::path& key() const noexcept { return key_; }
    duration handshake_time() const noexcept { return handshake_time_; }

private:
    std::filesystem::path certificate_;
    std::filesystem::path key_;
    duration handshake_time_ = std::chrono::seconds(10);
};

/// Certificate or key cannot be used. `what()` is one clear sentence without an end mark: `the key
/// key.pem does not belong to the certificate cert.pem`.
class tls_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

} // namespace corogate::http
