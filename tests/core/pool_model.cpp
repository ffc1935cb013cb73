// Random traffic on a pool against what the tasks themselves see. On the environment: a failure
// comes back with its seed.
#include <corogate/task_pool.hpp>

#include "completions.hpp"

#include <algorithm>
#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <corogate/testing/for_each_seed.hpp>
#include <cstdlib>
#include <deque>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::error_code;
using boost::system::system_error;
using corogate::errc;
using corogate::job_options;
using corogate::overflow_policy;
using corogate::pool_options;
using corogate::take;
using corogate::task_pool;
using corogate::testing::environment;
using corogate::testing::for_each_seed;

BOOST_AUTO_TEST_SUITE(pool_model_tests)

/// Aborts the seed: for_each_seed prints it.
static void require(bool holds, const std::string& what) {
    if (!holds)
        throw std::runtime_error(what);
}

class model {
public:
    explicit model(environment& on)
        : env_(on)
        , random_(on.seed() * 7919 + 1) {}

    void run() {
        options_.limit(1 + below(4)).queue_tasks(below(12)).children(8);
        options_.overflow(std::vector{
            overflow_policy::reject, overflow_policy::wait, overflow_policy::displace
        }[below(3)]);
        options_.on_error([this](auto e) { note_detached(test::code_of(e)); });
        limit_ = allowed_ = options_.limit();
        {
            task_pool pool{env_, options_};
            pool_ = &pool;
            for (int step = 0; step < 250; ++step) {
                act();
                for (auto n = below(6); n > 0; --n) {
                    env_.run_one();
                    look();
                }
                if (below(4) == 0)
                    env_.advance(below(3) * 1ms);
                look();
            }
            switch (env_.seed() % 3) {
            case 0:
                end_quietly();
                break;
            case 1:
                pool.stop();
                env_.run();
                check_end(true);
                break;
            default: // in the midst of everything
                break;
            }
        }
        env_.run();
        check_completions();
    }

    const corogate::pool_stats& last() const { return last_; }
    std::size_t lent() const { return lent_seen_; }

private:
    /// One operation with a completion of its own.
    struct call {
        asio::cancellation_signal signal;
        const char* what;
        int completions = 0;
        error_code code;
        explicit call(const char* of)
            : what(of) {}
    };

    std::size_t below(std::size_t n) {
        return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_);
    }

    /// What a task sees from its start to its end.
    class inside {
    public:
        explicit inside(model& of)
            : of_(of) {
            ++of_.starts_;
            of_.take_permit();
        }
        inside(const inside&) = delete;
        inside& operator=(const inside&) = delete;
        ~inside() {
            of_.holding_ -= holds_;
            ++(normal_ ? of_.normal_ends_ : of_.bad_ends_);
        }
        void lend() {
            --of_.holding_;
            holds_ = false;
        }
        void back() {
            holds_ = true;
            of_.take_permit();
        }
        void normal() { normal_ = true; }

    private:
        model& of_;
        bool holds_ = true;
        bool normal_ = false;
    };

    void take_permit() {
        ++holding_;
        over_limit_ += holding_ > allowed_;
    }

    job_options whose() {
        job_options who;
        who.tenant(std::string(1, char('a' + below(3))));
        who.priority(corogate::all_priority_classes[below(corogate::priority_class_count)]);
        if (below(3) == 0)
            who.deadline(std::chrono::milliseconds(1 + below(8)));
        return who;
    }

    asio::awaitable<void> body(std::size_t depth) {
        inside here(*this);
        const auto kind = below(8);
        if (kind < 4)
            co_await env_.async_wait(below(6) * 1ms, asio::use_awaitable);
        if (kind == 4)
            throw std::runtime_error("bad");
        if (kind >= 5 && depth > 0)
            co_await nested(here, depth, kind);
        if (kind == 3)
            co_await asio::post(asio::use_awaitable);
        here.normal();
    }

    asio::awaitable<void> nested(inside& here, std::size_t depth, std::size_t kind) {
        auto child = [this, depth] { return body(depth - 1); };
        here.lend();
        if (kind == 5) {
            auto [e] =
                co_await pool_->async_submit(take(child), asio::as_tuple(asio::use_awaitable));
        } else if (kind == 6) {
            const auto who = whose();
            auto [e] =
                co_await pool_->async_submit(take(child), who, asio::as_tuple(asio::use_awaitable));
        } else {
            here.back(); // an admission lends nothing
            const auto n = below(4);
            auto admitted = co_await pool_->async_admit(n, asio::use_awaitable);
            if (!admitted)
                co_return;
            std::vector<std::function<asio::awaitable<void>()>> tasks(n, child);
            here.lend();
            auto [e] = co_await admitted->async_run(tasks, asio::as_tuple(asio::use_awaitable));
            here.back();
            co_return;
        }
        here.back();
    }

    std::function<asio::awaitable<void>()> task() {
        return [this] { return body(3); };
    }

    auto note(call& of) {
        return asio::bind_cancellation_slot(of.signal.slot(), [&of](std::exception_ptr e) {
            ++of.completions;
            of.code = test::code_of(e);
        });
    }
    void note_detached(error_code code) { expired_seen_ += code == errc::expired; }

    void act() {
        switch (below(16)) {
        case 0:
        case 1:
            pool_->async_submit(task(), note(calls_.emplace_back("submit")));
            break;
        case 2:
        case 3:
        case 4:
            pool_->async_submit(task(), whose(), note(calls_.emplace_back("submit")));
            break;
        case 5:
            static_cast<void>(pool_->try_submit(task(), whose()));
            break;
        case 6: {
            std::vector<std::function<asio::awaitable<void>()>> some(below(4), task());
            static_cast<void>(pool_->try_submit_all(some, whose()));
            break;
        }
        case 7:
            if (!calls_.empty())
                calls_[below(calls_.size())].signal.emit(asio::cancellation_type::terminal);
            break;
        case 8:
            if (below(2))
                pool_->pause();
            else
                pool_->resume();
            break;
        case 9:
            resize(1 + below(5));
            break;
        case 10:
            if (below(2))
                pool_->resize_queue(below(14));
            else
                pool_->resume();
            break;
        case 11:
            if (auto admitted = pool_->try_admit(below(5), whose()))
                jobs_.push_back(std::move(*admitted));
            break;
        case 12: {
            auto& of = calls_.emplace_back("admit");
            auto granted = [this, &of](auto answer) {
                ++of.completions;
                if (answer)
                    jobs_.push_back(std::move(*answer));
            };
            pool_->async_admit(
                1 + below(4), whose(),
                asio::bind_cancellation_slot(of.signal.slot(), std::move(granted))
            );
            break;
        }
        case 13:
            use_job();
            break;
        case 14:
            if (!jobs_.empty()) {
                std::swap(jobs_[below(jobs_.size())], jobs_.back());
                if (below(2))
                    jobs_.back().cancel();
                jobs_.pop_back();
            }
            break;
        default:
            if (below(4) == 0) {
                auto& of = calls_.emplace_back("drain");
                pool_->async_drain(
                    below(10) * 1ms,
                    [&of](error_code, const corogate::drain_report&) { ++of.completions; }
                );
            } else {
                pool_->reopen();
            }
        }
    }

    void resize(std::size_t to) {
        const auto mine = ++resizes_;
        limit_ = to;
        allowed_ = std::max(allowed_, to);
        if (below(2)) {
            pool_->resize(to);
            return;
        }
        auto& of = calls_.emplace_back("resize");
        pool_->async_resize(to, [this, mine, to, &of](error_code ec) {
            ++of.completions;
            if (!ec && mine == resizes_)
                allowed_ = to; // what it promises
        });
    }

    void use_job() {
        if (jobs_.empty())
            return;
        auto& one = jobs_[below(jobs_.size())];
        if (below(2)) {
            try {
                one.submit(task());
            } catch (const system_error&) { // no places, cancelled, expired
            }
            return;
        }
        std::vector<std::function<asio::awaitable<void>()>> some(below(4), task());
        one.async_run(some, note(calls_.emplace_back("run")));
    }

    void look() {
        const auto s = pool_->stats();
        require(test::identities_hold(s), "the books do not balance");
        require(s.permits_used <= allowed_, "more permits in use than the limit");
        require(s.limit == limit_, "the limit");
        require(over_limit_ == 0, "more tasks without a lent permit than the limit");
        require(s.completed <= normal_ends_, "more completed than ended");
        require(s.failed <= bad_ends_, "more failed than ended badly");
        for (const auto& [now, before] :
             {std::pair{s.accepted, last_.accepted},
              {s.refused, last_.refused},
              {s.completed, last_.completed},
              {s.failed, last_.failed},
              {s.cancelled, last_.cancelled},
              {s.expired, last_.expired},
              {s.displaced, last_.displaced},
              {s.abandoned, last_.abandoned}})
            require(now >= before, "a counter went back");
        lent_seen_ += s.lent;
        last_ = s;
    }

    void end_quietly() {
        pool_->resume();
        env_.advance(1min); // drains are over too
        do {                // who was let in meanwhile comes with a job
            jobs_.clear();
            pool_->reopen();
            env_.advance(1min);
        } while (!jobs_.empty());
        look();
        check_end(false);
        // Every place and every permit is there again.
        const auto s = pool_->stats();
        auto all = pool_->try_admit(s.limit + s.queue_tasks);
        require(bool(all), "a place was lost");
        most_ = 0;
        for (std::size_t i = 0; i < s.limit; ++i)
            all->submit([this]() -> asio::awaitable<void> {
                most_ = std::max(most_, ++sleeping_);
                co_await env_.async_wait(1ms, asio::use_awaitable);
                --sleeping_;
            });
        env_.advance(1s);
        require(most_ == s.limit, "a permit was lost");
    }

    void check_end(bool stopped) {
        const auto s = pool_->stats();
        require(test::identities_hold(s), "the books do not balance in the end");
        require(s.waiting == 0, "something waits for ever");
        require(s.running == 0, "something runs for ever");
        require(s.lent == 0, "a permit is lent for ever");
        require(s.waiting_submitters == 0, "somebody stands at the door for ever");
        require(stopped || s.reserved == 0, "a place is reserved for ever");
        require(s.completed == normal_ends_, "completed");
        require(s.failed == bad_ends_, "failed");
        require(s.completed + s.failed == starts_, "every task that started has ended");
        require(expired_seen_ <= s.expired + s.refused, "expired");
        require(holding_ == 0, "a task holds a permit after its end");
    }

    void check_completions() {
        require(starts_ == normal_ends_ + bad_ends_, "a frame is left");
        for (const auto& of : calls_)
            require(
                of.completions == 1,
                std::string(of.what) + " completed " + std::to_string(of.completions) + " times"
            );
    }

    environment& env_;
    std::mt19937_64 random_;
    pool_options options_;
    task_pool* pool_ = nullptr;
    std::deque<call> calls_; // stable addresses
    std::deque<corogate::job> jobs_;
    corogate::pool_stats last_;
    std::size_t limit_ = 0, allowed_ = 0;
    std::size_t resizes_ = 0;
    std::size_t holding_ = 0, over_limit_ = 0;
    std::size_t starts_ = 0, normal_ends_ = 0, bad_ends_ = 0, expired_seen_ = 0;
    std::size_t sleeping_ = 0, most_ = 0, lent_seen_ = 0;
};

BOOST_AUTO_TEST_CASE(M1_M2_L1_R1_random_traffic_is_told_once_and_the_books_balance_at_every_step) {
    corogate::pool_stats sum;
    std::size_t lent = 0;
    for_each_seed(200, [&](environment& env) {
        model one(env);
        one.run();
        const auto& s = one.last();
        sum.refused += s.refused;
        sum.completed += s.completed;
        sum.failed += s.failed;
        sum.cancelled += s.cancelled;
        sum.expired += s.expired;
        sum.displaced += s.displaced;
        sum.abandoned += s.abandoned;
        lent += one.lent();
    });
    // The traffic went everywhere.
    if (std::getenv("COROGATE_SEED"))
        return;
    for (const auto n :
         {sum.refused, sum.completed, sum.failed, sum.cancelled, sum.expired, sum.displaced,
          sum.abandoned})
        BOOST_TEST(n > 100u);
    BOOST_TEST(lent > 1000u);
}

BOOST_AUTO_TEST_CASE(R1_who_waits_for_more_than_a_shrunk_pool_holds_is_told_and_holds_up_nobody) {
    for_each_seed(50, [](environment& env) {
        task_pool pool{env, pool_options{}.limit(2).queue_tasks(4).overflow(overflow_policy::wait)};
        auto sleep = [&] { return env.async_wait(1s, asio::use_awaitable); };
        for (int i = 0; i < 6; ++i)
            BOOST_REQUIRE(pool.try_submit(sleep));
        error_code large;
        bool small = false;
        pool.async_admit(5, [&](auto answer) { large = answer.error().code(); });
        pool.async_admit(2, [&](auto answer) { small = bool(answer); });
        env.run();
        BOOST_TEST(pool.stats().waiting_submitters == 2u);
        pool.resize_queue(1);
        env.run();
        BOOST_TEST(large == errc::job_too_large);
        BOOST_TEST(!small);
        env.advance(1h);
        BOOST_TEST(small);
        test::settle(env, pool);
    });
}

BOOST_AUTO_TEST_SUITE_END()
