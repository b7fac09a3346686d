#pragma once
/// `Ledger`: a budget of tokens and dollars that several spenders share without overdrawing it.
///
///     Ledger ledger({.max_tokens = 10'000});
///     Ledger::Reservation held = ledger.reserve({.tokens = 100}, {.tokens = 2'000}, "a model call");
///     held.settle({.tokens = 1'500});  // else the destructor gives all of it back
///
/// A reservation is refused only when what has been *spent* leaves too little. When the rest is merely set
/// aside by others, it waits until they settle. So whoever holds a reservation must not ask the same ledger
/// (or one below it) for another before it has settled: it may wait for itself. Work that is done under a
/// reservation spends from a ledger of its own, `within` that. A ledger may have a parent, from which each
/// reservation takes its share too: a run and the runs it starts. Thread-safety: all members from any fiber or
/// thread.

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "beluga/contract/usd.hpp"

namespace beluga {

struct Spend {
  std::int64_t tokens = 0;
  Usd cost{};
  /// Saturating.
  Spend& operator+=(const Spend& more) noexcept;
};

class Ledger {
 public:
  struct Limits {
    std::int64_t max_tokens = 0;    ///< 0: none
    std::optional<Usd> max_cost{};  ///< nullopt: none
  };
  explicit Ledger(Limits limits, std::shared_ptr<Ledger> parent = nullptr);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  /// Must not outlive its ledger.
  class Reservation {
   public:
    Reservation(Reservation&& other) noexcept;
    Reservation& operator=(Reservation&&) = delete;
    ~Reservation();
    /// Between `least` and `wanted`; what has no limit is granted in full.
    const Spend& granted() const noexcept { return granted_; }
    /// What was spent instead, which may be more: then the ledger is overdrawn, and says no from then on.
    void settle(const Spend& spent) noexcept;

   private:
    friend class Ledger;
    Reservation(Ledger* ledger, Spend granted) noexcept : ledger_(ledger), granted_(granted) {}
    Ledger* ledger_;
    Spend granted_;
    std::shared_ptr<Reservation> outer_;  // of the parent
  };

  /// Throws Error{resource_exhausted}, which names `purpose` and the limit. Obeys the current context while
  /// it waits.
  Reservation reserve(const Spend& least, const Spend& wanted, std::string_view purpose);
  Spend spent() const noexcept;
  /// The limits of a ledger for what is done under `held`, a reservation of this one: what was granted, where
  /// there is a limit. Its spent() goes into what `held` settles.
  Limits within(const Reservation& held) const noexcept;
  /// Throws as reserve() does when nothing is left.
  void check(std::string_view purpose) const;
  /// Whether this ledger or one above it has a limit of that kind.
  bool limits_tokens() const noexcept;
  bool limits_cost() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace beluga
