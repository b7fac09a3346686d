#include "beluga/fiber/internal/pool.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <utility>

#include "beluga/fiber/internal/futex.hpp"
#include "beluga/fiber/internal/runtime_impl.hpp"
#include "beluga/fiber/internal/spin.hpp"

namespace beluga::detail {

namespace {
constexpr auto kIdleThreadLives = std::chrono::seconds(10);
// A thread that runs out of jobs looks for the next this long before it sleeps: about what a sleep and a wake
// cost.
constexpr auto kLook = std::chrono::microseconds(10);
}  // namespace

Pool::Pool(Runtime::Impl& runtime, unsigned most) : runtime_(&runtime), most_(most) {
  ::pthread_sigmask(SIG_BLOCK, nullptr, &signals_);
}

void Pool::submit(std::shared_ptr<PoolJob> job) {
  Worker* const worker = this_thread_state.worker;
  std::unique_lock lock(mutex_);
  if (stopping_) raise(Error(ErrorCode::failed_precondition, "the runtime has been shut down"));
  if (live_ == 0 && !start_thread())
    raise(Error(ErrorCode::resource_exhausted,
                "no thread for blocking work could be started; raise the limit of processes (ulimit -u, or "
                "pids.max of the control group) or of memory"));
  queue_.push_back(std::move(job));
  runtime_->begin_work();
  queued_.store(queue_.size(), std::memory_order_relaxed);
  if (worker == nullptr) {
    call_threads(lock, queue_.size());
    return;
  }
  // One thread is on its way at once. Whether more are needed is seen when the worker has handed over all
  // that it has for now (Worker::linger).
  worker->handed_over = true;
  if (on_their_way() == 0) call_threads(lock, 1);
}

void Pool::fan_out() noexcept {
  if (queued_.load(std::memory_order_relaxed) == 0) return;
  std::unique_lock lock(mutex_);
  call_threads(lock, queue_.size());
}

/// Sees to it that threads come for the jobs in the queue, at most `most` more than do already. Releases the
/// lock.
void Pool::call_threads(std::unique_lock<std::mutex>& lock, std::size_t most) noexcept {
  std::array<const std::atomic<std::uint32_t>*, 16> called;
  for (;;) {
    std::size_t n = 0;
    while (most > 0 && n < called.size() && queue_.size() > on_their_way() && !stopping_) {
      --most;
      if (!idle_.empty()) {
        Thread& thread = *idle_.back();
        idle_.pop_back();
        thread.called.store(1, std::memory_order_relaxed);
        called[n++] = &thread.called;
        ++coming_;
      } else if (!start_thread()) {
        most = 0;
      }
    }
    lock.unlock();
    for (std::size_t i = 0; i < n; ++i) futex_wake(called[i]);
    if (n < called.size()) return;
    lock.lock();
  }
}

/// False when the pool is as large as it may be, or as the system lets it.
bool Pool::start_thread() noexcept {
  if (live_ >= allowed()) return false;
  const auto started = attempt([&] {
    auto thread = std::make_shared<Thread>();
    threads_.push_back(thread);
    thread->thread = std::thread([self = shared_from_this(), runtime = runtime_->shared_from_this(), thread] {
      ::pthread_setname_np(::pthread_self(), "beluga-pool");
      ::pthread_sigmask(SIG_SETMASK, &self->signals_, nullptr);
      self->run(thread);
    });
  });
  if (!started.ok()) {
    if (!threads_.empty() && !threads_.back()->thread.joinable()) threads_.pop_back();
    return false;
  }
  ++live_;
  ++coming_;
  return true;
}

void Pool::no_longer_counts(PoolJob& job) noexcept {
  if (runtime_->jumping && job.stop_counting(PoolJob::Work::left)) runtime_->end_work();
}

bool Pool::withdraw(PoolJob& job) noexcept {
  const std::lock_guard lock(mutex_);
  const auto at = std::find_if(queue_.begin(), queue_.end(), [&](const auto& j) { return j.get() == &job; });
  if (at == queue_.end()) return false;
  queue_.erase(at);
  queued_.store(queue_.size(), std::memory_order_relaxed);
  job.state.store(PoolJob::State::dropped);
  no_longer_counts(job);
  return true;
}

bool Pool::abandon(PoolJob& job) noexcept {
  std::unique_lock lock(mutex_);
  auto running = PoolJob::State::running;
  if (!job.state.compare_exchange_strong(running, PoolJob::State::abandoned)) return false;
  abandoned_.fetch_add(1, std::memory_order_relaxed);
  --running_;
  job.replaced = lost_ < most_;  // the cap: at most as many again as the pool has
  if (job.replaced) ++lost_;
  no_longer_counts(job);
  call_threads(lock, queue_.size());  // there is room for one more now
  return true;
}

void Pool::lend() noexcept {
  std::unique_lock lock(mutex_);
  ++lent_;
  call_threads(lock, queue_.size());
}

void Pool::take_back() noexcept {
  const std::lock_guard lock(mutex_);
  --lent_;
}

/// The next job for the calling thread; waits for it. Null: the thread is to end.
std::shared_ptr<PoolJob> Pool::next(std::unique_lock<std::mutex>& lock, Thread& self) {
  for (;;) {
    if (!queue_.empty()) {
      std::shared_ptr<PoolJob> job = std::move(queue_.front());
      queue_.pop_front();
      queued_.store(queue_.size(), std::memory_order_relaxed);
      return job;
    }
    if (stopping_) return nullptr;
    if (!looking_ && spinning_helps() && patience_.worth_it()) {
      looking_ = true;
      lock.unlock();
      spin_until([&] { return queued_.load(std::memory_order_relaxed) != 0; }, kLook);
      lock.lock();
      looking_ = false;
      patience_.paid_off(!queue_.empty());
      if (!queue_.empty() || stopping_) continue;
    }
    self.called.store(0, std::memory_order_relaxed);
    idle_.push_back(&self);  // the last to come is the first to be called: its caches are warm
    lock.unlock();
    const auto until = std::chrono::steady_clock::now() + kIdleThreadLives;
    for (auto left = std::chrono::nanoseconds(kIdleThreadLives);
         self.called.load(std::memory_order_relaxed) == 0 && left.count() > 0;
         left = until - std::chrono::steady_clock::now())
      futex_wait(self.called, 0, left);
    lock.lock();
    if (self.called.load(std::memory_order_relaxed) == 0) {  // nobody has asked for it all the time
      std::erase(idle_, &self);
      return nullptr;
    }
    if (coming_ > 0) --coming_;
  }
}

void Pool::run(std::shared_ptr<Thread> self) {
  std::unique_lock lock(mutex_);
  this_thread_state.runtime = runtime_;
  if (coming_ > 0) --coming_;
  while (const std::shared_ptr<PoolJob> job = next(lock, *self)) {
    self->job = job;
    ++running_;
    job->state.store(PoolJob::State::running);
    lock.unlock();
    this_thread_state.job = job.get();
    {
      const ContextScope scope(job->context);
      job->call();
    }
    // What the call and its context own is released here, outside the lock.
    job->call = nullptr;
    job->context = Context();
    this_thread_state.job = nullptr;
    lock.lock();
    self->job.reset();
    auto running = PoolJob::State::running;
    const bool ours = job->state.compare_exchange_strong(running, PoolJob::State::done);
    if (ours) {
      --running_;
      lock.unlock();
      job->done.notify();
      no_longer_counts(*job);
      lock.lock();
    } else if (job->replaced) {
      --lost_;
    }
    if (live_ > allowed()) break;  // the others suffice
  }
  --live_;
  self->exited = true;
  exited_.notify_all();
  this_thread_state = {};
  if (stopping_) return;  // joined by stop(), or let go
  // Whoever joins a thread waits for what its thread-local objects do when they go: never a worker, nor anybody
  // under the lock.
  std::erase(threads_, self);
  const std::shared_ptr<Thread> before = std::exchange(ended_, self);
  lock.unlock();
  if (before) before->thread.join();
}

std::vector<std::string> Pool::stop(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  for (Thread* thread : std::exchange(idle_, {})) {
    thread->called.store(1, std::memory_order_relaxed);
    ++coming_;
    futex_wake(&thread->called);
  }
  exited_.wait_until(lock, deadline, [&] {
    return std::all_of(threads_.begin(), threads_.end(), [](const auto& t) { return t->exited; });
  });
  std::vector<std::string> names;
  auto threads = std::exchange(threads_, {});
  if (ended_) threads.push_back(std::exchange(ended_, nullptr));
  for (const auto& thread : threads) {
    if (thread->exited) {
      lock.unlock();
      thread->thread.join();
      lock.lock();
    } else {
      if (thread->job) names.push_back(thread->job->name);
      // Held by a call that ignores its cancellation; the pool outlives the runtime for it.
      thread->thread.detach();
    }
  }
  return names;
}

std::size_t Pool::running() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

std::size_t Pool::queued() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

}  // namespace beluga::detail
