#pragma once
/// OTLP/HTTP in its JSON encoding: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
/// (OTLP 1.x).

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/observe/metrics.hpp"
#include "beluga/observe/span.hpp"

namespace beluga::observe {

/// The body of POST /v1/traces.
std::string otlp_traces(std::span<const std::shared_ptr<const SpanData>> spans,
                        std::string_view service_name);
/// The body of POST /v1/metrics; sums are cumulative from `start` to `now`.
std::string otlp_metrics(std::span<const MetricPoint> points, std::string_view service_name, WallTime start,
                         WallTime now);

}  // namespace beluga::observe
