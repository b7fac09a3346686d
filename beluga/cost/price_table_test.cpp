#include "beluga/cost/price_table.hpp"

#include <gtest/gtest.h>

#include "beluga/base/error.hpp"
#include "beluga/base/result.hpp"

namespace beluga {
namespace {

TEST(PriceTable, ComputesExactlyWhatEachKindOfTokenCosts) {
  const Price price{.input = Usd::parse("2.5"),
                    .cache_read = Usd::parse("0.025"),
                    .cache_write = Usd::parse("3.125"),
                    .output = Usd::parse("10")};
  EXPECT_EQ(cost_of(price, {.input = 1}), Usd::parse("0.0000025"));
  EXPECT_EQ(cost_of(price, {.cache_read = 1}), Usd::parse("0.000000025"));
  EXPECT_EQ(
      cost_of(price, {.input = 1000, .cache_read = 200, .cache_write = 8, .output = 30, .reasoning = 12}),
      Usd::parse("0.00295"));
}

TEST(PriceTable, GuessesNothing) {
  const PriceTable& table = PriceTable::builtin();
  for (const char* model : {"openai/gpt-4o-realtime", "openai/gpt-4", "gpt-4o", "azure/gpt-4o", "openai/", "",
                            "openai/gpt-4o-2024", "openai/gpt-4o-1234-56-78", "openai/gpt-4o-12345678"})
    EXPECT_EQ(table.find(model), nullptr) << model;
  const Price no_cache{.input = Usd::parse("1"), .output = Usd::parse("1")};
  EXPECT_EQ(cost_of(no_cache, {.input = 10, .cache_read = 1}), std::nullopt);
  EXPECT_EQ(cost_of(no_cache, {}), std::nullopt);  // a call without tokens was not reported
  EXPECT_EQ(cost_of(no_cache, {.input = -5, .output = 10}), std::nullopt);
  EXPECT_EQ(cost_of({.input = Usd::parse("9000")}, {.input = INT64_MAX}), std::nullopt);
}

TEST(PriceTable, ADatedSnapshotCostsWhatItsModelCosts) {
  const PriceTable& table = PriceTable::builtin();
  EXPECT_EQ(table.find("openai/gpt-4o-2024-08-06"), table.find("openai/gpt-4o"));
  EXPECT_EQ(table.find("anthropic/claude-haiku-4-5-20251001"), table.find("anthropic/claude-haiku-4-5"));
  EXPECT_NE(table.find("openai/gpt-4o-mini"), table.find("openai/gpt-4o"));
}

TEST(PriceTable, ARowOfOnesOwnReplacesTheBuiltInOne) {
  PriceTable table = PriceTable::builtin();
  table.set("openai/gpt-4o", {.input = Usd::parse("1"), .output = Usd::parse("2")});
  EXPECT_EQ(table.cost("openai/gpt-4o", {.input = 1'000'000}), Usd::parse("1"));
  EXPECT_EQ(PriceTable::builtin().cost("openai/gpt-4o", {.input = 1'000'000}), Usd::parse("2.5"));
}

TEST(PriceTable, RefusesPricesThatWouldLoseTheirLastDigits) {
  PriceTable table;
  EXPECT_FALSE(attempt([&] { table.set("a/b", {.input = Usd::parse("0.0000001")}); }).ok());
  EXPECT_FALSE(attempt([&] { table.set("no-provider", {}); }).ok());
  EXPECT_FALSE(attempt([&] { table.set("a/b", {.output = Usd() - Usd::parse("1")}); }).ok());
  EXPECT_TRUE(table.rows().empty());
}

TEST(PriceTable, EveryBuiltInRowSaysItsDay) {
  for (const auto& [model, price] : PriceTable::builtin().rows()) {
    EXPECT_EQ(price.as_of.size(), 10U) << model;
    EXPECT_GT(price.output, price.input) << model;
    if (price.cache_read) {
      EXPECT_LT(*price.cache_read, price.input) << model;
    }
  }
}

}  // namespace
}  // namespace beluga
