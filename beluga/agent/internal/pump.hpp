#pragma once
/// Pulls a started run to its end and brings its events to an observer: what stands behind `Run`.

#include <memory>
#include <string_view>

#include "beluga/agent/agent.hpp"
#include "beluga/contract/runnable.hpp"
#include "beluga/fiber/future.hpp"

namespace beluga::detail {

class Pump {
 public:
  static std::unique_ptr<Pump> start(RunnablePtr runnable, RunInput input, Observer observer,
                                     Executor* executor, std::shared_ptr<observe::Telemetry> telemetry);
  /// Cancels, waits for the run's unwinding and for an observer call that is under way (unless it is the
  /// caller).
  ~Pump();
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  void cancel(std::string_view reason) noexcept;
  const Future<Reply>& reply() const noexcept;

 private:
  struct Shared;
  struct Owned;
  explicit Pump(std::unique_ptr<Owned> owned);
  std::unique_ptr<Owned> owned_;
};

}  // namespace beluga::detail
