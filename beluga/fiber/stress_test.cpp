/// What breaks schedulers: many fibers, races between ends of a wait, exceptions across switches.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "beluga/fiber/blocking.hpp"
#include "beluga/fiber/channel.hpp"
#include "beluga/fiber/internal/park.hpp"
#include "beluga/fiber/internal/sanitizer.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/stream.hpp"
#include "beluga/fiber/sync.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;

#if defined(NDEBUG)
constexpr int kMany = detail::kSanitized ? 4'000 : 100'000;
#else
constexpr int kMany = detail::kSanitized ? 4'000 : 20'000;
#endif
constexpr int kRounds = detail::kSanitized ? 200 : 2'000;

TEST(Stress, ManyFibersParkAndAreResumed) {
  Runtime runtime{{.workers = 2}};
  std::atomic<int> resumed{0};
  std::vector<std::thread> threads;
  Signal go;
  std::atomic<int> parked{0};
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      runtime.run([&] {
        Scope scope;
        for (int i = 0; i < kMany / 2; ++i)
          scope.spawn("parked", [&] {
            if (++parked == kMany) go.set();
            go.wait();
            ++resumed;
          });
        scope.join();
      });
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(resumed, kMany);
  // run() returns from within its fiber, which ends a moment later.
  while (runtime.stats().fibers != 0) std::this_thread::yield();
}

TEST(Stress, ManyFibersParkAndAreCancelled) {
  Runtime runtime{{.workers = 1}};
  int cancelled = 0;
  runtime.run([&] {
    Scope scope(Scope::OnFailure::keep_going);
    for (int i = 0; i < kMany; ++i)
      scope.spawn("parked", [&] {
        try {
          sleep_for(1h);
        } catch (const Error& error) {
          if (error.code() == ErrorCode::cancelled) ++cancelled;
        }
      });
    for (int i = 0; i < 3; ++i) yield_now();
    scope.cancel(Error(ErrorCode::cancelled, "enough"));
    scope.join();
  });
  EXPECT_EQ(cancelled, kMany);
}

TEST(Stress, ManyDeadlinesEndInOrder) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .clock = &clock}};
  std::mt19937 random(7);
  TimePoint last{};
  int ended = 0;
  runtime.run([&] {
    Scope scope;
    for (int i = 0; i < kMany / 4; ++i) {
      const ContextScope context(
          Context::current().with_timeout(std::chrono::milliseconds(1 + random() % 100'000)));
      scope.spawn("waiter", [&] {
        const TimePoint due = *Context::current().deadline();
        try {
          sleep_for(24h);
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ErrorCode::deadline_exceeded);
          EXPECT_EQ(clock.now(), due);
          EXPECT_GE(due, last);
          last = due;
          ++ended;
        }
      });
    }
    scope.join();
  });
  EXPECT_EQ(ended, kMany / 4);
}

// The three ends of a wait hammered against each other at the primitive itself, from another thread each.
TEST(Stress, EveryWaitEndsExactlyOnce) {
  Runtime runtime{{.workers = 1}};
  struct Shared {
    detail::ParkingSpot spot;
    CancelSource source;
  };
  std::mutex mutex;
  std::shared_ptr<Shared> present;
  const auto get = [&] {
    const std::lock_guard lock(mutex);
    return present;
  };
  const auto set = [&](std::shared_ptr<Shared> shared) {
    const std::lock_guard lock(mutex);
    present = std::move(shared);
  };
  std::atomic<bool> stop{false};
  std::thread notifier([&] {
    while (!stop)
      if (const auto shared = get()) shared->spot.notify();
  });
  std::thread canceller([&] {
    while (!stop)
      if (const auto shared = get()) shared->source.cancel();
  });
  int ends[4] = {};
  runtime.run([&] {
    for (int i = 0; i < kRounds; ++i) {
      const auto shared = std::make_shared<Shared>();
      const ContextScope context(Context().with_cancel(shared->source.token()));
      set(shared);
      for (int n = 0; n < 3; ++n)
        ++ends[static_cast<int>(
            shared->spot.wait(Clock::current().now() + std::chrono::microseconds(i % 40)))];
    }
    set(nullptr);
  });
  stop = true;
  notifier.join();
  canceller.join();
  EXPECT_EQ(ends[0] + ends[1] + ends[2] + ends[3], 3 * kRounds);
  EXPECT_EQ(ends[static_cast<int>(detail::Wake::deadline)], 0);
}

TEST(Stress, ThreadsAndFibersShareAChannel) {
  Runtime runtime{{.workers = 2}};
  for (const std::size_t capacity : {0u, 1u, 7u}) {
    Channel<int> channel(capacity);
    std::atomic<long> sum{0};
    std::atomic<int> count{0};
    const int each = kRounds;
    const auto produce = [&] {
      for (int i = 1; i <= each; ++i) channel.send(i);
    };
    const auto consume = [&] {
      while (auto n = channel.receive()) {
        sum += *n;
        ++count;
      }
    };
    std::vector<std::thread> producers;
    std::vector<std::thread> consumers;
    producers.emplace_back(produce);
    producers.emplace_back([&] { runtime.run(produce); });
    producers.emplace_back([&] {
      runtime.run([&] {
        Scope scope;
        scope.spawn("a", produce);
        scope.spawn("b", produce);
        scope.join();
      });
    });
    consumers.emplace_back(consume);
    consumers.emplace_back([&] { runtime.run(consume); });
    for (auto& thread : producers) thread.join();
    channel.close();
    for (auto& thread : consumers) thread.join();
    EXPECT_EQ(count, 4 * each);
    EXPECT_EQ(sum, 4L * each * (each + 1) / 2);
  }
}

TEST(Stress, CancelledSendersAndReceiversLoseNoElement) {
  Runtime runtime{{.workers = 2}};
  Channel<int> channel(2);
  std::atomic<int> sent{0}, received{0};
  std::thread sender([&] {
    runtime.run([&] {
      for (int i = 0; i < kRounds; ++i) {
        const ContextScope limit(Context::current().with_timeout(std::chrono::microseconds(i % 20)));
        if (attempt([&] { channel.send(i); }).ok()) ++sent;
      }
      channel.close();
    });
  });
  runtime.run([&] {
    for (int i = 0;; ++i) {
      const ContextScope limit(Context::current().with_timeout(std::chrono::microseconds(i % 30)));
      std::optional<int> got;
      if (!attempt([&] { got = channel.receive(); }).ok()) continue;
      if (!got) break;
      ++received;
    }
  });
  sender.join();
  EXPECT_EQ(sent, received);
}

TEST(Stress, ExceptionsCrossSuspensionsInterleaved) {
  Runtime runtime{{.workers = 2}};
  std::atomic<int> right{0};
  const int fibers = 50;
  const int rounds = kRounds / 20;
  runtime.run([&] {
    Scope scope;
    for (int f = 0; f < fibers; ++f) {
      scope.spawn("thrower", [&, f] {
        std::mt19937 random(static_cast<unsigned>(f));
        for (int r = 0; r < rounds; ++r) {
          const std::string mine = std::to_string(f) + ":" + std::to_string(r);
          try {
            throw std::runtime_error(mine);
          } catch (...) {
            if (random() % 2 == 0) yield_now();
            try {
              throw std::logic_error("inner " + mine);
            } catch (const std::logic_error& inner) {
              if (random() % 2 == 0) sleep_for(1us);
              if (inner.what() == "inner " + mine && std::uncaught_exceptions() == 0) ++right;
            }
            try {
              throw;
            } catch (const std::runtime_error& outer) {
              if (outer.what() == mine) ++right;
            }
          }
        }
      });
    }
    scope.join();
  });
  EXPECT_EQ(right, 2 * fibers * rounds);
}

TEST(Stress, StreamsAreHandedBetweenThreadsAndDestroyedAnywhere) {
  Runtime a{{.workers = 2}};
  Runtime b{{.workers = 1}};
  std::atomic<int> alive{0};
  std::mt19937 random(3);
  for (int round = 0; round < kRounds / 10; ++round) {
    auto stream = a.run([&] {
      return Stream<std::string>::generate(
          [&alive, seed = random()](Yield<std::string>& yield) {
            struct Alive {
              std::atomic<int>& count;
              explicit Alive(std::atomic<int>& c) : count(c) { ++count; }
              ~Alive() { --count; }
            } const guard(alive);
            std::mt19937 dice(static_cast<unsigned>(seed));
            for (int i = 0;; ++i) {
              if (dice() % 4 == 0) yield_now();
              if (dice() % 8 == 0) sleep_for(1us);
              yield(std::to_string(i));
            }
          },
          round % 2 == 0 ? RunAhead::batch : RunAhead::none);
    });
    int expected = 0;
    const auto pull = [&] {
      for (auto n = random() % 80; n > 0; --n) ASSERT_EQ(*stream.next(), std::to_string(expected++));
    };
    for (int hop = 0; hop < 4; ++hop) {
      switch (random() % 3) {
        case 0:
          pull();
          break;
        case 1:
          a.run(pull);
          break;
        default:
          b.run(pull);
      }
    }
    switch (random() % 3) {
      case 0:
        stream = {};
        break;
      case 1:
        a.run([&] { stream = {}; });
        break;
      default:
        b.run([&] { stream = {}; });
    }
    ASSERT_EQ(alive, 0);
  }
}

TEST(Stress, PoolsAndFibersMix) {
  Runtime runtime{{.workers = 2, .blocking_threads = 4}};
  std::atomic<int> done{0};
  const int jobs = kRounds / 4;
  runtime.run([&] {
    Scope scope(Scope::OnFailure::cancel_siblings, 32);
    for (int i = 0; i < jobs; ++i)
      scope.spawn("job", [&, i] {
        const ContextScope limit(
            Context::current().with_timeout(i % 7 == 0 ? Duration(20us) : Duration(10s)));
        static_cast<void>(attempt([&] {
          blocking({.name = "job", .mode = i % 2 == 0 ? Blocking::may_be_abandoned : Blocking::must_finish},
                   [i] {
                     if (i % 5 == 0) static_cast<void>(attempt([] { sleep_for(50us); }));
                     return blocking([] { return 1; });
                   });
        }));
        ++done;
      });
    scope.join();
  });
  EXPECT_EQ(done, jobs);
}

TEST(Stress, ShutdownDuringEverything) {
  for (int round = 0; round < 30; ++round) {
    Runtime runtime{{.workers = 2, .blocking_threads = 2}};
    std::vector<std::thread> users;
    std::atomic<int> started{0};
    for (int t = 0; t < 3; ++t)
      users.emplace_back([&, t] {
        ++started;
        static_cast<void>(attempt([&] {
          runtime.run([&] {
            Channel<int> channel(1);
            Scope scope;  // after what its children use
            for (int i = 0; i < 10; ++i) {
              scope.spawn("sleeper", [] { sleep_for(1h); });
              scope.spawn("sender", [&] {
                for (;;) channel.send(1);
              });
              scope.spawn("receiver", [&] {
                while (channel.receive()) yield_now();
              });
              scope.spawn("puller", [t] {
                for (int n : Stream<int>::generate([](Yield<int>& yield) {
                       for (int k = 0;; ++k) {
                         yield(k);
                         yield_now();
                       }
                     }))
                  if (n % 100 == t) blocking([] {});
              });
            }
            scope.join();
          });
        }));
      });
    while (started < 3) std::this_thread::yield();
    if (round % 3 != 0) std::this_thread::sleep_for(std::chrono::microseconds(100 * round));
    EXPECT_TRUE(runtime.shutdown(20s).clean());
    for (auto& user : users) user.join();
  }
}

}  // namespace
}  // namespace beluga
