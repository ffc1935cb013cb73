// A limit that finds itself; one that is held.

#include <boost/asio.hpp>
#include <corogate/limiters/adaptive.hpp>
#include <corogate/task_pool.hpp>
#include <iostream>

namespace asio = boost::asio;

int main() {
    const auto options = corogate::pool_options{}.threads(2);
    // [adaptive]
    corogate::task_pool pool{corogate::pool_options{options}.limiter(
        corogate::limiters::adaptive(options.threads()).bounds(2, 512)
    )};
    // [adaptive]
    pool.async_submit([] {}, asio::use_future).get();
    // [hold]
    pool.resize(16); // 16, whatever the limiter says
    const corogate::pool_stats held = pool.stats();
    std::cout << held.limit << " permits; the limiter would have " << held.limit_proposed << '\n';
    pool.adapt(); // the limiter's again: it has watched all the time
    // [hold]
    const corogate::pool_stats given_back = pool.stats();
    return held.limit == 16 && held.limit_held && !given_back.limit_held ? 0 : 1;
}
