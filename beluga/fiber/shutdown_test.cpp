#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "beluga/fiber/blocking.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/stream.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;

/// Whether a shutdown has begun: it refuses new work from then on.
bool closing(Runtime& runtime) {
  return !attempt([&] { runtime.run([] {}); }).ok();
}

TEST(Shutdown, ACallThatRacesWithItIsServedOrRefusedButNeverLost) {
  for (int round = 0; round < 300; ++round) {
    Runtime runtime{{.workers = 1, .stall_report = Duration::zero()}};
    std::atomic<int> calls{0};
    std::vector<std::thread> callers;
    for (int i = 0; i < 2; ++i) {
      callers.emplace_back([&] {
        std::optional<Error> refused;
        while (!refused) {
          if (auto result = attempt([&] { runtime.run([&] { ++calls; }); }); !result.ok())
            refused = result.error();
        }
        EXPECT_EQ(refused->code(), ErrorCode::failed_precondition);
      });
    }
    while (calls < 2) std::this_thread::yield();
    EXPECT_TRUE(runtime.shutdown(10s).clean());
    for (std::thread& caller : callers) caller.join();  // hangs for a fiber that was posted and never run
  }
}

TEST(Shutdown, AFirstPullThatRacesWithItIsServedOrRefusedButNeverLost) {
  for (int round = 0; round < 100; ++round) {
    Runtime runtime{{.workers = 1, .stall_report = Duration::zero()}};
    std::atomic<int> pulled{0};
    std::thread puller([&] {
      for (;;) {
        std::optional<Stream<int>> stream;
        if (!attempt([&] {
               runtime.run([&] { stream = Stream<int>::generate([](Yield<int>& yield) { yield(1); }); });
             }).ok())
          return;
        if (!attempt([&] { stream->next(); }).ok()) return;
        ++pulled;
      }
    });
    while (pulled < 2) std::this_thread::yield();
    EXPECT_TRUE(runtime.shutdown(10s).clean());
    puller.join();
  }
}

TEST(Shutdown, AChildThatWaitedForItsSlotIsRefused) {
  auto runtime = std::make_unique<Runtime>(RuntimeOptions{.workers = 1});
  std::atomic<bool> waits{false}, stop{false};
  std::optional<Error> refused;
  // A pool thread, because it belongs to the runtime and yet posts from outside of the workers.
  std::thread owner([&] {
    static_cast<void>(attempt([&] {
      runtime->run([&] {
        blocking([&] {
          Scope scope(Scope::OnFailure::keep_going, 1);
          scope.spawn("first", [&] {
            waits = true;
            const ContextScope deaf{Context()};
            while (!stop) static_cast<void>(attempt([] { sleep_for(1ms); }));
          });
          const ContextScope deaf{Context()};
          if (const auto second = attempt([&] { scope.spawn("second", [] {}); }); !second.ok())
            refused = second.error();
        });
      });
    }));
  });
  while (!waits) std::this_thread::yield();
  std::thread releaser([&] {
    while (!closing(*runtime)) std::this_thread::yield();
    stop = true;
  });
  EXPECT_TRUE(runtime->shutdown(10s).clean());
  releaser.join();
  owner.join();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code(), ErrorCode::failed_precondition);
}

TEST(Shutdown, AnEndlessGraceWaitsForTheWork) {
  Runtime runtime{{.workers = 1, .blocking_threads = 1}};
  std::atomic<bool> running{false}, go_on{false};
  std::thread caller([&] {
    runtime.run([&] {
      blocking([&] {
        running = true;
        while (!go_on) std::this_thread::yield();
      });
    });
  });
  while (!running) std::this_thread::yield();
  std::thread releaser([&] {
    while (!closing(runtime)) std::this_thread::yield();
    go_on = true;
  });
  EXPECT_TRUE(runtime.shutdown(Duration::max()).clean());
  EXPECT_TRUE(go_on);
  releaser.join();
  caller.join();
}

TEST(Shutdown, ASecondCallWaitsForTheFirstAndReturnsItsReport) {
  Runtime runtime{{.workers = 1, .stall_report = Duration::zero()}};
  std::atomic<bool> running{false}, go_on{false};
  std::thread caller([&] {
    runtime.run([&] {
      running = true;
      while (!go_on) std::this_thread::yield();
    });
  });
  while (!running) std::this_thread::yield();
  ShutdownReport first, second;
  std::thread one([&] { first = runtime.shutdown(50ms); });
  std::thread two([&] { second = runtime.shutdown(Duration::zero()); });
  one.join();
  two.join();
  EXPECT_FALSE(first.clean());
  EXPECT_EQ(second.fibers, first.fibers);
  go_on = true;
  caller.join();
}

}  // namespace
}  // namespace beluga
