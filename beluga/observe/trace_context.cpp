#include "beluga/observe/trace_context.hpp"

namespace beluga::observe {
namespace {

void append_hex(std::string& out, std::uint64_t value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4) out += kDigits[(value >> shift) & 15U];
}

/// Lower-case hex only, as the recommendation demands.
bool parse_hex(std::string_view text, std::uint64_t& out) noexcept {
  out = 0;
  for (const char c : text) {
    std::uint64_t digit = 0;
    if (c >= '0' && c <= '9')
      digit = static_cast<std::uint64_t>(c - '0');
    else if (c >= 'a' && c <= 'f')
      digit = static_cast<std::uint64_t>(c - 'a') + 10;
    else
      return false;
    out = (out << 4U) | digit;
  }
  return true;
}

}  // namespace

std::string to_hex(TraceId id) {
  std::string out;
  out.reserve(32);
  append_hex(out, id.high);
  append_hex(out, id.low);
  return out;
}

std::string to_hex(std::uint64_t span_id) {
  std::string out;
  out.reserve(16);
  append_hex(out, span_id);
  return out;
}

std::string traceparent(const SpanContext& context) {
  return "00-" + to_hex(context.trace) + "-" + to_hex(context.span) + (context.sampled ? "-01" : "-00");
}

std::optional<SpanContext> parse_traceparent(std::string_view header) noexcept {
  constexpr std::size_t kSize = 55;
  if (header.size() < kSize || header[2] != '-' || header[35] != '-' || header[52] != '-')
    return std::nullopt;
  std::uint64_t version = 0;
  std::uint64_t flags = 0;
  SpanContext context;
  if (!parse_hex(header.substr(0, 2), version) || version == 0xFF) return std::nullopt;
  // Version 00 has exactly this length; a later one may append "-..." that we do not know.
  if (header.size() != kSize && (version == 0 || header[kSize] != '-')) return std::nullopt;
  if (!parse_hex(header.substr(3, 16), context.trace.high) ||
      !parse_hex(header.substr(19, 16), context.trace.low) ||
      !parse_hex(header.substr(36, 16), context.span) || !parse_hex(header.substr(53, 2), flags))
    return std::nullopt;
  context.sampled = (flags & 1U) != 0;
  if (!context.valid()) return std::nullopt;
  return context;
}

}  // namespace beluga::observe
