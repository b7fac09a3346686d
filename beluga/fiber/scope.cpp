#include "beluga/fiber/scope.hpp"

#include <string>

#include "beluga/fiber/internal/context_access.hpp"
#include "beluga/fiber/internal/runtime_impl.hpp"
#include "beluga/fiber/internal/wait_list.hpp"
#include "beluga/fiber/sync.hpp"

namespace beluga {

struct Scope::State {
  explicit State(OnFailure f, unsigned limit) : on_failure(f) {
    if (limit > 0) slots.emplace(limit);
  }
  void ended(std::optional<Error> error) noexcept {
    if (error) {
      {
        const std::lock_guard lock(mutex);
        if (!first_error) first_error = error;
      }
      // After it is recorded, so that a sibling's Error{cancelled} cannot come first.
      if (on_failure == OnFailure::cancel_siblings) cancel->cancel(*error);
    }
    if (slots) slots->release();
    const std::lock_guard lock(mutex);
    if (--active == 0) joiners.wake_all();
  }

  const OnFailure on_failure;
  const std::shared_ptr<detail::CancelState> parent =
      detail::CancelAccess::state(Context::current().cancel_token());
  const std::shared_ptr<detail::CancelState> cancel = detail::make_cancel_state(parent, nullptr);
  std::optional<Semaphore> slots;
  std::mutex mutex;
  std::size_t active = 0;
  std::optional<Error> first_error;
  detail::WaitList<> joiners;
};

Scope::Scope(OnFailure on_failure, unsigned limit) : state_(std::make_shared<State>(on_failure, limit)) {}

Scope::~Scope() {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  if (state.active == 0) return;
  lock.unlock();
  state.cancel->cancel(Error(ErrorCode::cancelled, "the scope of this fiber has ended"));
  lock.lock();
  while (state.active != 0) {
    detail::WaitNode node;
    state.joiners.push(node);
    lock.unlock();
    node.spot.wait_uninterrupted();
    lock.lock();
    state.joiners.remove(node);
  }
}

void Scope::start(std::string_view name, Function<std::optional<Error>()> body) {
  State& state = *state_;
  Runtime::Impl& runtime = Runtime::current().impl();
  runtime.check_usable();
  if (state.slots) state.slots->acquire();
  const Context& caller = detail::current_context();
  const CancelToken own_token = caller.cancel_token();
  const auto& own = detail::CancelAccess::state(own_token);
  auto token =
      own == nullptr || own == state.parent ? state.cancel : detail::make_cancel_state(own, state.cancel);
  Context context = runtime.enter(caller.with_cancel(detail::CancelAccess::token(std::move(token))));
  {
    const std::lock_guard lock(state.mutex);
    ++state.active;
  }
  detail::spawn(runtime.pick_worker(), name, std::move(context),
                [shared = state_, body = std::move(body)]() mutable {
                  auto error = body();
                  body = nullptr;  // what the body owns is gone before the scope is told
                  shared->ended(std::move(error));
                });
}

void Scope::join() {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  while (state.active != 0) {
    detail::WaitNode node;
    state.joiners.push(node);
    detail::wait_in(state.joiners, node, lock);
  }
  if (state.first_error) raise(*state.first_error);
}

void Scope::cancel(Error cause) noexcept {
  state_->cancel->cancel(cause);
}

CancelToken Scope::cancel_token() const noexcept {
  return detail::CancelAccess::token(state_->cancel);
}

}  // namespace beluga
