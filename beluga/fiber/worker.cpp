#include "beluga/fiber/internal/worker.hpp"

#include <cxxabi.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <new>
#include <utility>

#include "beluga/fiber/internal/context_access.hpp"
#include "beluga/fiber/internal/fault.hpp"
#include "beluga/fiber/internal/runtime_impl.hpp"

namespace beluga::detail {

namespace {
// Fibers run in one go before the event loop and the timers get their turn.
constexpr int kBatch = 64;
// How long a worker with nothing else to do waits awake for the pool: about what a sleep and a wake cost.
constexpr auto kLinger = std::chrono::microseconds(20);
}  // namespace

// ---- timers ----

TimerHeap::~TimerHeap() {
  for (Timer* timer : heap_) timer->index = Timer::kNone;  // handlers that die with the io_context own some
}

void TimerHeap::place(Timer& timer, std::size_t index) noexcept {
  heap_[index] = &timer;
  timer.index = index;
}

void TimerHeap::sift_up(Timer& timer, std::size_t index) noexcept {
  while (index > 0) {
    const std::size_t parent = (index - 1) / 2;
    if (heap_[parent]->when <= timer.when) break;
    place(*heap_[parent], index);
    index = parent;
  }
  place(timer, index);
}

void TimerHeap::sift_down(Timer& timer, std::size_t index) noexcept {
  for (;;) {
    std::size_t child = 2 * index + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->when < heap_[child]->when) ++child;
    if (timer.when <= heap_[child]->when) break;
    place(*heap_[child], index);
    index = child;
  }
  place(timer, index);
}

void TimerHeap::add_place() {
  if (places_ == heap_.capacity()) heap_.reserve(std::max<std::size_t>(16, 2 * places_));
  ++places_;
}

void TimerHeap::add(Timer& timer) noexcept {
  heap_.push_back(&timer);
  sift_up(timer, heap_.size() - 1);
}

void TimerHeap::remove(Timer& timer) noexcept {
  if (timer.index == Timer::kNone) return;
  const std::size_t index = std::exchange(timer.index, Timer::kNone);
  Timer& last = *heap_.back();
  heap_.pop_back();
  if (&last == &timer) return;
  if (index > 0 && last.when < heap_[(index - 1) / 2]->when)
    sift_up(last, index);
  else
    sift_down(last, index);
}

Timer* TimerHeap::pop_due(TimePoint now) noexcept {
  if (heap_.empty() || heap_.front()->when > now) return nullptr;
  Timer& timer = *heap_.front();
  remove(timer);
  return &timer;
}

// ---- the loop ----

namespace {

/// Memory for the one operation that wakes a worker, so that a wake allocates nothing.
template <class T>
struct WakeAllocator {
  using value_type = T;
  Worker* worker;
  explicit WakeAllocator(Worker* w) noexcept : worker(w) {}
  template <class U>
  WakeAllocator(const WakeAllocator<U>& other) noexcept : worker(other.worker) {}
  T* allocate(std::size_t n) {
    static_assert(alignof(T) <= alignof(std::max_align_t));
    if (n * sizeof(T) > sizeof worker->wake_memory) throw std::bad_alloc();
    return reinterpret_cast<T*>(worker->wake_memory);
  }
  void deallocate(T*, std::size_t) noexcept {}
  template <class U>
  bool operator==(const WakeAllocator<U>& other) const noexcept {
    return worker == other.worker;
  }
};

/// Ends a blocking run_one(). At most one is under way: `wake_posted`.
struct WakeHandler {
  Worker* worker;
  using allocator_type = WakeAllocator<std::byte>;
  allocator_type get_allocator() const noexcept { return allocator_type(worker); }
  void operator()() const noexcept { worker->wake_posted.store(false); }
};

}  // namespace

Worker::Worker(Runtime::Impl& r, unsigned i, std::size_t stack_size)
    : runtime(r), index(i), stacks(stack_size) {
  main.home = this;
  main.started = true;
  shutdown_order.arrive = [](Worker& worker, Task&) noexcept { worker.start_shutdown(); };
}

Worker::~Worker() {
  while (posters.load(std::memory_order_acquire) != 0) std::this_thread::yield();
  while (spare != nullptr) delete std::exchange(spare, static_cast<Fiber*>(spare->next));
}

void Worker::post(Task& task) noexcept {
  // The task may end the last fiber and with it the runtime; the destructor waits for `posters`.
  posters.fetch_add(1, std::memory_order_relaxed);
  Task* head = remote.load(std::memory_order_relaxed);
  do task.next = head;
  while (!remote.compare_exchange_weak(head, &task, std::memory_order_seq_cst, std::memory_order_relaxed));
  wake_if_sleeping();
  posters.fetch_sub(1, std::memory_order_release);
}

void Worker::wake_if_sleeping() noexcept {
  if (!sleeping.load() || !sleeping.exchange(false)) return;
  runtime.begin_work();  // on behalf of the worker, so that the runtime is at no time seen idle
  if (!wake_posted.exchange(true)) boost::asio::post(io, WakeHandler{this});
}

void Worker::push_ready(Fiber& fiber) noexcept {
  fiber.next = nullptr;
  if (ready_tail_ != nullptr)
    ready_tail_->next = &fiber;
  else
    ready_head_ = &fiber;
  ready_tail_ = &fiber;
}

bool Worker::take_remote() noexcept {
  if (remote.load(std::memory_order_relaxed) == nullptr) return false;
  Task* stack = remote.exchange(nullptr, std::memory_order_acquire);
  Task* queue = nullptr;  // in order of arrival
  while (stack != nullptr) {
    Task* const next = stack->next;
    stack->next = queue;
    queue = stack;
    stack = next;
  }
  while (queue != nullptr) {
    Task* const next = queue->next;
    queue->arrive(*this, *queue);
    queue = next;
  }
  return true;
}

void Worker::run_ready() {
  for (int i = 0; i < kBatch && ready_head_ != nullptr; ++i) {
    Fiber& fiber = *ready_head_;
    ready_head_ = static_cast<Fiber*>(fiber.next);
    if (ready_head_ == nullptr) ready_tail_ = nullptr;
    fiber.next = nullptr;
    turns.store(turns.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    resume(fiber);
  }
}

void Worker::fire_timers() {
  if (timers.empty()) return;
  const TimePoint now = runtime.clock->now();
  while (Timer* timer = timers.pop_due(now)) {
    if (timer->call != nullptr) {
      timers.remove_place();
      timer->call(*timer);
    } else if (timer->spot->claim(*timer->fiber)) {
      wake_up(*timer->fiber, timer->wake);
    }
  }
}

void Worker::set_alarm(TimePoint when) {
  if (runtime.manual != nullptr || when >= alarm_at) return;
  alarm_at = when;
  alarm.expires_after(when - runtime.clock->now());
  alarm.async_wait([this, when](const boost::system::error_code&) {
    if (alarm_at == when) alarm_at = TimePoint::max();
  });
}

/// Calls that the pool answers within a moment are waited for awake: the answer then needs no system call,
/// and one thread of the pool is enough for all. True when something has arrived.
bool Worker::linger() {
  bool arrived = false;
  if (spinning_helps() && patience_.worth_it()) {
    arrived = spin_until([this] { return remote.load(std::memory_order_relaxed) != nullptr; }, kLinger);
    patience_.paid_off(arrived);
  }
  if (!arrived) runtime.pool->fan_out();
  handed_over = arrived && calls_on_pool > 0;
  return arrived;
}

void Worker::sleep() {
  const TimePoint next = timers.next();
  next_timer.store(next.time_since_epoch().count());
  if (next != TimePoint::max()) set_alarm(next);
  sleeping.store(true);
  // A poster or a clock that moved just before the flag was seen has to be noticed here.
  const bool due = next != TimePoint::max() && runtime.manual != nullptr && runtime.clock->now() >= next;
  if (due || remote.load() != nullptr || (stop.load() && alive == nullptr)) {
    if (!sleeping.exchange(false)) runtime.end_work();  // a waker has counted us once more
    return;
  }
  runtime.end_work();
  io.run_one();
  if (sleeping.exchange(false)) runtime.begin_work();
}

void Worker::run() {
  const SignalStack signal_stack;
  this_thread_state.worker = this;
  thread_id.store(::gettid(), std::memory_order_relaxed);
  this_thread_state.runtime = &runtime;
  eh = reinterpret_cast<Fiber::EhGlobals*>(abi::__cxa_get_globals());
#if defined(BELUGA_TSAN)
  main.sanitizer.tsan = __tsan_get_current_fiber();
#endif
  unsigned rounds = 0;
  // Fibers that outlived the grace of a shutdown are served to their end: whoever waits for them is still
  // there.
  for (;;) {
    const bool last = stop.load();  // read before the queue: what was admitted before the stop is in it
    take_remote();
    fire_timers();
    if (last && alive == nullptr && ready_head_ == nullptr) break;
    if (ready_head_ == nullptr) {
      if (!handed_over || !linger()) sleep();
      continue;
    }
    runtime.watchdog.work_begins();
    run_ready();
    if (ready_head_ != nullptr || ++rounds % kBatch == 0) {
      if (handed_over) runtime.pool->fan_out();
      io.poll();
    }
  }
  take_remote();  // orders that came late
  while (!slots.empty()) slots.pop_back();
  this_thread_state = {};
}

void Worker::start_shutdown() noexcept {
  shutting_down = true;
  for (Fiber* fiber = alive; fiber != nullptr; fiber = fiber->next_alive) {
    if (fiber->parked_at != nullptr) {
      if (fiber->parked_at->claim(*fiber)) wake_up(*fiber, Wake::cancelled);
    } else if (fiber->on_shutdown != nullptr) {
      fiber->on_shutdown(*fiber);
    }
  }
}

}  // namespace beluga::detail

namespace beluga {

void yield_now() {
  detail::Fiber* const fiber = detail::current_fiber();
  if (fiber != nullptr)
    detail::give_way(*fiber);
  else
    std::this_thread::yield();
  const Context& context = detail::current_context();
  const bool closing = fiber != nullptr && fiber->home->shutting_down;
  detail::throw_if_interrupted(closing ? detail::Wake::cancelled : detail::interruption(context));
}

}  // namespace beluga
