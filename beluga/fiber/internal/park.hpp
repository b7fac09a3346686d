#pragma once
/// The one primitive that everything else waits with. For Beluga's own rooms, not installed.

#include <optional>

#include "beluga/fiber/context.hpp"

namespace beluga::detail {

enum class Wake : unsigned char { notified, cancelled, deadline, timeout };

/// One waiter, any notifier. notify() before wait() is remembered (at most once). Reusable after wait() returns.
/// The spot must outlive every notify(); a notifier on another thread that may be late needs shared ownership.
class ParkingSpot {
 public:
  ParkingSpot();
  ~ParkingSpot();
  ParkingSpot(const ParkingSpot&) = delete;
  ParkingSpot& operator=(const ParkingSpot&) = delete;
  /// Parks the calling fiber or blocks the calling thread until notified, the current context is cancelled or over its
  /// deadline, or `until` passes.
  Wake wait(std::optional<TimePoint> until = std::nullopt);
  /// As wait(), but deaf to the context: for destructors and joins.
  void wait_uninterrupted();
  /// From any thread or fiber.
  void notify() noexcept;

 private:
  struct Impl;
  alignas(16) unsigned char storage_[96];
  Impl* impl_;
};

/// Throws what `wake` means for the current context: Error{cancelled} with its cause or Error{deadline_exceeded}.
/// Returns for notified and timeout.
void throw_if_interrupted(Wake wake);

}  // namespace beluga::detail
