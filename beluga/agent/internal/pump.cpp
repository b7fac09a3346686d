#include "beluga/agent/internal/pump.hpp"

#include <atomic>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "beluga/base/result.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/sync.hpp"
#include "beluga/observe/telemetry.hpp"

namespace beluga::detail {
namespace {

constexpr std::size_t kMaxWaiting =
    1024;                           // events that an executor may lag behind; then the run waits for it
constexpr int kEventsPerPost = 64;  // so that a busy run leaves the embedder's loop some air

/// Context value: whose observer the current code runs in.
struct InObserver {
  using Value = InObserver;
  const void* pump;
  const InObserver* outer;
};

bool inside_observer_of(const void* pump) {
  const Context context = Context::current();
  for (const InObserver* at = context.get<InObserver>(); at != nullptr; at = at->outer)
    if (at->pump == pump) return true;
  return false;
}

/// Fibers of runs that were destroyed inside their own observer: they cannot wait for themselves, so whoever
/// comes next does. Never destroyed, so that it needs no order among statics.
class LeftBehind {
 public:
  void add(std::unique_ptr<Scope> scope) {
    const std::lock_guard lock(mutex_);
    scopes_.push_back(std::move(scope));
  }
  /// Waits for those that have been left so far: they are unwinding.
  void collect() {
    std::vector<std::unique_ptr<Scope>> taken;
    {
      const std::lock_guard lock(mutex_);
      taken.swap(scopes_);
    }
  }
  static LeftBehind& instance() {
    static auto* const kInstance = new LeftBehind;
    return *kInstance;
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Scope>> scopes_;
};

}  // namespace

/// What the fiber and posted work share; outlives the Pump while one of them runs.
struct Pump::Shared : std::enable_shared_from_this<Pump::Shared> {
  CancelSource cancel;
  CancelSource abandoned;  // the Run is destroyed: deliver no more
  Observer observer;
  Executor* executor = nullptr;
  std::shared_ptr<observe::Telemetry> telemetry;
  Promise<Reply> promise;
  Future<Reply> reply = promise.future();

  Mutex observing;  // held during an observer call
  Semaphore room{kMaxWaiting};
  std::mutex mutex;  // leaf: the four below
  std::deque<Event> waiting;
  bool posted = false;
  std::optional<Result<Reply>> outcome;

  Shared(const CancelToken& parent) : cancel(parent) {}

  void settle(Result<Reply> result) {
    if (result.ok())
      promise.set(std::move(result).value());
    else
      promise.fail(result.error());
  }

  void log_failure(std::string_view what, const Error& error) noexcept {
    telemetry->log().write(observe::LogLevel::error, what, {{"error", error.what()}});
  }

  void observe(const Event& event) {
    const Context context = Context::current();
    ContextScope mark(context.with<InObserver>(
        std::make_shared<const InObserver>(InObserver{.pump = this, .outer = context.get<InObserver>()})));
    const std::lock_guard lock(observing);
    if (abandoned.cancelled()) return;
    const auto called = attempt([&] { observer(event); });
    if (!called.ok()) log_failure("the observer of a run threw", called.error());
  }

  /// On the run's fiber.
  void deliver(const Event& event, std::optional<Result<Reply>> ending) {
    if (!observer || abandoned.cancelled()) {
      if (ending) settle(*std::move(ending));
      return;
    }
    if (executor == nullptr) {
      observe(event);
      if (ending) settle(*std::move(ending));
      return;
    }
    if (!ending) {
      ContextScope until_abandoned(Context::current().with_cancel(abandoned.token()));
      if (!attempt([&] { room.acquire(); }).ok()) return;
    }
    bool post = false;
    {
      const std::lock_guard lock(mutex);
      waiting.push_back(event);
      if (ending) outcome = std::move(ending);
      post = !std::exchange(posted, true);
    }
    if (post) post_drain();
  }

  void post_drain() {
    const auto done = attempt([&] { executor->post([self = shared_from_this()] { self->drain(); }); });
    if (done.ok()) return;
    log_failure("the executor of a run refused work: its observer is told no more", done.error());
    abandoned.cancel();
    drain();
  }

  /// On the executor's thread.
  void drain() {
    for (int i = 0; i < kEventsPerPost; ++i) {
      std::optional<Event> event;
      std::optional<Result<Reply>> ending;
      {
        const std::lock_guard lock(mutex);
        if (waiting.empty()) {
          posted = false;
          return;
        }
        event = std::move(waiting.front());
        waiting.pop_front();
        if (waiting.empty() && outcome) ending = std::exchange(outcome, std::nullopt);
      }
      room.release();
      observe(*event);
      if (ending) settle(*std::move(ending));
    }
    post_drain();
  }

  void run(Runnable& runnable, RunInput input, const Context& context) {
    // Pulled with a context that nobody cancels: the run itself hears the cancellation, and its last events
    // arrive.
    ContextScope deaf{Context()};
    std::string root;
    const auto pulled = attempt([&] {
      Stream<Event> events;
      {
        ContextScope scope(context.with_cancel(cancel.token()));
        events = runnable.stream(std::move(input));
      }
      while (const Event* event = events.next()) {
        if (root.empty()) root = event->run->run_id;
        const bool last = event->terminal() && event->run->run_id == root;
        deliver(*event, last ? std::optional(ending_of(*event)) : std::nullopt);
        if (last || abandoned.cancelled()) return;
      }
      raise(Error(ErrorCode::internal, "the run ended without a terminal event"));
    });
    if (!pulled.ok())
      settle(pulled.error());
    else if (abandoned.cancelled())
      settle(Error(ErrorCode::cancelled, "the run was destroyed"));
  }

  static Result<Reply> ending_of(const Event& event) {
    if (const auto* completed = event.get_if<RunCompleted>())
      return Reply{completed->message, completed->reason, completed->summary, event.run->run_id};
    if (const auto* failed = event.get_if<RunFailed>()) return failed->error;
    if (const auto* cancelled = event.get_if<RunCancelled>())
      return Error(ErrorCode::cancelled, "the run was cancelled: " + cancelled->cause.message())
          .with_cause(cancelled->cause);
    return Error(ErrorCode::failed_precondition, "the run waits for a human");
  }
};

struct Pump::Owned {
  std::shared_ptr<Shared> shared;
  std::unique_ptr<Scope> scope;
};

Pump::Pump(std::unique_ptr<Owned> owned) : owned_(std::move(owned)) {}

std::unique_ptr<Pump> Pump::start(RunnablePtr runnable, RunInput input, Observer observer, Executor* executor,
                                  std::shared_ptr<observe::Telemetry> telemetry) {
  LeftBehind::instance().collect();
  const Context context = Context::current();
  auto owned = std::make_unique<Owned>();
  owned->shared = std::make_shared<Shared>(context.cancel_token());
  Shared& shared = *owned->shared;
  shared.observer = std::move(observer);
  shared.executor = executor;
  shared.telemetry = telemetry ? std::move(telemetry) : observe::Telemetry::current();
  ContextScope fresh{Context()};  // the fiber must outlive a cancelled caller to report the end of the run
  owned->scope = std::make_unique<Scope>(Scope::OnFailure::keep_going);
  owned->scope->spawn("agent run",
                      [self = owned->shared, runnable = std::move(runnable), input = std::move(input),
                       context]() mutable { self->run(*runnable, std::move(input), context); });
  return std::unique_ptr<Pump>(new Pump(std::move(owned)));
}

Pump::~Pump() {
  Shared& shared = *owned_->shared;
  const bool own_observer = inside_observer_of(&shared);
  shared.abandoned.cancel();
  cancel("the run was destroyed");
  if (own_observer) {
    LeftBehind::instance().add(std::move(owned_->scope));
    return;
  }
  owned_->scope.reset();
  ContextScope deaf{Context()};
  const std::lock_guard wait_for_observer(shared.observing);
}

void Pump::cancel(std::string_view reason) noexcept {
  const auto cancelled =
      attempt([&] { owned_->shared->cancel.cancel(Error(ErrorCode::cancelled, std::string(reason))); });
  static_cast<void>(cancelled);
}

const Future<Reply>& Pump::reply() const noexcept {
  return owned_->shared->reply;
}

}  // namespace beluga::detail
