#pragma once
/// The inside of a Runtime.

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "beluga/fiber/internal/cancel_state.hpp"
#include "beluga/fiber/internal/manual_clock.hpp"
#include "beluga/fiber/internal/pool.hpp"
#include "beluga/fiber/internal/watchdog.hpp"
#include "beluga/fiber/internal/worker.hpp"
#include "beluga/fiber/runtime.hpp"

namespace beluga {

namespace detail {
struct RuntimeAccess {
  static Runtime::Impl& impl(const Runtime& runtime) noexcept { return *runtime.impl_; }
  static Runtime::Impl& current() {
    // A thread of a runtime may outlive the Runtime object, when it could not be stopped.
    if (Runtime::Impl* const own = this_thread_state.runtime) return *own;
    return impl(Runtime::current());
  }
};

/// Forks that lie between this process and the one that started its first runtime.
unsigned forks() noexcept;
}  // namespace detail

struct Runtime::Impl final : std::enable_shared_from_this<Runtime::Impl>, detail::ClockFollower {
  explicit Impl(const RuntimeOptions& options);
  ~Impl();

  /// Leave to start fibers and hand them to a worker. Held from before the check until they have been posted,
  /// so that a shutdown that has begun either refuses them or waits for them.
  class Admission {
   public:
    /// Throws Error{failed_precondition} after shutdown or in a forked child.
    Admission(Impl& runtime, const detail::Worker& target);
    ~Admission();
    Admission(const Admission&) = delete;
    Admission& operator=(const Admission&) = delete;

   private:
    void leave() noexcept;
    std::shared_ptr<Impl> counted_;  ///< null on `target` itself, which looks at its own queue before it ends
  };

  void start();
  /// A second call waits for the first and returns its report.
  ShutdownReport shutdown(Duration grace);
  /// Throws Error{failed_precondition} after shutdown or in a forked child.
  void check_usable() const;
  bool in_forked_child() const noexcept;
  /// The caller's worker when it belongs to this runtime, else one in turn.
  detail::Worker& pick_worker() noexcept;
  void fiber_ended() noexcept;
  std::size_t fibers_alive() const noexcept;
  /// `context` with this runtime's own cancellation added, for work that enters from outside.
  Context enter(const Context& context) const;

  // What keeps a jumping clock from jumping: awake workers, pool jobs, pending I/O.
  void begin_work() noexcept {
    if (jumping) busy.fetch_add(1);
  }
  void end_work() noexcept {
    if (jumping && busy.fetch_sub(1) == 1) detail::ManualClockAccess::jump_if_idle(*manual);
  }
  bool idle() const noexcept override { return busy.load() == 0; }
  TimePoint next_timer() const noexcept override;
  void time_moved(TimePoint now) noexcept override;

  std::atomic<Runtime*> face{nullptr};  ///< null once destroyed (threads that could not be stopped live on)
  const RuntimeOptions options;
  Clock* clock;
  ManualClock* manual = nullptr;  ///< when `clock` is one
  bool jumping = false;
  const unsigned fork_generation;
  std::atomic<long> busy{0};
  detail::SpareFibers spare_fibers;
  std::vector<std::unique_ptr<detail::Worker>> workers;
  std::atomic<unsigned> next_worker{0};
  detail::Watchdog watchdog;
  std::shared_ptr<detail::Pool> pool;
  std::shared_ptr<detail::CancelState> root = std::make_shared<detail::CancelState>();
  std::atomic<bool> closing{false};
  std::atomic<std::size_t> admitted{0};
  std::mutex mutex;
  std::condition_variable changed;  ///< a fiber or pool job ended while closing, or the report is there
  bool shutdown_called = false;
  std::optional<ShutdownReport> report;
  std::shared_ptr<Impl> kept;  ///< itself, in a forked child: it stays as it is

 private:
  ShutdownReport stop(Duration grace);
};

}  // namespace beluga
