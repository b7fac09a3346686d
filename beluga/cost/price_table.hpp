#pragma once
/// `PriceTable`: what models cost, so that a run can say what it spent.
///
///     PriceTable prices = PriceTable::builtin();
///     prices.set("openai/my-model", {.input = Usd::parse("0.5"), .output = Usd::parse("2")});
///     std::optional<Usd> cost = prices.cost("openai/my-model", {.input = 1200, .output = 80});
///
/// A model that the table does not name, or a kind of token it has no price for, has no cost. The name is all
/// that it goes by: who serves "openai/gpt-4o" from another address than OpenAI's, the table cannot see. The
/// built-in rows are list prices (standard service tier, no discounts) as their providers published
/// them on the day in Price::as_of; prices change, so that whoever bills by them keeps a table of his own. A
/// model whose price depends on the length of the prompt is left out. Thread-safety: const members from
/// anywhere; set() before it is shared.

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "beluga/contract/message.hpp"
#include "beluga/contract/usd.hpp"

namespace beluga {

/// US dollars for a million tokens.
struct Price {
  Usd input{};                      ///< prompt tokens that no cache served
  std::optional<Usd> cache_read{};  ///< nullopt: not known, so that a call with such tokens has no known cost
  std::optional<Usd> cache_write{};  ///< the provider's default lifetime
  Usd output{};                      ///< visible output and reasoning alike
  std::string as_of{};               ///< "2026-11-05"; empty: unknown
};

class PriceTable {
 public:
  PriceTable() = default;  ///< knows nothing
  static const PriceTable& builtin();

  /// `model` is "provider/model". Throws Error{invalid_argument} for a name without '/', or a price that is
  /// negative or no multiple of $0.000001 a million (the rest would be lost).
  void set(std::string model, Price price);
  /// Also finds the dated snapshot of a model: "openai/gpt-4o-2024-08-06" is "openai/gpt-4o" unless it has a
  /// row of its own. Null when unknown.
  const Price* find(std::string_view model) const;
  std::optional<Usd> cost(std::string_view model, const Usage& usage) const;

  const std::map<std::string, Price, std::less<>>& rows() const noexcept { return rows_; }

 private:
  std::map<std::string, Price, std::less<>> rows_;
};

/// Exact. Nullopt when a kind of token that was used has no price, or when the usage was not reported.
std::optional<Usd> cost_of(const Price& price, const Usage& usage) noexcept;

}  // namespace beluga
