#include "beluga/llm/scripted.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "beluga/base/result.hpp"
#include "beluga/fiber/context.hpp"
#include "beluga/fiber/runtime.hpp"

namespace beluga::llm {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

const ChatRequest kHello{.messages = {Message::user("hello")}};

TEST(ScriptedModel, SaysItsTurnsInOrder) {
  ScriptedModel model({{.reasoning = "Hm, let me see.",
                        .text = "Beluga \U0001F40B\U0001F40B\U0001F40B whales",
                        .calls = {{"", "add", R"({"a":1,"b":2})"}, {"own", "now", ""}},
                        .usage = {.input = 3, .output = 4}},
                       {.text = "Done."}});
  const ChatResponse first = model.generate(kHello);
  EXPECT_EQ(first.message.find<Reasoning>()->text, "Hm, let me see.");
  EXPECT_EQ(first.message.text(), "Beluga \U0001F40B\U0001F40B\U0001F40B whales");
  const auto calls = first.message.tool_calls();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0]->id, "call_1_1");
  EXPECT_EQ(calls[0]->arguments, R"({"a":1,"b":2})");
  EXPECT_EQ(calls[1]->id, "own");
  EXPECT_EQ(first.end.reason, StopReason::tool_calls);
  EXPECT_EQ(first.end.usage, (Usage{.input = 3, .output = 4}));
  EXPECT_EQ(model.turns_left(), 1u);
  EXPECT_EQ(model.generate(kHello).message.text(), "Done.");
  EXPECT_EQ(model.requests().size(), 2u);
  EXPECT_EQ(model.requests()[1].messages[0].text(), "hello");
}

TEST(ScriptedModel, CutsChunksBetweenCharacters) {
  ScriptedModel model({{.text = "\U0001F40B\u00e9a\U0001F40B", .chunk_bytes = 2}});
  std::vector<std::string> pieces;
  for (const ChatChunk& chunk : model.stream(kHello))
    if (const auto* text = std::get_if<TextDelta>(&chunk)) pieces.push_back(text->text);
  EXPECT_THAT(pieces, ::testing::ElementsAre("\U0001F40B", "\u00e9", "a", "\U0001F40B"));
}

TEST(ScriptedModel, SaysClearlyThatItHasNoFurtherTurn) {
  ScriptedModel model({{.text = "once"}});
  model.generate(kHello);
  const auto result = attempt([&] { return model.generate({.messages = {Message::user("and again?")}}); });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::failed_precondition);
  EXPECT_THAT(result.error().message(),
              HasSubstr("no turn 2: 1 were scripted; the request ends with user: and again?"));
}

TEST(ScriptedModel, RefusesWhatARealProviderWouldRefuse) {
  ScriptedModel model({{.text = "never"}});
  Message call{.role = Role::assistant};
  call.parts.push_back(ToolCall{"c", "f", "{}"});
  const auto result = attempt([&] { return model.generate({.messages = {call}}); });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(model.turns_left(), 1u);
}

TEST(ScriptedModel, BeginsAgainWhenToldAndKeepsNoRequestsWhenToldNot) {
  ScriptedModel model({{.text = "a"}, {.text = "b"}}, {.repeat = true, .record_requests = false});
  std::string all;
  for (int i = 0; i < 5; ++i) all += model.generate(kHello).message.text();
  EXPECT_EQ(all, "ababa");
  EXPECT_TRUE(model.requests().empty());
  EXPECT_EQ(model.request_count(), 5u);
}

TEST(ScriptedModel, AnswersWithAFunctionOfTheRequest) {
  ScriptedModel model(
      [](const ChatRequest& request) { return ScriptedTurn{.text = request.messages.back().text() + "!"}; });
  EXPECT_EQ(model.generate(kHello).message.text(), "hello!");
}

TEST(ScriptedModel, FailsAfterSoManyChunks) {
  ScriptedModel model({{.text = "one two three",
                        .chunk_bytes = 4,
                        .fault = ScriptedFault::fail(Error(ErrorCode::unavailable, "gone"), 2)},
                       {.text = "one two three", .chunk_bytes = 4, .fault = ScriptedFault::cut(1)}});
  std::string seen;
  const auto failed = attempt([&] {
    for (const ChatChunk& chunk : model.stream(kHello)) seen += std::get<TextDelta>(chunk).text;
  });
  EXPECT_EQ(seen, "one two ");
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().message(), "gone");
  const auto cut = attempt([&] { return model.generate(kHello); });
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.error().code(), ErrorCode::data_loss);
}

TEST(ScriptedModel, StallsUntilTheDeadlineAndDelaysOnTheVirtualClock) {
  ManualClock clock{ManualClock::Mode::jump_when_idle};
  Runtime runtime{{.workers = 1, .clock = &clock}};
  runtime.run([&] {
    ScriptedModel model({{.text = "abcd", .chunk_bytes = 1, .first_delay = 1min, .chunk_delay = 10s},
                         {.fault = ScriptedFault::stall()}});
    const TimePoint start = clock.now();
    EXPECT_EQ(model.generate(kHello).message.text(), "abcd");
    EXPECT_EQ(clock.now() - start, 1min + 4 * 10s);  // four chunks and the end
    const ContextScope scope(Context::current().with_timeout(5s));
    const auto stalled = attempt([&] { return model.generate(kHello); });
    ASSERT_FALSE(stalled.ok());
    EXPECT_EQ(stalled.error().code(), ErrorCode::deadline_exceeded);
  });
}

}  // namespace
}  // namespace beluga::llm
