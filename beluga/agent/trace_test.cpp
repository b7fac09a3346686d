#include "beluga/agent/agent.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "beluga/agent/internal/test_doubles.hpp"
#include "beluga/agent/session.hpp"
#include "beluga/observe/telemetry.hpp"

namespace beluga {
namespace {

using namespace testing_doubles;
using ::testing::HasSubstr;

TEST(Agent, TracesTheRunItsModelCallsAndItsToolCalls) {
  using namespace observe;
  const auto telemetry = Telemetry::create();
  const auto model = script(
      {{call(0, "c1", "a"), call(1, "c2", "nonsuch"), end(StopReason::tool_calls)}, {text("x"), end()}});
  std::string seen_in_tool;
  const auto tool = tool_of("a", [&](const Json&, const ToolCallInfo&) {
    const Context context = Context::current();
    seen_in_tool = to_hex(context.get<ActiveSpan>()->span.span);
    return ToolOutput{.content = "A"};
  });
  const Agent agent{{.name = "helper",
                     .model = model,
                     .tools = {tool},
                     .sessions = memory_sessions(),
                     .telemetry = telemetry}};
  RunInput input("go");
  input.session = "s1";
  agent.invoke(input);

  const auto spans = telemetry->recent_spans();
  std::vector<std::string> names;
  for (const auto& span : spans) names.push_back(span->name);
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("chat model-1", "execute_tool a", "execute_tool unknown",
                                                     "chat model-1", "invoke_agent helper"));
  const SpanData& run = *spans.back();
  ASSERT_EQ(run.name, "invoke_agent helper");
  EXPECT_EQ(run.parent, 0U);
  const auto text_of = [](const SpanData& span, const char* key) {
    const auto* value = span.find(key);
    return value == nullptr ? std::string("(absent)") : std::get<std::string>(*value);
  };
  const auto number_of = [](const SpanData& span, const char* key) {
    return std::get<std::int64_t>(*span.find(key));
  };
  EXPECT_EQ(text_of(run, "gen_ai.operation.name"), "invoke_agent");
  EXPECT_EQ(text_of(run, "gen_ai.conversation.id"), "s1");
  EXPECT_EQ(number_of(run, "gen_ai.usage.input_tokens"), 20);
  for (const auto& span : spans) {
    EXPECT_EQ(span->context.trace, run.context.trace);
    if (span.get() != &run) {
      EXPECT_EQ(span->parent, run.context.span) << span->name;
    }
    EXPECT_EQ(span->find("gen_ai.input.messages"), nullptr);  // content only when asked for
  }
  EXPECT_EQ(text_of(*spans[0], "gen_ai.operation.name"), "chat");
  EXPECT_EQ(text_of(*spans[0], "gen_ai.provider.name"), "test");
  EXPECT_EQ(text_of(*spans[0], "gen_ai.request.model"), "model-1");
  EXPECT_EQ(text_of(*spans[0], "gen_ai.response.model"), "model-1-real");
  EXPECT_EQ(number_of(*spans[0], "gen_ai.usage.output_tokens"), 5);
  EXPECT_EQ(std::get<std::vector<std::string>>(*spans[0]->find("gen_ai.response.finish_reasons")),
            std::vector<std::string>{"tool_call"});
  for (const auto& span : spans) {
    if (span->name == "execute_tool a") {
      EXPECT_EQ(text_of(*span, "gen_ai.tool.name"), "a");
      EXPECT_EQ(text_of(*span, "gen_ai.tool.call.id"), "c1");
      EXPECT_EQ(to_hex(span->context.span), seen_in_tool);
    }
    if (span->name == "execute_tool unknown") {
      EXPECT_EQ(text_of(*span, "error.type"), "tool_error");
      EXPECT_TRUE(span->failed);
    }
  }
  double calls = 0;
  for (const MetricPoint& point : telemetry->metrics().snapshot())
    if (point.instrument == &instruments::kToolCalls) calls += point.sum;
  EXPECT_EQ(calls, 2);
}

TEST(Agent, RecordsContentOnlyWhenAskedTo) {
  using namespace observe;
  const auto telemetry = Telemetry::create({.capture_content = true});
  Agent{{.model = script({{text("the answer"), end()}}), .telemetry = telemetry}}.invoke("the question");
  const auto span = telemetry->recent_spans().at(0);
  EXPECT_EQ(std::get<std::string>(*span->find("gen_ai.input.messages")),
            R"([{"role":"user","parts":[{"type":"text","content":"the question"}]}])");
  EXPECT_THAT(std::get<std::string>(*span->find("gen_ai.output.messages")), HasSubstr("the answer"));
}

}  // namespace
}  // namespace beluga
