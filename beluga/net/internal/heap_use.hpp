#pragma once
/// How many bytes of the heap are in use, for tests of memory that must stay flat: exact, where the resident
/// set follows the allocator's mood. Tests only.

#include <malloc.h>

#include <cstddef>

/// Of the sanitizers' allocators; absent without one.
extern "C" std::size_t __sanitizer_get_current_allocated_bytes() __attribute__((weak));

namespace beluga::testing_support {

inline std::size_t heap_use() noexcept {
  if (__sanitizer_get_current_allocated_bytes != nullptr) return __sanitizer_get_current_allocated_bytes();
  const auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

}  // namespace beluga::testing_support
