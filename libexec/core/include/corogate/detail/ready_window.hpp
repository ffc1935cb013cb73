#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace corogate::detail {

class task_node;

/// The next tasks in the order policy chose, taken by runners without entering the strand.
///
/// One producer (the control strand), any number of consumers. Indices only grow, so a slot is
/// reused no earlier than every consumer that could have seen its old content has failed its
/// compare-and-swap.
class ready_window {
public:
    static constexpr std::size_t capacity = 128;

    /// Strand only; consumers may make it less at any time.
    std::size_t size() const noexcept {
        return static_cast<std::size_t>(
            tail_.load(std::memory_order_relaxed) - head_.load(std::memory_order_acquire)
        );
    }
    /// Strand only.
    std::size_t free() const noexcept { return capacity - size(); }

    /// Strand only; there must be a free slot.
    void push(task_node* node) noexcept {
        const auto tail = tail_.load(std::memory_order_relaxed);
        slots_[tail % capacity].store(node, std::memory_order_relaxed);
        tail_.store(tail + 1, std::memory_order_release);
    }

    /// Any thread; null when empty.
    task_node* pop() noexcept {
        auto head = head_.load(std::memory_order_relaxed);
        for (;;) {
            if (head == tail_.load(std::memory_order_acquire))
                return nullptr;
            task_node* node = slots_[head % capacity].load(std::memory_order_relaxed);
            if (head_.compare_exchange_weak(
                    head, head + 1, std::memory_order_acq_rel, std::memory_order_relaxed
                ))
                return node;
        }
    }

    /// Takes everything at once, in order, so that no consumer gets a later task in between. Strand
    /// only.
    template <typename F>
    void take_all(F f) noexcept {
        const auto tail = tail_.load(std::memory_order_relaxed);
        auto head = head_.load(std::memory_order_relaxed);
        while (!head_.compare_exchange_weak(
            head, tail, std::memory_order_acq_rel, std::memory_order_relaxed
        )) {
        }
        for (; head != tail; ++head)
            f(slots_[head % capacity].load(std::memory_order_relaxed));
    }

    bool empty() const noexcept {
        return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_acquire);
    }

private:
    alignas(64) std::atomic<std::uint64_t> head_{0};
    alignas(64) std::atomic<std::uint64_t> tail_{0};
    std::array<std::atomic<task_node*>, capacity> slots_{};
};

} // namespace corogate::detail
