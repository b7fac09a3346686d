// The OpenAI provider against peers that others wrote: @copilotkit/aimock as the server, and the official
// openai SDK as the client whose requests ours are compared with. A missing peer is a failure, never a skip.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "beluga/base/result.hpp"
#include "beluga/llm/providers/openai/openai.hpp"
#include "beluga/llm/registry.hpp"
#include "beluga/llm/retry.hpp"
#include "tests/fault_server/fault_server.hpp"
#include "tests/interop/node.hpp"

namespace beluga::llm {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing_support::Node;

class Aimock : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<Node>("aimock.mjs");
    url_ = server_->read_line();
  }
  static void TearDownTestSuite() { server_.reset(); }
  void SetUp() override { ASSERT_THAT(url_, HasSubstr("http://127.0.0.1:")); }

  static ChatModelPtr model() {
    return open("openai/gpt-4o",
                {.api_key = Secret("sk-interop"), .base_url = url_ + "/v1", .max_retries = 0});
  }
  static Result<ChatResponse> ask(std::string question) {
    return attempt([&] { return model()->generate({.messages = {Message::user(std::move(question))}}); });
  }

  static inline std::unique_ptr<Node> server_;
  static inline std::string url_;
};

TEST_F(Aimock, PlaysATurnWithParallelToolsAndTheAnswer) {
  ChatRequest request{.messages = {Message::system("Use the tools."), Message::user("weather, please")}};
  for (const char* name : {"get_weather", "get_time"})
    request.tools.push_back(
        {.name = name, .description = name, .parameters = Json::object({{"type", "object"}})});

  const ChatResponse first = model()->generate(request);
  EXPECT_EQ(first.end.reason, StopReason::tool_calls);
  const auto calls = first.message.tool_calls();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0]->name, "get_weather");
  EXPECT_EQ(Json::parse(calls[0]->arguments), Json::parse(R"({"city":"Zürich"})"));
  EXPECT_EQ(calls[1]->name, "get_time");
  EXPECT_EQ(Json::parse(calls[1]->arguments), Json::parse(R"({"zone":"Europe/Zurich"})"));
  EXPECT_NE(calls[0]->id, calls[1]->id);

  request.messages.push_back(first.message);
  for (const ToolCall* call : calls)
    request.messages.push_back(Message::tool({.call_id = call->id, .name = call->name, .content = "sunny"}));
  std::size_t pieces = 0;
  ChatFold fold;
  for (const ChatChunk& chunk : model()->stream(request)) {
    if (std::holds_alternative<TextDelta>(chunk)) ++pieces;
    fold.add(chunk);
  }
  const ChatResponse second = fold.take();
  EXPECT_EQ(second.message.text(), "In Zürich it is sunny 🌞 and half past nine.");
  EXPECT_EQ(second.end.reason, StopReason::end);
  EXPECT_GT(pieces, 3u);
  EXPECT_FALSE(second.end.response_id.empty());
}

TEST_F(Aimock, StreamsReasoning) {
  const auto result = ask("think");
  ASSERT_TRUE(result.ok()) << result.error().what();
  ASSERT_NE(result->message.find<Reasoning>(), nullptr);
  EXPECT_EQ(result->message.find<Reasoning>()->text, "Six times seven.");
  EXPECT_EQ(result->message.text(), "42");
}

TEST_F(Aimock, ReportsItsErrorsTyped) {
  auto result = ask("limit");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::resource_exhausted);
  EXPECT_TRUE(result.error().retryable());
  EXPECT_EQ(result.error().retry_after(), 2s);
  EXPECT_FALSE(result.error().request_id().empty());
  result = ask("overload");
  EXPECT_EQ(result.error().code(), ErrorCode::unavailable);
  result = ask("key");
  EXPECT_EQ(result.error().code(), ErrorCode::unauthenticated);
  result = ask("nobody knows this question");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::not_found);
}

TEST_F(Aimock, NeverTakesChaosForAnAnswer) {
  for (const char* kind : {"disconnect", "malformed", "drop", "truncate"}) {
    const auto result = ask(kind);
    ASSERT_FALSE(result.ok()) << kind << ": " << result->message.text();
    EXPECT_TRUE(result.error().retryable()) << kind << ": " << result.error().what();
    EXPECT_TRUE(result.error().code() == ErrorCode::unavailable ||
                result.error().code() == ErrorCode::data_loss)
        << kind << ": " << result.error().what();
  }
}

TEST(OpenAiSdk, SendsWhatWeSendForTheSameConversation) {
  testing::FaultServer server(testing::FaultServer::always(
      testing::sse_response({"data: "
                             "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":"
                             "\"stop\"}]}\n\ndata: [DONE]\n\n"})));
  {
    Node sdk("openai_sdk.mjs", {server.url("/v1")});
    ASSERT_EQ(sdk.wait(), 0) << "the SDK failed";
  }
  const Json parameters = Json::parse(
      R"({"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false})");
  ChatRequest request{.tools = {{.name = "get_weather",
                                 .description = "The weather",
                                 .parameters = parameters,
                                 .strict = true}},
                      .tool_choice = {.mode = ToolChoice::Mode::named, .name = "get_weather"},
                      .parallel_tool_calls = false,
                      .output = OutputSchema{.name = "report", .schema = parameters},
                      .temperature = 0.5,
                      .top_p = 0.9,
                      .max_output_tokens = 200,
                      .stop = {"END"},
                      .seed = 7,
                      .reasoning_effort = "low"};
  Message question = Message::user("What is the weather here?");
  question.parts.push_back(Image{Media::bytes("image/png", "\x89PNG"), "low"});
  question.parts.push_back(Image{Media::link("https://example.com/map.jpg"), ""});
  question.parts.push_back(Audio{Media::bytes("audio/wav", "RIFF")});
  question.parts.push_back(File{Media::bytes("application/pdf", "%PDF"), "a.pdf"});
  Message calls{.role = Role::assistant};
  calls.parts.push_back(ToolCall{"call_1", "get_weather", R"({"city":"Zürich"})"});
  calls.parts.push_back(ToolCall{"call_2", "get_weather", R"({"city":"Bern"})"});
  request.messages = {Message::system("Be brief."),
                      question,
                      calls,
                      Message::tool({.call_id = "call_1", .name = "get_weather", .content = "sunny"}),
                      Message::tool({.call_id = "call_2", .name = "get_weather", .content = "rain"}),
                      Message::assistant("Sunny in Zürich."),
                      Message::user("As JSON, please.")};
  openai::chat_model({.model = "gpt-4o", .api_key = Secret("sk-interop"), .base_url = server.url("/v1")})
      ->generate(request);

  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(Json::parse(requests[1].body), Json::parse(requests[0].body)) << requests[1].body << "\n"
                                                                          << requests[0].body;
  EXPECT_EQ(requests[1].method, requests[0].method);
  EXPECT_EQ(requests[1].target, requests[0].target);
  EXPECT_EQ(requests[1].header("Authorization"), requests[0].header("Authorization"));
  EXPECT_EQ(requests[1].header("Content-Type"), requests[0].header("Content-Type"));
}

}  // namespace
}  // namespace beluga::llm
