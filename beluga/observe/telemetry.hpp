#pragma once
/// `Telemetry`: where spans, metrics and logs of this process go.
///
/// By default they stay here: the last spans in a ring buffer, metrics in memory, warnings on stderr. Nothing
/// leaves the process until an OTLP endpoint is configured; message content is recorded only when asked for.
///
///     auto telemetry = Telemetry::create({.otlp = {.endpoint = "http://localhost:4318"}});
///     Agent agent{{.model = model, .telemetry = telemetry}};
///     ...
///     telemetry->shutdown(std::chrono::seconds(2));
///
/// Nothing here blocks or fails a run: queues are bounded, what does not fit is dropped and counted.
/// Thread-safety: all members from any fiber or thread.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beluga/fiber/clock.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/observe/log.hpp"
#include "beluga/observe/metrics.hpp"
#include "beluga/observe/span.hpp"

namespace beluga::observe {

/// Sends one OTLP body; returns the HTTP status or throws Error.
using OtlpTransport =
    std::function<int(const std::string& url, const std::vector<std::pair<std::string, std::string>>& headers,
                      const std::string& body)>;

struct OtlpOptions {
  std::string endpoint{};  ///< "http://localhost:4318"; empty: off. /v1/traces and /v1/metrics are appended
  std::vector<std::pair<std::string, std::string>> headers{};
  std::size_t max_queue = 2048;  ///< spans waiting; more are dropped and counted
  std::size_t batch = 512;       ///< spans per request
  Duration interval = std::chrono::seconds(5);
  Duration timeout = std::chrono::seconds(10);  ///< of one request
  unsigned attempts = 4;                        ///< per request, for what OTLP calls retryable
  OtlpTransport transport{};                    ///< null: HTTP
};

struct TelemetryOptions {
  bool tracing = true;
  double sample_ratio = 1.0;      ///< of root spans; a child follows its parent
  std::size_t keep_spans = 1024;  ///< size of the ring buffer
  bool capture_content = false;   ///< record messages, tool arguments and results in spans
  std::string service_name = "beluga";
  LogOptions log{};
  OtlpOptions otlp{};
};

/// The defaults, changed by the standard variables: OTEL_SDK_DISABLED, OTEL_SERVICE_NAME,
/// OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_TRACES_SAMPLER_ARG,
/// OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT, and by BELUGA_LOG (a level, or "json:" and a level).
/// Throws Error{invalid_argument} naming the variable.
TelemetryOptions telemetry_options_from_environment();

class Telemetry final : public std::enable_shared_from_this<Telemetry> {
 public:
  static std::shared_ptr<Telemetry> create(TelemetryOptions options = {});
  /// That of the current context, else the process's.
  static std::shared_ptr<Telemetry> current();
  /// The process's: made with default options (nothing exported) at first use.
  static std::shared_ptr<Telemetry> process();
  /// Throws Error{failed_precondition} once process() was used.
  static void set_process(std::shared_ptr<Telemetry> telemetry);
  ~Telemetry();
  Telemetry(const Telemetry&) = delete;
  Telemetry& operator=(const Telemetry&) = delete;

  bool tracing() const noexcept;
  bool capture_content() const noexcept;
  /// A child of the span in `parent`, else a root.
  Span start_span(std::string_view name, SpanKind kind, const Context& parent = Context::current());
  Metrics& metrics() noexcept;
  Log& log() noexcept;

  /// The last finished spans, oldest first.
  std::vector<std::shared_ptr<const SpanData>> recent_spans() const;
  std::uint64_t spans_dropped() const noexcept;  ///< by the exporter

  /// Sends what is waiting; false when it could not within `deadline`.
  bool flush(Duration deadline);
  /// flush(), then no more is exported.
  bool shutdown(Duration deadline);

 private:
  friend class Span;
  struct Impl;
  explicit Telemetry(TelemetryOptions options);
  void finish(std::shared_ptr<SpanData> span) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace beluga::observe
