#include "beluga/contract/event.hpp"

#include <gtest/gtest.h>

#include <set>

namespace beluga {
namespace {

using std::chrono::microseconds;

Event event_with(EventPayload payload) {
  static const auto kRun =
      std::make_shared<const RunInfo>(RunInfo{.run_id = "01R", .agent_path = "assistant"});
  return Event{kRun, 7, WallTime(microseconds(1772357400000125)), std::move(payload)};
}

std::vector<Event> one_of_each() {
  const Error error(ErrorCode::unavailable, "down");
  std::vector<Event> events;
  for (EventPayload payload :
       {EventPayload(RunStarted{"m"}), EventPayload(StepStarted{1}), EventPayload(TextDelta{"t"}),
        EventPayload(ReasoningDelta{"r"}), EventPayload(ToolCallDelta{0, "i", "n", "{"}),
        EventPayload(ResponseRestart{"cut"}), EventPayload(ToolCallStarted{}),
        EventPayload(ToolCallFinished{}), EventPayload(StepFinished{}), EventPayload(RunCompleted{}),
        EventPayload(RunFailed{error}), EventPayload(RunCancelled{error}), EventPayload(RunPaused{})})
    events.push_back(event_with(std::move(payload)));
  return events;
}

TEST(Event, HasANameOfItsOwnForEachPayload) {
  std::set<std::string_view> names;
  for (const Event& event : one_of_each()) names.insert(type_name(event));
  EXPECT_EQ(names.size(), std::variant_size_v<EventPayload>);
  EXPECT_EQ(type_name(event_with(TextDelta{"x"})), "text_delta");
  EXPECT_EQ(type_name(event_with(ResponseRestart{"x"})), "response_restart");
  EXPECT_EQ(type_name(event_with(RunPaused{})), "run_paused");
}

TEST(Event, IsTerminalForTheFourEndsOfARunOnly) {
  std::set<std::string_view> terminal;
  for (const Event& event : one_of_each())
    if (event.terminal()) terminal.insert(type_name(event));
  EXPECT_EQ(terminal,
            (std::set<std::string_view>{"run_completed", "run_failed", "run_cancelled", "run_paused"}));
}

TEST(Event, BeginsItsJsonWithTheEnvelope) {
  EXPECT_EQ(to_json(event_with(TextDelta{"hi"})).dump(),
            R"({"type":"text_delta","run_id":"01R","agent_path":"assistant","seq":7,)"
            R"("time":"2026-03-01T09:30:00.000125Z","text":"hi"})");
  Event child = event_with(StepStarted{3});
  child.run = std::make_shared<const RunInfo>(RunInfo{"01C", "01R", "assistant/researcher"});
  EXPECT_EQ(to_json(child).at("parent_id").as_string(), "01R");
  EXPECT_EQ(to_json(child).at("step").as_int(), 3);
}

TEST(Event, NeverLetsAPayloadOverwriteTheEnvelope) {
  for (const Event& event : one_of_each()) {
    const Json json = to_json(event);
    EXPECT_EQ(json.at("type").as_string(), type_name(event));
    EXPECT_EQ(json.at("seq").as_int(), 7);
    EXPECT_EQ(json.at("run_id").as_string(), "01R");
    EXPECT_EQ(Json::parse(json.dump()), json);
  }
}

TEST(Event, WritesTimeBeforeTheEpochAndLeapDays) {
  Event event = event_with(StepStarted{1});
  event.time = WallTime(microseconds(-1));
  EXPECT_EQ(to_json(event).at("time").as_string(), "1969-12-31T23:59:59.999999Z");
  event.time = WallTime(std::chrono::seconds(951782400));
  EXPECT_EQ(to_json(event).at("time").as_string(), "2000-02-29T00:00:00.000000Z");
}

TEST(Event, TellsACallAndItsResult) {
  const Json started = to_json(event_with(ToolCallStarted{{"call_1", "add", "{\"a\": 1"}}));
  EXPECT_EQ(started.at("call").dump(), R"({"id":"call_1","name":"add","arguments":"{\"a\": 1"})");
  ToolCallFinished finished{{.call_id = "call_1", .name = "add", .content = "no", .is_error = true},
                            microseconds(1500)};
  const Json json = to_json(event_with(finished));
  EXPECT_EQ(json.at("result").dump(), R"({"call_id":"call_1","name":"add","content":"no","is_error":true})");
  EXPECT_EQ(json.at("elapsed_ms").as_double(), 1.5);
}

TEST(Event, CarriesTheSummaryAndTheAnswerAtTheEnd) {
  RunCompleted completed{.message = Message::assistant("42"),
                         .summary = {.usage = {1, 2, 3, 4, 5}, .steps = 2, .tool_calls = 1}};
  Json json = to_json(event_with(completed));
  EXPECT_EQ(json.pointer("/message/parts/0/text")->as_string(), "42");
  EXPECT_EQ(json.pointer("/summary/usage/reasoning")->as_int(), 5);
  EXPECT_EQ(json.pointer("/summary/cost_usd"), nullptr);
  completed.summary.cost = Usd::parse("0.000000025");
  json = to_json(event_with(completed));
  EXPECT_EQ(json.pointer("/summary/cost_usd")->number_text(), "0.000000025");
}

TEST(Error, TellsItsWholeStoryInJson) {
  const Error error = Error(ErrorCode::resource_exhausted, "rate limit")
                          .with_retryable(true)
                          .with_retry_after(std::chrono::seconds(2))
                          .with_http_status(429)
                          .with_provider("openai")
                          .with_request_id("req_1")
                          .with_cause(Error(ErrorCode::unavailable, "socket"));
  EXPECT_EQ(to_json(error).dump(),
            R"({"code":"resource_exhausted","message":"rate limit","retryable":true,"retry_after_ms":2000,)"
            R"("http_status":429,"provider":"openai","request_id":"req_1",)"
            R"("cause":{"code":"unavailable","message":"socket","retryable":true}})");
}

}  // namespace
}  // namespace beluga
