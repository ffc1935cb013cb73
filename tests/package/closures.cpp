// Compiled, or refused, by tests/package/CMakeLists.txt; never linked.
#include <corogate/task_pool.hpp>

#include <boost/asio/deferred.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>

namespace asio = boost::asio;

asio::awaitable<int> caller(corogate::task_pool& pool, std::shared_ptr<int> form) {
#if defined(AWAITABLE)
    co_return co_await pool.async_submit([form] { return *form; }, asio::use_awaitable);
#elif defined(DEFERRED)
    auto operation = pool.async_submit([form] { return *form; }, asio::deferred);
    co_return co_await std::move(operation)(asio::use_awaitable);
#elif defined(NAMED)
    // [take]
    auto check = [form] { return *form; };
    const int report = co_await pool.async_submit(corogate::take(check), asio::use_awaitable);
    // [take]
    co_return report;
#endif
}
