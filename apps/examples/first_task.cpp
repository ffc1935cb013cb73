// Run coroutine tasks under a limit, and read their results.

#include <functional>
#include <vector>

// [example]
#include <boost/asio.hpp>
#include <corogate/task_pool.hpp>
namespace asio = boost::asio;

asio::awaitable<int> check(int record) { co_return record % 7 == 0 ? 1 : 0; }

int main() {
    corogate::task_pool pool{corogate::pool_options{}.threads(4).limit(16).queue_tasks(1000)};
    auto job = pool.try_admit(100); // all checks of the form, or none of them
    if (!job)
        return 1; // refused: at once, with a reason, and nothing ran
    std::vector<std::function<asio::awaitable<int>()>> checks;
    for (int record = 0; record < 100; ++record)
        checks.push_back([record] { return check(record); });
    return job->async_run(checks, asio::use_future).get().size() == 100 ? 0 : 1;
}
// [example]
