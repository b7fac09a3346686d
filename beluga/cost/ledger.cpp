#include "beluga/cost/ledger.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <utility>
#include <vector>

#include "beluga/base/error.hpp"
#include "beluga/fiber/future.hpp"

namespace beluga {

namespace {

constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

/// One kind of thing that is spent, in units.
struct Account {
  std::int64_t limit = kUnlimited;
  std::int64_t spent = 0;
  std::int64_t held = 0;

  bool limited() const noexcept { return limit != kUnlimited; }
  std::int64_t left() const noexcept { return limited() ? limit - std::min(spent, limit) : kUnlimited; }
  std::int64_t free() const noexcept { return limited() ? left() - std::min(held, left()) : kUnlimited; }
  void hold(std::int64_t units) noexcept {
    if (limited()) held += units;
  }
};

std::int64_t plus(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? kUnlimited : sum;
}

}  // namespace

struct Ledger::Impl {
  Error refusal(std::string_view purpose, const Spend& least) const {
    if (tokens.limited() && (tokens.left() == 0 || tokens.left() < least.tokens))
      return Error(
          ErrorCode::resource_exhausted,
          fmt::format("token budget of {} cannot pay for {}: {} spent, {} left, at least {} needed; raise "
                      "Budget::max_tokens",
                      tokens.limit, purpose, tokens.spent, tokens.left(),
                      std::max<std::int64_t>(least.tokens, 1)));
    return Error(
        ErrorCode::resource_exhausted,
        fmt::format("cost budget of ${} cannot pay for {}: ${} spent, at least ${} needed; raise "
                    "Budget::max_cost",
                    Usd::pico(cost.limit).text(), purpose, Usd::pico(cost.spent).text(), least.cost.text()));
  }
  bool enough_left(const Spend& least) const noexcept {
    return tokens.left() >= std::max<std::int64_t>(least.tokens, 1) &&
           cost.left() >= std::max<std::int64_t>(least.cost.pico(), 1);
  }
  bool enough_free(const Spend& least) const noexcept {
    return tokens.free() >= std::max<std::int64_t>(least.tokens, 1) &&
           cost.free() >= std::max<std::int64_t>(least.cost.pico(), 1);
  }
  /// Gives back `granted`, books `spent`, and lets those who wait look again.
  void close(const Spend& granted, const Spend& spent) noexcept {
    std::vector<Promise<void>> awake;
    {
      const std::lock_guard lock(mutex);
      tokens.hold(-granted.tokens);
      cost.hold(-granted.cost.pico());
      tokens.spent = plus(tokens.spent, std::max<std::int64_t>(spent.tokens, 0));
      cost.spent = plus(cost.spent, std::max<std::int64_t>(spent.cost.pico(), 0));
      awake.swap(waiting);
    }
    for (Promise<void>& promise : awake) promise.set();
  }

  mutable std::mutex mutex;  // leaf
  Account tokens;
  Account cost;  // in 10^-12 dollars
  std::vector<Promise<void>> waiting;
  std::shared_ptr<Ledger> parent;
};

Ledger::Ledger(Limits limits, std::shared_ptr<Ledger> parent) : impl_(std::make_unique<Impl>()) {
  if (limits.max_tokens > 0) impl_->tokens.limit = limits.max_tokens;
  if (limits.max_cost) impl_->cost.limit = limits.max_cost->pico();
  impl_->parent = std::move(parent);
}
Ledger::~Ledger() = default;

Ledger::Reservation Ledger::reserve(const Spend& least, const Spend& wanted, std::string_view purpose) {
  Impl& self = *impl_;
  std::unique_lock lock(self.mutex);
  for (;;) {
    if (!self.enough_left(least)) throw self.refusal(purpose, least);
    if (self.enough_free(least)) break;
    const Future<void> freed = self.waiting.emplace_back().future();
    lock.unlock();
    freed.get();
    lock.lock();
  }
  Spend granted{.tokens = std::min(wanted.tokens, self.tokens.free()),
                .cost = Usd::pico(std::min(wanted.cost.pico(), self.cost.free()))};
  self.tokens.hold(granted.tokens);
  self.cost.hold(granted.cost.pico());
  lock.unlock();

  Reservation reservation(this, granted);
  if (self.parent == nullptr) return reservation;
  reservation.outer_ = std::make_shared<Reservation>(self.parent->reserve(least, granted, purpose));
  reservation.granted_ = reservation.outer_->granted();
  lock.lock();  // what the parent has not granted need not be held here
  self.tokens.hold(reservation.granted_.tokens - granted.tokens);
  self.cost.hold(reservation.granted_.cost.pico() - granted.cost.pico());
  std::vector<Promise<void>> awake = std::exchange(self.waiting, {});
  lock.unlock();
  for (Promise<void>& promise : awake) promise.set();
  return reservation;
}

Spend& Spend::operator+=(const Spend& more) noexcept {
  tokens = plus(tokens, more.tokens);
  cost = Usd::pico(plus(cost.pico(), more.cost.pico()));
  return *this;
}

Ledger::Limits Ledger::within(const Reservation& held) const noexcept {
  Limits limits;
  if (limits_tokens()) limits.max_tokens = std::max<std::int64_t>(held.granted().tokens, 1);
  if (limits_cost()) limits.max_cost = held.granted().cost;
  return limits;
}

Spend Ledger::spent() const noexcept {
  const std::lock_guard lock(impl_->mutex);
  return {.tokens = impl_->tokens.spent, .cost = Usd::pico(impl_->cost.spent)};
}

void Ledger::check(std::string_view purpose) const {
  {
    const std::lock_guard lock(impl_->mutex);
    if (!impl_->enough_left({})) throw impl_->refusal(purpose, {});
  }
  if (impl_->parent) impl_->parent->check(purpose);
}

bool Ledger::limits_tokens() const noexcept {
  return impl_->tokens.limited() || (impl_->parent && impl_->parent->limits_tokens());
}

bool Ledger::limits_cost() const noexcept {
  return impl_->cost.limited() || (impl_->parent && impl_->parent->limits_cost());
}

Ledger::Reservation::Reservation(Reservation&& other) noexcept
    : ledger_(std::exchange(other.ledger_, nullptr)),
      granted_(other.granted_),
      outer_(std::move(other.outer_)) {}

Ledger::Reservation::~Reservation() {
  if (ledger_ != nullptr) settle({});
}

void Ledger::Reservation::settle(const Spend& spent) noexcept {
  if (ledger_ == nullptr) return;
  if (outer_) outer_->settle(spent);
  std::exchange(ledger_, nullptr)->impl_->close(granted_, spent);
}

}  // namespace beluga
