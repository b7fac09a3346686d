#pragma once
/// Reports fibers that hold their worker: the only way in which one conversation can delay all others.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "beluga/fiber/clock.hpp"

namespace beluga::detail {

struct Worker;

/// One thread per runtime, asleep while all workers are. Pool calls that such a fiber holds up are seen to on
/// the way.
class Watchdog {
 public:
  ~Watchdog();
  void start(const std::vector<std::unique_ptr<Worker>>& workers, Duration limit,
             std::function<void(std::string_view, Duration)> on_stall);
  void stop() noexcept;
  /// Called by a worker that has fibers to run.
  void work_begins() noexcept {
    if (asleep_.load()) wake();
  }

 private:
  struct Watched {
    Worker* worker = nullptr;
    std::uint64_t turn = ~std::uint64_t{0};
    std::chrono::steady_clock::time_point since{};
    Duration delay_before{};
    bool sampled = false;
    bool reported = false;
  };
  void run();
  void look(Watched& watched, std::chrono::steady_clock::time_point now);
  void wake() noexcept;

  Duration limit_{};
  std::function<void(std::string_view, Duration)> on_stall_;
  std::vector<Watched> watched_;
  std::atomic<bool> asleep_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace beluga::detail
