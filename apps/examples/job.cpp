// Admit a job as a whole, and tell its submitter why not.

#include <boost/asio.hpp>
#include <corogate/task_pool.hpp>
#include <functional>
#include <iostream>
#include <vector>

namespace asio = boost::asio;

int main() {
    corogate::task_pool pool{corogate::pool_options{}.threads(2).limit(2).queue_tasks(8)};

    // [admit]
    auto job = pool.try_admit(10); // 2 permits and 8 queue places: exactly everything
    auto second = pool.try_admit(1);
    if (!second)
        std::cout << "refused: " << corogate::reason_name(second.error().reason())
                  << (second.error().retryable() ? ", try again" : "") << '\n';
    auto third = pool.try_admit(11);
    if (!third)
        std::cout << "refused: " << corogate::reason_name(third.error().reason())
                  << (third.error().retryable() ? ", try again" : "") << '\n';
    // [admit]

    std::vector<std::function<int()>> tasks;
    for (int i = 0; i < 10; ++i)
        tasks.push_back([i] { return i * i; });
    int sum = 0;
    for (const int square : job->async_run(tasks, asio::use_future).get())
        sum += square;
    std::cout << "sum " << sum << '\n';
    return sum == 285 && !second && !third ? 0 : 1;
}
