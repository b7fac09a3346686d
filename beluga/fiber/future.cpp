#include "beluga/fiber/future.hpp"

#include <atomic>

#include "beluga/fiber/internal/wait_list.hpp"

namespace beluga::detail {

struct FutureCore::Impl {
  std::atomic<bool> ready{false};
  mutable std::mutex mutex;
  bool settled = false;
  std::optional<Error> error;
  WaitList<> waiters;
};

FutureCore::FutureCore() : impl_(std::make_unique<Impl>()) {}
FutureCore::~FutureCore() = default;

bool FutureCore::ready() const noexcept {
  return impl_->ready.load(std::memory_order_acquire);
}

void FutureCore::wait() const {
  if (ready()) return;
  std::unique_lock lock(impl_->mutex);
  if (impl_->settled) return;
  WaitNode node;
  impl_->waiters.push(node);
  wait_in(impl_->waiters, node, lock);
}

bool FutureCore::wait_until(TimePoint time) const {
  if (ready()) return true;
  std::unique_lock lock(impl_->mutex);
  if (impl_->settled) return true;
  WaitNode node;
  impl_->waiters.push(node);
  return wait_in(impl_->waiters, node, lock, time);
}

bool FutureCore::settle(std::optional<Error> error) noexcept {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->settled) return false;
  impl_->settled = true;
  impl_->error = std::move(error);
  impl_->ready.store(true, std::memory_order_release);
  while (!impl_->waiters.empty()) impl_->waiters.grant(*impl_->waiters.front());
  return true;
}

void FutureCore::check() const {
  if (impl_->error) raise(*impl_->error);
}

const std::optional<Error>& FutureCore::error() const noexcept {
  return impl_->error;
}

}  // namespace beluga::detail
