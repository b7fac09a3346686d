#include "beluga/app/interrupt.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <optional>
#include <utility>

namespace beluga::app {
namespace {

int g_pipe = -1;  // written by the handler; set before the handler is installed
std::atomic<int> g_signal{0};
static_assert(std::atomic<int>::is_always_lock_free);

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};

extern "C" void on_signal(int signal) {
  const int saved = errno;
  int known = g_signal.load();
  while (known != SIGTERM && known != SIGHUP && !g_signal.compare_exchange_weak(known, signal)) {
  }
  const char byte = signal == SIGINT ? 'i' : 't';
  [[maybe_unused]] const auto ignored = ::write(g_pipe, &byte, 1);
  errno = saved;
}

}  // namespace

struct Interrupt::State {
  std::mutex mutex;
  std::optional<CancelSource> target;
  int read_end = -1;
};

Interrupt::Interrupt() : state_(std::make_shared<State>()) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) raise(Error(ErrorCode::unavailable, "cannot create a pipe for signals"));
  state_->read_end = ends[0];
  g_pipe = ends[1];
  ::fcntl(g_pipe, F_SETFL, O_NONBLOCK);
  struct sigaction action{};
  action.sa_handler = on_signal;  // no SA_RESTART: a Ctrl-C must end a read at the prompt
  // nohup(1) ignores SIGHUP for what it starts, a shell without job control SIGINT for what it puts behind.
  for (const int signal : kSignals) {
    struct sigaction before{};
    ::sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);
  }
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t ours;
  sigset_t before;
  ::sigemptyset(&ours);
  for (const int signal : kSignals) ::sigaddset(&ours, signal);
  ::pthread_sigmask(SIG_BLOCK, &ours, &before);
  watcher_ = std::thread([this] { watch(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
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
  ::close(g_pipe);
  g_pipe = -1;
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
  g_signal.compare_exchange_strong(expected, 0);
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
