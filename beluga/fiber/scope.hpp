#pragma once
/// Structured concurrency: a `Scope` owns its child fibers.
///
///     Scope scope;
///     auto left  = scope.spawn("left",  [&] { return look_up("a"); });
///     auto right = scope.spawn("right", [&] { return look_up("b"); });
///     scope.join();                                       // waits for both; throws what the first to fail threw
///     use(left.get(), right.get());
///
/// The first child that throws cancels its siblings (cause: that error). join() waits and throws that again,
/// a foreign exception as it was thrown. The destructor cancels what still runs and waits for it; a failure
/// that nobody has joined or got from its Future is dropped. There is no detached work. Thread-safety:
/// spawn/cancel from any thread or fiber; join and destruction by the owner only. Works on plain threads.

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "beluga/base/function.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/cancel.hpp"
#include "beluga/fiber/future.hpp"

namespace beluga {

class Scope {
 public:
  enum class OnFailure : std::uint8_t { cancel_siblings, keep_going };
  /// `limit`: most children running at once (0: no limit); spawn() waits for a slot. A child that spawns into
  /// its own full scope waits for itself.
  explicit Scope(OnFailure on_failure = OnFailure::cancel_siblings, unsigned limit = 0);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  /// Starts a child fiber on the caller's worker (from a plain thread: on a worker that the runtime picks).
  /// `name` is for traces and stall reports. The child inherits the caller's context, with this scope's
  /// cancellation added. What `f` throws is thrown by the Future and by join(). When there is no memory for
  /// its stack, the child fails with Error{resource_exhausted}; what `f` holds then goes away with join() or
  /// the destructor.
  template <class F, class T = std::decay_t<std::invoke_result_t<F&>>>
  Future<T> spawn(std::string_view name, F f) {
    Promise<T> promise;
    Future<T> future = promise.future();
    start(name, [f = std::move(f), promise = std::move(promise)](const Error* refused) mutable {
      refused != nullptr ? promise.fail(*refused) : promise.set_from(f);
      return promise.state_->failure();
    });
    return future;
  }

  /// Waits for all children; throws the first error of a child (with keep_going too).
  void join();
  void cancel(Error cause) noexcept;
  CancelToken cancel_token() const noexcept;

 private:
  /// The body returns how it failed, if it did; `refused`: why it is called without a fiber.
  using Body = Function<std::optional<detail::Failure>(const Error* refused)>;
  void start(std::string_view name, Body body);
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace beluga
