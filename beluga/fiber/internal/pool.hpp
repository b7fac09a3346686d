#pragma once
/// The real threads behind blocking().

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "beluga/base/function.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/internal/park.hpp"
#include "beluga/fiber/runtime.hpp"

namespace beluga::detail {

/// One call. Shared by the caller, the queue and the thread that runs it, so that any of them may be the
/// last.
struct PoolJob {
  enum class State : unsigned char { queued, running, done, abandoned, dropped };
  std::shared_ptr<Function<void()>> call;
  std::string name;
  Context context;
  std::atomic<State> state{State::queued};
  ParkingSpot done;
};

class Pool : public std::enable_shared_from_this<Pool> {
 public:
  Pool(Runtime::Impl& runtime, unsigned most) : runtime_(&runtime), most_(most) {}
  void submit(std::shared_ptr<PoolJob> job);
  /// Takes a job that has not started out of the queue.
  bool withdraw(PoolJob& job) noexcept;
  /// Gives up on a running job; its thread is replaced up to a cap. False when it has just ended.
  bool abandon(PoolJob& job);
  /// Stops the threads. Names of jobs that still run; their threads are let go.
  std::vector<std::string> stop(std::chrono::steady_clock::time_point deadline);

  std::size_t running() const;
  std::size_t queued() const;
  std::size_t abandoned() const noexcept { return abandoned_.load(std::memory_order_relaxed); }

 private:
  struct Thread {
    std::thread thread;
    std::shared_ptr<PoolJob> job;
    bool exited = false;
  };
  void run(std::shared_ptr<Thread> self);

  Runtime::Impl* runtime_;
  const unsigned most_;
  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable exited_;
  std::deque<std::shared_ptr<PoolJob>> queue_;
  std::vector<std::shared_ptr<Thread>> threads_;
  std::size_t idle_ = 0;
  std::size_t running_ = 0;
  std::size_t lost_ = 0;  ///< threads held by abandoned jobs
  bool stopping_ = false;
  std::atomic<std::size_t> abandoned_{0};
};

}  // namespace beluga::detail
