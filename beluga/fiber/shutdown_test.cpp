#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
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

/// Yields one word, which is its own object, and tells when it is unwound.
Stream<std::string> one_word(bool& unwound) {
  return Stream<std::string>::generate(
      [&unwound](Yield<std::string>& yield) {
        struct Guard {
          bool& flag;
          ~Guard() { flag = true; }
        } const guard{unwound};
        std::string word(1000, 'w');
        yield(word);
      },
      RunAhead::none, "one word");
}

// The element is an object on the body's stack: unwinding that under its reader would be a use after free.
TEST(Shutdown, LeavesAnElementToThePullerOnAnotherThread) {
  Runtime runtime{{.workers = 1}};
  std::atomic<bool> waits{false}, told{false};
  // Hears of the shutdown when the generator does: it is deaf to everything before that.
  std::thread witness([&] {
    runtime.run([&] {
      const ContextScope deaf{Context()};
      waits = true;
      static_cast<void>(attempt([] { sleep_for(1h); }));
      told = true;
    });
  });
  while (!waits) std::this_thread::yield();
  bool unwound = false;
  auto stream = runtime.run([&] { return one_word(unwound); });
  const std::string* const word = stream.next();
  ShutdownReport report;
  std::thread closer([&] { report = runtime.shutdown(30s); });
  while (!told) std::this_thread::yield();
  EXPECT_FALSE(unwound);
  EXPECT_EQ(*word, std::string(1000, 'w'));
  const auto pulled = attempt([&] { stream.next(); });
  ASSERT_FALSE(pulled.ok());
  EXPECT_EQ(pulled.error().message(), "runtime is shutting down");
  EXPECT_TRUE(unwound);
  closer.join();
  witness.join();
  EXPECT_TRUE(report.clean());
}

TEST(Shutdown, LeavesAnElementToThePullerOnTheSameWorkerUntilThatHasUnwound) {
  Runtime runtime{{.workers = 1}};
  std::atomic<bool> waits{false};
  bool unwound = false, intact = false;
  std::thread user([&] {
    static_cast<void>(attempt([&] {
      runtime.run([&] {
        for (const std::string& word : one_word(unwound)) {
          waits = true;
          const ContextScope deaf{Context()};
          const auto slept = attempt([] { sleep_for(1h); });
          intact = !slept.ok() && !unwound && word == std::string(1000, 'w');
        }
      });
    }));
  });
  while (!waits) std::this_thread::yield();
  EXPECT_TRUE(runtime.shutdown(30s).clean());
  user.join();
  EXPECT_TRUE(intact);
  EXPECT_TRUE(unwound);
}

TEST(Shutdown, NamesAStreamWhoseElementNobodyGivesBack) {
  Runtime runtime{{.workers = 1}};
  bool unwound = false;
  auto stream = runtime.run([&] { return one_word(unwound); });
  const std::string* const word = stream.next();
  EXPECT_EQ(runtime.shutdown(10ms).fibers, std::vector<std::string>{"one word"});
  EXPECT_EQ(word->size(), 1000U);
  EXPECT_FALSE(unwound);
  stream = {};  // its worker is still there for it
  EXPECT_TRUE(unwound);
}

// Admitted before the shutdown, met by a worker that comes free after its end.
TEST(Shutdown, AWorkerThatIsHeldServesWhatWasAdmittedWhenItComesFree) {
  Runtime runtime{{.workers = 1, .stall_report = Duration::zero()}};
  std::atomic<bool> holds{false}, go_on{false}, ran{false};
  std::thread holder([&] {
    runtime.run([&] {
      holds = true;
      while (!go_on) std::this_thread::yield();
    });
  });
  while (!holds) std::this_thread::yield();
  std::thread caller([&] { runtime.run([&] { ran = true; }); });
  while (runtime.stats().fibers < 2) std::this_thread::yield();
  EXPECT_FALSE(runtime.shutdown(Duration::zero()).clean());
  go_on = true;
  holder.join();
  caller.join();  // hangs for a fiber that nobody runs
  EXPECT_TRUE(ran);
}

// A thread that no shutdown can stop asks for its runtime while that is destroyed.
TEST(Shutdown, ACallThatOutlivesItsRuntimeIsRefused) {
  struct State {
    std::atomic<bool> running{false}, stop{false};
    std::atomic<int> refused{0};
    std::promise<void> ended;
  };
  for (int round = 0; round < 20; ++round) {
    const auto state = std::make_shared<State>();
    auto runtime = std::make_unique<Runtime>(RuntimeOptions{.workers = 1, .stall_report = Duration::zero()});
    std::thread caller([&] {
      const ContextScope soon(Context().with_timeout(1ms));
      static_cast<void>(attempt([&] {
        runtime->run([state] {
          blocking({.mode = Blocking::may_be_abandoned, .grace = 1ms}, [state] {
            state->running = true;
            while (!state->stop) {
              const auto started = attempt([] {
                const ContextScope deaf{Context()};
                Scope scope;
                scope.spawn("late", [] {}).get();
              });
              if (!started.ok() && started.error().code() == ErrorCode::failed_precondition) ++state->refused;
            }
            state->ended.set_value();
          });
        });
      }));
    });
    caller.join();
    if (runtime->stats().blocking_abandoned != 0) {  // else it had no thread yet when its caller left
      while (!state->running) std::this_thread::yield();
      static_cast<void>(runtime->shutdown(Duration::zero()));
      runtime.reset();
      const int before = state->refused;
      while (state->refused == before) std::this_thread::yield();
      state->stop = true;
      state->ended.get_future().wait();
    }
  }
}

}  // namespace
}  // namespace beluga
