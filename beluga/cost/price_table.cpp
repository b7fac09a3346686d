#include "beluga/cost/price_table.hpp"

#include <algorithm>
#include <utility>

#include "beluga/base/error.hpp"

namespace beluga {
namespace {

constexpr std::int64_t kTokens = 1'000'000;  // prices are for so many

struct Row {
  const char* model;
  const char* input;
  const char* cache_read;   // null: there is none
  const char* cache_write;  // null: there is none
  const char* output;
};

// developers.openai.com/api/docs/pricing, standard tier, as two third parties agree to have read it that month; no charge
// for writing the cache.
constexpr const char* kOpenAiAsOf = "2026-03-21";
constexpr Row kOpenAi[] = {
    {"gpt-4o", "2.50", "1.25", nullptr, "10"},
    {"gpt-4o-mini", "0.15", "0.075", nullptr, "0.60"},
    {"gpt-4.1", "2", "0.50", nullptr, "8"},
    {"gpt-4.1-mini", "0.40", "0.10", nullptr, "1.60"},
    {"gpt-4.1-nano", "0.10", "0.025", nullptr, "0.40"},
    {"gpt-5", "1.25", "0.125", nullptr, "10"},
    {"gpt-5-mini", "0.25", "0.025", nullptr, "2"},
    {"gpt-5-nano", "0.05", "0.005", nullptr, "0.40"},
    {"gpt-5.4-mini", "0.75", "0.075", nullptr, "4.50"},
    {"gpt-5.4-nano", "0.20", "0.02", nullptr, "1.25"},
    {"o4-mini", "1.10", "0.275", nullptr, "4.40"},
};

// platform.claude.com/docs/en/about-claude/pricing, read as a stored copy; cache writes that live five minutes.
constexpr const char* kAnthropicAsOf = "2026-10-24";
constexpr Row kAnthropic[] = {
    {"claude-opus-5", "5", "0.50", "6.25", "25"},     {"claude-opus-4-8", "5", "0.50", "6.25", "25"},
    {"claude-opus-4-7", "5", "0.50", "6.25", "25"},   {"claude-opus-4-6", "5", "0.50", "6.25", "25"},
    {"claude-opus-4-5", "5", "0.50", "6.25", "25"},   {"claude-opus-4-1", "15", "1.50", "18.75", "75"},
    {"claude-sonnet-4-6", "3", "0.30", "3.75", "15"}, {"claude-sonnet-4-5", "3", "0.30", "3.75", "15"},
    {"claude-haiku-4-5", "1", "0.10", "1.25", "5"},
};

template <std::size_t N>
void add(PriceTable& table, std::string_view provider, const Row (&rows)[N], const char* as_of) {
  const auto amount = [](const char* text) {
    return text != nullptr ? std::optional(Usd::parse(text)) : std::nullopt;
  };
  for (const Row& row : rows)
    table.set(std::string(provider) + "/" + row.model, {.input = Usd::parse(row.input),
                                                        .cache_read = amount(row.cache_read),
                                                        .cache_write = amount(row.cache_write),
                                                        .output = Usd::parse(row.output),
                                                        .as_of = as_of});
}

bool digits(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// "gpt-4o-2024-08-06" and "claude-haiku-4-5-20251001" without the date; empty when there is none.
std::string_view without_date(std::string_view model) noexcept {
  const auto ends_in = [model](std::string_view form) {
    if (model.size() <= form.size()) return false;
    const std::string_view end = model.substr(model.size() - form.size());
    for (std::size_t i = 0; i < form.size(); ++i)
      if (form[i] == '-' ? end[i] != '-' : !digits(end.substr(i, 1))) return false;
    return end.substr(1, 2) == "20";
  };
  for (const std::string_view form : {"-9999-99-99", "-99999999"})
    if (ends_in(form)) return model.substr(0, model.size() - form.size());
  return {};
}

}  // namespace

const PriceTable& PriceTable::builtin() {
  static const PriceTable kTable = [] {
    PriceTable table;
    add(table, "openai", kOpenAi, kOpenAiAsOf);
    add(table, "anthropic", kAnthropic, kAnthropicAsOf);
    return table;
  }();
  return kTable;
}

void PriceTable::set(std::string model, Price price) {
  const std::size_t slash = model.find('/');
  if (slash == 0 || slash == std::string::npos || slash + 1 == model.size())
    throw Error(ErrorCode::invalid_argument, "price of '" + model + "': name the model as provider/model");
  const auto check = [&model](const std::optional<Usd>& amount) {
    if (amount && (*amount < Usd() || amount->pico() % kTokens != 0))
      throw Error(ErrorCode::invalid_argument,
                  "price of '" + model + "': $" + amount->text() +
                      " a million tokens; write an amount from 0 with at most six decimals");
  };
  check(price.input);
  check(price.output);
  check(price.cache_read);
  check(price.cache_write);
  rows_.insert_or_assign(std::move(model), std::move(price));
}

const Price* PriceTable::find(std::string_view model) const {
  auto found = rows_.find(model);
  if (found == rows_.end())
    if (const std::string_view undated = without_date(model); !undated.empty()) found = rows_.find(undated);
  return found != rows_.end() ? &found->second : nullptr;
}

std::optional<Usd> PriceTable::cost(std::string_view model, const Usage& usage) const {
  const Price* const price = find(model);
  return price != nullptr ? cost_of(*price, usage) : std::nullopt;
}

std::optional<Usd> cost_of(const Price& price, const Usage& usage) noexcept {
  if (usage.total() <= 0) return std::nullopt;  // every call has a prompt: the provider did not say
  std::int64_t sum = 0;
  const auto add = [&sum](std::int64_t tokens, const std::optional<Usd>& each) {
    if (tokens == 0) return true;
    std::int64_t part = 0;
    return tokens > 0 && each && !__builtin_mul_overflow(tokens, each->pico() / kTokens, &part) &&
           !__builtin_add_overflow(sum, part, &sum);
  };
  if (!add(usage.input, price.input) || !add(usage.cache_read, price.cache_read) ||
      !add(usage.cache_write, price.cache_write) || !add(usage.output, price.output) ||
      !add(usage.reasoning, price.output))
    return std::nullopt;
  return Usd::pico(sum);
}

}  // namespace beluga
