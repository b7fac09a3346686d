#include "beluga/fiber/sync.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "beluga/fiber/channel.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;

TEST(Mutex, ExcludesFibersAndThreads) {
  Runtime runtime{{.workers = 2}};
  Mutex mutex;
  long count = 0;  // not atomic: ThreadSanitizer watches
  const auto work = [&] {
    for (int i = 0; i < 200; ++i) {
      const std::lock_guard lock(mutex);
      const long seen = count;
      if (i % 8 == 0) yield_now();
      count = seen + 1;
    }
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) threads.emplace_back(work);
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      runtime.run([&] {
        Scope scope;
        for (int f = 0; f < 4; ++f) scope.spawn("worker", work);
        scope.join();
      });
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(count, 200 * (2 + 8));
}

TEST(Mutex, ACancelledWaiterLeavesTheQueue) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .clock = &clock}};
  runtime.run([] {
    Mutex mutex;
    mutex.lock();
    Scope scope(Scope::OnFailure::keep_going);
    scope.spawn("impatient", [&] {
      const ContextScope limit(Context::current().with_timeout(1s));
      const auto result = attempt([&] { mutex.lock(); });
      ASSERT_FALSE(result.ok());
      EXPECT_EQ(result.error().code(), ErrorCode::deadline_exceeded);
    });
    const auto got = scope.spawn("patient", [&] {
      mutex.lock();
      mutex.unlock();
      return true;
    });
    sleep_for(2s);
    mutex.unlock();
    EXPECT_TRUE(got.get());
    EXPECT_TRUE(mutex.try_lock());
    mutex.unlock();
  });
}

TEST(Mutex, ADestructorMayLockItUninterrupted) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .clock = &clock}};
  runtime.run([] {
    Mutex mutex;
    bool held = false, cleaned_up = false;
    struct CleanUp {
      Mutex& mutex;
      const bool& held;
      bool& done;
      ~CleanUp() {
        const UninterruptedLock lock(mutex);
        EXPECT_FALSE(held);
        done = true;
      }
    };
    CancelSource cancel;
    Scope scope(Scope::OnFailure::keep_going);
    scope.spawn("holder", [&] {
      const std::lock_guard lock(mutex);
      held = true;
      sleep_for(1s);
      held = false;
    });
    yield_now();
    scope.spawn("cancelled", [&] {
      const ContextScope context(Context::current().with_cancel(cancel.token()));
      const CleanUp clean_up{mutex, held, cleaned_up};
      cancel.cancel();
      sleep_for(1h);
    });
    static_cast<void>(attempt([&] { scope.join(); }));
    EXPECT_TRUE(cleaned_up);
    EXPECT_TRUE(mutex.try_lock());
    mutex.unlock();
  });
}

TEST(Semaphore, ALargeRequestIsNotOvertakenBySmallOnes) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    Semaphore semaphore(2);
    std::vector<int> order;
    semaphore.acquire(2);
    Scope scope;
    scope.spawn("large", [&] {
      semaphore.acquire(2);
      order.push_back(2);
      semaphore.release(2);
    });
    yield_now();
    scope.spawn("small", [&] {
      semaphore.acquire(1);
      order.push_back(1);
      semaphore.release(1);
    });
    yield_now();
    semaphore.release(1);
    yield_now();
    EXPECT_TRUE(order.empty());
    semaphore.release(1);
    scope.join();
    EXPECT_EQ(order, (std::vector{2, 1}));
    EXPECT_EQ(semaphore.available(), 2u);
  });
}

TEST(Semaphore, ALargeRequestThatGivesUpLetsTheSmallOnesPass) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .clock = &clock}};
  runtime.run([&] {
    Semaphore semaphore(1);
    Scope scope;
    scope.spawn("large", [&] {
      const ContextScope limit(Context::current().with_timeout(1s));
      EXPECT_FALSE(attempt([&] { semaphore.acquire(5); }).ok());
    });
    yield_now();
    const TimePoint start = clock.now();
    semaphore.acquire(1);
    EXPECT_EQ(clock.now() - start, 1s);
    scope.join();
  });
}

TEST(Signal, WakesAllAndStaysSetUntilReset) {
  Runtime runtime{{.workers = 2}};
  Signal signal;
  std::atomic<int> woken{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      signal.wait();
      ++woken;
    });
  threads.emplace_back([&] {
    runtime.run([&] {
      Scope scope;
      for (int i = 0; i < 5; ++i)
        scope.spawn("waiter", [&] {
          signal.wait();
          ++woken;
        });
      scope.join();
    });
  });
  signal.set();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(woken, 7);
  EXPECT_TRUE(signal.is_set());
  signal.reset();
  EXPECT_FALSE(signal.wait_until(Clock::current().now()));
}

TEST(Channel, SendersFailAndReceiversDrainOnceItIsClosed) {
  Channel<std::string> channel(4);
  channel.send("a");
  channel.send("b");
  channel.close();
  EXPECT_EQ(channel.receive(), "a");
  EXPECT_EQ(channel.receive(), "b");
  EXPECT_EQ(channel.receive(), std::nullopt);
  const auto result = attempt([&] { channel.send("c"); });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::failed_precondition);
}

TEST(Channel, WhatCouldNotBeSentStaysWithTheSender) {
  Channel<std::unique_ptr<int>> channel(1);
  auto first = std::make_unique<int>(1);
  EXPECT_TRUE(channel.try_send(std::move(first)));
  EXPECT_EQ(first, nullptr);
  auto second = std::make_unique<int>(2);
  EXPECT_FALSE(channel.try_send(std::move(second)));
  ASSERT_NE(second, nullptr);
  {
    const ContextScope late(Context::current().with_timeout(Duration::zero()));
    EXPECT_EQ(attempt([&] { channel.send(std::move(second)); }).error().code(), ErrorCode::deadline_exceeded);
    ASSERT_NE(second, nullptr);
  }
  channel.close();
  EXPECT_FALSE(attempt([&] { channel.send(std::move(second)); }).ok());
  EXPECT_FALSE(attempt([&] { channel.try_send(std::move(second)); }).ok());
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(*second, 2);
  Channel<std::string> copied(2);
  const std::string text = "text";
  copied.send(text);
  EXPECT_TRUE(copied.try_send(text));
  EXPECT_EQ(copied.receive(), text);
  EXPECT_EQ(copied.try_receive(), text);
}

TEST(Channel, CloseHandsItsErrorToReceivers) {
  Channel<int> channel(1);
  channel.close(Error(ErrorCode::unavailable, "peer went away"));
  const auto result = attempt([&] { return channel.receive(); });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::unavailable);
}

TEST(Channel, ARendezvousWaitsForItsReceiver) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    Channel<int> channel(0);
    EXPECT_FALSE(channel.try_send(1));
    bool sent = false;
    Scope scope;
    scope.spawn("sender", [&] {
      channel.send(1);
      sent = true;
    });
    yield_now();
    yield_now();
    EXPECT_FALSE(sent);
    EXPECT_EQ(channel.receive(), 1);
    scope.join();
    EXPECT_TRUE(sent);
  });
}

TEST(Channel, ASenderThatGaveUpHasNotSent) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .clock = &clock}};
  runtime.run([] {
    Channel<int> channel(1);
    channel.send(1);
    {
      const ContextScope limit(Context::current().with_timeout(1s));
      EXPECT_FALSE(attempt([&] { channel.send(2); }).ok());
    }
    EXPECT_EQ(channel.try_receive(), 1);
    EXPECT_EQ(channel.try_receive(), std::nullopt);
  });
}

}  // namespace
}  // namespace beluga
