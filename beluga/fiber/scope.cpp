#include "beluga/fiber/scope.hpp"

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "beluga/fiber/internal/context_access.hpp"
#include "beluga/fiber/internal/runtime_impl.hpp"
#include "beluga/fiber/internal/wait_list.hpp"
#include "beluga/fiber/sync.hpp"

namespace beluga {

struct Scope::State {
  explicit State(OnFailure f, unsigned limit) : on_failure(f) {
    if (limit > 0) slots.emplace(limit);
  }
  void ended(const std::optional<detail::Failure>& failure) noexcept {
    if (failure) {
      {
        const std::lock_guard lock(mutex);
        if (!first_failure) first_failure = failure;
      }
      // After it is recorded, so that a sibling's Error{cancelled} cannot come first.
      if (on_failure == OnFailure::cancel_siblings) cancel->cancel(failure->error);
    }
    leave();
  }
  bool in_forked_child() const noexcept {
    const unsigned then = forks.load(std::memory_order_relaxed);
    return then != kNoChildren && then != detail::forks();
  }
  /// The body of a child that was refused, met on a worker's own stack, where nothing may wait: what it holds
  /// (a stream, say) is left to the owner.
  void keep(Body body) noexcept {
    const auto kept = attempt([&] {
      const std::lock_guard lock(mutex);
      refused.push_back(std::move(body));
    });
    static_cast<void>(kept);  // with no memory for that either, it goes here
  }
  void leave() noexcept {
    if (slots) slots->release();
    const std::lock_guard lock(mutex);
    if (--active == 0) joiners.wake_all();
  }

  const OnFailure on_failure;
  const std::shared_ptr<detail::CancelState> parent =
      detail::CancelAccess::state(Context::current().cancel_token());
  const std::shared_ptr<detail::CancelState> cancel = detail::make_cancel_state(parent, nullptr);
  std::optional<Semaphore> slots;
  static constexpr unsigned kNoChildren = ~0U;
  std::atomic<unsigned> forks{kNoChildren};  ///< detail::forks() when the last child was started
  std::mutex mutex;
  std::size_t active = 0;
  std::optional<detail::Failure> first_failure;
  std::vector<Body> refused;
  detail::WaitList<> joiners;
};

Scope::Scope(OnFailure on_failure, unsigned limit) : state_(std::make_shared<State>(on_failure, limit)) {}

Scope::~Scope() {
  State& state = *state_;
  // In a forked child there is nobody to wait for, and a lock may be held by a thread that is not here.
  if (state.in_forked_child()) return;
  std::vector<Body> refused;
  std::unique_lock lock(state.mutex);
  if (state.active != 0) {
    lock.unlock();
    state.cancel->cancel(Error(ErrorCode::cancelled, "the scope of this fiber has ended"));
    lock.lock();
  }
  while (state.active != 0) {
    detail::WaitNode node;
    state.joiners.push(node);
    lock.unlock();
    node.spot.wait_uninterrupted();
    lock.lock();
    state.joiners.remove(node);
  }
  refused.swap(state.refused);
}

void Scope::start(std::string_view name, Body body) {
  State& state = *state_;
  Runtime::Impl& runtime = detail::RuntimeAccess::current();
  runtime.check_usable();
  // What is taken here for the child is given back when it cannot be started.
  struct Place {
    explicit Place(State& s) : state(s) {
      if (state.slots) state.slots->acquire();
      const std::lock_guard lock(state.mutex);
      ++state.active;
    }
    ~Place() {
      if (!taken) state.leave();
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    State& state;
    bool taken = false;
  } place(state);
  const Context& caller = detail::current_context();
  const CancelToken own_token = caller.cancel_token();
  const auto& own = detail::CancelAccess::state(own_token);
  auto token =
      own == nullptr || own == state.parent ? state.cancel : detail::make_cancel_state(own, state.cancel);
  Context context = runtime.enter(caller.with_cancel(detail::CancelAccess::token(std::move(token))));
  state.forks.store(detail::forks(), std::memory_order_relaxed);
  detail::Worker& worker = runtime.pick_worker();
  const Runtime::Impl::Admission admission(runtime, worker);  // the wait for a slot may have been long
  detail::spawn(worker, name, std::move(context),
                [shared = state_, body = std::move(body)](const Error* refused) mutable {
                  const auto failure = body(refused);
                  if (refused != nullptr) shared->keep(std::move(body));
                  body = nullptr;  // what the body owns is gone before the scope is told
                  shared->ended(failure);
                });
  place.taken = true;
}

void Scope::join() {
  State& state = *state_;
  if (state.in_forked_child())
    raise(Error(ErrorCode::failed_precondition, "the children of this scope were started before fork()"));
  std::unique_lock lock(state.mutex);
  while (state.active != 0) {
    detail::WaitNode node;
    state.joiners.push(node);
    detail::wait_in(state.joiners, node, lock);
  }
  std::vector<Body> refused = std::exchange(state.refused, {});
  const std::optional<detail::Failure> failure = state.first_failure;
  lock.unlock();
  refused.clear();
  if (failure) detail::rethrow(*failure);
}

void Scope::cancel(Error cause) noexcept {
  state_->cancel->cancel(cause);
}

CancelToken Scope::cancel_token() const noexcept {
  return detail::CancelAccess::token(state_->cancel);
}

}  // namespace beluga
