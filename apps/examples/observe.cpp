// See what a pool does: its books, its distributions, each task; as Prometheus text, too.

#include <boost/asio.hpp>
#include <corogate/observer.hpp>
#include <corogate/prometheus.hpp>
#include <corogate/task_pool.hpp>
#include <iostream>
#include <memory>
#include <sstream>
#include <stdexcept>

namespace asio = boost::asio;
using namespace std::chrono_literals;

// [observer]
struct failures : corogate::observer {
    std::atomic<int> seen{0};
    void ended(
        const corogate::task_info& task, std::chrono::nanoseconds, const std::exception_ptr& error
    ) override {
        if (error && task.tenant == "site-042")
            ++seen;
    }
    void stuck(const corogate::stuck_task& task) override {
        std::cerr << "job " << task.job << " of " << task.tenant << " is stuck\n";
    }
};
// [observer]

int main() {
    auto watches = std::make_shared<failures>();
    corogate::task_pool pool{corogate::pool_options{}.threads(2).observe(watches).stuck_after(30s)};
    const auto who = corogate::job_options{}.tenant("site-042");
    auto broken = [] { throw std::runtime_error("no such record"); };
    try {
        pool.async_submit(broken, who, asio::use_future).get();
    } catch (const std::runtime_error& e) {
        std::cout << "the submitter is told, too: " << e.what() << '\n';
    }

    // [stats]
    const corogate::pool_stats books = pool.stats();     // exact, as of one moment
    const corogate::pool_timings times = pool.timings(); // a sample, where there are many
    std::cout << books.failed << " failed of " << books.accepted << "; p99 of the wait "
              << times.queue_wait.quantile(0.99) / 1us << " us\n";
    std::ostringstream text;
    corogate::write_prometheus(text, books);
    // [stats]
    return watches->seen == 1 && !text.str().empty() ? 0 : 1;
}
