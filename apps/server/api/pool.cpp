#include "api/pool.hpp"

#include "api/input.hpp"
#include "api/job_json.hpp"
#include "api/routes.hpp"
#include "log.hpp"

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <cmath>
#include <corogate/http/problem.hpp>
#include <optional>
#include <string>
#include <utility>

namespace asio = boost::asio;
namespace http = corogate::http;
namespace json = boost::json;
using corogate::errc;
using namespace std::chrono_literals;

namespace server {

namespace {

constexpr auto every = 500ms;
constexpr std::size_t lines = 20; // of tenants and of running tasks

/// Why the pool says no when it has too little of something.
constexpr errc for_capacity[] = {
    errc::queue_full, errc::fair_share_exceeded, errc::deadline_infeasible, errc::memory_pressure
};
constexpr errc other_refusals[] = {
    errc::job_too_large, errc::draining, errc::stopped, errc::expired
};

/// `queue_full`: names of members have no hyphens.
std::string member_name(errc why) {
    std::string name = corogate::reason_name(why);
    for (char& c : name)
        if (c == '-')
            c = '_';
    return name;
}

/// To a thousandth; an integer where it is one.
json::value number(double value) {
    const double rounded = std::round(value * 1000) / 1000;
    if (rounded == std::floor(rounded) && std::abs(rounded) < 1e15)
        return static_cast<std::int64_t>(rounded);
    return rounded;
}

double ms(std::chrono::nanoseconds time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

json::object times(const std::optional<percentiles>& of) {
    json::object to;
    to["p50"] = of ? number(ms(of->p50)) : json::value(nullptr);
    to["p99"] = of ? number(ms(of->p99)) : json::value(nullptr);
    return to;
}

const char* state_name(service& of, const corogate::pool_stats& books, bool overloaded) {
    if (of.store().failed())
        return "failed";
    if (of.draining())
        return books.waiting + books.running + books.reserved == 0 ? "stopped" : "draining";
    if (books.paused)
        return "paused";
    return overloaded ? "overloaded" : "accepting";
}

} // namespace

pool_view::pool_view(service& of, std::function<http::server_stats()> counts)
    : service_(of)
    , counts_(std::move(counts)) {
    look();
    thread_ = std::thread([this] { look_again_and_again(); });
}

pool_view::~pool_view() {
    {
        const std::lock_guard lock(mutex_);
        ends_ = true;
    }
    end_.notify_all();
    thread_.join();
}

void pool_view::look_again_and_again() {
    auto next = pool_sample::clock::now();
    for (;;) {
        // After a standstill it goes on from now, and does not catch up.
        next = std::max(next + every, pool_sample::clock::now());
        {
            std::unique_lock lock(mutex_);
            if (end_.wait_until(lock, next, [this] { return ends_; }))
                return;
        }
        try {
            look();
            if (service_.events().watchers() > 0)
                tell();
        } catch (const std::exception& e) { // memory; the next look may fare better
            server::tell(log_level::error, std::string("cannot look at the pool: ") + e.what());
        }
    }
}

void pool_view::tell() const {
    http::event state("state", json::serialize(describe()));
    service_.events().publish(std::move(state.newest_only()));
}

void pool_view::look() {
    pool_sample seen;
    const auto timings = service_.pool().timings();
    seen.books = service_.pool().stats();
    seen.queue_wait = timings.queue_wait;
    seen.service_time = timings.service_time;
    for (const errc why : for_capacity)
        seen.refused_for_capacity += service_.tasks_refused(why);
    seen.at = pool_sample::clock::now();
    seen.date = std::chrono::system_clock::now();
    const std::lock_guard lock(mutex_);
    monitor_.add(seen);
}

json::object pool_view::describe() const {
    const corogate::pool_stats books = service_.pool().stats();
    const corogate::pool_activity activity = service_.pool().activity(lines);
    const http::server_stats wire = counts_();
    std::unique_lock lock(mutex_);
    const bool overloaded = monitor_.overloaded();
    const auto per_second = monitor_.per_second();
    const auto queue_wait = monitor_.queue_wait();
    const auto service_time = monitor_.service_time();
    lock.unlock();

    json::object to;
    to["time"] = time_or_null(std::chrono::system_clock::now());
    to["state"] = state_name(service_, books, overloaded);
    to["version"] = COROGATE_VERSION;
    to["limit"] = books.limit;
    to["adaptive"] = bool(service_.pool().options().limiter()) && !books.limit_held;
    to["queue_limit"] = books.queue_tasks;
    to["running"] = books.running;
    to["lent"] = books.lent;
    to["waiting"] = books.waiting;
    to["oldest_waiting_ms"] = activity.oldest_waiting
                                  ? number(std::floor(ms(*activity.oldest_waiting)))
                                  : json::value(nullptr);
    json::object totals;
    totals["submitted"] = books.submitted;
    totals["accepted"] = books.accepted;
    totals["completed"] = books.completed;
    totals["failed"] = books.failed;
    totals["cancelled"] = books.cancelled;
    totals["expired"] = books.expired;
    totals["displaced"] = books.displaced;
    totals["abandoned"] = books.abandoned;
    totals["refused"] = books.refused;
    to["totals"] = std::move(totals);
    json::object reasons;
    const auto add = [&](errc why) {
        if (const auto n = service_.tasks_refused(why))
            reasons[member_name(why)] = n;
    };
    for (const errc why : for_capacity)
        add(why);
    for (const errc why : other_refusals)
        add(why);
    to["refused_by_reason"] = std::move(reasons);
    json::object rates;
    rates["in"] = number(per_second.in);
    rates["out"] = number(per_second.out);
    rates["refused"] = number(per_second.refused);
    to["rates"] = std::move(rates);
    to["queue_wait_ms"] = times(queue_wait);
    to["service_ms"] = times(service_time);

    const auto all = static_cast<double>(books.waiting + books.running);
    json::array tenants;
    for (const auto& line : activity.tenants) {
        json::object one;
        one["tenant"] = line.name;
        one["waiting"] = line.waiting;
        one["running"] = line.running;
        const auto held = static_cast<double>(line.waiting + line.running);
        // The two were counted one after the other.
        one["share"] = number(held / std::max(all, held));
        tenants.push_back(std::move(one));
    }
    to["tenants"] = std::move(tenants);
    json::array running;
    for (const auto& task : activity.running) {
        json::object one;
        one["name"] = task.name;
        one["tenant"] = task.tenant;
        one["age_ms"] = number(std::floor(ms(task.age)));
        one["stuck"] = task.stuck;
        running.push_back(std::move(one));
    }
    to["running_tasks"] = std::move(running);
    json::object front;
    front["connections"] = wire.connections_open;
    front["requests"] = wire.requests;
    to["http"] = std::move(front);
    return to;
}

json::object pool_view::history() const {
    json::array time, waiting, running, lent, limit, queue_limit, in, out, refused;
    json::array wait_p50, wait_p99, service_p50, service_p99;
    const auto add = [](json::array& p50, json::array& p99, const std::optional<percentiles>& of) {
        p50.push_back(of ? number(ms(of->p50)) : json::value(nullptr));
        p99.push_back(of ? number(ms(of->p99)) : json::value(nullptr));
    };
    std::unique_lock lock(mutex_);
    const auto points = monitor_.history();
    lock.unlock();
    for (const auto& one : points) {
        const auto since = one.date.time_since_epoch();
        time.push_back(number(std::chrono::duration<double>(since).count()));
        waiting.push_back(one.waiting);
        running.push_back(one.running);
        lent.push_back(one.lent);
        limit.push_back(one.limit);
        queue_limit.push_back(one.queue_limit);
        in.push_back(number(one.per_second.in));
        out.push_back(number(one.per_second.out));
        refused.push_back(number(one.per_second.refused));
        add(wait_p50, wait_p99, one.queue_wait);
        add(service_p50, service_p99, one.service);
    }
    json::object to;
    to["time"] = std::move(time); // seconds since 1970
    to["waiting"] = std::move(waiting);
    to["running"] = std::move(running);
    to["lent"] = std::move(lent);
    to["limit"] = std::move(limit);
    to["queue_limit"] = std::move(queue_limit);
    to["in"] = std::move(in);
    to["out"] = std::move(out);
    to["refused"] = std::move(refused);
    to["queue_wait_p50"] = std::move(wait_p50); // ms
    to["queue_wait_p99"] = std::move(wait_p99);
    to["service_p50"] = std::move(service_p50);
    to["service_p99"] = std::move(service_p99);
    return to;
}

// ---- routes ----

namespace {

/// What a PATCH asks for.
struct pool_change {
    std::optional<std::size_t> limit;
    bool adapt = false;
    std::optional<std::size_t> queue_tasks;
};

/// An integer from `least` on that the pool takes.
std::optional<std::size_t> tasks_in(const json::value& from, std::uint64_t least) {
    constexpr std::uint64_t most = (1U << 30) - 1; // as --limit and --queue
    boost::system::error_code ec;
    const auto n = from.is_number() ? from.to_number<std::uint64_t>(ec) : 0;
    if (!from.is_number() || from.is_double() || ec || n < least || n > most)
        return std::nullopt;
    return static_cast<std::size_t>(n);
}

input<pool_change> read_change(service& with, const http::request& from) {
    auto body = json_body(from);
    if (!body)
        return body.error();
    pool_change to;
    for (const auto& member : *body) {
        if (member.key() == "limit" && member.value() == "adaptive") {
            if (!with.pool().options().limiter())
                return wrong_field("limit", "the server was started with a fixed limit (--limit)")
                    .to_response();
            to.adapt = true;
        } else if (member.key() == "limit") {
            to.limit = tasks_in(member.value(), 1);
            if (!to.limit)
                return wrong_field(
                           "limit", "the limit is a number of tasks from 1, or \"adaptive\""
                )
                    .to_response();
        } else if (member.key() == "queue_tasks") {
            to.queue_tasks = tasks_in(member.value(), 0);
            if (!to.queue_tasks)
                return wrong_field("queue_tasks", "the queue has a number of places from 0")
                    .to_response();
        } else {
            return wrong_field(member.key(), "a pool has no such setting").to_response();
        }
    }
    if (body->empty())
        return wrong_field("limit", "give limit, queue_tasks or both").to_response();
    return to;
}

http::response state_of(const pool_view& view, unsigned status = 200) {
    auto answer = http::response::json(status, view.describe());
    answer.set("Cache-Control", "no-store");
    return answer;
}

} // namespace

void add_pool_routes(http::router& to, pool_view& of) {
    auto get = [&of](http::request&) -> asio::awaitable<http::response> { co_return state_of(of); };
    auto change = [&of](http::request& from) -> asio::awaitable<http::response> {
        service& with = of.of();
        const auto wanted = read_change(with, from);
        if (!wanted)
            co_return wanted.error();
        if (wanted->adapt)
            with.adapt();
        if (wanted->limit)
            with.limit(*wanted->limit);
        if (wanted->queue_tasks)
            with.queue_tasks(*wanted->queue_tasks);
        co_return state_of(of);
    };
    auto pause = [&of](http::request&) -> asio::awaitable<http::response> {
        of.of().pause();
        co_return state_of(of);
    };
    auto resume = [&of](http::request&) -> asio::awaitable<http::response> {
        if (of.of().resume())
            co_return state_of(of);
        http::problem no(
            409, "draining", "The pool is draining; it can resume when that has ended."
        );
        co_return no.executed(false).to_response();
    };
    auto drain = [&of](http::request&) -> asio::awaitable<http::response> {
        of.of().drain();
        co_return state_of(of, 202);
    };
    to.add("GET", "/v1/pool", get);
    to.add(
        "PATCH", "/v1/pool", change, http::route_options().body_limit(4096).needs(http::role::admin)
    );
    to.add("POST", "/v1/pool/pause", pause, http::route_options().needs(http::role::admin));
    to.add("POST", "/v1/pool/resume", resume, http::route_options().needs(http::role::admin));
    to.add("POST", "/v1/pool/drain", drain, http::route_options().needs(http::role::admin));
}

} // namespace server
