#pragma once
/// Arithmetic on time in which "for ever" stays for ever.

#include "beluga/fiber/clock.hpp"

namespace beluga::detail {

constexpr TimePoint saturating_add(TimePoint time, Duration by) noexcept {
  if (by > Duration::zero() && time > TimePoint::max() - by) return TimePoint::max();
  if (by < Duration::zero() && time < TimePoint::min() - by) return TimePoint::min();
  return time + by;
}

/// From `from` to `to`.
constexpr Duration saturating_distance(TimePoint from, TimePoint to) noexcept {
  const Duration a = from.time_since_epoch();
  const Duration b = to.time_since_epoch();
  if (a < Duration::zero() && b > Duration::max() + a) return Duration::max();
  if (a > Duration::zero() && b < Duration::min() + a) return Duration::min();
  return b - a;
}

}  // namespace beluga::detail
