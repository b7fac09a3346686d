#include "beluga/fiber/stream.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "beluga/fiber/channel.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/sync.hpp"

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

TEST(Stream, ThrowsTheErrorOfItsBodyAfterTheElementsBeforeItAtEveryPull) {
  auto stream = Stream<int>::generate([](Yield<int>& yield) {
    yield(1);
    raise(Error(ErrorCode::data_loss, "cut"));
  });
  ASSERT_NE(stream.next(), nullptr);
  for (int i = 0; i < 3; ++i) {
    const auto result = attempt([&] { stream.next(); });
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code(), ErrorCode::data_loss);
  }
}

TEST(Stream, DestroyingItCancelsAndUnwindsTheBody) {
  struct Guard {
    bool& flag;
    ~Guard() { flag = true; }
  };
  for (const bool on_fiber : {false, true}) {
    bool unwound = false;
    const auto use = [&] {
      auto stream = Stream<int>::generate(
          [&](Yield<int>& yield) {
            const Guard guard{unwound};
            yield(1);
            yield(2);
          },
          RunAhead::none);
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

TEST(Stream, APullFromAnotherThreadCarriesManyElementsInOrder) {
  Runtime runtime{{.workers = 1}};
  auto stream = runtime.run([] {
    return Stream<std::string>::generate([](Yield<std::string>& yield) {
      std::string reused;
      for (int i = 0; i < 10'000; ++i) {
        reused = "element " + std::to_string(i);
        yield(reused);
      }
    });
  });
  int expected = 0;
  for (std::string& text : stream) {
    ASSERT_EQ(text, "element " + std::to_string(expected++));
    const std::string taken = std::move(text);
  }
  EXPECT_EQ(expected, 10'000);
}

TEST(Stream, AnElementStaysValidUntilTheNextPullFromAnotherThread) {
  Runtime runtime{{.workers = 1}};
  auto stream = runtime.run([] {
    return Stream<std::string>::generate([](Yield<std::string>& yield) {
      for (int i = 0; i < 200; ++i) yield(std::string(100, static_cast<char>('a' + i % 26)));
    });
  });
  int i = 0;
  while (const std::string* text = stream.next()) {
    std::this_thread::yield();  // the body may run ahead meanwhile
    ASSERT_EQ(*text, std::string(100, static_cast<char>('a' + i++ % 26)));
  }
  EXPECT_EQ(i, 200);
}

TEST(Stream, ABodyRunsAheadByABatchAtMost) {
  Runtime runtime{{.workers = 1}};
  std::atomic<int> produced{0};
  auto stream = runtime.run([&] {
    return Stream<int>::generate([&](Yield<int>& yield) {
      for (;;) yield(++produced);
    });
  });
  for (int i = 1; i <= 1000; ++i) {
    ASSERT_EQ(*stream.next(), i);
    ASSERT_LE(produced, i + 64);
  }
}

TEST(Stream, WithoutRunAheadNothingHappensBeforeTheNextPull) {
  Runtime runtime{{.workers = 1}};
  std::atomic<int> produced{0};
  auto stream = runtime.run([&] {
    return Stream<int>::generate(
        [&](Yield<int>& yield) {
          for (;;) yield(++produced);
        },
        RunAhead::none);
  });
  for (int i = 1; i <= 100; ++i) {
    ASSERT_EQ(*stream.next(), i);
    ASSERT_EQ(produced, i);
  }
}

TEST(Stream, AnElementIsNotHeldBackWhileTheBodyWaits) {
  Runtime runtime{{.workers = 1}};
  Signal taken;
  auto stream = runtime.run([&] {
    return Stream<int>::generate([&](Yield<int>& yield) {
      yield(1);
      yield(2);
      taken.wait();  // hangs unless the puller gets both before
      yield(3);
    });
  });
  EXPECT_EQ(*stream.next(), 1);
  EXPECT_EQ(*stream.next(), 2);
  taken.set();
  EXPECT_EQ(*stream.next(), 3);
  EXPECT_EQ(stream.next(), nullptr);
}

TEST(Stream, TheBodyRunsOnItsHomeWorkerWhoeverPulls) {
  Runtime runtime{{.workers = 3}};
  std::atomic<bool> moved{false};
  for (int round = 0; round < 20; ++round) {
    auto stream = runtime.run([&] {
      return Stream<int>::generate([&, home = std::this_thread::get_id()](Yield<int>& yield) {
        for (int i = 0; i < 30; ++i) {
          if (std::this_thread::get_id() != home) moved = true;
          yield(i);
          if (i % 5 == 0) yield_now();
        }
      });
    });
    int expected = 0;
    while (expected < 30) {
      runtime.run([&] { EXPECT_EQ(*stream.next(), expected++); });
      EXPECT_EQ(*stream.next(), expected++);
      std::thread([&] { EXPECT_EQ(*stream.next(), expected++); }).join();
    }
    EXPECT_EQ(stream.next(), nullptr);
  }
  EXPECT_FALSE(moved);
}

TEST(Stream, MayBeAbandonedAfterEveryElement) {
  Runtime runtime{{.workers = 2}};
  std::atomic<int> alive{0};
  const auto make = [&](int n) {
    return Stream<std::string>::generate([&alive, n](Yield<std::string>& yield) {
      struct Alive {
        std::atomic<int>& count;
        explicit Alive(std::atomic<int>& c) : count(c) { ++count; }
        ~Alive() { --count; }
      } const guard(alive);
      for (int i = 0; i < n; ++i) {
        if (i % 3 == 1) yield_now();
        if (i % 3 == 2) sleep_for(1us);
        yield(std::to_string(i));
      }
    });
  };
  for (int stop = 0; stop <= 70; ++stop) {
    const auto use = [&](Stream<std::string> stream) {
      for (int i = 0; i < stop; ++i) ASSERT_EQ(*stream.next(), std::to_string(i));
    };
    use(make(70));                        // plain thread
    runtime.run([&] { use(make(70)); });  // same worker
    auto made = runtime.run([&] { return make(70); });
    runtime.run([&] { use(std::move(made)); });  // another worker, as often as not
    EXPECT_EQ(alive, 0);
  }
}

TEST(Stream, ABodyThatSwallowsItsCancellationStillEnds) {
  Runtime runtime{{.workers = 1}};
  int swallowed = 0;
  for (const bool on_fiber : {true, false}) {
    const auto use = [&] {
      auto stream = Stream<int>::generate(
          [&](Yield<int>& yield) {
            while (swallowed < 5) {
              try {
                yield(1);
              } catch (...) {
                ++swallowed;
              }
            }
          },
          RunAhead::none);
      stream.next();
    };
    swallowed = 0;
    if (on_fiber)
      runtime.run(use);
    else
      use();
    EXPECT_EQ(swallowed, 5);
  }
}

TEST(Stream, DestroyingItInterruptsWhatTheBodyWaitsFor) {
  Runtime runtime{{.workers = 2}};
  std::optional<Error> seen;
  auto stream = runtime.run([&] {
    return Stream<int>::generate([&](Yield<int>& yield) {
      yield(1);
      const auto result = attempt([] { sleep_for(1h); });
      seen = result.error();
    });
  });
  stream.next();
  {
    const ContextScope impatient(Context::current().with_timeout(5ms));
    EXPECT_FALSE(attempt([&] { stream.next(); }).ok());
  }
  stream = {};
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->code(), ErrorCode::cancelled);
}

TEST(Stream, CancelLetsTheBodyDeliverItsLastElement) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    auto stream = Stream<std::string>::generate([](Yield<std::string>& yield) {
      yield("working");
      const auto result = attempt([] { sleep_for(1h); });
      yield(std::string(result.error().message()));
    });
    EXPECT_EQ(*stream.next(), "working");
    stream.cancel();
    EXPECT_EQ(*stream.next(), "the stream was cancelled");
    EXPECT_EQ(stream.next(), nullptr);
  });
}

/// Yields numbers for ever without a wait; counts what comes after the first until the error.
std::pair<int, ErrorCode> pulls_until_error(Stream<int>& stream) {
  for (int n = 0; n < 10'000; ++n) {
    const auto pulled = attempt([&] { return stream.next(); });
    if (!pulled.ok()) return {n, pulled.error().code()};
  }
  return {10'000, ErrorCode::internal};
}

TEST(Stream, ABodyThatOnlyYieldsHeedsCancelAndItsDeadline) {
  const auto endless = [] {
    return Stream<int>::generate([](Yield<int>& yield) {
      for (int i = 0;; ++i) yield(i);
    });
  };
  ManualClock clock;
  Runtime runtime{{.workers = 1, .clock = &clock}};
  runtime.run([&] {
    auto cancelled = endless();
    cancelled.next();
    cancelled.cancel();
    // The element that had been taken is the first that nobody asked for any more.
    EXPECT_EQ(pulls_until_error(cancelled), std::pair(63, ErrorCode::cancelled));
    EXPECT_FALSE(attempt([&] { cancelled.next(); }).ok());
    const ContextScope limit(Context::current().with_timeout(10ms));
    auto late = endless();
    late.next();
    clock.advance(10ms);
    EXPECT_EQ(pulls_until_error(late), std::pair(63, ErrorCode::deadline_exceeded));
    const CancelSource source(Context::current().cancel_token());
    const ContextScope cancellable(Context::current().with_cancel(source.token()));
    auto between_two_yields = Stream<int>::generate([&](Yield<int>& yield) {
      source.cancel();
      for (int i = 0;; ++i) yield(i);
    });
    EXPECT_EQ(pulls_until_error(between_two_yields), std::pair(64, ErrorCode::cancelled));
  });
  auto pulled_from_a_thread = runtime.run(endless);
  pulled_from_a_thread.next();
  pulled_from_a_thread.cancel();
  const auto [pulls, code] = pulls_until_error(pulled_from_a_thread);
  EXPECT_LE(pulls, 128);  // what had been on its way, too
  EXPECT_EQ(code, ErrorCode::cancelled);
}

TEST(Stream, AYieldedVariableStaysWithTheBodyWhoeverPulls) {
  const auto growing = [] {
    return Stream<std::string>::generate([](Yield<std::string>& yield) {
      std::string text;
      for (char c = 'a'; c < 'e'; ++c) yield(text += c);
    });
  };
  const auto all = [&] {
    std::vector<std::string> seen;
    auto stream = growing();
    for (const std::string& text : stream) seen.push_back(text);
    return seen;
  };
  Runtime runtime{{.workers = 1}};
  const std::vector<std::string> expected{"a", "ab", "abc", "abcd"};
  EXPECT_EQ(runtime.run(all), expected);
  EXPECT_EQ(all(), expected);
  // One that cannot be copied is handed over one by one.
  auto unique = Stream<std::unique_ptr<int>>::generate([](Yield<std::unique_ptr<int>>& yield) {
    auto number = std::make_unique<int>(0);
    for (*number = 1; *number < 4; ++*number) yield(number);
  });
  int sum = 0;
  for (const auto& number : unique) sum += *number;
  EXPECT_EQ(sum, 6);
}

TEST(Stream, KeepsTheContextOfItsCreatorWhoeverPulls) {
  struct Tenant {
    using Value = std::string;
  };
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    Stream<std::string> stream;
    {
      const ContextScope scope(
          Context::current().with<Tenant>(std::make_shared<const std::string>("creator")));
      stream = Stream<std::string>::generate(
          [](Yield<std::string>& yield) { yield(std::string(*Context::current().get<Tenant>())); });
    }
    const ContextScope scope(Context::current().with<Tenant>(std::make_shared<const std::string>("puller")));
    EXPECT_EQ(*stream.next(), "creator");
  });
}

TEST(Stream, AnErrorInFlightStaysWithItsSideOfTheYield) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    auto stream = Stream<int>::generate([](Yield<int>& yield) {
      try {
        throw std::runtime_error("body");
      } catch (...) {
        yield(1);
        try {
          throw;
        } catch (const std::runtime_error& e) {
          EXPECT_STREQ(e.what(), "body");
        }
        yield(2);
      }
    });
    try {
      throw std::runtime_error("puller");
    } catch (...) {
      EXPECT_EQ(*stream.next(), 1);
      EXPECT_EQ(*stream.next(), 2);
      try {
        throw;
      } catch (const std::runtime_error& e) {
        EXPECT_STREQ(e.what(), "puller");
      }
    }
  });
}

TEST(Stream, ShutdownUnwindsAStreamThatNobodyPulls) {
  bool unwound = false;
  struct Guard {
    bool& flag;
    ~Guard() { flag = true; }
  };
  Runtime runtime{{.workers = 1}};
  auto stream = runtime.run([&] {
    return Stream<int>::generate([&](Yield<int>& yield) {
      const Guard guard{unwound};
      for (;;) yield(1);
    });
  });
  stream.next();
  EXPECT_TRUE(runtime.shutdown(10s).clean());
  EXPECT_TRUE(unwound);
  int on_their_way = 0;
  const auto drained = attempt([&] {
    while (stream.next() != nullptr) ++on_their_way;
  });
  EXPECT_FALSE(drained.ok());
  EXPECT_LE(on_their_way, 64);
}

TEST(Stream, MoveOnlyAndThrowingTypesWork) {
  struct Picky {
    int value;
    explicit Picky(int v) : value(v) {}
    Picky(const Picky&) = delete;
    Picky& operator=(const Picky&) = delete;
  };
  int sum = 0;
  for (const Picky& p : Stream<Picky>::generate([](Yield<Picky>& yield) {
         for (int i = 1; i <= 10; ++i) yield(Picky(i));
       }))
    sum += p.value;
  for (const auto& p : Stream<std::unique_ptr<int>>::generate([](Yield<std::unique_ptr<int>>& yield) {
         for (int i = 1; i <= 10; ++i) yield(std::make_unique<int>(i));
       }))
    sum += *p;
  EXPECT_EQ(sum, 110);
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

// The puller and the body end by the same token or deadline: what the body has to say about it still arrives.
TEST(Stream, CancelledTogetherWithItsPullerItStillSaysItsLastWord) {
  Runtime runtime{{.workers = 2}};
  const auto heard_in = [](const Context& context, auto on_first) {
    const ContextScope scope(context);
    std::vector<std::string> heard;
    auto stream = Stream<std::string>::generate([](Yield<std::string>& yield) {
      yield(std::string("first"));
      const auto slept = attempt([] { sleep_for(1h); });
      yield(std::string(to_string(slept.error().code())));
    });
    for (std::string& word : stream) {
      heard.push_back(word);
      if (heard.size() == 1) on_first();
    }
    return heard;
  };
  const auto check = [&] {
    const CancelSource source(Context::current().cancel_token());
    EXPECT_EQ(heard_in(Context::current().with_cancel(source.token()), [&] { source.cancel(); }),
              (std::vector<std::string>{"first", "cancelled"}));
    EXPECT_EQ(heard_in(Context::current().with_timeout(5ms), [] {}),
              (std::vector<std::string>{"first", "deadline_exceeded"}));
  };
  runtime.run(check);
  check();
}

TEST(Stream, APullerThatAloneIsCancelledThrows) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    auto stream = Stream<int>::generate([](Yield<int>&) { sleep_for(1h); });
    const ContextScope scope(Context::current().with_timeout(1ms));
    const auto pulled = attempt([&] { stream.next(); });
    ASSERT_FALSE(pulled.ok());
    EXPECT_EQ(pulled.error().code(), ErrorCode::deadline_exceeded);
  });
}

}  // namespace
}  // namespace beluga
