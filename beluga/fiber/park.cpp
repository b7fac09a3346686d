#include "beluga/fiber/internal/park.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "beluga/fiber/internal/context_access.hpp"
#include "beluga/fiber/internal/runtime_impl.hpp"
#include "beluga/fiber/internal/saturating.hpp"

namespace beluga::detail {

namespace {

Waiter* const kNotified = reinterpret_cast<Waiter*>(std::uintptr_t{1});

/// A plain thread that waits.
struct ThreadWaiter final : Waiter, ClockFollower {
  std::mutex mutex;
  std::condition_variable changed;
  bool woken = false;
  bool time_came = false;
  TimePoint until = TimePoint::max();
  Runtime::Impl* runtime = nullptr;  ///< of a pool thread
  PoolJob* idle_job = nullptr;       ///< what it runs, while that counts as waiting

  bool idle() const noexcept override { return true; }  // its runtime's count says when it is not
  TimePoint next_timer() const noexcept override { return until; }
  void time_moved(TimePoint) noexcept override {
    const std::lock_guard lock(mutex);
    count_as_busy();
    time_came = true;
    changed.notify_one();
  }
  void end_wait(Wake reason) noexcept {
    // Notified under the lock: the thread, and with it this object, cannot leave before it is released.
    const std::lock_guard lock(mutex);
    count_as_busy();
    wake = reason;
    woken = true;
    changed.notify_one();
  }
  void count_as_busy() noexcept {
    if (idle_job != nullptr) std::exchange(idle_job, nullptr)->count_again([this] { runtime->begin_work(); });
  }
};

/// Ends a wait when the context is cancelled.
struct CancelWatch : CancelNode {
  ParkingSpot* spot;
  Waiter* waiter;
  static void on_cancel(CancelNode& node) noexcept {
    auto& self = static_cast<CancelWatch&>(node);
    Waiter& waiter = *self.waiter;  // once it is awake, `self` is gone
    if (self.spot->claim(waiter)) wake_up(waiter, Wake::cancelled);
  }
};

struct Limits {
  CancelState* cancel = nullptr;
  TimePoint until = TimePoint::max();
  Wake at_until = Wake::timeout;
};

Limits limits_of(const Context& context, std::optional<TimePoint> until, bool deaf) noexcept {
  Limits limits;
  if (until) limits.until = *until;
  if (deaf) return limits;
  if (const ContextAccess::Node* node = ContextAccess::node(context)) {
    limits.cancel = CancelAccess::state(node->token).get();
    if (node->deadline && *node->deadline <= limits.until) {
      limits.until = *node->deadline;
      limits.at_until = Wake::deadline;
    }
  }
  return limits;
}

}  // namespace

bool ParkingSpot::claim(Waiter& waiter) noexcept {
  Waiter* expected = &waiter;
  return state_.compare_exchange_strong(expected, nullptr, std::memory_order_acq_rel,
                                        std::memory_order_relaxed);
}

void ParkingSpot::notify() noexcept {
  Waiter* seen = state_.load(std::memory_order_relaxed);
  for (;;) {
    // The exchange is the last touch of this spot: its owner may return from wait() and destroy it right
    // after.
    Waiter* const wanted = seen == nullptr || seen == kNotified ? kNotified : nullptr;
    if (state_.compare_exchange_weak(seen, wanted, std::memory_order_acq_rel, std::memory_order_relaxed))
      break;
  }
  if (seen != nullptr && seen != kNotified) wake_up(*seen, Wake::notified);
}

Wake ParkingSpot::wait(std::optional<TimePoint> until) {
  return current_fiber() != nullptr ? wait_as_fiber(until, false) : wait_as_thread(until, false);
}

void ParkingSpot::wait_uninterrupted() {
  if (current_fiber() != nullptr)
    wait_as_fiber(std::nullopt, true);
  else
    wait_as_thread(std::nullopt, true);
}

Wake ParkingSpot::wait_as_fiber(std::optional<TimePoint> until, bool deaf) {
  if (state_.load(std::memory_order_relaxed) == kNotified) {
    state_.exchange(nullptr, std::memory_order_acquire);
    return Wake::notified;
  }
  Fiber& self = *current_fiber();
  Worker& worker = *self.home;
  const Limits limits = limits_of(self.context, until, deaf);
  if (!deaf) {
    if (worker.shutting_down) return Wake::cancelled;
    if (limits.cancel != nullptr && limits.cancel->cancelled()) return Wake::cancelled;
    if (limits.until != TimePoint::max() && worker.runtime.clock->now() >= limits.until)
      return limits.at_until;
  }

  Waiter* expected = nullptr;
  if (!state_.compare_exchange_strong(expected, &self, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
    state_.exchange(nullptr, std::memory_order_acquire);  // notified just now
    return Wake::notified;
  }
  CancelWatch watch;
  if (limits.cancel != nullptr) {
    watch.run = &CancelWatch::on_cancel;
    watch.spot = this;
    watch.waiter = &self;
    if (!limits.cancel->add(watch) && claim(self)) return Wake::cancelled;
    // Claimed by a notifier instead: it has made this fiber ready, which therefore has to suspend.
  }
  Timer timer;
  if (limits.until != TimePoint::max()) {
    timer.when = limits.until;
    timer.wake = limits.at_until;
    timer.spot = this;
    timer.fiber = &self;
    worker.timers.add(timer);
  }
  if (!deaf) self.parked_at = this;
  suspend();
  self.parked_at = nullptr;
  worker.timers.remove(timer);
  if (limits.cancel != nullptr) limits.cancel->remove(watch);
  return self.wake;
}

Wake ParkingSpot::wait_as_thread(std::optional<TimePoint> until, bool deaf) {
  ThreadState& state = this_thread_state;
  if (state.worker != nullptr) fatal("an event-loop handler waits; only fibers may");
  if (state_.load(std::memory_order_relaxed) == kNotified) {
    state_.exchange(nullptr, std::memory_order_acquire);
    return Wake::notified;
  }
  Runtime::Impl* const runtime = state.runtime;  // of a pool thread
  ManualClock* const manual = runtime != nullptr ? runtime->manual : nullptr;
  Clock& clock = runtime != nullptr ? *runtime->clock : Clock::system();
  const Limits limits = limits_of(current_context(), until, deaf);
  if (limits.cancel != nullptr && limits.cancel->cancelled()) return Wake::cancelled;
  if (limits.until != TimePoint::max() && clock.now() >= limits.until) return limits.at_until;

  ThreadWaiter self;
  Waiter* expected = nullptr;
  if (!state_.compare_exchange_strong(expected, &self, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
    state_.exchange(nullptr, std::memory_order_acquire);
    return Wake::notified;
  }
  CancelWatch watch;
  if (limits.cancel != nullptr) {
    watch.run = &CancelWatch::on_cancel;
    watch.spot = this;
    watch.waiter = &self;
    if (!limits.cancel->add(watch) && claim(self)) return Wake::cancelled;
  }
  if (manual != nullptr) {
    self.until = limits.until;
    ManualClockAccess::follow(*manual, self);
  }
  // What is waited for may need the pool, and its other threads may all wait, too.
  if (runtime != nullptr) runtime->pool->lend();
  {
    std::unique_lock lock(self.mutex);
    const auto idle_begins = [&] {
      PoolJob* const job = state.job;
      if (job == nullptr || !runtime->jumping || !job->stop_counting(PoolJob::Work::waits)) return;
      self.runtime = runtime;
      self.idle_job = job;
      lock.unlock();
      runtime->end_work();
      lock.lock();
    };
    const auto time_is_up = [&] { return limits.until != TimePoint::max() && clock.now() >= limits.until; };
    if (!self.woken) idle_begins();
    while (!self.woken) {
      if (time_is_up()) {
        self.count_as_busy();
        lock.unlock();
        const bool mine = claim(self);
        lock.lock();
        if (mine) {
          self.wake = limits.at_until;
          break;
        }
        self.changed.wait(lock, [&] { return self.woken; });
        break;
      }
      if (limits.until == TimePoint::max() || manual != nullptr) {
        self.changed.wait(lock, [&] { return self.woken || self.time_came; });
        self.time_came = false;
      } else {
        // An hour at most, because the sum that wait_for() makes must not overflow.
        const Duration left = saturating_distance(clock.now(), limits.until);
        self.changed.wait_for(lock, std::min<Duration>(left, std::chrono::hours(1)),
                              [&] { return self.woken; });
      }
    }
    self.count_as_busy();
  }
  if (runtime != nullptr) runtime->pool->take_back();
  if (manual != nullptr) ManualClockAccess::unfollow(*manual, self);
  if (limits.cancel != nullptr) limits.cancel->remove(watch);
  return self.wake;
}

void wake_up(Waiter& waiter, Wake wake) noexcept {
  if (waiter.is_fiber) {
    auto& fiber = static_cast<Fiber&>(waiter);
    fiber.wake = wake;
    make_ready(fiber);
  } else {
    static_cast<ThreadWaiter&>(waiter).end_wait(wake);
  }
}

Wake interruption(const Context& context) noexcept {
  const Limits limits = limits_of(context, std::nullopt, false);
  if (limits.cancel != nullptr && limits.cancel->cancelled()) return Wake::cancelled;
  if (limits.until != TimePoint::max() && Clock::current().now() >= limits.until) return Wake::deadline;
  return Wake::notified;
}

void throw_if_interrupted(Wake wake) {
  if (wake == Wake::deadline)
    raise(Error(ErrorCode::deadline_exceeded, "the deadline of this context passed while it waited"));
  if (wake != Wake::cancelled) return;
  // A fiber that catches this and waits again, for ever, must not keep its worker from the loop.
  if (Fiber* const fiber = current_fiber(); fiber != nullptr && fiber->home->shutting_down) give_way(*fiber);
  const Context& context = current_context();
  if (const CancelState* state = ContextAccess::cancel_state(context))
    if (auto cause = state->why()) raise(*std::move(cause));
  raise(Error(ErrorCode::cancelled, "runtime is shutting down"));
}

}  // namespace beluga::detail
