#include "beluga/fiber/internal/fiber.hpp"

#include <unistd.h>

#include <boost/context/detail/fcontext.hpp>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include "beluga/fiber/internal/runtime_impl.hpp"

namespace beluga::detail {

namespace {

namespace machine = boost::context::detail;

// Distance from the stack's end to the first frame: a frame at the very end of a page costs ten times as much
// per switch (measured in bench/fiber_bench.cpp).
constexpr std::size_t kHeadRoom = 256;

void before_switch([[maybe_unused]] Fiber& from, [[maybe_unused]] Fiber& to,
                   [[maybe_unused]] bool last) noexcept {
#if defined(BELUGA_ASAN)
  __sanitizer_start_switch_fiber(last ? nullptr : &from.sanitizer.fake_stack, to.sanitizer.bottom,
                                 to.sanitizer.size);
#endif
#if defined(BELUGA_TSAN)
  __tsan_switch_to_fiber(to.sanitizer.tsan, 0);
#endif
}

void after_switch([[maybe_unused]] Fiber& self, [[maybe_unused]] Fiber& from) noexcept {
#if defined(BELUGA_ASAN)
  __sanitizer_finish_switch_fiber(self.started ? self.sanitizer.fake_stack : nullptr, &from.sanitizer.bottom,
                                  &from.sanitizer.size);
#endif
}

void switch_to(Fiber& from, Fiber& to) noexcept {
  Fiber::EhGlobals* const eh = from.home->eh;
  from.eh = *eh;
  *eh = to.eh;
  before_switch(from, to, false);
  const machine::transfer_t transfer = machine::jump_fcontext(to.machine, &from);
  Fiber& back_from = *static_cast<Fiber*>(transfer.data);
  back_from.machine = transfer.fctx;
  after_switch(from, back_from);
}

[[noreturn]] void report_overflow(const Fiber& fiber) noexcept {
  fatal("fiber '" + fiber.name.get() + "' overflowed its stack of " +
        std::to_string(fiber.stack.size / 1024) +
        " KiB: raise RuntimeOptions::stack_size, or run deep recursion with blocking()");
}

void enter(machine::transfer_t transfer) noexcept {
  Fiber& from = *static_cast<Fiber*>(transfer.data);
  from.machine = transfer.fctx;
  Fiber& self = *this_thread_state.fiber;
  after_switch(self, from);
  self.started = true;
  self.body(nullptr);
  self.body = nullptr;
  self.context = Context();
  self.finished = true;
  Fiber& to = *self.resumer;
  *self.home->eh = to.eh;
  before_switch(self, to, true);
  machine::jump_fcontext(to.machine, &self);
  std::abort();
}

void arrive(Worker& worker, Task& task) noexcept {
  worker.push_ready(static_cast<Fiber&>(task));
}

void prepare(Fiber& fiber, Worker& worker, std::string_view name, Context context, FiberBody body) {
  fiber.is_fiber = true;
  fiber.arrive = &arrive;
  fiber.home = &worker;
  fiber.context = std::move(context);
  fiber.body = std::move(body);
  fiber.name.set(name);
  fiber.eh = {};
  fiber.finished = false;
  fiber.started = false;
  fiber.on_shutdown = nullptr;
  fiber.owner = nullptr;
  worker.fibers_started.fetch_add(1, std::memory_order_relaxed);
}

/// Gives the fiber its stack; on its worker, before its first run, so that fibers that run one after another
/// share one. Null, or why there is none.
std::optional<Error> set_up(Fiber& fiber) noexcept {
  Worker& worker = *fiber.home;
  if (const auto place = attempt([&] { worker.timers.add_place(); }); !place.ok()) return place.error();
  if (const auto got = attempt([&] { fiber.stack = worker.stacks.take(); }); !got.ok()) {
    worker.timers.remove_place();
    return got.error();
  }
  worker.stacks_pooled.store(worker.stacks.pooled(), std::memory_order_relaxed);
  fiber.machine = machine::make_fcontext(fiber.stack.top() - kHeadRoom, fiber.stack.size - kHeadRoom, &enter);
#if defined(BELUGA_ASAN)
  fiber.sanitizer.fake_stack = nullptr;
  fiber.sanitizer.bottom = fiber.stack.base;
  fiber.sanitizer.size = fiber.stack.size;
#endif
#if defined(BELUGA_TSAN)
  fiber.sanitizer.tsan = __tsan_create_fiber(0);
#endif
  return std::nullopt;
}

Fiber& obtain(Worker& worker) {
  SpareFibers& others = worker.runtime.spare_fibers;
  if (this_thread_state.worker != &worker) return others.obtain();
  if (worker.spare == nullptr) {
    worker.spare = others.take();
    for (Task* f = worker.spare; f != nullptr; f = f->next) ++worker.spares;
    if (worker.spare == nullptr) return others.obtain();
  }
  Fiber& fiber = *worker.spare;
  worker.spare = static_cast<Fiber*>(fiber.next);
  --worker.spares;
  fiber.next = nullptr;
  return fiber;
}

/// Half of what the worker keeps goes to whoever needs it, as most fibers end where they are not obtained.
void keep_for_reuse(Worker& worker, Fiber& fiber) noexcept {
  fiber.next = worker.spare;
  worker.spare = &fiber;
  if (++worker.spares < 2 * SpareFibers::kBatch) return;
  Task* last = worker.spare;
  for (std::size_t i = 1; i < SpareFibers::kBatch; ++i) last = last->next;
  Fiber& batch = *worker.spare;
  worker.spare = static_cast<Fiber*>(std::exchange(last->next, nullptr));
  worker.spares -= SpareFibers::kBatch;
  worker.runtime.spare_fibers.give(batch);
}

void link_alive(Worker& worker, Fiber& fiber) noexcept {
  fiber.prev_alive = nullptr;
  fiber.next_alive = worker.alive;
  if (worker.alive != nullptr) worker.alive->prev_alive = &fiber;
  worker.alive = &fiber;
}

void count_as_ended(Worker& worker, Fiber& fiber) noexcept {
  keep_for_reuse(worker, fiber);
  worker.fibers_ended.fetch_add(1);  // sequentially consistent, with `closing`: see fiber_ended()
  worker.runtime.fiber_ended();
}

void refuse(Fiber& fiber, const Error& reason) noexcept {
  fiber.body(&reason);
  fiber.body = nullptr;
  fiber.context = Context();
  count_as_ended(*fiber.home, fiber);
}

}  // namespace

constinit thread_local ThreadState this_thread_state;

SpareFibers::~SpareFibers() {
  while (Fiber* fiber = take())
    while (fiber != nullptr) delete std::exchange(fiber, static_cast<Fiber*>(fiber->next));
}

Fiber* SpareFibers::take() noexcept {
  if (batches_.load(std::memory_order_relaxed) == nullptr) return nullptr;
  const std::lock_guard lock(mutex_);
  Fiber* const batch = batches_.load(std::memory_order_relaxed);
  if (batch != nullptr) batches_.store(batch->next_alive, std::memory_order_relaxed);
  return batch;
}

Fiber& SpareFibers::obtain() {
  if (batches_.load(std::memory_order_relaxed) != nullptr) {
    const std::lock_guard lock(mutex_);
    if (Fiber* const fiber = batches_.load(std::memory_order_relaxed)) {
      auto* rest = static_cast<Fiber*>(std::exchange(fiber->next, nullptr));
      if (rest != nullptr)
        rest->next_alive = fiber->next_alive;
      else
        rest = fiber->next_alive;
      batches_.store(rest, std::memory_order_relaxed);
      return *fiber;
    }
  }
  made_.fetch_add(1, std::memory_order_relaxed);
  return *new Fiber;
}

void SpareFibers::give(Fiber& first) noexcept {
  const std::lock_guard lock(mutex_);
  first.next_alive = batches_.load(std::memory_order_relaxed);
  batches_.store(&first, std::memory_order_relaxed);
}

Fiber* current_fiber() noexcept {
  return this_thread_state.fiber;
}

void resume(Fiber& fiber) {
  ThreadState& state = this_thread_state;
  Worker& worker = *state.worker;
  Fiber& self = *worker.current;
  if (fiber.machine == nullptr) {
    if (const auto error = set_up(fiber)) return refuse(fiber, *error);
    link_alive(worker, fiber);
  }
  fiber.resumer = &self;
  worker.current = &fiber;
  state.fiber = &fiber;
  worker.running.store(&fiber, std::memory_order_release);
  switch_to(self, fiber);
  worker.current = &self;
  state.fiber = &self == &worker.main ? nullptr : &self;
  worker.running.store(state.fiber, std::memory_order_release);
  if (!fiber.stack.guarded && !stack_intact(fiber.stack, fiber.machine)) report_overflow(fiber);
  if (fiber.finished) worker.release(fiber);
}

void suspend() {
  Fiber& self = *this_thread_state.fiber;
  switch_to(self, *self.resumer);
}

void give_way(Fiber& self) {
  make_ready(self);
  suspend();
}

void Worker::release(Fiber& fiber) noexcept {
#if defined(BELUGA_TSAN)
  __tsan_destroy_fiber(fiber.sanitizer.tsan);
#endif
  stacks.give(fiber.stack);
  stacks_pooled.store(stacks.pooled(), std::memory_order_relaxed);
  fiber.machine = nullptr;
  (fiber.prev_alive != nullptr ? fiber.prev_alive->next_alive : alive) = fiber.next_alive;
  if (fiber.next_alive != nullptr) fiber.next_alive->prev_alive = fiber.prev_alive;
  timers.remove_place();
  count_as_ended(*this, fiber);
}

Fiber& make_fiber(Worker& worker, std::string_view name, Context context, FiberBody body) {
  Fiber& fiber = obtain(worker);
  prepare(fiber, worker, name, std::move(context), std::move(body));
  return fiber;
}

void spawn(Worker& worker, std::string_view name, Context context, FiberBody body) {
  make_ready(make_fiber(worker, name, std::move(context), std::move(body)));
}

void make_ready(Fiber& fiber) noexcept {
  Worker& worker = *fiber.home;
  if (this_thread_state.worker == &worker)
    worker.push_ready(fiber);
  else
    worker.post(fiber);
}

void fatal(std::string_view message) noexcept {
  constexpr std::string_view kPrefix = "beluga: fatal: ";
  (void)!::write(STDERR_FILENO, kPrefix.data(), kPrefix.size());
  (void)!::write(STDERR_FILENO, message.data(), message.size());
  (void)!::write(STDERR_FILENO, "\n", 1);
  std::abort();
}

}  // namespace beluga::detail
