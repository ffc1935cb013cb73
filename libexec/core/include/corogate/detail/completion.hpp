#pragma once

#include <atomic>
#include <boost/asio/append.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/consign.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace corogate::detail {

/// Counts a completion that is under way, until it has been called or destroyed.
class pending_completion {
public:
    explicit pending_completion(std::atomic<std::size_t>& count) noexcept
        : count_(&count) {
        count.fetch_add(1, std::memory_order_relaxed);
    }
    pending_completion(pending_completion&& other) noexcept
        : count_(std::exchange(other.count_, nullptr)) {}
    pending_completion& operator=(pending_completion&&) = delete;
    ~pending_completion() {
        if (count_)
            count_->fetch_sub(1, std::memory_order_release);
    }

private:
    std::atomic<std::size_t>* count_;
};

/// A completion handler on its way: its associated executor (or `Fallback`) has work until it is
/// called, once, by post.
///
/// Where it runs on the context of `Fallback` but through another executor (a strand), it takes
/// more than one hop, on an environment nothing is first in, first out, and nobody joins threads
/// that are not the pool's own, where it may have begun and still need the executor: `under_way`
/// counts it, so that the context is not left in between.
template <typename Handler, typename Fallback>
class completion {
public:
    completion(
        Handler handler, const Fallback& fallback, std::atomic<std::size_t>* under_way = nullptr
    )
        : handler_(std::move(handler))
        , executor_(tracked(boost::asio::get_associated_executor(handler_, fallback)))
        , under_way_(under_way && must_count(fallback) ? under_way : nullptr) {}

    auto get_allocator() const noexcept { return boost::asio::get_associated_allocator(handler_); }

    template <typename... Args>
    void post(Args&&... args) {
        if constexpr (may_count) {
            if (under_way_) {
                boost::asio::post(
                    executor_,
                    boost::asio::append(
                        boost::asio::consign(std::move(handler_), pending_completion(*under_way_)),
                        std::forward<Args>(args)...
                    )
                );
                return;
            }
        }
        boost::asio::post(
            executor_, boost::asio::append(std::move(handler_), std::forward<Args>(args)...)
        );
    }

private:
    using associated = std::decay_t<decltype(boost::asio::get_associated_executor(
        std::declval<const Handler&>(), std::declval<const Fallback&>()
    ))>;
    static constexpr bool may_hop = !std::is_same_v<associated, Fallback>;
    static constexpr bool may_count = may_hop || requires(const Fallback& f) { f.in_order(); };

    bool must_count(const Fallback& fallback) const noexcept {
        if constexpr (requires { fallback.in_order(); })
            if (!fallback.in_order())
                return !may_hop || on_context(fallback);
        return may_hop && on_context(fallback);
    }

    template <typename Executor>
    static auto tracked(const Executor& executor) {
        return boost::asio::prefer(executor, boost::asio::execution::outstanding_work.tracked);
    }
    bool on_context(const Fallback& fallback) const noexcept {
        using boost::asio::execution::context;
        if constexpr (boost::asio::can_query_v<
                          const associated&, boost::asio::execution::context_t>) {
            const boost::asio::execution_context& ours = boost::asio::query(fallback, context);
            const boost::asio::execution_context& theirs = boost::asio::query(
                boost::asio::get_associated_executor(handler_, fallback), context
            );
            return &ours == &theirs;
        } else {
            return false;
        }
    }

    Handler handler_;
    decltype(tracked(std::declval<const associated&>())) executor_;
    std::atomic<std::size_t>* under_way_;
};

} // namespace corogate::detail
