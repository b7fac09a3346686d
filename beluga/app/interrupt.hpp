#pragma once
/// Ctrl-C: the first one cancels what is running, the second one ends the process.
///
/// The library installs no signal handler; the program does, here. The handler only writes a byte; a thread
/// of its own does the rest, since cancelling takes locks.

#include <memory>
#include <thread>

#include "beluga/fiber/cancel.hpp"

namespace beluga::app {

class Interrupt {
 public:
  /// Handles SIGINT and SIGTERM from now on and ignores SIGPIPE. One per process.
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  /// What the next Ctrl-C cancels, while this lives. Without a target it only interrupts the prompt.
  class Target {
   public:
    Target(Interrupt& interrupt, CancelSource source);
    ~Target();
    Target(const Target&) = delete;
    Target& operator=(const Target&) = delete;

   private:
    Interrupt& interrupt_;
  };

 private:
  struct State;
  void watch();
  std::shared_ptr<State> state_;
  std::thread watcher_;
};

}  // namespace beluga::app
