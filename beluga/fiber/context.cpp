#include "beluga/fiber/context.hpp"

#include <string_view>

#include "beluga/fiber/internal/context_access.hpp"
#include "beluga/fiber/internal/saturating.hpp"

namespace beluga {

namespace {

using Value = detail::ContextAccess::Node::Value;

/// Whether both are the same key. Types in unnamed namespaces, of which two files may have the same name, are
/// the same by their address alone.
bool same(const detail::ContextKey& a, const detail::ContextKey& b) noexcept {
  if (&a == &b) return true;
  if (a.name != b.name) return false;
  // As g++ and clang write them.
  for (const std::string_view mark : {"{anonymous}", "(anonymous", "<unnamed", "lambda"})
    if (a.name.find(mark) != std::string_view::npos) return false;
  return true;
}

/// `chain` without its entry for `key`: what lies above that is made again. A chain is as long as there are
/// keys.
std::shared_ptr<const Value> without(const std::shared_ptr<const Value>& chain,
                                     const detail::ContextKey& key) {
  const Value* found = chain.get();
  while (found != nullptr && !same(*found->key, key)) found = found->next.get();
  if (found == nullptr) return chain;
  if (found == chain.get()) return chain->next;
  return std::make_shared<const Value>(Value{chain->key, chain->value, without(chain->next, key)});
}

}  // namespace

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
  return with_deadline(detail::saturating_add(Clock::current().now(), timeout));
}

Context Context::with_cancel(CancelToken token) const {
  auto node = node_ ? std::make_shared<Node>(*node_) : std::make_shared<Node>();
  node->token = std::move(token);
  return Context(std::move(node));
}

Context Context::with_value(const detail::ContextKey& key, std::shared_ptr<const void> value) const {
  auto node = node_ ? std::make_shared<Node>(*node_) : std::make_shared<Node>();
  node->values =
      std::make_shared<const Node::Value>(Node::Value{&key, std::move(value), without(node->values, key)});
  return Context(std::move(node));
}

const void* Context::value(const detail::ContextKey& key) const noexcept {
  if (!node_) return nullptr;
  for (const Node::Value* v = node_->values.get(); v != nullptr; v = v->next.get())
    if (same(*v->key, key)) return v->value.get();
  return nullptr;
}

Context detail::ContextAccess::with_deadline(const Context& context, TimePoint deadline) {
  auto node = context.node_ ? std::make_shared<Node>(*context.node_) : std::make_shared<Node>();
  node->deadline = deadline;
  return Context(std::move(node));
}

ContextScope::ContextScope(Context context)
    : previous_(std::exchange(detail::current_context(), std::move(context))) {}

ContextScope::~ContextScope() {
  detail::current_context() = std::move(previous_);
}

}  // namespace beluga
