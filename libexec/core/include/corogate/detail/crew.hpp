#pragma once

#include <algorithm>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/post.hpp>
#include <corogate/detail/admission_waiter.hpp>
#include <corogate/detail/completion.hpp>
#include <corogate/detail/job_run.hpp>
#include <corogate/detail/pool_core.hpp>
#include <corogate/detail/typed_task.hpp>
#include <corogate/errc.hpp>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace corogate::detail {

/// Tasks of one pool that belong together: how many of them are under way at once, what becomes of
/// the rest when one has ended, and when all have.
///
/// Where its tasks come from and who is told is for the derived class: `task_group` has them
/// pushed, an operation over a range makes them as they are needed. Every task under way shares
/// ownership of the crew.
///
/// Places: the first tasks take those that were admitted; each later one takes the place of one
/// that has ended, and is not refused. Children of a task that waits for them take places of their
/// own.
///
/// Thread safety: shared objects are safe. The lock is never held while user code runs.
class crew : public std::enable_shared_from_this<crew> {
public:
    /// What ends a crew before its time: nothing starts any more then.
    enum class rule : std::uint8_t {
        cancel_rest, // the first error; what waits is taken back, what runs is asked
        skip_rest,   // the first error; what waits is taken back, what runs goes on
        take_first,  // the first success; as cancel_rest
        collect,     // nothing
    };
    using slot = std::uint32_t;

    crew(const crew&) = delete;
    crew& operator=(const crew&) = delete;
    virtual ~crew() = default;

    /// One of its tasks has ended, or was dropped.
    void ended(slot at, std::exception_ptr error) noexcept;

    /// Ends the crew: what has not started does not, what runs is asked.
    void cancel(asio::cancellation_type type) noexcept;

protected:
    using guard = std::unique_lock<std::mutex>;

    crew(std::shared_ptr<pool_core> core, rule ends_by, std::size_t limit)
        : core_(std::move(core))
        , rule_(ends_by)
        , limit_(limit) {}

    // ---- under the lock ----

    /// Whether a task is left to start.
    virtual bool more() const noexcept = 0;
    /// The next one, its link set; one thread at a time. May open the lock meanwhile. Null, with
    /// `fail` called, where it could not be made.
    virtual owned_node next(guard& lock) noexcept = 0;
    /// A chain of tasks, already made, that will not start; counts them as under way.
    virtual task_node* take_rest() noexcept { return nullptr; }
    /// All have ended. Opens the lock and tells whom it concerns, once.
    virtual void all_ended(guard& lock) noexcept = 0;
    /// An error of an abandoned crew's task; outside the lock.
    virtual void lost(const std::exception_ptr&) noexcept {}

    slot take_slot();
    void free_slot(slot at) noexcept;
    void fail(std::exception_ptr error) noexcept {
        over_ = true;
        if (!error_)
            error_ = std::move(error);
    }
    bool quiet() const noexcept { return under_way_ == 0 && !filling_ && (over_ || !more()); }
    void settle(guard& lock) noexcept {
        if (quiet())
            all_ended(lock);
    }
    std::vector<cancel_link_ptr> links() const;

    // ---- outside ----

    /// Starts what there is and room for.
    void fill() noexcept;
    void submit(node_chain& chain, std::size_t n, std::size_t admitted, bool nested) noexcept;
    void ask(const std::vector<cancel_link_ptr>& links, asio::cancellation_type type) noexcept;
    void drop(task_node* chain, errc why) noexcept;

    /// What the pool knows of one of them.
    struct member {
        cancel_link_ptr link;
        cancel_link_ptr door; // while it may wait at the door
    };

    const std::shared_ptr<pool_core> core_;
    const rule rule_;

    std::mutex mutex_;
    job_record_ptr job_;
    bool nested_ = false;
    std::size_t limit_;
    std::size_t under_way_ = 0; // with a slot, and not waiting in the crew
    std::size_t admitted_ = 0;  // places no task has taken
    bool over_ = false;
    bool filling_ = false;
    bool abandoned_ = false;   // nobody will ask how it ended
    std::exception_ptr error_; // the first
    std::vector<member> members_;
    std::vector<slot> free_;
    std::vector<std::exception_ptr> errors_; // where they are collected

    return_ticket* to_lend_ = nullptr; // of the parent, with the first tasks
    bool lent_ = false;
};

// ------------------------------------------------------------------------------------------------

inline crew::slot crew::take_slot() {
    if (free_.empty()) {
        free_.reserve(members_.size() + 1); // so that free_slot need not
        members_.emplace_back();
        free_.push_back(static_cast<slot>(members_.size() - 1));
    }
    cancel_link_ptr link(new cancel_link);
    const slot at = free_.back();
    free_.pop_back();
    members_[at].link = std::move(link);
    return at;
}

inline void crew::free_slot(slot at) noexcept {
    members_[at] = {};
    free_.push_back(at);
}

inline std::vector<cancel_link_ptr> crew::links() const {
    std::vector<cancel_link_ptr> all;
    all.reserve(members_.size());
    for (const member& one : members_) {
        if (one.link)
            all.push_back(one.link);
        if (one.door)
            all.push_back(one.door);
    }
    return all;
}

inline void crew::ended(slot at, std::exception_ptr error) noexcept {
    guard lock(mutex_);
    free_slot(at);
    --under_way_;
    bool ends = false;
    std::exception_ptr untold;
    if (rule_ == rule::take_first)
        ends = !error;
    else if (rule_ != rule::collect)
        ends = error != nullptr;
    if (error) {
        if (abandoned_)
            untold = error;
        else if (rule_ == rule::collect)
            errors_.push_back(error);
        if (!error_)
            error_ = std::move(error);
    }
    if (!(ends && !over_) && !more() && !untold) {
        settle(lock);
        return;
    }
    std::vector<cancel_link_ptr> others;
    task_node* rest = nullptr;
    if (ends && !over_) {
        over_ = true;
        others = links();
        rest = take_rest();
    }
    lock.unlock();
    if (untold)
        lost(untold);
    ask(others, rule_ == rule::skip_rest ? asio::cancellation_type::none
                                         : asio::cancellation_type::terminal);
    drop(rest, errc::cancelled);
    fill();
}

inline void crew::cancel(asio::cancellation_type type) noexcept {
    guard lock(mutex_);
    task_node* rest = take_rest();
    if (!over_ && more()) // what was never made is given up too
        fail(prebuilt_exception(errc::cancelled));
    over_ = true;
    const auto all = links();
    lock.unlock();
    ask(all, type);
    drop(rest, errc::cancelled);
    fill();
}

inline void crew::fill() noexcept {
    guard lock(mutex_);
    if (filling_)
        return; // who does looks again
    filling_ = true;
    for (;;) {
        node_chain chain;
        std::size_t n = 0;
        const bool nested = nested_;
        while (!over_ && under_way_ < limit_ && more()) {
            ++under_way_;
            owned_node node = next(lock);
            if (!node) {
                --under_way_;
                break;
            }
            node->job = job_;
            node->nested = nested;
            chain.push(node.release());
            ++n;
        }
        if (n == 0)
            break;
        const auto admitted = std::min(admitted_, n);
        admitted_ -= admitted;
        lock.unlock();
        submit(chain, n, admitted, nested);
        lock.lock();
    }
    filling_ = false;
    settle(lock);
}

inline void
crew::submit(node_chain& chain, std::size_t n, std::size_t admitted, bool nested) noexcept {
    const pool_user user(*core_);
    auto [newest, oldest] = chain.release();
    if (!user || (n > admitted && !core_->force(n - admitted))) {
        if (user)
            core_->release_unused(admitted);
        core_->count_refused(n);
        drop(newest, errc::stopped);
        return;
    }
    for (task_node* node = newest; node; node = node->next)
        core_->sample(*node);
    if (return_ticket* ticket = std::exchange(to_lend_, nullptr)) {
        lent_ = true;
        core_->submit_nested(newest, oldest, ticket);
    } else if (nested) {
        core_->submit_children(newest, oldest);
    } else {
        core_->submit(newest, oldest);
    }
}

inline void
crew::ask(const std::vector<cancel_link_ptr>& links, asio::cancellation_type type) noexcept {
    if (links.empty())
        return;
    // Before this runner takes its next task: none that waits starts after an error.
    for (const auto& link : links)
        link->requested.store(true, std::memory_order_seq_cst);
    if (const pool_user user(*core_); user) // a stopped pool has cancelled everything
        for (const auto& link : links)
            core_->cancel(link, type);
}

inline void crew::drop(task_node* chain, errc why) noexcept {
    while (chain) {
        task_node* next = std::exchange(chain->next, nullptr);
        chain->drop(*core_, why);
        chain = next;
    }
}

/// The end of one task of a crew; keeps the crew alive until then.
template <typename Crew, typename Index>
struct crew_sink {
    static constexpr bool waited_for = false; // an admitted one is not displaced
    std::shared_ptr<Crew> of;
    crew::slot at;
    Index index;

    std::allocator<void> get_allocator() const noexcept { return {}; }

    template <typename T>
    void deliver(pool_core&, outcome<T>&& end) {
        const auto keep = std::move(of);
        if constexpr (requires { keep->keep(index, std::move(end)); })
            if (!end.error)
                keep->keep(index, std::move(end));
        keep->ended(at, std::move(end.error));
    }
};

} // namespace corogate::detail
