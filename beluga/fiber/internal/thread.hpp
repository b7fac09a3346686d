#pragma once
/// Threads of a runtime.

#include <pthread.h>
#include <signal.h>

#include <string>
#include <thread>
#include <utility>

namespace beluga::detail {

/// Starts a thread that shows as `name` (15 characters) in top -H and gdb. It does not take signals that are
/// sent to the process: a handler of the host must not run on the small stack of a fiber or hold a worker.
/// Those that a thread causes itself still reach it, and SIGPROF does, so that profilers see it. Throws
/// std::system_error.
template <class F>
std::thread start_deaf_thread(const std::string& name, F f) {
  sigset_t most;
  sigset_t before;
  ::sigfillset(&most);
  for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF})
    ::sigdelset(&most, own);
  struct Restore {
    const sigset_t& mask;
    ~Restore() { ::pthread_sigmask(SIG_SETMASK, &mask, nullptr); }
  };
  ::pthread_sigmask(SIG_BLOCK, &most, &before);  // inherited by the thread
  const Restore restore{before};
  return std::thread([name, f = std::move(f)]() mutable {
    ::pthread_setname_np(::pthread_self(), name.c_str());
    f();
  });
}

}  // namespace beluga::detail
