#include "beluga/agent/transcript.hpp"

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace beluga {

void CallIds::make_unique(Message& message) {
  for (Part& part : message.parts) {
    auto* call = std::get_if<ToolCall>(&part);
    if (call == nullptr || (!call->id.empty() && seen_.insert(call->id).second)) continue;
    std::size_t number = seen_.size();
    do call->id = fmt::format("call_{}", ++number);
    while (!seen_.insert(call->id).second);
  }
}

ToolResult interrupted_result(const ToolCall& call) {
  return {.call_id = call.id,
          .name = call.name,
          .content =
              "error: the run was interrupted before the result of this call was recorded; whether it took "
              "effect "
              "is unknown",
          .is_error = true};
}

std::vector<Message> replayable(std::vector<Message> messages, CallIds& ids) {
  std::vector<Message> out;
  out.reserve(messages.size());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    Message& message = messages[i];
    if (message.parts.empty() || message.role == Role::tool)
      continue;  // a tool message that belongs to no call
    out.push_back(std::move(message));
    const std::vector<const ToolCall*> calls = out.back().tool_calls();
    if (calls.empty()) continue;

    std::vector<ToolCall> wanted;  // with the ids that the results know
    for (const ToolCall* call : calls) wanted.push_back(*call);
    ids.make_unique(out.back());
    const std::vector<const ToolCall*> repaired = out.back().tool_calls();
    std::vector<std::string> new_ids;
    for (const ToolCall* call : repaired) new_ids.push_back(call->id);
    std::vector<std::optional<ToolResult>> results(wanted.size());
    for (; i + 1 < messages.size() && messages[i + 1].role == Role::tool; ++i) {
      for (Part& part : messages[i + 1].parts) {
        auto* result = std::get_if<ToolResult>(&part);
        if (result == nullptr) continue;
        for (std::size_t k = 0; k < wanted.size(); ++k) {
          if (results[k] || wanted[k].id != result->call_id) continue;
          results[k] = std::move(*result);
          break;
        }
      }
    }
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      ToolResult result = results[k] ? std::move(*results[k]) : interrupted_result(wanted[k]);
      result.call_id = std::move(new_ids[k]);
      out.push_back(Message::tool(std::move(result)));
    }
  }
  return out;
}

std::string transcript_fault(std::span<const Message> messages) {
  std::unordered_set<std::string_view> seen;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    if (message.parts.empty()) return fmt::format("message {}: is empty", i);
    if (message.role == Role::tool) return fmt::format("message {}: a tool result without its call", i);
    for (const ToolCall* call : message.tool_calls()) {
      if (call->id.empty()) return fmt::format("message {}: a call of '{}' without id", i, call->name);
      if (!seen.insert(call->id).second)
        return fmt::format("message {}: the call id '{}' is used twice", i, call->id);
    }
    std::size_t at = i;
    for (const ToolCall* call : message.tool_calls()) {
      ++at;
      const ToolResult* result =
          at < messages.size() && messages[at].role == Role::tool ? messages[at].find<ToolResult>() : nullptr;
      if (result == nullptr || messages[at].parts.size() != 1 || result->call_id != call->id)
        return fmt::format("message {}: call '{}' has no result in its place", i, call->id);
    }
    i = at;
  }
  return {};
}

}  // namespace beluga
