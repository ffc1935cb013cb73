#pragma once

namespace corogate::detail {

/// Whose turn a thread is in: who last said so there.
///
/// A runner whose task was suspended finds another's turn on the thread that resumed it, or its own
/// on a thread that nobody has used since; only in the first case it has certainly been back to the
/// scheduler. Each thread has a value of its own; the pointer is compared, never followed.
class thread_turn {
public:
    static void begin(const void* whose) noexcept { current() = whose; }
    static bool is(const void* whose) noexcept { return current() == whose; }

private:
    // Not inlined: a coroutine changes threads, and a compiler may keep a thread-local address.
    [[gnu::noinline]] static const void*& current() noexcept {
        static thread_local const void* whose = nullptr;
        return whose;
    }
};

} // namespace corogate::detail
