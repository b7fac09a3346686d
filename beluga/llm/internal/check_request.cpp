#include "beluga/llm/internal/check_request.hpp"

#include <algorithm>
#include <string>

namespace beluga::llm {
namespace {

[[noreturn]] void fail(std::string message) {
  throw Error(ErrorCode::invalid_argument, "chat request: " + message);
}

std::string place(std::size_t message) {
  return "messages[" + std::to_string(message) + "]";
}

constexpr std::string_view kPartNames[] = {"text",      "an image",    "audio",        "a file",
                                           "reasoning", "a tool call", "a tool result"};
static_assert(std::size(kPartNames) == std::variant_size_v<Part>);

bool fits(Role role, const Part& part) {
  switch (role) {
    case Role::system:
      return std::holds_alternative<Text>(part);
    case Role::user:
      return !std::holds_alternative<Reasoning>(part) && !std::holds_alternative<ToolCall>(part) &&
             !std::holds_alternative<ToolResult>(part);
    case Role::assistant:
      return !std::holds_alternative<ToolResult>(part);
    case Role::tool:
      return std::holds_alternative<ToolResult>(part);
  }
  return false;
}

void check_media(const Media& media, const std::string& where) {
  if (media.data == nullptr && media.url.empty()) fail(where + ": media without data and without URL");
  if (media.data != nullptr && media.mime_type.empty()) fail(where + ": media bytes without a MIME type");
}

void check_part(const Part& part, const std::string& where) {
  if (const auto* image = std::get_if<Image>(&part)) check_media(image->data, where);
  if (const auto* audio = std::get_if<Audio>(&part)) check_media(audio->data, where);
  if (const auto* file = std::get_if<File>(&part)) check_media(file->data, where);
}

/// Calls waiting for their results, in order.
class OpenCalls {
 public:
  void open(const Message& message, std::size_t at) {
    at_ = at;
    for (const ToolCall* call : message.tool_calls()) {
      if (call->id.empty()) fail(place(at) + ": the call of '" + call->name + "' has no id");
      if (call->name.empty()) fail(place(at) + ": the call '" + call->id + "' has no name");
      if (std::any_of(calls_.begin(), calls_.end(),
                      [&](const ToolCall* other) { return other->id == call->id; }))
        fail(place(at) + ": two calls share the id '" + call->id + "'");
      calls_.push_back(call);
    }
  }
  void answer(const ToolResult& result, std::size_t at) {
    if (next_ == calls_.size())
      fail(place(at) + ": the result '" + result.call_id +
           "' answers no call of the assistant message before it");
    if (calls_[next_]->id != result.call_id)
      fail(place(at) + ": expected the result of call '" + calls_[next_]->id + "' (" + calls_[next_]->name +
           "), found '" + result.call_id + "'; results stand in call order, one for each call");
    ++next_;
  }
  void close() {
    if (next_ < calls_.size())
      fail(place(at_) + ": the call '" + calls_[next_]->id + "' (" + calls_[next_]->name +
           ") has no result; each call needs exactly one before the next message");
    calls_.clear();
    next_ = 0;
  }

 private:
  std::vector<const ToolCall*> calls_;
  std::size_t next_ = 0;
  std::size_t at_ = 0;
};

void check_messages(const std::vector<Message>& messages) {
  if (messages.empty()) fail("no messages");
  OpenCalls calls;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    if (message.role != Role::tool) calls.close();
    for (std::size_t p = 0; p < message.parts.size(); ++p) {
      const Part& part = message.parts[p];
      const std::string where = place(i) + ".parts[" + std::to_string(p) + "]";
      if (!fits(message.role, part))
        fail(where + ": " + std::string(kPartNames[part.index()]) + " cannot stand in a message of role " +
             std::string(to_string(message.role)));
      check_part(part, where);
      if (const auto* result = std::get_if<ToolResult>(&part)) {
        for (const auto& attachment : result->attachments)
          std::visit([&](const auto& media) { check_media(media.data, where); }, attachment);
        calls.answer(*result, i);
      }
    }
    if (message.role == Role::tool && message.parts.empty())
      fail(place(i) + ": a tool message without a result");
    calls.open(message, i);
  }
  calls.close();
}

bool well_formed(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

void check_tools(const ChatRequest& request) {
  const auto& tools = request.tools;
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const std::string where = "tools[" + std::to_string(i) + "]";
    if (!well_formed(tools[i].name))
      fail(where + ": the name '" + tools[i].name + "' must be 1 to 64 letters, digits, '_' or '-'");
    if (!tools[i].parameters.is_object())
      fail(where + " (" + tools[i].name + "): parameters must be a schema object");
    for (std::size_t j = 0; j < i; ++j)
      if (tools[j].name == tools[i].name) fail(where + ": a second tool is called '" + tools[i].name + "'");
  }
  const ToolChoice& choice = request.tool_choice;
  if (choice.mode == ToolChoice::Mode::required && tools.empty())
    fail("tool_choice is 'required' but there are no tools");
  if (choice.mode == ToolChoice::Mode::named &&
      std::none_of(tools.begin(), tools.end(),
                   [&](const ToolSchema& tool) { return tool.name == choice.name; }))
    fail("tool_choice names '" + choice.name + "', which is not among the tools");
}

}  // namespace

void check_request(const ChatRequest& request) {
  check_messages(request.messages);
  check_tools(request);
  if (request.output && !request.output->schema.is_object()) fail("output.schema must be a schema object");
  if (!request.extra.is_null() && !request.extra.is_object()) fail("extra must be an object");
}

}  // namespace beluga::llm
