#include "beluga/fiber/future.hpp"

#include <atomic>
#include <string>

#include "beluga/fiber/internal/wait_list.hpp"

namespace beluga::detail {

struct FutureCore::Impl {
  std::atomic<bool> ready{false};
  mutable std::mutex mutex;
  std::atomic<bool> claimed{false};
  std::atomic<std::size_t> holders{1};
  bool settled = false;
  std::optional<Failure> failure;
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

bool FutureCore::claim() noexcept {
  return !impl_->claimed.exchange(true, std::memory_order_relaxed);
}

void FutureCore::publish(std::optional<Failure> failure) noexcept {
  const std::lock_guard lock(impl_->mutex);
  impl_->settled = true;
  impl_->failure = std::move(failure);
  impl_->ready.store(true, std::memory_order_release);
  while (!impl_->waiters.empty()) impl_->waiters.grant(*impl_->waiters.front());
}

const std::optional<Failure>& FutureCore::failure() const noexcept {
  return impl_->failure;
}

void FutureCore::hold() noexcept {
  impl_->holders.fetch_add(1, std::memory_order_relaxed);
}

void FutureCore::drop() noexcept {
  if (impl_->holders.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

bool FutureCore::sole() const noexcept {
  return impl_->holders.load(std::memory_order_acquire) == 1;
}

void raise_no_state(const char* of_what) {
  raise(Error(
      ErrorCode::failed_precondition,
      std::string("this ") + of_what + " is empty: it was made without a value to come, or moved from"));
}

}  // namespace beluga::detail
