#include "beluga/observe/telemetry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <optional>
#include <thread>

#include "beluga/base/error.hpp"
#include "beluga/base/json.hpp"
#include "beluga/base/result.hpp"
#include "beluga/fiber/runtime.hpp"
#include "beluga/observe/internal/otlp.hpp"

namespace beluga::observe {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Telemetry, MakesAChildOfTheContextsSpanOnly) {
  const auto telemetry = Telemetry::create();
  const Span root = telemetry->start_span("root", SpanKind::internal);
  const Span stranger = telemetry->start_span("stranger", SpanKind::internal);
  EXPECT_NE(stranger.context().trace, root.context().trace);  // a living span is not a parent by itself
  std::optional<Span> child;
  {
    ContextScope scope(root.context_for_children());
    child = telemetry->start_span("child", SpanKind::client);
    EXPECT_EQ(Telemetry::current(), telemetry);
  }
  EXPECT_EQ(child->context().trace, root.context().trace);
  child->end();
  const auto spans = telemetry->recent_spans();
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0]->parent, root.context().span);
}

TEST(Telemetry, KeepsTheLastSpansOnly) {
  const auto telemetry = Telemetry::create({.keep_spans = 3});
  for (int i = 0; i < 10; ++i) telemetry->start_span(std::to_string(i), SpanKind::internal);
  const auto spans = telemetry->recent_spans();
  ASSERT_EQ(spans.size(), 3U);
  EXPECT_EQ(spans[0]->name, "7");
  EXPECT_EQ(spans[2]->name, "9");
}

TEST(Telemetry, SamplesWholeTracesNearTheRatio) {
  const auto telemetry = Telemetry::create({.sample_ratio = 0.25, .keep_spans = 100'000});
  int sampled = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Span root = telemetry->start_span("root", SpanKind::internal);
    ContextScope scope(root.context_for_children());
    const Span child = telemetry->start_span("child", SpanKind::internal);
    ASSERT_EQ(child.recording(), root.recording());
    ASSERT_EQ(child.context().trace, root.context().trace);
    sampled += root.recording() ? 1 : 0;
  }
  EXPECT_NEAR(sampled, 5000, 300);
  EXPECT_EQ(telemetry->recent_spans().size(), static_cast<std::size_t>(2 * sampled));
}

TEST(Telemetry, RecordsNothingWhenTracingIsOff) {
  const auto telemetry = Telemetry::create({.tracing = false});
  Span span = telemetry->start_span("x", SpanKind::internal);
  EXPECT_FALSE(span.recording());
  span.set(gen_ai::kToolName, "t");
  span.fail(Error(ErrorCode::internal, "x"));
  span.end();
  EXPECT_TRUE(telemetry->recent_spans().empty());
}

TEST(Telemetry, KeepsTheFailureOfASpanWithoutItsSecrets) {
  const auto telemetry = Telemetry::create();
  {
    Span span = telemetry->start_span("x", SpanKind::client);
    span.set(gen_ai::kToolName, "first");
    span.set(gen_ai::kToolName, "second");
    span.fail(Error(ErrorCode::unauthenticated,
                    "refused: Authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789"));
  }
  const auto span = telemetry->recent_spans().at(0);
  EXPECT_TRUE(span->failed);
  EXPECT_THAT(span->status, AllOf(HasSubstr("refused"), Not(HasSubstr("abcdefghijklmnopqrstuvwxyz"))));
  EXPECT_EQ(std::get<std::string>(*span->find("error.type")), "unauthenticated");
  EXPECT_EQ(std::get<std::string>(*span->find("gen_ai.tool.name")), "second");
}

TEST(Telemetry, ServesManyThreads) {
  const auto telemetry = Telemetry::create({.keep_spans = 64});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        Span span = telemetry->start_span("x", SpanKind::internal);
        span.set(gen_ai::kToolName, "t");
        telemetry->metrics().record(instruments::kToolCalls, 1, {{gen_ai::kToolName, "t"}});
        if (i % 100 == 0) static_cast<void>(telemetry->recent_spans());
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(telemetry->recent_spans().size(), 64U);
  EXPECT_EQ(telemetry->metrics().snapshot().at(0).sum, 2000);
}

TEST(Metrics, CountIntoTheBucketsOfTheConventions) {
  Metrics metrics;
  for (const double value : {0.005, 0.01, 0.011, 100.0})
    metrics.record(instruments::kOperationDuration, value, {{gen_ai::kRequestModel, "m"}});
  const auto points = metrics.snapshot();
  ASSERT_EQ(points.size(), 1U);
  EXPECT_EQ(points[0].count, 4U);
  EXPECT_EQ(points[0].buckets.front(), 2U);  // bounds are inclusive
  EXPECT_EQ(points[0].buckets[1], 1U);
  EXPECT_EQ(points[0].buckets.back(), 1U);
  EXPECT_EQ(points[0].min, 0.005);
  EXPECT_EQ(points[0].max, 100.0);
}

TEST(Metrics, AreBoundedWhateverTheLabelsAre) {
  Metrics metrics;
  for (int i = 0; i < 10'000; ++i)
    metrics.record(instruments::kToolCalls, 1,
                   {{gen_ai::kToolName, std::string(1000, 'x') + std::to_string(i)}});
  for (int i = 0; i < 10'000; ++i)
    metrics.record(instruments::kRuns, 1, {{gen_ai::kAgentName, std::to_string(i)}});
  EXPECT_LE(metrics.snapshot().size(), 2 * (Metrics::kMaxSeries + 1));
  double runs = 0;
  for (const MetricPoint& point : metrics.snapshot())
    if (point.instrument == &instruments::kRuns) runs += point.sum;
  EXPECT_EQ(runs, 10'000);
}

// ---- logs

struct Lines {
  std::mutex mutex;
  std::vector<std::string> all;
  std::function<void(std::string_view)> sink() {
    return [this](std::string_view line) {
      const std::lock_guard lock(mutex);
      all.emplace_back(line);
    };
  }
};

TEST(Log, WritesJsonWithTheTraceAndWithoutSecrets) {
  Lines lines;
  const auto telemetry =
      Telemetry::create({.log = {.level = LogLevel::info, .json = true, .sink = lines.sink()}});
  const Span span = telemetry->start_span("x", SpanKind::internal);
  ContextScope scope(span.context_for_children());
  telemetry->log().write(LogLevel::debug, "below the level");
  telemetry->log().write(LogLevel::error,
                         "token sk-abcdefghijklmnopqrstuvwxyz0123456789abcdefghijkl failed\n\x1b[2J",
                         {{"attempt", 2}, {"api_key", "plainword"}, {"text", "line\nbreak"}});
  ASSERT_EQ(lines.all.size(), 1U);
  const Json record = Json::parse(lines.all[0]);
  EXPECT_EQ(record.at("level").as_string(), "error");
  EXPECT_EQ(record.at("trace_id").as_string(), to_hex(span.context().trace));
  EXPECT_EQ(record.at("span_id").as_string(), to_hex(span.context().span));
  EXPECT_EQ(record.at("attempt").as_int(), 2);
  EXPECT_EQ(record.at("api_key").as_string(), "[redacted]");
  EXPECT_EQ(record.at("text").as_string(), "line\nbreak");
  EXPECT_THAT(lines.all[0], Not(HasSubstr("abcdefghijklmnopqrstuvwxyz")));
  EXPECT_EQ(record.at("time").as_string().size(), 24U);
}

TEST(Log, WritesOneTextLineWhateverTheMessageHolds) {
  Lines lines;
  Log log({.level = LogLevel::trace, .sink = lines.sink()});
  log.write(LogLevel::warn, "two\nlines \x1b[31mred",
            {{"plain", "value"}, {"quoted", "a b\"c\n"}, {"n", 1.5}, {"empty", ""}});
  ASSERT_EQ(lines.all.size(), 1U);
  EXPECT_THAT(lines.all[0],
              HasSubstr(R"(warn  two\x0alines \x1b[31mred plain=value quoted="a b\"c\n" n=1.5 empty="")"));
}

TEST(Log, KnowsItsLevels) {
  EXPECT_EQ(parse_log_level("WARN"), LogLevel::warn);
  EXPECT_EQ(parse_log_level("loud"), std::nullopt);
  EXPECT_FALSE(Log({.level = LogLevel::off, .sink = [](std::string_view) {}}).enabled(LogLevel::error));
}

// ---- options

class Environment : public ::testing::Test {
 protected:
  void set(const char* name, const char* value) {
    ::setenv(name, value, 1);
    names_.emplace_back(name);
  }
  ~Environment() override {
    for (const std::string& name : names_) ::unsetenv(name.c_str());
  }
  std::vector<std::string> names_;
};

TEST_F(Environment, ExportsNothingByDefault) {
  EXPECT_EQ(telemetry_options_from_environment().otlp.endpoint, "");
  EXPECT_FALSE(telemetry_options_from_environment().capture_content);
}

TEST_F(Environment, FollowsTheStandardVariables) {
  set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
  set("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20abc, x-scope = 7");
  set("OTEL_SERVICE_NAME", "svc");
  set("OTEL_TRACES_SAMPLER_ARG", "0.5");
  set("BELUGA_LOG", "json:debug");
  const TelemetryOptions options = telemetry_options_from_environment();
  EXPECT_EQ(options.otlp.endpoint, "http://localhost:4318");
  EXPECT_THAT(options.otlp.headers, ::testing::ElementsAre(::testing::Pair("authorization", "Basic abc"),
                                                           ::testing::Pair("x-scope", "7")));
  EXPECT_EQ(options.service_name, "svc");
  EXPECT_EQ(options.sample_ratio, 0.5);
  EXPECT_TRUE(options.log.json);
  EXPECT_EQ(options.log.level, LogLevel::debug);
  set("OTEL_SDK_DISABLED", "true");
  EXPECT_EQ(telemetry_options_from_environment().otlp.endpoint, "");
}

TEST_F(Environment, NamesTheVariableThatIsWrongButNoSecret) {
  const auto message_with = [this](const char* name, const char* value) {
    set(name, value);
    const auto read = attempt([] { return telemetry_options_from_environment(); });
    ::unsetenv(name);
    return read.ok() ? std::string() : read.error().message();
  };
  EXPECT_THAT(message_with("OTEL_TRACES_SAMPLER_ARG", "2"), HasSubstr("OTEL_TRACES_SAMPLER_ARG"));
  EXPECT_THAT(message_with("OTEL_TRACES_SAMPLER_ARG", "0.5x"), HasSubstr("OTEL_TRACES_SAMPLER_ARG"));
  EXPECT_THAT(message_with("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"), HasSubstr("http://"));
  EXPECT_THAT(message_with("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
              AllOf(HasSubstr("name=value"), Not(HasSubstr("hunter2"))));
  EXPECT_THAT(message_with("BELUGA_LOG", "loud"), HasSubstr("BELUGA_LOG"));
}

// ---- the exporter, in virtual time

struct Collector {
  std::mutex mutex;
  std::vector<std::pair<std::string, Json>> bodies;
  std::vector<int> statuses;  // to answer with, then 200
  OtlpTransport transport() {
    return [this](const std::string& url, const std::vector<std::pair<std::string, std::string>>&,
                  const std::string& body) {
      const std::lock_guard lock(mutex);
      bodies.emplace_back(url, Json::parse(body));
      if (statuses.empty()) return 200;
      const int status = statuses.front();
      statuses.erase(statuses.begin());
      return status;
    };
  }
  std::size_t spans() {
    const std::lock_guard lock(mutex);
    std::size_t n = 0;
    for (const auto& [url, body] : bodies)
      if (url.ends_with("/v1/traces")) n += body.pointer("/resourceSpans/0/scopeSpans/0/spans")->size();
    return n;
  }
};

TEST(Otlp, SendsBatchesAtItsIntervalAndTheRestAtShutdown) {
  ManualClock clock(ManualClock::Mode::jump_when_idle);
  Runtime runtime({.workers = 1, .clock = &clock});
  Collector collector;
  runtime.run([&] {
    const auto telemetry = Telemetry::create({.otlp = {.endpoint = "http://collector:4318/",
                                                       .batch = 100,
                                                       .interval = 5s,
                                                       .transport = collector.transport()}});
    for (int i = 0; i < 30; ++i) telemetry->start_span("early", SpanKind::internal);
    sleep_for(6s);
    EXPECT_EQ(collector.spans(), 30U);
    for (int i = 0; i < 250; ++i) telemetry->start_span("full batches do not wait", SpanKind::internal);
    sleep_for(1ms);
    EXPECT_GE(collector.spans(), 230U);
    telemetry->start_span("last", SpanKind::internal);
    EXPECT_TRUE(telemetry->shutdown(1s));
    EXPECT_EQ(collector.spans(), 281U);
    telemetry->start_span("too late", SpanKind::internal);
    EXPECT_EQ(telemetry->spans_dropped(), 1U);
  });
  EXPECT_EQ(collector.bodies.front().first, "http://collector:4318/v1/traces");
}

TEST(Otlp, RetriesWhatIsWorthRetryingAndDropsTheRest) {
  ManualClock clock(ManualClock::Mode::jump_when_idle);
  Runtime runtime({.workers = 1, .clock = &clock});
  Collector collector;
  collector.statuses = {503, 429};
  runtime.run([&] {
    Lines lines;
    const auto telemetry =
        Telemetry::create({.log = {.sink = lines.sink()},
                           .otlp = {.endpoint = "http://c", .transport = collector.transport()}});
    telemetry->start_span("a", SpanKind::internal);
    const TimePoint before = Clock::current().now();
    EXPECT_TRUE(telemetry->flush(1min));
    EXPECT_EQ(Clock::current().now() - before, 3s);  // 1 s, then 2 s
    EXPECT_EQ(collector.spans(), 3U);                // the same one three times
    EXPECT_EQ(telemetry->spans_dropped(), 0U);

    collector.statuses = {400};
    telemetry->start_span("b", SpanKind::internal);
    EXPECT_FALSE(telemetry->flush(1min));
    EXPECT_EQ(telemetry->spans_dropped(), 1U);
    EXPECT_THAT(lines.all, ::testing::Contains(HasSubstr("400")));
  });
}

TEST(Otlp, NeverBlocksARunWhenTheCollectorHangs) {
  ManualClock clock(ManualClock::Mode::jump_when_idle);
  Runtime runtime({.workers = 1, .clock = &clock});
  runtime.run([&] {
    const auto hang = [](const std::string&, const std::vector<std::pair<std::string, std::string>>&,
                         const std::string&) {
      sleep_for(24h);
      return 200;
    };
    const auto telemetry = Telemetry::create(
        {.otlp = {.endpoint = "http://c", .max_queue = 50, .batch = 10, .transport = hang}});
    const TimePoint before = Clock::current().now();
    for (int i = 0; i < 1000; ++i) telemetry->start_span("x", SpanKind::internal);
    EXPECT_EQ(Clock::current().now(), before);
    EXPECT_GE(telemetry->spans_dropped(), 940U);
    EXPECT_FALSE(telemetry->shutdown(2s));
    EXPECT_LE(Clock::current().now() - before, 3s);
    EXPECT_EQ(telemetry->spans_dropped(), 1000U);  // nothing is lost without being counted
  });
}

TEST(Otlp, EncodesEveryKindOfValue) {
  auto span = std::make_shared<SpanData>();
  span->name = "quote \" and \xF0\x9F\x90\x8B";
  span->kind = SpanKind::client;
  span->context = {.trace = {.high = 1, .low = 2}, .span = 3, .sampled = true};
  span->parent = 4;
  span->start = WallTime(1s);
  span->elapsed = 5ns;
  span->attributes = {{"b", true},
                      {"i", std::int64_t{-9'007'199'254'740'993}},
                      {"d", 0.5},
                      {"s", std::string("x")},
                      {"l", std::vector<std::string>{"p", "q"}}};
  span->failed = true;
  span->status = "bad";
  const std::vector<std::shared_ptr<const SpanData>> spans{span};
  const Json body = Json::parse(otlp_traces(spans, "svc"));
  const Json& out = *body.pointer("/resourceSpans/0/scopeSpans/0/spans/0");
  EXPECT_EQ(out.at("traceId").as_string(), "00000000000000010000000000000002");
  EXPECT_EQ(out.at("parentSpanId").as_string(), "0000000000000004");
  EXPECT_EQ(out.at("startTimeUnixNano").as_string(), "1000000000");
  EXPECT_EQ(out.at("endTimeUnixNano").as_string(), "1000000005");
  EXPECT_EQ(out.at("kind").as_int(), 3);
  EXPECT_EQ(out.at("status").at("code").as_int(), 2);
  EXPECT_EQ(out.at("attributes").dump(),
            R"([{"key":"b","value":{"boolValue":true}},{"key":"i","value":{"intValue":"-9007199254740993"}},)"
            R"({"key":"d","value":{"doubleValue":0.5}},{"key":"s","value":{"stringValue":"x"}},)"
            R"({"key":"l","value":{"arrayValue":{"values":[{"stringValue":"p"},{"stringValue":"q"}]}}}])");
}

}  // namespace
}  // namespace beluga::observe
