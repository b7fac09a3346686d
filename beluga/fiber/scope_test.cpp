#include "beluga/fiber/scope.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>

#include "beluga/fiber/runtime.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;

TEST(Scope, ReturnsTheValuesOfItsChildren) {
  Runtime runtime{{.workers = 2}};
  const int sum = runtime.run([] {
    Scope scope;
    const auto left = scope.spawn("left", [] { return 20; });
    const auto right = scope.spawn("right", [] { return 22; });
    return left.get() + right.get();
  });
  EXPECT_EQ(sum, 42);
}

TEST(Scope, WorksOnAPlainThread) {
  Scope scope;
  const auto answer = scope.spawn("child", [] {
    sleep_for(1ms);
    return std::string("from a fiber");
  });
  scope.join();
  EXPECT_EQ(answer.get(), "from a fiber");
}

TEST(Scope, TheFirstFailureCancelsTheSiblingsAndIsRethrown) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 2, .clock = &clock}};
  runtime.run([&] {
    Scope scope;
    const TimePoint start = clock.now();
    std::optional<Error> sibling;
    scope.spawn("patient", [&] {
      const auto result = attempt([] { sleep_for(24h); });
      if (!result.ok()) sibling = result.error();
    });
    scope.spawn("failing", [] {
      sleep_for(1s);
      throw std::runtime_error("boom");
    });
    const auto result = attempt([&] { scope.join(); });
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code(), ErrorCode::unknown);
    EXPECT_EQ(result.error().message(), "boom");
    ASSERT_TRUE(sibling);
    EXPECT_EQ(sibling->message(), "boom");
    EXPECT_EQ(clock.now() - start, 1s);
  });
}

TEST(Scope, KeepGoingLetsTheOthersFinish) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    Scope scope(Scope::OnFailure::keep_going);
    bool finished = false;
    scope.spawn("failing", [] { raise(Error(ErrorCode::aborted, "no")); });
    scope.spawn("other", [&] {
      for (int i = 0; i < 10; ++i) yield_now();
      finished = true;
    });
    EXPECT_FALSE(attempt([&] { scope.join(); }).ok());
    EXPECT_TRUE(finished);
  });
}

TEST(Scope, TheDestructorCancelsAndWaits) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .clock = &clock}};
  std::optional<ErrorCode> code;
  runtime.run([&] {
    Scope scope;
    scope.spawn("sleeper", [&] {
      const auto result = attempt([] { sleep_for(1h); });
      static_cast<void>(attempt([] { yield_now(); }));  // cleaning up takes a while
      code = result.error().code();
    });
    yield_now();
  });
  EXPECT_EQ(code, ErrorCode::cancelled);
}

TEST(Scope, LimitsHowManyChildrenRunAtOnce) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .clock = &clock}};
  int now = 0;
  int most = 0;
  runtime.run([&] {
    Scope scope(Scope::OnFailure::cancel_siblings, 3);
    for (int i = 0; i < 20; ++i) {
      scope.spawn("limited", [&] {
        most = std::max(most, ++now);
        sleep_for(1s);
        --now;
      });
    }
    scope.join();
  });
  EXPECT_EQ(most, 3);
}

TEST(Scope, JoinGivesUpAtTheJoinersDeadline) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .clock = &clock}};
  runtime.run([] {
    Scope scope;
    scope.spawn("sleeper", [] { sleep_for(1h); });
    const ContextScope limit(Context::current().with_timeout(1s));
    const auto result = attempt([&] { scope.join(); });
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code(), ErrorCode::deadline_exceeded);
  });
}

TEST(Scope, ChildrenStayOnTheSpawnersWorker) {
  Runtime runtime{{.workers = 3}};
  runtime.run([] {
    const auto home = std::this_thread::get_id();
    Scope scope;
    for (int i = 0; i < 20; ++i)
      scope.spawn("child", [home] { EXPECT_EQ(std::this_thread::get_id(), home); });
    scope.join();
  });
}

TEST(Scope, ADroppedPromiseFailsItsFuture) {
  Future<int> future;
  {
    const Promise<int> promise;
    future = promise.future();
  }
  const auto result = attempt([&] { return future.get(); });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::aborted);
}

TEST(Scope, CancelReachesChildrenSpawnedUnderAnotherToken) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    Scope scope;
    const CancelSource own;
    {
      const ContextScope context(Context().with_cancel(own.token()));
      scope.spawn("child", [] { sleep_for(1h); });
    }
    scope.cancel(Error(ErrorCode::aborted, "enough"));
    const auto result = attempt([&] { scope.join(); });
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().message(), "enough");
  });
}

}  // namespace
}  // namespace beluga
