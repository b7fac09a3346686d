#pragma once
/// Errors: one type, one canonical set of codes.
///
/// Every failure in Beluga is a `beluga::Error`. It is thrown once, with the place and the remedy in its
/// message, and travels unchanged: through fibers, streams, pools and as the terminal event of a run.
/// `attempt()` (result.hpp) turns a throw into a value.
///
///     throw Error(ErrorCode::not_found, "config.yaml:7: model: no provider is called 'opnai'");
///
/// The codes are those of absl::Status / google.rpc.Code, so they map onto gRPC and HTTP without judgement
/// calls.

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace beluga {

enum class ErrorCode : std::uint8_t {
  cancelled = 1,          ///< somebody asked for the work to stop
  unknown = 2,            ///< a foreign exception without a better code
  invalid_argument = 3,   ///< wrong whatever the state of the system
  deadline_exceeded = 4,  ///< the time given ran out
  not_found = 5,
  already_exists = 6,       ///< also: a compare-and-swap on a name that is taken
  permission_denied = 7,    ///< known identity, not allowed
  resource_exhausted = 8,   ///< rate limit, quota, budget, size limit
  failed_precondition = 9,  ///< the system is not in the required state; do not retry until it is
  aborted = 10,             ///< lost a race (compare-and-swap); retry at a higher level
  out_of_range = 11,
  unimplemented = 12,
  internal = 13,         ///< an invariant of ours is broken
  unavailable = 14,      ///< transient: the peer could not be reached or is overloaded
  data_loss = 15,        ///< truncated or corrupt data, including a stream cut before its end
  unauthenticated = 16,  ///< missing or wrong credentials
};

/// The code's canonical lower-case name, for example "deadline_exceeded".
std::string_view to_string(ErrorCode code) noexcept;

/// An error value that can be thrown, carried and copied. Copying never throws and shares the detail.
/// Thread-safety: immutable after construction except through the `with_` calls on a named object.
class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message);

  ErrorCode code() const noexcept;
  /// The text given at construction, without the decorations that `what()` adds.
  const std::string& message() const noexcept;
  /// "code: message (provider, HTTP status, request id)"; valid as long as any copy lives.
  const char* what() const noexcept override;

  /// Whether repeating the same call may succeed. By default true for `unavailable` and `aborted` and false
  /// otherwise; whoever knows better (a provider that has seen the status) says so with `with_retryable`.
  bool retryable() const noexcept;
  /// How long the peer asked us to wait (`Retry-After`).
  std::optional<std::chrono::milliseconds> retry_after() const noexcept;
  /// HTTP status, 0 if there was none.
  int http_status() const noexcept;
  const std::string& provider() const noexcept;
  const std::string& request_id() const noexcept;
  /// The error that led to this one; null at the root.
  const Error* cause() const noexcept;

  Error with_retryable(bool retryable) const;
  Error with_retry_after(std::chrono::milliseconds delay) const;
  Error with_http_status(int status) const;
  Error with_provider(std::string provider) const;
  Error with_request_id(std::string id) const;
  Error with_cause(Error cause) const;
  /// The same error with `prefix` put before its message: "prefix: message".
  Error with_context(std::string_view prefix) const;

 private:
  struct Detail;
  explicit Error(std::shared_ptr<const Detail> detail) noexcept;
  std::shared_ptr<const Detail> detail_;
};

/// Throws `error`. Out of line, so that headers compile under -fno-exceptions.
[[noreturn]] void raise(Error error);

/// The exception being handled, as an Error: an Error stays itself, std::bad_alloc becomes
/// `resource_exhausted`, anything else `unknown` with its `what()`. Call only inside a catch block. Throws
/// nothing of its own; it is not noexcept because the forced unwinding of a cancelled thread
/// (abi::__forced_unwind) must pass through.
Error current_error();

}  // namespace beluga
