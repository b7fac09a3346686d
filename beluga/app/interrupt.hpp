#pragma once
/// Ctrl-C: the first one cancels what is running, the second one ends the process. SIGTERM and SIGHUP do the
/// same, and nothing new is begun after them.
///
/// The library installs no signal handler; the program does, here. The handler only writes a byte; a thread
/// of its own does the rest, since cancelling takes locks.

#include <memory>
#include <thread>

#include "beluga/fiber/cancel.hpp"

namespace beluga::app {

class Interrupt {
 public:
  /// Handles SIGINT, SIGTERM and SIGHUP from now on. One per process.
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  /// The exit code that the signals so far ask for: 130, 143 or 129; 0 when there was none.
  int exit_code() const noexcept;
  /// Whether SIGTERM or SIGHUP came: the process is to end.
  bool leaving() const noexcept;
  /// Forgets a Ctrl-C, once it has been heeded.
  void clear() noexcept;
  /// Blocks until `fd` can be read (or has ended): true; or a signal is there that has not been cleared: false.
  bool wait_readable(int fd) const noexcept;

  /// What the next signal cancels, while this lives. Without a target it only interrupts what is read.
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
