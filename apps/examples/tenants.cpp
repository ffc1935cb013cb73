// Say whose work it is and until when; keep work that computes and work that waits apart.

#include <boost/asio.hpp>
#include <corogate/lane.hpp>
#include <corogate/task_pool.hpp>
#include <iostream>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

int main() {
    corogate::task_pool pool{corogate::pool_options::io_bound().threads(2).limit(32)};

    // [who]
    corogate::job_options who;
    who.tenant("site-042").priority(corogate::priority_class::interactive).deadline(2s);
    auto save = pool.try_admit(24, who.name("save 17"));
    if (!save)
        return 1; // refused: nothing ran
    // [who]
    std::vector<std::function<asio::awaitable<int>()>> checks;
    for (int n = 0; n < 24; ++n)
        checks.push_back([n]() -> asio::awaitable<int> { co_return n; });
    const auto findings = save->async_run(checks, asio::use_future).get();

    // [lane]
    corogate::lane cpu{pool, corogate::lane_options{}.limit(2).borrow(2).name("cpu")};
    auto hash = cpu.async_submit([] { return 42; }, asio::use_future); // 2 at once, 4 when idle
    // [lane]
    std::cout << findings.size() << " checks, " << hash.get() << '\n';
    return findings.size() == 24 ? 0 : 1;
}
