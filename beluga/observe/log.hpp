#pragma once
/// Structured logs: one line per record, as text or JSON, with the trace it belongs to. Secrets are masked.
///
///     telemetry->log().write(LogLevel::warn, "retrying", {{"attempt", 2}, {"provider", "openai"}});
///
/// Thread-safety: all members from any thread. A record below the level costs one comparison.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "beluga/base/json.hpp"
#include "beluga/fiber/clock.hpp"

namespace beluga::observe {

enum class LogLevel : std::uint8_t { trace, debug, info, warn, error, off };
std::string_view to_string(LogLevel level) noexcept;
/// By its name in either case; nullopt for an unknown one.
std::optional<LogLevel> parse_log_level(std::string_view name) noexcept;

struct LogOptions {
  LogLevel level = LogLevel::warn;
  bool json = false;
  /// Gets each finished line, without its newline, one at a time. Null: stderr.
  std::function<void(std::string_view line)> sink{};
};

class Log {
 public:
  explicit Log(LogOptions options);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  bool enabled(LogLevel level) const noexcept { return level >= level_ && level != LogLevel::off; }
  /// Never throws: a log must not fail the work that it tells of.
  void write(LogLevel level, std::string_view message,
             std::initializer_list<std::pair<std::string_view, Json>> fields = {}) noexcept;

 private:
  struct Impl;
  LogLevel level_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace beluga::observe
