#pragma once
/// `Mutex`, `Semaphore`, `Signal`: between fibers and plain threads alike.
///
///     Mutex mutex;
///     const std::lock_guard lock(mutex);            // parks a fiber, blocks a plain thread
///
///     Semaphore connections(8);
///     connections.acquire();                        // what it guards is given back with release()
///
///     Signal ready;
///     scope.spawn("loader", [&] { load("index"); ready.set(); });
///     ready.wait();
///
/// A wait that has to wait obeys the current context: it throws Error{cancelled} with the cause or
/// Error{deadline_exceeded}, and has then taken nothing. Waiters are served in order, by handing over: a busy
/// Mutex costs a switch each time, where a std::mutex lets the running thread take it again. Thread-safety:
/// all members from any fiber or thread; destruction when nobody waits.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "beluga/fiber/clock.hpp"

namespace beluga {

/// Meets Lockable: use std::lock_guard or std::unique_lock. It belongs to no thread or fiber: any may unlock
/// it. Locking it again while holding it waits for ever, or until the context ends.
class Mutex {
 public:
  Mutex();
  ~Mutex();
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  /// Throws when the context ends before the lock is free. In a destructor or a catch block, which run
  /// exactly then, use UninterruptedLock: an exception there would end the process.
  void lock();
  /// Waits whatever the context says.
  void lock_uninterrupted() noexcept;
  bool try_lock() noexcept;
  /// Precondition: locked.
  void unlock() noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A std::lock_guard that waits whatever the context says: for destructors and catch blocks.
class UninterruptedLock {
 public:
  explicit UninterruptedLock(Mutex& mutex) noexcept : mutex_(mutex) { mutex_.lock_uninterrupted(); }
  ~UninterruptedLock() { mutex_.unlock(); }
  UninterruptedLock(const UninterruptedLock&) = delete;
  UninterruptedLock& operator=(const UninterruptedLock&) = delete;

 private:
  Mutex& mutex_;
};

/// Counts permits. `permits` is where it starts and no upper bound: release() may add to it.
class Semaphore {
 public:
  explicit Semaphore(std::size_t permits);
  ~Semaphore();
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;
  /// First come, first served: a large request is not overtaken by small ones. One for more than there will
  /// ever be therefore holds up all behind it until its context ends.
  void acquire(std::size_t permits = 1);
  bool try_acquire(std::size_t permits = 1) noexcept;
  void release(std::size_t permits = 1) noexcept;
  std::size_t available() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A flag that can be waited for. set() wakes all who wait, even if reset() follows at once; it stays set
/// until then.
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
  /// False when `time`, on the clock of the caller's runtime (Clock::current()), came first.
  bool wait_until(TimePoint time);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace beluga
