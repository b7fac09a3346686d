#include "beluga/fiber/cancel.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "beluga/base/result.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/future.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/sync.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;

TEST(Cancel, TheFirstCauseWinsAndReachesTheWholeTree) {
  const CancelSource root;
  const CancelSource child(root.token());
  const CancelSource grandchild(child.token());
  EXPECT_TRUE(root.cancel(Error(ErrorCode::aborted, "first")));
  EXPECT_FALSE(root.cancel(Error(ErrorCode::aborted, "second")));
  EXPECT_FALSE(grandchild.cancel());
  ASSERT_TRUE(grandchild.token().cause());
  EXPECT_EQ(grandchild.token().cause()->message(), "first");
}

TEST(Cancel, AChildDoesNotCancelItsParent) {
  const CancelSource root;
  const CancelSource child(root.token());
  child.cancel();
  EXPECT_FALSE(root.cancelled());
  EXPECT_TRUE(child.cancelled());
}

TEST(Cancel, AChildOfACancelledTokenIsBornCancelled) {
  const CancelSource root;
  root.cancel(Error(ErrorCode::aborted, "early"));
  EXPECT_EQ(CancelSource(root.token()).token().cause()->message(), "early");
}

TEST(Cancel, ACallbackRunsOnceAndNeverAfterItsDestructor) {
  const CancelSource source;
  int calls = 0;
  {
    const CancelCallback gone(source.token(), [&] { ++calls; });
  }
  const CancelCallback kept(source.token(), [&] { ++calls; });
  source.cancel();
  source.cancel();
  EXPECT_EQ(calls, 1);
  const CancelCallback late(source.token(), [&] { ++calls; });
  EXPECT_EQ(calls, 2);
}

TEST(Cancel, ACallbackMayDestroyItself) {
  const CancelSource source;
  std::unique_ptr<CancelCallback> callback;
  callback = std::make_unique<CancelCallback>(source.token(), [&] { callback.reset(); });
  source.cancel();
  EXPECT_EQ(callback, nullptr);
}

TEST(Cancel, ACallbackMayDropTheLastSourceOfAChild) {
  const CancelSource root;
  auto child = std::make_unique<CancelSource>(root.token());
  const CancelCallback callback(child->token(), [&] { child.reset(); });
  root.cancel();
  EXPECT_EQ(child, nullptr);
}

TEST(Cancel, RegisteringAndCancellingRaceWithoutLosingACall) {
  for (int round = 0; round < 300; ++round) {
    const CancelSource source;
    std::atomic<int> calls{0};
    std::atomic<bool> go{false};
    std::thread canceller([&] {
      while (!go) std::this_thread::yield();
      source.cancel();
    });
    std::vector<std::unique_ptr<CancelCallback>> callbacks;
    go = true;
    for (int i = 0; i < 20; ++i)
      callbacks.push_back(std::make_unique<CancelCallback>(source.token(), [&] { ++calls; }));
    canceller.join();
    EXPECT_EQ(calls, 20);
  }
}

TEST(Cancel, ChildrenComeAndGoWhileTheRootIsCancelled) {
  for (int round = 0; round < 200; ++round) {
    const CancelSource root;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) {
          const CancelSource child(root.token());
          const CancelSource grandchild(child.token());
        }
      });
    root.cancel();
    for (auto& thread : threads) thread.join();
    EXPECT_TRUE(CancelSource(root.token()).cancelled());
  }
}

TEST(Context, CarriesTypedValuesToChildrenOnly) {
  struct Tenant {
    using Value = std::string;
  };
  struct Other {
    using Value = int;
  };
  Runtime runtime{{.workers = 2}};
  runtime.run([] {
    const Context before = Context::current();
    EXPECT_EQ(before.get<Tenant>(), nullptr);
    const ContextScope scope(before.with<Tenant>(std::make_shared<const std::string>("acme")));
    Scope children;
    const auto child = children.spawn("child", [] {
      EXPECT_EQ(Context::current().get<Other>(), nullptr);
      const ContextScope inner(Context::current().with<Tenant>(std::make_shared<const std::string>("inner")));
      return *Context::current().get<Tenant>();
    });
    EXPECT_EQ(child.get(), "inner");
    EXPECT_EQ(*Context::current().get<Tenant>(), "acme");
  });
}

TEST(Context, AReplacedValueIsLetGo) {
  struct Budget {
    using Value = int;
  };
  struct Tenant {
    using Value = std::string;
  };
  Runtime runtime{{.workers = 1}};
  runtime.run([] {  // on a small stack, that a long chain would overflow at its end
    auto value = std::make_shared<const int>(1);
    const std::weak_ptr<const int> old = value;
    Context context = Context().with<Budget>(std::move(value));
    context = context.with<Tenant>(std::make_shared<const std::string>("acme"));
    Context before = context;
    for (int i = 0; i < 100'000; ++i) context = context.with<Budget>(std::make_shared<const int>(i));
    EXPECT_EQ(*context.get<Budget>(), 99'999);
    EXPECT_EQ(*context.get<Tenant>(), "acme");
    EXPECT_EQ(*before.get<Budget>(), 1);
    context = context.with<Budget>(nullptr);
    EXPECT_EQ(context.get<Budget>(), nullptr);
    EXPECT_FALSE(old.expired());
    before = Context();
    EXPECT_TRUE(old.expired());
  });
}

TEST(Context, ADeadlineKeepsItsDistanceWhereAnotherClockRules) {
  ManualClock clock;
  Runtime runtime{{.workers = 1, .clock = &clock}};
  const ContextScope hour(Context::current().with_timeout(1h));
  runtime.run([&] {
    const Duration left = *Context::current().deadline() - clock.now();
    EXPECT_LE(left, 1h);
    EXPECT_GT(left, 30min);
    Context::current().check();
    clock.advance(1h);
    EXPECT_FALSE(attempt([] { Context::current().check(); }).ok());
  });
  const ContextScope never(Context().with_timeout(Duration::max()));
  runtime.run([] { EXPECT_EQ(*Context::current().deadline(), TimePoint::max()); });
}

TEST(Context, TheEarlierDeadlineHolds) {
  const Context outer = Context().with_timeout(1h);
  EXPECT_EQ(outer.with_timeout(2h).deadline(), outer.deadline());
  EXPECT_LT(*outer.with_timeout(1min).deadline(), *outer.deadline());
  EXPECT_EQ(Context().with_timeout(Duration::max()).deadline(), TimePoint::max());
}

// Cancel, notify and timeout race for the same wait; each wait ends exactly once and nothing is lost.
TEST(Cancel, RacesWithNotificationAndTimeout) {
  Runtime runtime{{.workers = 2}};
  std::atomic<int> notified{0}, cancelled{0}, timed_out{0};
  runtime.run([&] {
    Scope scope;
    for (int i = 0; i < 400; ++i) {
      scope.spawn("racer", [&, i] {
        auto signal = std::make_shared<Signal>();
        const CancelSource source(Context::current().cancel_token());
        Scope others;
        const ContextScope context(Context::current().with_cancel(source.token()));
        std::thread rival([signal, source, i] {
          if (i % 3 != 0) std::this_thread::yield();
          source.cancel();
          signal->set();
        });
        const auto result = attempt([&] {
          if (signal->wait_until(Clock::current().now() + std::chrono::microseconds(i % 100)))
            ++notified;
          else
            ++timed_out;
        });
        if (!result.ok()) ++cancelled;
        rival.join();
      });
      if (i % 20 == 19) scope.join();
    }
    scope.join();
  });
  EXPECT_EQ(notified + cancelled + timed_out, 400);
}

}  // namespace
}  // namespace beluga
