#include "tls_context.hpp"

#include "secret_file.hpp"

#include <cerrno>
#include <fstream>
#include <iterator>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string>
#include <string_view>
#include <system_error>

namespace corogate::http::detail {
namespace {

namespace asio = boost::asio;

[[noreturn]] void fail(const std::string& sentence) {
    ERR_clear_error(); // ours is the better one, and the queue belongs to whoever comes next
    throw tls_error(sentence);
}

std::string read_file(const std::filesystem::path& file, std::string_view what) {
    std::ifstream in(file, std::ios::binary);
    std::string content((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    if (!in || content.empty())
        fail(std::string(what) + " " + file.string() + " cannot be read");
    return content;
}

/// The server speaks HTTP/1.1: a client that offers only something else is told so now.
int select_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered, unsigned offered_size, void*) {
    constexpr std::string_view ours = "http/1.1";
    for (const unsigned char* at = offered; at < offered + offered_size; at += 1 + *at) {
        const std::string_view one(reinterpret_cast<const char*>(at + 1), *at);
        if (one == ours) {
            *chosen = at + 1;
            *size = *at;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/// Nobody is there to be asked for a pass phrase.
int no_pass_phrase(char*, int, int, void*) { return -1; }

void restrict(SSL_CTX* to) {
    SSL_CTX_set_min_proto_version(to, TLS1_2_VERSION);
    SSL_CTX_set_options(
        to, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA
    );
    // A key that opens recorded traffic must not outlive its connection.
    SSL_CTX_set_session_cache_mode(to, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(to, 0);
    SSL_CTX_set_max_early_data(to, 0);
    SSL_CTX_set_mode(to, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(to, select_protocol, nullptr);
    if (SSL_CTX_set_cipher_list(to, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1 ||
        SSL_CTX_set_ciphersuites(
            to, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
        ) != 1 ||
        SSL_CTX_set1_groups_list(to, "X25519:P-256:P-384") != 1)
        fail("the TLS library of this machine lacks the ciphers that this server needs");
}

} // namespace

std::shared_ptr<asio::ssl::context> make_tls_context(const tls_options& from) {
    auto made = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
    SSL_CTX* const native = made->native_handle();
    restrict(native);

    const std::string chain = read_file(from.certificate(), "the certificate");
    boost::system::error_code error;
    made->use_certificate_chain(asio::buffer(chain), error);
    if (error)
        fail("the certificate " + from.certificate().string() + " is no PEM certificate");

    const std::string text = read_secret_file(from.key(), "the key", &fail);
    const std::unique_ptr<BIO, decltype(&BIO_free)> in(
        BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free
    );
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
        PEM_read_bio_PrivateKey(in.get(), nullptr, no_pass_phrase, nullptr), &EVP_PKEY_free
    );
    if (!key)
        fail("the key " + from.key().string() + " is no PEM key without a pass phrase");
    if (SSL_CTX_use_PrivateKey(native, key.get()) != 1 || SSL_CTX_check_private_key(native) != 1)
        fail(
            "the key " + from.key().string() + " does not belong to the certificate " +
            from.certificate().string()
        );
    ERR_clear_error();
    return made;
}

} // namespace corogate::http::detail
