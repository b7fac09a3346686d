#pragma once
/// A first-come-first-served list of waiters under somebody's leaf mutex.

#include <mutex>

#include "beluga/fiber/internal/park.hpp"

namespace beluga::detail {

/// Lives in the waiter's frame. All but `spot` is guarded by the list's mutex.
struct WaitNode {
  ParkingSpot spot;
  WaitNode* prev = nullptr;
  WaitNode* next = nullptr;
  bool linked = false;
  bool granted = false;
};

template <class Node = WaitNode>
class WaitList {
 public:
  bool empty() const noexcept { return head_ == nullptr; }
  Node* front() const noexcept { return static_cast<Node*>(head_); }
  void push(Node& node) noexcept {
    node.prev = tail_;
    node.next = nullptr;
    node.linked = true;
    (tail_ != nullptr ? tail_->next : head_) = &node;
    tail_ = &node;
  }
  void remove(WaitNode& node) noexcept {
    if (!node.linked) return;
    (node.prev != nullptr ? node.prev->next : head_) = node.next;
    (node.next != nullptr ? node.next->prev : tail_) = node.prev;
    node.linked = false;
  }
  /// Takes `node` out and wakes it. Called with the mutex held: the waiter takes it again before its frame
  /// goes away.
  void grant(WaitNode& node) noexcept {
    remove(node);
    node.granted = true;
    node.spot.notify();
  }
  void wake_all() noexcept {
    while (head_ != nullptr) {
      WaitNode& node = *head_;
      remove(node);
      node.spot.notify();
    }
  }

 private:
  WaitNode* head_ = nullptr;
  WaitNode* tail_ = nullptr;
};

/// Parks on `node` with `lock` released. True when granted; else throws for an interruption (the node is
/// unlinked), or returns false for a timeout or wake_all().
template <class List>
bool wait_in(List& list, WaitNode& node, std::unique_lock<std::mutex>& lock,
             std::optional<TimePoint> until = std::nullopt) {
  lock.unlock();
  const Wake wake = node.spot.wait(until);
  lock.lock();
  if (node.granted) return true;
  list.remove(node);
  if (wake == Wake::cancelled || wake == Wake::deadline) {
    lock.unlock();
    throw_if_interrupted(wake);
  }
  return false;
}

}  // namespace beluga::detail
