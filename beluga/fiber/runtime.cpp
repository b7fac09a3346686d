#include "beluga/fiber/runtime.hpp"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>
#include <utility>

#include "beluga/fiber/internal/context_access.hpp"
#include "beluga/fiber/internal/runtime_impl.hpp"
#include "beluga/fiber/internal/saturating.hpp"
#include "beluga/fiber/internal/thread.hpp"

namespace beluga {

namespace {

std::atomic<unsigned> g_forks{0};  // forks that lie between this process and the first

unsigned watch_forks() noexcept {
  [[maybe_unused]] static const int kRegistered =
      ::pthread_atfork(nullptr, nullptr, [] { g_forks.fetch_add(1, std::memory_order_relaxed); });
  return g_forks.load(std::memory_order_relaxed);
}

void check_range(std::string_view option, std::size_t value, std::size_t most) {
  if (value <= most) return;
  raise(Error(ErrorCode::invalid_argument, "RuntimeOptions::" + std::string(option) + " is " +
                                               std::to_string(value) + ", more than the " +
                                               std::to_string(most) + " that are possible"));
}

RuntimeOptions with_defaults(RuntimeOptions options) {
  check_range("workers", options.workers, 1024);
  check_range("blocking_threads", options.blocking_threads, 65'536);
  check_range("stack_size", options.stack_size, std::size_t{1} << 47);
  if (options.workers == 0) options.workers = std::clamp(std::thread::hardware_concurrency(), 1u, 4u);
  if (options.blocking_threads == 0) options.blocking_threads = 1;
  if (options.stack_size == 0) options.stack_size = detail::default_stack_size();
  if (options.clock == nullptr) options.clock = &Clock::system();
  return options;
}

/// The context of a plain thread.
Context& thread_context() noexcept {
  thread_local Context context;
  return context;
}

}  // namespace

namespace detail {
unsigned forks() noexcept {
  return g_forks.load(std::memory_order_relaxed);
}

Context& current_context() noexcept {
  Fiber* const fiber = current_fiber();
  return fiber != nullptr ? fiber->context : thread_context();
}
}  // namespace detail

Runtime::Impl::Impl(const RuntimeOptions& o)
    : options(with_defaults(o)), clock(options.clock), fork_generation(watch_forks()) {
  manual = dynamic_cast<ManualClock*>(clock);
  jumping = manual != nullptr && manual->mode() == ManualClock::Mode::jump_when_idle;
}

Runtime::Impl::~Impl() = default;

void Runtime::Impl::start() {
  pool = std::make_shared<detail::Pool>(*this, options.blocking_threads);
  for (unsigned i = 0; i < options.workers; ++i) {
    workers.push_back(std::make_unique<detail::Worker>(*this, i, options.stack_size));
    begin_work();  // a worker is born awake
  }
  if (manual != nullptr) detail::ManualClockAccess::follow(*manual, *this);
  const auto started = attempt([&] {
    // Each thread shares ownership: one that cannot be stopped (a fiber that never returns) outlives the
    // Runtime.
    for (auto& worker : workers) {
      worker->thread = detail::start_deaf_thread("beluga-w" + std::to_string(worker->index),
                                                 [self = shared_from_this(), w = worker.get()] {
                                                   w->run();
                                                   const std::lock_guard lock(self->mutex);
                                                   w->exited.store(true);
                                                   self->changed.notify_all();
                                                 });
    }
    watchdog.start(workers, options.stall_report, options.on_stall);
  });
  if (started.ok()) return;
  for (auto& worker : workers) {
    worker->stop.store(true);
    worker->wake_if_sleeping();
    if (worker->thread.joinable()) worker->thread.join();
  }
  if (manual != nullptr) detail::ManualClockAccess::unfollow(*manual, *this);
  raise(Error(ErrorCode::resource_exhausted, "the threads of the runtime could not be started (" +
                                                 started.error().message() +
                                                 "): ask for fewer (RuntimeOptions::workers), or raise the "
                                                 "limit of processes (ulimit -u, or pids.max of "
                                                 "the control group) or of memory"));
}

void Runtime::Impl::check_usable() const {
  if (in_forked_child()) {
    raise(Error(ErrorCode::failed_precondition,
                "this runtime was started before fork(); its threads do not exist in the child. Start it "
                "after fork(), or "
                "start child processes with posix_spawn"));
  }
  if (closing.load(std::memory_order_acquire))
    raise(Error(ErrorCode::failed_precondition, "the runtime has been shut down"));
}

bool Runtime::Impl::in_forked_child() const noexcept {
  return fork_generation != detail::forks();
}

detail::Worker& Runtime::Impl::pick_worker() noexcept {
  detail::Worker* const own = detail::this_thread_state.worker;
  if (own != nullptr && &own->runtime == this) return *own;
  return *workers[next_worker.fetch_add(1, std::memory_order_relaxed) % workers.size()];
}

Context Runtime::Impl::enter(const Context& context) const {
  // A context from inside carries the cancellation of the runtime already.
  if (detail::this_thread_state.runtime == this && context.cancel_token().can_be_cancelled()) return context;
  const CancelToken own = context.cancel_token();
  const auto& token = detail::CancelAccess::state(own);
  Context entered = context.with_cancel(detail::CancelAccess::token(detail::make_cancel_state(token, root)));
  const Clock& theirs = Clock::current();
  const auto deadline = entered.deadline();
  if (!deadline || &theirs == clock) return entered;
  // The same span of time on our clock.
  return detail::ContextAccess::with_deadline(
      entered, detail::saturating_add(clock->now(), detail::saturating_distance(theirs.now(), *deadline)));
}

std::size_t Runtime::Impl::fibers_alive() const noexcept {
  std::size_t ended = 0;
  std::size_t started = 0;
  // In this order: a fiber that ends in between counts as alive.
  for (const auto& worker : workers) ended += worker->fibers_ended.load();
  for (const auto& worker : workers) started += worker->fibers_started.load();
  return started - ended;
}

void Runtime::Impl::fiber_ended() noexcept {
  if (!closing.load()) return;  // either we see it, or stop() sees that the fiber has ended
  const std::lock_guard lock(mutex);
  changed.notify_all();
}

TimePoint Runtime::Impl::next_timer() const noexcept {
  auto next = TimePoint::max().time_since_epoch().count();
  for (const auto& worker : workers) next = std::min(next, worker->next_timer.load());
  return TimePoint(Duration(next));
}

void Runtime::Impl::time_moved(TimePoint now) noexcept {
  for (const auto& worker : workers)
    if (worker->next_timer.load() <= now.time_since_epoch().count()) worker->wake_if_sleeping();
}

Runtime::Impl::Admission::Admission(Impl& runtime, const detail::Worker& target) {
  runtime.check_usable();
  if (detail::this_thread_state.worker == &target) return;
  counted_ = runtime.shared_from_this();
  runtime.admitted.fetch_add(1);
  // After the count, as shutdown() looks at the count after it has set the flag: one sees the other.
  if (!runtime.closing.load()) return;
  leave();
  runtime.check_usable();
}

Runtime::Impl::Admission::~Admission() {
  leave();
}

void Runtime::Impl::Admission::leave() noexcept {
  const auto runtime = std::exchange(counted_, nullptr);
  if (!runtime || runtime->admitted.fetch_sub(1) != 1 || !runtime->closing.load()) return;
  const std::lock_guard lock(runtime->mutex);
  runtime->changed.notify_all();
}

ShutdownReport Runtime::Impl::shutdown(Duration grace) {
  std::unique_lock lock(mutex);
  if (!std::exchange(shutdown_called, true)) {
    lock.unlock();
    ShutdownReport made = stop(grace);
    lock.lock();
    report = std::move(made);
    changed.notify_all();
  }
  changed.wait(lock, [&] { return report.has_value(); });
  return *report;
}

ShutdownReport Runtime::Impl::stop(Duration grace) {
  ShutdownReport unfinished;
  const TimePoint deadline = detail::saturating_add(std::chrono::steady_clock::now(), grace);
  closing.store(true);
  root->cancel(Error(ErrorCode::cancelled, "runtime is shutting down"));

  for (auto& worker : workers) worker->post(worker->shutdown_order);
  {
    std::unique_lock lock(mutex);
    // In this order: what is admitted is counted among the living before it leaves.
    changed.wait_until(lock, deadline, [&] { return admitted.load() == 0 && fibers_alive() == 0; });
    changed.wait(lock, [&] { return admitted.load() == 0; });  // a matter of instructions
  }
  unfinished.blocking = pool->stop(deadline);
  if (fibers_alive() != 0) {
    struct Names {
      std::mutex mutex;
      std::vector<std::string> names;
    };
    struct List final : detail::Task {
      std::shared_ptr<Names> names;
      std::promise<void> done;
    };
    const auto names = std::make_shared<Names>();
    for (auto& worker : workers) {
      auto* task = new List;
      task->names = names;
      auto done = task->done.get_future();
      task->arrive = [](detail::Worker& w, detail::Task& t) noexcept {
        const std::unique_ptr<List> list(static_cast<List*>(&t));
        {
          const std::lock_guard lock(list->names->mutex);
          for (detail::Fiber* f = w.alive; f != nullptr; f = f->next_alive)
            list->names->names.push_back(f->name.get());
        }
        list->done.set_value();
      };
      worker->post(*task);
      // A worker that runs no fiber is in its loop and will answer, however busy the machine.
      while (done.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready) {
        if (const detail::Fiber* f = worker->running.load()) {
          const std::lock_guard lock(names->mutex);
          names->names.push_back(f->name.get());
          break;
        }
      }
    }
    const std::lock_guard lock(names->mutex);
    unfinished.fibers = names->names;
  }

  for (auto& worker : workers) {
    worker->stop.store(true);
    worker->wake_if_sleeping();
  }
  {
    std::unique_lock lock(mutex);
    const auto all_out = [&] {
      return std::all_of(workers.begin(), workers.end(), [](const auto& w) { return w->exited.load(); });
    };
    if (unfinished.fibers.empty())
      changed.wait(lock, all_out);
    else
      changed.wait_for(lock, std::chrono::milliseconds(50), all_out);
  }
  for (auto& worker : workers) {
    if (worker->exited.load())
      worker->thread.join();
    else
      worker->thread.detach();  // held by a fiber that never returned; reported above
  }
  watchdog.stop();
  if (manual != nullptr) detail::ManualClockAccess::unfollow(*manual, *this);
  return unfinished;
}

Runtime::Runtime(RuntimeOptions options) : impl_(std::make_shared<Impl>(options)) {
  impl_->face = this;
  impl_->start();
}

Runtime::~Runtime() {
  if (impl_->in_forked_child()) {
    // Its threads are not here to be stopped, its locks may be held for ever: leave all as it is.
    impl_->kept = impl_;
    return;
  }
  impl_->shutdown(std::chrono::seconds(1));
  impl_->face.store(nullptr);
}

Runtime& Runtime::current() {
  if (Impl* const impl = detail::this_thread_state.runtime) {
    Runtime* const face = impl->face.load();
    if (face == nullptr) raise(Error(ErrorCode::failed_precondition, "the runtime has been destroyed"));
    return *face;
  }
  // Never destroyed: fibers may use statics, and statics of other files may use fibers.
  static Runtime* const runtime = new Runtime;
  runtime->impl_->check_usable();
  return *runtime;
}

bool Runtime::on_fiber() noexcept {
  return detail::current_fiber() != nullptr;
}

ShutdownReport Runtime::shutdown(Duration grace) {
  if (detail::this_thread_state.runtime == impl_.get())
    raise(Error(ErrorCode::failed_precondition, "a runtime cannot be shut down from one of its own threads"));
  if (impl_->in_forked_child()) impl_->check_usable();
  const auto impl = impl_;  // whoever called first may destroy this object as soon as it returns
  return impl->shutdown(grace);
}

RuntimeStats Runtime::stats() const {
  RuntimeStats stats;
  stats.fibers = impl_->fibers_alive();
  for (const auto& worker : impl_->workers) {
    stats.fibers_started += worker->fibers_started.load(std::memory_order_relaxed);
    stats.stacks_pooled += worker->stacks_pooled.load(std::memory_order_relaxed);
  }
  stats.blocking_running = impl_->pool->running();
  stats.blocking_queued = impl_->pool->queued();
  stats.blocking_abandoned = impl_->pool->abandoned();
  return stats;
}

Clock& Runtime::clock() const noexcept {
  return *impl_->clock;
}

Clock& Clock::current() noexcept {
  Runtime::Impl* const impl = detail::this_thread_state.runtime;
  return impl != nullptr ? *impl->clock : system();
}

void Runtime::run_and_wait(Function<void()> body) {
  struct Frame {
    Function<void()>& body;
    std::optional<detail::Failure> failure;
    detail::ParkingSpot done;
  } frame{body, std::nullopt, {}};
  {
    detail::Worker& worker = impl_->pick_worker();
    const Impl::Admission admission(*impl_, worker);
    detail::spawn(worker, "run", impl_->enter(detail::current_context()), [&frame](const Error* refused) {
      frame.failure = refused != nullptr ? detail::Failure{*refused} : detail::failure_of(frame.body);
      frame.done.notify();
    });
  }
  // The body refers to the caller's frame, so that it is waited for whatever happens; it is cancelled with
  // the caller.
  frame.done.wait_uninterrupted();
  if (frame.failure) detail::rethrow(*std::move(frame.failure));
}

void sleep_until(TimePoint time) {
  detail::ParkingSpot spot;
  detail::throw_if_interrupted(spot.wait(time));
}

void sleep_for(Duration duration) {
  sleep_until(detail::saturating_add(Clock::current().now(), duration));
}

}  // namespace beluga
