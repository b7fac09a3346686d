#pragma once
/// Counts the heap allocations of the whole program: link beluga_allocation_counter, which replaces operator
/// new.
///
/// Sanitizers bring their own operator new, and it is left alone: kCounted is then false, and a test of
/// counts has nothing to say (GTEST_SKIP).

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BELUGA_ALLOCATIONS_COUNTED false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BELUGA_ALLOCATIONS_COUNTED false
#endif
#endif
#ifndef BELUGA_ALLOCATIONS_COUNTED
#define BELUGA_ALLOCATIONS_COUNTED true
#endif

namespace beluga::allocation {

inline constexpr bool kCounted = BELUGA_ALLOCATIONS_COUNTED;

/// Calls of operator new so far, on all threads. Aligned forms are not counted.
std::size_t count() noexcept;

}  // namespace beluga::allocation
