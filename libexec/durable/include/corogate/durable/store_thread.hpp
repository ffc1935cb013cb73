#pragma once

#include <corogate/durable/sqlite.hpp>
#include <corogate/take.hpp>

#include <boost/asio/append.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/system/system_error.hpp>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>

namespace corogate::durable {

namespace detail {

/// One queued call. Run on the store thread; `complete` posts its outcome and destroys it.
class store_operation {
public:
    explicit store_operation(bool writes) noexcept
        : writes_(writes) {}
    store_operation(const store_operation&) = delete;
    store_operation& operator=(const store_operation&) = delete;
    virtual ~store_operation() = default;

    virtual void run(database& db) = 0;
    virtual void fail(std::exception_ptr error) noexcept = 0;
    virtual bool drop_if_cancelled() = 0;
    virtual void complete() noexcept = 0;

    [[nodiscard]] bool writes() const noexcept { return writes_; }

    store_operation* next = nullptr;

private:
    bool writes_;
};

/// First in, first out, through the operations' own links; does not own them.
class operation_list {
public:
    void push(store_operation& operation) noexcept {
        operation.next = nullptr;
        (last_ ? last_->next : first_) = &operation;
        last_ = &operation;
        ++size_;
    }
    store_operation* pop() noexcept {
        store_operation* front = first_;
        if (front) {
            first_ = front->next;
            if (!first_)
                last_ = nullptr;
            --size_;
        }
        return front;
    }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    store_operation* first_ = nullptr;
    store_operation* last_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace detail

/// What a store thread has done since it was made.
struct store_counters {
    std::uint64_t commits = 0;       ///< COMMITs that returned: syncs paid
    std::uint64_t transactions = 0;  ///< calls of `async_transact` that such a COMMIT covered
    std::uint64_t reads = 0;         ///< calls of `async_read` that ended, well or not
    std::uint64_t failed = 0;        ///< calls of `async_transact` that stored nothing
    std::uint64_t cancelled = 0;     ///< calls dropped before they ran
    std::uint64_t largest_batch = 0; ///< most calls one COMMIT has covered
    std::uint64_t waiting = 0;       ///< calls queued now
};

/// One database on a thread of its own, with group commit: what is queued when the thread wakes is
/// run in one transaction and made durable by one COMMIT; while that syncs, the next batch collects
/// itself. No timer: a lone caller pays one sync and no waiting.
///
///     auto save = [form](durable::database& db) { db.run("INSERT ...", form.id); };
///     co_await store.async_transact(corogate::take(save), asio::use_awaitable);
///
/// **Promise.** A call of `async_transact` completes without an error only after the COMMIT that
/// covers it has returned. Each call has a savepoint of its own: where it throws (or leaves a
/// foreign key broken), it alone is undone and gets the exception; the others of its batch are
/// stored. Where the COMMIT fails, or SQLite undoes the whole transaction by itself (disk full),
/// every call of the batch that ran gets the error and nothing of them is stored; calls after it go
/// on as before. After a failing device (`store_errc::io` while writing) nothing more is known
/// about the file: the calls concerned may or may not be there after a restart, `failed()` is true,
/// and all later calls complete with `store_errc::stopped`.
///
/// **Order.** Calls of `async_transact` run first in, first out. A call of `async_read` sees all
/// calls of `async_transact` made before it, never an uncommitted one, and cannot write.
///
/// **Completion** has the signature `void(std::exception_ptr[, T])`, T the result of the callable
/// (default constructible). It is posted to the associated executor (Asio's system executor where
/// there is none), never run on the store thread or inside the call. The callable runs, and is
/// destroyed, on the store thread: it should do SQL and nothing slow, and must not commit or roll
/// back.
///
/// **Cancellation.** A cancelled call that has not been run is dropped, stores nothing and
/// completes with `asio::error::operation_aborted`; a running one completes as usual.
///
/// **Queue.** Unbounded: admission is the caller's business (each caller normally waits for its
/// completion, so admitted jobs bound it); `counters().waiting` shows its length.
///
/// **End.** The destructor runs what is queued, then joins. Destroy it before the contexts that its
/// completions are posted to, and never from its own thread.
///
/// Thread safety: every member but the destructor may be called from any thread.
class store_thread {
public:
    /// `batch` bounds the calls of one COMMIT.
    explicit store_thread(database db, std::size_t batch = 256);
    store_thread(const store_thread&) = delete;
    store_thread& operator=(const store_thread&) = delete;
    ~store_thread();

    /// Runs `f(database&)` in a transaction. In a `co_await` expression name the closure first and
    /// pass `corogate::take(name)`.
    template <typename F, typename Token>
    auto async_transact(F&& f, Token&& token);

    /// Runs `f(database&)`, which only reads.
    template <typename F, typename Token>
    auto async_read(F&& f, Token&& token);

    /// `async_transact` for an ordinary function that makes the closure and returns the result of
    /// this call: the closure is no temporary of a `co_await` expression there, so it may be moved
    /// in.
    template <typename F, typename Token>
    auto initiate_transact(F&& f, Token&& token);
    /// `async_read` for such a function.
    template <typename F, typename Token>
    auto initiate_read(F&& f, Token&& token);

    [[nodiscard]] store_counters counters() const;
    /// True once a write has failed in a way that only a restart cures. For readiness.
    [[nodiscard]] bool failed() const noexcept { return failed_.load(std::memory_order_relaxed); }

private:
    template <bool Writes, typename F, typename Token>
    auto initiate(F&& f, Token&& token);
    void enqueue(std::unique_ptr<detail::store_operation> operation);
    void loop();
    void run_writes(detail::operation_list& writes);
    void run_reads(detail::operation_list& reads);
    void run_alone(detail::store_operation& operation);
    void refuse(detail::store_operation& operation, std::exception_ptr error);
    void refuse_all(detail::operation_list& operations, const std::exception_ptr& error);
    void note(const std::exception_ptr& error) noexcept;
    void undo() noexcept;

    database db_;
    const std::size_t batch_;
    std::atomic<bool> failed_{false};
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    detail::operation_list queue_; // guarded by mutex_
    store_counters counters_;      // guarded by mutex_
    bool ending_ = false;          // guarded by mutex_
    std::thread thread_;           // last: starts when all else is there
};

// ---------------------------------------------------------------------------------------------

namespace detail {

template <typename T>
struct completion {
    static_assert(
        std::is_default_constructible_v<T>,
        "the result of a store call is default constructible: std::optional<T> makes it so"
    );
    using signature = void(std::exception_ptr, T);
    using slot = std::optional<T>;
};

template <>
struct completion<void> {
    using signature = void(std::exception_ptr);
    using slot = std::monostate;
};

template <typename F, typename Handler>
class store_call final : public store_operation {
    using result = std::invoke_result_t<F&, database&>;
    using executor = boost::asio::associated_executor_t<Handler, boost::asio::system_executor>;

public:
    store_call(bool writes, F&& f, Handler&& handler)
        : store_operation(writes)
        , work_(boost::asio::get_associated_executor(handler, boost::asio::system_executor()))
        , function_(std::move(f))
        , handler_(std::move(handler)) {
        auto slot = boost::asio::get_associated_cancellation_slot(handler_);
        if (slot.is_connected()) {
            // Shared, because the signal may fire after this call has ended.
            cancelled_ = std::make_shared<std::atomic<bool>>(false);
            slot.assign([flag = cancelled_](boost::asio::cancellation_type) { flag->store(true); });
        }
    }

    void run(database& db) override {
        if constexpr (std::is_void_v<result>)
            function_(db);
        else
            value_.emplace(function_(db));
    }

    void fail(std::exception_ptr error) noexcept override { error_ = std::move(error); }

    bool drop_if_cancelled() override {
        if (!cancelled_ || !cancelled_->load())
            return false;
        error_ = std::make_exception_ptr(
            boost::system::system_error(boost::asio::error::operation_aborted)
        );
        return true;
    }

    void complete() noexcept override {
        auto work = std::move(work_);
        auto handler = std::move(handler_);
        auto error = std::move(error_);
        auto value = std::move(value_);
        delete this; // before the handler can run
        namespace asio = boost::asio;
        if constexpr (std::is_void_v<result>) {
            asio::post(work.get_executor(), asio::append(std::move(handler), std::move(error)));
        } else {
            if (error || !value)
                value.emplace();
            asio::post(
                work.get_executor(),
                asio::append(std::move(handler), std::move(error), std::move(*value))
            );
        }
    }

private:
    boost::asio::executor_work_guard<executor> work_;
    F function_;
    Handler handler_;
    std::shared_ptr<std::atomic<bool>> cancelled_;
    std::exception_ptr error_;
    typename completion<result>::slot value_;
};

} // namespace detail

template <typename F, typename Token>
auto store_thread::async_transact(F&& f, Token&& token) {
    using outcome = decltype(initiate<true>(std::forward<F>(f), std::forward<Token>(token)));
    COROGATE_REQUIRE_NAMED_CLOSURE(F, outcome);
    return initiate<true>(std::forward<F>(f), std::forward<Token>(token));
}

template <typename F, typename Token>
auto store_thread::async_read(F&& f, Token&& token) {
    using outcome = decltype(initiate<false>(std::forward<F>(f), std::forward<Token>(token)));
    COROGATE_REQUIRE_NAMED_CLOSURE(F, outcome);
    return initiate<false>(std::forward<F>(f), std::forward<Token>(token));
}

template <typename F, typename Token>
auto store_thread::initiate_transact(F&& f, Token&& token) {
    return initiate<true>(std::forward<F>(f), std::forward<Token>(token));
}

template <typename F, typename Token>
auto store_thread::initiate_read(F&& f, Token&& token) {
    return initiate<false>(std::forward<F>(f), std::forward<Token>(token));
}

template <bool Writes, typename F, typename Token>
auto store_thread::initiate(F&& f, Token&& token) {
    using function = corogate::detail::callable_t<F>;
    using result = std::invoke_result_t<function&, database&>;
    using signature = typename detail::completion<result>::signature;
    return boost::asio::async_initiate<Token, signature>(
        [this](auto handler, auto given) {
            using handler_type = decltype(handler);
            function callable =
                corogate::detail::untaken<std::remove_cvref_t<F>>::get(std::move(given));
            enqueue(std::make_unique<detail::store_call<function, handler_type>>(
                Writes, std::move(callable), std::move(handler)
            ));
        },
        token, std::forward<F>(f)
    );
}

} // namespace corogate::durable
