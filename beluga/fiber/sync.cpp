#include "beluga/fiber/sync.hpp"

#include "beluga/fiber/internal/wait_list.hpp"

namespace beluga {

struct Mutex::Impl {
  std::mutex mutex;
  bool locked = false;
  detail::WaitList<> waiters;
};

Mutex::Mutex() : impl_(std::make_unique<Impl>()) {}
Mutex::~Mutex() = default;

void Mutex::lock() {
  std::unique_lock lock(impl_->mutex);
  if (!impl_->locked) {
    impl_->locked = true;
    return;
  }
  detail::WaitNode node;
  impl_->waiters.push(node);
  detail::wait_in(impl_->waiters, node, lock);  // the lock is handed over: `locked` stays set
}

void Mutex::lock_uninterrupted() noexcept {
  std::unique_lock lock(impl_->mutex);
  if (!impl_->locked) {
    impl_->locked = true;
    return;
  }
  detail::WaitNode node;
  impl_->waiters.push(node);
  lock.unlock();
  node.spot.wait_uninterrupted();
  lock.lock();  // whoever granted it may still hold the list
}

bool Mutex::try_lock() noexcept {
  const std::lock_guard lock(impl_->mutex);
  return !std::exchange(impl_->locked, true);
}

void Mutex::unlock() noexcept {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->waiters.empty())
    impl_->locked = false;
  else
    impl_->waiters.grant(*impl_->waiters.front());
}

struct Semaphore::Impl {
  struct Node : detail::WaitNode {
    std::size_t wanted = 0;
  };
  void serve() noexcept {
    while (!waiters.empty() && waiters.front()->wanted <= permits) {
      permits -= waiters.front()->wanted;
      waiters.grant(*waiters.front());
    }
  }
  std::mutex mutex;
  std::size_t permits;
  detail::WaitList<Node> waiters;
};

Semaphore::Semaphore(std::size_t permits) : impl_(std::make_unique<Impl>()) {
  impl_->permits = permits;
}
Semaphore::~Semaphore() = default;

void Semaphore::acquire(std::size_t permits) {
  std::unique_lock lock(impl_->mutex);
  if (impl_->waiters.empty() && impl_->permits >= permits) {
    impl_->permits -= permits;
    return;
  }
  Impl::Node node;
  node.wanted = permits;
  impl_->waiters.push(node);
  lock.unlock();
  const detail::Wake wake = node.spot.wait();
  lock.lock();
  if (node.granted) return;
  impl_->waiters.remove(node);
  impl_->serve();  // smaller requests may have stood behind this one
  lock.unlock();
  detail::throw_if_interrupted(wake);
}

bool Semaphore::try_acquire(std::size_t permits) noexcept {
  const std::lock_guard lock(impl_->mutex);
  if (!impl_->waiters.empty() || impl_->permits < permits) return false;
  impl_->permits -= permits;
  return true;
}

void Semaphore::release(std::size_t permits) noexcept {
  const std::lock_guard lock(impl_->mutex);
  impl_->permits += permits;
  impl_->serve();
}

std::size_t Semaphore::available() const noexcept {
  const std::lock_guard lock(impl_->mutex);
  return impl_->permits;
}

struct Signal::Impl {
  mutable std::mutex mutex;
  bool set = false;
  detail::WaitList<> waiters;
};

Signal::Signal() : impl_(std::make_unique<Impl>()) {}
Signal::~Signal() = default;

void Signal::set() noexcept {
  const std::lock_guard lock(impl_->mutex);
  impl_->set = true;
  while (!impl_->waiters.empty()) impl_->waiters.grant(*impl_->waiters.front());
}

void Signal::reset() noexcept {
  const std::lock_guard lock(impl_->mutex);
  impl_->set = false;
}

bool Signal::is_set() const noexcept {
  const std::lock_guard lock(impl_->mutex);
  return impl_->set;
}

void Signal::wait() {
  std::unique_lock lock(impl_->mutex);
  if (impl_->set) return;
  detail::WaitNode node;
  impl_->waiters.push(node);
  detail::wait_in(impl_->waiters, node, lock);
}

bool Signal::wait_until(TimePoint time) {
  std::unique_lock lock(impl_->mutex);
  if (impl_->set) return true;
  detail::WaitNode node;
  impl_->waiters.push(node);
  return detail::wait_in(impl_->waiters, node, lock, time);
}

}  // namespace beluga
