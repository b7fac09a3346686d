#include "beluga/observe/internal/otlp.hpp"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "beluga/base/json.hpp"

namespace beluga::observe {
namespace {

constexpr int kCumulative = 2;   // AggregationTemporality
constexpr int kStatusError = 2;  // Status.StatusCode

void append_value(std::string& out, const AttributeValue& value);

void append_double(std::string& out, double value) {
  // Proto3 JSON writes the values that JSON numbers lack as strings.
  if (std::isnan(value))
    out += R"("NaN")";
  else if (std::isinf(value))
    out += value > 0 ? R"("Infinity")" : R"("-Infinity")";
  else
    fmt::format_to(std::back_inserter(out), "{}", value);
}

void append_string_value(std::string& out, std::string_view text) {
  out += R"({"stringValue":)";
  append_json_string(out, text);
  out += '}';
}

void append_value(std::string& out, const AttributeValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) {
    out += *flag ? R"({"boolValue":true})" : R"({"boolValue":false})";
  } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    fmt::format_to(std::back_inserter(out), R"({{"intValue":"{}"}})",
                   *integer);  // 64-bit integers are strings
  } else if (const auto* real = std::get_if<double>(&value)) {
    out += R"({"doubleValue":)";
    append_double(out, *real);
    out += '}';
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    append_string_value(out, *text);
  } else if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    out += R"({"arrayValue":{"values":[)";
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (i != 0) out += ',';
      append_string_value(out, (*list)[i]);
    }
    out += "]}}";
  }
}

void append_attribute(std::string& out, std::string_view key, const AttributeValue& value) {
  out += R"({"key":)";
  append_json_string(out, key);
  out += R"(,"value":)";
  append_value(out, value);
  out += '}';
}

void append_resource(std::string& out, std::string_view service_name) {
  out += R"({"resource":{"attributes":[)";
  append_attribute(out, "service.name", AttributeValue(std::string(service_name)));
  out += ',';
  append_attribute(out, "telemetry.sdk.name", AttributeValue(std::string("beluga")));
  out += ',';
  append_attribute(out, "telemetry.sdk.language", AttributeValue(std::string("cpp")));
  out += "]}";
}

std::int64_t nanoseconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

void append_span(std::string& out, const SpanData& span) {
  fmt::format_to(std::back_inserter(out), R"({{"traceId":"{}","spanId":"{}",)", to_hex(span.context.trace),
                 to_hex(span.context.span));
  if (span.parent != 0)
    fmt::format_to(std::back_inserter(out), R"("parentSpanId":"{}",)", to_hex(span.parent));
  out += R"("name":)";
  append_json_string(out, span.name);
  fmt::format_to(
      std::back_inserter(out), R"(,"kind":{},"startTimeUnixNano":"{}","endTimeUnixNano":"{}","attributes":[)",
      static_cast<int>(span.kind), nanoseconds(span.start), nanoseconds(span.start) + span.elapsed.count());
  bool first = true;
  for (const Attribute& attribute : span.attributes) {
    if (!std::exchange(first, false)) out += ',';
    append_attribute(out, attribute.key, attribute.value);
  }
  out += "]";
  if (span.failed) {
    fmt::format_to(std::back_inserter(out), R"(,"status":{{"code":{},"message":)", kStatusError);
    append_json_string(out, span.status);
    out += '}';
  }
  out += '}';
}

void append_labels(std::string& out, const MetricPoint& point) {
  out += R"("attributes":[)";
  bool first = true;
  for (const auto& [key, value] : point.labels) {
    if (!std::exchange(first, false)) out += ',';
    append_attribute(out, key, AttributeValue(value));
  }
  out += "],";
}

void append_point(std::string& out, const MetricPoint& point, WallTime start, WallTime now) {
  out += '{';
  append_labels(out, point);
  fmt::format_to(std::back_inserter(out), R"("startTimeUnixNano":"{}","timeUnixNano":"{}",)",
                 nanoseconds(start), nanoseconds(now));
  if (point.instrument->kind == Instrument::Kind::counter) {
    out += R"("asDouble":)";
    append_double(out, point.sum);
  } else {
    fmt::format_to(std::back_inserter(out), R"("count":"{}","sum":)", point.count);
    append_double(out, point.sum);
    out += R"(,"min":)";
    append_double(out, point.min);
    out += R"(,"max":)";
    append_double(out, point.max);
    out += R"(,"bucketCounts":[)";
    for (std::size_t i = 0; i < point.buckets.size(); ++i)
      fmt::format_to(std::back_inserter(out), R"({}"{}")", i == 0 ? "" : ",", point.buckets[i]);
    out += R"(],"explicitBounds":[)";
    for (std::size_t i = 0; i < point.instrument->bounds.size(); ++i) {
      if (i != 0) out += ',';
      append_double(out, point.instrument->bounds[i]);
    }
    out += ']';
  }
  out += '}';
}

void append_scope(std::string& out) {
  out += R"({"scope":{"name":"beluga"},)";
}

}  // namespace

std::string otlp_traces(std::span<const std::shared_ptr<const SpanData>> spans,
                        std::string_view service_name) {
  std::string out = R"({"resourceSpans":[)";
  append_resource(out, service_name);
  out += R"(,"scopeSpans":[)";
  append_scope(out);
  out += R"("spans":[)";
  for (std::size_t i = 0; i < spans.size(); ++i) {
    if (i != 0) out += ',';
    append_span(out, *spans[i]);
  }
  fmt::format_to(std::back_inserter(out), R"(],"schemaUrl":"{}"}}]}}]}})", kSchemaUrl);
  return out;
}

std::string otlp_metrics(std::span<const MetricPoint> points, std::string_view service_name, WallTime start,
                         WallTime now) {
  std::string out = R"({"resourceMetrics":[)";
  append_resource(out, service_name);
  out += R"(,"scopeMetrics":[)";
  append_scope(out);
  out += R"("metrics":[)";
  for (std::size_t i = 0; i < points.size(); ++i) {
    const Instrument& instrument = *points[i].instrument;
    const bool same =
        i != 0 && points[i - 1].instrument == &instrument;  // the points come sorted by instrument
    if (!same) {
      if (i != 0) out += ',';
      out += R"({"name":)";
      append_json_string(out, instrument.name);
      out += R"(,"unit":)";
      append_json_string(out, instrument.unit);
      out += R"(,"description":)";
      append_json_string(out, instrument.description);
      if (instrument.kind == Instrument::Kind::counter)
        fmt::format_to(std::back_inserter(out),
                       R"(,"sum":{{"isMonotonic":true,"aggregationTemporality":{},"dataPoints":[)",
                       kCumulative);
      else
        fmt::format_to(std::back_inserter(out),
                       R"(,"histogram":{{"aggregationTemporality":{},"dataPoints":[)", kCumulative);
    } else {
      out += ',';
    }
    append_point(out, points[i], start, now);
    if (i + 1 == points.size() || points[i + 1].instrument != &instrument) out += "]}}";
  }
  fmt::format_to(std::back_inserter(out), R"(],"schemaUrl":"{}"}}]}}]}})", kSchemaUrl);
  return out;
}

}  // namespace beluga::observe
