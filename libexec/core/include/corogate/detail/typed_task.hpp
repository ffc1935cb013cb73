#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <corogate/detail/completion.hpp>
#include <corogate/detail/pool_core.hpp>
#include <corogate/detail/return_ticket.hpp>
#include <corogate/detail/task_node.hpp>
#include <corogate/errc.hpp>
#include <corogate/take.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace corogate::detail {

// ---- what a task is and what it returns ----

template <typename F>
struct task_traits {
    static_assert(
        std::is_invocable_v<F&>, "a task is an asio::awaitable<T>, or a callable without arguments"
    );
    using returned = std::invoke_result_t<F&>;
    static constexpr bool ready = false;
    static constexpr bool coroutine = is_awaitable<returned>::value;
};

template <typename T, typename Executor>
struct task_traits<asio::awaitable<T, Executor>> {
    using returned = asio::awaitable<T, Executor>;
    static constexpr bool ready = true;
    static constexpr bool coroutine = true;
};

template <typename T>
struct awaited {
    using type = T;
};
template <typename T, typename Executor>
struct awaited<asio::awaitable<T, Executor>> {
    static_assert(
        std::is_same_v<Executor, asio::any_io_executor>,
        "a coroutine task returns asio::awaitable<T> with the default executor"
    );
    using type = T;
};

/// T of a task given as F.
template <typename F>
using task_result_t = typename awaited<typename task_traits<F>::returned>::type;

template <typename T>
struct task_signature {
    static_assert(
        std::is_default_constructible_v<T> && std::is_move_constructible_v<T>,
        "the result of a task is default constructible (for the completion of a failed one) and "
        "movable"
    );
    static_assert(
        std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>,
        "the result of a task moves without throwing: on its way to the submitter nobody could be "
        "told"
    );
    using type = void(std::exception_ptr, T);
};
template <>
struct task_signature<void> {
    using type = void(std::exception_ptr);
};
template <typename T>
using task_signature_t = typename task_signature<T>::type;

/// How a task ended.
template <typename T>
struct outcome {
    std::exception_ptr error;
    std::optional<T> value;
};
template <>
struct outcome<void> {
    std::exception_ptr error;
};

// ---- who learns of it ----

/// Nobody waits: exceptions go to the pool's error handler.
struct detached_sink {
    static constexpr bool waited_for = false;
    std::allocator<void> get_allocator() const noexcept { return {}; }

    template <typename T>
    void deliver(pool_core& core, outcome<T>&& end) {
        if (end.error)
            core.errors().report(end.error);
    }
};

/// A completion handler, by post.
template <typename Handler, typename T>
class handler_sink {
public:
    static constexpr bool waited_for = true;

    handler_sink(Handler handler, pool_core& core)
        : completion_(
              std::move(handler), core.home().executor(), &core.home().completions_pending()
          ) {}

    auto get_allocator() const noexcept { return completion_.get_allocator(); }

    void deliver(pool_core&, outcome<T>&& end) {
        if constexpr (std::is_void_v<T>)
            completion_.post(std::move(end.error));
        else
            completion_.post(std::move(end.error), end.value ? std::move(*end.value) : T());
    }

private:
    completion<Handler, pool_executor> completion_;
};

/// Keeps the outcome of a task's wait for other work of its pool until it has a permit again.
template <typename Handler, typename T>
class ticket_for final : public return_ticket {
public:
    ticket_for(runner& waits, Handler handler, pool_core& core)
        : return_ticket(waits)
        , sink_(std::move(handler), core) {}

    void keep(outcome<T>&& end) noexcept { end_ = std::move(end); }
    void resume(pool_core& core) noexcept override {
        auto sink = std::move(sink_);
        auto end = std::move(end_);
        delete this;
        sink.deliver(core, std::move(end));
    }

private:
    handler_sink<Handler, T> sink_;
    outcome<T> end_;
};

/// The end of a child whose parent waits for it.
template <typename Handler, typename T>
struct ticket_sink {
    static constexpr bool waited_for = true;
    ticket_for<Handler, T>* ticket;

    std::allocator<void> get_allocator() const noexcept { return {}; }
    void deliver(pool_core& core, outcome<T>&& end) {
        ticket->keep(std::move(end));
        core.come_back(ticket);
    }
};

// ---- the node ----

/// The task of callable (or ready awaitable) F, whose end goes to Sink. Its memory is that of the
/// completion handler's associated allocator.
template <typename F, typename Sink>
class typed_task final : public task_node {
public:
    using traits = task_traits<F>;
    using result = task_result_t<F>;

    /// The sink is moved from last: where making the callable throws, it can still be told.
    template <typename G>
    static typed_task* make(G&& callable, Sink&& sink) {
        allocator memory(sink.get_allocator());
        typed_task* at = memory_traits::allocate(memory, 1);
        try {
            return ::new (static_cast<void*>(at))
                typed_task(std::forward<G>(callable), std::move(sink));
        } catch (...) {
            memory_traits::deallocate(memory, at, 1);
            throw;
        }
    }

    void run_plain() noexcept override {
        if constexpr (!traits::coroutine) {
            try {
                if constexpr (std::is_void_v<result>)
                    callable_();
                else
                    end_.value.emplace(callable_());
            } catch (...) {
                end_.error = std::current_exception();
            }
        }
    }

    asio::awaitable<void> run_coroutine() override {
        if constexpr (!traits::coroutine)
            return {};
        else if constexpr (std::is_void_v<result>)
            return start(); // no frame between the runner's and the task's own
        else
            return run_for_result();
    }

    void fail(std::exception_ptr why) noexcept override { end_.error = std::move(why); }

    bool failed() const noexcept override { return end_.error != nullptr; }
    std::exception_ptr error() const noexcept override { return end_.error; }

    void finish(pool_core& core) noexcept override {
        Sink sink = std::move(sink_);
        outcome<result> end = std::move(end_);
        allocator memory(sink.get_allocator());
        this->~typed_task();
        memory_traits::deallocate(memory, this, 1);
        sink.deliver(core, std::move(end));
    }

    void drop(pool_core& core, errc why) noexcept override {
        end_.error = prebuilt_exception(why);
        finish(core);
    }

    void discard() noexcept override {
        allocator memory(sink_.get_allocator());
        this->~typed_task();
        memory_traits::deallocate(memory, this, 1);
    }

private:
    using allocator =
        typename std::allocator_traits<decltype(std::declval<const Sink&>().get_allocator()
        )>::template rebind_alloc<typed_task>;
    using memory_traits = std::allocator_traits<allocator>;

    template <typename G>
    typed_task(G&& callable, Sink&& sink)
        : task_node(traits::coroutine ? form::coroutine : form::plain, Sink::waited_for)
        , callable_(untaken<std::remove_cvref_t<G>>::get(std::forward<G>(callable)))
        , sink_(std::move(sink)) {}
    ~typed_task() = default;

    asio::awaitable<void> run_for_result()
        requires(traits::coroutine && !std::is_void_v<result>)
    {
        end_.value.emplace(co_await start());
    }

    asio::awaitable<result> start()
        requires(traits::coroutine)
    {
        if constexpr (traits::ready)
            return std::move(callable_);
        else
            return callable_();
    }

    F callable_;
    [[no_unique_address]] Sink sink_;
    outcome<result> end_;
};

/// A node that nobody has got yet.
struct discard_node {
    void operator()(task_node* node) const noexcept { node->discard(); }
};
using owned_node = std::unique_ptr<task_node, discard_node>;

} // namespace corogate::detail
