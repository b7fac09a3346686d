#pragma once
/// `retry`: repeats a model call that failed in a way that may pass.
///
///     auto model = llm::open("openai/gpt-4o", {.max_retries = 0}) | llm::retry({.max_attempts = 5});
///
/// Only retryable errors are repeated (Error::retryable; an ended context never is). The wait before attempt
/// n+1 is random between zero and base_delay * 2^(n-1), at most max_delay ("full jitter"); when the provider
/// named a time (Retry-After), it is that time plus a random part of base_delay. A wait that would pass the
/// context's deadline, or is longer than max_retry_after, is not begun: the error is thrown at once. As long
/// as nothing of the response has been given out, a repetition is invisible. Afterwards it is announced by a
/// ResponseRestart: what came before it is void (ChatFold does so by itself), so that nothing appears twice.
/// Once the ResponseEnd is given out nothing is repeated.

#include <functional>

#include "beluga/contract/chat_model.hpp"
#include "beluga/fiber/clock.hpp"

namespace beluga::llm {

struct RetryOptions {
  unsigned max_attempts = 3;  ///< the first one included; 0 counts as 1
  Duration base_delay = std::chrono::milliseconds(500);
  Duration max_delay = std::chrono::seconds(20);
  bool honour_retry_after = true;
  Duration max_retry_after = std::chrono::minutes(2);
  /// A number in [0, 1) for the jitter; null: a generator of the process. Called from any thread.
  std::function<double()> random = nullptr;
  /// Told before each wait, on the stream's fiber. Must not throw.
  std::function<void(const Error& error, unsigned attempt, Duration delay)> on_retry = nullptr;
};

/// Time is the current clock's: see ManualClock.
ChatMiddleware retry(RetryOptions options = {});

}  // namespace beluga::llm
