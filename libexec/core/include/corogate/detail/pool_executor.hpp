#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace corogate::detail {

namespace asio = boost::asio;

struct runner;

/// What a pool's executor knows beyond its threads. Shared by the executor's copies.
struct executor_extra
    : boost::intrusive_ref_counter<executor_extra, boost::thread_safe_counter> {
    executor_extra() = default;
    explicit executor_extra(const asio::any_io_executor& other)
        : foreign(other)
        , foreign_never(
              other ? asio::require(other, asio::execution::blocking.never) : other
          ) {}

    asio::any_io_executor foreign; // where the pool runs on an environment
    asio::any_io_executor foreign_never;
    std::atomic<runner*> who{nullptr}; // in the executor of a task: its runner, while it lives
};

/// The executor of a pool: that of an `asio::thread_pool` for the price of a branch, or any other.
///
/// A type-erased executor doubles the cost of every hop, hence this one.
template <typename Threads>
class basic_pool_executor {
public:
    using extra_ptr = boost::intrusive_ptr<executor_extra>;

    explicit basic_pool_executor(Threads threads, extra_ptr extra = {}) noexcept
        : threads_(std::move(threads))
        , extra_(std::move(extra)) {}
    explicit basic_pool_executor(asio::any_io_executor foreign)
        : extra_(new executor_extra(foreign)) {}
    basic_pool_executor(std::optional<Threads> threads, extra_ptr extra, bool never) noexcept
        : threads_(std::move(threads))
        , extra_(std::move(extra))
        , never_(never) {}

    basic_pool_executor(const basic_pool_executor&) noexcept = default;
    basic_pool_executor(basic_pool_executor&&) noexcept = default;
    basic_pool_executor& operator=(const basic_pool_executor&) noexcept = default;
    basic_pool_executor& operator=(basic_pool_executor&&) noexcept = default;
    ~basic_pool_executor() = default;

    /// The same executor, for the tasks of one runner.
    basic_pool_executor of(runner& r) const {
        extra_ptr extra(extra_ ? new executor_extra(extra_->foreign) : new executor_extra);
        extra->who = &r;
        return basic_pool_executor(threads_, std::move(extra), never_);
    }
    /// The runner whose tasks run here; null for the pool's own executor and after its end.
    runner* who() const noexcept { return extra_ ? extra_->who.load() : nullptr; }
    void forget_runner() const noexcept { extra_->who = nullptr; }
    const extra_ptr& extra() const noexcept { return extra_; }

    asio::execution_context& query(asio::execution::context_t) const noexcept {
        return threads_ ? asio::query(*threads_, asio::execution::context)
                        : asio::query(extra_->foreign, asio::execution::context);
    }
    template <typename Allocator>
    auto query(asio::execution::allocator_t<Allocator>) const noexcept {
        using type =
            std::decay_t<decltype(asio::query(std::declval<const Threads&>(), asio::execution::allocator))>;
        if constexpr (std::is_default_constructible_v<type>)
            return threads_ ? type(asio::query(*threads_, asio::execution::allocator)) : type();
        else
            return type(asio::query(*threads_, asio::execution::allocator));
    }
    asio::execution::blocking_t query(asio::execution::blocking_t) const noexcept {
        if (threads_)
            return asio::query(*threads_, asio::execution::blocking);
        return never_ ? asio::execution::blocking_t(asio::execution::blocking.never)
                      : asio::execution::blocking_t(asio::execution::blocking.possibly);
    }

    template <typename Property>
        requires(asio::can_require_v<const Threads&, Property>)
    auto require(const Property& property) const {
        using required = std::decay_t<decltype(asio::require(std::declval<const Threads&>(), property))>;
        using other = basic_pool_executor<required>;
        std::optional<required> threads;
        if (threads_) {
            threads.emplace(asio::require(*threads_, property));
            return other(std::move(threads), extra_, false);
        }
        bool never = never_;
        extra_ptr extra = extra_;
        if constexpr (std::is_same_v<Property, asio::execution::blocking_t::never_t>) {
            never = true;
        } else if constexpr (std::is_same_v<Property, asio::execution::blocking_t::possibly_t>) {
            never = false;
        } else if constexpr (std::is_same_v<
                                 Property, asio::execution::outstanding_work_t::tracked_t>) {
            extra.reset(new executor_extra(asio::prefer(extra_->foreign, property)));
            extra->who = extra_->who.load();
        }
        return other(std::move(threads), std::move(extra), never);
    }

    template <typename F>
    void execute(F&& f) const {
        if (threads_)
            threads_->execute(std::forward<F>(f));
        else
            (never_ ? extra_->foreign_never : extra_->foreign).execute(std::forward<F>(f));
    }

    friend bool operator==(const basic_pool_executor& a, const basic_pool_executor& b) noexcept {
        if (a.threads_ && b.threads_)
            return *a.threads_ == *b.threads_;
        return !a.threads_ && !b.threads_ && a.extra_->foreign == b.extra_->foreign &&
               a.never_ == b.never_;
    }
    friend bool operator!=(const basic_pool_executor& a, const basic_pool_executor& b) noexcept {
        return !(a == b);
    }

private:
    std::optional<Threads> threads_;
    extra_ptr extra_;
    bool never_ = false;
};

using pool_executor = basic_pool_executor<asio::thread_pool::executor_type>;

} // namespace corogate::detail
