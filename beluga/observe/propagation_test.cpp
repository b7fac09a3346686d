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

TEST(Propagation, SaysNothingWithoutARecordedSpan) {
  HttpHeaders headers;
  propagate(headers, Context());
  const auto unsampled = Telemetry::create({.sample_ratio = 0});
  propagate(headers, unsampled->start_span("quiet", SpanKind::client).context_for_children());
  EXPECT_FALSE(headers.contains("traceparent"));
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
