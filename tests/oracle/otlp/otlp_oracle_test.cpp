/// What the OTLP exporter sends, read by the official Protobuf definitions (see check.py). A missing oracle
/// is a failure.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include "beluga/base/error.hpp"
#include "beluga/base/json.hpp"
#include "beluga/observe/telemetry.hpp"

namespace beluga::observe {
namespace {

using namespace std::chrono_literals;

struct Verdict {
  int status = -1;
  std::string output;
};

Verdict ask_oracle(const std::string& what, const std::vector<std::string>& bodies) {
  const std::string file =
      (std::filesystem::temp_directory_path() / ("beluga-otlp-" + std::to_string(::getpid()))).string();
  {
    std::ofstream out(file, std::ios::binary);
    for (const std::string& body : bodies) out << body << '\n';
  }
  const char* given = std::getenv("BELUGA_ORACLE_OTLP");
  const std::string packages = given != nullptr ? given : BELUGA_SOURCE_DIR "/.oracle/otlp";
  const std::string command = "PYTHONPATH='" + packages +
                              "' python3 '" BELUGA_SOURCE_DIR "/tests/oracle/otlp/check.py' " + what +
                              " < '" + file + "' 2>&1";
  Verdict verdict;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  char buffer[4096];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    verdict.output.append(buffer, n);
  verdict.status = WEXITSTATUS(::pclose(pipe));
  std::filesystem::remove(file);
  if (verdict.output.find("No module named") != std::string::npos)
    ADD_FAILURE() << "the oracle is not installed: python3 -m pip install --target '" << packages
                  << "' opentelemetry-proto";
  return verdict;
}

struct Sent {
  std::mutex mutex;
  std::vector<std::string> traces;
  std::vector<std::string> metrics;
};

void exercise(Telemetry& telemetry) {
  Span root = telemetry.start_span("invoke_agent \"quoted\" \xF0\x9F\x90\x8B\n", SpanKind::internal);
  ContextScope scope(root.context_for_children());
  {
    Span child = telemetry.start_span("chat m", SpanKind::client);
    child.set(gen_ai::kOperationName, "chat");
    child.set(gen_ai::kUsageInputTokens, std::int64_t{9'007'199'254'740'993});
    child.set(gen_ai::kRequestTemperature, 0.1);
    child.set(gen_ai::kRequestStream, true);
    child.set(gen_ai::kResponseFinishReasons, std::vector<std::string>{"stop", "length"});
    child.fail(Error(ErrorCode::unavailable, "gone \x01 \xFF"));
  }
  Metrics& metrics = telemetry.metrics();
  metrics.record(instruments::kOperationDuration, 0.25, {{gen_ai::kRequestModel, "m"}});
  metrics.record(instruments::kOperationDuration, 1000, {{gen_ai::kRequestModel, "n"}});
  metrics.record(instruments::kTokenUsage, 17, {{gen_ai::kTokenType, "input"}});
  metrics.record(instruments::kToolCalls, 1, {{gen_ai::kToolName, "t"}});
}

void send_all(Sent& sent) {
  const auto telemetry = Telemetry::create(
      {.service_name = "svc",
       .otlp = {.endpoint = "http://collector",
                .transport = [&](const std::string& url, const auto&, const std::string& body) {
                  const std::lock_guard lock(sent.mutex);
                  (url.ends_with("/v1/traces") ? sent.traces : sent.metrics).push_back(body);
                  return 200;
                }}});
  exercise(*telemetry);
  ASSERT_TRUE(telemetry->shutdown(10s));
}

TEST(OtlpOracle, ReadsOurSpansAsWeMeanThem) {
  Sent sent;
  send_all(sent);
  const Verdict verdict = ask_oracle("traces", sent.traces);
  ASSERT_EQ(verdict.status, 0) << verdict.output;
  const Json read = Json::parse(verdict.output.substr(0, verdict.output.find('\n')));
  const Json& spans = *read.pointer("/resourceSpans/0/scopeSpans/0/spans");
  ASSERT_EQ(spans.size(), 2U);
  const Json& chat = spans.at(0U);
  EXPECT_EQ(chat.at("name").as_string(), "chat m");
  EXPECT_EQ(chat.at("kind").as_string(), "SPAN_KIND_CLIENT");
  EXPECT_EQ(chat.at("status").at("code").as_string(), "STATUS_CODE_ERROR");
  EXPECT_EQ(chat.at("parentSpanId").as_string(), spans.at(1U).at("spanId").as_string());
  EXPECT_EQ(chat.at("attributes").at(1U).at("value").at("intValue").as_string(), "9007199254740993");
  EXPECT_EQ(chat.at("attributes").at(4U).at("value").at("arrayValue").at("values").size(), 2U);
  EXPECT_EQ(spans.at(1U).at("name").as_string(), "invoke_agent \"quoted\" \xF0\x9F\x90\x8B\n");
  EXPECT_EQ(read.pointer("/resourceSpans/0/resource/attributes/0/value/stringValue")->as_string(), "svc");
}

TEST(OtlpOracle, ReadsOurMetricsAsWeMeanThem) {
  Sent sent;
  send_all(sent);
  const Verdict verdict = ask_oracle("metrics", sent.metrics);
  ASSERT_EQ(verdict.status, 0) << verdict.output;
  const Json read = Json::parse(verdict.output.substr(0, verdict.output.find('\n')));
  const Json& metrics = *read.pointer("/resourceMetrics/0/scopeMetrics/0/metrics");
  ASSERT_EQ(metrics.size(), 3U);
  const Json& duration = metrics.at(1U);
  EXPECT_EQ(duration.at("name").as_string(), "gen_ai.client.operation.duration");
  EXPECT_EQ(duration.at("unit").as_string(), "s");
  EXPECT_EQ(duration.at("histogram").at("aggregationTemporality").as_string(),
            "AGGREGATION_TEMPORALITY_CUMULATIVE");
  EXPECT_EQ(duration.at("histogram").at("dataPoints").size(), 2U);
  const Json& point = duration.at("histogram").at("dataPoints").at(0U);
  EXPECT_EQ(point.at("bucketCounts").size(), point.at("explicitBounds").size() + 1);
  EXPECT_EQ(metrics.at(0U).at("sum").at("isMonotonic").as_bool(), true);
}

/// An oracle that accepts everything would prove nothing.
TEST(OtlpOracle, RefusesWhatIsWrong) {
  Sent sent;
  send_all(sent);
  const std::string good = sent.traces.at(0);
  const auto broken = [&](const std::string& from, const std::string& to) {
    std::string body = good;
    const std::size_t at = body.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return body.replace(at, from.size(), to);
  };
  EXPECT_NE(ask_oracle("traces", {broken("\"startTimeUnixNano\"", "\"start_time\"")}).status, 0);
  EXPECT_NE(ask_oracle("traces", {broken("\"traceId\":\"", "\"traceId\":\"xy")}).status, 0);
  EXPECT_NE(ask_oracle("traces", {broken("\"kind\":3", "\"kind\":\"no\"")}).status, 0);
}

}  // namespace
}  // namespace beluga::observe
