#include "beluga/fiber/runtime.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "beluga/fiber/blocking.hpp"
#include "beluga/fiber/internal/park.hpp"
#include "beluga/fiber/internal/reactor.hpp"
#include "beluga/fiber/internal/runtime_impl.hpp"
#include "beluga/fiber/internal/sanitizer.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/stream.hpp"

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

TEST(Runtime, IsRefusedAfterShutdown) {
  Runtime runtime{{.workers = 1}};
  runtime.shutdown(1s);
  const auto result = attempt([&] { runtime.run([] {}); });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::failed_precondition);
}

TEST(Runtime, ShutdownNamesTheFibersThatDoNotStopAndServesThemToTheirEnd) {
  std::atomic<bool> release{false};
  std::atomic<bool> started{false};
  std::thread user;
  ShutdownReport report;
  {
    Runtime runtime{{.workers = 1, .stall_report = 0ms}};
    user = std::thread([&] {
      runtime.run([&] {
        Scope scope(Scope::OnFailure::keep_going);
        scope.spawn("stubborn", [&] {
          started = true;
          while (!release) std::this_thread::yield();
        });
        static_cast<void>(attempt([&] { scope.join(); }));
      });
    });
    while (!started) std::this_thread::yield();
    report = runtime.shutdown(10ms);
  }
  EXPECT_FALSE(report.clean());
  EXPECT_THAT(report.fibers, testing::Contains("stubborn"));
  release = true;
  user.join();
}

TEST(Runtime, UseAfterForkIsAClearError) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {});
  const pid_t child = ::fork();
  if (child == 0) {
    const auto result = attempt([&] { runtime.run([] {}); });
    const bool clear = !result.ok() && result.error().code() == ErrorCode::failed_precondition &&
                       result.error().message().find("fork") != std::string::npos;
    ::_exit(clear ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

/// What `f` returns in a forked child; -1 when it does not end.
template <class F>
int in_forked_child(F f) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    ::_exit(f());
  }
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Runtime, StreamsAndScopesDoNotHangInAForkedChild) {
  Runtime runtime{{.workers = 1}};
  std::optional<Stream<int>> stream = runtime.run([] {
    return Stream<int>::generate([](Yield<int>& yield) {
      for (int i = 0;; ++i) yield(i);
    });
  });
  stream->next();
  EXPECT_EQ(0, in_forked_child([&] {
              const auto pulled = attempt([&] { stream->next(); });
              return !pulled.ok() && pulled.error().code() == ErrorCode::failed_precondition ? 0 : 1;
            }));
  EXPECT_EQ(0, in_forked_child([&] {
              stream.reset();
              return 0;
            }));
  std::optional<Scope> scope(std::in_place);
  scope->spawn("sleeper", [] { sleep_for(1h); });
  EXPECT_EQ(0, in_forked_child([&] {
              const auto joined = attempt([&] { scope->join(); });
              scope.reset();
              return !joined.ok() && joined.error().code() == ErrorCode::failed_precondition ? 0 : 1;
            }));
}

TEST(Runtime, ThreadsThatCannotBeStartedAreAnErrorAndLeaveNothingBehind) {
  if (detail::kSanitized) GTEST_SKIP() << "a sanitizer needs the address space";
  EXPECT_EQ(
      0, in_forked_child([] {
        long pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        rlimit limit{};
        ::getrlimit(RLIMIT_AS, &limit);
        limit.rlim_cur = static_cast<rlim_t>(pages) * 4096 + (rlim_t{64} << 20);
        ::setrlimit(RLIMIT_AS, &limit);
        const auto made = attempt([] { const Runtime many{{.workers = 200}}; });
        if (made.ok() || made.error().code() != ErrorCode::resource_exhausted) return 1;
        long threads = 0;
        for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/task"))
          ++threads;
        return threads == 1 ? 0 : 2;
      }));
}

TEST(Runtime, ItsThreadsHaveNamesAndAreDeafToSignalsOfTheProcess) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    char name[16] = {};
    ::pthread_getname_np(::pthread_self(), name, sizeof name);
    EXPECT_STREQ(name, "beluga-w0");
    sigset_t blocked;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    EXPECT_EQ(::sigismember(&blocked, SIGTERM), 1);
    EXPECT_EQ(::sigismember(&blocked, SIGCHLD), 1);
    EXPECT_EQ(::sigismember(&blocked, SIGSEGV), 0);
  });
  sigset_t blocked;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  EXPECT_EQ(::sigismember(&blocked, SIGTERM), 0);
}

TEST(Runtime, MayBeDestroyedInAForkedChild) {
  auto runtime = std::make_unique<Runtime>(RuntimeOptions{.workers = 1});
  const pid_t child = ::fork();
  if (child == 0) {
    runtime.reset();
    ::_exit(0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

std::atomic<bool> g_stall_seen{false};
std::string g_stalled;

TEST(Runtime, AStallIsReportedWithTheFibersName) {
  g_stall_seen = false;
  Runtime runtime{{.workers = 1, .stall_report = 20ms, .on_stall = [](std::string_view fiber, Duration held) {
                     EXPECT_GE(held, 20ms);
                     g_stalled = fiber;
                     g_stall_seen = true;
                   }}};
  runtime.run([] {
    Scope scope;
    scope.spawn("hog", [] {
      while (!g_stall_seen) {
      }
    });
    scope.join();
  });
  EXPECT_EQ(g_stalled, "hog");
}

TEST(Runtime, OptionsOutOfRangeAreRefused) {
  for (const RuntimeOptions& options :
       {RuntimeOptions{.workers = 1025}, RuntimeOptions{.workers = 1, .blocking_threads = 1'000'000},
        RuntimeOptions{.workers = 1, .stack_size = ~std::size_t{0}}}) {
    const auto made = attempt([&] { const Runtime runtime(options); });
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code(), ErrorCode::invalid_argument);
  }
  Runtime least{{.workers = 1, .blocking_threads = 0, .stack_size = 1}};
  EXPECT_EQ(least.run([] { return blocking([] { return 3; }); }), 3);
}

TEST(Runtime, RunReturnsReferences) {
  Runtime runtime{{.workers = 1}};
  int number = 1;
  int& same = runtime.run([&]() -> int& { return number; });
  EXPECT_EQ(&same, &number);
}

TEST(Runtime, AStallHandlerMayHaveState) {
  std::atomic<int> stalls{0};
  Runtime runtime{
      {.workers = 1, .stall_report = 5ms, .on_stall = [&](std::string_view, Duration) { ++stalls; }}};
  runtime.run([&] {
    // Again and again, because a stall does not count while the machine gives the process no processor.
    while (stalls == 0) {
      const auto until = std::chrono::steady_clock::now() + 20ms;
      while (stalls == 0 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
      yield_now();
    }
  });
  EXPECT_GE(stalls, 1);
}

TEST(Runtime, AWaitingFiberIsNoStall) {
  // On a busy machine the worker itself may be held up for a while, and that is a stall: one quiet run tells.
  bool quiet = false;
  for (int i = 0; i < 50 && !quiet; ++i) {
    g_stall_seen = false;
    Runtime runtime{{.workers = 1, .stall_report = 10ms, .on_stall = [](std::string_view, Duration) {
                       g_stall_seen = true;
                     }}};
    runtime.run([] { sleep_for(60ms); });
    quiet = !g_stall_seen;
  }
  EXPECT_TRUE(quiet);
}

TEST(Runtime, FibersStartedFromOtherThreadsAreUsedAgain) {
  Runtime runtime{{.workers = 2}};
  const auto use = [&](int times) {
    for (int i = 0; i < times; ++i) {
      runtime.run([] {});
      auto stream = runtime.run([] { return Stream<int>::generate([](Yield<int>& yield) { yield(1); }); });
      EXPECT_EQ(*stream.next(), 1);
    }
  };
  use(1000);
  const std::size_t made = detail::RuntimeAccess::impl(runtime).spare_fibers.made();
  use(5000);
  EXPECT_LT(detail::RuntimeAccess::impl(runtime).spare_fibers.made() - made, 200U);
  // As many at once as ever, from a fiber: those that were handed over come back.
  const auto burst = [&] {
    runtime.run([] {
      Scope scope;
      for (int i = 0; i < 1000; ++i) scope.spawn("child", [] {});
      scope.join();
    });
  };
  burst();
  const std::size_t most = detail::RuntimeAccess::impl(runtime).spare_fibers.made();
  for (int i = 0; i < 20; ++i) burst();
  EXPECT_LT(detail::RuntimeAccess::impl(runtime).spare_fibers.made() - most, 1000U);
}

TEST(Runtime, GivingWayHeedsTheContext) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    Scope scope;
    const Future<void> loop = scope.spawn("loop", [] {
      for (;;) yield_now();
    });
    scope.cancel(Error(ErrorCode::cancelled, "enough"));
    const auto ended = attempt([&] { loop.get(); });
    EXPECT_EQ(ended.error().message(), "enough");
  });
  std::atomic<bool> running{false};
  std::thread caller([&] {
    const auto ended = attempt([&] {
      runtime.run([&] {
        const ContextScope deaf{Context()};
        for (;;) {
          running = true;
          yield_now();
        }
      });
    });
    EXPECT_EQ(ended.error().code(), ErrorCode::cancelled);
  });
  while (!running) std::this_thread::yield();
  EXPECT_TRUE(runtime.shutdown(10s).clean());
  caller.join();
}

TEST(Runtime, ComesAndGoesManyTimes) {
  for (int i = 0; i < 100; ++i) {
    Runtime runtime{{.workers = 2}};
    Scope scope;
    if (i % 2 == 0) {
      EXPECT_EQ(runtime.run([i] {
        yield_now();
        return i;
      }),
                i);
    }
  }
}

TEST(Runtime, RealSleepsEndInTimeAndInOrder) {
  Runtime runtime{{.workers = 1}};
  std::vector<int> order;
  const auto start = std::chrono::steady_clock::now();
  runtime.run([&] {
    Scope scope;
    for (const int ms : {9, 3, 6})
      scope.spawn("sleeper", [&order, ms] {
        sleep_for(std::chrono::milliseconds(ms));
        order.push_back(ms);
      });
    scope.join();
  });
  EXPECT_EQ(order, (std::vector{3, 6, 9}));
  EXPECT_GE(std::chrono::steady_clock::now() - start, 9ms);
}

TEST(Runtime, AClockThatStandsStillMovesByAdvanceOnly) {
  ManualClock clock;
  Runtime runtime{{.workers = 1, .clock = &clock}};
  std::atomic<int> stage{0};
  std::thread user([&] {
    runtime.run([&] {
      stage = 1;
      sleep_for(10s);
      stage = 2;
    });
  });
  while (stage == 0) std::this_thread::yield();
  clock.advance(9s);
  EXPECT_EQ(stage, 1);
  while (stage == 1) clock.advance(1s);  // the first may come before the sleep has begun
  user.join();
  EXPECT_EQ(stage, 2);
}

TEST(Runtime, AJumpingClockWaitsForPendingIo) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 2, .clock = &clock}};
  const TimePoint start = clock.now();
  runtime.run([&] {
    std::optional<detail::IoPending> io(std::in_place);
    detail::ParkingSpot spot;
    std::thread peer([&] {
      std::this_thread::sleep_for(5ms);  // a peer outside the runtime takes real time
      spot.notify();
    });
    EXPECT_EQ(spot.wait(clock.now() + 1s), detail::Wake::notified);
    EXPECT_EQ(clock.now(), start);
    peer.join();
    io.reset();
    EXPECT_EQ(spot.wait(clock.now() + 1s), detail::Wake::timeout);
    EXPECT_EQ(clock.now() - start, 1s);
  });
}

TEST(Runtime, PendingIoMayOutliveItsRuntime) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  std::unique_ptr<detail::IoPending> pending;
  {
    Runtime runtime{{.workers = 1, .clock = &clock}};
    runtime.run([&] { pending = std::make_unique<detail::IoPending>(); });
  }
  pending.reset();
}

TEST(Runtime, PerWorkerObjectsAreMadeOnceAndDestroyedWithTheirWorker) {
  static std::atomic<int> alive{0};
  static const unsigned kSlot = detail::per_worker_slot();
  struct Thing {
    Thing() { ++alive; }
    ~Thing() { --alive; }
  };
  {
    Runtime runtime{{.workers = 2}};
    const auto make = [] { return std::shared_ptr<void>(std::make_shared<Thing>()); };
    for (int i = 0; i < 10; ++i) {
      runtime.run([&] {
        void* const first = detail::per_worker(kSlot, make).get();
        yield_now();
        EXPECT_EQ(detail::per_worker(kSlot, make).get(), first);
      });
    }
    EXPECT_EQ(alive, 2);
  }
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace beluga
