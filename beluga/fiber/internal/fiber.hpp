#pragma once
/// A fiber and the switch between fibers.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>

#include "beluga/base/function.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/internal/park.hpp"
#include "beluga/fiber/internal/sanitizer.hpp"
#include "beluga/fiber/internal/stack.hpp"

namespace beluga::detail {

struct Worker;

/// Something handed to a worker from elsewhere. Intrusive: linked in one queue at a time.
struct Task {
  Task* next = nullptr;
  void (*arrive)(Worker&, Task&) noexcept = nullptr;  ///< on the worker, outside fibers
};

/// Who waits at a ParkingSpot: a fiber or a thread.
struct Waiter {
  Wake wake = Wake::notified;
  bool is_fiber = false;
};

/// A name that another thread (the watchdog) may read while it is written: torn at worst, never a race.
class FiberName {
 public:
  static constexpr std::size_t kMost = 40;
  void set(std::string_view name) noexcept {
    char text[kMost] = {};
    std::memcpy(text, name.data(), name.size() < kMost ? name.size() : kMost);
    for (std::size_t i = 0; i < kWords; ++i) {
      std::uint64_t word;
      std::memcpy(&word, text + i * sizeof word, sizeof word);
      words_[i].store(word, std::memory_order_relaxed);
    }
  }
  /// `text` has room for kMost + 1 characters. Safe in a signal handler.
  void copy(char* text) const noexcept {
    for (std::size_t i = 0; i < kWords; ++i) {
      const std::uint64_t word = words_[i].load(std::memory_order_relaxed);
      std::memcpy(text + i * sizeof word, &word, sizeof word);
    }
    text[kMost] = '\0';
  }
  std::string get() const {
    char text[kMost + 1];
    copy(text);
    return text;
  }

 private:
  static constexpr std::size_t kWords = kMost / sizeof(std::uint64_t);
  std::atomic<std::uint64_t> words_[kWords] = {};
};

/// What a fiber does; must not throw. Called once, with null on the fiber's own stack; or, when the fiber
/// cannot be started, with the reason on whatever stack meets it: then it must only pass that on, and not
/// wait.
using FiberBody = Function<void(const Error* refused)>;

struct Fiber : Task, Waiter {
  /// The state of the C++ runtime that follows a stack: what __cxa_get_globals() points to (Itanium C++
  /// ABI 2.2.2).
  struct EhGlobals {
    void* caught = nullptr;
    unsigned int uncaught = 0;
  };

  void* machine = nullptr;   ///< saved registers, while not running
  Fiber* resumer = nullptr;  ///< where suspend() goes
  Worker* home = nullptr;
  EhGlobals eh;
  SanitizerFiber sanitizer;
  Stack stack;
  Context context;
  ParkingSpot* parked_at = nullptr;  ///< where it waits interruptibly, for shutdown; home worker only
  void (*on_shutdown)(Fiber&) noexcept =
      nullptr;  ///< for fibers suspended outside a ParkingSpot (generators)
  void* owner = nullptr;
  FiberBody body;
  FiberName name;
  Fiber* prev_alive = nullptr;
  Fiber* next_alive = nullptr;
  bool finished = false;
  bool started = false;
};

/// Finished fibers that no worker needs at once, for whoever starts the next: most fibers end on another
/// thread than the one that started them. Their memory stays until the runtime ends, so that the watchdog may
/// look at a fiber that has just gone.
class SpareFibers {
 public:
  static constexpr std::size_t kBatch = 64;

  SpareFibers() = default;
  ~SpareFibers();
  SpareFibers(const SpareFibers&) = delete;
  SpareFibers& operator=(const SpareFibers&) = delete;
  /// A spare one or a new one.
  Fiber& obtain();
  /// `first`: kBatch fibers, linked by `next`.
  void give(Fiber& first) noexcept;
  /// Fibers linked by `next`, kBatch at most; null when there are none.
  Fiber* take() noexcept;
  /// Made so far.
  std::size_t made() const noexcept { return made_.load(std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  std::atomic<Fiber*> batches_{nullptr};  ///< linked by `next_alive`; written under the lock
  std::atomic<std::size_t> made_{0};
};

/// Runs `fiber` on top of the caller until it suspends, ends or is refused. On its home worker only.
void resume(Fiber& fiber);
/// Goes back to whoever resumed the calling fiber.
void suspend();
/// Lets the other ready fibers of the calling fiber's worker run.
void give_way(Fiber& self);
/// The calling fiber, or null.
Fiber* current_fiber() noexcept;

/// Starts `body` as a fiber on `worker`. Any thread.
void spawn(Worker& worker, std::string_view name, Context context, FiberBody body);
/// As spawn(), but not made ready: the caller resumes it. Call on `worker`.
Fiber& make_fiber(Worker& worker, std::string_view name, Context context, FiberBody body);
/// Makes a suspended fiber ready. Any thread.
void make_ready(Fiber& fiber) noexcept;
/// Ends a wait that the caller has won at the spot.
void wake_up(Waiter& waiter, Wake wake) noexcept;

[[noreturn]] void fatal(std::string_view message) noexcept;

}  // namespace beluga::detail
