#pragma once
/// Annotations that tell AddressSanitizer and ThreadSanitizer about switches of stacks. Empty without them.

#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BELUGA_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define BELUGA_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define BELUGA_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define BELUGA_TSAN 1
#endif

#if defined(BELUGA_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(BELUGA_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace beluga::detail {

#if defined(BELUGA_ASAN) || defined(BELUGA_TSAN)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

/// What the sanitizers know of one stack of execution.
struct SanitizerFiber {
#if defined(BELUGA_ASAN)
  void* fake_stack = nullptr;
  const void* bottom = nullptr;
  std::size_t size = 0;
#endif
#if defined(BELUGA_TSAN)
  void* tsan = nullptr;
#endif
};

/// Poison that frames left behind on a stack that is used anew.
inline void unpoison_stack([[maybe_unused]] void* base, [[maybe_unused]] std::size_t size) noexcept {
#if defined(BELUGA_ASAN)
  __asan_unpoison_memory_region(base, size);
#endif
}

}  // namespace beluga::detail
