#include "beluga/fiber/cancel.hpp"

#include "beluga/fiber/internal/cancel_state.hpp"

namespace beluga {

namespace detail {

CancelState::~CancelState() {
  for (Link& link : links)
    if (link.parent) link.parent->remove(link);
}

std::optional<Error> CancelState::why() const {
  if (!cancelled()) return std::nullopt;
  const std::lock_guard lock(mutex);
  return cause;
}

bool CancelState::add(CancelNode& node) noexcept {
  const std::lock_guard lock(mutex);
  if (flag.load(std::memory_order_relaxed)) return false;
  node.prev = nullptr;
  node.next = head;
  if (head != nullptr) head->prev = &node;
  head = &node;
  node.linked = true;
  return true;
}

void CancelState::unlink(CancelNode& node) noexcept {
  (node.prev != nullptr ? node.prev->next : head) = node.next;
  if (node.next != nullptr) node.next->prev = node.prev;
  node.linked = false;
}

void CancelState::remove(CancelNode& node) noexcept {
  std::unique_lock lock(mutex);
  if (node.linked) return unlink(node);
  // The callback is short by contract, so its end is waited for by yielding.
  while (running == &node && running_on != std::this_thread::get_id()) {
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
  }
}

bool CancelState::cancel(const Error& error) noexcept {
  std::unique_lock lock(mutex);
  if (flag.load(std::memory_order_relaxed)) return false;
  cause = error;
  flag.store(true, std::memory_order_release);
  running_on = std::this_thread::get_id();
  while (head != nullptr) {
    CancelNode& node = *head;
    unlink(node);
    running = &node;
    lock.unlock();
    node.run(node);  // may destroy the node
    lock.lock();
    running = nullptr;
  }
  return true;
}

void CancelState::propagate(CancelNode& node) noexcept {
  auto& link = static_cast<Link&>(node);
  // Empty when the child is being destroyed; its destructor waits for this call.
  if (const auto self = link.self->weak_from_this().lock())
    if (const auto error = link.parent->why()) self->cancel(*error);
}

void CancelState::adopt(std::shared_ptr<CancelState> parent) {
  Link& link = links[0].parent ? links[1] : links[0];
  link.run = &propagate;
  link.self = this;
  link.parent = std::move(parent);
  if (!link.parent->add(link))
    if (const auto error = link.parent->why()) cancel(*error);
}

std::shared_ptr<CancelState> make_cancel_state(const std::shared_ptr<CancelState>& a,
                                               const std::shared_ptr<CancelState>& b) {
  auto state = std::make_shared<CancelState>();
  if (a) state->adopt(a);
  if (b && b != a) state->adopt(b);
  return state;
}

}  // namespace detail

bool CancelToken::cancelled() const noexcept {
  return state_ && state_->cancelled();
}

std::optional<Error> CancelToken::cause() const {
  return state_ ? state_->why() : std::nullopt;
}

void CancelToken::check() const {
  if (!cancelled()) return;
  if (auto error = state_->why()) raise(*std::move(error));
}

CancelSource::CancelSource() : state_(std::make_shared<detail::CancelState>()) {}

CancelSource::CancelSource(const CancelToken& parent)
    : state_(detail::make_cancel_state(detail::CancelAccess::state(parent), nullptr)) {}

bool CancelSource::cancel(Error cause) const noexcept {
  const auto state = state_;  // a callback may destroy this source
  return state->cancel(cause);
}

bool CancelSource::cancel() const noexcept {
  return cancel(Error(ErrorCode::cancelled, "cancelled"));
}

struct CancelCallback::Node : detail::CancelNode {
  Function<void()> f;
  std::shared_ptr<detail::CancelState> state;
};

CancelCallback::CancelCallback(const CancelToken& token, Function<void()> f) {
  if (!token.state_) return;
  node_ = std::make_unique<Node>();
  node_->f = std::move(f);
  node_->state = token.state_;
  node_->run = [](detail::CancelNode& node) noexcept { static_cast<Node&>(node).f(); };
  if (!node_->state->add(*node_)) node_->f();
}

CancelCallback::~CancelCallback() {
  if (node_) node_->state->remove(*node_);
}

}  // namespace beluga
