#include "beluga/cost/ledger.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "beluga/base/result.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"

namespace beluga {
namespace {

using testing::HasSubstr;

TEST(Ledger, GrantsWhatIsLeftAndBooksWhatWasSpent) {
  Ledger ledger({.max_tokens = 100});
  auto first = ledger.reserve({.tokens = 10}, {.tokens = 80}, "a call");
  EXPECT_EQ(first.granted().tokens, 80);
  first.settle({.tokens = 30});
  EXPECT_EQ(ledger.spent().tokens, 30);
  EXPECT_EQ(ledger.reserve({.tokens = 10}, {.tokens = 80}, "a call").granted().tokens, 70);
  EXPECT_EQ(ledger.reserve({}, {.tokens = 70}, "a call").granted().tokens,
            70);  // the last was given back unspent
}

TEST(Ledger, RefusesWhatCannotBePaidAndNamesTheRemedy) {
  Ledger ledger({.max_tokens = 100, .max_cost = Usd::parse("0.01")});
  ledger.reserve({}, {.tokens = 90}, "a call").settle({.tokens = 90, .cost = Usd::parse("0.004")});
  auto refused = attempt([&] { ledger.reserve({.tokens = 11}, {.tokens = 50}, "step 2"); });
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::resource_exhausted);
  EXPECT_THAT(refused.error().message(), HasSubstr("token budget of 100 cannot pay for step 2"));
  EXPECT_THAT(refused.error().message(), HasSubstr("Budget::max_tokens"));
  refused = attempt([&] { ledger.reserve({.cost = Usd::parse("0.0061")}, {}, "step 2"); });
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), HasSubstr("cost budget of $0.01"));
  EXPECT_TRUE(attempt([&] { ledger.check("more"); }).ok());
  ledger.reserve({}, {}, "over").settle({.tokens = 500});
  EXPECT_FALSE(attempt([&] { ledger.check("more"); }).ok());
}

TEST(Ledger, WaitsForWhatOthersHaveSetAside) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    Ledger ledger({.max_tokens = 100});
    auto held = ledger.reserve({}, {.tokens = 100}, "first");
    Scope scope;
    const auto second =
        scope.spawn("second", [&] { return ledger.reserve({}, {.tokens = 60}, "second").granted().tokens; });
    for (int i = 0; i < 5; ++i) yield_now();
    EXPECT_FALSE(second.ready());
    held.settle({.tokens = 50});
    EXPECT_EQ(second.get(), 50);
  });
}

TEST(Ledger, AWaitEndsWithTheContext) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .clock = &clock}};
  runtime.run([] {
    Ledger ledger({.max_tokens = 1});
    const auto held = ledger.reserve({}, {.tokens = 1}, "first");
    const ContextScope soon(Context::current().with_timeout(std::chrono::seconds(1)));
    const auto second = attempt([&] { ledger.reserve({}, {.tokens = 1}, "second"); });
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code(), ErrorCode::deadline_exceeded);
  });
}

TEST(Ledger, AChildSpendsFromItsParentToo) {
  const auto parent = std::make_shared<Ledger>(Ledger::Limits{.max_tokens = 100});
  Ledger child({.max_tokens = 80}, parent);
  EXPECT_TRUE(child.limits_tokens());
  EXPECT_FALSE(child.limits_cost());
  parent->reserve({}, {.tokens = 40}, "the parent's own").settle({.tokens = 40});
  auto held = child.reserve({}, {.tokens = 1000}, "a call");
  EXPECT_EQ(held.granted().tokens, 60);
  held.settle({.tokens = 60});
  EXPECT_EQ(parent->spent().tokens, 100);
  const auto refused = attempt([&] { child.reserve({}, {.tokens = 1}, "a call"); });
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), HasSubstr("token budget of 100"));
}

TEST(Ledger, ManySpendersNeverOverdrawIt) {
  constexpr std::int64_t kBudget = 10'000;
  Runtime runtime{{.workers = 3}};
  const auto parent = std::make_shared<Ledger>(Ledger::Limits{.max_tokens = kBudget});
  std::atomic<std::int64_t> total{0};
  std::vector<std::thread> users;
  for (int t = 0; t < 4; ++t)
    users.emplace_back([&, t] {
      runtime.run([&, t] {
        Scope scope;
        for (int i = 0; i < 8; ++i)
          scope.spawn("spender", [&, n = 7 + t * 8 + i] {
            Ledger own({.max_tokens = kBudget / 2}, parent);
            const auto spending = attempt([&] {
              for (;;) {
                auto held = own.reserve({.tokens = 1}, {.tokens = n}, "a call");
                yield_now();
                const std::int64_t used = held.granted().tokens;
                total += used;
                held.settle({.tokens = used});
              }
            });
            EXPECT_EQ(spending.error().code(), ErrorCode::resource_exhausted);
          });
        scope.join();
      });
    });
  for (std::thread& user : users) user.join();
  EXPECT_EQ(total, kBudget);
  EXPECT_EQ(parent->spent().tokens, kBudget);
}

// Who waits here for what this ledger had set aside, and its parent then has not granted, goes on at once.
TEST(Ledger, WhatTheParentDoesNotGrantIsFreeForOthers) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    const auto parent = std::make_shared<Ledger>(Ledger::Limits{.max_tokens = 100});
    Ledger child({.max_tokens = 100}, parent);
    auto sixty = parent->reserve({}, {.tokens = 60}, "another's");
    auto forty = parent->reserve({}, {.tokens = 40}, "another's");
    Scope scope;
    const auto reserve = [&] {
      return std::make_shared<Ledger::Reservation>(child.reserve({}, {.tokens = 100}, "a call"));
    };
    const auto first = scope.spawn("first", reserve);
    const auto second = scope.spawn("second", reserve);
    for (int i = 0; i < 5; ++i) yield_now();
    EXPECT_FALSE(first.ready() || second.ready());
    sixty.settle({.tokens = 50});
    EXPECT_EQ(first.get()->granted().tokens, 10);
    forty.settle({});
    for (int i = 0; i < 5; ++i) yield_now();
    ASSERT_TRUE(second.ready());
    EXPECT_EQ(second.get()->granted().tokens, 40);
  });
}

TEST(Ledger, WhatIsDoneUnderAReservationHasItsLimits) {
  const auto parent = std::make_shared<Ledger>(Ledger::Limits{.max_cost = Usd::parse("0.5")});
  Ledger ledger({.max_tokens = 100}, parent);
  const auto held = ledger.reserve({}, {.tokens = 150, .cost = Usd::parse("0.2")}, "a call");
  const Ledger::Limits limits = ledger.within(held);
  EXPECT_EQ(limits.max_tokens, 100);
  EXPECT_EQ(limits.max_cost, Usd::parse("0.2"));  // its parent's limit counts
  Ledger free({});
  const auto granted = free.reserve({}, {.tokens = 150}, "a call");
  EXPECT_EQ(free.within(granted).max_tokens, 0);
  EXPECT_EQ(free.within(granted).max_cost, std::nullopt);
}

TEST(Ledger, SumsOfWhatWasSpentEndAtTheMost) {
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  Spend sum{.tokens = kMost, .cost = Usd::pico(kMost)};
  sum += {.tokens = 1, .cost = Usd::pico(1)};
  EXPECT_EQ(sum.tokens, kMost);
  EXPECT_EQ(sum.cost, Usd::pico(kMost));
}

}  // namespace
}  // namespace beluga
