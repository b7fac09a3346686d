#include "beluga/fiber/stream_algorithms.hpp"

#include <deque>
#include <string>

#include "beluga/fiber/internal/context_access.hpp"
#include "beluga/fiber/internal/park.hpp"

namespace beluga::detail {

struct TeeGate::Impl {
  struct Branch {
    std::size_t waiting = 0;  // elements delivered and not taken
    bool closed = false;
    bool cut = false;
    bool parked = false;
    ParkingSpot spot;
    bool listens() const noexcept { return !closed && !cut; }
  };

  Impl(std::size_t n, std::size_t r, bool c) : branches(n), open(n), room(r), cut_slow(c) {}

  void wake_all() noexcept {
    for (Branch& branch : branches)
      if (branch.parked) branch.spot.notify();
  }
  /// Makes sure that every branch has room for one more; false when one has to be waited for.
  bool make_room() noexcept {
    bool all = true;
    for (Branch& branch : branches) {
      if (!branch.listens() || branch.waiting < room) continue;
      if (cut_slow)
        branch.cut = true;
      else
        all = false;
    }
    return all;
  }

  mutable std::mutex mutex;
  std::deque<Branch> branches;
  std::size_t open;
  const std::size_t room;
  const bool cut_slow;
  bool pulling = false;
  bool over = false;
  std::optional<Failure> failure;
};

TeeGate::TeeGate(std::size_t branches, std::size_t room, bool cut_slow)
    : impl_(std::make_unique<Impl>(branches, room, cut_slow)) {}
TeeGate::~TeeGate() = default;

TeeGate::Turn TeeGate::turn(std::size_t index) {
  Impl& self = *impl_;
  Impl::Branch& branch = self.branches[index];
  std::unique_lock lock(self.mutex);
  for (;;) {
    if (branch.waiting > 0) {
      if (branch.waiting-- == self.room) self.wake_all();
      return Turn::take;
    }
    if (branch.cut || self.over) {
      if (branch.cut)
        raise(Error(ErrorCode::resource_exhausted,
                    "this branch of a tee fell more than " + std::to_string(self.room) +
                        " elements behind and was cut; pull it sooner or raise TeeOptions::buffer"));
      if (self.failure) rethrow(*self.failure);
      return Turn::end;
    }
    if (!self.pulling && self.make_room()) {
      self.pulling = true;
      return Turn::pull;
    }
    branch.parked = true;
    lock.unlock();
    const Wake wake = branch.spot.wait();
    lock.lock();
    branch.parked = false;
    if (wake == Wake::notified) continue;
    self.wake_all();  // a notification that this wait may have swallowed
    lock.unlock();
    throw_if_interrupted(wake);
    lock.lock();
  }
}

bool TeeGate::wants(std::size_t index) const noexcept {
  const std::lock_guard lock(impl_->mutex);
  return impl_->branches[index].listens();
}

void TeeGate::delivered() noexcept {
  const std::lock_guard lock(impl_->mutex);
  impl_->pulling = false;
  for (Impl::Branch& branch : impl_->branches)
    if (branch.listens()) ++branch.waiting;
  impl_->wake_all();
}

void TeeGate::ended(std::optional<Failure> failure) noexcept {
  const std::lock_guard lock(impl_->mutex);
  impl_->pulling = false;
  impl_->over = true;
  impl_->failure = std::move(failure);
  impl_->wake_all();
}

void TeeGate::gave_up() noexcept {
  const std::lock_guard lock(impl_->mutex);
  impl_->pulling = false;
  impl_->wake_all();
}

bool TeeGate::close(std::size_t index) noexcept {
  const std::lock_guard lock(impl_->mutex);
  impl_->branches[index].closed = true;
  impl_->wake_all();
  return --impl_->open == 0;
}

bool may_be_own_interruption(const Error& error) noexcept {
  return (error.code() == ErrorCode::cancelled || error.code() == ErrorCode::deadline_exceeded) &&
         interruption(current_context()) != Wake::notified;
}

}  // namespace beluga::detail
