#pragma once
/// The event loop of a worker, for net/ only. Not installed.

#include <boost/asio/io_context.hpp>
#include <memory>

#include "beluga/base/function.hpp"
#include "beluga/fiber/runtime.hpp"

namespace beluga::detail {

/// The io_context that the calling fiber's worker runs. Precondition: Runtime::on_fiber(). Handlers run on
/// that worker, outside any fiber: they must not wait. A handler usually ends in ParkingSpot::notify().
boost::asio::io_context& worker_io();

/// Runs `f` on a worker as a fiber when the caller is a plain thread (and waits for it), else in place.
void on_worker(Function<void()> f);

/// Workers of Runtime::current(). Fibers that are started from a plain thread go to them in turn.
unsigned worker_count();

/// Object of one worker, made on first use there and destroyed with the worker, for per-loop state such as a
/// connection pool: `static const auto kPool = per_worker_slot();`, then `per_worker(kPool, make)`.
unsigned per_worker_slot();
std::shared_ptr<void> per_worker(unsigned slot, std::shared_ptr<void> (*make)());

/// Calls back on the worker at a time of the runtime's clock, outside any fiber: `fire` must not wait.
/// Belongs to the worker it was made on and is touched there only; destroyed there, or with the worker.
class WorkerTimer {
 public:
  explicit WorkerTimer(Function<void()> fire);
  ~WorkerTimer();
  WorkerTimer(const WorkerTimer&) = delete;
  WorkerTimer& operator=(const WorkerTimer&) = delete;
  /// Replaces the time that was set before.
  void set(TimePoint when);
  void stop() noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Held while a socket operation (or anything else whose end the operating system decides) is outstanding on
/// worker_io(): a clock that jumps when idle does not jump meanwhile. Not needed for timers that follow the
/// runtime's clock. Made on a worker or pool thread; may be destroyed anywhere, after the runtime too (not
/// after its clock).
class IoPending {
 public:
  IoPending() noexcept;
  ~IoPending();
  IoPending(const IoPending&) = delete;
  IoPending& operator=(const IoPending&) = delete;

 private:
  std::shared_ptr<Runtime::Impl> runtime_;  ///< null where no clock jumps
};

}  // namespace beluga::detail
