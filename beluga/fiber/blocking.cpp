#include "beluga/fiber/blocking.hpp"

#include <algorithm>

#include "beluga/fiber/internal/context_access.hpp"
#include "beluga/fiber/internal/runtime_impl.hpp"

namespace beluga::detail {

void Pool::submit(std::shared_ptr<PoolJob> job) {
  const std::lock_guard lock(mutex_);
  if (stopping_) raise(Error(ErrorCode::failed_precondition, "the runtime has been shut down"));
  runtime_->begin_work();
  queue_.push_back(std::move(job));
  if (idle_ >= queue_.size()) {
    work_.notify_one();
    return;
  }
  // Threads that have ended by themselves are collected here.
  std::erase_if(threads_, [](const std::shared_ptr<Thread>& t) {
    if (t->exited) t->thread.join();
    return t->exited;
  });
  if (threads_.size() - lost_ < most_) {
    auto thread = std::make_shared<Thread>();
    thread->thread = std::thread(
        [self = shared_from_this(), runtime = runtime_->shared_from_this(), thread] { self->run(thread); });
    threads_.push_back(std::move(thread));
  }
}

bool Pool::withdraw(PoolJob& job) noexcept {
  const std::lock_guard lock(mutex_);
  const auto at = std::find_if(queue_.begin(), queue_.end(), [&](const auto& j) { return j.get() == &job; });
  if (at == queue_.end()) return false;
  queue_.erase(at);
  job.state.store(PoolJob::State::dropped);
  runtime_->end_work();
  return true;
}

bool Pool::abandon(PoolJob& job) {
  const std::lock_guard lock(mutex_);
  auto running = PoolJob::State::running;
  if (!job.state.compare_exchange_strong(running, PoolJob::State::abandoned)) return false;
  abandoned_.fetch_add(1, std::memory_order_relaxed);
  --running_;
  if (lost_ < most_) ++lost_;  // the cap: at most as many again as the pool has
  runtime_->end_work();
  if (!queue_.empty() && threads_.size() - lost_ < most_ && !stopping_) {
    auto thread = std::make_shared<Thread>();
    thread->thread = std::thread(
        [self = shared_from_this(), runtime = runtime_->shared_from_this(), thread] { self->run(thread); });
    threads_.push_back(std::move(thread));
  }
  return true;
}

void Pool::run(std::shared_ptr<Thread> self) {
  using namespace std::chrono_literals;
  std::unique_lock lock(mutex_);
  this_thread_state.runtime = runtime_;
  for (;;) {
    ++idle_;
    const bool got = work_.wait_for(lock, 10s, [&] { return stopping_ || !queue_.empty(); });
    --idle_;
    if (queue_.empty() && (!got || stopping_)) break;
    const std::shared_ptr<PoolJob> job = std::move(queue_.front());
    queue_.pop_front();
    self->job = job;
    ++running_;
    job->state.store(PoolJob::State::running);
    lock.unlock();
    {
      const ContextScope scope(job->context);
      (*job->call)();
    }
    job->call.reset();  // what the call owns is released here, outside the lock
    lock.lock();
    self->job.reset();
    auto running = PoolJob::State::running;
    const bool ours = job->state.compare_exchange_strong(running, PoolJob::State::done);
    if (!ours) {  // taken over while it ran: this thread has been replaced
      --lost_;
      break;
    }
    --running_;
    lock.unlock();
    job->done.notify();
    lock.lock();
    runtime_->end_work();
  }
  self->exited = true;
  exited_.notify_all();
  this_thread_state = {};
}

std::vector<std::string> Pool::stop(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  work_.notify_all();
  exited_.wait_until(lock, deadline, [&] {
    return std::all_of(threads_.begin(), threads_.end(), [](const auto& t) { return t->exited; });
  });
  std::vector<std::string> names;
  for (const auto& thread : threads_) {
    if (thread->exited) {
      lock.unlock();
      thread->thread.join();
      lock.lock();
    } else {
      if (thread->job) names.push_back(thread->job->name);
      thread->thread
          .detach();  // held by a call that ignores its cancellation; the pool outlives the runtime for it
    }
  }
  threads_.clear();
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

void run_blocking(const BlockingOptions& options, std::shared_ptr<Function<void()>> call) {
  ThreadState& thread = this_thread_state;
  const bool on_fiber = thread.fiber != nullptr;
  // In a pool job and, when nothing may be abandoned, on a plain thread: this thread is as good as the
  // pool's.
  if (!on_fiber && (thread.runtime != nullptr || options.mode == Blocking::must_finish)) return (*call)();

  Runtime::Impl& runtime = Runtime::current().impl();
  runtime.check_usable();
  const Context& caller = current_context();
  const CancelToken token = caller.cancel_token();
  const auto cancel = make_cancel_state(CancelAccess::state(token), runtime.root);
  auto job = std::make_shared<PoolJob>();
  job->call = std::move(call);
  job->name = options.name;
  job->context = caller.with_cancel(CancelAccess::token(cancel));
  const std::shared_ptr<Pool> pool = runtime.pool;
  pool->submit(job);

  const auto finished = [&] { return job->state.load(std::memory_order_acquire) == PoolJob::State::done; };
  Wake wake = Wake::notified;
  while (!finished()) {
    wake = job->done.wait();
    if (wake != Wake::notified) break;
  }
  if (finished()) return;
  cancel->cancel(wake == Wake::deadline
                     ? Error(ErrorCode::deadline_exceeded, "the caller's deadline has passed")
                     : Error(ErrorCode::cancelled, "the caller was cancelled"));
  if (pool->withdraw(*job)) throw_if_interrupted(wake);
  if (options.mode == Blocking::may_be_abandoned) {
    // In real time whatever the runtime's clock: the grace bounds how long a destructor may take.
    auto over = std::make_shared<std::atomic<bool>>(false);
    std::optional<boost::asio::steady_timer> timer;
    if (on_fiber) {
      timer.emplace(thread.worker->io, options.grace);
      timer->async_wait([job, over](const boost::system::error_code& error) {
        if (error) return;
        over->store(true);
        job->done.notify();
      });
    }
    const auto until = std::chrono::steady_clock::now() + options.grace;
    while (!finished() && !over->load()) {
      if (on_fiber) {
        job->done.wait_uninterrupted();
      } else {
        const ContextScope deaf{Context()};
        if (job->done.wait(until) == Wake::timeout) break;
      }
    }
    if (finished()) return;
  }
  if (options.mode == Blocking::may_be_abandoned && pool->abandon(*job)) throw_if_interrupted(wake);
  while (!finished()) job->done.wait_uninterrupted();
}

}  // namespace beluga::detail
