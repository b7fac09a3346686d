#pragma once
/// Sends spans and metrics to an OTLP collector in the background.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "beluga/observe/telemetry.hpp"

namespace beluga::observe {

/// Thread-safety: push() from anywhere and never waits; flush() and shutdown() from any fiber or thread.
class OtlpExporter {
 public:
  OtlpExporter(OtlpOptions options, std::string service_name, Metrics& metrics, Log& log);
  ~OtlpExporter();
  OtlpExporter(const OtlpExporter&) = delete;
  OtlpExporter& operator=(const OtlpExporter&) = delete;

  void push(std::shared_ptr<const SpanData> span) noexcept;
  bool flush(Duration deadline);
  bool shutdown(Duration deadline);
  std::uint64_t dropped() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The transport over beluga/net.
OtlpTransport http_transport(Duration timeout);

}  // namespace beluga::observe
