#include "beluga/llm/providers/openai/internal/chat_request.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "beluga/base/result.hpp"

namespace beluga::llm::openai {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string body(const ChatRequest& request, const Compat& compat = {}) {
  return chat_request_body(request, "gpt-4o", compat);
}

std::string refused(const ChatRequest& request) {
  const auto result = attempt([&] { return body(request); });
  if (result.ok()) return "accepted: " + *result;
  EXPECT_EQ(result.error().code(), ErrorCode::invalid_argument);
  return result.error().message();
}

Message calls(std::vector<ToolCall> calls, std::string text = "") {
  Message message{.role = Role::assistant};
  if (!text.empty()) message.parts.push_back(Text{text});
  for (ToolCall& call : calls) message.parts.push_back(std::move(call));
  return message;
}
Message result(std::string id, std::string content) {
  return Message::tool({.call_id = std::move(id), .name = "f", .content = std::move(content)});
}
ToolSchema tool(std::string name) {
  return {
      .name = std::move(name), .description = "Does it", .parameters = Json::object({{"type", "object"}})};
}

TEST(ChatRequestBody, IsTheSameBytesForTheSameRequest) {
  const ChatRequest request{
      .messages = {Message::system("Be brief."), Message::user("2+2? \"now\"\n")},
      .tools = {tool("add")},
      .tool_choice = {.mode = ToolChoice::Mode::required},
      .parallel_tool_calls = false,
      .temperature = 0.2,
      .top_p = 1.0,
      .max_output_tokens = 100,
      .stop = {"END"},
      .seed = 7,
      .reasoning_effort = "low",
  };
  EXPECT_EQ(
      body(request),
      R"({"model":"gpt-4o","messages":[{"role":"system","content":"Be brief."},)"
      R"({"role":"user","content":"2+2? \"now\"\n"}],)"
      R"("tools":[{"type":"function","function":{"name":"add","description":"Does it","parameters":{"type":"object"}}}],)"
      R"("tool_choice":"required","parallel_tool_calls":false,"temperature":0.2,"top_p":1,)"
      R"("max_completion_tokens":100,"stop":["END"],"seed":7,"reasoning_effort":"low",)"
      R"("stream":true,"stream_options":{"include_usage":true}})");
  EXPECT_EQ(body(request), body(request));
}

TEST(ChatRequestBody, BeginsLikeTheRequestItContinues) {
  ChatRequest request{.messages = {Message::user("a"), calls({{"c1", "f", "{}"}}), result("c1", "1")}};
  const std::string first = body(request);
  request.messages.push_back(Message::assistant("b"));
  request.messages.push_back(Message::user("c"));
  const std::string prefix = first.substr(0, first.find("],\"stream\""));
  EXPECT_THAT(body(request), StartsWith(prefix));
}

TEST(ChatRequestBody, WritesACallAndItsResults) {
  const ChatRequest request{.messages = {Message::user("go"),
                                         calls({{"c1", "add", "{\"a\": 1}"}, {"c2", "now", ""}}, "Sure."),
                                         result("c1", "one"), result("c2", "two")}};
  EXPECT_EQ(
      Json::parse(body(request)).at("messages").dump(),
      R"([{"role":"user","content":"go"},{"role":"assistant","content":"Sure.","tool_calls":[)"
      R"({"id":"c1","type":"function","function":{"name":"add","arguments":"{\"a\": 1}"}},)"
      R"({"id":"c2","type":"function","function":{"name":"now","arguments":"{}"}}]},)"
      R"({"role":"tool","tool_call_id":"c1","content":"one"},{"role":"tool","tool_call_id":"c2","content":"two"}])");
}

TEST(ChatRequestBody, WritesResultsOfOneMessageOneByOne) {
  Message both = result("c1", "one");
  both.parts.push_back(ToolResult{.call_id = "c2", .name = "f", .content = "two"});
  const ChatRequest request{.messages = {calls({{"c1", "f", "{}"}, {"c2", "f", "{}"}}), both}};
  const Json json = Json::parse(body(request));
  EXPECT_EQ(json.at("messages").size(), 3u);
  EXPECT_TRUE(json.pointer("/messages/0/content")->is_null());
}

TEST(ChatRequestBody, WritesImagesAudioAndFiles) {
  Message message = Message::user("look");
  message.parts.push_back(Image{Media::bytes("image/png", "\x89PNG"), "low"});
  message.parts.push_back(Image{Media::link("https://example.com/a.jpg"), ""});
  message.parts.push_back(Audio{Media::bytes("audio/wav", "RIFF")});
  message.parts.push_back(File{Media::bytes("application/pdf", "%PDF"), "a.pdf"});
  EXPECT_EQ(
      Json::parse(body({.messages = {message}})).pointer("/messages/0/content")->dump(),
      R"([{"type":"text","text":"look"},)"
      R"({"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw==","detail":"low"}},)"
      R"({"type":"image_url","image_url":{"url":"https://example.com/a.jpg"}},)"
      R"({"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}},)"
      R"({"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERg=="}}])");
}

TEST(ChatRequestBody, PutsAttachmentsOfResultsAfterTheLastResult) {
  Message first = result("c1", "a chart");
  std::get<ToolResult>(first.parts[0]).attachments.emplace_back(Image{Media::bytes("image/png", "x"), ""});
  const Json json = Json::parse(
      body({.messages = {calls({{"c1", "f", "{}"}, {"c2", "f", "{}"}}), first, result("c2", "x")}}));
  ASSERT_EQ(json.at("messages").size(), 4u);
  EXPECT_EQ(json.pointer("/messages/3/role")->as_string(), "user");
  EXPECT_THAT(json.pointer("/messages/3/content/0/text")->as_string(), HasSubstr("c1"));
  EXPECT_EQ(json.pointer("/messages/3/content/1/type")->as_string(), "image_url");
}

TEST(ChatRequestBody, AsksForStructuredOutput) {
  ChatRequest request{.messages = {Message::user("x")}};
  request.output = OutputSchema{.name = "person", .schema = Json::object({{"type", "object"}})};
  EXPECT_EQ(
      Json::parse(body(request)).at("response_format").dump(),
      R"({"type":"json_schema","json_schema":{"name":"person","schema":{"type":"object"},"strict":true}})");
}

TEST(ChatRequestBody, WritesEachToolChoice) {
  ChatRequest request{.messages = {Message::user("x")}, .tools = {tool("add")}};
  EXPECT_FALSE(Json::parse(body(request)).contains("tool_choice"));
  request.tool_choice = {.mode = ToolChoice::Mode::none};
  EXPECT_EQ(Json::parse(body(request)).at("tool_choice").as_string(), "none");
  request.tool_choice = {.mode = ToolChoice::Mode::named, .name = "add"};
  EXPECT_EQ(Json::parse(body(request)).at("tool_choice").dump(),
            R"({"type":"function","function":{"name":"add"}})");
}

TEST(ChatRequestBody, FollowsTheSwitchesForOtherServers) {
  Message thought = Message::assistant("4");
  thought.parts.insert(thought.parts.begin(), Reasoning{"two and two", "", "", false});
  const ChatRequest request{
      .messages = {Message::system("s"), Message::user("x"), thought, Message::user("y")},
      .max_output_tokens = 5};
  EXPECT_EQ(body(request).find("two and two"), std::string::npos);
  const Json json = Json::parse(body(request, {.max_tokens = Compat::MaxTokens::max_tokens,
                                               .stream_usage = false,
                                               .developer_role = true,
                                               .replay_reasoning = true}));
  EXPECT_EQ(json.at("max_tokens").as_int(), 5);
  EXPECT_FALSE(json.contains("max_completion_tokens"));
  EXPECT_FALSE(json.contains("stream_options"));
  EXPECT_EQ(json.pointer("/messages/0/role")->as_string(), "developer");
  EXPECT_EQ(json.pointer("/messages/2/reasoning_content")->as_string(), "two and two");
}

TEST(ChatRequestBody, MergesExtraAndLetsItReplaceMembers) {
  ChatRequest request{.messages = {Message::user("x")}, .temperature = 0.5};
  request.extra = Json::parse(R"({"temperature":1.50,"service_tier":"flex"})");
  const std::string text = body(request);
  EXPECT_THAT(text, HasSubstr(R"("temperature":1.50,"service_tier":"flex"})"));
  EXPECT_EQ(text.find("0.5"), std::string::npos);
  for (const char* owned : {"stream", "messages", "n"}) {
    request.extra = Json::object();
    request.extra[owned] = 2;
    EXPECT_THAT(refused(request), HasSubstr(owned));
  }
}

TEST(ChatRequestBody, ReplacesInvalidUtf8) {
  EXPECT_THAT(body({.messages = {Message::user("a\xffz")}}), HasSubstr("a\uFFFDz"));
}

TEST(ChatRequest, IsRefusedWhenACallHasNoResult) {
  EXPECT_THAT(refused({.messages = {calls({{"c1", "f", "{}"}})}}),
              HasSubstr("messages[0]: the call 'c1' (f) has no result"));
  EXPECT_THAT(refused({.messages = {calls({{"c1", "f", "{}"}, {"c2", "f", "{}"}}), result("c1", ""),
                                    Message::user("x")}}),
              HasSubstr("the call 'c2'"));
}

TEST(ChatRequest, IsRefusedWhenResultsAreSwappedRepeatedOrForeign) {
  EXPECT_THAT(refused({.messages = {calls({{"c1", "f", "{}"}, {"c2", "f", "{}"}}), result("c2", ""),
                                    result("c1", "")}}),
              HasSubstr("expected the result of call 'c1'"));
  EXPECT_THAT(refused({.messages = {calls({{"c1", "f", "{}"}}), result("c1", ""), result("c1", "")}}),
              HasSubstr("messages[2]: the result 'c1' answers no call"));
  EXPECT_THAT(refused({.messages = {Message::user("x"), result("c9", "")}}),
              HasSubstr("'c9' answers no call"));
  EXPECT_THAT(refused({.messages = {calls({{"c1", "f", "{}"}}), Message::user("x"), result("c1", "")}}),
              HasSubstr("has no result"));
}

TEST(ChatRequest, IsRefusedForCallsWithoutIdentity) {
  EXPECT_THAT(refused({.messages = {calls({{"", "f", "{}"}})}}), HasSubstr("has no id"));
  EXPECT_THAT(refused({.messages = {calls({{"c", "", "{}"}})}}), HasSubstr("has no name"));
  EXPECT_THAT(refused({.messages = {calls({{"c", "f", "{}"}, {"c", "g", "{}"}})}}),
              HasSubstr("share the id 'c'"));
}

TEST(ChatRequest, IsRefusedForPartsInTheWrongRole) {
  EXPECT_THAT(refused({}), HasSubstr("no messages"));
  Message message = Message::user("x");
  message.parts.push_back(ToolCall{"c", "f", "{}"});
  EXPECT_THAT(refused({.messages = {message}}),
              HasSubstr("messages[0].parts[1]: a tool call cannot stand in a message of role user"));
  message = Message::system("x");
  message.parts.push_back(Image{Media::link("http://x"), ""});
  EXPECT_THAT(refused({.messages = {message}}),
              HasSubstr("an image cannot stand in a message of role system"));
  message = Message::assistant("x");
  message.parts.push_back(Image{Media::link("http://x"), ""});
  EXPECT_THAT(refused({.messages = {message}}), HasSubstr("no media in an assistant message"));
  EXPECT_THAT(refused({.messages = {Message{.role = Role::tool}}}), HasSubstr("without a result"));
}

TEST(ChatRequest, IsRefusedForMediaThatChatCompletionsDoesNotTake) {
  const auto with = [](Part part) {
    Message message = Message::user("x");
    message.parts.push_back(std::move(part));
    return ChatRequest{.messages = {message}};
  };
  EXPECT_THAT(refused(with(Audio{Media::link("http://x")})), HasSubstr("audio by URL"));
  EXPECT_THAT(refused(with(Audio{Media::bytes("audio/ogg", "x")})), HasSubstr("audio/ogg"));
  EXPECT_THAT(refused(with(File{Media::link("http://x"), "a"})), HasSubstr("file by URL"));
  EXPECT_THAT(refused(with(Image{})), HasSubstr("media without data"));
  EXPECT_THAT(refused(with(Image{Media::bytes("", "x"), ""})), HasSubstr("without a MIME type"));
}

TEST(ChatRequest, IsRefusedForBadTools) {
  ChatRequest request{.messages = {Message::user("x")}, .tools = {tool("two words")}};
  EXPECT_THAT(refused(request), HasSubstr("'two words' must be"));
  request.tools = {tool(std::string(65, 'a'))};
  EXPECT_THAT(refused(request), HasSubstr("1 to 64"));
  request.tools = {tool("a"), tool("a")};
  EXPECT_THAT(refused(request), HasSubstr("a second tool is called 'a'"));
  request.tools = {};
  request.tool_choice = {.mode = ToolChoice::Mode::required};
  EXPECT_THAT(refused(request), HasSubstr("there are no tools"));
  request.tools = {tool("a")};
  request.tool_choice = {.mode = ToolChoice::Mode::named, .name = "b"};
  EXPECT_THAT(refused(request), HasSubstr("tool_choice names 'b'"));
}

}  // namespace
}  // namespace beluga::llm::openai
