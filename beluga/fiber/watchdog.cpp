#include "beluga/fiber/internal/watchdog.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "beluga/fiber/internal/runtime_impl.hpp"
#include "beluga/fiber/internal/thread.hpp"

namespace beluga::detail {

namespace {

std::string read_small(const char* path) {
  char text[4096];
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  const ssize_t got = ::read(file, text, sizeof text);
  ::close(file);
  return got > 0 ? std::string(text, static_cast<std::size_t>(got)) : std::string();
}

/// How long a thread was ready to run without getting a processor (proc(5), schedstat: the second number).
Duration run_delay(int thread_id) {
  const std::string text =
      read_small(("/proc/self/task/" + std::to_string(thread_id) + "/schedstat").c_str());
  const std::size_t space = text.find(' ');
  if (space == std::string::npos) return Duration::zero();
  return Duration(static_cast<Duration::rep>(std::strtoull(text.c_str() + space, nullptr, 10)));
}

bool being_debugged() {
  const std::string text = read_small("/proc/self/status");
  const std::size_t at = text.find("TracerPid:");
  return at != std::string::npos && std::strtol(text.c_str() + at + 10, nullptr, 10) != 0;
}

void print_stall(std::string_view fiber, Duration held) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(held).count();
  const std::string line = "beluga: fiber '" + std::string(fiber) + "' has held its worker for " +
                           std::to_string(ms) + " ms; run slow or blocking work with blocking()\n";
  (void)!::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

Watchdog::~Watchdog() {
  stop();
}

void Watchdog::start(const std::vector<std::unique_ptr<Worker>>& workers, Duration limit,
                     std::function<void(std::string_view, Duration)> on_stall) {
  if (limit <= Duration::zero()) return;
  limit_ = limit;
  on_stall_ = on_stall ? std::move(on_stall) : &print_stall;
  for (const auto& worker : workers) watched_.push_back({.worker = worker.get()});
  thread_ = start_deaf_thread("beluga-watchdog", [this] { run(); });
}

void Watchdog::stop() noexcept {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Watchdog::wake() noexcept {
  const std::lock_guard lock(mutex_);
  asleep_.store(false, std::memory_order_relaxed);
  changed_.notify_all();
}

void Watchdog::look(Watched& watched, std::chrono::steady_clock::time_point now) {
  Worker& worker = *watched.worker;
  const std::uint64_t turn = worker.turns.load(std::memory_order_relaxed);
  const bool running = worker.running.load(std::memory_order_relaxed) != nullptr;
  if (turn != watched.turn || !running) {
    watched = Watched{.worker = &worker, .turn = turn, .since = now};
    return;
  }
  worker.runtime.pool->fan_out();  // calls that this fiber's worker cannot see to
  const Duration held = now - watched.since;
  if (watched.reported) return;
  if (!watched.sampled) {
    watched.sampled = true;
    watched.delay_before = run_delay(worker.thread_id.load(std::memory_order_relaxed));
  }
  if (held < limit_) return;
  watched.reported = true;
  const Duration starved = run_delay(worker.thread_id.load(std::memory_order_relaxed)) - watched.delay_before;
  if (starved > held / 2 || being_debugged()) return;  // the machine's fault, or the programmer's wish
  // The fiber may have gone on meanwhile; its memory is kept until the worker ends, so that the name can be
  // read.
  const Fiber* const fiber = worker.running.load(std::memory_order_acquire);
  if (fiber != nullptr && worker.turns.load(std::memory_order_relaxed) == turn)
    on_stall_(fiber->name.get(), held);
}

void Watchdog::run() {
  using Steady = std::chrono::steady_clock;
  const Duration tick = std::max<Duration>(limit_ / 4, std::chrono::milliseconds(1));
  std::unique_lock lock(mutex_);
  auto before = Steady::now();
  while (!stop_) {
    const auto all_asleep = [&] {
      return std::all_of(watched_.begin(), watched_.end(),
                         [](const Watched& w) { return w.worker->sleeping.load(); });
    };
    if (all_asleep()) {
      asleep_.store(true);
      // A worker looks at the flag after it woke, this looks at the workers after it set the flag: one sees
      // the other.
      if (all_asleep()) changed_.wait(lock, [&] { return stop_ || !asleep_.load(); });
      asleep_.store(false);
      before = Steady::now();
      for (Watched& w : watched_) w.turn = ~std::uint64_t{0};
    }
    changed_.wait_for(lock, tick, [&] { return stop_; });
    const auto now = Steady::now();
    const bool late =
        now - before > 2 * tick + std::chrono::milliseconds(50);  // the whole process stood still
    before = now;
    lock.unlock();
    for (Watched& w : watched_) {
      if (late) w.turn = ~std::uint64_t{0};
      look(w, now);
    }
    lock.lock();
  }
}

}  // namespace beluga::detail
