#pragma once
/// `Runtime`: the worker threads that run fibers, the pool for blocking work, and their timers.
///
/// Most programs never name it: the default runtime starts at the first use. An embedder makes its own and
/// decides the thread counts:
///
///     Runtime runtime{{.workers = 2, .blocking_threads = 8}};
///     auto answer = runtime.run([&] { return agent.invoke("hello"); });
///
/// Rules: a fiber stays on its worker for life. Use after fork() is Error{failed_precondition}. No signal
/// handler is installed. Thread-safety: all members from any thread.

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "beluga/base/function.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/clock.hpp"
#include "beluga/fiber/context.hpp"

namespace beluga {

namespace detail {
struct RuntimeAccess;
}

struct RuntimeOptions {
  unsigned workers = 0;  ///< threads that run fibers, at most 1,024; 0: one per core, at most 4
  /// Most calls that the pool behind blocking() serves at a time, 1 to 65,536 (0 counts as 1). Its threads are
  /// started as needed. Those whose call was abandoned do not count, up to as many again; nor do those whose
  /// call waits (for a fiber, say), up to eight times as many. All of them may run on at once when what they
  /// wait for comes.
  unsigned blocking_threads = 64;
  /// Bytes of virtual memory per fiber, whole pages, at least 32 KiB (less counts as that); 0: 256 KiB (1 MiB
  /// under sanitizers). When the system has no more, the fiber's owner gets Error{resource_exhausted}.
  std::size_t stack_size = 0;
  /// Null: the machine's. Must outlive the runtime and, when a ShutdownReport was not clean, what that names.
  Clock* clock = nullptr;
  Duration stall_report =
      std::chrono::milliseconds(250);  ///< a fiber that holds its worker longer is reported; 0: never
  /// Called (from a watchdog thread) with the fiber's name and how long it has held its worker; must not
  /// throw. Empty: one line on stderr.
  std::function<void(std::string_view fiber, Duration held)> on_stall = nullptr;
};

/// What had not ended when the grace period was over: fibers by name, pool jobs by name.
struct ShutdownReport {
  std::vector<std::string> fibers;
  std::vector<std::string> blocking;
  bool clean() const noexcept { return fibers.empty() && blocking.empty(); }
};

struct RuntimeStats {
  std::size_t fibers = 0;          ///< alive now
  std::size_t fibers_started = 0;  ///< since the start
  std::size_t blocking_running = 0;
  std::size_t blocking_queued = 0;
  std::size_t blocking_abandoned = 0;  ///< calls that ignored their cancellation and were taken over
  std::size_t stacks_pooled = 0;
};

class Runtime {
 public:
  /// Throws Error{invalid_argument} for options out of range and Error{resource_exhausted} when a thread
  /// cannot be started.
  explicit Runtime(RuntimeOptions options = {});
  /// shutdown(1 s) if it was not called.
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// The runtime of the calling fiber, else the process-wide default one (started now if need be).
  static Runtime& current();
  /// Whether the caller is a fiber.
  static bool on_fiber() noexcept;

  /// Runs `f` as a fiber and waits for it, from a plain thread or from a fiber (of any runtime). The fiber
  /// inherits the caller's Context; a deadline keeps its distance when this runtime has another clock. What
  /// it throws is thrown here: an Error, or a foreign exception as it was thrown. Throws
  /// Error{failed_precondition} after shutdown or in a forked child, Error{resource_exhausted} when there is
  /// no memory for a stack.
  template <class F>
  std::invoke_result_t<F&> run(F&& f) {
    using R = std::invoke_result_t<F&>;
    if constexpr (std::is_void_v<R>) {
      run_and_wait([&f] { f(); });
    } else if constexpr (std::is_reference_v<R>) {
      std::remove_reference_t<R>* result = nullptr;
      run_and_wait([&] {
        R&& got = f();
        result = std::addressof(got);
      });
      return static_cast<R>(*result);
    } else {
      std::optional<R> result;
      run_and_wait([&] { result.emplace(f()); });
      return *std::move(result);
    }
  }

  /// Cancels all fibers (cause: "runtime is shutting down"), waits up to `grace` for them and the pool, then
  /// stops. The grace is real time whatever the runtime's clock; Duration::max() is for ever. A generator
  /// whose element is in its puller's hands stays until the next pull or the end of its stream, also beyond
  /// the grace: let go of streams before, those of plain threads above all, which hear of it only so. When
  /// fibers have not ended, naming them takes up to 100 ms per worker more. A second call waits for the first
  /// and returns its report. Throws Error{failed_precondition} on a thread of this runtime and in a forked
  /// child.
  ShutdownReport shutdown(Duration grace);
  RuntimeStats stats() const;
  Clock& clock() const noexcept;

  struct Impl;  // opaque

 private:
  friend struct detail::RuntimeAccess;
  void run_and_wait(Function<void()> body);
  std::shared_ptr<Impl> impl_;
};

/// Lets other ready fibers of this worker run. On a plain thread: std::this_thread::yield(). Then throws
/// Error{cancelled} or Error{deadline_exceeded} if the current context says so, or the runtime is shutting
/// down.
void yield_now();
/// Parks the caller. Throws Error{cancelled} or Error{deadline_exceeded} as soon as the current context says
/// so.
void sleep_for(Duration duration);
void sleep_until(TimePoint time);

}  // namespace beluga
