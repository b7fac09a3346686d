#include "beluga/fiber/internal/stack.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <csignal>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "beluga/fiber/fault.hpp"
#include "beluga/fiber/internal/sanitizer.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/stream.hpp"
#include "beluga/fiber/stream_algorithms.hpp"

namespace beluga {
namespace {

// Not inlined and not a tail call: each level costs its frame.
[[gnu::noinline]] int recurse(int depth, volatile char* above) {
  volatile char frame[512];
  frame[0] = above != nullptr ? above[0] : 'x';
  if (depth == 0) return frame[0];
  const int below = recurse(depth - 1, frame);
  return below + frame[0];
}

[[gnu::noinline]] int recurse_and_yield(int depth) {
  volatile char frame[512];
  frame[0] = 1;
  if (depth == 0)
    yield_now();
  else
    frame[0] = static_cast<char>(recurse_and_yield(depth - 1));
  return frame[0];
}

std::size_t resident(const detail::Stack& stack) {
  std::vector<unsigned char> pages(stack.size / 4096);
  ::mincore(stack.base, stack.size, pages.data());
  std::size_t bytes = 0;
  for (const unsigned char page : pages) bytes += (page & 1) * std::size_t{4096};
  return bytes;
}

void overflow_with_a_guard() {
  install_fault_reporter();
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    Scope scope;
    scope.spawn("deep diver", [] { return recurse(1'000'000, nullptr); });
    scope.join();
  });
}

void overflow_without_a_guard() {
  detail::set_guarded_stack_limit(0);
  Runtime runtime{{.workers = 1, .stack_size = std::size_t{64} * 1024}};
  runtime.run([] {
    Scope scope;
    // The stacks above are in use, so that the overflow runs into a neighbour rather than into nothing.
    for (int i = 0; i < 4; ++i) scope.spawn("neighbour", [] { yield_now(); });
    scope.spawn("deep diver", [] { return recurse_and_yield(125); });
    scope.spawn("neighbour", [] { yield_now(); });
    scope.join();
  });
}

void fault_elsewhere() {
  install_fault_reporter();
  volatile std::uintptr_t address = 16;  // volatile: the optimiser must not see that nothing is there
  *reinterpret_cast<volatile int*>(address) = 1;
}

TEST(Stack, AGuardedOverflowNamesTheFiber) {
  if (detail::kSanitized) GTEST_SKIP() << "the sanitizers report overflows themselves";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(overflow_with_a_guard(), "fiber 'deep diver' overflowed its stack of 256 KiB");
}

TEST(Stack, TheFaultReporterPassesOtherFaultsOn) {
  if (detail::kSanitized) GTEST_SKIP() << "the sanitizers have their own handler";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(fault_elsewhere(), testing::KilledBySignal(SIGSEGV), "");
}

TEST(Stack, AnOverflowWithoutAGuardIsCaughtAtTheNextSwitch) {
  if (detail::kSanitized) GTEST_SKIP() << "frames of a sanitizer differ";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(overflow_without_a_guard(), "fiber '.*' overflowed its stack of 64 KiB");
}

TEST(Stack, TheCanaryRemembersAnOverflowThatHasPassed) {
  detail::set_guarded_stack_limit(0);
  detail::StackPool pool(64 * 1024);
  const detail::Stack stack = pool.take();
  EXPECT_FALSE(stack.guarded);
  EXPECT_TRUE(detail::stack_intact(stack, stack.top() - 64));
  EXPECT_FALSE(detail::stack_intact(stack, stack.base - 8));
  stack.base[8] = std::byte{1};
  EXPECT_FALSE(detail::stack_intact(stack, stack.top() - 64));
  detail::set_guarded_stack_limit(25'000);
}

TEST(Stack, PagesOfADeepUseAreGivenBack) {
  detail::StackPool pool(256 * 1024);
  detail::Stack stack = pool.take();
  std::memset(stack.base + 1024, 1, stack.size - 1024);
  EXPECT_GT(resident(stack), 200'000u);
  pool.give(stack);
  EXPECT_LE(resident(stack), 16'384u);
  EXPECT_EQ(pool.take().base, stack.base);
  pool.give(stack);
}

TEST(Stack, ShallowUseKeepsItsPagesWarm) {
  detail::StackPool pool(256 * 1024);
  detail::Stack stack = pool.take();
  std::memset(stack.top() - 8192, 1, 8192);
  pool.give(stack);
  EXPECT_GE(resident(stack), 8192u);
}

// Two such stacks may be had in an address space of 47 bits, a fourth never.
constexpr std::size_t kHuge = std::size_t{1} << 45;

TEST(Stack, OneTooManyIsAnErrorOfItsFiberAndOfNobodyElse) {
  if (detail::kSanitized) GTEST_SKIP() << "the maps of a sanitizer leave no address space for such stacks";
  Runtime runtime{{.workers = 1, .stack_size = kHuge}};
  const auto refused = runtime.run([] {
    Scope scope(Scope::OnFailure::keep_going);
    std::vector<Future<int>> children;
    for (int i = 0; i < 8; ++i) {
      children.push_back(scope.spawn("child", [i] {
        for (int n = 0; n < 3; ++n) yield_now();  // so that all are alive at once
        return i;
      }));
    }
    int refusals = 0;
    for (int i = 0; i < 8; ++i) {
      const auto got = attempt([&] { return children[static_cast<std::size_t>(i)].get(); });
      if (got.ok()) {
        EXPECT_EQ(*got, i);
        continue;
      }
      EXPECT_EQ(got.error().code(), ErrorCode::resource_exhausted);
      ++refusals;
    }
    EXPECT_EQ(attempt([&] { scope.join(); }).error().code(), ErrorCode::resource_exhausted);
    return refusals;
  });
  EXPECT_GE(refused, 4);
  EXPECT_EQ(runtime.run([] { return 5; }), 5);  // the runtime goes on
  EXPECT_TRUE(runtime.shutdown(std::chrono::seconds(10)).clean());
}

/// While it lives, a worker has no more stacks than this.
struct StackLimit {
  explicit StackLimit(std::size_t limit) { detail::set_stack_limit(limit); }
  ~StackLimit() { detail::set_stack_limit(std::numeric_limits<std::size_t>::max()); }
  StackLimit(const StackLimit&) = delete;
  StackLimit& operator=(const StackLimit&) = delete;
};

/// Waits for a second stack when it unwinds: where nothing may wait, that would end the process.
Stream<int> slow_to_unwind(int& alive) {
  auto stream = Stream<int>::generate([&alive](Yield<int>& yield) {
    struct Guard {
      int& alive;
      explicit Guard(int& a) : alive(a) { ++alive; }
      ~Guard() {
        yield_uninterrupted();
        --alive;
      }
      static void yield_uninterrupted() {
        const ContextScope deaf{Context()};
        static_cast<void>(attempt([] { yield_now(); }));
      }
    } const guard(alive);
    for (;;) yield(1);
  });
  stream.next();
  return stream;
}

TEST(Stack, AMergedSourceWithoutOneFailsTheStream) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    const StackLimit limit(4);  // this fiber, the merge and two of the eight that pull for it
    std::vector<Stream<int>> sources;
    for (int i = 0; i < 8; ++i)
      sources.push_back(Stream<int>::from([value = 1]() mutable {
        yield_now();
        return &value;
      }));
    Stream<int> merged = streams::merge(std::move(sources));
    const auto ended = attempt([&] {
      while (merged.next() != nullptr) {
      }
    });
    ASSERT_FALSE(ended.ok());
    EXPECT_EQ(ended.error().code(), ErrorCode::resource_exhausted);
  });
}

TEST(Stack, AMergeWhoseSourcesGetNoneUnwindsThem) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    int alive = 0;
    {
      std::vector<Stream<int>> sources;
      for (int i = 0; i < 3; ++i) sources.push_back(slow_to_unwind(alive));
      EXPECT_EQ(alive, 3);
      Stream<int> merged = streams::merge(std::move(sources));
      const StackLimit limit(5);  // this fiber, the sources and the merge
      EXPECT_EQ(attempt([&] { merged.next(); }).error().code(), ErrorCode::resource_exhausted);
    }
    EXPECT_EQ(alive, 0);
  });
}

TEST(Stack, WhatARefusedChildHoldsGoesWithItsScope) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    for (const bool joined : {true, false}) {
      int alive = 0;
      {
        Scope scope(Scope::OnFailure::keep_going);
        auto stream = slow_to_unwind(alive);
        const StackLimit limit(2);  // this fiber and the stream
        const auto child = scope.spawn("refused", [s = std::move(stream)]() mutable { return *s.next(); });
        EXPECT_EQ(attempt([&] { child.get(); }).error().code(), ErrorCode::resource_exhausted);
        EXPECT_EQ(alive, 1);
        if (!joined) continue;
        EXPECT_EQ(attempt([&] { scope.join(); }).error().code(), ErrorCode::resource_exhausted);
        EXPECT_EQ(alive, 0);
      }
      EXPECT_EQ(alive, 0);
    }
  });
}

TEST(Stack, WhatARefusedGeneratorHoldsGoesWithItsStream) {
  Runtime runtime{{.workers = 1}};
  for (int round = 0; round < 50; ++round) {
    int alive = 0;
    auto outer = runtime.run([&] {
      return Stream<int>::generate([inner = slow_to_unwind(alive)](Yield<int>& yield) mutable {
        for (int& n : inner) yield(n);
      });
    });
    const StackLimit limit(1);  // the inner one
    EXPECT_EQ(attempt([&] { outer.next(); }).error().code(), ErrorCode::resource_exhausted);
    EXPECT_EQ(alive, 1);
    outer = {};
    EXPECT_EQ(alive, 0);
  }
}

TEST(Stack, WithoutAStackRunAndStreamsFail) {
  if (detail::kSanitized) GTEST_SKIP() << "the maps of a sanitizer leave no address space for such stacks";
  Runtime runtime{{.workers = 1, .stack_size = std::size_t{1} << 47}};
  const auto run = attempt([&] { runtime.run([] {}); });
  ASSERT_FALSE(run.ok());
  EXPECT_EQ(run.error().code(), ErrorCode::resource_exhausted);

  Runtime narrow{{.workers = 1, .stack_size = kHuge}};
  narrow.run([] {
    std::vector<Stream<int>> streams;
    int refused = 0;
    for (int i = 0; i < 8; ++i) {
      streams.push_back(Stream<int>::generate([](Yield<int>& yield) {
        yield(1);
        yield(2);
      }));
      const auto got = attempt([&] { return *streams.back().next(); });
      if (got.ok()) continue;
      EXPECT_EQ(got.error().code(), ErrorCode::resource_exhausted);
      EXPECT_FALSE(attempt([&] { streams.back().next(); }).ok());  // and says so again
      ++refused;
    }
    EXPECT_GE(refused, 4);
  });
}

TEST(Stack, StacksBeyondTheLimitHaveNoGuardAndStillWork) {
  detail::set_guarded_stack_limit(2);
  {
    Runtime runtime{{.workers = 1, .stack_size = 128 * 1024}};
    int sum = 0;
    runtime.run([&] {
      Scope scope;
      for (int i = 0; i < 200; ++i)
        scope.spawn("many", [&sum] {
          yield_now();
          try {
            throw 1;
          } catch (int n) {
            yield_now();
            sum += n;
          }
        });
      scope.join();
    });
    EXPECT_EQ(sum, 200);
  }
  detail::set_guarded_stack_limit(25'000);
}

}  // namespace
}  // namespace beluga
