#pragma once
/// What a ManualClock knows of those who follow it.

#include <atomic>
#include <mutex>

#include "beluga/fiber/clock.hpp"

namespace beluga {

namespace detail {

/// A runtime, or a thread of its pool that waits. Called under the clock's lock: must not wait or call the
/// clock.
class ClockFollower {
 public:
  virtual bool idle() const noexcept = 0;
  /// TimePoint::max() when there is none.
  virtual TimePoint next_timer() const noexcept = 0;
  virtual void time_moved(TimePoint now) noexcept = 0;

  // Links of the clock's list.
  ClockFollower* prev_follower = nullptr;
  ClockFollower* next_follower = nullptr;

 protected:
  ~ClockFollower() = default;
};

struct ManualClockAccess {
  static void follow(ManualClock& clock, ClockFollower& follower) noexcept;
  static void unfollow(ManualClock& clock, ClockFollower& follower) noexcept;
  /// Called by a follower that has just become idle: jumps when all are.
  static void jump_if_idle(ManualClock& clock) noexcept;
};

}  // namespace detail

struct ManualClock::State {
  explicit State(Mode m) : mode(m) {}
  void set(TimePoint time) noexcept;

  const Mode mode;
  std::atomic<Duration::rep> now;
  std::mutex mutex;
  detail::ClockFollower* followers = nullptr;  ///< linked: following cannot fail
};

}  // namespace beluga
