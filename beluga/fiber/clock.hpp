#pragma once
/// Time. Everything in Beluga that waits or measures reads a `Clock`, so that tests run on a virtual one.

#include <chrono>
#include <cstdint>
#include <memory>

namespace beluga {

namespace detail {
struct ManualClockAccess;
}

using Duration = std::chrono::nanoseconds;
/// A point on the monotonic scale of a Clock.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;
/// UTC, microseconds since 1970.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

/// Thread-safety: all members from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const noexcept = 0;
  virtual WallTime wall() const noexcept = 0;
  /// The machine's clock.
  static Clock& system() noexcept;
  /// The clock of the runtime that the caller runs on; the machine's clock on a foreign thread.
  static Clock& current() noexcept;
};

/// A clock that stands still until told. Give it to a Runtime (RuntimeOptions::clock): every timer, deadline
/// and sleep of that runtime then follows it. It must outlive that runtime and whatever the runtime's
/// shutdown had to let go (its ShutdownReport names it), which reads it as long as it runs.
///
///     ManualClock clock{ManualClock::Mode::jump_when_idle};   // minutes of backoff pass in microseconds
class ManualClock final : public Clock {
 public:
  enum class Mode : std::uint8_t {
    stand_still,     ///< time moves by advance() only
    jump_when_idle,  ///< also: when no fiber can run and no pool job or socket wait is pending, jump to the
                     ///< next timer
  };
  explicit ManualClock(Mode mode = Mode::stand_still);
  ~ManualClock() override;
  ManualClock(const ManualClock&) = delete;
  ManualClock& operator=(const ManualClock&) = delete;

  TimePoint now() const noexcept override;
  WallTime wall() const noexcept override;
  /// Moves time forward and wakes every runtime on this clock. Returns once the timers that became due have
  /// been handed to their workers (not: once their fibers have run).
  void advance(Duration by);
  Mode mode() const noexcept;

 private:
  friend struct detail::ManualClockAccess;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace beluga
