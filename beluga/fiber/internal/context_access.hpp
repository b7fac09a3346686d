#pragma once
/// The inside of a Context, for the fiber room: reading it without touching reference counts.

#include <memory>
#include <optional>

#include "beluga/fiber/context.hpp"
#include "beluga/fiber/internal/cancel_state.hpp"

namespace beluga {

struct Context::Node {
  std::optional<TimePoint> deadline;
  CancelToken token;
  // A chain of values; nodes that only change deadline or token share the chain.
  struct Value {
    const detail::ContextKey* key;
    std::shared_ptr<const void> value;
    std::shared_ptr<const Value> next;
  };
  std::shared_ptr<const Value> values;
};

namespace detail {
struct ContextAccess {
  using Node = Context::Node;
  static const Node* node(const Context& context) noexcept { return context.node_.get(); }
  /// Replaces the deadline, even by a later one.
  static Context with_deadline(const Context& context, TimePoint deadline);
  static CancelState* cancel_state(const Context& context) noexcept {
    return context.node_ ? CancelAccess::state(context.node_->token).get() : nullptr;
  }
};

/// The context slot of the calling fiber or thread.
Context& current_context() noexcept;
}  // namespace detail

}  // namespace beluga
