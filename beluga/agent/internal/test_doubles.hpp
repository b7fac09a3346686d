#pragma once
/// A model and a tool for the tests of the loop, whose behaviour is a function of what they were asked, and
/// what the tests look at: events, requests, endings.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "beluga/agent/agent.hpp"
#include "beluga/agent/transcript.hpp"
#include "beluga/base/id.hpp"
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

inline std::vector<Event> events_of(const Agent& agent, RunInput input) {
  return Runtime::current().run([&] {
    std::vector<Event> all;
    Stream<Event> stream = agent.stream(std::move(input));
    while (const Event* event = stream.next()) all.push_back(*event);
    return all;
  });
}

/// Checks what holds for every run, then hands out the terminal event.
inline const Event& ending(const std::vector<Event>& events) {
  EXPECT_FALSE(events.empty());
  std::size_t terminals = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].seq, i + 1);
    EXPECT_TRUE(is_ulid(events[i].run->run_id));
    terminals += events[i].terminal() ? 1U : 0U;
  }
  EXPECT_EQ(terminals, 1U);
  EXPECT_TRUE(events.back().terminal());
  return events.back();
}

template <class P>
std::vector<const P*> all_of(const std::vector<Event>& events) {
  std::vector<const P*> out;
  for (const Event& event : events)
    if (const P* payload = event.get_if<P>()) out.push_back(payload);
  return out;
}

/// A request as it will be sent: everything of it, in order.
inline std::string body_of(const ChatRequest& request) {
  Json body = Json::object();
  for (const Message& message : request.messages) body["messages"].push_back(to_json(message));
  for (const ToolSchema& tool : request.tools)
    body["tools"].push_back(Json::object(
        {{"name", tool.name}, {"description", tool.description}, {"parameters", tool.parameters}}));
  if (request.temperature) body["temperature"] = *request.temperature;
  if (request.max_output_tokens) body["max_output_tokens"] = *request.max_output_tokens;
  return body.dump();
}

inline std::vector<std::string> bodies_of(const FunctionModel& model) {
  std::vector<std::string> out;
  for (const ChatRequest& request : model.requests()) {
    EXPECT_EQ(transcript_fault(request.messages), "");
    out.push_back(body_of(request));
  }
  return out;
}

inline const Error& failure(const Event& event) {
  static const Error kNone(ErrorCode::unknown, "the run did not fail");
  const auto* failed = event.get_if<RunFailed>();
  EXPECT_NE(failed, nullptr) << type_name(event);
  return failed != nullptr ? failed->error : kNone;
}

inline std::string result_of(const ChatRequest& request, std::string_view call_id) {
  for (const Message& message : request.messages)
    for (const Part& part : message.parts)
      if (const auto* result = std::get_if<ToolResult>(&part);
          result != nullptr && result->call_id == call_id)
        return (result->is_error ? "ERROR " : "") + result->content;
  return "(none)";
}

}  // namespace beluga::testing_doubles
