#include "beluga/app/interrupt.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <optional>
#include <utility>

namespace beluga::app {
namespace {

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
  // nohup(1) ignores SIGHUP for what it starts, a shell without job control SIGINT for what it puts behind.
  for (const int signal : kSignals) {
    struct sigaction before{};
    ::sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);
  }
  ::signal(SIGPIPE, SIG_IGN);
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
  if (!g_signal.compare_exchange_strong(expected, 0)) return;
  // One that comes in between loses its byte but not its number, which wait_readable() looks at first.
  std::array<char, 64> bytes;
  while (::read(state_->wake_end, bytes.data(), bytes.size()) > 0) {
  }
}

bool Interrupt::wait_readable(int fd) const noexcept {
  for (;;) {
    if (g_signal.load() != 0) return false;
    std::array<pollfd, 2> waits{{{fd, POLLIN, 0}, {state_->wake_end, POLLIN, 0}}};
    if (::poll(waits.data(), waits.size(), -1) > 0 && waits[0].revents != 0) return g_signal.load() == 0;
  }
}

void Interrupt::watch() {
  bool told = false;  // SIGTERM or SIGHUP came before: the second one does not wait
  for (;;) {
    char byte = 0;
    const auto got = ::read(state_->read_end, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || byte == 'q') return;
    std::optional<CancelSource> target;
    {
      const std::lock_guard lock(state_->mutex);
      target = state_->target;
    }
    const int signal = g_signal.load();
    const char* cause = "interrupted (Ctrl-C)";
    if (signal != SIGINT) cause = signal == SIGHUP ? "the terminal was closed" : "terminated";
    const bool again = std::exchange(told, told || byte == 't') && byte == 't';
    if (target && target->cancel(Error(ErrorCode::cancelled, cause))) continue;
    if (target || again) ::_exit(128 + signal);
  }
}

Interrupt::Target::Target(Interrupt& interrupt, CancelSource source) : interrupt_(interrupt) {
  {
    std::lock_guard lock(interrupt.state_->mutex);
    interrupt.state_->target = source;
  }
  if (interrupt.leaving()) source.cancel(Error(ErrorCode::cancelled, "terminated"));
}

Interrupt::Target::~Target() {
  std::lock_guard lock(interrupt_.state_->mutex);
  interrupt_.state_->target.reset();
}

}  // namespace beluga::app
