#pragma once
/// A model and a tool for the tests of the loop: their behaviour is a function of what they were asked.

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "beluga/contract/chat_model.hpp"
#include "beluga/contract/tool.hpp"
#include "beluga/fiber/runtime.hpp"

namespace beluga::testing_doubles {

/// Answers turn n (from 0) with what `answer(n, request, yield)` yields; remembers every request.
class FunctionModel final : public ChatModel {
 public:
  using Answer = std::function<void(std::size_t turn, const ChatRequest& request, Yield<ChatChunk>& yield)>;
  explicit FunctionModel(Answer answer) : answer_(std::move(answer)) {}

  Stream<ChatChunk> stream(ChatRequest request) override {
    std::size_t turn = 0;
    {
      const std::lock_guard lock(mutex_);
      turn = requests_.size();
      requests_.push_back(request);
    }
    return Stream<ChatChunk>::generate([answer = answer_, turn, request = std::move(request)](
                                           Yield<ChatChunk>& yield) { answer(turn, request, yield); });
  }
  const ModelInfo& info() const noexcept override { return info_; }
  std::vector<ChatRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  Answer answer_;
  mutable std::mutex mutex_;
  std::vector<ChatRequest> requests_;
  ModelInfo info_{.provider = "test", .model = "model-1"};
};

inline std::shared_ptr<FunctionModel> model_of(FunctionModel::Answer answer) {
  return std::make_shared<FunctionModel>(std::move(answer));
}

/// A model that gives these chunks turn by turn, then says "done".
inline std::shared_ptr<FunctionModel> script(std::vector<std::vector<ChatChunk>> turns) {
  return model_of([turns = std::move(turns)](std::size_t turn, const ChatRequest&, Yield<ChatChunk>& yield) {
    if (turn < turns.size()) {
      for (ChatChunk chunk : turns[turn]) yield(chunk);
    } else {
      yield(ChatChunk(TextDelta{"done"}));
      yield(ChatChunk(ResponseEnd{}));
    }
  });
}

inline ChatChunk text(std::string words) {
  return TextDelta{std::move(words)};
}
inline ChatChunk call(std::uint32_t index, std::string id, std::string name, std::string arguments = "{}") {
  return ToolCallDelta{
      .index = index, .id = std::move(id), .name = std::move(name), .arguments = std::move(arguments)};
}
inline ChatChunk end(StopReason reason = StopReason::end, Usage usage = {.input = 10, .output = 5}) {
  return ResponseEnd{.reason = reason, .usage = usage, .model = "model-1-real", .response_id = "r"};
}

class FunctionTool final : public Tool {
 public:
  using Body = std::function<ToolOutput(const Json&, const ToolCallInfo&)>;
  FunctionTool(std::string name, Body body, ToolTraits traits) : body_(std::move(body)), traits_(traits) {
    schema_.name = std::move(name);
    schema_.description = "A test tool.";
    schema_.parameters = Json::parse(
        R"({"type":"object","properties":{"n":{"type":"integer"}},"additionalProperties":false})");
  }
  const ToolSchema& schema() const noexcept override { return schema_; }
  const ToolTraits& traits() const noexcept override { return traits_; }
  ToolOutput call(const Json& arguments, const ToolCallInfo& info) const override {
    return body_(arguments, info);
  }

 private:
  Body body_;
  ToolSchema schema_;
  ToolTraits traits_;
};

inline ToolPtr tool_of(std::string name, FunctionTool::Body body, ToolTraits traits = {.inline_call = true}) {
  return std::make_shared<FunctionTool>(std::move(name), std::move(body), traits);
}
inline ToolPtr constant_tool(std::string name, std::string content) {
  return tool_of(std::move(name), [content = std::move(content)](const Json&, const ToolCallInfo&) {
    return ToolOutput{.content = content};
  });
}

}  // namespace beluga::testing_doubles
