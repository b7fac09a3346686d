#pragma once
/// Spans: what took how long, under what. See Telemetry for where they go.
///
///     Span span = telemetry->start_span("chat gpt-4o", SpanKind::client);   // child of the context's span
///     ContextScope scope(span.context_for_children());                      // explicit, never ambient
///     span.set(gen_ai::kRequestModel, "gpt-4o");
///
/// A span that is not recorded (telemetry off, not sampled) costs a few nanoseconds per call and allocates
/// nothing. Thread-safety: a Span belongs to one fiber at a time.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "beluga/base/error.hpp"
#include "beluga/fiber/clock.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/observe/gen_ai.hpp"
#include "beluga/observe/trace_context.hpp"

namespace beluga::observe {

class Telemetry;

enum class SpanKind : std::uint8_t { internal = 1, server = 2, client = 3, producer = 4, consumer = 5 };

using AttributeValue = std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>>;
struct Attribute {
  std::string_view key{};  ///< static storage, see Key
  AttributeValue value;
};

/// A finished span.
struct SpanData {
  std::string name{};
  SpanKind kind = SpanKind::internal;
  SpanContext context{};
  std::uint64_t parent = 0;  ///< span id; 0 at the root
  WallTime start{};
  Duration elapsed{};
  std::vector<Attribute> attributes{};
  bool failed = false;
  std::string status{};  ///< of a failed span

  const AttributeValue* find(std::string_view key) const noexcept;
};

/// Context value: under which span work happens, and which Telemetry observes it.
struct ActiveSpan {
  using Value = ActiveSpan;
  std::shared_ptr<Telemetry> telemetry{};
  SpanContext span;
};

class Span {
 public:
  Span() noexcept = default;  ///< records nothing
  Span(Span&&) noexcept = default;
  Span& operator=(Span&& other) noexcept;
  ~Span() { end(); }

  bool recording() const noexcept { return data_ != nullptr; }
  const SpanContext& context() const noexcept { return context_; }
  /// `base` with this span as the parent of what is started in it.
  Context context_for_children(const Context& base = Context::current()) const;

  void set(Key key, bool value) { put(key, AttributeValue(value)); }
  template <class I, std::enable_if_t<std::is_integral_v<I> && !std::is_same_v<I, bool>, int> = 0>
  void set(Key key, I value) {
    if (recording()) put(key, AttributeValue(static_cast<std::int64_t>(value)));
  }
  void set(Key key, double value) { put(key, AttributeValue(value)); }
  void set(Key key, const char* value) { set(key, std::string_view(value)); }
  void set(Key key, std::string_view value) {
    if (recording()) put(key, AttributeValue(std::string(value)));
  }
  void set(Key key, std::vector<std::string> value) { put(key, AttributeValue(std::move(value))); }
  /// Marks it failed: status and `error.type`.
  void fail(const Error& error);
  void fail(std::string_view error_type, std::string_view message);
  /// Ends it now instead of at destruction. Idempotent.
  void end() noexcept;

 private:
  friend class Telemetry;
  void put(Key key, AttributeValue value);

  std::shared_ptr<Telemetry> telemetry_;
  std::shared_ptr<SpanData> data_;
  SpanContext context_{};
  TimePoint started_{};
};

}  // namespace beluga::observe
