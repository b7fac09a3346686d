#include "beluga/fiber/runtime.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "beluga/fiber/scope.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;

TEST(Runtime, RunsACallAsAFiberAndReturnsItsResult) {
  Runtime runtime{{.workers = 2}};
  EXPECT_FALSE(Runtime::on_fiber());
  const auto [on_fiber, same] =
      runtime.run([&] { return std::pair(Runtime::on_fiber(), &Runtime::current() == &runtime); });
  EXPECT_TRUE(on_fiber);
  EXPECT_TRUE(same);
}

TEST(Runtime, ThrowsWhatTheCallThrew) {
  Runtime runtime{{.workers = 1}};
  const auto result =
      attempt([&] { runtime.run([] { raise(Error(ErrorCode::not_found, "nothing here")); }); });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::not_found);
}

TEST(Runtime, RunsFromAFiberOfAnotherRuntime) {
  Runtime a{{.workers = 1}};
  Runtime b{{.workers = 1}};
  const bool in_b = a.run([&] { return b.run([&] { return &Runtime::current() == &b; }); });
  EXPECT_TRUE(in_b);
}

TEST(Runtime, FibersStayOnTheirWorkerThread) {
  Runtime runtime{{.workers = 3}};
  std::atomic<int> moved{0};
  runtime.run([&] {
    Scope scope;
    for (int i = 0; i < 50; ++i) {
      scope.spawn("hop", [&] {
        const auto home = std::this_thread::get_id();
        for (int n = 0; n < 20; ++n) {
          yield_now();
          if (std::this_thread::get_id() != home) ++moved;
        }
      });
    }
    scope.join();
  });
  EXPECT_EQ(moved, 0);
}

TEST(Runtime, SleepsFollowTheVirtualClock) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 2, .clock = &clock}};
  std::vector<int> order;
  const TimePoint start = clock.now();
  runtime.run([&] {
    Scope scope;
    for (const int hours : {3, 1, 2})
      scope.spawn("sleeper", [&order, hours] {
        sleep_for(std::chrono::hours(hours));
        order.push_back(hours);
      });
    scope.join();
  });
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
  EXPECT_EQ(clock.now() - start, 3h);
}

TEST(Runtime, AnExceptionInFlightBelongsToItsFiber) {
  Runtime runtime{{.workers = 1}};
  std::vector<std::string> caught(8);
  runtime.run([&] {
    Scope scope;
    for (std::size_t i = 0; i < caught.size(); ++i) {
      scope.spawn("thrower", [&caught, i] {
        try {
          throw std::runtime_error(std::to_string(i));
        } catch (...) {
          for (std::size_t n = 0; n <= i; ++n) yield_now();
          try {
            throw;  // must be this fiber's
          } catch (const std::runtime_error& e) {
            caught[i] = e.what();
          }
        }
      });
    }
    scope.join();
  });
  for (std::size_t i = 0; i < caught.size(); ++i) EXPECT_EQ(caught[i], std::to_string(i));
}

TEST(Runtime, ShutdownCancelsWhatStillWaits) {
  Runtime runtime{{.workers = 2}};
  std::optional<Error> seen;
  std::atomic<bool> started{false};
  std::thread user([&] {
    const auto result = attempt([&] {
      runtime.run([&] {
        started = true;
        sleep_for(1h);
      });
    });
    seen = result.error();
  });
  while (!started) std::this_thread::yield();
  const ShutdownReport report = runtime.shutdown(10s);
  user.join();
  EXPECT_TRUE(report.clean());
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->code(), ErrorCode::cancelled);
}

TEST(Runtime, ANestedWaitMayOutliveItsOwnDeadlineOnlyByThrowing) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .clock = &clock}};
  runtime.run([&] {
    const TimePoint start = clock.now();
    const ContextScope scope(Context::current().with_timeout(5s));
    const auto result = attempt([] { sleep_for(1h); });
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code(), ErrorCode::deadline_exceeded);
    EXPECT_EQ(clock.now() - start, 5s);
  });
}

}  // namespace
}  // namespace beluga
