#include "beluga/fiber/clock.hpp"

#include <algorithm>

#include "beluga/fiber/internal/manual_clock.hpp"
#include "beluga/fiber/internal/saturating.hpp"

namespace beluga {

namespace {
class SystemClock final : public Clock {
 public:
  TimePoint now() const noexcept override { return std::chrono::steady_clock::now(); }
  WallTime wall() const noexcept override {
    return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  }
};
// The epoch of virtual time: a fixed date, so that tests print the same everywhere. 2026-01-01T00:00:00Z.
constexpr WallTime kManualWall{std::chrono::seconds(1767225600)};
// Not zero, so that "an hour ago" is representable and a default TimePoint is in the past.
constexpr TimePoint kManualStart{std::chrono::hours(24)};
}  // namespace

Clock& Clock::system() noexcept {
  // Never destroyed, as the default runtime is not, whose threads read it until the process has ended.
  static SystemClock* const clock = new SystemClock;
  return *clock;
}

ManualClock::ManualClock(Mode mode) : state_(std::make_unique<State>(mode)) {
  state_->now.store(kManualStart.time_since_epoch().count());
}

ManualClock::~ManualClock() = default;

TimePoint ManualClock::now() const noexcept {
  return TimePoint(Duration(state_->now.load()));
}

WallTime ManualClock::wall() const noexcept {
  return kManualWall + std::chrono::duration_cast<std::chrono::microseconds>(now() - kManualStart);
}

ManualClock::Mode ManualClock::mode() const noexcept {
  return state_->mode;
}

void ManualClock::advance(Duration by) {
  const std::lock_guard lock(state_->mutex);
  state_->set(detail::saturating_add(now(), std::max(by, Duration::zero())));
}

void ManualClock::State::set(TimePoint time) noexcept {
  now.store(time.time_since_epoch().count());
  for (detail::ClockFollower* follower = followers; follower != nullptr; follower = follower->next_follower)
    if (follower->next_timer() <= time) follower->time_moved(time);
}

namespace detail {

void ManualClockAccess::follow(ManualClock& clock, ClockFollower& follower) noexcept {
  const std::lock_guard lock(clock.state_->mutex);
  ClockFollower*& first = clock.state_->followers;
  follower.next_follower = first;
  if (first != nullptr) first->prev_follower = &follower;
  first = &follower;
}

void ManualClockAccess::unfollow(ManualClock& clock, ClockFollower& follower) noexcept {
  const std::lock_guard lock(clock.state_->mutex);
  (follower.prev_follower != nullptr ? follower.prev_follower->next_follower : clock.state_->followers) =
      follower.next_follower;
  if (follower.next_follower != nullptr) follower.next_follower->prev_follower = follower.prev_follower;
}

void ManualClockAccess::jump_if_idle(ManualClock& clock) noexcept {
  ManualClock::State& state = *clock.state_;
  if (state.mode != ManualClock::Mode::jump_when_idle) return;
  const std::lock_guard lock(state.mutex);
  TimePoint next = TimePoint::max();
  for (const ClockFollower* follower = state.followers; follower != nullptr;
       follower = follower->next_follower) {
    if (!follower->idle()) return;
    next = std::min(next, follower->next_timer());
  }
  if (next != TimePoint::max()) state.set(std::max(next, clock.now()));
}

}  // namespace detail

}  // namespace beluga
