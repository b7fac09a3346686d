/// Costs of the fiber room, beside a raw Boost.Context switch and two threads with a condition variable.
///
///     build/bench/fiber_bench --benchmark_min_time=0.3

#include <benchmark/benchmark.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/context/detail/fcontext.hpp>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

#include "beluga/fiber/blocking.hpp"
#include "beluga/fiber/channel.hpp"
#include "beluga/fiber/internal/park.hpp"
#include "beluga/fiber/internal/reactor.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/fiber/scope.hpp"
#include "beluga/fiber/stream.hpp"
#include "tests/support/allocation_counter.hpp"

namespace {

using namespace beluga;

/// Reports heap allocations per iteration beside the time.
class CountAllocations {
 public:
  explicit CountAllocations(benchmark::State& state) : state_(state), before_(beluga::allocation::count()) {}
  ~CountAllocations() {
    state_.counters["allocs"] = benchmark::Counter(static_cast<double>(beluga::allocation::count() - before_),
                                                   benchmark::Counter::kAvgIterations);
  }
  CountAllocations(const CountAllocations&) = delete;
  CountAllocations& operator=(const CountAllocations&) = delete;

 private:
  benchmark::State& state_;
  std::size_t before_;
};

void RawContextRoundTrip(benchmark::State& state) {
  namespace machine = boost::context::detail;
  std::vector<char> stack(64 * 1024);
  machine::fcontext_t other = machine::make_fcontext(stack.data() + stack.size() - 256, stack.size() - 256,
                                                     [](machine::transfer_t t) {
                                                       for (;;) t = machine::jump_fcontext(t.fctx, nullptr);
                                                     });
  for (auto _ : state) other = machine::jump_fcontext(other, nullptr).fctx;
}
BENCHMARK(RawContextRoundTrip);

void ThreadPingPong(benchmark::State& state) {
  std::mutex mutex;
  std::condition_variable changed;
  int turn = 0;
  std::thread peer([&] {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return turn != 0; });
      if (turn < 0) return;
      turn = 0;
      changed.notify_one();
    }
  });
  {
    std::unique_lock lock(mutex);
    for (auto _ : state) {
      turn = 1;
      changed.notify_one();
      changed.wait(lock, [&] { return turn == 0; });
    }
    turn = -1;
    changed.notify_one();
  }
  peer.join();
}
BENCHMARK(ThreadPingPong)->MeasureProcessCPUTime()->UseRealTime();

void YieldRoundTrip(benchmark::State& state) {
  Runtime runtime{{.workers = 1}};
  runtime.run([&] {
    const CountAllocations count(state);
    for (auto _ : state) yield_now();
  });
}
BENCHMARK(YieldRoundTrip);

// Two fibers wake each other in turn: two parks and two wakes.
void ParkPingPong(benchmark::State& state) {
  Runtime runtime{{.workers = 1}};
  runtime.run([&] {
    detail::ParkingSpot ping, pong;
    bool stop = false;
    Scope scope;
    scope.spawn("peer", [&] {
      for (;;) {
        static_cast<void>(ping.wait());
        if (stop) return;
        pong.notify();
      }
    });
    yield_now();
    const CountAllocations count(state);
    for (auto _ : state) {
      ping.notify();
      static_cast<void>(pong.wait());
    }
    stop = true;
    ping.notify();
    scope.join();
  });
}
BENCHMARK(ParkPingPong);

// The floor of the next one: what the kernel takes to say that nothing has happened yet ...
void RawEpollWait(benchmark::State& state) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event;
  for (auto _ : state) benchmark::DoNotOptimize(::epoll_wait(epoll, &event, 1, 0));
  ::close(epoll);
}
BENCHMARK(RawEpollWait);

// ... and Asio's loop around it, without fibers.
void RawAsioPostAndRun(benchmark::State& state) {
  boost::asio::io_context io{1};
  const boost::asio::steady_timer timer(io);  // without one there is no reactor to ask
  const auto work = boost::asio::make_work_guard(io);
  int n = 0;
  for (auto _ : state) {
    boost::asio::post(io, [&n] { ++n; });
    io.run_one();
  }
}
BENCHMARK(RawAsioPostAndRun);

// A wait that the event loop ends, as each socket operation does; every turn of the loop asks the kernel.
void ParkAndWakeThroughTheLoop(benchmark::State& state) {
  Runtime runtime{{.workers = 1}};
  runtime.run([&] {
    detail::ParkingSpot spot;
    auto& io = detail::worker_io();
    const CountAllocations count(state);
    for (auto _ : state) {
      boost::asio::post(io, [&spot] { spot.notify(); });
      static_cast<void>(spot.wait());
    }
  });
}
BENCHMARK(ParkAndWakeThroughTheLoop);

// The same with 16 fibers that wait at once, as a busy worker has: the kernel is asked once for all.
void ParkAndWakeManyThroughTheLoop(benchmark::State& state) {
  constexpr int kFibers = 16;
  Runtime runtime{{.workers = 1}};
  runtime.run([&] {
    auto& io = detail::worker_io();
    std::int64_t waits = 0;
    bool stop = false;
    Scope scope;
    const auto wait = [&](detail::ParkingSpot& spot) {
      boost::asio::post(io, [&spot] { spot.notify(); });
      static_cast<void>(spot.wait());
      ++waits;
    };
    for (int i = 1; i < kFibers; ++i)
      scope.spawn("waiter", [&] {
        detail::ParkingSpot spot;
        while (!stop) wait(spot);
      });
    detail::ParkingSpot spot;
    const auto start = std::chrono::steady_clock::now();
    for (auto _ : state) wait(spot);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    state.counters["wait"] = took.count() / static_cast<double>(waits);
    stop = true;
    scope.join();
  });
}
BENCHMARK(ParkAndWakeManyThroughTheLoop);

void SpawnAndFinish(benchmark::State& state) {
  Runtime runtime{{.workers = 1}};
  runtime.run([&] {
    Scope scope;
    const CountAllocations count(state);
    for (auto _ : state) {
      scope.spawn("child", [] {});
      yield_now();
    }
    scope.join();
  });
}
BENCHMARK(SpawnAndFinish);

Stream<int> stages(int n) {
  auto stream = Stream<int>::generate([](Yield<int>& yield) {
    for (int i = 0;; ++i) yield(i);
  });
  for (int i = 1; i < n; ++i)
    stream = Stream<int>::generate([source = std::move(stream)](Yield<int>& yield) mutable {
      for (int& value : source) yield(value);
    });
  return stream;
}

void GeneratorElement(benchmark::State& state) {
  Runtime runtime{{.workers = 1}};
  runtime.run([&] {
    auto stream = stages(static_cast<int>(state.range(0)));
    stream.next();
    const CountAllocations count(state);
    for (auto _ : state) benchmark::DoNotOptimize(stream.next());
  });
}
BENCHMARK(GeneratorElement)->ArgName("stages")->Arg(1)->Arg(3);

void GeneratorElementPulledFromAThread(benchmark::State& state) {
  Runtime runtime{{.workers = 1}};
  auto stream = runtime.run([] { return stages(1); });
  stream.next();
  for (auto _ : state) benchmark::DoNotOptimize(stream.next());
}
BENCHMARK(GeneratorElementPulledFromAThread);

void ChannelElement(benchmark::State& state) {
  Runtime runtime{{.workers = 1}};
  runtime.run([&] {
    Channel<int> channel(64);
    Scope scope(Scope::OnFailure::keep_going);
    scope.spawn("producer", [&] {
      static_cast<void>(attempt([&] {
        for (int i = 0;; ++i) channel.send(i);
      }));
    });
    for (auto _ : state) benchmark::DoNotOptimize(channel.receive());
    channel.close();
  });
}
BENCHMARK(ChannelElement);

// Beside ThreadPingPong, which is what a hand-over to a thread and back costs at least when both have to be
// woken.
void BlockingCall(benchmark::State& state) {
  Runtime runtime{{.workers = 1}};
  runtime.run([&] {
    for (auto _ : state) blocking([] {});
  });
}
BENCHMARK(BlockingCall)->MeasureProcessCPUTime()->UseRealTime();

void ThreeBlockingCallsAtOnce(benchmark::State& state) {
  Runtime runtime{{.workers = 1}};
  runtime.run([&] {
    for (auto _ : state) {
      Scope scope;
      for (int i = 0; i < 3; ++i) scope.spawn("caller", [] { blocking([] {}); });
      scope.join();
    }
  });
}
BENCHMARK(ThreeBlockingCallsAtOnce)->MeasureProcessCPUTime()->UseRealTime();

// A call for which waiting awake does not pay: the thread sleeps for longer than that.
void BlockingCallThatTakesAMillisecond(benchmark::State& state) {
  Runtime runtime{{.workers = 1}};
  runtime.run([&] {
    for (auto _ : state) blocking([] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); });
  });
}
BENCHMARK(BlockingCallThatTakesAMillisecond)->MeasureProcessCPUTime()->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
