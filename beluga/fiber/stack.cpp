#include "beluga/fiber/internal/stack.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>

#include "beluga/base/error.hpp"
#include "beluga/fiber/internal/sanitizer.hpp"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(low, high) 0u
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#define RUNNING_ON_VALGRIND 0
#endif

namespace beluga::detail {

namespace {

constexpr std::size_t kSlabStacks = 64;
// A pooled stack keeps this much of its top resident; what lies deeper is given back to the system.
constexpr std::size_t kKeepWarm = std::size_t{16} * 1024;
// Where to look for traces of deep use: one page below the warm part.
constexpr std::size_t kProbeDepth = kKeepWarm + std::size_t{16} * 1024;
// Stacks beyond this many in a worker's pool are given back whole.
constexpr std::size_t kMostWarm = 1024;

std::atomic<std::size_t> g_guarded{0};
std::atomic<std::size_t> g_limit{std::numeric_limits<std::size_t>::max()};

std::size_t page_size() noexcept {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

std::size_t read_guard_limit() noexcept {
  constexpr std::size_t kMost = 25'000;
  constexpr std::size_t kForOthers = 15'000;  // mappings left to the rest of the process
  char text[32] = {};
  const int file = ::open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
  if (file < 0) return kMost;
  const ssize_t got = ::read(file, text, sizeof text - 1);
  ::close(file);
  const auto maps = got > 0 ? static_cast<std::size_t>(std::strtoull(text, nullptr, 10)) : 65'530;
  return maps <= kForOthers ? maps / 8 : std::min(kMost, (maps - kForOthers) / 2);
}

std::atomic<std::size_t>& guard_limit() noexcept {
  static std::atomic<std::size_t> limit{read_guard_limit()};
  return limit;
}

void* try_map(std::size_t size) noexcept {
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

void* map(std::size_t size) {
  void* const memory = try_map(size);
  if (memory == nullptr) {
    raise(Error(ErrorCode::resource_exhausted,
                std::string("no memory for a fiber's stack (") + std::strerror(errno) +
                    "): raise vm.max_map_count or the memory limit, or run fewer fibers at once"));
  }
  return memory;
}

/// Whether the page at `page` was ever written: frames leave something in one of its lines.
bool has_traces(const std::byte* page) noexcept {
  if (RUNNING_ON_VALGRIND) return false;  // what lies below a frame counts as undefined there
  std::uint64_t all = 0;
  for (std::size_t at = 0; at < 4096; at += 256) {
    std::uint64_t word;
    std::memcpy(&word, page + at, sizeof word);
    all |= word;
  }
  return all != 0;
}

}  // namespace

std::size_t default_stack_size() noexcept {
  return kSanitized ? std::size_t{1024} * 1024 : std::size_t{256} * 1024;
}

void set_guarded_stack_limit(std::size_t limit) noexcept {
  guard_limit().store(limit);
}

void set_stack_limit(std::size_t limit) noexcept {
  g_limit.store(limit);
}

StackPool::StackPool(std::size_t size) {
  // Room for a signal frame and a throw at the very least.
  size_ = (std::max(size, std::size_t{32} * 1024) + page_size() - 1) / page_size() * page_size();
}

StackPool::~StackPool() {
  for (const Stack& stack : free_) {
    VALGRIND_STACK_DEREGISTER(stack.valgrind_id);
    if (!stack.guarded) continue;
    ::munmap(stack.base - kGuardSize, stack.size + kGuardSize);
    g_guarded.fetch_sub(1, std::memory_order_relaxed);
  }
  for (const Slab& slab : slabs_) ::munmap(slab.base, kSlabStacks * size_);
}

Stack StackPool::take() {
  if (made_ - free_.size() >= g_limit.load(std::memory_order_relaxed))
    raise(Error(ErrorCode::resource_exhausted, "no memory for a fiber's stack (as a test has it)"));
  if (!free_.empty()) {
    const Stack stack = free_.back();
    free_.pop_back();
    return stack;
  }
  if (free_.capacity() <= made_) free_.reserve(2 * made_ + 16);  // so that give() cannot fail
  Stack stack;
  if (g_guarded.fetch_add(1, std::memory_order_relaxed) < guard_limit().load(std::memory_order_relaxed))
    stack = map_guarded();
  if (!stack.guarded) {
    g_guarded.fetch_sub(1, std::memory_order_relaxed);
    stack = cut_from_slab();
  }
  ++made_;
  stack.valgrind_id = VALGRIND_STACK_REGISTER(stack.base, stack.top());
  return stack;
}

/// A stack without a base when the system has no more mappings: others use them too, and a slab takes only
/// one.
Stack StackPool::map_guarded() noexcept {
  void* const memory = try_map(size_ + kGuardSize);
  if (memory == nullptr) return {};
  auto* const base = static_cast<std::byte*>(memory);
  if (::mprotect(base, kGuardSize, PROT_NONE) == 0) return Stack{base + kGuardSize, size_, true, 0};
  ::munmap(memory, size_ + kGuardSize);
  return {};
}

Stack StackPool::cut_from_slab() {
  if (slabs_.empty() || slabs_.back().used == kSlabStacks) {
    if (slabs_.size() == slabs_.capacity()) slabs_.reserve(2 * slabs_.size() + 1);
    auto* const memory = static_cast<std::byte*>(map(kSlabStacks * size_));
    // A huge page would make every stack in it resident.
    ::madvise(memory, kSlabStacks * size_, MADV_NOHUGEPAGE);
    slabs_.push_back({memory, 0});
  }
  Slab& slab = slabs_.back();
  return Stack{slab.base + size_ * slab.used++, size_, false, 0};
}

void StackPool::give(Stack stack) noexcept {
  unpoison_stack(stack.base, stack.size);
  if (free_.size() >= kMostWarm) {
    ::madvise(stack.base, stack.size, MADV_DONTNEED);
  } else if (stack.size > kProbeDepth && has_traces(stack.top() - kProbeDepth)) {
    ::madvise(stack.base, stack.size - kKeepWarm, MADV_DONTNEED);
  }
  free_.push_back(stack);
}

}  // namespace beluga::detail
