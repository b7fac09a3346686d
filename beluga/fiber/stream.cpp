#include "beluga/fiber/stream.hpp"

#include <atomic>

#include "beluga/fiber/internal/context_access.hpp"
#include "beluga/fiber/internal/runtime_impl.hpp"

namespace beluga::detail {

namespace {
enum class State : unsigned char {
  idle,     // before the first pull, or suspended in yield; the next pull resumes it
  running,  // a pull is being served: the body runs or waits for something
  ready,    // suspended in yield, its element not yet taken
  done,     // the body has returned
};
}

struct GeneratorCore::Impl {
  Impl(GeneratorCore& core, Function<void(GeneratorCore&)> b);

  void resume_or_enqueue();
  void* take(State seen);

  GeneratorCore& core;
  Function<void(GeneratorCore&)> body;
  std::shared_ptr<Runtime::Impl> runtime;
  Worker& home;
  std::shared_ptr<CancelState> cancel_state;
  Context context;
  Fiber* fiber = nullptr;
  // Written by the side whose turn it is; `state` hands the turn over.
  void* element = nullptr;
  std::optional<Error> error;
  bool direct = false;  ///< the puller is below the body on this worker: yield returns to it by a switch
  std::atomic<State> state{State::idle};
  std::atomic<bool> stopping{false};
  ParkingSpot pulled;
};

GeneratorCore::Impl::Impl(GeneratorCore& c, Function<void(GeneratorCore&)> b)
    : core(c),
      body(std::move(b)),
      runtime(Runtime::current().impl().shared_from_this()),
      home(runtime->pick_worker()),
      cancel_state(make_cancel_state(CancelAccess::state(Context::current().cancel_token()), nullptr)),
      context(runtime->enter(Context::current().with_cancel(CancelAccess::token(cancel_state)))) {}

GeneratorCore::GeneratorCore(Function<void(GeneratorCore&)> body)
    : impl_(std::make_unique<Impl>(*this, std::move(body))) {}

/// Lets the body run. Precondition: the caller has moved `state` from idle or ready to running.
void GeneratorCore::Impl::resume_or_enqueue() {
  if (fiber == nullptr) {
    runtime->check_usable();
    fiber = &make_fiber(home, "generator", context, [this] {
      auto result = attempt([this] { body(core); });
      body = nullptr;
      if (!result.ok()) error = result.error();
      element = nullptr;
      state.store(State::done, std::memory_order_release);
      // A puller on this worker is returned to by the end of the fiber; it cannot destroy *this before that.
      if (!direct) pulled.notify();
    });
    fiber->on_shutdown = [](Fiber& f) noexcept {
      auto& self = *static_cast<Impl*>(f.owner);
      State idle = State::idle;
      self.stopping.store(true);
      if (self.state.compare_exchange_strong(idle, State::running)) make_ready(f);
    };
    fiber->owner = this;
  }
  if (this_thread_state.worker == &home && this_thread_state.fiber != nullptr) {
    direct = true;
    resume(*fiber);
    direct = false;
  } else {
    make_ready(*fiber);
  }
}

void* GeneratorCore::next() {
  Impl& self = *impl_;
  State seen = self.state.load(std::memory_order_acquire);
  if (seen == State::idle &&
      self.state.compare_exchange_strong(seen, State::running, std::memory_order_acq_rel,
                                         std::memory_order_acquire)) {
    self.resume_or_enqueue();
    seen = self.state.load(std::memory_order_acquire);
  }
  while (seen == State::running) {
    throw_if_interrupted(self.pulled.wait());
    seen = self.state.load(std::memory_order_acquire);
  }
  if (seen == State::ready) {
    void* const element = self.element;
    self.state.store(State::idle, std::memory_order_release);
    return element;
  }
  if (self.error) raise(*std::exchange(self.error, std::nullopt));
  return nullptr;
}

void GeneratorCore::yield(void* element) {
  Impl& self = *impl_;
  const auto stop = [] { raise(Error(ErrorCode::cancelled, "the stream was destroyed")); };
  if (self.stopping.load(std::memory_order_acquire)) stop();
  self.element = element;
  self.state.store(State::ready, std::memory_order_release);
  if (!self.direct) self.pulled.notify();
  suspend();
  if (self.stopping.load(std::memory_order_acquire)) stop();
}

void GeneratorCore::cancel() noexcept {
  impl_->cancel_state->cancel(Error(ErrorCode::cancelled, "the stream was cancelled"));
}

GeneratorCore::~GeneratorCore() {
  Impl& self = *impl_;
  if (self.fiber == nullptr) return;  // never pulled
  self.stopping.store(true, std::memory_order_release);
  self.cancel_state->cancel(Error(ErrorCode::cancelled, "the stream was destroyed"));
  State seen = self.state.load(std::memory_order_acquire);
  while (seen != State::done) {
    if (seen == State::running) {
      self.pulled.wait_uninterrupted();
      seen = self.state.load(std::memory_order_acquire);
    } else if (self.state.compare_exchange_strong(seen, State::running, std::memory_order_acq_rel,
                                                  std::memory_order_acquire)) {
      self.resume_or_enqueue();
      seen = self.state.load(std::memory_order_acquire);
    }
  }
}

}  // namespace beluga::detail
