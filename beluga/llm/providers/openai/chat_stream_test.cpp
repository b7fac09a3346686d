#include "beluga/llm/providers/openai/internal/chat_stream.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "beluga/base/result.hpp"
#include "beluga/llm/providers/openai/internal/error_mapper.hpp"
#include "beluga/net/sse.hpp"

namespace beluga::llm::openai {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const ErrorMapper& errors() {
  static const ErrorMapper kErrors({.provider = "openai",
                                    .model = "gpt-4o",
                                    .base_url = "http://127.0.0.1:1/v1",
                                    .key_variable = "OPENAI_API_KEY",
                                    .secrets = {"sk-secret-secret"}});
  return kErrors;
}

std::string fixture(const std::string& name) {
  std::ifstream file(std::string(BELUGA_SOURCE_DIR "/beluga/llm/testdata/openai/") + name);
  EXPECT_TRUE(file) << name;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Folds the bytes of a stream, cut into pieces of `piece` bytes.
ChatResponse fold(std::string_view wire, std::size_t piece = std::string_view::npos,
                  std::vector<ChatChunk>* seen = nullptr) {
  SseParser events;
  ChatStreamParser parser(errors());
  ChatFold result;
  const auto take = [&](std::span<ChatChunk* const> chunks) {
    for (const ChatChunk* chunk : chunks) {
      if (seen != nullptr) seen->push_back(*chunk);
      result.add(*chunk);
    }
  };
  for (std::size_t at = 0; at < wire.size(); at += std::min(piece, wire.size() - at)) {
    events.push(wire.substr(at, piece));
    while (const SseEvent* event = events.next()) take(parser.event(event->type, event->data));
  }
  take(parser.finish());
  EXPECT_TRUE(parser.done());
  return result.take();
}

Result<ChatResponse> try_fold(std::string_view wire) {
  return attempt([&] { return fold(wire); });
}

/// A stream of these events, with [DONE].
std::string stream_of(std::initializer_list<std::string_view> events, bool done = true) {
  std::string wire;
  for (const std::string_view event : events) wire.append("data: ").append(event).append("\n\n");
  if (done) wire += "data: [DONE]\n\n";
  return wire;
}
std::string delta(std::string_view json, std::string_view finish = "null") {
  return R"({"choices":[{"index":0,"delta":)" + std::string(json) + R"(,"finish_reason":)" +
         std::string(finish) + "}]}";
}
const std::string kStop = delta("{}", R"("stop")");

TEST(ChatStream, ReadsTextUsageAndIds) {
  std::vector<ChatChunk> chunks;
  const ChatResponse response = fold(fixture("text.sse"), std::string_view::npos, &chunks);
  EXPECT_EQ(response.message.text(), "Beluga whales sing \U0001F40B, \u00e9 \"canaries\"\nof the sea.");
  EXPECT_EQ(response.end.reason, StopReason::end);
  EXPECT_EQ(response.end.model, "gpt-4o-2024-08-06");
  EXPECT_EQ(response.end.response_id, "chatcmpl-Bq7");
  EXPECT_EQ(response.end.usage, (Usage{.input = 5, .cache_read = 16, .output = 9}));
  EXPECT_EQ(chunks.size(), 8u);  // seven pieces of text, one end, nothing for the empty first delta
}

TEST(ChatStream, ReadsParallelToolCallsInFragments) {
  const ChatResponse response = fold(fixture("parallel_tools.sse"));
  const auto calls = response.message.tool_calls();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(response.message.parts.size(), 2u);  // null content is no empty text
  EXPECT_EQ(calls[0]->id, "call_A1");
  EXPECT_EQ(calls[0]->name, "get_weather");
  EXPECT_EQ(calls[0]->arguments, "{\"city\": \"Z\u00fcrich\"}");
  EXPECT_EQ(calls[1]->id, "call_B2");
  EXPECT_EQ(calls[1]->arguments, R"({"zone": "Europe/Zurich"})");
  EXPECT_EQ(response.end.reason, StopReason::tool_calls);
}

TEST(ChatStream, ReadsARefusal) {
  const ChatResponse response = fold(fixture("refusal.sse"));
  EXPECT_EQ(response.end.refusal, "I'm sorry, I can't help with that.");
  EXPECT_EQ(response.end.reason, StopReason::refusal);
  EXPECT_TRUE(response.message.parts.empty());
}

TEST(ChatStream, TakesReasoningTokensOutOfTheOutput) {
  EXPECT_EQ(fold(fixture("reasoning_effort.sse")).end.usage,
            (Usage{.input = 50, .output = 8, .reasoning = 192}));
  EXPECT_EQ(fold(fixture("xai_usage.sse")).end.usage,
            (Usage{.input = 36, .cache_read = 64, .output = 5, .reasoning = 200}));
}

TEST(ChatStream, ReadsReasoningContent) {
  const ChatResponse response = fold(fixture("deepseek_reasoning.sse"));
  ASSERT_EQ(response.message.parts.size(), 2u);
  EXPECT_EQ(std::get<Reasoning>(response.message.parts[0]).text, "Two and two.");
  EXPECT_EQ(response.message.text(), "4");
  EXPECT_EQ(response.end.usage, (Usage{.input = 4, .cache_read = 10, .output = 3, .reasoning = 6}));
}

TEST(ChatStream, CountsReasoningOnceWhenItComesUnderTwoNames) {
  const ChatResponse response =
      fold(stream_of({delta(R"({"reasoning":"why","reasoning_content":"why","content":null})"),
                      delta(R"({"content":"so"})"), kStop}));
  EXPECT_EQ(response.message.find<Reasoning>()->text, "why");
}

TEST(ChatStream, ReadsWholeCallsInOneDeltaThatEndWithStop) {
  const ChatResponse response = fold(fixture("ollama_tools.sse"));
  const auto calls = response.message.tool_calls();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0]->arguments, R"({"a":1,"b":2})");
  EXPECT_EQ(calls[1]->name, "now");
  EXPECT_EQ(response.end.reason, StopReason::tool_calls);
  EXPECT_EQ(response.end.usage, (Usage{.input = 10, .output = 20}));
}

TEST(ChatStream, TellsCallsWithTheSameIndexApartByTheirIds) {
  const ChatResponse response = fold(fixture("gemini_tools.sse"));
  const auto calls = response.message.tool_calls();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0]->arguments, R"({"a":1})");
  EXPECT_EQ(calls[1]->arguments, R"({"a":2})");
  EXPECT_EQ(response.end.reason, StopReason::tool_calls);
}

TEST(ChatStream, GivesCallsWithoutIndexAndIdBoth) {
  const ChatResponse response = fold(fixture("no_index_tools.sse"));
  const auto calls = response.message.tool_calls();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(Json::parse(calls[0]->arguments), Json::parse(R"({"a":1,"b":[2]})"));
  EXPECT_EQ(calls[1]->name, "now");
  EXPECT_EQ(calls[1]->arguments, "{}");
  EXPECT_FALSE(calls[0]->id.empty());
  EXPECT_NE(calls[0]->id, calls[1]->id);
}

TEST(ChatStream, MakesIdsUniqueThatTheServerRepeats) {
  const ChatResponse response =
      fold(stream_of({delta(R"({"tool_calls":[{"index":0,"id":"c","function":{"name":"a","arguments":"{}"}},)"
                            R"({"index":1,"id":"c","function":{"name":"b","arguments":"{}"}}]})"),
                      kStop}));
  const auto calls = response.message.tool_calls();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_NE(calls[0]->id, calls[1]->id);
}

TEST(ChatStream, ReadsContentInParts) {
  const ChatResponse response = fold(fixture("mistral_parts.sse"));
  EXPECT_EQ(response.message.text(), "Yes.");
  EXPECT_EQ(response.message.find<Reasoning>()->text, "Hm.");
}

TEST(ChatStream, JoinsTheHalvesOfACharacterAndReplacesLoneOnes) {
  EXPECT_EQ(fold(fixture("surrogates.sse")).message.text(), "a\U0001F40Bb\uFFFDc\uFFFD\uFFFD");
}

TEST(ChatStream, ReadsAWholeMessageInsteadOfAStream) {
  // A server that ignores "stream" answers with one document.
  ChatStreamParser parser(errors());
  ChatFold result;
  for (ChatChunk* chunk :
       parser.event("message", R"({"id":"1","model":"m","choices":[{"index":0,"message":{"role":"assistant",
      "content":"Hi","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},
      "finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}})"))
    result.add(*chunk);
  for (ChatChunk* chunk : parser.finish()) result.add(*chunk);
  const ChatResponse response = result.take();
  EXPECT_EQ(response.message.text(), "Hi");
  EXPECT_EQ(response.message.tool_calls().at(0)->name, "f");
  EXPECT_EQ(response.end.usage.output, 4);
}

TEST(ChatStream, GivesTheSameAnswerHoweverTheBytesAreCut) {
  for (const char* name : {"text.sse", "parallel_tools.sse", "deepseek_reasoning.sse", "surrogates.sse"}) {
    const std::string wire = fixture(name);
    const std::string whole = to_json(fold(wire).message).dump();
    for (std::size_t piece = 1; piece < 80; ++piece)
      EXPECT_EQ(to_json(fold(wire, piece).message).dump(), whole) << name << piece;
  }
}

TEST(ChatStream, CutAnywhereIsDataLossOrTheWholeAnswer) {
  for (const char* name :
       {"text.sse", "parallel_tools.sse", "ollama_tools.sse", "refusal.sse", "surrogates.sse"}) {
    const std::string wire = fixture(name);
    const std::string whole = to_json(fold(wire).message).dump();
    bool complete = false;
    for (std::size_t length = 0; length < wire.size(); ++length) {
      const auto response = try_fold(std::string_view(wire).substr(0, length));
      if (response.ok()) {
        // Only the usage and [DONE] may be missing: the text and the calls are all there.
        EXPECT_EQ(to_json(response->message).dump(), whole) << name << " cut at " << length;
        complete = true;
      } else {
        EXPECT_FALSE(complete) << name << " cut at " << length;
        EXPECT_EQ(response.error().code(), ErrorCode::data_loss) << response.error().what();
        EXPECT_TRUE(response.error().retryable());
        EXPECT_THAT(response.error().message(), HasSubstr("gpt-4o"));
      }
    }
    EXPECT_TRUE(complete);
  }
}

TEST(ChatStream, AcceptsDoneWithoutFinishReasonForTextOnly) {
  const ChatResponse response = fold(stream_of({delta(R"({"content":"hi"})")}));
  EXPECT_EQ(response.end.reason, StopReason::unknown);
  EXPECT_EQ(response.message.text(), "hi");
  const auto call = try_fold(stream_of(
      {delta(R"({"tool_calls":[{"index":0,"id":"c","function":{"name":"rm","arguments":"{"}}]})")}));
  ASSERT_FALSE(call.ok());
  EXPECT_EQ(call.error().code(), ErrorCode::data_loss);
  const auto nothing = try_fold("data: [DONE]\n\n");
  ASSERT_FALSE(nothing.ok());
  EXPECT_EQ(nothing.error().code(), ErrorCode::data_loss);
}

TEST(ChatStream, IgnoresWhatFollowsTheEnd) {
  EXPECT_EQ(
      fold(stream_of({delta(R"({"content":"a"})"), kStop}) + "data: {]\n\ndata: [DONE]\n\n").message.text(),
      "a");
}

TEST(ChatStream, MapsTheReasonsToStop) {
  const auto reason = [](std::string_view word) {
    return fold(stream_of({delta(R"({"content":"a"})", word)})).end.reason;
  };
  EXPECT_EQ(reason(R"("stop")"), StopReason::end);
  EXPECT_EQ(reason(R"("length")"), StopReason::max_tokens);
  EXPECT_EQ(reason(R"("content_filter")"), StopReason::content_filter);
  EXPECT_EQ(reason(R"("tool_calls")"), StopReason::end);  // there are none
  EXPECT_EQ(reason(R"("weary")"), StopReason::unknown);
}

TEST(ChatStream, ThrowsTheErrorObjectOfAStream) {
  auto result = try_fold(fixture("openrouter_error.sse"));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::unavailable);
  EXPECT_EQ(result.error().http_status(), 502);
  EXPECT_TRUE(result.error().retryable());
  EXPECT_THAT(result.error().message(), HasSubstr("Provider disconnected"));

  result = try_fold(stream_of(
      {R"({"error":{"message":"Too long. maximum context length is 8","code":"context_length_exceeded"}})"}));
  EXPECT_EQ(result.error().code(), ErrorCode::invalid_argument);
  result = try_fold(stream_of({R"({"object":"error","message":"boom","code":400})"}));
  EXPECT_EQ(result.error().code(), ErrorCode::invalid_argument);
  EXPECT_THAT(result.error().message(), HasSubstr("boom"));
  result = try_fold(stream_of({R"({"error":"the GPU is on fire, key sk-secret-secret"})"}));
  EXPECT_EQ(result.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(result.error().message(), HasSubstr("the GPU is on fire"));
  EXPECT_EQ(result.error().message().find("secret-secret"), std::string::npos);
  result = try_fold("event: error\ndata: {\"message\":\"overloaded\"}\n\n");
  EXPECT_EQ(result.error().code(), ErrorCode::unavailable);
  result =
      try_fold(stream_of({R"({"error":null,"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]})"}));
  EXPECT_TRUE(result.ok());
}

TEST(ChatStream, RefusesWhatIsNoJson) {
  for (const char* bad :
       {"{", "}", "null", "[]", "\"text\"", "<html>", "{\"choices\":[{\"delta\":{\"content\":\"a}]}", "{}{}",
        "{} x", R"({"choices":[{"delta":{"content":"\x"}}]})",
        R"({"choices":[{"delta":{"content":"\u12"}}]})", "{\"choices\":[{\"delta\":{\"content\":\"\xff\"}}]}",
        R"({"choices":[{"delta":{"content":"a"})"}) {
    const auto result = try_fold(stream_of({bad}));
    ASSERT_FALSE(result.ok()) << bad;
    EXPECT_EQ(result.error().code(), ErrorCode::data_loss) << bad;
  }
}

TEST(ChatStream, IgnoresMembersOfUnexpectedKinds) {
  const ChatResponse response = fold(stream_of(
      {R"({"choices":null,"usage":[],"id":7,"model":{}})",
       R"({"choices":[null,1,{"delta":null},{"delta":{"content":1,"tool_calls":null}}]})",
       R"({"choices":[{"delta":{"tool_calls":[null,{"index":"x"}],"refusal":3},"finish_reason":4}],"new":{"deep":[[{}]]}})",
       delta(R"({"content":"fine"})", R"("stop")")}));
  EXPECT_EQ(response.message.text(), "fine");
}

TEST(ChatStream, NeverCrashesOnMutatedStreams) {
  std::mt19937 random(42);
  for (const char* name :
       {"text.sse", "parallel_tools.sse", "no_index_tools.sse", "mistral_parts.sse", "xai_usage.sse"}) {
    const std::string original = fixture(name);
    for (int i = 0; i < 2000; ++i) {
      std::string wire = original;
      for (unsigned n = random() % 4 + 1; n > 0; --n) {
        const std::size_t at = random() % wire.size();
        switch (random() % 3) {
          case 0:
            wire[at] = static_cast<char>(random());
            break;
          case 1:
            wire.erase(at, random() % 20);
            break;
          default:
            wire.insert(at, 1, "{}[]\",:\\"[random() % 8]);
            break;
        }
      }
      const auto result = try_fold(wire);
      if (result.ok()) continue;
      EXPECT_NE(result.error().code(), ErrorCode::internal) << result.error().what();
    }
  }
}

}  // namespace
}  // namespace beluga::llm::openai
