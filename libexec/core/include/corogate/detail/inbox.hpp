#pragma once

#include <atomic>

namespace corogate::detail {

/// Many threads push, the control strand takes everything at once.
///
/// `Node` has a member `Node* next`. All operations that meet the `hungry` flag of the pool are
/// sequentially consistent: whoever pushes and then sees no hunger is seen by whoever declared it.
template <typename Node>
class inbox {
public:
    /// Pushes a chain linked from `last` back to `first` (newest first), as one.
    void push(Node* newest, Node* oldest) noexcept {
        Node* seen = head_.load(std::memory_order_relaxed);
        do {
            oldest->next = seen;
        } while (!head_.compare_exchange_weak(
            seen, newest, std::memory_order_seq_cst, std::memory_order_relaxed
        ));
    }

    void push(Node* node) noexcept { push(node, node); }

    bool empty() const noexcept { return head_.load(std::memory_order_seq_cst) == nullptr; }

    /// Everything pushed so far, oldest first.
    Node* take_all() noexcept {
        if (empty())
            return nullptr;
        Node* newest = head_.exchange(nullptr, std::memory_order_seq_cst);
        Node* oldest_first = nullptr;
        while (newest) {
            Node* next = newest->next;
            newest->next = oldest_first;
            oldest_first = newest;
            newest = next;
        }
        return oldest_first;
    }

private:
    std::atomic<Node*> head_{nullptr};
};

} // namespace corogate::detail
