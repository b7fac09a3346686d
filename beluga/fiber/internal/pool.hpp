#pragma once
/// The real threads behind blocking().

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "beluga/base/function.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/internal/park.hpp"
#include "beluga/fiber/internal/spin.hpp"
#include "beluga/fiber/runtime.hpp"

namespace beluga::detail {

/// One call. Shared by the caller, the queue and the thread that runs it, so that any of them may be the
/// last.
struct PoolJob {
  enum class State : unsigned char { queued, running, done, abandoned, dropped };
  Function<void()> call;
  std::string name;
  Context context;
  std::atomic<State> state{State::queued};
  bool replaced = false;  ///< abandoned, and its thread counts as lost; under the pool's lock
  ParkingSpot done;

  // Whether a jumping clock has to wait for it: Runtime::Impl::busy counts it once while it is `busy`. One that
  // has been given up is never counted again, whatever it waits for.
  enum class Work : unsigned char { busy, waits, left };
  std::mutex work_mutex;  // leaf
  Work work = Work::busy;
  /// True: it counted until now.
  bool stop_counting(Work from_now) noexcept {
    const std::lock_guard lock(work_mutex);
    if (work == Work::left) return false;
    return std::exchange(work, from_now) == Work::busy;
  }
  /// The end of its wait.
  template <class Count>
  void count_again(Count count) noexcept {
    const std::lock_guard lock(work_mutex);
    if (work != Work::waits) return;
    work = Work::busy;
    count();
  }
};

/// Threads are started when jobs wait and none is idle, and end after ten idle seconds. Waking a thread is
/// the dear part of a call, so that the pool wakes few: a worker's first job calls one thread, which serves
/// all that are over in a moment; the worker calls the others once it sees that jobs still wait (fan_out). A
/// thread that runs out of jobs looks for more for a moment before it sleeps, one at a time, as long as that
/// pays off.
///
/// Of `most` threads, those that cannot serve the queue do not count: at most as many again that abandoned
/// jobs hold, and eight times as many whose job waits for something (a fiber, say, that needs the pool in its
/// turn).
class Pool : public std::enable_shared_from_this<Pool> {
 public:
  Pool(Runtime::Impl& runtime, unsigned most);
  /// Throws, with the job not taken, when it is stopping or when nobody could ever serve it.
  void submit(std::shared_ptr<PoolJob> job);
  /// Calls a thread for each job that still waits. A worker that has submitted jobs must call this before it
  /// sleeps.
  void fan_out() noexcept;
  /// Takes a job that has not started out of the queue.
  bool withdraw(PoolJob& job) noexcept;
  /// Gives up on a running job; its thread is replaced up to a cap. False when it has just ended.
  bool abandon(PoolJob& job) noexcept;
  /// Called by a thread of the pool whose job parks, and after that: others may serve the queue meanwhile.
  void lend() noexcept;
  void take_back() noexcept;
  /// Stops the threads. Names of jobs that still run; their threads are let go.
  std::vector<std::string> stop(std::chrono::steady_clock::time_point deadline);

  std::size_t running() const;
  std::size_t queued() const;
  std::size_t abandoned() const noexcept { return abandoned_.load(std::memory_order_relaxed); }

 private:
  struct Thread {
    std::thread thread;
    std::shared_ptr<PoolJob> job;
    std::atomic<std::uint32_t> called{0};  ///< what it sleeps on; written under the lock
    bool exited = false;
  };
  void run(std::shared_ptr<Thread> self);
  std::shared_ptr<PoolJob> next(std::unique_lock<std::mutex>& lock, Thread& self);
  void call_threads(std::unique_lock<std::mutex>& lock, std::size_t most) noexcept;
  void no_longer_counts(PoolJob& job) noexcept;
  bool start_thread() noexcept;
  std::size_t allowed() const noexcept {
    return most_ + lost_ + std::min<std::size_t>(lent_, kLentPerThread * most_);
  }
  std::size_t on_their_way() const noexcept { return coming_ + (looking_ ? 1 : 0); }

  static constexpr std::size_t kLentPerThread = 8;

  Runtime::Impl* runtime_;
  const unsigned most_;
  sigset_t signals_;  ///< what the host blocks; workers, which start threads, block more
  mutable std::mutex mutex_;
  std::condition_variable exited_;
  std::deque<std::shared_ptr<PoolJob>> queue_;
  std::atomic<std::size_t> queued_{0};  ///< its size, for those who only look
  std::vector<std::shared_ptr<Thread>> threads_;
  std::shared_ptr<Thread> ended_;  ///< the last to end by itself; the next to do so joins it, or stop()
  std::vector<Thread*> idle_;
  std::size_t coming_ = 0;  ///< threads that have been called or started and have not come yet
  bool looking_ = false;    ///< a thread spins for jobs
  Patience patience_;
  std::size_t running_ = 0;
  std::size_t live_ = 0;  ///< threads that have not exited
  std::size_t lost_ = 0;  ///< of these, held by abandoned jobs; most_ at most are counted
  std::size_t lent_ = 0;  ///< of these, whose job waits
  bool stopping_ = false;
  std::atomic<std::size_t> abandoned_{0};
};

}  // namespace beluga::detail
