#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include "beluga/agent/agent.hpp"
#include "beluga/agent/internal/test_doubles.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/sync.hpp"
#include "beluga/observe/telemetry.hpp"

namespace beluga {
namespace {

using namespace std::chrono_literals;
using namespace testing_doubles;
using ::testing::HasSubstr;

/// An event loop like Qt's: one thread, which must never block, runs what was posted.
class EventLoop final : public Executor {
 public:
  EventLoop() : thread_([this] { loop(); }) {}
  ~EventLoop() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  void post(Function<void()> work) override {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(work));
    }
    changed_.notify_all();
  }
  std::thread::id id() const { return thread_.get_id(); }

 private:
  void loop() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stop_ || !queue_.empty(); });
      if (queue_.empty()) return;
      Function<void()> work = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      work();
      work = nullptr;
      lock.lock();
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Function<void()>> queue_;
  bool stop_ = false;
  std::thread thread_;
};

std::shared_ptr<FunctionModel> long_answer(int tokens) {
  return model_of([tokens](std::size_t, const ChatRequest&, Yield<ChatChunk>& yield) {
    for (int i = 0; i < tokens; ++i) yield(text("x"));
    yield(end());
  });
}

std::shared_ptr<FunctionModel> silent_model(Signal& asked) {
  return model_of([&asked](std::size_t, const ChatRequest&, Yield<ChatChunk>& yield) {
    yield(text("..."));
    asked.set();
    sleep_for(1h);
  });
}

TEST(Run, BringsAllEventsInOrderThroughTheExecutorsThread) {
  EventLoop loop;
  const Agent agent{{.model = long_answer(5000)}};
  std::uint64_t last = 0;
  int terminals = 0;
  bool in_order = true;
  bool on_loop = true;
  beluga::Run run = agent.start(
      "go",
      [&](const Event& event) {  // no lock: the calls are serialised
        in_order = in_order && event.seq == ++last && terminals == 0;
        on_loop = on_loop && std::this_thread::get_id() == loop.id();
        terminals += event.terminal() ? 1 : 0;
      },
      &loop);
  EXPECT_EQ(run.result().text(), std::string(5000, 'x'));
  EXPECT_TRUE(run.done());
  EXPECT_TRUE(in_order);
  EXPECT_TRUE(on_loop);
  EXPECT_EQ(terminals, 1);
  EXPECT_EQ(last, 5000U + 4U);
}

TEST(Run, WaitsForAnExecutorThatLagsBehindInsteadOfQueueingWithoutEnd) {
  struct Stuck final : Executor {
    void post(Function<void()> given) override { work = std::move(given), posted.set(); }
    Function<void()> work;
    Signal posted;
  } stuck;
  std::atomic<int> produced{0};
  const auto model = model_of([&](std::size_t, const ChatRequest&, Yield<ChatChunk>& yield) {
    for (int i = 0; i < 100'000; ++i) {
      yield(text("x"));
      ++produced;
    }
    yield(end());
  });
  std::optional<beluga::Run> run = Agent{{.model = model}}.start("go", [](const Event&) {}, &stuck);
  stuck.posted.wait();
  EXPECT_FALSE(run->wait_until(Clock::system().now() + 50ms));
  EXPECT_LT(produced, 2000);
  run.reset();  // and it can still be destroyed
}

TEST(Run, SurvivesAnObserverThatThrowsAndLogsIt) {
  std::mutex mutex;
  std::string logged;
  const auto telemetry = observe::Telemetry::create({.log = {.sink = [&](std::string_view line) {
                                                       const std::lock_guard lock(mutex);
                                                       logged += line;
                                                     }}});
  int calls = 0;
  beluga::Run run = Agent{{.model = long_answer(3), .telemetry = telemetry}}.start("go", [&](const Event&) {
    ++calls;
    throw std::runtime_error("observer is broken");
  });
  EXPECT_EQ(run.result().text(), "xxx");
  EXPECT_EQ(calls, 7);
  const std::lock_guard lock(mutex);
  EXPECT_THAT(logged, HasSubstr("observer is broken"));
}

TEST(Run, WorksWithoutAnObserver) {
  EXPECT_EQ((Agent{{.model = long_answer(3)}}.start("go", {}).result().text()), "xxx");
}

TEST(Run, DestroyingItCancelsAndNoObserverCallStartsAfterwards) {
  EventLoop loop;
  for (Executor* executor : {static_cast<Executor*>(nullptr), static_cast<Executor*>(&loop)}) {
    Signal asked;
    std::atomic<bool> destroyed{false};
    std::atomic<bool> called_late{false};
    std::optional<beluga::Run> run = Agent{{.model = silent_model(asked)}}.start(
        "go", [&](const Event&) { called_late = called_late || destroyed; }, executor);
    asked.wait();
    const auto before = std::chrono::steady_clock::now();
    run.reset();
    destroyed = true;
    EXPECT_LT(std::chrono::steady_clock::now() - before, 1s);
    // Whatever was still posted has run once this has.
    if (executor != nullptr) {
      Signal flushed;
      loop.post([&] { flushed.set(); });
      flushed.wait();
    }
    EXPECT_FALSE(called_late);
  }
}

TEST(Run, MayBeDestroyedInsideItsOwnObserver) {
  EventLoop loop;
  for (Executor* executor : {static_cast<Executor*>(nullptr), static_cast<Executor*>(&loop)}) {
    std::mutex mutex;
    std::optional<beluga::Run> run;
    Signal gone;
    std::atomic<int> calls_after{0};
    {
      const std::lock_guard lock(mutex);  // the observer waits until `run` is set
      run = Agent{{.model = long_answer(1000)}}.start(
          "go",
          [&](const Event&) {
            const std::lock_guard inner(mutex);
            if (!run) {
              ++calls_after;
              return;
            }
            run.reset();
            gone.set();
          },
          executor);
    }
    gone.wait();
    // The next run waits for the one that was left behind.
    Agent{{.model = long_answer(1)}}.start("again", {}).result();
    EXPECT_EQ(calls_after, 0);
  }
}

TEST(Run, ThrowsTheErrorOfAFailedRun) {
  const auto model = model_of([](std::size_t, const ChatRequest&, Yield<ChatChunk>&) {
    throw Error(ErrorCode::unauthenticated, "wrong key");
  });
  beluga::Run run = Agent{{.model = model}}.start("go", {});
  const auto reply = attempt([&] { return run.result(); });
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code(), ErrorCode::unauthenticated);
}

TEST(Run, IsCancelledWithTheContextItWasStartedIn) {
  Signal asked;
  CancelSource cancel;
  ContextScope scope(Context().with_cancel(cancel.token()));
  beluga::Run run = Agent{{.model = silent_model(asked)}}.start("go", {});
  asked.wait();
  cancel.cancel();
  ContextScope deaf{Context()};
  EXPECT_EQ(attempt([&] { return run.result(); }).error().code(), ErrorCode::cancelled);
}

TEST(Run, ManyAtOnceShareFewThreads) {
  const Agent agent{{.model = long_answer(20)}};
  std::vector<beluga::Run> runs;
  std::atomic<int> terminals{0};
  for (int i = 0; i < 500; ++i)
    runs.push_back(agent.start("go", [&](const Event& event) { terminals += event.terminal() ? 1 : 0; }));
  for (const beluga::Run& run : runs) EXPECT_EQ(run.result().text().size(), 20U);
  EXPECT_EQ(terminals, 500);
}

}  // namespace
}  // namespace beluga
