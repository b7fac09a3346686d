#pragma once
/// `Result<T>`: a value or an Error, and `attempt(f)`, which turns a throw into one.
///
///     Result<Reply> reply = attempt([&] { return agent.invoke("hello"); });
///     if (!reply) log(reply.error().what());

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "beluga/base/error.hpp"

namespace beluga {

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const noexcept { return value_.has_value(); }
  explicit operator bool() const noexcept { return ok(); }
  /// The value; throws the error if there is none.
  T& value() & { return check(), *value_; }
  const T& value() const& { return check(), *value_; }
  T&& value() && { return check(), std::move(*value_); }
  T value_or(T other) && { return ok() ? std::move(*value_) : std::move(other); }
  /// Precondition: !ok().
  const Error& error() const noexcept { return *error_; }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }

 private:
  void check() const {
    if (!value_) raise(*error_);
  }
  std::optional<T> value_;
  std::optional<Error> error_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}
  bool ok() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return ok(); }
  void value() const {
    if (error_) raise(*error_);
  }
  const Error& error() const noexcept { return *error_; }

 private:
  std::optional<Error> error_;
};

namespace detail {
/// What a call threw: as an Error and, when it was something else, as it was thrown.
struct Failure {
  Error error;
  std::exception_ptr original = nullptr;
};
/// Throws it again, as it was.
[[noreturn]] void rethrow(Failure failure);
/// As catching(), with the original kept.
std::optional<Failure> catching_as_thrown(void (*call)(void*), void* object);
/// Calls `f()`, whose result is dropped.
template <class F>
std::optional<Failure> failure_of(F&& f) {
  return catching_as_thrown(
      [](void* p) { static_cast<void>((*static_cast<std::remove_reference_t<F>*>(p))()); },
      const_cast<void*>(static_cast<const void*>(&f)));
}

/// Calls `call(object)`; what it throws is returned. (The try block is out of line: see raise().)
std::optional<Error> catching(void (*call)(void*), void* object);
}  // namespace detail

/// Calls `f()` and returns what it returned, or the Error it threw. Foreign exceptions become `unknown`.
template <class F>
auto attempt(F&& f) -> Result<std::decay_t<std::invoke_result_t<F&>>> {
  using T = std::decay_t<std::invoke_result_t<F&>>;
  if constexpr (std::is_void_v<T>) {
    auto error = detail::catching([](void* p) { (*static_cast<std::remove_reference_t<F>*>(p))(); },
                                  const_cast<void*>(static_cast<const void*>(&f)));
    if (error) return *std::move(error);
    return {};
  } else {
    struct Frame {
      std::remove_reference_t<F>& f;
      std::optional<T> value;
    } frame{f, std::nullopt};
    auto error = detail::catching(
        [](void* p) {
          auto& own = *static_cast<Frame*>(p);
          own.value.emplace(own.f());
        },
        &frame);
    if (error) return *std::move(error);
    return *std::move(frame.value);
  }
}

}  // namespace beluga
