#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <corogate/detail/pool_executor.hpp>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <variant>

namespace corogate::detail {

/// Asio's own executors: they take memory from the allocator they are given while something is
/// posted, never later. So that memory may be a part of what is posted.
template <typename Executor>
inline constexpr bool posts_in_place = false;
template <typename Allocator, auto Bits>
inline constexpr bool
    posts_in_place<boost::asio::io_context::basic_executor_type<Allocator, Bits>> = true;
template <typename Allocator, auto Bits>
inline constexpr bool
    posts_in_place<boost::asio::thread_pool::basic_executor_type<Allocator, Bits>> = true;
template <typename Inner>
inline constexpr bool posts_in_place<boost::asio::strand<Inner>> = posts_in_place<Inner>;

/// What one posting takes of memory at most; a strand takes two blocks.
template <typename Executor>
inline constexpr std::size_t in_place_bytes = 0;
template <typename Executor>
    requires posts_in_place<Executor>
inline constexpr std::size_t in_place_bytes<Executor> = 64;
template <typename Inner>
    requires posts_in_place<Inner>
inline constexpr std::size_t in_place_bytes<boost::asio::strand<Inner>> = 192;

/// An executor that has work until this is destroyed, and a way to post to it, once, with memory
/// that is already there. Executors that are not Asio's own allocate with what `asio::post` uses.
template <typename Executor>
class waiting_executor {
public:
    static constexpr std::size_t bytes = in_place_bytes<Executor>;

    explicit waiting_executor(const Executor& executor)
        : tracked_(boost::asio::prefer(executor, boost::asio::execution::outstanding_work.tracked)
          ) {}

    template <typename Function, typename InPlace, typename Usual>
    void post(Function function, const InPlace& in_place, const Usual& usual) const {
        namespace execution = boost::asio::execution;
        if constexpr (posts_in_place<Executor>) {
            // Each copy of a tracked executor counts work: go on with one that does not.
            const auto plain =
                boost::asio::require(tracked_, execution::outstanding_work.untracked);
            boost::asio::prefer(
                boost::asio::require(plain, execution::blocking.never),
                execution::relationship.fork, execution::allocator(in_place)
            )
                .execute(std::move(function));
        } else {
            boost::asio::post(tracked_, boost::asio::bind_allocator(usual, std::move(function)));
        }
    }

private:
    std::decay_t<decltype(boost::asio::prefer(
        std::declval<const Executor&>(), boost::asio::execution::outstanding_work.tracked
    ))>
        tracked_;
};

/// Looks through the type erasure: coroutines have an `any_io_executor`, and what is in it, or
/// under a strand over it, is nearly always Asio's own.
template <>
class waiting_executor<boost::asio::any_io_executor> {
    using erased = boost::asio::any_io_executor;
    using pool = boost::asio::thread_pool::executor_type;
    using io = boost::asio::io_context::executor_type;
    template <typename Inner>
    using strand = boost::asio::strand<Inner>;

public:
    static constexpr std::size_t bytes = 192;

    explicit waiting_executor(const erased& executor)
        : seen_(look_through(executor)) {}
    explicit waiting_executor(const strand<erased>& executor)
        : seen_(look_through(executor)) {}

    template <typename Function, typename InPlace, typename Usual>
    void post(Function function, const InPlace& in_place, const Usual& usual) const {
        std::visit(
            [&](const auto& executor) { executor.post(std::move(function), in_place, usual); },
            seen_
        );
    }

private:
    /// What is not Asio's own.
    class opaque {
    public:
        explicit opaque(const erased& executor)
            : tracked_(
                  boost::asio::prefer(executor, boost::asio::execution::outstanding_work.tracked)
              ) {}
        template <typename Function, typename InPlace, typename Usual>
        void post(Function function, const InPlace&, const Usual& usual) const {
            boost::asio::post(tracked_, boost::asio::bind_allocator(usual, std::move(function)));
        }

    private:
        erased tracked_;
    };

    using any_of = std::variant<
        waiting_executor<pool>, waiting_executor<io>, waiting_executor<strand<pool>>,
        waiting_executor<strand<io>>, opaque>;

    /// A strand converts to another, the same one, if its executor does.
    template <typename Inner>
    class unerased : public Inner {
    public:
        explicit unerased(const erased& executor) noexcept
            : Inner(*executor.target<Inner>()) {}
    };

    class bare_pool : public pool {
    public:
        bare_pool(const pool_executor& of) noexcept
            : pool(of.threads()->get_executor()) {}
    };

    static any_of look_through(const erased& executor) {
        if (const auto* const found = executor.target<pool>())
            return waiting_executor<pool>(*found);
        if (const auto* const found = executor.target<io>())
            return waiting_executor<io>(*found);
        if (const auto* const found = executor.target<strand<pool>>())
            return waiting_executor<strand<pool>>(*found);
        if (const auto* const found = executor.target<strand<io>>())
            return waiting_executor<strand<io>>(*found);
        if (const auto* const found = executor.target<strand<erased>>())
            return look_through(*found);
        if (const auto* const found = executor.target<pool_executor>())
            return look_through(*found, executor);
        return opaque(executor);
    }

    /// The executor of a task_pool, or of one of its tasks: threads, or a strand over them.
    static any_of look_through(const pool_executor& of_pool, const erased& executor) {
        if (of_pool.threads())
            return waiting_executor<pool>(of_pool.threads()->get_executor());
        if (const auto* const of_task = of_pool.strand();
            of_task && of_task->get_inner_executor().threads())
            return waiting_executor<strand<pool>>(strand<pool>(strand<bare_pool>(*of_task)));
        return opaque(executor);
    }

    static any_of look_through(const strand<erased>& executor) {
        const erased inner = executor.get_inner_executor();
        if (inner.target<pool>())
            return waiting_executor<strand<pool>>(strand<pool>(strand<unerased<pool>>(executor)));
        if (inner.target<io>())
            return waiting_executor<strand<io>>(strand<io>(strand<unerased<io>>(executor)));
        return opaque(executor);
    }

    any_of seen_;
};

template <>
class waiting_executor<boost::asio::strand<boost::asio::any_io_executor>>
    : public waiting_executor<boost::asio::any_io_executor> {
public:
    using waiting_executor<boost::asio::any_io_executor>::waiting_executor;
};

} // namespace corogate::detail
