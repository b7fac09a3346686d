#pragma once
/// `Promise<T>`/`Future<T>`: one value or error, handed from any fiber or thread to any other.
/// get() parks a fiber and blocks a plain thread; it obeys the current context. Futures are copyable and
/// share the value. Thread-safety: all members from anywhere; a promise is set once.

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "beluga/base/result.hpp"
#include "beluga/fiber/clock.hpp"

namespace beluga {

namespace detail {
/// The latch and the error of a future; the value lives beside it.
class FutureCore {
 public:
  FutureCore();
  virtual ~FutureCore();
  bool ready() const noexcept;
  /// Waits until ready; throws when the current context is cancelled or over its deadline first.
  void wait() const;
  bool wait_until(TimePoint time) const;
  /// False if it was set before.
  bool settle(std::optional<Error> error) noexcept;
  void check() const;  ///< throws the error, if any. Precondition: ready()
  const std::optional<Error>& error() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};
template <class T>
struct FutureState final : FutureCore {
  std::optional<T> value;
};
template <>
struct FutureState<void> final : FutureCore {};
}  // namespace detail

template <class T>
class Future {
 public:
  Future() = default;
  bool valid() const noexcept { return state_ != nullptr; }
  bool ready() const noexcept { return state_->ready(); }
  /// Waits without taking the value. Throws only for the waiter's own cancellation or deadline.
  void wait() const { state_->wait(); }
  bool wait_until(TimePoint time) const { return state_->wait_until(time); }
  /// Waits for the value and returns a reference that lives as long as any copy of this future. Throws the
  /// error.
  decltype(auto) get() const {
    state_->wait();
    state_->check();
    if constexpr (!std::is_void_v<T>) return (*state_->value);
  }

 private:
  template <class U>
  friend class Promise;
  explicit Future(std::shared_ptr<detail::FutureState<T>> state) : state_(std::move(state)) {}
  std::shared_ptr<detail::FutureState<T>> state_;
};

template <class T>
class Promise {
 public:
  Promise() : state_(std::make_shared<detail::FutureState<T>>()) {}
  Promise(Promise&&) noexcept = default;
  Promise& operator=(Promise&&) noexcept = default;
  /// An unset promise fails its future with Error{aborted}.
  ~Promise() {
    if (state_ && !state_->ready())
      state_->settle(Error(ErrorCode::aborted, "promise was dropped without a value"));
  }
  Future<T> future() const { return Future<T>(state_); }
  template <class U = T>
  void set(U&& value) {
    state_->value.emplace(std::forward<U>(value));
    state_->settle(std::nullopt);
  }
  void set()
    requires std::is_void_v<T>
  {
    state_->settle(std::nullopt);
  }
  void fail(Error error) { state_->settle(std::move(error)); }
  /// Sets what `f()` returns or throws; returns the error, if any.
  template <class F>
  std::optional<Error> set_from(F& f) {
    auto result = attempt(f);
    if (!result.ok()) {
      Error error = result.error();
      fail(error);
      return error;
    }
    if constexpr (std::is_void_v<T>)
      set();
    else
      set(std::move(result).value());
    return std::nullopt;
  }

 private:
  std::shared_ptr<detail::FutureState<T>> state_;
};

}  // namespace beluga
