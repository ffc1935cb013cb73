#pragma once

// Whom the saves are given to: a corogate pool, and what people write instead.

#include "work.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <corogate/limiters/adaptive.hpp>
#include <corogate/task_pool.hpp>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace overload {

enum class outcome : std::uint8_t { pending, done, late, refused, displaced, expired, failed };

struct answer {
    outcome how = outcome::pending;
    corogate::errc why{};
    std::chrono::milliseconds hint{};
};

using answered = std::function<void(const answer&)>;

/// Takes saves from the generator's thread and answers there, once each.
class contestant {
public:
    contestant() = default;
    contestant(const contestant&) = delete;
    contestant& operator=(const contestant&) = delete;
    virtual ~contestant() = default;
    virtual void save(const order& what, answered to) = 0;
    /// Whether every save is answered soon after its deadline, so that it is worth waiting.
    virtual bool answers_all() const noexcept { return true; }
    /// The pool, where it has one.
    virtual corogate::task_pool* pool() noexcept { return nullptr; }
};

/// Who moves the limit of the pool under test: `adaptive`, or `fixed` at 64.
inline std::string& our_limiter() {
    static std::string name = "adaptive";
    return name;
}

/// The pool under test: all that corogate offers against overload, in one place.
inline corogate::pool_options ours() {
    corogate::pool_options to;
    if (our_limiter() == "adaptive") {
        const corogate::limiters::adaptive model(cores());
        to.limit(model.limit()).limiter(model);
    }
    return to.queue_tasks(4096).queue_time(80ms).overflow(corogate::overflow_policy::displace);
}

/// The same pool as most would set it up: places in a queue, no tenants, no deadlines.
inline corogate::pool_options plain_pool() {
    return corogate::pool_options().limit(64).queue_tasks(4096);
}

/// Saves as jobs of a task_pool.
class through_pool final : public contestant {
public:
    through_pool(
        asio::io_context& loop, workshop& at, const corogate::pool_options& options, bool named
    )
        : loop_(loop)
        , at_(at)
        , named_(named)
        , pool_(at.threads(), options) {}

    void save(const order& what, answered to) override {
        corogate::job_options who;
        if (named_) {
            who.tenant(std::string(what.tenant)).deadline(std::max(what.left, nanoseconds(1)));
            if (what.weight != 1)
                who.weight(what.weight);
        }
        auto admitted = [this, what, to = std::move(to)](auto job) mutable {
            if (!job)
                to({outcome::refused, job.error().reason(), job.error().retry_after()});
            else if (what.of->wait > 0ns)
                run<waiting_task>(std::move(*job), what, std::move(to));
            else
                run<computing_task>(std::move(*job), what, std::move(to));
        };
        pool_.async_admit(
            what.tasks, who, asio::bind_executor(loop_.get_executor(), std::move(admitted))
        );
    }

    corogate::task_pool* pool() noexcept override { return &pool_; }

private:
    template <typename Task>
    void run(corogate::job job, const order& what, answered to) {
        auto tasks = tasks_of<Task>(what, at_);
        auto ended = [to = std::move(to)](std::exception_ptr error) { to(read(error)); };
        job.async_run(tasks, asio::bind_executor(loop_.get_executor(), std::move(ended)));
    }

    static answer read(const std::exception_ptr& error) {
        if (!error)
            return {outcome::done};
        try {
            std::rethrow_exception(error);
        } catch (const boost::system::system_error& e) {
            if (e.code() == corogate::errc::displaced)
                return {outcome::displaced, corogate::errc::displaced};
            // A task that runs at the deadline sees a cancellation in what it waits for.
            if (e.code() == corogate::errc::expired || e.code() == corogate::errc::cancelled ||
                e.code() == asio::error::operation_aborted)
                return {outcome::expired, corogate::errc::expired};
            std::fprintf(stderr, "a save failed: %s\n", e.what());
            return {outcome::failed};
        } catch (const std::exception& e) {
            std::fprintf(stderr, "a save failed: %s\n", e.what());
            return {outcome::failed};
        }
    }

    asio::io_context& loop_;
    workshop& at_;
    bool named_;
    corogate::task_pool pool_;
};

/// `asio::co_spawn` (or `post`, for tasks that only compute) a task on a bare thread pool. With a
/// bound, a task that finds so many unfinished is refused, and with it the save; the other tasks
/// of the save run all the same.
class bare_threads final : public contestant {
public:
    bare_threads(asio::io_context& loop, workshop& at, std::size_t bound)
        : loop_(loop)
        , at_(at)
        , bound_(bound) {}
    ~bare_threads() override {
        at_.threads().stop(); // what waits is of no use to anybody
        at_.threads().join();
    }

    void save(const order& what, answered to) override {
        if (what.of->wait > 0ns)
            start<waiting_task>(what, std::move(to));
        else
            start<computing_task>(what, std::move(to));
    }

    bool answers_all() const noexcept override { return bound_ != 0; }

private:
    struct joined {
        answered to;
        std::atomic<std::size_t> left;
        bool refused = false; // the generator's own
    };

    template <typename Task>
    void start(const order& what, answered to) {
        auto join = std::make_shared<joined>();
        join->to = std::move(to);
        join->left = what.tasks;
        std::size_t not_taken = 0;
        for (Task& task : tasks_of<Task>(what, at_)) {
            if (bound_ != 0 && unfinished_.load(std::memory_order_relaxed) >= bound_) {
                ++not_taken;
                continue;
            }
            unfinished_.fetch_add(1, std::memory_order_relaxed);
            if constexpr (std::is_same_v<Task, waiting_task>) {
                asio::co_spawn(at_.threads(), task, [this, join](std::exception_ptr) {
                    unfinished_.fetch_sub(1, std::memory_order_relaxed);
                    leave(join, 1);
                });
            } else {
                asio::post(at_.threads(), [this, join, task] {
                    task();
                    unfinished_.fetch_sub(1, std::memory_order_relaxed);
                    leave(join, 1);
                });
            }
        }
        if (not_taken != 0) {
            join->refused = true;
            const auto say = [join] { join->to({outcome::refused, corogate::errc::queue_full}); };
            asio::post(loop_, say);
            leave(join, not_taken);
        }
    }

    void leave(const std::shared_ptr<joined>& join, std::size_t tasks) {
        if (join->left.fetch_sub(tasks, std::memory_order_acq_rel) != tasks)
            return;
        asio::post(loop_, [join] {
            if (!join->refused)
                join->to({outcome::done});
        });
    }

    asio::io_context& loop_;
    workshop& at_;
    std::size_t bound_;
    std::atomic<std::size_t> unfinished_{0};
};

/// A contestant with threads and generator loop of its own.
class stage {
public:
    static constexpr const char* names[] = {"corogate", "plain_pool", "threads", "per_task"};

    explicit stage(std::string_view name)
        : at(cores()) {
        if (name == "corogate")
            who = std::make_unique<through_pool>(loop, at, ours(), true);
        else if (name == "plain_pool")
            who = std::make_unique<through_pool>(loop, at, plain_pool(), false);
        else if (name == "threads")
            who = std::make_unique<bare_threads>(loop, at, 0);
        else if (name == "per_task")
            who = std::make_unique<bare_threads>(loop, at, 400);
        else
            throw std::invalid_argument("there is no contestant " + std::string(name));
    }

    asio::io_context loop{1};
    workshop at;
    std::unique_ptr<contestant> who;
};

} // namespace overload
