#include "beluga/fiber/fault.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "beluga/base/error.hpp"
#include "beluga/fiber/internal/fault.hpp"
#include "beluga/fiber/internal/worker.hpp"

namespace beluga {

namespace {

struct sigaction g_before_segv;
struct sigaction g_before_bus;

/// A line put together without allocation: all of this runs inside a signal handler.
class Line {
 public:
  Line& operator<<(const char* text) noexcept {
    while (*text != '\0' && length_ < sizeof text_) text_[length_++] = *text++;
    return *this;
  }
  Line& operator<<(std::size_t number) noexcept {
    char digits[24];
    std::size_t n = sizeof digits;
    digits[--n] = '\0';
    do digits[--n] = static_cast<char>('0' + number % 10);
    while ((number /= 10) != 0);
    return *this << digits + n;
  }
  void write() const noexcept { (void)!::write(STDERR_FILENO, text_, length_); }

 private:
  char text_[512];
  std::size_t length_ = 0;
};

void pass_on(int signal, siginfo_t* info, void* machine) {
  const struct sigaction& before = signal == SIGBUS ? g_before_bus : g_before_segv;
  if ((before.sa_flags & SA_SIGINFO) != 0 && before.sa_sigaction != nullptr)
    return before.sa_sigaction(signal, info, machine);
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) return before.sa_handler(signal);
  // The instruction runs again and faults again, now with the default action and a core at the right place.
  ::sigaction(signal, &before, nullptr);
}

void on_fault(int signal, siginfo_t* info, void* machine) {
  const int saved = errno;
  const detail::Fiber* const fiber = detail::this_thread_state.fiber;
  if (fiber != nullptr && fiber->stack.guarded) {
    const auto* const at = static_cast<const std::byte*>(info->si_addr);
    if (at >= fiber->stack.base - detail::kGuardSize && at < fiber->stack.base) {
      char name[detail::FiberName::kMost + 1];
      fiber->name.copy(name);
      Line line;
      line << "beluga: fatal: fiber '" << name << "' overflowed its stack of " << fiber->stack.size / 1024
           << " KiB: raise RuntimeOptions::stack_size, or run deep recursion with blocking()\n";
      line.write();
    }
  }
  errno = saved;
  pass_on(signal, info, machine);
}

void install(int signal, struct sigaction& before) {
  struct sigaction action = {};
  action.sa_sigaction = &on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  if (::sigaction(signal, &action, &before) != 0)
    raise(Error(ErrorCode::internal,
                std::string("cannot install the fault reporter: ") + std::strerror(errno)));
}

}  // namespace

void install_fault_reporter() {
  static std::once_flag once;
  std::call_once(once, [] {
    install(SIGSEGV, g_before_segv);
    install(SIGBUS, g_before_bus);
  });
}

namespace detail {

SignalStack::SignalStack() noexcept {
  stack_t present = {};
  if (::sigaltstack(nullptr, &present) != 0 || (present.ss_flags & SS_DISABLE) == 0)
    return;  // somebody's, a sanitizer's say
  void* const memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  stack_t own = {};
  own.ss_sp = memory;
  own.ss_size = kSize;
  if (::sigaltstack(&own, nullptr) == 0)
    memory_ = memory;
  else
    ::munmap(memory, kSize);
}

SignalStack::~SignalStack() {
  if (memory_ == nullptr) return;
  stack_t off = {};
  off.ss_flags = SS_DISABLE;
  ::sigaltstack(&off, nullptr);
  ::munmap(memory_, kSize);
}

}  // namespace detail

}  // namespace beluga
