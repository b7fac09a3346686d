#include "beluga/fiber/blocking.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "beluga/fiber/internal/runtime_impl.hpp"
#include "beluga/fiber/internal/sanitizer.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/sync.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;

TEST(Blocking, RunsOnAnotherThreadWhileTheWorkerGoesOn) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    const auto worker = std::this_thread::get_id();
    std::promise<void> release;
    Scope scope;
    const auto job = scope.spawn("caller", [&] {
      return blocking([&] {
        release.get_future().wait();
        return std::this_thread::get_id();
      });
    });
    for (int i = 0; i < 10; ++i) yield_now();
    release.set_value();
    EXPECT_NE(job.get(), worker);
  });
}

TEST(Blocking, InheritsTheContextAndTheClock) {
  struct Tenant {
    using Value = std::string;
  };
  ManualClock clock;
  Runtime runtime{{.workers = 1, .clock = &clock}};
  runtime.run([&] {
    const ContextScope scope(Context::current().with<Tenant>(std::make_shared<const std::string>("acme")));
    blocking([&] {
      EXPECT_EQ(*Context::current().get<Tenant>(), "acme");
      EXPECT_EQ(&Clock::current(), &clock);
      EXPECT_FALSE(Runtime::on_fiber());
      EXPECT_EQ(&Runtime::current().clock(), &clock);
    });
  });
}

TEST(Blocking, ThrowsWhatTheCallThrew) {
  Runtime runtime{{.workers = 1}};
  const auto result = attempt(
      [&] { runtime.run([] { blocking([] { raise(Error(ErrorCode::data_loss, "torn page")); }); }); });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::data_loss);
}

TEST(Blocking, NestedCallsCannotStarveThePool) {
  Runtime runtime{{.workers = 2, .blocking_threads = 2}};
  std::atomic<int> done{0};
  runtime.run([&] {
    Scope scope;
    for (int i = 0; i < 50; ++i)
      scope.spawn("nested", [&] { blocking([&] { blocking([&] { blocking([&] { ++done; }); }); }); });
    scope.join();
  });
  EXPECT_EQ(done, 50);
}

int nested_runs(int depth) {
  return blocking(
      [depth] { return depth == 0 ? 1 : Runtime::current().run([&] { return nested_runs(depth - 1); }); });
}

TEST(Blocking, JobsThatWaitForFibersThatNeedThePoolDoNotStarveIt) {
  Runtime runtime{{.workers = 2, .blocking_threads = 2}};
  runtime.run([&] {
    const ContextScope limit(Context::current().with_timeout(30s));
    std::atomic<int> inside{0};
    Scope scope;
    std::vector<Future<int>> answers;
    for (int i = 0; i < 2; ++i) {
      answers.push_back(scope.spawn("agent as tool", [&] {
        return blocking([&] {
          ++inside;
          while (inside < 2) std::this_thread::yield();  // now the jobs hold every thread
          return Runtime::current().run([] { return nested_runs(3); });
        });
      }));
    }
    for (const Future<int>& answer : answers) EXPECT_EQ(answer.get(), 1);
  });
}

TEST(Blocking, ThePoolServesOnAfterManyAbandonedCallsHaveEnded) {
  struct State {
    std::atomic<int> running{0};
    std::promise<void> release;
    std::shared_future<void> released = release.get_future().share();
  };
  const auto state = std::make_shared<State>();
  Runtime runtime{{.workers = 1, .blocking_threads = 2}};
  runtime.run([&] {
    for (int wave = 1; wave <= 2; ++wave) {
      const CancelSource told;
      Scope scope(Scope::OnFailure::keep_going);
      for (int i = 0; i < 2; ++i) {
        scope.spawn("caller", [&] {
          const ContextScope context(Context::current().with_cancel(told.token()));
          blocking({.name = "stuck", .mode = Blocking::may_be_abandoned, .grace = 1ms}, [state] {
            ++state->running;
            state->released.wait();
          });
        });
      }
      while (state->running < 2 * wave) yield_now();
      told.cancel();
      EXPECT_FALSE(attempt([&] { scope.join(); }).ok());
    }
    EXPECT_EQ(runtime.stats().blocking_abandoned, 4U);
    // Every thread that the pool may have is held: the next call waits for the first that comes back.
    const ContextScope limit(Context::current().with_timeout(30s));
    Scope scope;
    const auto queued = scope.spawn("queued", [] { return blocking([] { return 7; }); });
    while (runtime.stats().blocking_queued == 0) yield_now();
    state->release.set_value();
    EXPECT_EQ(queued.get(), 7);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(blocking([i] { return i; }), i);
  });
  EXPECT_TRUE(runtime.shutdown(10s).clean());
}

TEST(Blocking, ACallIsServedWhenNoFurtherThreadCanBeStarted) {
  if (detail::kSanitized) GTEST_SKIP() << "a sanitizer needs the address space";
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(30);
    int result = 1;
    Runtime runtime{{.workers = 1, .blocking_threads = 64}};
    runtime.run([&] {
      std::atomic<bool> go_on{false};
      int served = 0;
      Scope scope;
      scope.spawn("first", [&] {
        blocking([&] {
          while (!go_on) std::this_thread::yield();
        });
      });
      while (runtime.stats().blocking_running == 0) yield_now();
      {
        Scope stacks;  // for the fibers below, who are not to compete with the threads for memory
        for (int i = 0; i < 40; ++i) stacks.spawn("stack", [] { yield_now(); });
        stacks.join();
      }
      long pages = 0;
      std::ifstream("/proc/self/statm") >> pages;
      rlimit limit{};
      ::getrlimit(RLIMIT_AS, &limit);
      limit.rlim_cur = static_cast<rlim_t>(pages) * 4096 + (rlim_t{16} << 20);
      ::setrlimit(RLIMIT_AS, &limit);
      for (int i = 0; i < 30; ++i) {
        scope.spawn("later", [&] {
          blocking([&] {
            while (!go_on) std::this_thread::yield();
          });
          ++served;
        });
      }
      for (int i = 0; i < 100; ++i) yield_now();
      go_on = true;
      scope.join();
      result = served == 30 ? 0 : 2;
    });
    ::_exit(result);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Blocking, AForeignExceptionArrivesAsItWasThrown) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    EXPECT_THROW(blocking([]() -> int { throw std::invalid_argument("mine"); }), std::invalid_argument);
  });
}

TEST(Blocking, ItsThreadsTakeTheSignalsThatTheHostTakes) {
  Runtime runtime{{.workers = 1}};
  runtime.run([] {
    blocking([] {
      char name[16] = {};
      ::pthread_getname_np(::pthread_self(), name, sizeof name);
      EXPECT_STREQ(name, "beluga-pool");
      sigset_t blocked;
      ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
      EXPECT_EQ(::sigismember(&blocked, SIGTERM), 0);
    });
  });
}

TEST(Blocking, AJobMayUseStreamsScopesAndRun) {
  Runtime runtime{{.workers = 1, .blocking_threads = 1}};
  const int sum = runtime.run([] {
    return blocking([] {
      Scope scope;
      const auto a = scope.spawn("a", [] { return 40; });
      return a.get() + Runtime::current().run([] { return 2; });
    });
  });
  EXPECT_EQ(sum, 42);
}

TEST(Blocking, AWaitingJobDoesNotKeepVirtualTimeFromJumping) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .clock = &clock}};
  const TimePoint start = clock.now();
  runtime.run([&] {
    Scope scope;
    scope.spawn("tool", [] { blocking([] { sleep_for(1h); }); });
    scope.spawn("other", [] { sleep_for(30min); });
    scope.join();
  });
  EXPECT_EQ(clock.now() - start, 1h);
}

TEST(Blocking, ACallThatIgnoresItsCancellationIsTakenOver) {
  struct State {
    std::atomic<bool> told{false};
    std::promise<void> release;
    std::shared_future<void> released = release.get_future().share();
    std::promise<void> ended;
  };
  const auto state = std::make_shared<State>();
  {
    Runtime runtime{{.workers = 1, .blocking_threads = 1}};
    runtime.run([&] {
      Scope scope;
      const auto call = scope.spawn("caller", [state] {
        blocking({.name = "stubborn", .mode = Blocking::may_be_abandoned, .grace = 1ms}, [state] {
          const CancelCallback told(Context::current().cancel_token(), [&] { state->told = true; });
          state->released.wait();
          state->ended.set_value();
        });
      });
      while (Runtime::current().stats().blocking_running == 0) yield_now();
      scope.cancel(Error(ErrorCode::cancelled, "user left"));
      const auto result = attempt([&] { call.get(); });
      ASSERT_FALSE(result.ok());
      EXPECT_EQ(result.error().message(), "user left");
      EXPECT_TRUE(state->told);
      EXPECT_EQ(Runtime::current().stats().blocking_abandoned, 1u);
      // Its slot has been replaced: the pool of one still works.
      const ContextScope fresh{Context()};
      EXPECT_EQ(blocking([] { return 7; }), 7);
    });
    const ShutdownReport report = runtime.shutdown(10ms);
    EXPECT_EQ(report.blocking, std::vector<std::string>{"stubborn"});
  }
  state->release.set_value();
  state->ended.get_future().wait();
}

TEST(Blocking, MustFinishWaitsWhateverHappens) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .clock = &clock}};
  runtime.run([] {
    bool finished = false;
    Scope scope;
    scope.spawn("caller", [&] {
      blocking([&] {
        const auto told = attempt([] { sleep_for(1h); });
        finished = !told.ok();
      });
    });
    while (Runtime::current().stats().blocking_running == 0) yield_now();
    scope.cancel(Error(ErrorCode::cancelled, "stop"));
    static_cast<void>(attempt([&] { scope.join(); }));
    EXPECT_TRUE(finished);
  });
}

TEST(Blocking, AQueuedCallOfACancelledCallerNeverRuns) {
  Runtime runtime{{.workers = 1, .blocking_threads = 1}};
  std::promise<void> release;
  std::atomic<bool> ran{false};
  runtime.run([&] {
    Scope scope(Scope::OnFailure::keep_going);
    scope.spawn("first", [&] { blocking([&] { release.get_future().wait(); }); });
    while (Runtime::current().stats().blocking_running == 0) yield_now();
    const CancelSource source;
    const auto second = scope.spawn("second", [&] {
      const ContextScope context(Context::current().with_cancel(source.token()));
      blocking([&] { ran = true; });
    });
    while (Runtime::current().stats().blocking_queued == 0) yield_now();
    source.cancel();
    while (!second.ready()) yield_now();
    release.set_value();
    static_cast<void>(attempt([&] { scope.join(); }));
  });
  EXPECT_FALSE(ran);
}

// The worker that would call a thread for the second is held by a fiber; a thread that is asleep takes no notice.
TEST(Blocking, ACallIsServedAlthoughAnotherFiberHoldsTheWorker) {
  Runtime runtime{{.workers = 1, .stall_report = 40ms, .on_stall = [](std::string_view, Duration) {}}};
  std::atomic<bool> served{false}, go_on{false};
  runtime.run([&] {
    Scope scope;
    scope.spawn("first", [&] {
      blocking([&] {
        while (!go_on) std::this_thread::yield();
      });
    });
    scope.spawn("second", [&] { blocking([&] { served = true; }); });
    scope.spawn("third", [&] {
      const auto patience = std::chrono::steady_clock::now() + 60s;
      while (!served && std::chrono::steady_clock::now() < patience) std::this_thread::yield();
      EXPECT_TRUE(served);
      go_on = true;
    });
    scope.join();
  });
}

TEST(Blocking, AnAbandonedCallThatWaitsDoesNotHoldUpVirtualTime) {
  struct State {
    Signal release;
    std::promise<void> ended;
  };
  const auto state = std::make_shared<State>();
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .blocking_threads = 1, .clock = &clock}};
  runtime.run([&] {
    const CancelSource told(Context::current().cancel_token());
    Scope scope(Scope::OnFailure::keep_going);
    const auto call = scope.spawn("caller", [&] {
      const ContextScope cancellable(Context::current().with_cancel(told.token()));
      blocking({.name = "stubborn", .mode = Blocking::may_be_abandoned, .grace = 1ms}, [state] {
        const ContextScope deaf{Context()};
        state->release.wait();
        state->ended.set_value();
      });
    });
    // Until only this worker keeps the clock from jumping: the call waits.
    const auto& inside = detail::RuntimeAccess::impl(runtime);
    while (runtime.stats().blocking_running == 0 || inside.busy != 1) yield_now();
    told.cancel();
    EXPECT_FALSE(attempt([&] { call.get(); }).ok());
    EXPECT_EQ(runtime.stats().blocking_abandoned, 1U);
    EXPECT_EQ(inside.busy, 1);
    const TimePoint start = clock.now();
    sleep_for(1h);
    EXPECT_EQ(clock.now() - start, 1h);
    state->release.set();
    state->ended.get_future().wait();
    EXPECT_EQ(inside.busy, 1);  // it has not been counted in again
    sleep_for(1h);
    EXPECT_EQ(clock.now() - start, 2h);
  });
}

/// What a thread of the pool leaves behind goes slowly.
struct SlowToGo {
  static inline std::atomic<bool> going{false}, may_go{false};
  static SlowToGo& of_this_thread() {
    thread_local SlowToGo slow;
    return slow;
  }
  bool used = false;
  ~SlowToGo() {
    going = true;
    while (!may_go) std::this_thread::yield();
  }
};

TEST(Blocking, AThreadThatEndsSlowlyHoldsUpNobody) {
  Runtime runtime{{.workers = 1, .blocking_threads = 1}};
  // A call that waits lends its place, so that a second thread comes, and one of the two is too many afterwards.
  const auto two_calls = [] {
    Signal second;
    Scope scope;
    scope.spawn("first", [&] {
      blocking([&] {
        SlowToGo::of_this_thread().used = true;
        second.wait();
      });
    });
    scope.spawn("second", [&] {
      blocking([&] {
        SlowToGo::of_this_thread().used = true;
        second.set();
      });
    });
    scope.join();
  };
  runtime.run(two_calls);
  while (!SlowToGo::going) std::this_thread::yield();
  runtime.run(two_calls);  // needs a second thread again
  SlowToGo::may_go = true;
  EXPECT_TRUE(runtime.shutdown(30s).clean());
}

}  // namespace
}  // namespace beluga
