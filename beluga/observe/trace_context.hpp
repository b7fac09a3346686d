#pragma once
/// The identity of a span as it travels between processes: W3C Trace Context
/// (https://www.w3.org/TR/trace-context/).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace beluga::observe {

struct TraceId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  bool valid() const noexcept { return (high | low) != 0; }
  friend bool operator==(const TraceId&, const TraceId&) = default;
};

struct SpanContext {
  TraceId trace{};
  std::uint64_t span = 0;
  bool sampled = false;
  bool valid() const noexcept { return trace.valid() && span != 0; }
  friend bool operator==(const SpanContext&, const SpanContext&) = default;
};

/// 32 and 16 lower-case hex digits.
std::string to_hex(TraceId id);
std::string to_hex(std::uint64_t span_id);
/// The `traceparent` header: "00-<trace>-<span>-01", or "-00" when it is not sampled.
std::string traceparent(const SpanContext& context);
/// Nullopt for everything that section 3.2 of the recommendation calls invalid.
std::optional<SpanContext> parse_traceparent(std::string_view header) noexcept;

}  // namespace beluga::observe
