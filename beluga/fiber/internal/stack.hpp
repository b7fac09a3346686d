#pragma once
/// Stacks for fibers: mapped on demand, kept in a pool per worker.
///
/// The first stacks of a process have a guard below them, so that an overflow faults at once. A guard costs
/// two memory mappings and vm.max_map_count is 65,530 by default, so that later stacks come in slabs without
/// guards; the lowest bytes of those are known to be zero and are looked at whenever the fiber gives way.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace beluga::detail {

struct Stack {
  std::byte* base = nullptr;  ///< lowest usable address
  std::size_t size = 0;       ///< usable bytes
  bool guarded = false;
  unsigned valgrind_id = 0;
  std::byte* top() const noexcept { return base + size; }
};

/// Bytes below a guarded stack that fault. More than a page, because a frame with a large buffer may step
/// over one.
inline constexpr std::size_t kGuardSize = std::size_t{64} * 1024;

/// Whether a fiber that gives way with its stack pointer at `machine` has kept to its stack. The canary is
/// zero bytes: reading a page that was never written costs no memory.
inline bool stack_intact(const Stack& stack, const void* machine) noexcept {
  const auto* word = reinterpret_cast<const std::uint64_t*>(stack.base);
  return machine > stack.base &&
         (word[0] | word[1] | word[2] | word[3] | word[4] | word[5] | word[6] | word[7]) == 0;
}

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
  struct Slab {
    std::byte* base;
    std::size_t used;  ///< stacks handed out so far
  };
  Stack map_guarded() noexcept;
  Stack cut_from_slab();
  std::size_t size_;
  std::size_t made_ = 0;
  std::vector<Stack> free_;
  std::vector<Slab> slabs_;
};

/// Usable bytes when RuntimeOptions::stack_size is 0.
std::size_t default_stack_size() noexcept;
/// Most stacks with guards in this process. For tests; by default 25,000, fewer where vm.max_map_count is
/// low.
void set_guarded_stack_limit(std::size_t limit) noexcept;
/// Most stacks that one worker may have in use, as if the system had no more. For tests; by default no limit.
void set_stack_limit(std::size_t limit) noexcept;

}  // namespace beluga::detail
