#pragma once
/// `Promise<T>`/`Future<T>`: one value or error, handed from any fiber or thread to any other.
///
///     Promise<int> promise;
///     scope.spawn("worker", [&] { promise.set(42); });
///     int answer = promise.future().get();          // parks a fiber, blocks a plain thread
///
/// The first to settle a promise wins; a promise that goes away unsettled fails its future. Futures are
/// copies of one another and share the value. All waits obey the current context. Thread-safety: all members
/// from anywhere, except that one Promise or Future object is assigned or destroyed by its owner only.

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "beluga/base/result.hpp"
#include "beluga/fiber/clock.hpp"

namespace beluga {

namespace detail {
/// The latch of a future and its failure; the value lives beside it. Owned by those who refer to it.
class FutureCore {
 public:
  FutureCore();
  virtual ~FutureCore();
  FutureCore(const FutureCore&) = delete;
  FutureCore& operator=(const FutureCore&) = delete;
  bool ready() const noexcept;
  /// Waits until ready; throws when the current context is cancelled or over its deadline first.
  void wait() const;
  bool wait_until(TimePoint time) const;
  /// True for the one who may settle it, and must then publish().
  bool claim() noexcept;
  void publish(std::optional<Failure> failure) noexcept;
  /// Precondition: ready().
  const std::optional<Failure>& failure() const noexcept;

  void hold() noexcept;
  void drop() noexcept;
  /// Whether the caller is the only one who refers to it.
  bool sole() const noexcept;

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

/// A counted reference. Unlike a std::shared_ptr it can tell whether it is the last, and what the others did
/// before.
template <class T>
class FutureRef {
 public:
  FutureRef() noexcept = default;
  static FutureRef make() {
    FutureRef ref;
    ref.state_ = new FutureState<T>;
    return ref;
  }
  FutureRef(const FutureRef& other) noexcept : state_(other.state_) {
    if (state_ != nullptr) state_->hold();
  }
  FutureRef(FutureRef&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  FutureRef& operator=(FutureRef other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~FutureRef() {
    if (state_ != nullptr) state_->drop();
  }
  explicit operator bool() const noexcept { return state_ != nullptr; }
  FutureState<T>* operator->() const noexcept { return state_; }

 private:
  FutureState<T>* state_ = nullptr;
};

[[noreturn]] void raise_no_state(const char* of_what);
}  // namespace detail

/// On an empty future every member but valid() throws Error{failed_precondition}.
template <class T>
class Future {
 public:
  /// Empty.
  Future() = default;
  bool valid() const noexcept { return static_cast<bool>(state_); }
  /// Whether get() would return or throw at once.
  bool ready() const { return state()->ready(); }
  /// Waits without taking the value. Throws only for the waiter's own cancellation or deadline.
  void wait() const { state()->wait(); }
  /// False when `time`, on the clock of the caller's runtime (Clock::current()), came first.
  bool wait_until(TimePoint time) const { return state()->wait_until(time); }
  /// Waits for the value and returns a reference that lives as long as any copy of this future. Throws what
  /// the promise was given: an Error, or a foreign exception as it was thrown.
  std::conditional_t<std::is_void_v<T>, void, std::add_lvalue_reference_t<const T>> get() const& {
    state()->wait();
    check();
    if constexpr (!std::is_void_v<T>) return *state_->value;
  }
  /// As above for a future that goes away, which is empty afterwards: returns the value itself. It is moved
  /// when nobody else refers to it (the promise is gone, and every copy) and copied otherwise; a T that
  /// cannot be copied is always moved, so that no other copy of the future may be read any more.
  T get() && {
    state()->wait();
    const detail::FutureRef<T> last = std::move(state_);
    if (last->failure()) detail::rethrow(*last->failure());
    if constexpr (!std::is_void_v<T>) {
      if constexpr (std::is_copy_constructible_v<T>)
        if (!last->sole()) return std::as_const(*last->value);
      return *std::move(last->value);
    }
  }

 private:
  template <class U>
  friend class Promise;
  explicit Future(detail::FutureRef<T> state) noexcept : state_(std::move(state)) {}
  const detail::FutureRef<T>& state() const {
    if (!state_) detail::raise_no_state("future");
    return state_;
  }
  void check() const {
    if (state_->failure()) detail::rethrow(*state_->failure());
  }
  detail::FutureRef<T> state_;
};

/// A promise that was moved from is empty: its members throw Error{failed_precondition}.
template <class T>
class Promise {
 public:
  Promise() : state_(detail::FutureRef<T>::make()) {}
  Promise(Promise&&) noexcept = default;
  Promise& operator=(Promise&& other) noexcept {
    if (this != &other) {
      abandon();
      state_ = std::move(other.state_);
    }
    return *this;
  }
  /// An unsettled promise fails its future with Error{aborted}.
  ~Promise() { abandon(); }
  Future<T> future() const { return Future<T>(state()); }

  /// False when it was settled before: nothing changes then. If making the value throws, the future fails
  /// with that.
  template <class U = T>
  bool set(U&& value) {
    const detail::FutureRef<T> ref = state();
    if (!ref->claim()) return false;
    ref->publish(detail::failure_of([&] { ref->value.emplace(std::forward<U>(value)); }));
    return true;
  }
  bool set()
    requires std::is_void_v<T>
  {
    const detail::FutureRef<T> ref = state();
    if (!ref->claim()) return false;
    ref->publish(std::nullopt);
    return true;
  }
  /// False when it was settled before.
  bool fail(Error error) { return settle(detail::Failure{std::move(error)}); }
  /// Sets what `f()` returns or throws; false when it was settled before. `f` is called in either case.
  template <class F>
  bool set_from(F&& f) {
    if constexpr (std::is_void_v<T>) {
      auto failure = detail::failure_of(f);
      return failure ? settle(*std::move(failure)) : set();
    } else {
      std::optional<T> value;
      auto failure = detail::failure_of([&] { value.emplace(f()); });
      return failure ? settle(*std::move(failure)) : set(*std::move(value));
    }
  }

 private:
  friend class Scope;
  const detail::FutureRef<T>& state() const {
    if (!state_) detail::raise_no_state("promise");
    return state_;
  }
  bool settle(detail::Failure failure) {
    const detail::FutureRef<T> ref = state();
    if (!ref->claim()) return false;
    ref->publish(std::move(failure));
    return true;
  }
  void abandon() noexcept {
    if (!state_ || !state_->claim()) return;
    state_->publish(detail::Failure{Error(ErrorCode::aborted, "promise was dropped without a value")});
  }
  detail::FutureRef<T> state_;
};

}  // namespace beluga
