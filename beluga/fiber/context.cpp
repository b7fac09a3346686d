#include "beluga/fiber/context.hpp"

#include "beluga/fiber/internal/context_access.hpp"

namespace beluga {

Context Context::current() {
  return detail::current_context();
}

std::optional<TimePoint> Context::deadline() const noexcept {
  return node_ ? node_->deadline : std::nullopt;
}

CancelToken Context::cancel_token() const noexcept {
  return node_ ? node_->token : CancelToken();
}

void Context::check() const {
  if (!node_) return;
  node_->token.check();
  if (node_->deadline && Clock::current().now() >= *node_->deadline)
    raise(Error(ErrorCode::deadline_exceeded, "the deadline of this context has passed"));
}

Context Context::with_deadline(TimePoint deadline) const {
  auto node = node_ ? std::make_shared<Node>(*node_) : std::make_shared<Node>();
  if (!node->deadline || deadline < *node->deadline) node->deadline = deadline;
  return Context(std::move(node));
}

Context Context::with_timeout(Duration timeout) const {
  const TimePoint now = Clock::current().now();
  // Saturates: an "infinite" timeout is no deadline that has passed.
  return with_deadline(timeout > TimePoint::max() - now ? TimePoint::max() : now + timeout);
}

Context Context::with_cancel(CancelToken token) const {
  auto node = node_ ? std::make_shared<Node>(*node_) : std::make_shared<Node>();
  node->token = std::move(token);
  return Context(std::move(node));
}

Context Context::with_value(const void* tag, std::shared_ptr<const void> value) const {
  auto node = node_ ? std::make_shared<Node>(*node_) : std::make_shared<Node>();
  node->values = std::make_shared<const Node::Value>(Node::Value{tag, std::move(value), node->values});
  return Context(std::move(node));
}

const void* Context::value(const void* tag) const noexcept {
  if (!node_) return nullptr;
  for (const Node::Value* v = node_->values.get(); v != nullptr; v = v->next.get())
    if (v->tag == tag) return v->value.get();
  return nullptr;
}

ContextScope::ContextScope(Context context)
    : previous_(std::exchange(detail::current_context(), std::move(context))) {}

ContextScope::~ContextScope() {
  detail::current_context() = std::move(previous_);
}

}  // namespace beluga
