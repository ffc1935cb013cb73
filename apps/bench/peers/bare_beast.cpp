// A bare Beast server: one thread, a coroutine a connection, "ok" to every request. What a refusal
// of corogate-server is compared with, under the same load of the machine. A POST also spawns a
// coroutine that does nothing on a thread pool, unbounded, as one would without corogate.
//
//   corogate-bench-bare-beast [PORT]      0, the default: a free one; printed as the first line

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

namespace {

asio::awaitable<void> task() { co_return; }

asio::awaitable<void> serve(tcp::socket socket, asio::thread_pool& pool) {
    beast::flat_buffer buffer;
    socket.set_option(tcp::no_delay(true));
    try {
        for (;;) {
            http::request<http::string_body> request;
            co_await http::async_read(socket, buffer, request, asio::use_awaitable);
            if (request.method() == http::verb::post)
                asio::co_spawn(pool, task(), asio::detached);
            http::response<http::string_body> answer(http::status::ok, request.version());
            answer.keep_alive(request.keep_alive());
            answer.set(http::field::content_type, "text/plain");
            answer.body() = "ok\n";
            answer.prepare_payload();
            co_await http::async_write(socket, answer, asio::use_awaitable);
            if (answer.need_eof())
                co_return;
        }
    } catch (const boost::system::system_error&) { // the client has gone
    }
}

asio::awaitable<void> listen(tcp::acceptor acceptor, asio::thread_pool& pool) {
    for (;;)
        asio::co_spawn(
            acceptor.get_executor(),
            serve(co_await acceptor.async_accept(asio::use_awaitable), pool), asio::detached
        );
}

} // namespace

int main(int argc, char** argv) {
    try {
        asio::thread_pool pool; // two threads a core
        asio::io_context context(1);
        const auto port = static_cast<unsigned short>(argc > 1 ? std::atoi(argv[1]) : 0);
        tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), port});
        std::printf("%u\n", acceptor.local_endpoint().port());
        std::fflush(stdout);
        asio::co_spawn(context, listen(std::move(acceptor), pool), asio::detached);
        context.run();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "corogate-bench-bare-beast: %s\n", error.what());
        return 1;
    }
    return 0;
}
