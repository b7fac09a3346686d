#pragma once
/// A worker: one thread, its event loop, its ready fibers and its timers.

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "beluga/fiber/internal/fiber.hpp"
#include "beluga/fiber/internal/spin.hpp"
#include "beluga/fiber/runtime.hpp"

namespace beluga::detail {

struct PoolJob;

/// One timed wait, which lives in the waiter's frame, or one timed call.
struct Timer {
  TimePoint when;
  std::size_t index = kNone;
  ParkingSpot* spot = nullptr;
  Fiber* fiber = nullptr;
  Wake wake = Wake::timeout;
  void (*call)(Timer&) = nullptr;  ///< instead of waking a fiber
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
};

/// A binary heap whose nodes know their place, so that a wait that ends early is removed at once.
class TimerHeap {
 public:
  TimerHeap() = default;
  ~TimerHeap();
  TimerHeap(const TimerHeap&) = delete;
  TimerHeap& operator=(const TimerHeap&) = delete;
  bool empty() const noexcept { return heap_.empty(); }
  TimePoint next() const noexcept { return heap_.empty() ? TimePoint::max() : heap_.front()->when; }
  /// Whoever may add a timer has a place for it from before, so that add() cannot fail: a wait that has been
  /// published cannot be taken back.
  void add_place();
  void remove_place() noexcept { --places_; }
  void add(Timer& timer) noexcept;
  void remove(Timer& timer) noexcept;
  Timer* pop_due(TimePoint now) noexcept;

 private:
  void place(Timer& timer, std::size_t index) noexcept;
  void sift_up(Timer& timer, std::size_t index) noexcept;
  void sift_down(Timer& timer, std::size_t index) noexcept;
  std::vector<Timer*> heap_;
  std::size_t places_ = 0;
};

struct Worker {
  Worker(Runtime::Impl& runtime, unsigned index, std::size_t stack_size);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// The body of the thread.
  void run();
  /// From any thread: `task.arrive` is called on this worker.
  void post(Task& task) noexcept;
  /// From this worker.
  void push_ready(Fiber& fiber) noexcept;
  void wake_if_sleeping() noexcept;
  void release(Fiber& fiber) noexcept;
  void start_shutdown() noexcept;

  Runtime::Impl& runtime;
  const unsigned index;
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running{io.get_executor()};
  boost::asio::steady_timer alarm{io};
  TimePoint alarm_at = TimePoint::max();
  TimerHeap timers;
  StackPool stacks;
  Fiber main;  ///< stands for the thread's own stack
  Fiber* current = &main;
  Fiber::EhGlobals* eh = nullptr;  ///< this thread's
  Fiber* alive = nullptr;
  Fiber* spare = nullptr;  ///< finished fibers for reuse, linked by `next`
  std::size_t spares = 0;
  std::vector<std::shared_ptr<void>> slots;
  bool shutting_down = false;
  bool handed_over = false;       ///< jobs went to the pool that may need more threads than have been called
  std::size_t calls_on_pool = 0;  ///< fibers that wait for it
  Task shutdown_order;            ///< its arrival is start_shutdown()

  std::atomic<Task*> remote{nullptr};
  std::atomic<bool> sleeping{false};
  std::atomic<bool> wake_posted{false};
  std::atomic<bool> stop{false};
  std::atomic<bool> exited{false};
  std::atomic<unsigned> posters{0};  ///< threads inside post(); the worker outlives them
  std::atomic<TimePoint::rep> next_timer{TimePoint::max().time_since_epoch().count()};
  std::atomic<std::size_t> fibers_started{0};
  std::atomic<std::size_t> fibers_ended{0};
  std::atomic<std::size_t> stacks_pooled{0};
  // For the watchdog.
  std::atomic<int> thread_id{0};
  std::atomic<std::uint64_t> turns{0};
  std::atomic<Fiber*> running{nullptr};
  std::thread thread;
  alignas(std::max_align_t) unsigned char wake_memory[256];

 private:
  bool take_remote() noexcept;
  void run_ready();
  void fire_timers();
  bool linger();
  void sleep();
  void set_alarm(TimePoint when);

  Fiber* ready_head_ = nullptr;
  Fiber* ready_tail_ = nullptr;
  Patience patience_;
};

struct ThreadState {
  Worker* worker = nullptr;          ///< set on worker threads
  Fiber* fiber = nullptr;            ///< set while a fiber runs
  Runtime::Impl* runtime = nullptr;  ///< set on worker and pool threads
  PoolJob* job = nullptr;            ///< set while a pool thread runs one
};
// Fibers never change threads, so that a cached address stays right.
extern constinit thread_local ThreadState this_thread_state;

}  // namespace beluga::detail
