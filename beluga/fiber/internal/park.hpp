#pragma once
/// The one primitive that everything else waits with. For Beluga's own rooms, not installed.

#include <atomic>
#include <optional>

#include "beluga/fiber/context.hpp"

namespace beluga::detail {

struct Waiter;

enum class Wake : unsigned char { notified, cancelled, deadline, timeout };

/// One waiter, any notifier. notify() before wait() is remembered (at most once). Reusable after wait()
/// returns. The spot must outlive every notify(); a notifier on another thread that may be late needs shared
/// ownership.
class ParkingSpot {
 public:
  ParkingSpot() noexcept = default;
  ~ParkingSpot() = default;
  ParkingSpot(const ParkingSpot&) = delete;
  ParkingSpot& operator=(const ParkingSpot&) = delete;
  /// Parks the calling fiber or blocks the calling thread until notified, the current context is cancelled or
  /// over its deadline, or `until` passes.
  Wake wait(std::optional<TimePoint> until = std::nullopt);
  /// As wait(), but deaf to the context: for destructors and joins.
  void wait_uninterrupted();
  /// From any thread or fiber.
  void notify() noexcept;

  /// For those who compete with notify() to end a wait: true for the one who does, and who must then wake
  /// `waiter`.
  bool claim(Waiter& waiter) noexcept;

 private:
  Wake wait_as_fiber(std::optional<TimePoint> until, bool deaf);
  Wake wait_as_thread(std::optional<TimePoint> until, bool deaf);
  /// Null: nobody waits. Else the waiter, or the mark that a notification is remembered.
  std::atomic<Waiter*> state_{nullptr};
};

/// How a wait under `context` would be interrupted now; Wake::notified when it would not be.
Wake interruption(const Context& context) noexcept;

/// Throws what `wake` means for the current context: Error{cancelled} with its cause or
/// Error{deadline_exceeded}. Returns for notified and timeout.
void throw_if_interrupted(Wake wake);

}  // namespace beluga::detail
