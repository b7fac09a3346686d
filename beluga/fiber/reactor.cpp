#include "beluga/fiber/internal/reactor.hpp"

#include <atomic>
#include <utility>

#include "beluga/fiber/internal/runtime_impl.hpp"

namespace beluga::detail {

boost::asio::io_context& worker_io() {
  Worker* const worker = this_thread_state.worker;
  if (worker == nullptr) fatal("worker_io() was called outside a fiber");
  return worker->io;
}

void on_worker(Function<void()> f) {
  if (this_thread_state.worker != nullptr) return f();
  Runtime::current().run(f);
}

unsigned worker_count() {
  return static_cast<unsigned>(RuntimeAccess::current().workers.size());
}

unsigned per_worker_slot() {
  static std::atomic<unsigned> next{0};
  return next.fetch_add(1);
}

std::shared_ptr<void> per_worker(unsigned slot, std::shared_ptr<void> (*make)()) {
  Worker* const worker = this_thread_state.worker;
  if (worker == nullptr) fatal("per_worker() was called outside a worker");
  if (worker->slots.size() <= slot) worker->slots.resize(slot + 1);
  if (!worker->slots[slot]) {
    auto made = make();  // may itself ask for slots and so move the vector
    worker->slots[slot] = std::move(made);
  }
  return worker->slots[slot];
}

struct WorkerTimer::State : Timer {
  Worker* worker;
  Function<void()> body;
};

WorkerTimer::WorkerTimer(Function<void()> fire) : state_(std::make_unique<State>()) {
  if (this_thread_state.worker == nullptr) fatal("WorkerTimer was made outside a worker");
  state_->worker = this_thread_state.worker;
  state_->body = std::move(fire);
  state_->call = [](Timer& timer) { static_cast<State&>(timer).body(); };
}

WorkerTimer::~WorkerTimer() {
  stop();
}

void WorkerTimer::set(TimePoint when) {
  stop();
  state_->when = when;
  state_->worker->timers.add_place();
  state_->worker->timers.add(*state_);
}

void WorkerTimer::stop() noexcept {
  if (state_->index == Timer::kNone) return;  // perhaps because its worker is no more
  state_->worker->timers.remove(*state_);
  state_->worker->timers.remove_place();
}

IoPending::IoPending() noexcept {
  Runtime::Impl* const runtime = this_thread_state.runtime;
  if (runtime == nullptr || !runtime->jumping) return;
  runtime_ = runtime->shared_from_this();
  runtime_->begin_work();
}

IoPending::~IoPending() {
  if (runtime_ != nullptr) runtime_->end_work();
}

}  // namespace beluga::detail
