#pragma once
/// Mutex, Semaphore, Latch-like Signal: between fibers and plain threads alike.
/// A wait parks a fiber and blocks a plain thread; it obeys the current context (cancelled, deadline_exceeded
/// are thrown). Waiters are served in order.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "beluga/fiber/clock.hpp"

namespace beluga {

/// Meets BasicLockable: use std::unique_lock / std::lock_guard.
class Mutex {
 public:
  Mutex();
  ~Mutex();
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void lock();
  bool try_lock() noexcept;
  void unlock() noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Semaphore {
 public:
  explicit Semaphore(std::size_t permits);
  ~Semaphore();
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;
  /// First come, first served: a large request is not overtaken by small ones.
  void acquire(std::size_t permits = 1);
  bool try_acquire(std::size_t permits = 1) noexcept;
  void release(std::size_t permits = 1) noexcept;
  std::size_t available() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A flag that can be waited for. set() wakes all; stays set until reset().
class Signal {
 public:
  Signal();
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  void set() noexcept;
  void reset() noexcept;
  bool is_set() const noexcept;
  void wait();
  /// False when `time` came first.
  bool wait_until(TimePoint time);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace beluga
