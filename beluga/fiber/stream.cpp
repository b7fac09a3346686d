#include "beluga/fiber/stream.hpp"

#include <atomic>
#include <string>

#include "beluga/fiber/internal/context_access.hpp"
#include "beluga/fiber/internal/runtime_impl.hpp"

namespace beluga::detail {

namespace {

constexpr std::size_t kLastWords = 64;

enum class State : unsigned char {
  idle,  // before the first pull, or suspended in yield with nothing left to take; the next pull resumes it
  held,  // as idle, but the puller has the element, which is the body's own object: the body must not move
  running,  // a pull is being served: the body runs or waits for something
  ready,    // suspended in yield, its element not yet taken
  done,     // the body has returned
};

/// Elements on their way to a puller on another thread: one producer, one consumer. The element that the
/// consumer holds keeps its slot until the next pull.
class ElementRing {
 public:
  explicit ElementRing(const ElementType& type)
      : type_(type),
        memory_(static_cast<std::byte*>(::operator new(kSlots* type.size, std::align_val_t(type.align)))) {}
  ~ElementRing() {
    while (head_.load(std::memory_order_relaxed) != tail_.load(std::memory_order_acquire)) pop();
    ::operator delete(memory_, std::align_val_t(type_.align));
  }
  ElementRing(const ElementRing&) = delete;
  ElementRing& operator=(const ElementRing&) = delete;

  // The producer's side.
  bool full() const noexcept {
    return tail_.load(std::memory_order_relaxed) - head_.load(std::memory_order_acquire) == kSlots;
  }
  void push(void* element, bool keeps) {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (keeps)
      type_.copy(slot(tail), element);
    else
      type_.move(slot(tail), element);
    tail_.store(tail + 1, std::memory_order_release);
  }
  // The consumer's side.
  void* front() const noexcept {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    return head == tail_.load(std::memory_order_acquire) ? nullptr : slot(head);
  }
  void pop() noexcept {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    type_.destroy(slot(head));
    head_.store(head + 1, std::memory_order_release);
  }

 private:
  static constexpr std::size_t kSlots = 64;
  void* slot(std::size_t i) const noexcept { return memory_ + i % kSlots * type_.size; }
  const ElementType& type_;
  std::byte* memory_;
  std::atomic<std::size_t> head_{0};
  std::atomic<std::size_t> tail_{0};
};

}  // namespace

struct GeneratorCore::Impl : std::enable_shared_from_this<Impl> {
  Impl(GeneratorCore& core, Function<void(GeneratorCore&)> b, const ElementType* t, std::string_view n);

  /// Whether the body has been told to end as well: its own waits throw, so that it is about to.
  bool is_ending() const {
    const Fiber* const puller = current_fiber();
    if (puller != nullptr && puller->home->shutting_down) return false;
    if (cancel_state->cancelled()) return true;
    const auto deadline = context.deadline();
    return deadline && runtime->clock->now() >= *deadline;
  }
  bool here() const noexcept {
    return this_thread_state.worker == &home && this_thread_state.fiber != nullptr;
  }
  void start(const Runtime::Impl::Admission&);
  void resume_or_enqueue();
  void run_body(const Error* refused) noexcept;
  static void on_shutdown(Fiber& fiber) noexcept;

  GeneratorCore& core;
  Function<void(GeneratorCore&)> body;
  const ElementType* const type;
  const std::string name;
  std::shared_ptr<Runtime::Impl> runtime;
  Worker& home;
  std::shared_ptr<CancelState> cancel_state;
  Context context;
  Fiber* fiber = nullptr;
  // Written by the side whose turn it is; `state` hands the turn over.
  void* element = nullptr;
  std::optional<Failure> failure;
  std::size_t last_words = 0;  ///< elements yielded since the body's context has ended
  bool direct = false;  ///< the puller is below the body on this worker: yield returns to it by a switch
  std::atomic<State> state{State::idle};
  std::atomic<bool> stopping{false};
  // For pulls from elsewhere. The body runs ahead only while `demand` stands: from such a pull until it is
  // served.
  std::unique_ptr<ElementRing> ring;
  bool holding = false;  ///< the puller's element is the ring's first
  std::atomic<bool> demand{false};
  ParkingSpot pulled;
  std::shared_ptr<Impl> kept;  ///< itself, once nobody can unwind the body any more: it stays as it is
};

GeneratorCore::Impl::Impl(GeneratorCore& c, Function<void(GeneratorCore&)> b, const ElementType* t,
                          std::string_view n)
    : core(c),
      body(std::move(b)),
      type(t),
      name(n),
      runtime(RuntimeAccess::current().shared_from_this()),
      home(runtime->pick_worker()),
      cancel_state(make_cancel_state(CancelAccess::state(current_context().cancel_token()), nullptr)),
      context(runtime->enter(current_context().with_cancel(CancelAccess::token(cancel_state)))) {}

GeneratorCore::GeneratorCore(Function<void(GeneratorCore&)> body, const ElementType* type,
                             std::string_view name)
    : impl_(std::make_shared<Impl>(*this, std::move(body), type, name)) {}

void GeneratorCore::Impl::run_body(const Error* refused) noexcept {
  if (refused != nullptr) {
    failure = Failure{*refused};  // the body goes away with the stream; here nothing may wait
  } else {
    failure = failure_of([this] { body(core); });
    body = nullptr;  // what it owns goes away on its home worker, before the stream ends
  }
  element = nullptr;
  // A puller on this worker is returned to by the end of the fiber. One elsewhere may drop *this once it sees
  // `done`.
  const auto keep = direct ? nullptr : shared_from_this();
  state.store(State::done, std::memory_order_release);
  if (keep) pulled.notify();
}

void GeneratorCore::Impl::on_shutdown(Fiber& fiber) noexcept {
  auto& self = *static_cast<Impl*>(fiber.owner);
  self.stopping.store(true);
  // Not when the element is in the puller's hands: the body unwinds when it is pulled or destroyed.
  for (State seen : {State::idle, State::ready}) {
    if (self.state.compare_exchange_strong(seen, State::running)) {
      make_ready(fiber);
      return;
    }
  }
}

void GeneratorCore::Impl::start(const Runtime::Impl::Admission&) {
  fiber = &make_fiber(home, name, context, [this](const Error* refused) { run_body(refused); });
  fiber->on_shutdown = &on_shutdown;
  fiber->owner = this;
}

/// Lets the body run. Precondition: the caller has moved `state` to running.
void GeneratorCore::Impl::resume_or_enqueue() {
  if (here()) {
    direct = true;
    resume(*fiber);
    direct = false;
  } else {
    make_ready(*fiber);
  }
}

void* GeneratorCore::next() {
  Impl& self = *impl_;
  if (self.runtime->in_forked_child()) self.runtime->check_usable();
  if (self.holding) {
    self.ring->pop();
    self.holding = false;
  }
  for (;;) {
    State seen = self.state.load(std::memory_order_acquire);
    if (self.ring) {
      // After `state`: what was pushed before it changed comes first.
      if (void* const element = self.ring->front()) {
        self.demand.store(false, std::memory_order_relaxed);
        self.holding = true;
        return element;
      }
    }
    switch (seen) {
      case State::ready: {
        void* const element = self.element;
        if (!self.state.compare_exchange_strong(seen, State::held, std::memory_order_acq_rel)) continue;
        return element;
      }
      case State::idle:
      case State::held: {
        if (!self.here() && self.type != nullptr && !self.ring)
          self.ring = std::make_unique<ElementRing>(*self.type);
        std::optional<Runtime::Impl::Admission> admission;
        if (self.fiber == nullptr) self.start(admission.emplace(*self.runtime, self.home));
        if (!self.here()) self.demand.store(true, std::memory_order_relaxed);
        if (self.state.compare_exchange_strong(seen, State::running, std::memory_order_acq_rel))
          self.resume_or_enqueue();
        continue;
      }
      case State::running:
        if (!self.here()) self.demand.store(true, std::memory_order_relaxed);
        if (const Wake wake = self.pulled.wait(); wake != Wake::notified) {
          if (!self.is_ending()) throw_if_interrupted(wake);
          self.pulled.wait_uninterrupted();  // as the destructor would
        }
        continue;
      case State::done:
        if (self.failure) rethrow(*self.failure);
        return nullptr;
    }
  }
}

void GeneratorCore::yield(void* element, bool keeps) {
  Impl& self = *impl_;
  const auto check = [&] {
    if (self.home.shutting_down) raise(Error(ErrorCode::cancelled, "runtime is shutting down"));
    if (self.stopping.load(std::memory_order_acquire))
      raise(Error(ErrorCode::cancelled, "the stream was destroyed"));
  };
  // A body that hears of its end at a wait may have something left to say; one that never waits hears of it
  // here.
  const auto check_context = [&] {
    const Wake ended = interruption(current_context());
    if (ended == Wake::notified)
      self.last_words = 0;
    else if (++self.last_words >= kLastWords)
      throw_if_interrupted(ended);
  };
  check();
  if (self.direct) {
    self.element = element;
    self.state.store(State::ready, std::memory_order_release);
  } else {
    const bool can_run_ahead = self.ring && (!keeps || self.type->copy != nullptr);
    if (can_run_ahead && self.demand.load(std::memory_order_relaxed) && !self.ring->full()) {
      self.ring->push(element, keeps);
      if (!self.ring->full()) {
        self.pulled.notify();
        return check_context();
      }
      self.state.store(State::idle, std::memory_order_release);
    } else {
      self.element = element;
      self.state.store(State::ready, std::memory_order_release);
    }
    self.pulled.notify();
  }
  suspend();
  check();
  check_context();
}

void GeneratorCore::cancel() noexcept {
  impl_->cancel_state->cancel(Error(ErrorCode::cancelled, "the stream was cancelled"));
}

GeneratorCore::~GeneratorCore() {
  Impl& self = *impl_;
  if (self.fiber == nullptr) return;  // never pulled
  if (self.runtime->in_forked_child()) {
    // The thread that could unwind the body does not exist here.
    self.kept = impl_;
    return;
  }
  self.stopping.store(true, std::memory_order_release);
  self.cancel_state->cancel(Error(ErrorCode::cancelled, "the stream was destroyed"));
  for (;;) {
    State seen = self.state.load(std::memory_order_acquire);
    if (seen == State::done) break;
    if (self.home.exited.load()) {
      // The runtime stopped with this body still going (its ShutdownReport says so): nobody can unwind it any
      // more.
      self.kept = impl_;
      return;
    }
    if (seen == State::running)
      self.pulled.wait_uninterrupted();
    else if (self.state.compare_exchange_strong(seen, State::running, std::memory_order_acq_rel))
      self.resume_or_enqueue();
  }
  // Here rather than wherever the last reference goes: the worker, say, where nothing may wait.
  self.ring.reset();
  self.body = nullptr;  // that of a fiber that was refused
}

}  // namespace beluga::detail
