#include "beluga/fiber/stream_algorithms.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/sync.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

/// 0 .. n-1 with a stack of its own; counts the producers that have not been unwound.
Stream<int> numbers(int n, std::atomic<int>* alive = nullptr) {
  return Stream<int>::generate([n, alive](Yield<int>& yield) {
    struct Count {
      std::atomic<int>* alive;
      explicit Count(std::atomic<int>* a) : alive(a) {
        if (alive != nullptr) ++*alive;
      }
      ~Count() {
        if (alive != nullptr) --*alive;
      }
    } count(alive);
    for (int i = 0; i < n; ++i) yield(i);
  });
}

Stream<int> failing_after(int n, ErrorCode code = ErrorCode::data_loss) {
  return Stream<int>::generate([n, code](Yield<int>& yield) {
    for (int i = 0; i < n; ++i) yield(i);
    raise(Error(code, "torn"));
  });
}

/// Pulls to the end or the error; the error's code, if any.
template <class T>
std::pair<std::vector<T>, std::optional<ErrorCode>> drain(Stream<T> stream) {
  std::vector<T> got;
  const auto pulled = attempt([&] {
    for (T& element : stream) got.push_back(element);
  });
  return {got, pulled.ok() ? std::nullopt : std::optional(pulled.error().code())};
}

TEST(StreamAlgorithms, ComposeFromLeftToRight) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    const auto got = numbers(100) | streams::filter([](const int& n) { return n % 2 == 0; }) |
                     streams::map([](int& n) { return std::to_string(n); }) | streams::take(3) |
                     streams::collect();
    EXPECT_THAT(got, ElementsAre("0", "2", "4"));
  });
}

TEST(StreamAlgorithms, MapPassesAReferenceOnWithoutACopy) {
  struct Heavy {
    std::unique_ptr<int> part = std::make_unique<int>(7);
  };
  Heavy heavy;
  bool given = false;
  auto parts =
      Stream<Heavy>::from([&]() -> Heavy* { return std::exchange(given, true) ? nullptr : &heavy; }) |
      streams::map([](Heavy& h) -> std::unique_ptr<int>& { return h.part; });
  EXPECT_EQ(parts.next(), &heavy.part);
  EXPECT_EQ(parts.next(), nullptr);
}

TEST(StreamAlgorithms, TakeLetsItsSourceGoOnceItHasEnough) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    std::atomic<int> alive{0};
    auto few = numbers(1000, &alive) | streams::take(2);
    EXPECT_EQ(*few.next(), 0);
    EXPECT_EQ(*few.next(), 1);
    EXPECT_EQ(alive, 1);
    EXPECT_EQ(few.next(), nullptr);
    EXPECT_EQ(alive, 0);
    EXPECT_EQ(few.next(), nullptr);
  });
}

TEST(StreamAlgorithms, TakeNoneNeverPulls) {
  auto none =
      Stream<int>::from([]() -> int* { return ADD_FAILURE() << "pulled", nullptr; }) | streams::take(0);
  EXPECT_EQ(none.next(), nullptr);
}

TEST(StreamAlgorithms, TakeWhileEndsForGoodAtTheFirstUnwantedElement) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    std::atomic<int> alive{0};
    auto low = numbers(10, &alive) | streams::take_while([](const int& n) { return n != 2; });
    EXPECT_EQ(*low.next(), 0);
    EXPECT_EQ(*low.next(), 1);
    EXPECT_EQ(low.next(), nullptr);
    EXPECT_EQ(alive, 0);
    EXPECT_EQ(low.next(), nullptr);
  });
}

TEST(StreamAlgorithms, ChunkKeepsWhatCameBeforeAnError) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    EXPECT_THAT(numbers(5) | streams::chunk(2) | streams::collect(),
                ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3), ElementsAre(4)));
    const auto [got, error] = drain(failing_after(3) | streams::chunk(2));
    EXPECT_THAT(got, ElementsAre(ElementsAre(0, 1), ElementsAre(2)));
    EXPECT_EQ(error, ErrorCode::data_loss);
  });
}

TEST(StreamAlgorithms, ConcatStartsASourceOnlyWhenItsTurnComes) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    std::atomic<int> second{0};
    auto both = streams::concat(numbers(2), numbers(2, &second));
    EXPECT_EQ(*both.next(), 0);
    EXPECT_EQ(*both.next(), 1);
    EXPECT_EQ(second, 0);
    EXPECT_EQ(*both.next(), 0);
    EXPECT_EQ(second, 1);
    EXPECT_EQ(*both.next(), 1);
    EXPECT_EQ(both.next(), nullptr);
  });
}

TEST(StreamAlgorithms, AThrowingCallableEndsInItsError) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    const auto [got, error] = drain(numbers(5) | streams::map([](int& n) {
                                      if (n == 2) raise(Error(ErrorCode::out_of_range, "two"));
                                      return n;
                                    }));
    EXPECT_THAT(got, ElementsAre(0, 1));
    EXPECT_EQ(error, ErrorCode::out_of_range);
  });
}

// Every adaptor, left after each possible number of elements: nothing leaks and no producer lives on.
TEST(StreamAlgorithms, MayBeLeftAfterAnyElement) {
  using Make = std::function<Stream<int>(std::atomic<int>&)>;
  const std::pair<const char*, Make> all[] = {
      {"map", [](auto& n) { return numbers(6, &n) | streams::map([](int& i) { return i + 1; }); }},
      {"filter",
       [](auto& n) { return numbers(6, &n) | streams::filter([](const int& i) { return i != 3; }); }},
      {"take", [](auto& n) { return numbers(9, &n) | streams::take(6); }},
      {"take_while",
       [](auto& n) { return numbers(9, &n) | streams::take_while([](const int& i) { return i < 6; }); }},
      {"chunk",
       [](auto& n) {
         return numbers(12, &n) | streams::chunk(2) |
                streams::map([](std::vector<int>& pair) -> int& { return pair.front(); });
       }},
      {"concat", [](auto& n) { return streams::concat(numbers(3, &n), numbers(3, &n)); }},
      {"merge", [](auto& n) { return streams::merge(numbers(3, &n), numbers(3, &n), numbers(3, &n)); }},
      {"tee",
       [](auto& n) {
         auto branches = streams::tee(numbers(6, &n), 2);
         return std::move(branches[0]);
       }},
  };
  for (const bool on_fiber : {true, false}) {
    Runtime runtime{{.workers = 2}};
    for (const auto& [name, make] : all) {
      for (int leave_after = 0; leave_after <= 10; ++leave_after) {
        SCOPED_TRACE(std::string(name) + " left after " + std::to_string(leave_after));
        std::atomic<int> alive{0};
        const auto use = [&] {
          auto stream = make(alive);
          for (int i = 0; i < leave_after; ++i)
            if (stream.next() == nullptr) break;
        };
        if (on_fiber)
          runtime.run(use);
        else
          use();
        EXPECT_EQ(alive, 0);
      }
    }
  }
}

TEST(StreamAlgorithms, CancelReachesTheSource) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    auto waiting = Stream<int>::generate([](Yield<int>& yield) {
                     yield(1);
                     sleep_for(1h);
                   }) |
                   streams::map([](int& n) { return n; }) | streams::take(5);
    EXPECT_EQ(*waiting.next(), 1);
    waiting.cancel();
    const auto ended = attempt([&] { return waiting.next() == nullptr; });
    ASSERT_FALSE(ended.ok());
    EXPECT_EQ(ended.error().code(), ErrorCode::cancelled);
  });
}

TEST(StreamAlgorithms, ASourceKeepsTheContextItWasMadeIn) {
  struct Tenant {
    using Value = std::string;
  };
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    Stream<std::string> tenants;
    {
      const ContextScope scope(Context::current().with<Tenant>(std::make_shared<const std::string>("acme")));
      tenants = Stream<std::string>::generate([](Yield<std::string>& yield) {
                  yield(std::string(*Context::current().get<Tenant>()));
                }) |
                streams::map([](std::string& t) { return t + "!"; });
    }
    EXPECT_EQ(Context::current().get<Tenant>(), nullptr);
    EXPECT_EQ(*tenants.next(), "acme!");
  });
}

TEST(StreamAlgorithms, MergeGivesWhatComesFirstAndKeepsEachOrder) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .clock = &clock}};
  runtime.run([] {
    const auto every = [](Duration step, int first) {
      return Stream<int>::generate([step, first](Yield<int>& yield) {
        for (int i = 0; i < 3; ++i) {
          sleep_for(step);
          yield(first + i);
        }
      });
    };
    EXPECT_THAT(streams::merge(every(10s, 100), every(4s, 200)) | streams::collect(),
                ElementsAre(200, 201, 100, 202, 101, 102));
  });
}

TEST(StreamAlgorithms, MergeOfNothingEndsAtOnce) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] { EXPECT_EQ(streams::merge(std::vector<Stream<int>>{}).next(), nullptr); });
}

TEST(StreamAlgorithms, MergeEndsWithTheFirstErrorAndCancelsTheRest) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    std::atomic<int> alive{0};
    std::vector<Stream<int>> sources;
    sources.push_back(Stream<int>::generate([&](Yield<int>&) {
      ++alive;
      const auto slept = attempt([] { sleep_for(1h); });
      --alive;
      EXPECT_FALSE(slept.ok());
    }));
    sources.push_back(failing_after(2));
    const auto [got, error] = drain(streams::merge(std::move(sources)));
    EXPECT_THAT(got, ElementsAre(0, 1));
    EXPECT_EQ(error, ErrorCode::data_loss);
    EXPECT_EQ(alive, 0);
  });
}

TEST(StreamAlgorithms, MergeRunsAheadByItsBufferOnly) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    int made = 0;
    std::vector<Stream<int>> sources;
    sources.push_back(Stream<int>::generate([&made](Yield<int>& yield) {
      for (;;) yield(++made);
    }));
    auto merged = streams::merge(std::move(sources), 4);
    EXPECT_EQ(*merged.next(), 1);
    for (int i = 0; i < 100; ++i) yield_now();
    EXPECT_LE(made, 1 + 4 + 1);  // the one taken, the buffer, the one in the fiber's hand
  });
}

TEST(StreamAlgorithms, EveryBranchOfATeeGetsEverything) {
  for (const int workers : {1, 3}) {
    Runtime runtime{{.workers = static_cast<unsigned>(workers)}};
    constexpr int kBranches = 4;
    constexpr int kElements = 2000;
    auto branches = runtime.run([] { return streams::tee(numbers(kElements), kBranches, {.buffer = 3}); });
    std::vector<std::vector<int>> got(kBranches);
    std::vector<std::thread> users;  // a thread each, whose fibers go to the workers in turn
    for (std::size_t i = 0; i < kBranches; ++i)
      users.emplace_back([&, i] {
        const auto pull = [&] {
          for (int& n : branches[i]) got[i].push_back(n);
        };
        if (i % 2 == 0)
          runtime.run(pull);
        else
          pull();
      });
    for (std::thread& user : users) user.join();
    for (const auto& each : got) {
      ASSERT_EQ(each.size(), static_cast<std::size_t>(kElements));
      for (int n = 0; n < kElements; ++n) ASSERT_EQ(each[static_cast<std::size_t>(n)], n);
    }
  }
}

TEST(StreamAlgorithms, ATeeWithinItsBufferMayBeReadOneBranchAfterTheOther) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    auto branches = streams::tee(numbers(7), 2, {.buffer = 8});
    EXPECT_EQ((std::move(branches[0]) | streams::collect()).size(), 7u);
    EXPECT_EQ((std::move(branches[1]) | streams::collect()).size(), 7u);
  });
}

TEST(StreamAlgorithms, ASlowBranchIsCutWhenAskedTo) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    auto branches = streams::tee(numbers(100), 2, {.buffer = 4, .slow = streams::TeeOptions::Slow::cut});
    EXPECT_EQ((std::move(branches[0]) | streams::collect()).size(), 100u);
    const auto [got, error] = drain(std::move(branches[1]));
    EXPECT_THAT(got, ElementsAre(0, 1, 2, 3));
    EXPECT_EQ(error, ErrorCode::resource_exhausted);
  });
}

TEST(StreamAlgorithms, ABranchThatIsDestroyedIsWaitedForNoMore) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    std::atomic<int> alive{0};
    auto branches = streams::tee(numbers(100, &alive), 2, {.buffer = 2});
    auto kept = std::move(branches[0]);
    EXPECT_EQ(*kept.next(), 0);
    branches.clear();
    int n = 1;
    for (int& element : kept) EXPECT_EQ(element, n++);
    EXPECT_EQ(n, 100);
    kept = {};
    EXPECT_EQ(alive, 0);
  });
}

TEST(StreamAlgorithms, EveryBranchOfATeeGetsTheErrorAfterTheElements) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    auto branches = streams::tee(failing_after(3), 2);
    for (auto& branch : branches) {
      const auto [got, error] = drain(std::move(branch));
      EXPECT_THAT(got, ElementsAre(0, 1, 2));
      EXPECT_EQ(error, ErrorCode::data_loss);
    }
  });
}

// The one who pulls for all is interrupted: the others go on, and nothing is lost.
TEST(StreamAlgorithms, AnInterruptedPullerOfATeeHandsOver) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .clock = &clock}};
  runtime.run([] {
    auto branches = streams::tee(Stream<int>::generate([](Yield<int>& yield) {
                                   sleep_for(10s);
                                   yield(1);
                                   yield(2);
                                 }),
                                 2);
    Scope scope(Scope::OnFailure::keep_going);
    const auto hasty = scope.spawn("hasty", [&] {
      const ContextScope soon(Context::current().with_timeout(1s));
      const auto pulled = attempt([&] { branches[0].next(); });
      EXPECT_EQ(pulled.error().code(), ErrorCode::deadline_exceeded);
    });
    const auto patient = scope.spawn(
        "patient", [&] { EXPECT_THAT(std::move(branches[1]) | streams::collect(), ElementsAre(1, 2)); });
    hasty.get();
    EXPECT_THAT(std::move(branches[0]) | streams::collect(), ElementsAre(1, 2));
    patient.get();
  });
}

TEST(StreamAlgorithms, AnErrorTakesNoPlaceOfTake) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    auto one = failing_after(0) | streams::take(1);
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(attempt([&] { one.next(); }).ok());
  });
}

// Half an answer must not pass for a whole one.
TEST(StreamAlgorithms, ATeeWhoseSourceAndPullerEndTogetherEndsNoBranchCleanly) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .clock = &clock}};
  runtime.run([] {
    const ContextScope limit(Context::current().with_timeout(10s));
    auto branches = streams::tee(Stream<int>::generate([](Yield<int>& yield) {
                                   yield(1);
                                   yield(2);
                                   sleep_for(1h);
                                 }),
                                 3);
    for (auto& branch : branches) {
      const auto [got, error] = drain(std::move(branch));
      EXPECT_THAT(got, ElementsAre(1, 2));
      EXPECT_EQ(error, ErrorCode::deadline_exceeded);
    }
  });
}

TEST(StreamAlgorithms, ATeePassesTheErrorOnThatComesWhenItsPullerIsCancelled) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .clock = &clock}};
  runtime.run([] {
    std::vector<Stream<int>> branches;
    {
      const ContextScope limit(Context::current().with_timeout(10s));
      branches = streams::tee(Stream<int>::generate([](Yield<int>& yield) {
                                yield(1);
                                static_cast<void>(attempt([] { sleep_for(1h); }));
                                raise(Error(ErrorCode::data_loss, "torn"));
                              }),
                              2);
      const auto [got, error] = drain(std::move(branches[0]));
      EXPECT_THAT(got, ElementsAre(1));
      EXPECT_EQ(error, ErrorCode::data_loss);
    }
    const auto [got, error] = drain(std::move(branches[1]));
    EXPECT_THAT(got, ElementsAre(1));
    EXPECT_EQ(error, ErrorCode::data_loss);
  });
}

TEST(StreamAlgorithms, ABranchOfATeeSaysItsErrorAtEveryPull) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    auto failed = streams::tee(failing_after(0), 1);
    auto cut = streams::tee(numbers(9), 2, {.buffer = 1, .slow = streams::TeeOptions::Slow::cut});
    cut[0].next();
    cut[0].next();
    EXPECT_EQ(*cut[1].next(), 0);
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(attempt([&] { failed[0].next(); }).error().code(), ErrorCode::data_loss);
      EXPECT_EQ(attempt([&] { cut[1].next(); }).error().code(), ErrorCode::resource_exhausted);
    }
  });
}

TEST(StreamAlgorithms, ATeeTakesMemoryForWhatWaitsOnly) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    for (const std::size_t buffer : {std::size_t{1} << 50, static_cast<std::size_t>(-1)}) {
      auto branches = streams::tee(numbers(1000), 2, {.buffer = buffer});
      EXPECT_EQ((std::move(branches[0]) | streams::collect()).size(), 1000u);
      EXPECT_EQ((std::move(branches[1]) | streams::collect()).size(), 1000u);
    }
  });
}

TEST(StreamAlgorithms, WhatWaitsForABranchGoesWithIt) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    const auto element = std::make_shared<int>(7);
    auto branches = streams::tee(Stream<std::shared_ptr<int>>::generate([&](auto& yield) {
                                   for (int i = 0; i < 10; ++i) yield(std::shared_ptr<int>(element));
                                 }),
                                 2);
    for (int i = 0; i < 10; ++i) branches[0].next();
    EXPECT_EQ(branches[0].next(), nullptr);
    EXPECT_EQ(element.use_count(), 11);  // and what waits for the other branch
    branches[1] = {};
    EXPECT_EQ(element.use_count(), 1);
  });
}

TEST(StreamAlgorithms, ACopyThatThrowsEndsEveryBranchOfATee) {
  struct Picky {
    int number;
    int* copies;
    Picky(int n, int* c) : number(n), copies(c) {}
    Picky(const Picky& other) : number(other.number), copies(other.copies) {
      if (--*copies == 0) throw std::length_error("one too many");
    }
    Picky& operator=(const Picky&) = delete;
  };
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    int copies = 6;  // the sixth is the third element's for the second branch
    auto branches = streams::tee(Stream<Picky>::generate([&](Yield<Picky>& yield) {
                                   for (int i = 0; i < 9; ++i) yield(Picky(i, &copies));
                                 }),
                                 2);
    for (auto& branch : branches) {
      EXPECT_EQ(branch.next()->number, 0);
      EXPECT_EQ(branch.next()->number, 1);
      EXPECT_THROW(branch.next(), std::length_error);
    }
  });
}

TEST(StreamAlgorithms, PassForeignExceptionsOnAsTheyWereThrown) {
  const auto torn = [] {
    return Stream<int>::generate([](Yield<int>& yield) {
      yield(1);
      throw std::out_of_range("torn");
    });
  };
  Runtime runtime{{.workers = 1}};
  runtime.run([&] {
    EXPECT_THROW(torn() | streams::chunk(5) | streams::collect(), std::out_of_range);
    EXPECT_THROW(streams::merge(torn(), torn()) | streams::collect(), std::out_of_range);
    for (auto& branch : streams::tee(torn(), 2))
      EXPECT_THROW(std::move(branch) | streams::collect(), std::out_of_range);
  });
}

// Both take their time to unwind: they do it side by side.
TEST(StreamAlgorithms, MergeUnwindsItsSourcesAtTheSameTime) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .clock = &clock}};
  runtime.run([&] {
    std::vector<Stream<int>> sources;
    for (int i = 0; i < 5; ++i)
      sources.push_back(Stream<int>::generate([](Yield<int>& yield) {
        yield(1);
        static_cast<void>(attempt([] { sleep_for(1h); }));
        const ContextScope deaf{Context()};
        sleep_for(10s);
      }));
    const TimePoint start = clock.now();
    {
      auto merged = streams::merge(std::move(sources));
      merged.next();
    }
    EXPECT_EQ(clock.now() - start, 10s);
  });
}

}  // namespace
}  // namespace beluga
