#include "beluga/fiber/channel.hpp"

#include "beluga/fiber/internal/wait_list.hpp"

namespace beluga::detail {

struct ChannelCore::Impl {
  /// A waiting sender or receiver: whoever meets it moves its element for it.
  struct Node : WaitNode {
    void (*move)(void*) = nullptr;
    void* frame = nullptr;
  };

  bool put_now(void (*put)(void*), void* frame) {
    if (closed) raise(Error(ErrorCode::failed_precondition, "the channel is closed"));
    if (!receivers.empty()) {
      // Empty then, else the receiver would not wait.
      Node& receiver = *receivers.front();
      put(frame);
      receiver.move(receiver.frame);
      receivers.grant(receiver);
      return true;
    }
    if (count >= capacity) return false;
    put(frame);
    ++count;
    return true;
  }

  bool take_now(void (*take)(void*), void* frame) {
    if (count > 0) {
      take(frame);
      --count;
      refill();
      return true;
    }
    if (senders.empty()) return false;
    Node& sender = *senders.front();  // a rendezvous
    sender.move(sender.frame);
    senders.grant(sender);
    take(frame);
    return true;
  }

  void refill() {
    if (senders.empty() || count >= capacity) return;
    Node& sender = *senders.front();
    sender.move(sender.frame);
    senders.grant(sender);
    ++count;
  }

  std::mutex mutex;
  const std::size_t capacity;
  std::size_t count = 0;
  bool closed = false;
  std::optional<Error> error;
  WaitList<Node> senders;
  WaitList<Node> receivers;

  explicit Impl(std::size_t c) : capacity(c) {}
};

ChannelCore::ChannelCore(std::size_t capacity) : impl_(std::make_unique<Impl>(capacity)) {}
ChannelCore::~ChannelCore() = default;

void ChannelCore::send(void (*put)(void*), void* frame) {
  std::unique_lock lock(impl_->mutex);
  if (impl_->put_now(put, frame)) return;
  Impl::Node node;
  node.move = put;
  node.frame = frame;
  impl_->senders.push(node);
  if (!wait_in(impl_->senders, node, lock))
    raise(Error(ErrorCode::failed_precondition, "the channel is closed"));
}

bool ChannelCore::try_send(void (*put)(void*), void* frame) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->put_now(put, frame);
}

bool ChannelCore::receive(void (*take)(void*), void* frame) {
  std::unique_lock lock(impl_->mutex);
  if (impl_->take_now(take, frame)) return true;
  if (!impl_->closed) {
    Impl::Node node;
    node.move = take;
    node.frame = frame;
    impl_->receivers.push(node);
    if (wait_in(impl_->receivers, node, lock)) return true;
  }
  if (impl_->error) raise(*impl_->error);
  return false;
}

bool ChannelCore::try_receive(void (*take)(void*), void* frame) {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->take_now(take, frame)) return true;
  if (impl_->error) raise(*impl_->error);
  return false;
}

void ChannelCore::close(std::optional<Error> error) noexcept {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->closed) return;
  impl_->closed = true;
  impl_->error = std::move(error);
  impl_->senders.wake_all();
  impl_->receivers.wake_all();
}

bool ChannelCore::closed() const noexcept {
  const std::lock_guard lock(impl_->mutex);
  return impl_->closed;
}

std::size_t ChannelCore::size() const noexcept {
  const std::lock_guard lock(impl_->mutex);
  return impl_->count;
}

}  // namespace beluga::detail
