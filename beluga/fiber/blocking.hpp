#pragma once
/// `blocking(f)`: runs `f` on a pool of real threads and parks the calling fiber until it returns.
///
/// For everything that may hold a thread: disk, SQLite, a user's tool, getaddrinfo. The job inherits the
/// Context. When the caller is cancelled or over its deadline while `f` runs, `f` is told through its
/// CancelToken and given `grace`; if it still runs then, the runtime takes the call over (its result is
/// discarded, its slot in the pool is replaced up to a cap, RuntimeStats::blocking_abandoned counts it) and
/// this throws at once. Therefore `f` must own what it touches: capture by value or shared_ptr.
/// `Blocking::must_finish` instead waits for `f` whatever happens, and allows references. A blocking() call
/// made from within a pool job runs `f` in place: nested waits cannot starve the pool.

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

enum class Blocking : std::uint8_t { may_be_abandoned, must_finish };

struct BlockingOptions {
  std::string_view name = "blocking";  ///< for stall and shutdown reports
  Blocking mode = Blocking::must_finish;
  Duration grace = std::chrono::milliseconds(5);
};

namespace detail {
/// Runs `job` in the pool and waits by the rules above. Throws for the waiter's own cancellation.
void run_blocking(const BlockingOptions& options, Function<void()> job);
}  // namespace detail

template <class F>
std::invoke_result_t<F&> blocking(BlockingOptions options, F f) {
  using R = std::invoke_result_t<F&>;
  struct Call {
    std::optional<F> f;
    std::optional<Result<R>> outcome;
  };
  auto call = std::make_shared<Call>();
  call->f.emplace(std::move(f));
  detail::run_blocking(options, [call] {
    call->outcome.emplace(attempt(*call->f));
    call->f.reset();  // what it owns goes away on the thread that ran it
  });
  return std::move(*call->outcome).value();
}
template <class F>
std::invoke_result_t<F&> blocking(F f) {
  return blocking(BlockingOptions{}, std::move(f));
}

}  // namespace beluga
