#pragma once
/// `blocking(f)`: runs `f` on a pool of real threads and parks the calling fiber until it returns.
///
///     auto pages = blocking([&] { return find_pages("fibers", 10); });
///
/// For everything that may hold a thread: disk, SQLite, a user's tool, getaddrinfo. The job inherits the
/// Context. By default the caller waits until `f` has returned, whatever happens (`Blocking::must_finish`),
/// so that `f` may refer to the caller's variables; when the caller is cancelled or over its deadline
/// meanwhile, `f` is told through its CancelToken and should come to an end, for until then the caller cannot
/// heed it either. A call that has not started by then never does.
///
/// `Blocking::may_be_abandoned` is for what cannot be told: `f` is given `grace`, and if it still runs then
/// the runtime takes the call over and blocking() throws at once. Its result is discarded, its slot in the
/// pool is replaced up to a cap, RuntimeStats::blocking_abandoned counts it. Such an `f` must own what it
/// touches: capture by value or shared_ptr.
///
/// What `f` throws is thrown here: an Error, or a foreign exception as it was thrown. Throws
/// Error{failed_precondition} after a shutdown and Error{resource_exhausted} when no thread can be started.
///
/// Calls of one worker's fibers go to the pool in order and wake as few threads as will do. A call that
/// follows another may so wait for its thread until the worker has run the fibers that are ready; when one of
/// these computes for long, until the watchdog sees it: half of RuntimeOptions::stall_report, 125 ms by
/// default, or with 0 until that fiber gives way.
///
/// A blocking() call from within a job runs `f` in place, and a job that waits (for a fiber that needs the
/// pool in its turn, as a tool that calls an agent does) lends its place to others: nested waits starve the
/// pool only when more than eight times RuntimeOptions::blocking_threads jobs wait at once.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "beluga/base/function.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/clock.hpp"

namespace beluga {

enum class Blocking : std::uint8_t {
  must_finish,       ///< the caller waits for the end of the call, whatever happens
  may_be_abandoned,  ///< the caller leaves when it is cancelled or late and the grace is over
};

struct BlockingOptions {
  std::string_view name = "blocking";  ///< for stall and shutdown reports
  Blocking mode = Blocking::must_finish;
  /// For may_be_abandoned: how long a call that has been told to stop may still run. In real time, whatever
  /// the runtime's clock, because it bounds how long a destructor may take.
  Duration grace = std::chrono::milliseconds(5);
};

namespace detail {
/// Runs `job` in the pool and waits by the rules above. Throws for the waiter's own cancellation.
void run_blocking(const BlockingOptions& options, Function<void()> job);
}  // namespace detail

template <class F>
std::invoke_result_t<F&> blocking(BlockingOptions options, F f) {
  using R = std::invoke_result_t<F&>;
  static_assert(!std::is_reference_v<R>, "return a value or a pointer: the call runs on another thread");
  struct Call {
    std::optional<F> f;
    std::optional<std::conditional_t<std::is_void_v<R>, bool, R>> result;
    std::optional<detail::Failure> failure;
  };
  auto call = std::make_shared<Call>();
  call->f.emplace(std::move(f));
  detail::run_blocking(options, [call] {
    call->failure = detail::failure_of([&call] {
      if constexpr (std::is_void_v<R>)
        (*call->f)();
      else
        call->result.emplace((*call->f)());
    });
    call->f.reset();  // what it owns goes away on the thread that ran it
  });
  if (call->failure) detail::rethrow(*std::move(call->failure));
  if constexpr (!std::is_void_v<R>) return *std::move(call->result);
}
template <class F>
std::invoke_result_t<F&> blocking(F f) {
  return blocking(BlockingOptions{}, std::move(f));
}

}  // namespace beluga
