#include "beluga/contract/chat_model.hpp"

#include <algorithm>

namespace beluga {

std::string_view to_string(StopReason reason) noexcept {
  switch (reason) {
    case StopReason::end:
      return "end";
    case StopReason::tool_calls:
      return "tool_calls";
    case StopReason::max_tokens:
      return "max_tokens";
    case StopReason::stop_sequence:
      return "stop_sequence";
    case StopReason::content_filter:
      return "content_filter";
    case StopReason::refusal:
      return "refusal";
    case StopReason::unknown:
      return "unknown";
  }
  return "unknown";
}

void ChatFold::add(const ChatChunk& chunk) {
  if (complete_)
    throw Error(ErrorCode::internal,
                "a chunk came after the end of the response; the model's stream breaks its contract");
  std::vector<Part>& parts = response_.message.parts;
  if (const auto* text = std::get_if<TextDelta>(&chunk)) {
    if (text->text.empty()) return;
    if (parts.empty() || !std::holds_alternative<Text>(parts.back())) parts.push_back(Text{});
    std::get<Text>(parts.back()).text += text->text;
  } else if (const auto* thought = std::get_if<ReasoningDelta>(&chunk)) {
    if (thought->text.empty() && thought->signature.empty()) return;
    // A signature closes its piece: what follows belongs to the next one.
    auto* open = parts.empty() ? nullptr : std::get_if<Reasoning>(&parts.back());
    if (open == nullptr || !open->signature.empty()) {
      parts.push_back(Reasoning{});
      open = &std::get<Reasoning>(parts.back());
    }
    open->text += thought->text;
    if (!thought->signature.empty()) {
      open->signature = thought->signature;
      open->redacted = open->text.empty();
    }
    if (!thought->provider.empty()) open->provider = thought->provider;
  } else if (const auto* fragment = std::get_if<ToolCallDelta>(&chunk)) {
    auto at = std::lower_bound(calls_.begin(), calls_.end(), fragment->index,
                               [](const auto& entry, std::uint32_t index) { return entry.first < index; });
    if (at == calls_.end() || at->first != fragment->index)
      at = calls_.insert(at, {fragment->index, ToolCall{}});
    ToolCall& call = at->second;
    if (call.id.empty()) call.id = fragment->id;
    if (call.name.empty()) call.name = fragment->name;
    call.arguments += fragment->arguments;
  } else if (std::holds_alternative<ResponseRestart>(chunk)) {
    *this = ChatFold();
  } else {
    response_.end = std::get<ResponseEnd>(chunk);
    for (auto& [index, call] : calls_) parts.push_back(std::move(call));
    calls_.clear();
    complete_ = true;
  }
}

ChatResponse ChatFold::take() {
  if (!complete_)
    throw Error(ErrorCode::data_loss, "the model's stream ended before the response was complete")
        .with_retryable(true);
  ChatResponse response = std::move(response_);
  *this = ChatFold();
  return response;
}

Message ChatFold::partial() const {
  Message message{.role = response_.message.role};
  for (const Part& part : response_.message.parts)
    if (!std::holds_alternative<ToolCall>(part)) message.parts.push_back(part);
  return message;
}

ChatResponse ChatModel::generate(ChatRequest request) {
  ChatFold fold;
  Stream<ChatChunk> chunks = stream(std::move(request));
  while (const ChatChunk* chunk = chunks.next()) fold.add(*chunk);
  return fold.take();
}

ChatModelPtr operator|(ChatModelPtr model, const ChatMiddleware& middleware) {
  if (!model) throw Error(ErrorCode::invalid_argument, "model | middleware: the model is null");
  if (!middleware) throw Error(ErrorCode::invalid_argument, "model | middleware: the middleware is empty");
  ChatModelPtr wrapped = middleware(std::move(model));
  if (!wrapped) throw Error(ErrorCode::internal, "model | middleware: the middleware returned no model");
  return wrapped;
}

}  // namespace beluga
