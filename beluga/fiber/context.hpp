#pragma once
/// `Context`: what a piece of work inherits from the work that started it.
///
/// Deadline, cancellation and typed values (trace span, tenant, identity, budget) travel with the fiber:
/// children, generators and pool jobs inherit them, so that no function has to pass them on. A context is an
/// immutable value; deriving makes a new one, `ContextScope` installs it.
///
///     ContextScope scope(Context::current().with_timeout(2s));
///     auto reply = agent.invoke("hello");             // throws Error{deadline_exceeded} after 2 s
///
/// Thread-safety: a Context value may be shared freely. A ContextScope belongs to the fiber (or thread) that
/// made it.

#include <memory>
#include <optional>
#include <string_view>

#include "beluga/fiber/cancel.hpp"
#include "beluga/fiber/clock.hpp"

namespace beluga {

namespace detail {
struct ContextAccess;

/// Which key it is: its address says so within one program, its name across shared libraries, each of which
/// may have an address of its own. No type_info: these headers compile without RTTI.
struct ContextKey {
  std::string_view name;
};
template <class Key>
constexpr std::string_view context_key_name() noexcept {
  return {__PRETTY_FUNCTION__, sizeof __PRETTY_FUNCTION__ - 1};
}
template <class Key>
inline constexpr ContextKey kContextKey{context_key_name<Key>()};
}  // namespace detail

class Context {
 public:
  /// No deadline, no cancellation, no values.
  Context() noexcept = default;
  /// That of the calling fiber; on a plain thread, that thread's.
  static Context current();

  std::optional<TimePoint> deadline() const noexcept;
  CancelToken cancel_token() const noexcept;
  /// Throws Error{cancelled} with its cause or Error{deadline_exceeded}. Every wait does this; long
  /// computations should.
  void check() const;

  /// The earlier of the two deadlines holds.
  Context with_deadline(TimePoint deadline) const;
  /// `timeout` from now on the current clock.
  Context with_timeout(Duration timeout) const;
  /// Replaces the token; make it from a CancelSource whose parent is this context's token to keep both.
  Context with_cancel(CancelToken token) const;

  /// A typed value. `Key` is any type with a member type `Value`:  struct TenantKey { using Value =
  /// std::string; };  The same type in a shared library is the same key.
  template <class Key>
  Context with(std::shared_ptr<const typename Key::Value> value) const {
    return with_value(detail::kContextKey<Key>, std::static_pointer_cast<const void>(std::move(value)));
  }
  /// Null when absent. Valid while this context (or one derived from it) lives.
  template <class Key>
  const typename Key::Value* get() const noexcept {
    return static_cast<const typename Key::Value*>(value(detail::kContextKey<Key>));
  }

 private:
  friend struct detail::ContextAccess;
  struct Node;
  explicit Context(std::shared_ptr<const Node> node) noexcept : node_(std::move(node)) {}
  Context with_value(const detail::ContextKey& key, std::shared_ptr<const void> value) const;
  const void* value(const detail::ContextKey& key) const noexcept;
  std::shared_ptr<const Node> node_;
};

/// Makes `context` current for the calling fiber or thread until destroyed. Scopes nest.
class ContextScope {
 public:
  explicit ContextScope(Context context);
  ~ContextScope();
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;

 private:
  Context previous_;
};

}  // namespace beluga
