#include "beluga/app/interrupt.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

namespace beluga::app {
namespace {

using namespace std::chrono_literals;

// Written by the handler; set before it is installed. The first tells the watcher, the second stays readable
// until the signal is cleared: so that one that comes just before a wait ends the wait as well.
int g_pipe = -1;
int g_wake = -1;
std::atomic<int> g_signal{0};
static_assert(std::atomic<int>::is_always_lock_free);

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};

extern "C" void on_signal(int signal) {
  const int saved = errno;
  int known = g_signal.load();
  while (known != SIGTERM && known != SIGHUP && !g_signal.compare_exchange_weak(known, signal)) {
  }
  const char byte = signal == SIGINT ? 'i' : 't';
  [[maybe_unused]] auto ignored = ::write(g_pipe, &byte, 1);
  ignored = ::write(g_wake, &byte, 1);
  errno = saved;
}

}  // namespace

struct Interrupt::State {
  std::mutex mutex;
  std::optional<CancelSource> target;
  int read_end = -1;
  int wake_end = -1;
  bool missed = false;  // a signal came while there was no target
  termios terminal{};   // as it was found
  bool terminal_known = false;
};

Interrupt::Interrupt() : state_(std::make_shared<State>()) {
  int ends[2];
  int wake[2];
  if (::pipe2(ends, O_CLOEXEC) != 0 || ::pipe2(wake, O_CLOEXEC | O_NONBLOCK) != 0)
    raise(Error(ErrorCode::unavailable, "cannot create a pipe for signals"));
  state_->read_end = ends[0];
  state_->wake_end = wake[0];
  g_wake = wake[1];
  g_pipe = ends[1];
  ::fcntl(g_pipe, F_SETFL, O_NONBLOCK);
  struct sigaction action{};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;  // a write to a slow terminal goes on; what waits for input looks at g_wake
  // nohup(1) ignores SIGHUP for what it starts, a shell without job control SIGINT for what it puts behind.
  for (const int signal : kSignals) {
    struct sigaction before{};
    ::sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);
  }
  state_->terminal_known = ::tcgetattr(STDIN_FILENO, &state_->terminal) == 0;
  watcher_ = std::thread([this] { watch(); });
}

Interrupt::~Interrupt() {
  const char end = 'q';
  [[maybe_unused]] const auto ignored = ::write(g_pipe, &end, 1);
  watcher_.join();
  for (const int signal : kSignals) {
    struct sigaction now{};
    ::sigaction(signal, nullptr, &now);
    if (now.sa_handler == on_signal) ::signal(signal, SIG_DFL);
  }
  ::close(state_->read_end);
  ::close(state_->wake_end);
  ::close(std::exchange(g_pipe, -1));
  ::close(std::exchange(g_wake, -1));
}

int Interrupt::exit_code() const noexcept {
  const int signal = g_signal.load();
  return signal == 0 ? 0 : 128 + signal;
}

bool Interrupt::leaving() const noexcept {
  const int signal = g_signal.load();
  return signal == SIGTERM || signal == SIGHUP;
}

void Interrupt::clear() noexcept {
  int expected = SIGINT;
  const std::lock_guard lock(state_->mutex);
  if (!g_signal.compare_exchange_strong(expected, 0)) return;
  state_->missed = false;
  // One that comes in between loses its byte but not its number, which wait_readable() looks at first.
  std::array<char, 64> bytes;
  while (::read(state_->wake_end, bytes.data(), bytes.size()) > 0) {
  }
}

bool Interrupt::wait_readable(int fd) const noexcept {
  for (;;) {
    if (g_signal.load() != 0) return false;
    std::array<pollfd, 2> waits{{{fd, POLLIN, 0}, {state_->wake_end, POLLIN, 0}}};
    if (::poll(waits.data(), waits.size(), -1) <= 0) continue;
    if (waits[1].revents != 0 && g_signal.load() == 0) {  // left over from one that was cleared
      char byte = 0;
      [[maybe_unused]] const auto ignored = ::read(state_->wake_end, &byte, 1);
    } else if (waits[0].revents != 0) {
      return g_signal.load() == 0;
    }
  }
}

void Interrupt::watch() {
  bool told = false;  // SIGTERM or SIGHUP came before: the second one does not wait
  std::chrono::steady_clock::time_point last{};
  for (;;) {
    char byte = 0;
    const auto got = ::read(state_->read_end, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || byte == 'q') return;
    std::optional<CancelSource> target;
    int signal = 0;
    {
      const std::lock_guard lock(state_->mutex);
      signal = g_signal.load();
      target = state_->target;
      if (signal != 0 && !target) state_->missed = true;  // Target() sees to it
    }
    if (signal == 0) continue;  // cleared meanwhile
    // timeout(1) and a closing terminal send the same signal twice: that is not somebody who is impatient.
    const auto now = std::chrono::steady_clock::now();
    const bool echo = now - std::exchange(last, now) < (byte == 'i' ? 100ms : 1s);
    const char* cause = "interrupted (Ctrl-C)";
    if (signal != SIGINT) cause = signal == SIGHUP ? "the terminal was closed" : "terminated";
    const bool again = std::exchange(told, told || byte == 't') && byte == 't';
    if (target && target->cancel(Error(ErrorCode::cancelled, cause))) continue;
    if (!echo && (target || again)) {
      ::signal(SIGTTOU, SIG_IGN);
      if (state_->terminal_known) ::tcsetattr(STDIN_FILENO, TCSANOW, &state_->terminal);
      ::_exit(128 + signal);
    }
  }
}

Interrupt::Target::Target(Interrupt& interrupt, CancelSource source) : interrupt_(interrupt) {
  bool missed = false;
  {
    const std::lock_guard lock(interrupt.state_->mutex);
    interrupt.state_->target = source;
    missed = std::exchange(interrupt.state_->missed, false);
  }
  if (missed)
    source.cancel(Error(ErrorCode::cancelled, interrupt.leaving() ? "terminated" : "interrupted (Ctrl-C)"));
}

Interrupt::Target::~Target() {
  std::lock_guard lock(interrupt_.state_->mutex);
  interrupt_.state_->target.reset();
}

}  // namespace beluga::app
