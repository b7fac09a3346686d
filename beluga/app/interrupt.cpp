#include "beluga/app/interrupt.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <optional>

namespace beluga::app {
namespace {

int g_pipe = -1;  // written by the handler; set before the handler is installed

extern "C" void on_signal(int signal) {
  const int saved = errno;
  const char byte = signal == SIGTERM ? 't' : 'i';
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
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  watcher_ = std::thread([this] { watch(); });
}

Interrupt::~Interrupt() {
  const char end = 'q';
  [[maybe_unused]] const auto ignored = ::write(g_pipe, &end, 1);
  watcher_.join();
  ::signal(SIGINT, SIG_DFL);
  ::signal(SIGTERM, SIG_DFL);
  ::close(state_->read_end);
  ::close(g_pipe);
  g_pipe = -1;
}

void Interrupt::watch() {
  for (;;) {
    char byte = 0;
    const auto got = ::read(state_->read_end, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || byte == 'q') return;
    std::optional<CancelSource> target;
    {
      std::lock_guard lock(state_->mutex);
      target = state_->target;
    }
    const char* cause = byte == 't' ? "terminated" : "interrupted (Ctrl-C)";
    if (target && target->cancel(Error(ErrorCode::cancelled, cause))) continue;
    if (target || byte == 't') ::_exit(byte == 't' ? 143 : 130);
  }
}

Interrupt::Target::Target(Interrupt& interrupt, CancelSource source) : interrupt_(interrupt) {
  std::lock_guard lock(interrupt.state_->mutex);
  interrupt.state_->target = std::move(source);
}

Interrupt::Target::~Target() {
  std::lock_guard lock(interrupt_.state_->mutex);
  interrupt_.state_->target.reset();
}

}  // namespace beluga::app
