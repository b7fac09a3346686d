#include "beluga/contract/chat_model.hpp"

#include <gtest/gtest.h>

#include "beluga/base/result.hpp"

namespace beluga {
namespace {

/// Replays chunks, then ends, or throws.
class Replay final : public ChatModel {
 public:
  explicit Replay(std::vector<ChatChunk> chunks, std::optional<Error> error = std::nullopt)
      : chunks_(std::move(chunks)), error_(std::move(error)) {}
  Stream<ChatChunk> stream(ChatRequest) override {
    return Stream<ChatChunk>::from(
        [chunks = chunks_, error = error_, i = std::size_t{0}]() mutable -> ChatChunk* {
          if (i < chunks.size()) return &chunks[i++];
          if (error) throw *error;
          return nullptr;
        });
  }
  const ModelInfo& info() const noexcept override { return info_; }

 private:
  std::vector<ChatChunk> chunks_;
  std::optional<Error> error_;
  ModelInfo info_{.provider = "test", .model = "replay"};
};

ChatResponse fold(std::vector<ChatChunk> chunks) {
  return Replay(std::move(chunks)).generate({});
}

TEST(ChatFold, JoinsTextAndKeepsTheEnd) {
  const ChatResponse response = fold({TextDelta{"Hel"}, TextDelta{""}, TextDelta{"lo"},
                                      ResponseEnd{.reason = StopReason::max_tokens, .model = "m"}});
  ASSERT_EQ(response.message.parts.size(), 1u);
  EXPECT_EQ(response.message.role, Role::assistant);
  EXPECT_EQ(response.message.text(), "Hello");
  EXPECT_EQ(response.end.reason, StopReason::max_tokens);
  EXPECT_EQ(response.end.model, "m");
}

TEST(ChatFold, JoinsInterleavedFragmentsOfParallelCallsByIndex) {
  const ChatResponse response = fold({
      TextDelta{"Both."},
      ToolCallDelta{1, "call_b", "subtract", ""},
      ToolCallDelta{0, "call_a", "add", "{\"x\""},
      ToolCallDelta{1, "", "", "{\"y\":"},
      ToolCallDelta{0, "", "", ":1}"},
      ToolCallDelta{1, "call_b", "subtract", "2}"},  // some servers repeat id and name
      ToolCallDelta{4000000000U, "call_c", "halve", "{}"},
      ResponseEnd{.reason = StopReason::tool_calls},
  });
  ASSERT_EQ(response.message.parts.size(), 4u);
  EXPECT_EQ(std::get<Text>(response.message.parts[0]).text, "Both.");
  const auto calls = response.message.tool_calls();
  EXPECT_EQ(calls[0]->id, "call_a");
  EXPECT_EQ(calls[0]->name, "add");
  EXPECT_EQ(calls[0]->arguments, R"({"x":1})");
  EXPECT_EQ(calls[1]->id, "call_b");
  EXPECT_EQ(calls[1]->name, "subtract");
  EXPECT_EQ(calls[1]->arguments, R"({"y":2})");
  EXPECT_EQ(calls[2]->id, "call_c");
}

TEST(ChatFold, ClosesAPieceOfReasoningWithItsSignature) {
  const ChatResponse response =
      fold({ReasoningDelta{"I "}, ReasoningDelta{"think"}, ReasoningDelta{"", "sig1", "acme"},
            ReasoningDelta{"", "sig2", "acme"}, ReasoningDelta{"more"}, TextDelta{"So"}, ResponseEnd{}});
  ASSERT_EQ(response.message.parts.size(), 4u);
  const auto& thought = std::get<Reasoning>(response.message.parts[0]);
  EXPECT_EQ(thought.text, "I think");
  EXPECT_EQ(thought.signature, "sig1");
  EXPECT_EQ(thought.provider, "acme");
  EXPECT_FALSE(thought.redacted);
  const auto& hidden = std::get<Reasoning>(response.message.parts[1]);
  EXPECT_EQ(hidden.signature, "sig2");
  EXPECT_TRUE(hidden.redacted);
  EXPECT_EQ(std::get<Reasoning>(response.message.parts[2]).text, "more");
}

TEST(ChatFold, ForgetsWhatCameBeforeARestart) {
  const ChatResponse response =
      fold({TextDelta{"Wro"}, ToolCallDelta{0, "a", "b", "{"}, ReasoningDelta{"hm"},
            ResponseRestart{"connection reset"}, TextDelta{"Right"}, ResponseEnd{}});
  ASSERT_EQ(response.message.parts.size(), 1u);
  EXPECT_EQ(response.message.text(), "Right");
}

TEST(ChatFold, RefusesAStreamThatWasCut) {
  const auto result = attempt([] { return fold({TextDelta{"Hel"}}); });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::data_loss);
  EXPECT_TRUE(result.error().retryable());
  EXPECT_THROW(fold({}), Error);
}

TEST(ChatFold, RefusesAChunkAfterTheEnd) {
  const auto result = attempt([] { return fold({ResponseEnd{}, TextDelta{"late"}}); });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::internal);
}

TEST(ChatFold, KeepsTheTextButNotTheCallsOfAnAbortedResponse) {
  ChatFold fold;
  fold.add(TextDelta{"so far"});
  fold.add(ToolCallDelta{0, "a", "launch", "{\"rock"});
  EXPECT_EQ(fold.partial().text(), "so far");
  EXPECT_TRUE(fold.partial().tool_calls().empty());
  fold.add(ResponseEnd{});
  EXPECT_TRUE(fold.partial().tool_calls().empty());
}

TEST(ChatFold, IsAsNewAfterTake) {
  ChatFold fold;
  fold.add(TextDelta{"one"});
  fold.add(ResponseEnd{});
  EXPECT_EQ(fold.take().message.text(), "one");
  EXPECT_FALSE(fold.complete());
  fold.add(TextDelta{"two"});
  fold.add(ResponseEnd{});
  EXPECT_EQ(fold.take().message.text(), "two");
}

TEST(ChatModel, PassesTheErrorOfItsStreamThrough) {
  Replay model({TextDelta{"a"}}, Error(ErrorCode::unavailable, "overloaded").with_http_status(503));
  const auto result = attempt([&] { return model.generate({}); });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().http_status(), 503);
}

TEST(ChatModel, PutsTheLastMiddlewareOutermost) {
  struct Tag final : ChatModel {
    Tag(ChatModelPtr inner, std::string name) : inner_(std::move(inner)) {
      info_.model = name + "(" + inner_->info().model + ")";
    }
    Stream<ChatChunk> stream(ChatRequest request) override { return inner_->stream(std::move(request)); }
    const ModelInfo& info() const noexcept override { return info_; }
    ChatModelPtr inner_;
    ModelInfo info_;
  };
  const auto tag = [](std::string name) -> ChatMiddleware {
    return [name](ChatModelPtr model) { return std::make_shared<Tag>(std::move(model), name); };
  };
  const ChatModelPtr model =
      ChatModelPtr(std::make_shared<Replay>(std::vector<ChatChunk>{})) | tag("limit") | tag("retry");
  EXPECT_EQ(model->info().model, "retry(limit(replay))");
}

TEST(ChatModel, RefusesANullModelOrMiddleware) {
  const ChatModelPtr model = std::make_shared<Replay>(std::vector<ChatChunk>{});
  EXPECT_THROW(ChatModelPtr() | [](ChatModelPtr m) { return m; }, Error);
  EXPECT_THROW(model | ChatMiddleware(), Error);
  EXPECT_THROW(model | [](ChatModelPtr) { return ChatModelPtr(); }, Error);
}

}  // namespace
}  // namespace beluga
