// The semaphore against a model of it: random operations, a step at a time, everything that can be
// seen compared after each. And the same operations from several threads, where what must hold in
// any order is checked. COROGATE_SEED repeats a run.

#include "seed.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <corogate/semaphore.hpp>
#include <corogate/testing/environment.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using boost::system::error_code;
using corogate::errc;
using corogate::permit;
using time_point = corogate::environment::clock::time_point;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(semaphore_model_tests)

struct event {
    int id;
    error_code outcome;
    bool operator==(const event&) const = default;
    friend std::ostream& operator<<(std::ostream& out, const event& e) {
        return out << e.id << ':' << e.outcome.message();
    }
};

/// What a semaphore is, in the plainest way: everything is looked at after everything.
class model {
public:
    explicit model(std::size_t permits)
        : limit(permits) {}

    bool try_acquire(std::size_t n) {
        if (draining || n == 0 || !waiters.empty() || !watchers.empty() || in_use + n > limit)
            return false;
        in_use += n;
        return true;
    }
    void acquire(int id, std::size_t n, std::optional<time_point> until) {
        if (draining)
            return end(id, errc::draining);
        if (limit && n > limit)
            return end(id, errc::job_too_large);
        waiters.push_back({id, n, until});
        settle();
    }
    void release(std::size_t n) {
        in_use -= n;
        settle();
    }
    void cancel(int id) {
        const auto gone = [&](const auto& w) { return w.id == id; };
        if (std::erase_if(waiters, gone) + std::erase_if(watchers, gone))
            end(id, errc::cancelled);
        settle();
    }
    void resize(std::size_t to) {
        limit = to;
        settle();
    }
    void shrink(int id, std::size_t to) {
        resize(to);
        watchers.push_back({id, to, {}});
        settle();
    }
    void drain(int id) {
        draining = true;
        watchers.push_back({id, drain_of_all, {}});
        settle();
    }
    void reopen() {
        draining = false;
        settle();
    }
    void time(time_point now) {
        settle();
        std::multimap<time_point, int> due; // equal ones by arrival
        for (const auto& w : waiters)
            if (w.until && *w.until <= now)
                due.emplace(*w.until, w.id);
        for (const auto& [until, id] : due) {
            std::erase_if(waiters, [gone = id](const auto& w) { return w.id == gone; });
            end(id, errc::timed_out);
        }
        settle();
    }

    /// From one moment that somebody waits for to the next.
    void time_until(time_point now) {
        const auto sooner = [](const auto& a, const auto& b) {
            return a.until.value_or(time_point::max()) < b.until.value_or(time_point::max());
        };
        for (;;) {
            const auto first = std::min_element(waiters.begin(), waiters.end(), sooner);
            if (first == waiters.end() || first->until.value_or(time_point::max()) > now)
                break;
            time(*first->until);
        }
        time(now);
    }

    struct waiter {
        int id;
        std::size_t n;
        std::optional<time_point> until;
    };
    std::size_t limit;
    std::size_t in_use = 0;
    bool draining = false;
    std::deque<waiter> waiters;
    std::deque<waiter> watchers; // of a limit to come down to, or of a drain
    std::vector<event> events;

private:
    static constexpr std::size_t drain_of_all = ~std::size_t(0);
    void end(int id, error_code why) { events.push_back({id, why}); }
    void settle() {
        for (const auto& w : std::exchange(waiters, {}))
            if (limit && w.n > limit)
                end(w.id, errc::job_too_large);
            else
                waiters.push_back(w);
        for (; !waiters.empty() && in_use + waiters.front().n <= limit; waiters.pop_front()) {
            in_use += waiters.front().n;
            end(waiters.front().id, {});
        }
        for (const auto& w : std::exchange(watchers, {}))
            if (w.n != drain_of_all ? in_use <= std::max(w.n, limit)
                                    : draining && in_use == 0 && waiters.empty())
                end(w.id, {});
            else if (w.n == drain_of_all && !draining)
                end(w.id, errc::cancelled);
            else
                watchers.push_back(w);
    }
};

/// A semaphore, its model, and an operation on both at a time.
class pair_under_test {
    /// A handler that logs, of either signature, and can be cancelled.
    auto bound(int id) {
        return asio::bind_cancellation_slot(
            signals_[static_cast<std::size_t>(id)]->slot(),
            [this, id](error_code ec, permit p = {}) {
                events_.push_back({id, ec});
                keep(std::move(p));
            }
        );
    }

public:
    using counts = std::map<int, int>; // of each errc, 0 for a grant

    pair_under_test(std::mt19937& random, counts& outcomes)
        : random_(random)
        , outcomes_(outcomes) {}

    void step() {
        switch (below(16)) {
        case 0:
        case 1:
        case 2:
        case 3:
            return acquire();
        case 4: {
            const auto n = below(5);
            permit got = real_.try_acquire(n);
            BOOST_TEST(bool(got) == model_.try_acquire(n));
            return keep(std::move(got));
        }
        case 5:
        case 6:
        case 7:
        case 8:
            if (held_.empty())
                return;
            return give_back(pick_held());
        case 9:
            if (!held_.empty()) {
                permit whole = pick_held();
                keep(whole.split(below(whole.weight() + 1)));
                keep(std::move(whole));
            }
            return;
        case 10:
            if (held_.size() > 1) {
                permit one = pick_held();
                one.merge(pick_held());
                keep(std::move(one));
            }
            return;
        case 11:
        case 12:
            if (signals_.empty())
                return;
            return cancel(below(signals_.size()));
        case 13: {
            const auto to = below(8);
            if (below(2))
                return both([&] { real_.resize(to); }, [&] { model_.resize(to); });
            const int id = next();
            return both([&] { real_.async_resize(to, bound(id)); }, [&] { model_.shrink(id, to); });
        }
        case 14: {
            if (below(4))
                return both([&] { real_.reopen(); }, [&] { model_.reopen(); });
            const int id = next();
            return both([&] { real_.async_drain(bound(id)); }, [&] { model_.drain(id); });
        }
        default:
            const auto by = std::chrono::milliseconds(below(20));
            environment_.advance(by);
            model_.time_until(environment_.now());
        }
    }

    void compare() {
        environment_.run();
        model_.time_until(environment_.now()); // who came with no time left has been told
        BOOST_REQUIRE_EQUAL_COLLECTIONS(
            events_.begin(), events_.end(), model_.events.begin(), model_.events.end()
        );
        for (const auto& each : std::exchange(events_, {}))
            ++outcomes_[each.outcome.value()];
        model_.events.clear();
        std::size_t out = 0;
        for (const auto& each : held_)
            out += each.weight();
        BOOST_REQUIRE_EQUAL(real_.in_use(), model_.in_use);
        BOOST_REQUIRE_EQUAL(out, model_.in_use);
        BOOST_REQUIRE_EQUAL(real_.limit(), model_.limit);
        BOOST_REQUIRE_EQUAL(real_.waiting(), model_.waiters.size());
        BOOST_REQUIRE_EQUAL(real_.draining(), model_.draining);
    }

private:
    std::size_t below(std::size_t n) { return random_() % n; }
    int next() {
        signals_.push_back(std::make_unique<asio::cancellation_signal>());
        return static_cast<int>(signals_.size()) - 1;
    }
    void keep(permit p) {
        if (p)
            held_.push_back(std::move(p));
    }
    permit pick_held() {
        std::swap(held_[below(held_.size())], held_.back());
        permit p = std::move(held_.back());
        held_.pop_back();
        return p;
    }
    template <typename Real, typename Model>
    void both(Real real, Model model) {
        real();
        model();
    }
    void acquire() {
        const auto n = 1 + below(4);
        const int id = next();
        const auto now = environment_.now();
        const auto patience = std::chrono::milliseconds(int(below(60)) - 5);
        switch (below(3)) {
        case 0:
            return both(
                [&] { real_.async_acquire(n, bound(id)); }, [&] { model_.acquire(id, n, {}); }
            );
        case 1:
            return both(
                [&] { real_.async_acquire_for(patience, n, bound(id)); },
                [&] { model_.acquire(id, n, now + patience); }
            );
        default:
            return both(
                [&] { real_.async_acquire_until(now + patience, n, bound(id)); },
                [&] { model_.acquire(id, n, now + patience); }
            );
        }
    }
    void cancel(std::size_t id) {
        both(
            [&] { signals_[id]->emit(asio::cancellation_type::terminal); },
            [&] { model_.cancel(static_cast<int>(id)); }
        );
    }
    void give_back(permit p) {
        const auto n = p.weight();
        both([&] { p.release(); }, [&] { model_.release(n); });
    }

    std::mt19937& random_;
    counts& outcomes_;
    corogate::testing::environment environment_;
    model model_{3};
    corogate::semaphore real_{environment_, 3};
    std::vector<permit> held_;
    std::vector<std::unique_ptr<asio::cancellation_signal>> signals_;
    std::vector<event> events_;
};

BOOST_AUTO_TEST_CASE(random_operations_do_what_the_model_does) {
    std::mt19937 random(static_cast<std::uint32_t>(test_seed()));
    pair_under_test::counts outcomes;
    for (int round = 0; round < 1000; ++round) {
        pair_under_test both(random, outcomes);
        for (int i = 0; i < 1000; ++i) {
            both.step();
            both.compare();
        }
    }
    // It has been everywhere.
    for (const auto each :
         {errc(), errc::cancelled, errc::timed_out, errc::draining, errc::job_too_large})
        BOOST_TEST(outcomes[static_cast<int>(each)] > 1000);
}

BOOST_AUTO_TEST_CASE(K2_L1_M2_random_operations_from_many_threads_lose_nothing_and_never_exceed) {
    constexpr std::size_t permits = 6;
    constexpr int operations = 4000;
    const auto first_seed = test_seed();
    asio::thread_pool pool(2);
    auto s = std::make_unique<corogate::semaphore>(pool, permits);
    std::atomic<std::size_t> inside{0};
    std::atomic<int> over{0};
    std::atomic<int> negative{0};
    std::atomic<int> begun{0};
    std::atomic<int> ended{0};
    // What is counted inside goes before it is given back, and comes after it was granted.
    const auto leave = [&](permit& p, std::size_t n) {
        inside -= n;
        p.split(n).release();
    };
    const auto enter = [&](const permit& p) { over += (inside += p.weight()) > permits; };
    const auto worker = [&](std::uint32_t own_seed) {
        std::mt19937 random(own_seed);
        const auto below = [&](std::size_t n) { return std::size_t(random()) % n; };
        std::array<asio::cancellation_signal, 8> signals;
        std::array<std::atomic<int>, 8> busy{};
        for (int i = 0; i < operations; ++i) {
            const auto at = below(signals.size());
            const auto n = 1 + below(4);
            switch (below(8)) {
            case 0:
                if (permit p = s->try_acquire(n)) {
                    enter(p);
                    leave(p, below(p.weight() + 1));
                    leave(p, p.weight());
                }
                break;
            case 1:
                s->resize(below(permits + 1));
                break;
            case 2:
                ++begun;
                s->async_resize(below(permits + 1), [&](error_code) { ++ended; });
                break;
            case 3:
                negative +=
                    s->waiting() > 1000000 || s->in_use() > permits || s->available() > permits;
                break;
            case 4:
                signals[at].emit(asio::cancellation_type::terminal);
                break;
            default: {
                if (busy[at].exchange(1, std::memory_order_acquire))
                    break; // a slot is for one operation at a time
                ++begun;
                auto handler = [&, at](error_code, permit p) {
                    if (p) {
                        enter(p);
                        leave(p, p.weight());
                    }
                    ++ended;
                    busy[at].store(0, std::memory_order_release);
                };
                auto bound = asio::bind_cancellation_slot(signals[at].slot(), std::move(handler));
                if (below(2))
                    s->async_acquire(n, std::move(bound));
                else
                    s->async_acquire_for(
                        std::chrono::microseconds(below(300)), n, std::move(bound)
                    );
            }
            }
        }
        s->resize(permits);
        for (const auto& each : busy)
            while (each.load(std::memory_order_acquire))
                std::this_thread::yield();
    };
    std::vector<std::thread> threads;
    for (std::uint32_t i = 0; i < 3; ++i)
        threads.emplace_back(worker, first_seed + i);
    for (auto& thread : threads)
        thread.join();
    s->resize(permits);
    s->async_drain(asio::use_future).get();
    BOOST_TEST(s->in_use() == 0u);
    BOOST_TEST(s->waiting() == 0u);
    s.reset();
    pool.join();
    BOOST_TEST(ended == begun);
    BOOST_TEST(over == 0);
    BOOST_TEST(negative == 0);
    BOOST_TEST(inside == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
