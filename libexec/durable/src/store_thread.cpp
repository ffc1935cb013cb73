// Includes Asio only through the header's templates, none of which is instantiated here.
#include <corogate/durable/store_thread.hpp>

#include <algorithm>
#include <string>

namespace corogate::durable {

namespace {

/// The exception that `action` ends with, held by the caller alone: what is posted to another
/// thread must not be shared with this one.
template <typename Action>
std::exception_ptr attempt(const Action& action) noexcept {
    try {
        action();
    } catch (...) {
        return std::current_exception();
    }
    return nullptr;
}

/// An exception of its own for a call that fails because of another call's error.
std::exception_ptr copy_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const store_error& e) {
        return std::make_exception_ptr(store_error(e.code(), std::string(e.what()), e.native()));
    } catch (...) {
        return std::make_exception_ptr(store_error(
            store_errc::misuse, "the store undid this write together with another one that failed"
        ));
    }
}

} // namespace

store_thread::store_thread(database db, std::size_t batch)
    : db_(std::move(db))
    , batch_(std::max<std::size_t>(batch, 1))
    , thread_([this] { loop(); }) {}

store_thread::~store_thread() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

store_counters store_thread::counters() const {
    const std::lock_guard lock(mutex_);
    store_counters result = counters_;
    result.waiting = queue_.size();
    return result;
}

void store_thread::enqueue(std::unique_ptr<detail::store_operation> operation) {
    {
        const std::lock_guard lock(mutex_);
        queue_.push(*operation.release());
    }
    wake_.notify_one();
}

void store_thread::loop() {
    for (;;) {
        detail::operation_list writes;
        detail::operation_list reads;
        detail::operation_list dropped;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return ending_ || queue_.size() > 0; });
            if (queue_.size() == 0)
                return;
            for (std::size_t taken = 0; taken < batch_ && queue_.size() > 0; ++taken) {
                auto& operation = *queue_.pop();
                const bool drop = operation.drop_if_cancelled();
                counters_.cancelled += drop ? 1U : 0U;
                (drop ? dropped : operation.writes() ? writes : reads).push(operation);
            }
        }
        while (auto* operation = dropped.pop())
            operation->complete();
        // Reads last: they see what their callers wrote before them, and only what is committed.
        run_writes(writes);
        run_reads(reads);
    }
}

void store_thread::run_writes(detail::operation_list& writes) {
    detail::operation_list done; // run, and waiting for the COMMIT
    while (auto* operation = writes.pop()) {
        auto error = attempt([&] { run_alone(*operation); });
        if (!error) {
            done.push(*operation);
            continue;
        }
        note(error);
        // The disk was full or failed, or the callable ended the transaction itself: the calls
        // before it are undone too.
        if (!db_.in_transaction())
            refuse_all(done, error);
        refuse(*operation, std::move(error));
    }
    if (done.size() == 0) {
        undo();
        return;
    }
    if (const auto error = attempt([&] { db_.run("COMMIT"); })) {
        note(error);
        undo();
        refuse_all(done, error);
        return;
    }
    {
        const std::lock_guard lock(mutex_);
        counters_.commits += 1;
        counters_.transactions += done.size();
        counters_.largest_batch = std::max<std::uint64_t>(counters_.largest_batch, done.size());
    }
    while (auto* operation = done.pop())
        operation->complete();
}

void store_thread::run_alone(detail::store_operation& operation) {
    if (failed())
        throw store_error(
            store_errc::stopped, "the store " + db_.file().string() +
                                     " has stopped after a failed write; the program must be "
                                     "restarted"
        );
    if (!db_.in_transaction())
        db_.run("BEGIN IMMEDIATE");
    savepoint step(db_);
    operation.run(db_);
    if (db_.breaks_reference())
        throw store_error(
            store_errc::constraint,
            "the schema of the store forbids this write: a reference leads nowhere"
        );
    step.release();
}

void store_thread::run_reads(detail::operation_list& reads) {
    while (auto* operation = reads.pop()) {
        auto error = attempt([&] {
            const read_only_section section(db_);
            operation->run(db_);
        });
        operation->fail(std::move(error));
        {
            const std::lock_guard lock(mutex_);
            counters_.reads += 1;
        }
        operation->complete();
    }
}

void store_thread::refuse(detail::store_operation& operation, std::exception_ptr error) {
    {
        const std::lock_guard lock(mutex_);
        counters_.failed += 1;
    }
    operation.fail(std::move(error));
    operation.complete();
}

void store_thread::refuse_all(detail::operation_list& operations, const std::exception_ptr& error) {
    while (auto* operation = operations.pop())
        refuse(*operation, copy_of(error));
}

/// A device that failed a write may have lost pages that the kernel called written; going on would
/// promise what nobody can keep.
void store_thread::note(const std::exception_ptr& error) noexcept {
    try {
        std::rethrow_exception(error);
    } catch (const store_error& e) {
        if (e.code() == store_errc::io)
            failed_.store(true, std::memory_order_relaxed);
    } catch (...) {
        return;
    }
}

void store_thread::undo() noexcept {
    if (db_.in_transaction() && attempt([&] { db_.run("ROLLBACK"); }))
        failed_.store(true, std::memory_order_relaxed); // neither forward nor back
}

} // namespace corogate::durable
