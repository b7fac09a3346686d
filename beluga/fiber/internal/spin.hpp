#pragma once
/// Waiting for a moment without giving up the processor, for hand-overs that take less than a sleep would.

#include <algorithm>
#include <chrono>

namespace beluga::detail {

/// Whether a spin can pay off at all: whoever is waited for needs a processor of its own.
bool spinning_helps() noexcept;

inline void spin_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Polls `done` for at most `most` of real time; what it said last.
template <class Done>
bool spin_until(Done done, std::chrono::nanoseconds most) {
  const auto until = std::chrono::steady_clock::now() + most;
  do {
    for (int i = 0; i < 8; ++i) {
      if (done()) return true;
      spin_pause();
    }
  } while (std::chrono::steady_clock::now() < until);
  return done();
}

/// Spins while that has paid off lately, and once in a while to find out whether it does again.
class Patience {
 public:
  bool worth_it() noexcept { return score_ > 0 || ++declined_ % kProbe == 0; }
  void paid_off(bool yes) noexcept { score_ = std::clamp(score_ + (yes ? 1 : -1), 0, kMost); }

 private:
  static constexpr int kMost = 4;
  static constexpr unsigned kProbe = 16;
  int score_ = kMost;
  unsigned declined_ = 0;
};

}  // namespace beluga::detail
