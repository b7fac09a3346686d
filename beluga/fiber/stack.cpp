#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "beluga/base/error.hpp"
#include "beluga/fiber/internal/sanitizer.hpp"
#include "beluga/fiber/internal/stack.hpp"

namespace beluga::detail {

namespace {
std::size_t page_size() noexcept {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}
}  // namespace

std::size_t default_stack_size() noexcept {
  return kSanitized ? std::size_t{1024} * 1024 : std::size_t{256} * 1024;
}

StackPool::StackPool(std::size_t size) : size_((size + page_size() - 1) / page_size() * page_size()) {}

StackPool::~StackPool() {
  for (const Stack& stack : free_) ::munmap(stack.base - page_size(), stack.size + page_size());
}

Stack StackPool::take() {
  if (!free_.empty()) {
    const Stack stack = free_.back();
    free_.pop_back();
    return stack;
  }
  void* memory = ::mmap(nullptr, size_ + page_size(), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED || ::mprotect(memory, page_size(), PROT_NONE) != 0) {
    raise(Error(ErrorCode::resource_exhausted,
                std::string("no memory for a fiber's stack (") + std::strerror(errno) +
                    "): raise vm.max_map_count or the memory limit, or run fewer fibers at once"));
  }
  return Stack{static_cast<std::byte*>(memory) + page_size(), size_, true, 0};
}

void StackPool::give(Stack stack) noexcept {
  unpoison_stack(stack.base, stack.size);
  free_.push_back(stack);
}

}  // namespace beluga::detail
