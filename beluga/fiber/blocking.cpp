#include "beluga/fiber/blocking.hpp"

#include "beluga/fiber/internal/context_access.hpp"
#include "beluga/fiber/internal/runtime_impl.hpp"
#include "beluga/fiber/internal/saturating.hpp"

namespace beluga::detail {

namespace {

/// Tells a worker how many of its fibers wait for the pool.
struct CallOnPool {
  explicit CallOnPool(Worker* w) noexcept : worker(w) {
    if (worker != nullptr) ++worker->calls_on_pool;
  }
  ~CallOnPool() {
    if (worker != nullptr) --worker->calls_on_pool;
  }
  CallOnPool(const CallOnPool&) = delete;
  CallOnPool& operator=(const CallOnPool&) = delete;
  Worker* worker;
};

}  // namespace

void run_blocking(const BlockingOptions& options, Function<void()> call) {
  ThreadState& thread = this_thread_state;
  const bool on_fiber = thread.fiber != nullptr;
  // In a pool job and, when nothing may be abandoned, on a plain thread: this thread is as good as the
  // pool's.
  if (!on_fiber && (thread.runtime != nullptr || options.mode == Blocking::must_finish)) return call();

  Runtime::Impl& runtime = RuntimeAccess::current();
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
  const CallOnPool counted(on_fiber ? thread.worker : nullptr);

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
    const TimePoint until = saturating_add(std::chrono::steady_clock::now(), options.grace);
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
