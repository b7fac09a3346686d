#pragma once
/// What the process holds in memory, for tests that look for growth. Judge leaks by `heap_in_use()`: resident
/// memory also moves with what malloc keeps for later, by some MiB from run to run and machine to machine.

#include <malloc.h>
#include <unistd.h>

#include <cstddef>
#include <fstream>
#include <optional>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define BELUGA_TEST_MALLOC_REPLACED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BELUGA_TEST_MALLOC_REPLACED 1
#endif

namespace beluga::testing_support {

/// Bytes of live allocations in all arenas, and what malloc's caches per thread hold (they are bounded).
/// Nothing where a sanitizer replaces malloc: its own leak check looks there.
inline std::optional<std::size_t> heap_in_use() {
#if defined(BELUGA_TEST_MALLOC_REPLACED)
  return std::nullopt;
#else
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
#endif
}

inline long resident_kib() {
  std::ifstream status("/proc/self/statm");
  long pages = 0, resident = 0;
  status >> pages >> resident;
  return resident * (::sysconf(_SC_PAGESIZE) / 1024);
}

}  // namespace beluga::testing_support
