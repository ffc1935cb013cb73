// Compiled, or refused, by tests/package/CMakeLists.txt; never linked.
#include <corogate/for_each.hpp>
#include <corogate/race.hpp>
#include <corogate/task_group.hpp>
#include <corogate/task_pool.hpp>
#include <corogate/transform.hpp>

#include <boost/asio/deferred.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <tuple>
#include <vector>

namespace asio = boost::asio;

asio::awaitable<int> caller(corogate::task_pool& pool, std::shared_ptr<int> form) {
#if defined(AWAITABLE)
    co_return co_await pool.async_submit([form] { return *form; }, asio::use_awaitable);
#elif defined(DEFERRED)
    auto operation = pool.async_submit([form] { return *form; }, asio::deferred);
    co_return co_await std::move(operation)(asio::use_awaitable);
#elif defined(FOR_EACH)
    std::vector<int> items(2);
    co_await corogate::async_for_each(pool, items, 2, [form](int) {}, asio::use_awaitable);
    co_return 0;
#elif defined(TRANSFORM)
    std::vector<int> items(2);
    co_await corogate::async_transform(
        pool, items, 2, [form](int) { return *form; }, asio::use_awaitable
    );
    co_return 0;
#elif defined(RACE)
    co_await corogate::async_race(pool, std::tuple([form] { return *form; }), asio::use_awaitable);
    co_return 0;
#elif defined(GROUP)
    co_await corogate::with_group(pool, [form](corogate::task_group&) -> asio::awaitable<void> {
        co_return;
    });
    co_return 0;
#elif defined(NAMED)
    // [take]
    auto check = [form] { return *form; };
    const int report = co_await pool.async_submit(corogate::take(check), asio::use_awaitable);
    // [take]
    co_return report;
#endif
}
