#pragma once
/// Stacks for fibers: mapped on demand, kept in a pool per worker.

#include <cstddef>
#include <vector>

namespace beluga::detail {

struct Stack {
  std::byte* base = nullptr;  ///< lowest usable address
  std::size_t size = 0;       ///< usable bytes
  bool guarded = false;
  unsigned valgrind_id = 0;
  std::byte* top() const noexcept { return base + size; }
};

/// Not thread-safe: one per worker.
class StackPool {
 public:
  explicit StackPool(std::size_t size);
  ~StackPool();
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;
  /// Throws Error{resource_exhausted} when the system has no more.
  Stack take();
  void give(Stack stack) noexcept;
  std::size_t pooled() const noexcept { return free_.size(); }

 private:
  std::size_t size_;
  std::vector<Stack> free_;
};

/// Usable bytes when RuntimeOptions::stack_size is 0.
std::size_t default_stack_size() noexcept;

}  // namespace beluga::detail
