#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>
#include <cstddef>
#include <optional>
#include <tuple>
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

/// A handler with its arguments, called once.
template <typename Handler, typename... Args>
struct bound_handler {
    Handler handler;
    std::tuple<Args...> arguments;
    std::optional<pending_completion> counted; // until the handler has returned

    using allocator_type = boost::asio::associated_allocator_t<Handler>;
    allocator_type get_allocator() const noexcept {
        return boost::asio::get_associated_allocator(handler);
    }
    void operator()() {
        std::apply([this](Args&... given) { std::move(handler)(std::move(given)...); }, arguments);
    }
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
        using bound = bound_handler<Handler, std::decay_t<Args>...>;
        std::optional<pending_completion> counted;
        if (under_way_)
            counted.emplace(*under_way_);
        if constexpr (boost::asio::execution::is_executor<associated>::value) {
            // Not asio::post: that would bind the handler to its executor once more, which costs a
            // second hop through a type-erased one.
            namespace execution = boost::asio::execution;
            const auto allocator = get_allocator();
            boost::asio::prefer(
                boost::asio::require(executor_, execution::blocking.never),
                execution::relationship.fork, execution::allocator(allocator)
            )
                .execute(
                    bound{std::move(handler_), {std::forward<Args>(args)...}, std::move(counted)}
                );
        } else {
            boost::asio::post(
                executor_,
                bound{std::move(handler_), {std::forward<Args>(args)...}, std::move(counted)}
            );
        }
    }

private:
    using associated = std::decay_t<decltype(boost::asio::get_associated_executor(
        std::declval<const Handler&>(), std::declval<const Fallback&>()
    ))>;
    static constexpr bool may_hop = !std::is_same_v<associated, Fallback>;

    bool must_count(const Fallback& fallback) const noexcept {
        if constexpr (requires { fallback.in_order(); })
            if (!fallback.in_order())
                return !may_hop || on_context(fallback);
        if constexpr (std::is_same_v<associated, boost::asio::any_io_executor>) {
            const boost::asio::any_io_executor theirs =
                boost::asio::get_associated_executor(handler_, fallback);
            if (const auto* plain = theirs.template target<Fallback>(); plain && *plain == fallback)
                return false; // one hop
        }
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
