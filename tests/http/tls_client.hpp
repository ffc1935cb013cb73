#pragma once

#include "raw_client.hpp"

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdexcept>
#include <string>

/// A key and a certificate that it has signed itself, as PEM files that only their owner can read.
class self_signed {
public:
    self_signed(const std::filesystem::path& folder, const std::string& name)
        : certificate(folder / (name + ".crt"))
        , key(folder / (name + ".key")) {
        const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> pair(
            EVP_EC_gen("P-256"), &EVP_PKEY_free
        );
        const std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), &X509_free);
        X509_set_version(made.get(), 2);
        ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
        X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
        X509_gmtime_adj(X509_getm_notAfter(made.get()), 24 * 3600);
        X509_set_pubkey(made.get(), pair.get());
        X509_NAME* const subject = X509_get_subject_name(made.get());
        X509_NAME_add_entry_by_txt(
            subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1,
            -1, 0
        );
        X509_set_issuer_name(made.get(), subject);
        X509_sign(made.get(), pair.get(), EVP_sha256());
        const auto write = [](const std::filesystem::path& to, auto put) {
            std::FILE* const file = std::fopen(to.c_str(), "w");
            if (file == nullptr || put(file) != 1)
                throw std::runtime_error("cannot write " + to.string());
            std::fclose(file);
            std::filesystem::permissions(
                to, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write
            );
        };
        write(certificate, [&](std::FILE* to) { return PEM_write_X509(to, made.get()); });
        write(key, [&](std::FILE* to) {
            return PEM_write_PrivateKey(to, pair.get(), nullptr, nullptr, 0, nullptr, nullptr);
        });
    }

    std::filesystem::path certificate;
    std::filesystem::path key;
};

/// What a client wants of TLS.
struct tls_wishes {
    int least = TLS1_2_VERSION;
    int most = TLS1_3_VERSION;
    std::string alpn; // each name behind its length
    const char* ciphers = "ALL:@SECLEVEL=0";
};

/// A blocking client that speaks TLS. It trusts everybody: these are tests of the server. Throws
/// where the handshake fails.
class tls_client : public raw_client {
public:
    explicit tls_client(std::uint16_t port, const tls_wishes& wishes = {})
        : raw_client(port)
        , context_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free)
        , tls_(nullptr, &SSL_free) {
        std::signal(SIGPIPE, SIG_IGN); // OpenSSL writes without asking for less
        SSL_CTX_set_min_proto_version(context_.get(), wishes.least);
        SSL_CTX_set_max_proto_version(context_.get(), wishes.most);
        SSL_CTX_set_cipher_list(context_.get(), wishes.ciphers);
        if (!wishes.alpn.empty())
            SSL_CTX_set_alpn_protos(
                context_.get(), reinterpret_cast<const unsigned char*>(wishes.alpn.data()),
                static_cast<unsigned>(wishes.alpn.size())
            );
        tls_.reset(SSL_new(context_.get()));
        SSL_set_fd(tls_.get(), socket());
        if (SSL_connect(tls_.get()) != 1) {
            ERR_clear_error();
            throw std::runtime_error("no handshake");
        }
    }
    ~tls_client() override {
        if (!ended_)
            SSL_shutdown(tls_.get());
    }

    SSL* native() { return tls_.get(); }
    std::string version() const { return SSL_get_version(tls_.get()); }
    std::string cipher() const { return SSL_get_cipher_name(tls_.get()); }
    std::string protocol() const {
        const unsigned char* name = nullptr;
        unsigned size = 0;
        SSL_get0_alpn_selected(tls_.get(), &name, &size);
        return {reinterpret_cast<const char*>(name), size};
    }
    /// The common name of the server's certificate.
    std::string peer() const {
        const std::unique_ptr<X509, decltype(&X509_free)> shown(
            SSL_get1_peer_certificate(tls_.get()), &X509_free
        );
        char name[100] = "";
        X509_NAME_get_text_by_NID(
            X509_get_subject_name(shown.get()), NID_commonName, name, sizeof name
        );
        return name;
    }
    /// The server has said that nothing more comes: the end is no cut.
    bool ended_in_order() const {
        return (SSL_get_shutdown(tls_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
    }

protected:
    ssize_t send_some(const char* from, std::size_t octets) override {
        return SSL_write(tls_.get(), from, static_cast<int>(octets));
    }
    ssize_t receive_some(char* into, std::size_t octets) override {
        const int got = SSL_read(tls_.get(), into, static_cast<int>(octets));
        if (got > 0)
            return got;
        const int why = SSL_get_error(tls_.get(), got);
        ERR_clear_error();
        ended_ = true;
        // A stream that ends without a word is an end as well, but not in order.
        return why == SSL_ERROR_ZERO_RETURN || why == SSL_ERROR_SSL ? 0 : -1;
    }

private:
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
    std::unique_ptr<SSL, decltype(&SSL_free)> tls_;
    bool ended_ = false;
};
