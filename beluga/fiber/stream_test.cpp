#include "beluga/fiber/stream.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "beluga/fiber/channel.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;

Stream<int> count_to(int n) {
  return Stream<int>::generate([n](Yield<int>& yield) {
    for (int i = 1; i <= n; ++i) yield(i);
  });
}

TEST(Stream, DeliversEachElementOnAFiberAndOnAPlainThread) {
  std::vector<int> seen;
  for (const int n : count_to(5)) seen.push_back(n);
  Runtime runtime{{.workers = 1}};
  runtime.run([&] {
    for (const int n : count_to(3)) seen.push_back(n);
  });
  EXPECT_EQ(seen, (std::vector{1, 2, 3, 4, 5, 1, 2, 3}));
}

TEST(Stream, GeneratorsNest) {
  Runtime runtime{{.workers = 1}};
  const int sum = runtime.run([] {
    auto doubled = Stream<int>::generate([](Yield<int>& yield) {
      for (const int n : count_to(100)) yield(2 * n);
    });
    auto shifted = Stream<int>::generate([source = std::move(doubled)](Yield<int>& yield) mutable {
      for (const int n : source) {
        yield_now();
        yield(n + 1);
      }
    });
    int total = 0;
    for (const int n : shifted) total += n;
    return total;
  });
  EXPECT_EQ(sum, 10100 + 100);
}

TEST(Stream, ThrowsTheErrorOfItsBodyOnceAfterTheElementsBeforeIt) {
  auto stream = Stream<int>::generate([](Yield<int>& yield) {
    yield(1);
    raise(Error(ErrorCode::data_loss, "cut"));
  });
  ASSERT_NE(stream.next(), nullptr);
  const auto result = attempt([&] { stream.next(); });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::data_loss);
  EXPECT_EQ(stream.next(), nullptr);
}

TEST(Stream, DestroyingItCancelsAndUnwindsTheBody) {
  struct Guard {
    bool& flag;
    ~Guard() { flag = true; }
  };
  for (const bool on_fiber : {false, true}) {
    bool unwound = false;
    std::optional<ErrorCode> code;
    const auto use = [&] {
      auto stream = Stream<int>::generate([&](Yield<int>& yield) {
        const Guard guard{unwound};
        yield(1);
        yield(2);
      });
      stream.next();
      EXPECT_FALSE(unwound);
    };
    Runtime runtime{{.workers = 1}};
    if (on_fiber)
      runtime.run(use);
    else
      use();
    EXPECT_TRUE(unwound);
  }
}

TEST(Stream, ThePullersDeadlineBoundsItsWaitAndThePullCanBeTakenUpAgain) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .clock = &clock}};
  runtime.run([] {
    auto stream = Stream<int>::generate([](Yield<int>& yield) {
      sleep_for(10s);
      yield(7);
    });
    {
      const ContextScope scope(Context::current().with_timeout(1s));
      const auto result = attempt([&] { stream.next(); });
      ASSERT_FALSE(result.ok());
      EXPECT_EQ(result.error().code(), ErrorCode::deadline_exceeded);
    }
    const int* n = stream.next();
    ASSERT_NE(n, nullptr);
    EXPECT_EQ(*n, 7);
  });
}

TEST(Channel, CarriesElementsBetweenFibersAndThreads) {
  Runtime runtime{{.workers = 2}};
  for (const std::size_t capacity : {0u, 1u, 16u}) {
    Channel<int> channel(capacity);
    std::thread producer([&] {
      for (int i = 1; i <= 1000; ++i) channel.send(i);
      channel.close();
    });
    const int sum = runtime.run([&] {
      int total = 0;
      while (auto n = channel.receive()) total += *n;
      return total;
    });
    producer.join();
    EXPECT_EQ(sum, 500500);
  }
}

}  // namespace
}  // namespace beluga
