#include "beluga/observe/propagation.hpp"

#include <gtest/gtest.h>

#include "beluga/observe/telemetry.hpp"

namespace beluga::observe {
namespace {

TEST(Propagation, NamesTheSpanThatTheContextIsUnder) {
  const auto telemetry = Telemetry::create({});
  const Span outer = telemetry->start_span("outer", SpanKind::internal);
  const Span inner = telemetry->start_span("inner", SpanKind::client, outer.context_for_children());
  HttpHeaders headers;
  propagate(headers, inner.context_for_children());
  EXPECT_EQ(headers.get("traceparent"), traceparent(inner.context()));
  EXPECT_EQ(inner.context().trace, outer.context().trace);
}

TEST(Propagation, SaysNothingWithoutASpan) {
  HttpHeaders headers;
  propagate(headers, Context());
  const auto off = Telemetry::create({.tracing = false});
  propagate(headers, off->start_span("none", SpanKind::client).context_for_children());
  EXPECT_FALSE(headers.contains("traceparent"));
}

// Who hears nothing begins a trace of its own, and samples what was not to be sampled.
TEST(Propagation, TellsTheOtherSideThatATraceIsNotSampled) {
  const auto unsampled = Telemetry::create({.sample_ratio = 0});
  const Span quiet = unsampled->start_span("quiet", SpanKind::client);
  HttpHeaders headers;
  propagate(headers, quiet.context_for_children());
  const auto header = headers.get("traceparent");
  ASSERT_TRUE(header);
  EXPECT_TRUE(header->ends_with("-00")) << *header;
  EXPECT_EQ(parse_traceparent(*header), quiet.context());
}

TEST(Propagation, LeavesAParentThatTheCallerNamed) {
  const auto telemetry = Telemetry::create({});
  const Span span = telemetry->start_span("span", SpanKind::client);
  HttpHeaders headers{{"Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}};
  propagate(headers, span.context_for_children());
  EXPECT_EQ(headers.get_all("traceparent").size(), 1U);
  EXPECT_EQ(headers.get("traceparent"), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
}

}  // namespace
}  // namespace beluga::observe
