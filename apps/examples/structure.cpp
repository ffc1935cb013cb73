// Tasks that belong together: for each, transform, gather, race, and a group.

#include <boost/asio.hpp>
#include <corogate/for_each.hpp>
#include <corogate/race.hpp>
#include <corogate/task_group.hpp>
#include <corogate/task_pool.hpp>
#include <corogate/this_task.hpp>
#include <corogate/transform.hpp>
#include <iostream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace asio = boost::asio;
using asio::use_awaitable;
using corogate::take;

struct form {
    std::string subject;
    int pulse;
    bool saved;
};

asio::awaitable<int> from_replica() { throw std::runtime_error("this replica is down"); }
asio::awaitable<int> from_primary() { co_return 72; }

asio::awaitable<bool> save_visit(corogate::task_pool& pool) {
    std::vector<form> forms{{"001", 61, false}, {"002", 720, false}, {"003", 74, false}};

    // [each]
    auto save = [](form& f) -> asio::awaitable<void> {
        f.saved = true;
        co_return;
    };
    co_await corogate::async_for_each(pool, forms, 8, save, use_awaitable);

    auto check = [](const form& f) { return f.pulse > 250 ? 1 : 0; };
    const std::vector<int> findings =
        co_await corogate::async_transform(pool, forms, 8, check, use_awaitable);
    // [each]

    // [gather]
    auto rules = [] { return 12; };
    auto site = []() -> asio::awaitable<std::string> { co_return "site 7"; };
    const auto both =
        co_await corogate::async_gather(pool, std::tuple(take(rules), take(site)), use_awaitable);
    std::cout << std::get<0>(both) << " rules for " << std::get<1>(both) << '\n';

    const auto first = co_await corogate::async_race(
        pool, std::tuple(&from_replica, &from_primary), use_awaitable
    );
    std::cout << "source " << std::get<0>(first) << " says " << std::get<1>(first) << '\n';
    // [gather]

    // [group]
    const corogate::task_context here = co_await corogate::this_task();
    corogate::task_group group(here, corogate::task_group_options{}.limit(2).collect_all());
    for (const form& f : forms)
        group.spawn([&f] {
            if (f.pulse > 250)
                throw std::runtime_error("subject " + f.subject + ": pulse out of range");
        });
    const auto [error] = co_await group.async_join(asio::as_tuple(use_awaitable));
    std::cout << group.errors().size() << " of " << forms.size() << " failed\n";
    // [group]
    co_return error&& findings == std::vector{0, 1, 0} && std::get<0>(first) == 1 && forms[2].saved;
}

int main() {
    // One permit and no queue: what waits for its own tasks lends its permit to them.
    corogate::task_pool pool{corogate::pool_options{}.threads(2).limit(1).queue_tasks(0)};
    const bool good = pool.async_submit([&] { return save_visit(pool); }, asio::use_future).get();
    return good ? 0 : 1;
}
