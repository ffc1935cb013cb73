#pragma once

#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/is_executor.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

namespace corogate::testing {

template <typename Allocator>
class basic_deterministic_executor;

/// Runs work handed to `deterministic_context`. A full Asio executor: goes into `any_io_executor`
/// and `strand`, takes `co_spawn`, `post`, `dispatch` and `defer`.
using deterministic_executor = basic_deterministic_executor<std::allocator<void>>;

namespace detail {

/// Work that waits for its turn. Frees itself in `run`, before the call, and in `discard`.
class ready_work {
public:
    virtual void run() = 0;
    virtual void discard() noexcept = 0;

protected:
    ~ready_work() = default;
};

/// One line of pseudo random numbers, the same with every standard library (splitmix64, Steele,
/// Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014).
class dice {
public:
    explicit dice(std::uint64_t seed)
        : state_(seed) {}
    /// Below n; n is at least 1.
    std::size_t below(std::size_t n) noexcept {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return static_cast<std::size_t>((z ^ (z >> 31)) % n);
    }

private:
    std::uint64_t state_;
};

/// How an executor runs what it is given; one type for every allocator.
struct executor_mode {
    bool never = false; ///< blocking.never
    bool continuation = false;
    bool tracked = false;
    bool operator==(const executor_mode&) const = default;
};

} // namespace detail

/// An execution context without threads: the test's own thread runs what was posted, step by step,
/// in an order that the seed decides and nothing else.
///
/// Seed 0: first come, first served. Any other seed: at each step one of the ready pieces of work
/// is drawn. That is no more than an Asio pool of several threads may do: an executor promises no
/// order, a strand on top of it does, and keeps it here. Work never runs inside `post`; `dispatch`
/// runs it at once where the caller is itself run by this context.
///
/// An exception that leaves a piece of work leaves the `run` or `poll` that ran it; the rest stays
/// ready. The destructor destroys what has not run, without running it. Not thread-safe: use from
/// a second thread throws std::logic_error.
class deterministic_context : public boost::asio::execution_context {
public:
    using executor_type = deterministic_executor;

    explicit deterministic_context(std::uint64_t seed = 0)
        : seed_(seed)
        , dice_(seed) {}
    ~deterministic_context();

    executor_type get_executor() noexcept;
    std::uint64_t seed() const noexcept { return seed_; }

    /// Runs until nothing is ready. Work that waits for something else does not keep it, unlike
    /// `io_context::run`: nobody else could make it ready. Returns the number of steps.
    std::size_t run();
    /// Runs one piece of work. Returns 0 where none is ready.
    std::size_t run_one();
    /// The same as run and run_one, by the names that `io_context` has for "do not wait".
    std::size_t poll() { return run(); }
    std::size_t poll_one() { return run_one(); }
    /// Runs until `done()`. Where nothing is ready and it is still false, throws std::logic_error
    /// that says so: the work under test waits for something that cannot come.
    std::size_t run_until(const std::function<bool()>& done);

    /// Lets `run` and `run_until` throw std::logic_error after so many steps in one call: work that
    /// keeps posting itself would otherwise hang the test. 0: no bound.
    void step_limit(std::uint64_t most) noexcept { step_limit_ = most; }
    std::uint64_t step_limit() const noexcept { return step_limit_; }

    /// Steps since construction.
    std::uint64_t steps() const noexcept { return steps_; }
    /// Pieces of work that could run now.
    std::size_t ready() const noexcept { return ready_.size(); }
    /// Executors that say `outstanding_work.tracked`: suspended coroutines and pending operations.
    std::size_t outstanding_work() const noexcept { return outstanding_; }
    /// Whether the caller is run by this context.
    bool running() const noexcept { return current_ && std::this_thread::get_id() == thread_; }

    /// Destroys what is ready without running it, and what that makes ready in turn.
    void discard() noexcept;

    /// Throws where `taken` steps are more than the limit. For loops built on `run_one`.
    void check_step_limit(std::uint64_t taken) const;

private:
    template <typename Allocator>
    friend class basic_deterministic_executor;

    /// One run_one on the stack; `error` is what an inline call let escape.
    struct frame {
        std::exception_ptr error;
        frame* outer;
    };

    void check_thread() const;
    void add(detail::ready_work* work);
    detail::ready_work* take() noexcept;

    const std::thread::id thread_ = std::this_thread::get_id();
    const std::uint64_t seed_;
    detail::dice dice_;
    std::deque<detail::ready_work*> ready_;
    std::uint64_t steps_ = 0;
    std::uint64_t step_limit_ = 0;
    std::size_t outstanding_ = 0;
    frame* current_ = nullptr;
};

/// See `deterministic_executor`. `Allocator` gives the memory of what is posted.
template <typename Allocator>
class basic_deterministic_executor {
public:
    basic_deterministic_executor(const basic_deterministic_executor& other) noexcept
        : basic_deterministic_executor(other, other.mode_) {}
    basic_deterministic_executor& operator=(const basic_deterministic_executor& other) noexcept {
        basic_deterministic_executor copy(other);
        std::swap(context_, copy.context_);
        std::swap(mode_, copy.mode_);
        std::swap(allocator_, copy.allocator_);
        return *this;
    }
    ~basic_deterministic_executor() {
        if (mode_.tracked)
            --context_->outstanding_;
    }

    template <typename Function>
    void execute(Function&& function) const;

    bool operator==(const basic_deterministic_executor& other) const noexcept {
        return context_ == other.context_ && mode_ == other.mode_ && allocator_ == other.allocator_;
    }
    bool operator!=(const basic_deterministic_executor& other) const noexcept {
        return !(*this == other);
    }

    // What Asio asks and asks for.

    deterministic_context& query(boost::asio::execution::context_t) const noexcept {
        return *context_;
    }
    static constexpr boost::asio::execution::mapping_t query(boost::asio::execution::mapping_t
    ) noexcept {
        return boost::asio::execution::mapping.thread;
    }
    boost::asio::execution::blocking_t query(boost::asio::execution::blocking_t) const noexcept {
        if (mode_.never)
            return boost::asio::execution::blocking.never;
        return boost::asio::execution::blocking.possibly;
    }
    boost::asio::execution::relationship_t query(boost::asio::execution::relationship_t
    ) const noexcept {
        if (mode_.continuation)
            return boost::asio::execution::relationship.continuation;
        return boost::asio::execution::relationship.fork;
    }
    boost::asio::execution::outstanding_work_t query(boost::asio::execution::outstanding_work_t
    ) const noexcept {
        if (mode_.tracked)
            return boost::asio::execution::outstanding_work.tracked;
        return boost::asio::execution::outstanding_work.untracked;
    }
    template <typename Other>
    Allocator query(boost::asio::execution::allocator_t<Other>) const noexcept {
        return allocator_;
    }

    basic_deterministic_executor require(boost::asio::execution::blocking_t::never_t) const {
        return with(&mode::never, true);
    }
    basic_deterministic_executor require(boost::asio::execution::blocking_t::possibly_t) const {
        return with(&mode::never, false);
    }
    basic_deterministic_executor require(boost::asio::execution::relationship_t::continuation_t
    ) const {
        return with(&mode::continuation, true);
    }
    basic_deterministic_executor require(boost::asio::execution::relationship_t::fork_t) const {
        return with(&mode::continuation, false);
    }
    basic_deterministic_executor require(boost::asio::execution::outstanding_work_t::tracked_t
    ) const {
        return with(&mode::tracked, true);
    }
    basic_deterministic_executor require(boost::asio::execution::outstanding_work_t::untracked_t
    ) const {
        return with(&mode::tracked, false);
    }
    template <typename Other>
    basic_deterministic_executor<Other> require(boost::asio::execution::allocator_t<Other> a
    ) const {
        return basic_deterministic_executor<Other>(*context_, mode_, a.value());
    }
    basic_deterministic_executor<std::allocator<void>>
    require(boost::asio::execution::allocator_t<void>) const {
        return basic_deterministic_executor<std::allocator<void>>(*context_, mode_, {});
    }

private:
    friend class deterministic_context;
    template <typename Other>
    friend class basic_deterministic_executor;
    using mode = detail::executor_mode;

    basic_deterministic_executor(
        deterministic_context& context, mode how, const Allocator& a
    ) noexcept
        : context_(&context)
        , mode_(how)
        , allocator_(a) {
        if (mode_.tracked)
            ++context_->outstanding_;
    }
    basic_deterministic_executor(const basic_deterministic_executor& other, mode how) noexcept
        : basic_deterministic_executor(*other.context_, how, other.allocator_) {}

    basic_deterministic_executor with(bool mode::* what, bool value) const noexcept {
        mode changed = mode_;
        changed.*what = value;
        return basic_deterministic_executor(*this, changed);
    }

    deterministic_context* context_;
    mode mode_;
    [[no_unique_address]] Allocator allocator_;
};

// ---------------------------------------------------------------------------------------------

namespace detail {

template <typename Function, typename Allocator>
class ready_function final : public ready_work {
    using traits =
        typename std::allocator_traits<Allocator>::template rebind_traits<ready_function>;

public:
    template <typename F>
    ready_function(F&& function, const Allocator& allocator)
        : function_(std::forward<F>(function))
        , allocator_(allocator) {}

    template <typename F>
    static ready_work* make(F&& function, const Allocator& allocator) {
        typename traits::allocator_type memory(allocator);
        ready_function* const place = traits::allocate(memory, 1);
        try {
            return ::new (static_cast<void*>(place))
                ready_function(std::forward<F>(function), allocator);
        } catch (...) {
            traits::deallocate(memory, place, 1);
            throw;
        }
    }

    void run() override {
        Function function(std::move(function_));
        discard();
        function();
    }

    void discard() noexcept override {
        typename traits::allocator_type memory(allocator_);
        this->~ready_function();
        traits::deallocate(memory, this, 1);
    }

private:
    ~ready_function() = default;

    Function function_;
    [[no_unique_address]] Allocator allocator_;
};

} // namespace detail

template <typename Allocator>
template <typename Function>
void basic_deterministic_executor<Allocator>::execute(Function&& function) const {
    using function_type = std::decay_t<Function>;
    context_->check_thread();
    if (!mode_.never && context_->running()) {
        // As Asio's own contexts do: an exception goes to whoever runs the context, not through
        // the code that dispatched.
        deterministic_context::frame& frame = *context_->current_;
        try {
            function_type local(std::forward<Function>(function));
            local();
        } catch (...) {
            if (!frame.error)
                frame.error = std::current_exception();
        }
        return;
    }
    context_->add(detail::ready_function<function_type, Allocator>::make(
        std::forward<Function>(function), allocator_
    ));
}

inline deterministic_context::~deterministic_context() {
    shutdown(); // strands give up what waits in them
    discard();
}

inline deterministic_executor deterministic_context::get_executor() noexcept {
    return executor_type(*this, {}, {});
}

inline void deterministic_context::check_thread() const {
    if (std::this_thread::get_id() != thread_)
        throw std::logic_error(
            "corogate::testing: a deterministic context was used from a second thread"
        );
}

inline void deterministic_context::add(detail::ready_work* work) {
    try {
        ready_.push_back(work);
    } catch (...) {
        work->discard();
        throw;
    }
}

inline detail::ready_work* deterministic_context::take() noexcept {
    if (seed_ == 0 || ready_.size() == 1) {
        const auto work = ready_.front();
        ready_.pop_front();
        return work;
    }
    std::swap(ready_[dice_.below(ready_.size())], ready_.back());
    const auto work = ready_.back();
    ready_.pop_back();
    return work;
}

inline std::size_t deterministic_context::run_one() {
    check_thread();
    if (ready_.empty())
        return 0;
    ++steps_;
    frame here{nullptr, current_};
    current_ = &here;
    struct leave {
        deterministic_context& of;
        frame& from;
        ~leave() { of.current_ = from.outer; }
    };
    {
        const leave at_end{*this, here};
        take()->run();
    }
    if (here.error)
        std::rethrow_exception(here.error);
    return 1;
}

inline std::size_t deterministic_context::run() {
    std::size_t taken = 0;
    while (run_one() != 0)
        check_step_limit(++taken);
    return taken;
}

inline std::size_t deterministic_context::run_until(const std::function<bool()>& done) {
    std::size_t taken = 0;
    while (!done()) {
        if (run_one() == 0)
            throw std::logic_error(
                "corogate::testing: nothing is ready and the condition is still false (seed " +
                std::to_string(seed_) + ", step " + std::to_string(steps_) + ", " +
                std::to_string(outstanding_) + " outstanding)"
            );
        check_step_limit(++taken);
    }
    return taken;
}

inline void deterministic_context::check_step_limit(std::uint64_t taken) const {
    if (step_limit_ != 0 && taken > step_limit_)
        throw std::logic_error(
            "corogate::testing: no end after " + std::to_string(step_limit_) + " steps (seed " +
            std::to_string(seed_) + ", " + std::to_string(ready_.size()) + " ready)"
        );
}

inline void deterministic_context::discard() noexcept {
    while (!ready_.empty()) {
        const auto work = ready_.front();
        ready_.pop_front();
        work->discard();
    }
}

} // namespace corogate::testing
