#pragma once

#include "pool_monitor.hpp"
#include "service.hpp"

#include <boost/json/object.hpp>
#include <condition_variable>
#include <corogate/http/server.hpp>
#include <functional>
#include <mutex>
#include <thread>

namespace server {

/// The pool as people see it: what it is now, what it did lately, how it came there.
///
/// Looks every half second, on a thread of its own, so that it does it however busy everything else
/// is; and tells who follows `/v1/events` what it saw. Members from any thread. The service and
/// what `counts` refers to outlive it; it outlives the handlers that use it.
class pool_view {
public:
    /// `counts` gives what the HTTP server counted.
    pool_view(service& of, std::function<corogate::http::server_stats()> counts);
    pool_view(const pool_view&) = delete;
    pool_view& operator=(const pool_view&) = delete;
    ~pool_view();

    /// The pool state object of GET /v1/pool, as of now; rates and percentiles as of the last look.
    boost::json::object describe() const;
    /// What is charted, of the last ten minutes, as columns of numbers, oldest first.
    boost::json::object history() const;

    /// Tells who follows `/v1/events` what it is now, without waiting for the next look.
    void tell() const;

    service& of() noexcept { return service_; }

private:
    void look();
    void look_again_and_again();

    service& service_;
    const std::function<corogate::http::server_stats()> counts_;
    mutable std::mutex mutex_;
    pool_monitor monitor_;
    bool ends_ = false;
    std::condition_variable end_;
    std::thread thread_;
};

} // namespace server
